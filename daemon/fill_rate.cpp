// SPDX-License-Identifier: GPL-2.0-or-later
//
// FillRate: the rate with which a store has to be reckoned.

#include "fill_rate.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace snapdiff::daemon {

namespace {

constexpr double nsPerSecond = 1e9;

// The windows, in seconds.
constexpr double newest = 1;
constexpr double burst = 4;
constexpr double shortestTrend = 8;
constexpr double longestTrend = 30;

// Looks that follow one another faster say nothing of a rate.
constexpr int64_t shortestStepNs = 100'000'000;

// A rate that has grown is expected to grow as much again, up to this.
constexpr double mostGrowth = 2;

// Less than this is nothing: half a MiB an hour.
constexpr double leastRate = 0.25;

// Adds what grew, and remembers what is there now.
template<class List, class Key, class Value>
uint64_t growth(const List &list, std::map<std::string, uint64_t> &known, Key key, Value value)
{
	std::map<std::string, uint64_t> now;
	uint64_t sum = 0;

	for (const auto &item : list) {
		const uint64_t is = value(item);
		const auto was = known.find(key(item));
		// A counter that fell began anew.
		const uint64_t base = was == known.end() || was->second > is ? 0 : was->second;
		sum += is - base;
		now[key(item)] = is;
	}
	known = std::move(now);
	return sum;
}

} // namespace

uint64_t Inflow::add(const model::Store &store)
{
	const auto name = [](const auto &item) { return item.status.name; };
	const uint64_t chunks =
		growth(store.origins, copied_, name,
		       [](const model::Origin &origin) { return origin.status.copiedChunks; });
	const uint64_t overlays =
		growth(store.snapshots, overlay_, name,
		       [](const model::Snapshot &snapshot) { return snapshot.status.overlay; });
	const uint64_t used = store.summary.used;
	const uint64_t filled = used > used_ ? used - used_ : 0;

	used_ = used;
	if (std::exchange(any_, true))
		// Without origins there is nothing else to go by.
		total_ += store.origins.empty() ? filled : chunks * store.chunk + overlays;
	return total_;
}

// The newest sample that is at least so old; the oldest if none is.
const FillRate::Sample &FillRate::before(double seconds) const
{
	const auto age = static_cast<int64_t>(seconds * nsPerSecond);
	const int64_t now = samples_.back().ns;
	const auto young = std::find_if(samples_.begin(), samples_.end(),
					[&](const Sample &one) { return now - one.ns < age; });
	return young == samples_.begin() ? samples_.front() : *std::prev(young);
}

double FillRate::between(double olderSeconds, double newerSeconds) const
{
	const Sample &from = before(olderSeconds);
	const Sample &to = newerSeconds > 0 ? before(newerSeconds) : samples_.back();

	// The first moments would make a flood of a splash.
	const double seconds = std::max(newest, static_cast<double>(to.ns - from.ns) / nsPerSecond);
	return static_cast<double>(to.total - from.total) / seconds;
}

double FillRate::trend() const
{
	return std::clamp(fall_ / 2, shortestTrend, longestTrend);
}

double FillRate::measured() const
{
	const double now = between(newest, 0);
	const double earlier = between(2 * newest, newest);
	const double growth =
		earlier * mostGrowth > now ? std::max(1.0, now / earlier) : mostGrowth;

	return std::max({now * growth, between(burst, 0), between(trend(), 0)});
}

void FillRate::add(int64_t ns, uint64_t total, bool waiting)
{
	if (!samples_.empty() && (ns < samples_.back().ns || total < samples_.back().total))
		samples_.clear(); // the peak stays
	if (samples_.empty()) {
		samples_.push_back({ns, total});
		return;
	}
	const int64_t step = ns - samples_.back().ns;
	if (step < shortestStepNs)
		return;
	samples_.push_back({ns, total});
	const auto longest = static_cast<int64_t>(trend() * nsPerSecond);
	while (samples_.size() > 2 && ns - samples_[1].ns >= longest)
		samples_.pop_front();

	// Writers that wait want as much as before, at least.
	const double seconds = static_cast<double>(step) / nsPerSecond;
	const double left = waiting ? rate_ : rate_ * std::exp(-seconds / fall_);
	rate_ = std::max(left, measured());
	if (rate_ < leastRate)
		rate_ = 0;
}

} // namespace snapdiff::daemon
