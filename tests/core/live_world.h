// SPDX-License-Identifier: GPL-2.0-or-later
// Live snapshots and the table of who reads what, with a list of all records as the shadow.
#pragma once

#include "core.h"
#include "history.h"

#include <memory>
#include <set>
#include <vector>

struct FreeLive
{
	void operator()(sd_live *live) const { sd_free(live); }
};
using Live = std::unique_ptr<sd_live, FreeLive>;

// A record of some chunk: read by the live snapshots in (before, layer].
struct Record
{
	u32 before, layer;
	bool bad, safe;
};

struct Shadow
{
	std::set<u32> live;
	std::vector<Record> records;

	std::vector<u32> readers(const Record &r) const
	{
		std::vector<u32> all;

		for (u32 s : live)
			if (s > r.before && s <= r.layer)
				all.push_back(s);
		return all;
	}
	u64 own(u32 s) const
	{
		u64 count = 0;

		for (const Record &r : records)
			count += readers(r) == std::vector<u32>{s} && !r.bad;
		return count;
	}
	u64 ownWithOlder(u32 s) const
	{
		u64 count = 0;

		for (const Record &r : records) {
			auto all = readers(r);

			count += !all.empty() && all.back() == s && !r.bad;
		}
		return count;
	}
	u64 safe() const
	{
		u64 count = 0;

		for (const Record &r : records) {
			auto all = readers(r);

			count += !all.empty() && all.back() == *live.rbegin() && r.safe;
		}
		return count;
	}
	u64 unread() const
	{
		u64 count = 0;

		for (const Record &r : records)
			count += readers(r).empty();
		return count;
	}
};

inline void check(const sd_live *live, const Shadow &shadow)
{
	u32 place = 0;

	RC_ASSERT(live->count == shadow.live.size());
	RC_ASSERT(sd_live_newest(live) == (shadow.live.empty() ? 0 : *shadow.live.rbegin()));
	for (u32 s : shadow.live) {
		RC_ASSERT(live->snap[place].number == s);
		RC_ASSERT(sd_live_find(live, s) == place);
		RC_ASSERT(sd_live_upto(live, s) == ++place);
		RC_ASSERT(sd_live_own(live, s) == shadow.own(s));
		RC_ASSERT(sd_live_own_with_older(live, s) == shadow.ownWithOlder(s));
	}
	if (!shadow.live.empty())
		RC_ASSERT(sd_live_safe(live) == shadow.safe());
}

inline void liveHistory(History h)
{
	Live live(sd_live_alloc(2));
	Shadow shadow;
	u64 unread = 0;
	u32 layer = 0;

	while (h.step()) {
		u32 kind = h.below(8);

		if (kind == 0) {
			layer += h.between(1, 3);
			if (live->count == live->room) {
				Live larger(sd_live_alloc(live->room + h.between(1, 4)));

				sd_live_copy(larger.get(), live.get());
				live = std::move(larger);
			}
			sd_live_take(live.get(), layer);
			shadow.live.insert(layer);
		} else if (kind == 1 && !shadow.live.empty()) {
			u32 k = h.below(live->count);

			shadow.live.erase(live->snap[k].number);
			unread += sd_live_end(live.get(), k);
		} else if (shadow.records.size() < 120) {
			Record r{h.below(layer + 1), 0, h.oneIn(5), h.oneIn(2)};
			bool newest = false;

			r.layer = h.between(r.before, layer);
			sd_tally *tally = sd_live_readers(live.get(), r.before, r.layer, &newest);
			auto all = shadow.readers(r);
			RC_ASSERT(!tally == all.empty());
			if (tally) {
				RC_ASSERT(newest == (all.back() == *shadow.live.rbegin()));
				tally->records++;
				tally->bad += r.bad;
				tally->safe += r.safe;
				shadow.records.push_back(r);
			}
		}
		RC_ASSERT(unread == shadow.unread());
		check(live.get(), shadow);
	}
}
