// SPDX-License-Identifier: GPL-2.0-or-later
//
// Metrics: what the daemon shows, in the text format of Prometheus.

#pragma once

#include "picture.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace snapdiff::daemon {

struct Metric
{
	std::string_view name;
	std::string_view type; // gauge or counter
	std::string_view help;
};

// All that there can be, in the order in which they are written.
std::span<const Metric> knownMetrics();

// A whole file.  One store after the other; every metric's samples stand together.
std::string metricsText(const Picture &picture, int64_t wallSeconds);

} // namespace snapdiff::daemon
