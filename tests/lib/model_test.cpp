// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model: fill, worst case, severity, forecast, changes.

#include "model/changes.h"
#include "model/exhaustion.h"
#include "model/fill.h"
#include "model/forecast.h"

#include <gtest/gtest.h>

using namespace snapdiff;
using namespace snapdiff::model;

static Store makeSample()
{
	Store store;
	store.name = "s";
	store.chunk = 128;
	store.summary = {dm::StoreMode::Active, 1000, 300, 700, 0, 200, dm::Level::Ok, 1, 0, 0, 0};
	Origin origin;
	origin.status.name = "vg0-home";
	origin.worstCase = 5000;
	store.origins.push_back(origin);
	Snapshot snapshot;
	snapshot.status.name = "monday";
	snapshot.status.takenAt = 100;
	snapshot.status.origins = {{"vg0-home", 5000}};
	store.snapshots.push_back(snapshot);
	return store;
}

TEST(Fill, IsUsedOfCapacity)
{
	EXPECT_DOUBLE_EQ(0.3, fillOf(makeSample().summary));
	EXPECT_DOUBLE_EQ(0, fillOf(dm::Summary()));
}

TEST(WorstCase, SaysWhenAStoreCannotOverflowAnyMore)
{
	Store store = makeSample();
	EXPECT_EQ(5000U, worstCase(store).needed);
	EXPECT_FALSE(worstCase(store).cannotOverflow);
	EXPECT_TRUE(worstCase(store, 4300).cannotOverflow);
	store.origins[0].worstCase = 700;
	EXPECT_TRUE(worstCase(store).cannotOverflow);
	store.summary.mode = dm::StoreMode::Holding;
	EXPECT_FALSE(worstCase(store, UINT64_MAX).cannotOverflow);
	store.summary.mode = dm::StoreMode::Active;
	store.origins[0].worstCase = UINT64_MAX;
	store.origins.push_back(store.origins[0]);
	EXPECT_EQ(UINT64_MAX, worstCase(store).needed);
}

TEST(Severity, PutsTimeBeforePercent)
{
	Store store = makeSample();
	EXPECT_EQ(Severity::Ok, judge(store).severity);
	EXPECT_EQ(Severity::Warning, judge(store, 899'999).severity);
	EXPECT_EQ(Severity::Critical, judge(store, 119'999).severity);
	EXPECT_EQ(Severity::Ok, judge(store, 119'999, 100'000).severity); // it can be carved
	store.summary.level = dm::Level::Low;
	EXPECT_EQ(Severity::Warning, judge(store).severity);
	store.snapshots.clear(); // nothing can fill it
	EXPECT_EQ(Severity::Ok, judge(store).severity);
}

TEST(Severity, IsCriticalWhileWritersWait)
{
	Store store = makeSample();
	store.summary.mode = dm::StoreMode::Holding;
	store.summary.held = 3;
	store.summary.heldMs = 4000;
	EXPECT_EQ(Severity::Critical, judge(store).severity);
	EXPECT_NE(std::string::npos, judge(store).reason.find("4 s"));
	store.summary.held = 0;
	store.summary.mode = dm::StoreMode::Full;
	EXPECT_EQ(Severity::Critical, judge(store).severity);
	store.summary.mode = dm::StoreMode::Dying;
	EXPECT_EQ(Severity::Critical, judge(store).severity);
}

TEST(Severity, WarnsOfLostSnapshotsAndFailedRanges)
{
	Store store = makeSample();
	store.snapshots[0].status.state = dm::SnapshotState::Invalid;
	EXPECT_EQ(Severity::Warning, judge(store).severity);
	Store other = makeSample();
	other.ranges.emplace_back();
	other.ranges[0].status.state = dm::RangeState::Failed;
	EXPECT_EQ(Severity::Warning, judge(other).severity);
}

TEST(WorstCase, CountsWhatWritableImagesCanStillTake)
{
	Store store = makeSample();
	store.origins[0].worstCase = 400;
	store.snapshots[0].worstCase = 300;
	EXPECT_EQ(700U, worstCase(store).needed);
	EXPECT_TRUE(worstCase(store).cannotOverflow);
	store.snapshots[0].worstCase = 301;
	EXPECT_FALSE(worstCase(store).cannotOverflow);
}

TEST(Exhaustion, LeavesWhatTheOthersCanNeed)
{
	std::vector<Drawer> all(3);
	all[0].free = 100;
	all[1].free = 100;
	all[1].worst = 400;
	all[2].worst = 1000;
	all[2].room = 200;
	EXPECT_EQ(500U, leftFor(all, 0, 1000)); // 300 and 200 are taken
	EXPECT_EQ(200U, leftFor(all, 2, 1000)); // what it may have
	EXPECT_EQ(0U, leftFor(all, 0, 100));
	all[1].worst = UINT64_MAX;
	EXPECT_EQ(0U, leftFor(all, 0, 1000));
	EXPECT_EQ(800U, leftFor(all, 1, 1000));
}

TEST(Exhaustion, OfOneStoreIsFreeAndSharedAtItsRate)
{
	std::vector<Drawer> all(1);
	EXPECT_FALSE(exhaustionMs(all, 0, 1000)); // nothing flows
	all[0] = {100, UINT64_MAX, 0, 10};
	EXPECT_EQ(10'000U, exhaustionMs(all, 0, 0));
	EXPECT_EQ(110'000U, exhaustionMs(all, 0, 1000));
	all[0].room = 50;
	EXPECT_EQ(15'000U, exhaustionMs(all, 0, 1000));
	all[0].rate = 1e-6;
	EXPECT_EQ(150'000'000'000U, exhaustionMs(all, 0, 1000));
}

TEST(Exhaustion, ComesSoonerWhenOthersDrawOnTheSame)
{
	std::vector<Drawer> all(2);
	all[0] = {100, UINT64_MAX, 0, 10};
	all[1] = {0, UINT64_MAX, 0, 90};
	// 900 are gone when the first store begins to draw; then 100 at 100 a second.
	EXPECT_EQ(11'000U, exhaustionMs(all, 0, 1000));
	EXPECT_EQ(11'000U, exhaustionMs(all, 1, 1000));
	all[1].room = 450; // it has its share after 5 s
	EXPECT_EQ(5'000U, exhaustionMs(all, 1, 1000));
	EXPECT_EQ(65'000U, exhaustionMs(all, 0, 1000));
	// Shared space is gone before its own.
	all[0].free = 1000;
	all[1].room = UINT64_MAX;
	EXPECT_EQ(100'000U, exhaustionMs(all, 0, 900));
	EXPECT_EQ(10'000U, exhaustionMs(all, 1, 900));
}

constexpr int64_t second = 1'000'000'000;

TEST(Forecast, KnowsNothingBeforeTwoSamples)
{
	Forecast forecast;
	EXPECT_FALSE(forecast.timeToFullMs(100));
	forecast.add(0, 10);
	EXPECT_FALSE(forecast.shortRate());
	EXPECT_FALSE(forecast.longRate());
}

TEST(Forecast, FollowsASteadyRate)
{
	Forecast forecast;
	for (int i = 0; i <= 100; i++)
		forecast.add(i * second, static_cast<uint64_t>(i) * 50);
	EXPECT_NEAR(50, *forecast.shortRate(), 0.01);
	EXPECT_NEAR(50, *forecast.longRate(), 0.01);
	EXPECT_NEAR(20'000, static_cast<double>(*forecast.timeToFullMs(1000)), 10);
}

TEST(Forecast, TakesTheShorterOfBurstAndTrend)
{
	Forecast forecast;
	uint64_t used = 0;
	for (int i = 0; i < 500; i++)
		forecast.add(i * second, used);
	for (int i = 500; i < 520; i++)
		forecast.add(i * second, used += 1000);
	EXPECT_GT(*forecast.shortRate(), 400);
	EXPECT_LT(*forecast.longRate(), 50);
	EXPECT_LT(*forecast.timeToFullMs(10'000), 25'000U);
	for (int i = 520; i < 900; i++)
		forecast.add(i * second, used);
	EXPECT_LT(*forecast.shortRate(), 1);
	EXPECT_GT(*forecast.timeToFullMs(10'000), 100'000U);
}

TEST(Forecast, SaysTheTimeForEachWindow)
{
	Forecast forecast;
	uint64_t used = 0;
	for (int i = 0; i <= 600; i++)
		forecast.add(i * second, used += i < 590 ? 10 : 1000);
	EXPECT_LT(*forecast.shortTimeToFullMs(10'000), *forecast.longTimeToFullMs(10'000));
	EXPECT_EQ(*forecast.shortTimeToFullMs(10'000), *forecast.timeToFullMs(10'000));
	EXPECT_EQ(*forecast.shortRate(), forecast.rate());
	for (int i = 601; i <= 900; i++)
		forecast.add(i * second, used);
	EXPECT_EQ(*forecast.longTimeToFullMs(10'000), *forecast.timeToFullMs(10'000));
}

TEST(Forecast, BeginsAnewWhenSpaceWasFreedOrTheClockWentBack)
{
	Forecast forecast;
	forecast.add(0, 1000);
	forecast.add(second, 2000);
	forecast.add(2 * second, 100);
	EXPECT_FALSE(forecast.shortRate());
	forecast.add(second, 100);
	EXPECT_FALSE(forecast.longRate());
	forecast.add(2 * second, 100);
	EXPECT_FALSE(forecast.timeToFullMs(10)); // nothing flows
}

TEST(Changes, SayWhatHappened)
{
	const Store before = makeSample();
	EXPECT_TRUE(changes(before, before).empty());

	Store after = before;
	after.summary.mode = dm::StoreMode::Holding;
	after.summary.level = dm::Level::Low;
	Range range;
	range.device = "vg0-snapdiff.1";
	range.status.length = 2048;
	after.ranges.push_back(range);
	after.snapshots[0].status.state = dm::SnapshotState::Invalid;
	after.snapshots[0].status.cause = dm::Cause::Overflow;
	Snapshot tuesday = before.snapshots[0];
	tuesday.status.name = "tuesday";
	after.snapshots.push_back(tuesday);
	after.origins[0].status.state = dm::OriginState::Detached;

	std::vector<std::string> kinds;
	for (const Event &event : changes(before, after))
		kinds.push_back(std::string(word(event.kind)) + " " + event.object);
	const std::vector<std::string> expected = {"range-given vg0-snapdiff.1",
						   "mode holding",
						   "level low",
						   "origin-detached vg0-home",
						   "snapshot-invalid monday",
						   "snapshot-taken tuesday"};
	EXPECT_EQ(expected, kinds);
}

TEST(Changes, SeeAShrinkBeginEndAndBeUndone)
{
	Store before = makeSample();
	Range range;
	range.device = "vg0-snapdiff.1";
	before.ranges.push_back(range);
	const auto seen = [](const Store &was, const Store &is) {
		std::string kinds;
		for (const Event &event : changes(was, is))
			kinds += std::string(word(event.kind)) + " " + event.text + ";";
		return kinds;
	};
	Store moving = before;
	moving.ranges.back().status.shrink = dm::Shrink::Moving;
	EXPECT_EQ("range-shrinking 0 B move elsewhere;", seen(before, moving));
	EXPECT_EQ("", seen(moving, moving));
	Store after = moving;
	after.ranges.back().status.shrink = dm::Shrink::NoSpace;
	EXPECT_EQ("shrink-undone no free place was left elsewhere;", seen(moving, after));
	after.ranges.back().status.shrink = dm::Shrink::Cancelled;
	EXPECT_EQ("shrink-undone cancelled;", seen(moving, after));
	after.ranges.pop_back();
	EXPECT_EQ("range-gone taken back;", seen(moving, after));
}

TEST(Changes, SeeASnapshotThatWasReplacedUnderItsName)
{
	const Store before = makeSample();
	Store after = before;
	after.snapshots[0].status.takenAt = 200;
	const std::vector<Event> events = changes(before, after);
	ASSERT_EQ(2U, events.size());
	EXPECT_EQ(EventKind::SnapshotDeleted, events[0].kind);
	EXPECT_EQ(EventKind::SnapshotTaken, events[1].kind);
}
