// SPDX-License-Identifier: GPL-2.0-or-later
//
// Exhaustion: several stores draw on one reserve and the same volume groups.

#include "model/exhaustion.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace snapdiff::model {

static constexpr double never = std::numeric_limits<double>::infinity();

uint64_t leftFor(const std::vector<Drawer> &all, size_t which, uint64_t shared)
{
	uint64_t left = shared;

	for (size_t i = 0; i < all.size(); i++) {
		const Drawer &other = all[i];
		if (i == which || other.worst <= other.free)
			continue;
		left -= std::min({left, other.worst - other.free, other.room});
	}
	return std::min(left, all[which].room);
}

// Seconds until all of them together have drawn so much.
static double secondsToDraw(const std::vector<Drawer> &all, double shared)
{
	std::vector<std::pair<double, double>> changes; // when, by how much the flow changes

	for (const Drawer &store : all) {
		if (store.rate <= 0)
			continue;
		const auto free = static_cast<double>(store.free);
		const auto room = static_cast<double>(store.room);
		changes.emplace_back(free / store.rate, store.rate);
		changes.emplace_back((free + room) / store.rate, -store.rate);
	}
	std::sort(changes.begin(), changes.end());
	double drawn = 0, flow = 0, at = 0;
	for (const auto &[when, change] : changes) {
		if (drawn + flow * (when - at) >= shared && flow > 0)
			break;
		drawn += flow * (when - at);
		at = when;
		flow += change;
	}
	if (drawn >= shared)
		return at;
	// What is left of the flow by rounding is none.
	return flow > 1e-9 ? at + (shared - drawn) / flow : never;
}

std::optional<uint64_t> exhaustionMs(const std::vector<Drawer> &all, size_t which, uint64_t shared)
{
	constexpr double longest = 1e18; // beyond it nobody cares, and it fits 64 bits

	const Drawer &store = all[which];
	if (store.rate <= 0)
		return std::nullopt;
	const auto free = static_cast<double>(store.free);
	const double full = free / store.rate;
	const double limit = (free + static_cast<double>(store.room)) / store.rate;
	const double seconds =
		std::min(limit, std::max(full, secondsToDraw(all, static_cast<double>(shared))));
	return static_cast<uint64_t>(std::min(seconds * 1000, longest));
}

} // namespace snapdiff::model
