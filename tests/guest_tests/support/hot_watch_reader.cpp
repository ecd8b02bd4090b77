// SPDX-License-Identifier: GPL-2.0-or-later
// The test's side of what hot_watch.cpp sees.
#include "support/hot_watch.h"

#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace snapdiff::lab {

HotWatch::HotWatch()
{
	const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(HotBoard)) < 0)
		throw std::system_error(errno, std::generic_category(), path);
	void *memory = mmap(nullptr, sizeof(HotBoard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		throw std::system_error(errno, std::generic_category(), path);
	board_ = static_cast<HotBoard *>(memory);
}

HotWatch::~HotWatch()
{
	munmap(board_, sizeof(HotBoard));
	unlink(path);
}

std::vector<std::string> HotWatch::environment()
{
	return {std::string("LD_PRELOAD=") + SNAPDIFF_HOT_WATCH_LIBRARY,
		std::string(variable) + "=" + path};
}

bool HotWatch::waitForCount(uint64_t wanted, int seconds) const
{
	for (int i = 0; i < seconds * 100; i++) {
		if (count() >= wanted)
			return true;
		usleep(10'000);
	}
	return false;
}

} // namespace snapdiff::lab
