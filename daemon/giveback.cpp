// SPDX-License-Identifier: GPL-2.0-or-later
//
// GiveBack: which range a store can do without.

#include "giveback.h"

#include "model/fill.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace snapdiff::daemon {

namespace {

constexpr int64_t msInNs = 1'000'000;

// 2, 4, 8 ... times the time that a surplus has to last, up to a good week of 5 minutes.
constexpr unsigned mostDoublings = 11;

uint64_t sumOf(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t sectorsAt(double rate, double seconds)
{
	return static_cast<uint64_t>(std::min(9e18, std::ceil(rate * seconds)));
}

bool isShort(const model::Store &store)
{
	const dm::Summary &now = store.summary;
	return now.mode != dm::StoreMode::Active || now.level == dm::Level::Low || now.held > 0;
}

bool isMoving(const model::Range &range)
{
	return range.status.shrink == dm::Shrink::Moving;
}

bool sameWords(const model::Range &a, const model::Range &b)
{
	return a.status.dev == b.status.dev && a.status.start == b.status.start &&
	       a.status.length == b.status.length;
}

} // namespace

bool GiveBack::spares(const Look &look, const model::Range &range) const
{
	const dm::Summary &now = look.store.summary;
	const uint64_t leaves = range.status.free + range.status.used; // it moves

	const uint64_t least = config_.minSizeOf(look.store.name).value_or(config_.rangeSize);
	if (now.capacity < sumOf(range.status.length, least) || now.free < leaves)
		return false;
	const uint64_t free = now.free - leaves;
	const double lasting =
		std::max<double>(config_.giveBackAfterMs / 1000.0, config_.rangeSeconds);
	// Well above the mark even after a range has come and gone ...
	const uint64_t step = sumOf(now.lowWater, look.rangeSectors);
	if (free < sumOf(step, step / 4))
		return false;
	// ... and not at the mark again soon.
	if (free < sumOf(now.lowWater, sectorsAt(look.rate, lasting)))
		return false;
	// A store that cannot overflow any more by what it has stays so.
	const uint64_t worst = model::worstCase(look.store).needed;
	return worst > now.free || worst <= free;
}

// The emptiest; of equals the longest, then the one that was given last.  A small one that
// is left from before the store filled so fast may be all that it needs afterwards.
const model::Range *GiveBack::choose(const Look &look, const Ours &ours) const
{
	const auto merit = [](const model::Range &range) {
		return std::pair(UINT64_MAX - range.status.used, range.status.length);
	};
	const model::Range *best = nullptr;
	uint64_t longest = 0;

	for (const model::Range &range : look.store.ranges)
		if (ours(range))
			longest = std::max(longest, range.status.length);
	for (const model::Range &range : look.store.ranges) {
		if (range.status.state != dm::RangeState::Ok ||
		    range.status.length < std::min(look.rangeSectors, longest))
			continue;
		if (best && merit(range) < merit(*best))
			continue;
		if (spares(look, range) && ours(range))
			best = &range;
	}
	return best;
}

// The range is on its way out, and the store would have to ask for another soon.
bool GiveBack::needsAll(const Look &look, const model::Range &moving) const
{
	const dm::Summary &now = look.store.summary;
	const uint64_t wanted = sumOf(sumOf(now.lowWater, moving.status.used),
				      sectorsAt(look.rate, config_.rangeSeconds));

	return isShort(look.store) || now.free < wanted;
}

void GiveBack::failed(int64_t nowNs, State &state) const
{
	state.failures = std::min(state.failures + 1, mostDoublings);
	state.notBefore = nowNs + (int64_t{config_.giveBackAfterMs} * msInNs << state.failures);
	state.sinceNs.reset();
}

void GiveBack::refused(int64_t nowNs, const std::string &store)
{
	State &state = states_[store];

	state.moving.reset();
	failed(nowNs, state);
}

// What became of the range that was told to go?
std::optional<GiveBack::Advice> GiveBack::follow(int64_t nowNs, State &state, const Look &look)
{
	const auto &ranges = look.store.ranges;
	const auto there = std::ranges::find_if(
		ranges, [&](const model::Range &range) { return sameWords(range, *state.moving); });

	if (there == ranges.end()) {
		state.failures = 0;
		return Advice{Advice::Kind::Gone, *std::exchange(state.moving, std::nullopt)};
	}
	if (!isMoving(*there)) {
		state.moving.reset();
		failed(nowNs, state);
		return {};
	}
	if (needsAll(look, *there))
		return Advice{Advice::Kind::Cancel, *there};
	return {};
}

std::optional<GiveBack::Advice> GiveBack::look(int64_t nowNs, const Look &look, const Ours &ours)
{
	State &state = states_[look.store.name];
	const auto &ranges = look.store.ranges;

	if (!std::exchange(state.known, true) &&
	    std::ranges::any_of(ranges, [](const model::Range &range) {
		    return range.status.shrink == dm::Shrink::NoSpace;
	    }))
		failed(nowNs, state); // somebody tried before we looked
	if (state.moving)
		return follow(nowNs, state, look);
	if (std::ranges::any_of(ranges, isMoving))
		return {}; // somebody else's: one at a time

	const model::Range *range = isShort(look.store) ? nullptr : choose(look, ours);
	if (!range) {
		state.sinceNs.reset();
		return {};
	}
	if (!state.sinceNs)
		state.sinceNs = nowNs;
	const int64_t ripe = *state.sinceNs + int64_t{config_.giveBackAfterMs} * msInNs;
	if (nowNs < std::max(ripe, state.notBefore))
		return {};
	state.moving = *range;
	return Advice{Advice::Kind::Shrink, *range};
}

} // namespace snapdiff::daemon
