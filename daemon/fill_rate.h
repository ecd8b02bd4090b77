// SPDX-License-Identifier: GPL-2.0-or-later
//
// FillRate: the rate with which a store has to be reckoned.  Rises at once, falls slowly.
//
// What a store takes in is counted from copies and overlays rather than from its used
// sectors: these fall with every delete, and rise while a range is taken back.

#pragma once

#include "model/store.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>

namespace snapdiff::daemon {

// Sectors that a store ever took in, as far as its states tell.  Never falls.
class Inflow
{
public:
	// The store's next state.  Returns the new sum.
	uint64_t add(const model::Store &store);
	uint64_t total() const { return total_; }

private:
	uint64_t total_ = 0;
	bool any_ = false;
	uint64_t used_ = 0;
	std::map<std::string, uint64_t> copied_;  // chunks, by origin
	std::map<std::string, uint64_t> overlay_; // sectors, by snapshot
};

class FillRate
{
public:
	// One sample: monotonic time in ns, sectors taken in so far.  waiting: writers
	// wait for space, so that less comes in than wants to.
	void add(int64_t monotonicNs, uint64_t total, bool waiting = false);

	// Sectors per second: the fastest of the last second, the last seconds and half
	// the time that it remembers; twice as much when it has just doubled; and no less than
	// what is left of an earlier peak.  0: nothing comes in.
	double perSecond() const { return rate_; }

	// A peak has fallen to a third after so many seconds.
	void remember(double seconds) { fall_ = seconds; }

private:
	struct Sample
	{
		int64_t ns;
		uint64_t total;
	};

	double measured() const;
	double between(double olderSeconds, double newerSeconds) const;
	double trend() const;
	const Sample &before(double seconds) const;

	std::deque<Sample> samples_; // none older than the longest window, but one
	double fall_ = 60;
	double rate_ = 0;
};

} // namespace snapdiff::daemon
