// SPDX-License-Identifier: GPL-2.0-or-later
// Live snapshots and the table of who reads what, against a list of all records.
#include "live_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

TEST(Live, AnEmptyListAndNoListAreTheSame)
{
	Live empty(sd_live_alloc(4));

	for (const sd_live *live : {static_cast<sd_live *>(nullptr), empty.get()}) {
		bool newest = false;

		EXPECT_EQ(sd_live_newest(live), 0u);
		EXPECT_EQ(sd_live_upto(live, 7), 0u);
		EXPECT_EQ(sd_live_find(live, 7), SD_LIVE_NONE);
		EXPECT_EQ(sd_live_readers(live, 0, 7, &newest), nullptr);
		EXPECT_EQ(sd_live_safe(live), 0u);
		EXPECT_EQ(sd_live_own(live, 7), 0u);
		EXPECT_EQ(sd_live_own_with_older(live, 7), 0u);
	}
}

RC_GTEST_PROP(Live, AgreesWithAListOfAllRecords, ())
{
	liveHistory(shortHistory());
}

RC_GTEST_PROP(Live, AgreesWithAListOfAllRecordsOverLongHistories, ())
{
	liveHistory(longHistory(250));
}
