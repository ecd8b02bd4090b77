// SPDX-License-Identifier: GPL-2.0-or-later
// Failing allocations on purpose; the kernel must have been built for it (the debug kernel is).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace snapdiff::lab {

// False: this kernel cannot, which is a reason to skip.
bool canInjectFaults();

// While it lives, all allocations may be made to fail, also those that may sleep, and none of them
// is logged.
class FaultInjection
{
public:
	FaultInjection();
	~FaultInjection();
	FaultInjection(const FaultInjection &) = delete;
	FaultInjection &operator=(const FaultInjection &) = delete;

	// Runs something in which the n-th allocation of this thread fails, counted from 1. False:
	// there were fewer.
	bool failNth(uint64_t n, const std::function<void()> &run) const;

	// From now on so many percent of the allocations of the kernel's unbound workers fail.
	void failWorkers(unsigned percent);
	// No more of that. How many have failed.
	uint64_t stopFailing();

private:
	static void markWorkers(bool fail);

	int fd_;
};

} // namespace snapdiff::lab
