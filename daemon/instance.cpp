// SPDX-License-Identifier: GPL-2.0-or-later
//
// Instance: a lock below /run.

#include "instance.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace snapdiff::daemon {

Result<Fd> claimInstance()
{
	constexpr const char *folder = "/run/snapdiff";
	constexpr const char *path = "/run/snapdiff/snapdiffd.lock";

	if (mkdir(folder, 0755) < 0 && errno != EEXIST)
		return Error(errno, std::string("make ") + folder);
	Result<Fd> lock = Fd::open(path, O_RDWR | O_CREAT, 0600);
	if (!lock)
		return lock;
	if (flock(lock->get(), LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? Error(EBUSY, "start", "another snapdiffd is running")
					    : Error(errno, std::string("lock ") + path);
	return lock;
}

} // namespace snapdiff::daemon
