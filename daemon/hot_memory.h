// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hot memory: makes sure that the hot path never waits for memory, and not for a
// processor if that can be helped.  A page fault or a reclaim that writes to an
// origin which is holding its writers would wait for the daemon itself.

#pragma once

#include "util/result.h"

#include <vector>

namespace snapdiff::daemon {

// Locks all memory, present and future, touches the stack, keeps the heap from
// being given back, tells the kernel that this thread serves I/O, and lets it run
// before others; its children are as others are.  What could not be had (no
// privilege) is returned; the daemon goes on without it.
std::vector<Error> prepareHotMemory();

} // namespace snapdiff::daemon
