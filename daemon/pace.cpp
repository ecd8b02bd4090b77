// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pace: how large ranges, reserve and low-water marks have to be.

#include "pace.h"

#include "reserve.h"
#include "util/units.h"

#include <algorithm>
#include <cmath>

namespace snapdiff::daemon {

namespace {

constexpr size_t carvesRemembered = 20;

// So many ranges are carved in a row, at most, before the reserve counts as full.
constexpr uint64_t mostCarves = 16;

// Between a level that is reached and the look that sees it.
constexpr double lookSeconds = 1;

uint64_t sectorsAt(double rate, double seconds)
{
	constexpr double most = 9e18; // fits 64 bits
	return static_cast<uint64_t>(std::min(most, std::ceil(rate * seconds)));
}

uint64_t product(uint64_t a, uint64_t b)
{
	uint64_t result = 0;
	return __builtin_mul_overflow(a, b, &result) ? UINT64_MAX : result;
}

uint64_t fiveQuarters(uint64_t sectors)
{
	return sectors > UINT64_MAX / 5 ? UINT64_MAX : sectors * 5 / 4;
}

// A range must outlast the carving of the next one.
double secondsOfRange(const Config &config, double carving)
{
	return std::max<double>(config.rangeSeconds, 2 * carving);
}

// range_size, doubled until it is enough: small changes of a rate change nothing.
uint64_t rangeFor(const Config &config, const PacedStore &store, double carving)
{
	const uint64_t wanted = sectorsAt(store.rate, secondsOfRange(config, carving));
	const uint64_t most = std::max(config.rangeSize, std::min(config.rangeMaxSize, store.room));
	uint64_t size = config.rangeSize;

	while (size < wanted && size < most)
		size = std::min(most, product(size, 2));
	return size;
}

} // namespace

void CarvingTime::succeeded(int64_t ns)
{
	last_.push_back(std::min(longest, static_cast<double>(ns) / 1e9 + lost_));
	if (last_.size() > carvesRemembered)
		last_.pop_front();
	lost_ = 0;
}

void CarvingTime::failed(int64_t ns)
{
	lost_ = std::min(longest, lost_ + static_cast<double>(ns) / 1e9);
}

double CarvingTime::slow() const
{
	if (last_.empty())
		return std::max(unknown, lost_);
	std::deque<double> sorted = last_;
	std::sort(sorted.begin(), sorted.end());
	return std::max(lost_, sorted[(sorted.size() * 19 - 1) / 20]);
}

Pace paceOf(const Config &config, std::span<const PacedStore> stores, double carving)
{
	Pace pace;
	double total = 0;

	pace.rangeSectors = config.rangeSize;
	for (const PacedStore &store : stores) {
		if (store.room > 0)
			total += store.rate; // otherwise it is given nothing
		pace.rangeSectors = std::max(pace.rangeSectors, rangeFor(config, store, carving));
	}
	// One carve is under way already, for a rate that has passed; then come those
	// that hold the seconds to be covered.
	const uint64_t covered = sectorsAt(total, secondsOfRange(config, carving));
	const uint64_t carves = 1 + std::min(mostCarves, covered / pace.rangeSectors + 1);
	const uint64_t least = product(config.reserveRanges, config.rangeSize);
	const uint64_t most = product(config.reserveMaxRanges, config.rangeMaxSize);
	const uint64_t needed = sectorsAt(total, secondsOfRange(config, carving) +
							 carving * static_cast<double>(carves));
	pace.reserveSectors = std::clamp(needed, least, std::max(least, most));
	pace.mostSectors = std::max(product(config.reserveMaxRanges, config.rangeSize),
				    product(pace.reserveSectors, 2));
	pace.calm = needed <= least / 2;
	return pace;
}

double secondsToRemember(const Config &config)
{
	return std::clamp(config.giveBackAfterMs / 5000.0, 2.0, 600.0);
}

unsigned rangesWanted(const Config &config, const Pace &pace, size_t ready, uint64_t readySectors)
{
	const uint64_t missing =
		pace.reserveSectors > readySectors ? pace.reserveSectors - readySectors : 0;
	const uint64_t more = (missing + pace.rangeSectors - 1) / pace.rangeSectors;
	// Pieces may be smaller than wished; half of the room is for what comes back.
	const uint64_t enough = std::min<uint64_t>(ready + more, Reserve::most / 2);
	return static_cast<unsigned>(std::max<uint64_t>(config.reserveRanges, enough));
}

uint64_t longestSurplus(const Config &config, const Pace &pace, size_t ready, uint64_t readySectors)
{
	if (ready <= config.reserveMaxRanges && readySectors <= pace.mostSectors)
		return 0;
	if (!pace.calm && ready <= config.reserveRanges)
		return 0;
	// While it is calm a large range may be exchanged for a small one.
	const uint64_t keep = pace.calm ? pace.reserveSectors - config.rangeSize
					: fiveQuarters(pace.reserveSectors);
	return readySectors > keep ? readySectors - keep : 0;
}

std::optional<uint64_t> LowWaterMark::next(const Situation &now)
{
	const bool others = !set_ || *set_ != now.current;
	if (!found_ || others)
		found_ = now.current;
	const uint64_t lowest = now.configured.value_or(*found_);
	if (lowest == 0)
		return {}; // it shall never ask for more

	// In doublings, so that small changes of a rate change nothing.
	const uint64_t needed = sectorsAt(now.rate, now.carving + lookSeconds);
	uint64_t paced = needed ? sectorsOf(1U << 20) : 0;
	while (paced && paced < needed)
		paced = product(paced, 2);
	// Two ranges are always enough to be above it, and it is never out of reach.
	const uint64_t highest = std::min({product(now.rangeSectors, 2), now.available / 2,
					   now.maxSize ? *now.maxSize / 4 : UINT64_MAX});
	const uint64_t target = std::max(lowest, std::min(paced, highest));

	if (target == now.current)
		return {};
	if (now.current < lowest || (others && now.configured))
		return target;
	// It rises as soon as it is too low, and falls only when it is far too high.
	if (target > now.current) {
		const bool low = std::min(needed, highest) > now.current;
		return low && target >= fiveQuarters(now.current) ? std::optional(target)
								  : std::nullopt;
	}
	const bool far = paced <= now.current / 4 || highest <= now.current / 2;
	return far ? std::optional(target) : std::nullopt;
}

} // namespace snapdiff::daemon
