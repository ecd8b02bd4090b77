// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exhaustion: several stores draw on one reserve and the same volume groups.  What of it
// is there for one of them, come what may; and when it is used up at the present rates.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace snapdiff::model {

struct Drawer
{
	uint64_t free = 0;	    // sectors, in the store
	uint64_t room = UINT64_MAX; // sectors that it may still be given (maximum size)
	uint64_t worst = 0;	    // sectors that can still come
	double rate = 0;	    // sectors per second
};

// Of the sectors that can be given, what is left for this store when each of the others
// has taken all that it can need.
uint64_t leftFor(const std::vector<Drawer> &all, size_t which, uint64_t shared);

// Milliseconds until this store has no free sectors and is given no more, if all go on
// as they do now.  Nothing: never.
std::optional<uint64_t> exhaustionMs(const std::vector<Drawer> &all, size_t which, uint64_t shared);

} // namespace snapdiff::model
