// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hot memory: locked, touched, and never given back.

#include "hot_memory.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <malloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif

namespace snapdiff::daemon {

namespace {

// More than the deepest call of the loop needs.
constexpr size_t stackBytes = 256U << 10;

// What the loop allocates between two rounds stays below this; it is touched once
// and then kept by malloc.
constexpr size_t heapBytes = 4U << 20;

__attribute__((noinline)) void touchStack()
{
	char stack[stackBytes];
	std::memset(stack, 0, sizeof(stack));
	asm volatile("" : : "r"(stack) : "memory"); // so that the writes are not left out
}

void touchHeap()
{
	mallopt(M_TRIM_THRESHOLD, -1);
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_ARENA_MAX, 1);
	void *heap = std::malloc(heapBytes);
	if (heap)
		std::memset(heap, 0, heapBytes);
	std::free(heap);
}

// Before whatever else wants a processor.  What we start is not in such a hurry.
bool comeFirst()
{
	constexpr int highest = -20;
	const sched_param none = {};

	if (getpriority(PRIO_PROCESS, 0) == highest)
		return true; // the unit says so, and does not let us say it
	return sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none) == 0 &&
	       setpriority(PRIO_PROCESS, 0, highest) == 0;
}

} // namespace

std::vector<Error> prepareHotMemory()
{
	std::vector<Error> missing;

	touchHeap();
	touchStack();
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		missing.emplace_back(errno, "lock memory");
	// Memory that this thread still asks for is never made free by writing to a
	// device that we serve.
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		missing.emplace_back(errno, "become an I/O flusher");
	if (!comeFirst())
		missing.emplace_back(errno, "come before other processes");
	return missing;
}

} // namespace snapdiff::daemon
