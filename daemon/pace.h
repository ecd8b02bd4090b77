// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pace: how large ranges, reserve and low-water marks have to be, from the rates with
// which stores fill and the time that carving takes.  Pure: no clock, no I/O.
//
//	range      space for range_seconds at the fastest store's rate
//	reserve    what all stores take in while it is filled up again, and some more
//	mark       what the store takes in while one range is carved, for the case that
//	           the reserve is empty
//
// All three rise at once with a rate and fall with it, which FillRate makes slow.

#pragma once

#include "config.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

namespace snapdiff::daemon {

// How long it takes until a range is carved.
class CarvingTime
{
public:
	// What a failure cost counts for the next success, and until then by itself.
	void succeeded(int64_t ns);
	void failed(int64_t ns);

	// Seconds; of twenty carves one takes longer.
	double slow() const;

	static constexpr double unknown = 2; // before the first carve
	static constexpr double longest = 120;

private:
	std::deque<double> last_;
	double lost_ = 0; // in failures since the last success
};

// One store, for the pace of all.
struct PacedStore
{
	double rate = 0;	    // sectors per second, of FillRate
	uint64_t room = UINT64_MAX; // sectors up to its maximum size
};

struct Pace
{
	uint64_t rangeSectors = 0;   // of the next range to carve
	uint64_t reserveSectors = 0; // no fewer ready
	uint64_t mostSectors = 0;    // more in reserve are too many
	bool calm = true;	     // the configured minimum is enough
};

// carving: CarvingTime::slow().
Pace paceOf(const Config &config, std::span<const PacedStore> stores, double carving);

// How long FillRate remembers a peak: less than what is too much is kept.
double secondsToRemember(const Config &config);

// How many ranges the reserve is to have, when it has these now: as many as configured,
// and more while they hold too little.
unsigned rangesWanted(const Config &config, const Pace &pace, size_t ready, uint64_t readySectors);

// How long a range may be that the reserve gives back to its volume group; 0: none.
// Not while it is short.
uint64_t longestSurplus(const Config &config, const Pace &pace, size_t ready,
			uint64_t readySectors);

// The low-water mark of one store.
//
// The configured mark is its lowest.  Without one that is the mark which somebody else
// gave the store: what the daemon found there, or finds there later.
class LowWaterMark
{
public:
	struct Situation
	{
		uint64_t current = 0; // the kernel's
		std::optional<uint64_t> configured;
		double rate = 0;
		double carving = 0;
		uint64_t rangeSectors = 0;
		std::optional<uint64_t> maxSize;
		uint64_t available = UINT64_MAX; // free, in reserve and carvable
	};

	// The mark to set; nothing: it is good enough.
	std::optional<uint64_t> next(const Situation &situation);

	// It was set.
	void wasSet(uint64_t mark) { set_ = mark; }

private:
	std::optional<uint64_t> found_; // somebody else's
	std::optional<uint64_t> set_;	// ours
};

} // namespace snapdiff::daemon
