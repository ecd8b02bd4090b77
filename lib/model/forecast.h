// SPDX-License-Identifier: GPL-2.0-or-later
//
// Forecast: how fast a store fills and when it will be full, from samples of its
// used sectors, or of all that it ever took in.  A short window follows bursts, a long one the
// trend; the time to full is the shorter of both.

#pragma once

#include <cstdint>
#include <deque>
#include <optional>

namespace snapdiff::model {

class Forecast
{
public:
	// Windows in seconds.
	explicit Forecast(double shortWindow = 30, double longWindow = 600);

	// One sample: monotonic time in ns, used sectors.  Time that goes back or a
	// used that falls (a delete) starts the windows anew.
	void add(int64_t monotonicNs, uint64_t usedSectors);

	// Sectors per second; nothing before two samples.
	std::optional<double> shortRate() const;
	std::optional<double> longRate() const;

	// The greater of both; 0 when nothing is known.
	double rate() const;

	// Milliseconds until so many free sectors are used up; nothing when nothing
	// flows or nothing is known.
	std::optional<uint64_t> timeToFullMs(uint64_t freeSectors) const;
	std::optional<uint64_t> shortTimeToFullMs(uint64_t freeSectors) const;
	std::optional<uint64_t> longTimeToFullMs(uint64_t freeSectors) const;

private:
	struct Sample
	{
		int64_t ns;
		uint64_t used;
	};

	double shortWindow_;
	double longWindow_;
	std::deque<Sample> samples_; // at most one per second, none older than the long window
	Sample last_ = {};
	bool any_ = false;
	std::optional<double> rate_; // moving average over the short window
};

} // namespace snapdiff::model
