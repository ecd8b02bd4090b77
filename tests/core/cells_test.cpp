// SPDX-License-Identifier: GPL-2.0-or-later
// Cells: who waits for whom, against a search of all pairs.
#include "cells_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

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

	sd_cells_init(&cells, 3);
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
