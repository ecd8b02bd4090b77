// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fd: owns one file descriptor.

#include "util/fd.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace snapdiff {

Result<Fd> Fd::open(const std::string &path, int flags, unsigned mode)
{
	const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
	if (fd < 0)
		return Error(errno, "open " + path);
	return Fd(fd);
}

void Fd::reset(int fd)
{
	if (fd_ >= 0)
		::close(fd_);
	fd_ = fd;
}

Result<std::string> readFile(const std::string &path, size_t limit)
{
	// To note when it was read may have to wait for the disk.  Not everybody may say so.
	Result<Fd> file = Fd::open(path, O_RDONLY | O_NOATIME);
	if (!file && file.error().errnum() == EPERM)
		file = Fd::open(path, O_RDONLY);
	if (!file)
		return std::move(file).error();

	std::string text;
	char buffer[4096];
	for (;;) {
		const ssize_t got = ::read(file->get(), buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return Error(errno, "read " + path);
		if (got == 0)
			return text;
		if (text.size() + static_cast<size_t>(got) > limit)
			return Error(EFBIG, "read " + path);
		text.append(buffer, static_cast<size_t>(got));
	}
}

} // namespace snapdiff
