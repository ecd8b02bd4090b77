// SPDX-License-Identifier: GPL-2.0-or-later
// Cells: who waits for whom, against a search of all pairs.
#include "core.h"
#include "history.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <list>
#include <rapidcheck/gtest.h>

namespace {

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
	Cells() { sd_cells_init(&cells_); }

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

void cellsHistory(History h)
{
	Cells cells;

	while (h.step()) {
		u32 leaving = h.below(cells.count() + 8);

		if (leaving < cells.count()) {
			cells.leave(cells.at(leaving));
		} else if (cells.count() < 60) {
			u64 first = h.below(40);
			u64 last = first + (h.oneIn(10) ? 1000 : h.below(6));

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

} // namespace

TEST(Cells, JobsOnTheSameChunkGoOneAfterTheOther)
{
	Cells cells;
	Entry &a = cells.enter(SD_CELL_JOB, 0, 5);
	Entry &b = cells.enter(SD_CELL_JOB, 5, 9);
	Entry &c = cells.enter(SD_CELL_JOB, 9, 9);
	Entry &d = cells.enter(SD_CELL_JOB, 10, 10);

	EXPECT_TRUE(a.going);
	EXPECT_FALSE(b.going);
	EXPECT_FALSE(c.going) << "an earlier waiting job is waited for too";
	EXPECT_TRUE(d.going);
	cells.leave(a);
	EXPECT_TRUE(b.going);
	EXPECT_FALSE(c.going);
	cells.leave(b);
	EXPECT_TRUE(c.going);
}

TEST(Cells, AWaitingJobMayLeave)
{
	Cells cells;
	Entry &a = cells.enter(SD_CELL_JOB, 0, 3);
	Entry &b = cells.enter(SD_CELL_JOB, 2, 6);
	Entry &c = cells.enter(SD_CELL_JOB, 5, 8);

	EXPECT_FALSE(c.going);
	cells.leave(b);
	EXPECT_TRUE(c.going);
	EXPECT_TRUE(a.going);
}

TEST(Cells, ADrainWaitsForEarlierReadsOnly)
{
	Cells cells;
	Entry &before = cells.enter(SD_CELL_READ, 4, 4);
	Entry &drain = cells.enter(SD_CELL_DRAIN, 0, 9);
	Entry &second = cells.enter(SD_CELL_DRAIN, 4, 4);
	Entry &after = cells.enter(SD_CELL_READ, 4, 4);

	EXPECT_TRUE(before.going);
	EXPECT_TRUE(after.going);
	EXPECT_FALSE(drain.going);
	EXPECT_FALSE(second.going);
	cells.leave(before);
	EXPECT_TRUE(drain.going);
	EXPECT_TRUE(second.going) << "drains do not wait for one another";
}

TEST(Cells, LeavingTwiceIsWarnedOfAndIgnored)
{
	sd_cells cells;
	sd_cell cell;
	list_head ready;
	AllowWarnings warnings;

	sd_cells_init(&cells);
	INIT_LIST_HEAD(&ready);
	sd_cells_enter(&cells, &cell, SD_CELL_JOB, 1, 1);
	sd_cells_leave(&cells, &cell, &ready);
	sd_cells_leave(&cells, &cell, &ready);
	EXPECT_EQ(warnings.count(), 1u);
	EXPECT_EQ(cells.count, 0u);
}

RC_GTEST_PROP(Cells, WaitForExactlyWhomTheyShould, ())
{
	cellsHistory(shortHistory());
}

RC_GTEST_PROP(Cells, WaitForExactlyWhomTheyShouldOverLongHistories, ())
{
	cellsHistory(longHistory(2000));
}
