// SPDX-License-Identifier: GPL-2.0-or-later
//
// Giving back: which range goes, when, and above all when none goes.

#include "giveback.h"

#include <gtest/gtest.h>

#include <set>

namespace snapdiff::daemon {
namespace {

constexpr int64_t second = 1'000'000'000;
constexpr uint64_t mib = 2048;
using Kind = GiveBack::Advice::Kind;

// A store of four ranges of 256 MiB, the first of which somebody gave by hand.
class GivingBack : public testing::Test
{
protected:
	GivingBack()
	{
		config.rangeSize = 256 * mib;
		config.giveBackAfterMs = 60000;
		giveBack.configure(config);
		store.name = "a";
		store.chunk = 128;
		store.summary.lowWater = 64 * mib;
		for (uint32_t i = 0; i < 4; i++) {
			model::Range range;
			range.device = "vg0/snapdiff." + std::to_string(i);
			range.status.dev = {253, 100 + i};
			range.status.length = range.status.free = 256 * mib;
			store.ranges.push_back(range);
		}
		ours = {{253, 101}, {253, 102}, {253, 103}};
		settle();
	}

	void settle()
	{
		dm::Summary &now = store.summary;
		now.capacity = now.used = now.free = now.unusable = 0;
		for (const model::Range &range : store.ranges) {
			now.capacity += range.status.length;
			now.used += range.status.used;
			now.free += range.status.free;
			now.unusable += range.status.unusable;
		}
	}
	void use(size_t range, uint64_t sectors)
	{
		store.ranges[range].status.used = sectors;
		store.ranges[range].status.free = store.ranges[range].status.length - sectors;
		settle();
	}
	void move(size_t range)
	{
		dm::RangeStatus &status = store.ranges[range].status;
		status.shrink = dm::Shrink::Moving;
		status.unusable = std::exchange(status.free, 0);
		settle();
	}
	std::optional<GiveBack::Advice> look()
	{
		return giveBack.look(nowNs, {store, rate, rangeSectors},
				     [this](const model::Range &range) {
					     return ours.contains(range.status.dev);
				     });
	}
	// Looks every second until there is advice.
	std::optional<GiveBack::Advice> wait(int seconds)
	{
		for (int i = 0; i < seconds; i++) {
			if (auto advice = look())
				return advice;
			nowNs += second;
		}
		return {};
	}

	Config config;
	GiveBack giveBack;
	model::Store store;
	std::set<dm::DeviceNumber> ours;
	double rate = 0;
	uint64_t rangeSectors = 256 * mib;
	int64_t nowNs = 1000 * second;
};

TEST_F(GivingBack, TakesTheRangeThatWasGivenLastAfterItWasTooMuchForLong)
{
	const int64_t begin = nowNs;
	const auto advice = wait(600);
	ASSERT_TRUE(advice);
	EXPECT_EQ(advice->kind, Kind::Shrink);
	EXPECT_EQ(advice->range.device, "vg0/snapdiff.3");
	EXPECT_EQ(nowNs - begin, 60 * second);
}

TEST_F(GivingBack, TakesTheEmptiestFirst)
{
	use(3, 10 * mib);
	use(1, 5 * mib);
	use(2, 6 * mib);
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.1");
}

TEST_F(GivingBack, OfEquallyEmptyOnesTakesTheLongest)
{
	store.ranges[2].status.length = store.ranges[2].status.free = 500 * mib;
	settle();
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.2");
}

TEST_F(GivingBack, LeavesSmallRangesAloneWhileTheStoreIsGivenLargeOnes)
{
	rangeSectors = 300 * mib;
	store.summary.lowWater = 1;
	store.ranges[2].status.length = store.ranges[2].status.free = 301 * mib;
	use(2, mib);
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.2");
	giveBack.forget("a");
	use(2, 301 * mib);
	rangeSectors = 400 * mib;
	EXPECT_FALSE(wait(600));
	rangeSectors = 200 * mib;
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.3");
}

TEST_F(GivingBack, NeverTakesWhatSomebodyElseGave)
{
	use(3, 10 * mib);
	ours = {{253, 103}};
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.3");
	ours.clear();
	giveBack.forget("a");
	EXPECT_FALSE(wait(6000));
}

TEST_F(GivingBack, TakesOneAtATimeAndSaysWhenItIsFree)
{
	ASSERT_TRUE(wait(600));
	move(3);
	EXPECT_FALSE(wait(600));
	store.ranges.pop_back();
	settle();
	const auto gone = look();
	ASSERT_TRUE(gone);
	EXPECT_EQ(gone->kind, Kind::Gone);
	EXPECT_EQ(gone->range.device, "vg0/snapdiff.3");
	// The surplus goes on, so does the giving back.
	EXPECT_EQ(look()->range.device, "vg0/snapdiff.2");
	move(2);
	store.ranges.pop_back();
	settle();
	EXPECT_EQ(look()->kind, Kind::Gone);
	// Mark and one range, and a quarter: 400 MiB have to stay.
	EXPECT_FALSE(wait(6000));
}

TEST_F(GivingBack, WaitsForAShrinkOfSomebodyElse)
{
	move(0);
	EXPECT_FALSE(wait(6000));
}

TEST_F(GivingBack, StaysAboveTheMarkAndOneRange)
{
	for (uint64_t used = 0; used <= 1024; used += 16) {
		for (size_t i = 0; i < 4; i++)
			use(i, used / 4 * mib);
		giveBack.forget("a");
		const uint64_t left = (1024 - used - 256) * mib;
		EXPECT_EQ(wait(100).has_value(), used <= 768 && left >= 400 * mib) << used;
	}
}

TEST_F(GivingBack, NeverBelowTheMinimumOfTheStore)
{
	config.stores["a"].minSize = 900 * mib;
	giveBack.configure(config);
	EXPECT_FALSE(wait(600));
	config.stores["a"].minSize = 768 * mib;
	giveBack.configure(config);
	EXPECT_TRUE(wait(600));
}

TEST_F(GivingBack, NotWhileTheRateSaysThatItIsNeeded)
{
	rate = 20 * mib; // a minute of it is more than what would be left above the mark
	EXPECT_FALSE(wait(600));
	rate = 1 * mib;
	EXPECT_TRUE(wait(600));
}

TEST_F(GivingBack, TheSurplusHasToLastWithoutAGap)
{
	for (int i = 0; i < 20; i++) {
		EXPECT_FALSE(wait(50));
		store.summary.level = dm::Level::Low;
		EXPECT_FALSE(look());
		store.summary.level = dm::Level::Ok;
	}
	EXPECT_TRUE(wait(100));
}

TEST_F(GivingBack, NotWhileWritersWaitOrTheStoreIsFull)
{
	store.summary.held = 1;
	EXPECT_FALSE(wait(600));
	store.summary.held = 0;
	store.summary.mode = dm::StoreMode::Full;
	EXPECT_FALSE(wait(600));
}

TEST_F(GivingBack, AStoreThatCannotOverflowAnyMoreStaysSo)
{
	model::Origin origin;
	origin.worstCase = 800 * mib;
	store.origins.push_back(origin);
	EXPECT_FALSE(wait(600));
	store.origins[0].worstCase = 700 * mib;
	EXPECT_TRUE(wait(600));
	// It could anyway: then only the rate counts.
	giveBack.forget("a");
	store.origins[0].worstCase = 5000 * mib;
	EXPECT_TRUE(wait(600));
}

TEST_F(GivingBack, WhatTheKernelUndidIsTriedAgainAfterAGrowingWhile)
{
	int64_t waited = 0;
	for (int i = 0; i < 5; i++) {
		const int64_t begin = nowNs;
		const auto advice = wait(100000);
		ASSERT_TRUE(advice);
		ASSERT_EQ(advice->kind, Kind::Shrink);
		EXPECT_GT(nowNs - begin, waited);
		waited = nowNs - begin;
		store.ranges[3].status.shrink = dm::Shrink::NoSpace;
		EXPECT_FALSE(look());
	}
	EXPECT_GE(waited, 16 * 60 * second);
	// Success ends that.
	ASSERT_EQ(wait(100000)->kind, Kind::Shrink);
	store.ranges.pop_back();
	settle();
	EXPECT_EQ(look()->kind, Kind::Gone);
	ASSERT_EQ(wait(100)->kind, Kind::Shrink);
	store.ranges[2].status.shrink = dm::Shrink::NoSpace;
	const int64_t begin = nowNs;
	ASSERT_TRUE(wait(100000));
	EXPECT_EQ(nowNs - begin, 120 * second);
}

TEST_F(GivingBack, ARefusalCountsAsUndone)
{
	ASSERT_TRUE(wait(600));
	giveBack.refused(nowNs, "a");
	const int64_t begin = nowNs;
	ASSERT_TRUE(wait(600));
	EXPECT_EQ(nowNs - begin, 120 * second);
}

TEST_F(GivingBack, WhatWasUndoneBeforeTheDaemonStartedIsNotTriedAtOnce)
{
	store.ranges[3].status.shrink = dm::Shrink::NoSpace;
	const int64_t begin = nowNs;
	ASSERT_TRUE(wait(600));
	EXPECT_EQ(nowNs - begin, 120 * second);
}

TEST_F(GivingBack, IsCancelledWhenTheStoreNeedsTheRangeAfterAll)
{
	use(3, 10 * mib);
	use(2, 20 * mib);
	use(1, 20 * mib);
	ASSERT_EQ(wait(600)->range.device, "vg0/snapdiff.3");
	move(3);
	EXPECT_FALSE(look());
	rate = 70 * mib; // 10 s of it, the mark and what has to move: too much
	auto advice = look();
	ASSERT_TRUE(advice);
	EXPECT_EQ(advice->kind, Kind::Cancel);
	EXPECT_EQ(advice->range.device, "vg0/snapdiff.3");
	rate = 0;
	store.summary.level = dm::Level::Low;
	advice = look();
	ASSERT_TRUE(advice);
	EXPECT_EQ(advice->kind, Kind::Cancel);
	store.summary.level = dm::Level::Ok;
	store.ranges[3].status.shrink = dm::Shrink::Cancelled;
	EXPECT_FALSE(wait(100)); // undone is undone
}

TEST_F(GivingBack, AFailedRangeIsNotTouched)
{
	store.ranges[3].status.state = dm::RangeState::Failed;
	EXPECT_EQ(wait(600)->range.device, "vg0/snapdiff.2");
}

} // namespace
} // namespace snapdiff::daemon
