// SPDX-License-Identifier: GPL-2.0-or-later
//
// Supply: where ranges come from, as it is known now: a volume group, or a device that
// is one range.

#pragma once

#include "config.h"
#include "dm/device_number.h"
#include "pace.h"
#include "reserve.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace snapdiff::daemon {

// What the cold path has to know of the stores.
struct Surroundings
{
	std::map<dm::DeviceNumber, std::string> ranges; // device of a range -> its store
	std::set<std::string> stores;			// names
	Disks originDisks;
	bool anyStore = false;
	bool starving = false;
	Pace pace; // of the stores; none: as configured
};

struct Supply
{
	enum class State { Unknown, Ok, Full, Failed };

	std::string vg; // or the path of a device
	State state = State::Unknown;
	uint64_t size = 0;
	uint64_t carvable = 0; // of a device nothing: it is in reserve, or in a store
	std::string problem;

	unsigned failures = 0; // in a row
	int64_t notBefore = 0;
};

std::string_view word(Supply::State state);

// What a store may be given: its own list; else that for all stores; and if there is
// none, anything that no store has for itself.
SupplyOrder orderFor(const Config &config, std::string_view store);

// 1, 2, 4 ... 60 s, for ever.
int64_t backOff(unsigned failures);

} // namespace snapdiff::daemon
