// SPDX-License-Identifier: GPL-2.0-or-later
// Low water and the ladder active, holding, full: nothing may get stuck, whatever the order.
#include "policy_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace {

sd_policy policyWith(u64 lowWater, u32 holdMs)
{
	sd_policy p;

	sd_policy_init(&p);
	p.hold_ms = holdMs;
	sd_policy_set_low_water(&p, lowWater, 1000);
	return p;
}

} // namespace

TEST(Policy, LowIsALevelAndEachChangeOfItIsAnEvent)
{
	sd_policy p = policyWith(100, 1000);

	EXPECT_FALSE(p.low);
	EXPECT_EQ(sd_policy_space(&p, 101, false), 0u);
	EXPECT_EQ(sd_policy_space(&p, 100, false), EVENT);
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_space(&p, 90, false), 0u);
	EXPECT_EQ(sd_policy_space(&p, 95, true), 0u) << "too short an extend leaves it low";
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_set_low_water(&p, 94, 95), EVENT);
	EXPECT_FALSE(p.low);
	EXPECT_EQ(sd_policy_set_low_water(&p, 0, 0), 0u) << "0: never low";
	EXPECT_EQ(p.seq, 2u);
}

TEST(Policy, HoldsThenDropsUntilAPlaceIsFree)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE) << "nobody waits yet";
	EXPECT_EQ(sd_policy_held(&p, 50), EVENT | ARM);
	EXPECT_EQ(p.mode, SD_MODE_HOLDING);
	EXPECT_EQ(p.hold_end, 1050u);
	EXPECT_EQ(sd_policy_held(&p, 400), 0u) << "the second waits for the end of the same hold";
	EXPECT_EQ(sd_policy_timer(&p, 1000), ARM) << "too early";
	EXPECT_EQ(sd_policy_timer(&p, 1050), EVENT | DROP);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
	EXPECT_EQ(sd_policy_held(&p, 1060), 0u) << "a drop is under way";
	EXPECT_EQ(sd_policy_dropped(&p, 0, false), RELEASE | DROP) << "it freed nothing: once more";
	EXPECT_EQ(sd_policy_dropped(&p, 0, true), RELEASE) << "nothing left to drop";
	EXPECT_EQ(sd_policy_space(&p, 0, false), DROP) << "but the next shortage may drop again";
	EXPECT_EQ(sd_policy_dropped(&p, 8, false), EVENT | RELEASE);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	sd_policy_unheld(&p, 1, 400);
	EXPECT_EQ(p.held_since, 400u);
	EXPECT_EQ(sd_policy_space(&p, 0, false), EVENT | DROP) << "the hold is spent";
	EXPECT_EQ(p.held_total, 3u);
}

TEST(Policy, AsksForNoDropWhereNothingIsLeftToBeDropped)
{
	sd_policy p = policyWith(0, 0);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 1), EVENT | DROP);
	EXPECT_EQ(sd_policy_dropped(&p, 0, true), RELEASE) << "all chunks are safe now";
	EXPECT_EQ(sd_policy_unheld(&p, 1, 0), 0u);
	EXPECT_EQ(sd_policy_held(&p, 9), DROP) << "a snapshot was taken since";
}

TEST(Policy, AnExtendReleasesAtOnceAndArmsTheHoldAgain)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_timer(&p, 1000), EVENT | DROP);
	EXPECT_EQ(sd_policy_space(&p, 50, true), EVENT | RELEASE);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_dropped(&p, 50, false), RELEASE);
	sd_policy_unheld(&p, 1, 0);
	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 5000), EVENT | ARM);
	EXPECT_EQ(p.hold_end, 6000u);
}

TEST(Policy, WritersThatComeAndGoShareOneHold)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_unheld(&p, 1, 0);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	EXPECT_EQ(sd_policy_held(&p, 600), EVENT | ARM);
	EXPECT_EQ(p.hold_end, 1000u);
	sd_policy_unheld(&p, 1, 0);
	EXPECT_EQ(sd_policy_held(&p, 1200), EVENT | DROP) << "its time ran out meanwhile";
}

TEST(Policy, AHoldThatNobodyWaitsForIsSpentWithoutADrop)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_unheld(&p, 1, 0);
	EXPECT_EQ(sd_policy_timer(&p, 1000), EVENT);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
	EXPECT_EQ(sd_policy_held(&p, 1001), DROP);
}

TEST(Policy, FreeSpaceAboveTheMarkEndsTheShortage)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_timer(&p, 1000);
	sd_policy_unheld(&p, 1, 0);
	sd_policy_dropped(&p, 60, false);
	EXPECT_TRUE(p.hold_spent) << "still at or below the mark";
	sd_policy_space(&p, 101, false);
	EXPECT_FALSE(p.hold_spent);
}

TEST(Policy, WithoutAHoldDropsFollowAtOnce)
{
	sd_policy p = policyWith(0, 0);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 7), EVENT | DROP);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
}

TEST(Policy, WritersLeftWithoutAPlaceAfterAnExtendGetAHoldOfTheirOwn)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_space(&p, 8, true), EVENT | RELEASE);
	sd_policy_unheld(&p, 1, 0);
	EXPECT_EQ(sd_policy_space(&p, 0, false), EVENT | ARM) << "the second waits on";
	EXPECT_EQ(p.hold_end, 0u) << "the timer comes at once and begins the clock";
	EXPECT_EQ(sd_policy_timer(&p, 300), ARM);
	EXPECT_EQ(p.hold_end, 1300u);
}

TEST(Policy, ANewHoldTimeCountsFromTheHoldsBeginning)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 100);
	EXPECT_EQ(sd_policy_set_hold(&p, 5000, 200), ARM);
	EXPECT_EQ(p.hold_end, 5100u);
	EXPECT_EQ(sd_policy_set_hold(&p, 50, 200), EVENT | DROP);
}

TEST(Policy, DyingReleasesEverybodyForGood)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_dying(&p), EVENT | RELEASE);
	EXPECT_EQ(sd_policy_dying(&p), RELEASE);
	EXPECT_EQ(sd_policy_held(&p, 1), RELEASE);
	EXPECT_EQ(sd_policy_timer(&p, 99999), 0u);
	EXPECT_EQ(p.mode, SD_MODE_DYING);
	EXPECT_EQ(sd_policy_note(&p), EVENT);
}

TEST(Policy, ModesHaveNames)
{
	EXPECT_STREQ(sd_mode_name(SD_MODE_ACTIVE), "active");
	EXPECT_STREQ(sd_mode_name(SD_MODE_HOLDING), "holding");
	EXPECT_STREQ(sd_mode_name(SD_MODE_FULL), "full");
	EXPECT_STREQ(sd_mode_name(SD_MODE_DYING), "dying");
}

RC_GTEST_PROP(Policy, NobodyIsStuckAndNoLevelIsMissed, ())
{
	policyHistory(shortHistory());
}

RC_GTEST_PROP(Policy, NobodyIsStuckAndNoLevelIsMissedOverLongHistories, ())
{
	policyHistory(longHistory(5000));
}
