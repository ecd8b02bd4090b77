// SPDX-License-Identifier: GPL-2.0-or-later
//
// Test hook: raises SIGKILL at the boundary number SNAPDIFF_KILL_AT (from 1).  A boundary lies
// between two steps of an operation, and between the three calls with which libdevmapper makes a
// device.

#include "ops/step.h"

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>

#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void boundary()
{
	static int passed = 0;

	const char *at = getenv("SNAPDIFF_KILL_AT");
	if (at && ++passed == atoi(at))
		raise(SIGKILL);
}

namespace snapdiff::ops {

void step(const char *) noexcept
{
	boundary();
}

} // namespace snapdiff::ops

// What the program defines comes before the C library's, for libdevmapper too.
extern "C" int ioctl(int fd, unsigned long request, ...) noexcept
{
	va_list arguments;
	va_start(arguments, request);
	void *argument = va_arg(arguments, void *);
	va_end(arguments);
	const long done = syscall(SYS_ioctl, fd, request, argument);
	const int error = errno;
	if (request == DM_DEV_CREATE || request == DM_TABLE_LOAD)
		boundary();
	errno = error;
	return static_cast<int>(done);
}
