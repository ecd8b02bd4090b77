// SPDX-License-Identifier: GPL-2.0-or-later
// The space, with a flag per place as the shadow.
#pragma once

#include "core.h"
#include "history.h"

#include <algorithm>
#include <vector>

constexpr u32 chunk = 8;

// A space that frees itself.
class Space
{
public:
	explicit Space(u32 chunkSize = chunk) { sd_space_init(&space_, chunkSize); }
	~Space() { sd_space_exit(&space_); }
	Space(const Space &) = delete;
	Space &operator=(const Space &) = delete;

	sd_space *get() { return &space_; }
	sd_space *operator->() { return &space_; }

	u32 add(const sd_range_id &id)
	{
		sd_range **array = nullptr;
		sd_range *range = sd_range_alloc(&space_, &id);

		BUG_ON(!range);
		BUG_ON(sd_space_grow(&space_, &array));
		const u32 slot = sd_space_next(&space_);
		sd_free(sd_space_add(&space_, range, array));
		return slot;
	}
	const char *shrink(u32 slot)
	{
		const char *why = nullptr;

		return sd_space_shrink(&space_, slot, &why) == 0 ? nullptr : why;
	}
	void remove(u32 slot)
	{
		BUG_ON(!sd_space_leave(&space_, slot));
		sd_range_free(sd_space_remove(&space_, slot));
	}
	sd_run take(u32 want)
	{
		sd_run run{};

		BUG_ON(!sd_space_take(&space_, want, &run));
		return run;
	}

private:
	sd_space space_{};
};

inline sd_range_id rangeOf(u64 places, u32 group = 0, bool last = false)
{
	return {.dev = 1, .start = 0, .len = places * chunk, .group = group, .last = last};
}

// What the space should look like: a flag per place.
struct ShadowRange
{
	std::vector<bool> taken;
	u64 len;
	u32 group, writing;
	bool last, failed;
	bool shrinking = false;
	bool removed = false;

	u64 takenCount() const { return std::count(taken.begin(), taken.end(), true); }
	u64 freeCount() const { return gives() ? taken.size() - takenCount() : 0; }
	bool gives() const { return !removed && !failed && !shrinking; }
	bool mayGive() const { return freeCount() > 0; }
};

class Shadow
{
public:
	void checkCounters(const sd_space *s) const
	{
		u64 capacity = 0, used = 0, free = 0;

		for (const auto &r : ranges) {
			capacity += r.removed ? 0 : r.len;
			used += r.takenCount() * chunk;
			free += r.freeCount() * chunk;
		}
		RC_ASSERT(s->capacity == capacity);
		RC_ASSERT(s->used == used);
		RC_ASSERT(s->free == free);
		RC_ASSERT(s->unusable == capacity - used - free);
		RC_ASSERT(sd_space_check(s));
	}

	bool anyFree(bool withLast) const
	{
		return std::any_of(ranges.begin(), ranges.end(), [&](const ShadowRange &r) {
			return r.mayGive() && (withLast || !r.last);
		});
	}

	u32 inFlight(u32 group) const
	{
		u32 sum = 0;

		for (const auto &r : ranges)
			sum += !r.removed && r.group == group ? r.writing : 0;
		return sum;
	}

	// The run is what the header promises.
	void checkRun(const sd_run &run, u32 want) const
	{
		const ShadowRange &from = ranges.at(run.slot);

		RC_ASSERT(run.count >= 1 && run.count <= want);
		RC_ASSERT(from.gives());
		RC_ASSERT(run.index + run.count <= from.taken.size());
		for (u32 i = 0; i < run.count; i++)
			RC_ASSERT(!from.taken[run.index + i]);
		if (from.last)
			RC_ASSERT(!anyFree(false));
		for (const auto &r : ranges)
			if (r.mayGive() && r.last == from.last)
				RC_ASSERT(inFlight(from.group) <= inFlight(r.group));
	}

	std::vector<ShadowRange> ranges;
};

inline void addRange(Space &space, Shadow &shadow, History &h)
{
	u64 len = chunk + h.below(200 * chunk);
	u32 group = h.below(3);
	bool last = h.oneIn(4);

	u32 slot = space.add(
		{.dev = 1, .start = h.below(100), .len = len, .group = group, .last = last});
	u32 gap = 0;
	while (gap < shadow.ranges.size() && !shadow.ranges[gap].removed)
		gap++;
	RC_ASSERT(slot == gap);
	if (slot == shadow.ranges.size())
		shadow.ranges.emplace_back();
	shadow.ranges[slot] = {std::vector<bool>(len / chunk), len, group, 0, last, false};
}

inline void shrinkRange(Space &space, Shadow &shadow, u32 slot)
{
	ShadowRange &r = shadow.ranges[slot];
	u64 free = 0, wanted = r.takenCount();
	const char *why = nullptr;

	for (const auto &other : shadow.ranges) {
		free += &other == &r ? 0 : other.freeCount();
		wanted += &other != &r && other.shrinking ? other.takenCount() : 0;
	}
	const int answer = sd_space_shrink(space.get(), slot, &why);
	if (r.shrinking) {
		RC_ASSERT(answer == 1);
		return;
	}
	RC_ASSERT((answer == 0) == (r.takenCount() == 0 || wanted <= free));
	r.shrinking = answer == 0;
}

// What the evacuation, the user and waiting writers do with a range that may be shrinking.
inline void goOn(Space &space, Shadow &shadow, History &h, u32 slot)
{
	ShadowRange &r = shadow.ranges[slot];

	switch (h.below(3)) {
	case 0:
		RC_ASSERT(sd_space_unshrink(space.get(), slot, SD_SHRINK_CANCELLED) == r.shrinking);
		r.shrinking = false;
		break;
	case 1: {
		const u32 yields = sd_space_yields(space.get());
		u64 most = 0;
		bool any = false;
		for (const auto &other : shadow.ranges)
			if (other.shrinking && !other.failed) {
				any = true;
				most = std::max<u64>(most, other.taken.size() - other.takenCount());
			}
		RC_ASSERT((yields != SD_NO_SLOT) == any);
		if (!any)
			break;
		RC_ASSERT(sd_space_unshrink(space.get(), yields, SD_SHRINK_NO_SPACE));
		shadow.ranges[yields].shrinking = false;
		RC_ASSERT(shadow.ranges[yields].freeCount() == most);
		break;
	}
	default:
		if (!r.writing && sd_space_leave(space.get(), slot)) {
			RC_ASSERT(r.shrinking && !r.takenCount());
			sd_range_free(sd_space_remove(space.get(), slot));
			r = {};
			r.removed = true;
		} else {
			RC_ASSERT(r.writing || !r.shrinking || r.takenCount());
		}
	}
}

inline void takeRun(Space &space, Shadow &shadow, History &h)
{
	u32 want = h.between(1, 40);
	sd_run run{};

	if (!sd_space_take(space.get(), want, &run)) {
		RC_ASSERT(!shadow.anyFree(true));
		return;
	}
	shadow.checkRun(run, want);
	for (u32 i = 0; i < run.count; i++)
		shadow.ranges[run.slot].taken[run.index + i] = true;
}

inline void giveRun(Space &space, Shadow &shadow, History &h)
{
	u32 slot = h.below(shadow.ranges.size());

	if (shadow.ranges[slot].removed)
		return;
	auto &taken = shadow.ranges[slot].taken;
	u64 from = h.below(taken.size());
	u32 count = 0, most = h.between(1, 60);

	while (from < taken.size() && !taken[from])
		from++;
	while (count < most && from + count < taken.size() && taken[from + count])
		taken[from + count++] = false;
	sd_space_give(space.get(), slot, from, count);
}

inline void spaceHistory(History h)
{
	Space space;
	Shadow shadow;

	addRange(space, shadow, h);
	while (h.step()) {
		u32 slot = h.below(shadow.ranges.size());

		if (shadow.ranges[slot].removed) {
			if (h.oneIn(4))
				addRange(space, shadow, h);
			continue;
		}
		switch (h.below(18)) {
		case 0:
			if (shadow.ranges.size() < 20)
				addRange(space, shadow, h);
			break;
		case 16:
			shrinkRange(space, shadow, slot);
			break;
		case 17:
			goOn(space, shadow, h, slot);
			break;
		case 1:
			if (h.oneIn(20)) {
				sd_space_fail(space.get(), slot);
				shadow.ranges[slot].failed = true;
			}
			break;
		case 2:
			shadow.ranges[slot].writing = h.below(3);
			space->ranges[slot]->writing = shadow.ranges[slot].writing;
			break;
		case 3:
		case 4:
		case 5:
		case 6:
		case 7:
		case 8:
			giveRun(space, shadow, h);
			break;
		default:
			takeRun(space, shadow, h);
		}
		shadow.checkCounters(space.get());
	}
}
