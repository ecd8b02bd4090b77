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

Result<Fd> Fd::openUnnoted(const std::string &path, int flags)
{
	Result<Fd> file = open(path, O_RDONLY | O_NOATIME | flags);
	if (!file && file.error().errnum() == EPERM) // somebody else's file
		return open(path, O_RDONLY | flags);
	return file;
}

void Fd::reset(int fd)
{
	if (fd_ >= 0)
		::close(fd_);
	fd_ = fd;
}

Result<std::string> readFile(const std::string &path, size_t limit)
{
	Result<Fd> file = Fd::openUnnoted(path);
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
