// SPDX-License-Identifier: GPL-2.0-or-later
// Cells, with a search of all pairs as the shadow.
#pragma once

#include "core.h"
#include "history.h"

#include <iterator>
#include <list>

struct Entry
{
	sd_cell cell{};
	sd_cell_kind kind;
	u64 first, last;
	bool going = false;
};

// All entries in order of arrival; the shadow is a search of all pairs.
class Cells
{
public:
	Cells() { sd_cells_init(&cells_, 3); }

	Entry &enter(sd_cell_kind kind, u64 first, u64 last)
	{
		Entry &e = entries_.emplace_back();

		e.kind = kind;
		e.first = first;
		e.last = last;
		e.going = sd_cells_enter(&cells_, &e.cell, kind, first, last);
		return e;
	}

	void leave(Entry &e)
	{
		list_head ready;
		sd_cell *cell, *after;

		INIT_LIST_HEAD(&ready);
		sd_cells_leave(&cells_, &e.cell, &ready);
		list_for_each_entry_safe(cell, after, &ready, ready)
		{
			Entry *woken = container_of(cell, Entry, cell);

			RC_ASSERT(!woken->going);
			woken->going = true;
		}
		entries_.remove_if([&](const Entry &other) { return &other == &e; });
	}

	bool shouldGo(const Entry &e) const
	{
		for (const auto &earlier : entries_) {
			if (&earlier == &e)
				return true;
			bool overlap = e.first <= earlier.last && earlier.first <= e.last;
			bool waits = (e.kind == SD_CELL_JOB && earlier.kind == SD_CELL_JOB) ||
				     (e.kind == SD_CELL_DRAIN && earlier.kind == SD_CELL_READ);
			if (overlap && waits)
				return false;
		}
		return true;
	}

	void check() const
	{
		RC_ASSERT(cells_.count == entries_.size());
		for (const auto &e : entries_)
			RC_ASSERT(e.going == shouldGo(e));
	}

	Entry &at(u32 i) { return *std::next(entries_.begin(), i); }
	u32 count() const { return entries_.size(); }

private:
	sd_cells cells_{};
	std::list<Entry> entries_;
};

inline void cellsHistory(History h)
{
	Cells cells;

	while (h.step()) {
		u32 leaving = h.below(cells.count() + 8);

		if (leaving < cells.count()) {
			cells.leave(cells.at(leaving));
		} else if (cells.count() < 60) {
			// regions that are neighbours, and such as share a bucket
			u64 first = h.below(40) + h.below(3) * (SD_CELL_BUCKETS << 3);
			// some over a few regions, some over more than there are buckets
			u64 last = first + (h.oneIn(10) ? h.below(5000) : h.below(12));

			if (h.oneIn(100))
				last = UINT64_MAX;

			cells.enter(static_cast<sd_cell_kind>(h.below(3)), first, last);
		}
		cells.check();
	}
	// whoever goes leaves: nobody may be left waiting for nobody
	while (cells.count()) {
		u32 i = 0;

		while (i < cells.count() && !cells.at(i).going)
			i++;
		RC_ASSERT(i < cells.count());
		cells.leave(cells.at(i));
		cells.check();
	}
}
