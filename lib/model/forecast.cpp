// SPDX-License-Identifier: GPL-2.0-or-later
//
// Forecast: how fast a store fills and when it will be full.

#include "model/forecast.h"

#include <algorithm>
#include <cmath>

namespace snapdiff::model {

static constexpr double nsPerSecond = 1e9;

Forecast::Forecast(double shortWindow, double longWindow)
	: shortWindow_(shortWindow), longWindow_(longWindow)
{
}

void Forecast::add(int64_t ns, uint64_t used)
{
	if (any_ && (ns < last_.ns || used < last_.used)) {
		samples_.clear();
		rate_.reset();
		any_ = false;
	}
	if (any_ && ns > last_.ns) {
		const double seconds = static_cast<double>(ns - last_.ns) / nsPerSecond;
		const double now = static_cast<double>(used - last_.used) / seconds;
		// A step counts by the time it covers, however often one looks.
		const double weight = 1 - std::exp(-seconds / shortWindow_);
		rate_ = rate_ ? *rate_ + weight * (now - *rate_) : now;
	}
	if (samples_.empty() || ns - samples_.back().ns >= static_cast<int64_t>(nsPerSecond))
		samples_.push_back({ns, used});
	const auto longNs = static_cast<int64_t>(longWindow_ * nsPerSecond);
	while (samples_.size() > 1 && ns - samples_.front().ns > longNs)
		samples_.pop_front();
	last_ = {ns, used};
	any_ = true;
}

std::optional<double> Forecast::shortRate() const
{
	return rate_;
}

std::optional<double> Forecast::longRate() const
{
	if (samples_.empty() || last_.ns <= samples_.front().ns)
		return std::nullopt;
	const double seconds = static_cast<double>(last_.ns - samples_.front().ns) / nsPerSecond;
	return static_cast<double>(last_.used - samples_.front().used) / seconds;
}

double Forecast::rate() const
{
	return std::max(shortRate().value_or(0), longRate().value_or(0));
}

static std::optional<uint64_t> timeToFull(uint64_t freeSectors, double rate)
{
	constexpr double longest = 1e18; // beyond it nobody cares, and it fits 64 bits

	if (rate <= 0)
		return std::nullopt;
	const double ms = static_cast<double>(freeSectors) / rate * 1000;
	return static_cast<uint64_t>(std::min(ms, longest));
}

std::optional<uint64_t> Forecast::timeToFullMs(uint64_t freeSectors) const
{
	return timeToFull(freeSectors, rate());
}

std::optional<uint64_t> Forecast::shortTimeToFullMs(uint64_t freeSectors) const
{
	return timeToFull(freeSectors, shortRate().value_or(0));
}

std::optional<uint64_t> Forecast::longTimeToFullMs(uint64_t freeSectors) const
{
	return timeToFull(freeSectors, longRate().value_or(0));
}

} // namespace snapdiff::model
