// SPDX-License-Identifier: GPL-2.0-or-later
//
// History: the time that its entries carry.

#include "history.h"

#include <ctime>

namespace snapdiff::daemon {

uint64_t wallMicroseconds()
{
	timespec now = {};
	clock_gettime(CLOCK_REALTIME, &now);
	return static_cast<uint64_t>(now.tv_sec) * 1'000'000 +
	       static_cast<uint64_t>(now.tv_nsec) / 1000;
}

} // namespace snapdiff::daemon
