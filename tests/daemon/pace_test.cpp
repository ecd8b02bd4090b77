// SPDX-License-Identifier: GPL-2.0-or-later
//
// Pace: rates, carving times, and what follows from them for ranges, reserve and marks.

#include "fill_rate.h"
#include "pace.h"
#include "reserve.h"

#include <gtest/gtest.h>

namespace snapdiff::daemon {
namespace {

constexpr int64_t second = 1'000'000'000;
constexpr uint64_t mib = 2048;

Config makeConfig()
{
	Config config;
	config.rangeSize = 16 * mib;
	config.minRangeSize = 4 * mib;
	config.rangeMaxSize = 256 * mib;
	config.rangeSeconds = 10;
	config.reserveRanges = 4;
	config.reserveMaxRanges = 8;
	return config;
}

Pace paceAt(double rate, double carving = 2, uint64_t room = UINT64_MAX)
{
	const PacedStore store = {rate, room};
	return paceOf(makeConfig(), {&store, 1}, carving);
}

TEST(FillRate, FollowsASteadyFill)
{
	FillRate rate;
	for (int i = 0; i <= 120; i++)
		rate.add(i * second / 2, static_cast<uint64_t>(i) * 500);
	EXPECT_NEAR(rate.perSecond(), 1000, 200); // a little more, while it remembers its start
}

TEST(FillRate, ReckonsWithADoublingAsSoonAsTheRateHasDoubled)
{
	FillRate rate;
	uint64_t total = 0;
	for (int i = 0; i <= 60; i++)
		rate.add(i * second, total += 100);
	for (int i = 61; i <= 62; i++)
		rate.add(i * second, total += 200);
	EXPECT_GE(rate.perSecond(), 390);
}

TEST(FillRate, RisesWithinASecond)
{
	FillRate rate;
	for (int i = 0; i <= 60; i++)
		rate.add(i * second, 0);
	rate.add(61 * second, 10000);
	EXPECT_GE(rate.perSecond(), 10000);
}

TEST(FillRate, FallsSlowlyAndEndsAtNothing)
{
	FillRate rate;
	uint64_t total = 0;
	int i = 0;
	for (; i <= 60; i++)
		rate.add(i * second, total += 1000);
	const double peak = rate.perSecond();
	for (const int end = i + 20; i <= end; i++)
		rate.add(i * second, total);
	EXPECT_GT(rate.perSecond(), peak / 2);
	double last = rate.perSecond();
	for (const int end = i + 3600; i <= end; i++) {
		rate.add(i * second, total);
		EXPECT_LE(rate.perSecond(), last);
		last = rate.perSecond();
	}
	EXPECT_EQ(rate.perSecond(), 0);
}

TEST(FillRate, ForgetsAsFastAsItIsTold)
{
	FillRate fast, slow;
	fast.remember(2);
	slow.remember(200);
	for (int i = 0; i <= 10; i++)
		for (FillRate *rate : {&fast, &slow})
			rate->add(i * second, static_cast<uint64_t>(i) * 1000);
	for (int i = 11; i <= 30; i++)
		for (FillRate *rate : {&fast, &slow})
			rate->add(i * second, 10000);
	EXPECT_LT(fast.perSecond(), 10);
	EXPECT_GT(slow.perSecond(), 900);
}

TEST(FillRate, DoesNotFallWhileWritersWait)
{
	FillRate rate;
	uint64_t total = 0;
	for (int i = 0; i <= 30; i++)
		rate.add(i * second, total += 1000);
	const double before = rate.perSecond();
	for (int i = 31; i <= 90; i++)
		rate.add(i * second, total, true);
	EXPECT_EQ(rate.perSecond(), before);
}

TEST(FillRate, IsNotFooledByLooksInAHurryOrAClockThatStoodStill)
{
	FillRate rate;
	for (int i = 0; i <= 10; i++)
		rate.add(i * second, static_cast<uint64_t>(i) * 100);
	const double before = rate.perSecond();
	rate.add(10 * second + 1000, 1100);
	rate.add(10 * second + 1000, 1150);
	EXPECT_EQ(rate.perSecond(), before);
}

TEST(FillRate, KeepsThePeakWhenTheClockGoesBack)
{
	FillRate rate;
	for (int i = 100; i <= 110; i++)
		rate.add(i * second, static_cast<uint64_t>(i) * 100);
	const double before = rate.perSecond();
	rate.add(5 * second, 11000);
	EXPECT_EQ(rate.perSecond(), before);
	rate.add(6 * second, 11100);
	EXPECT_GT(rate.perSecond(), before * 0.9);
	EXPECT_LT(rate.perSecond(), before * 2.1);
}

TEST(FillRate, IsTheAverageAfterALongTimeWithoutALook)
{
	FillRate rate;
	rate.add(0, 0);
	rate.add(600 * second, 60000);
	EXPECT_NEAR(rate.perSecond(), 200, 1); // expected to double, as it began
}

model::Store storeWith(uint64_t copied, uint64_t used, uint64_t overlay = 0)
{
	model::Store store;
	store.chunk = 8;
	store.summary.used = used;
	model::Origin origin;
	origin.status.name = "home";
	origin.status.copiedChunks = copied;
	store.origins.push_back(origin);
	model::Snapshot snapshot;
	snapshot.status.name = "monday";
	snapshot.status.overlay = overlay;
	store.snapshots.push_back(snapshot);
	return store;
}

TEST(Inflow, CountsCopiesAndOverlaysWhateverIsDeletedOrMoved)
{
	Inflow inflow;
	EXPECT_EQ(inflow.add(storeWith(1000, 8000)), 0U); // before we looked
	EXPECT_EQ(inflow.add(storeWith(1010, 8080)), 80U);
	EXPECT_EQ(inflow.add(storeWith(1020, 100)), 160U);  // a delete
	EXPECT_EQ(inflow.add(storeWith(1020, 9000)), 160U); // a shrink: moved, not new
	EXPECT_EQ(inflow.add(storeWith(1020, 9000, 16)), 176U);
	EXPECT_EQ(inflow.add(storeWith(1020, 9000, 0)), 176U); // its image was removed
	EXPECT_EQ(inflow.add(storeWith(5, 9000, 8)), 224U);    // attached anew: 5 chunks, 8 sectors
}

TEST(Inflow, GoesByWhatIsUsedWithoutOrigins)
{
	Inflow inflow;
	model::Store store;
	store.summary.used = 100;
	inflow.add(store);
	store.summary.used = 150;
	EXPECT_EQ(inflow.add(store), 50U);
	store.summary.used = 10;
	EXPECT_EQ(inflow.add(store), 50U);
	store.summary.used = 30;
	EXPECT_EQ(inflow.add(store), 70U);
}

TEST(CarvingTime, IsWhatOneOfTwentyTakesLongerThan)
{
	CarvingTime time;
	EXPECT_EQ(time.slow(), CarvingTime::unknown);
	for (int i = 0; i < 20; i++)
		time.succeeded(second);
	EXPECT_EQ(time.slow(), 1);
	time.succeeded(5 * second);
	EXPECT_EQ(time.slow(), 1); // a single one is an accident
	time.succeeded(5 * second);
	EXPECT_EQ(time.slow(), 5);
	for (int i = 0; i < 20; i++)
		time.succeeded(second);
	EXPECT_EQ(time.slow(), 1);
}

TEST(CarvingTime, CountsFailuresAtOnceAndForTheNextSuccess)
{
	CarvingTime time;
	for (int i = 0; i < 3; i++)
		time.succeeded(second);
	time.failed(45 * second);
	EXPECT_EQ(time.slow(), 45);
	time.failed(45 * second);
	EXPECT_EQ(time.slow(), 90);
	time.failed(45 * second);
	EXPECT_EQ(time.slow(), CarvingTime::longest);
	time.succeeded(second);
	EXPECT_EQ(time.slow(), CarvingTime::longest);
	time.succeeded(second);
	time.succeeded(second);
	for (int i = 0; i < 20; i++)
		time.succeeded(second);
	EXPECT_EQ(time.slow(), 1);
}

TEST(Pace, RatesAreRememberedForAPartOfTheTimeThatASurplusHasToLast)
{
	Config config;
	EXPECT_EQ(secondsToRemember(config), 60);
	config.giveBackAfterMs = 1000;
	EXPECT_EQ(secondsToRemember(config), 2);
	config.giveBackAfterMs = 7 * 24 * 3600 * 1000;
	EXPECT_EQ(secondsToRemember(config), 600);
}

TEST(Pace, OfAQuietMachineIsWhatIsConfigured)
{
	const Pace pace = paceAt(0);
	EXPECT_EQ(pace.rangeSectors, 16 * mib);
	EXPECT_EQ(pace.reserveSectors, 64 * mib);
	EXPECT_EQ(pace.mostSectors, 128 * mib);
	EXPECT_TRUE(pace.calm);
	EXPECT_EQ(paceOf(makeConfig(), {}, 2).rangeSectors, 16 * mib);
}

TEST(Pace, ARangeHoldsWhatComesInDuringTheConfiguredSeconds)
{
	EXPECT_EQ(paceAt(1.5 * mib).rangeSectors, 16 * mib);
	EXPECT_EQ(paceAt(2 * mib).rangeSectors, 32 * mib);
	EXPECT_EQ(paceAt(10 * mib).rangeSectors, 128 * mib);
	EXPECT_EQ(paceAt(1000 * mib).rangeSectors, 256 * mib);
	// Carving that takes long needs larger ranges.
	EXPECT_EQ(paceAt(2 * mib, 30).rangeSectors, 128 * mib);
}

TEST(Pace, ARangeIsNotLargerThanTheStoreMayBecome)
{
	EXPECT_EQ(paceAt(1000 * mib, 2, 40 * mib).rangeSectors, 40 * mib);
	EXPECT_EQ(paceAt(1000 * mib, 2, 0).rangeSectors, 16 * mib);
	EXPECT_EQ(paceAt(1000 * mib, 2, 0).reserveSectors, 64 * mib);
}

TEST(Pace, TheReserveCoversRateTimesCarvingOfAllStores)
{
	const PacedStore stores[] = {{5 * mib, UINT64_MAX}, {10 * mib, UINT64_MAX}};
	const Pace pace = paceOf(makeConfig(), stores, 2);
	EXPECT_EQ(pace.rangeSectors, 128 * mib);
	// 10 s, and 3 carves of 2 s: one under way, two that hold 150 MiB.
	EXPECT_EQ(pace.reserveSectors, 15 * 16 * mib);
	EXPECT_EQ(pace.mostSectors, 2 * pace.reserveSectors);
	EXPECT_FALSE(pace.calm);
	EXPECT_GT(paceOf(makeConfig(), stores, 4).reserveSectors, pace.reserveSectors);
}

TEST(Pace, TheReserveIsBounded)
{
	EXPECT_EQ(paceAt(1e15).reserveSectors, 8 * 256 * mib);
	EXPECT_EQ(paceAt(1e300, 120).reserveSectors, 8 * 256 * mib);
	EXPECT_LE(rangesWanted(makeConfig(), paceAt(1e15), 120, 0), Reserve::most / 2);
}

TEST(Pace, SmallRangesOfTheReserveAreJoinedByLargeOnesWhenTheRateRises)
{
	const Config config = makeConfig();
	EXPECT_EQ(rangesWanted(config, paceAt(0), 0, 0), 4U);
	EXPECT_EQ(rangesWanted(config, paceAt(0), 4, 64 * mib), 4U);
	const Pace pace = paceAt(10 * mib);
	EXPECT_EQ(rangesWanted(config, pace, 4, 64 * mib), 5U); // 160 MiB wanted
	EXPECT_EQ(rangesWanted(config, pace, 4, 192 * mib), 4U);
	EXPECT_EQ(rangesWanted(config, pace, 5, 192 * mib), 5U);
	EXPECT_EQ(rangesWanted(config, pace, 1, 192 * mib), 4U);
}

TEST(Pace, OnlyWhatIsBeyondTheMaximumIsSurplus)
{
	const Config config = makeConfig();
	const Pace quiet = paceAt(0);
	EXPECT_EQ(longestSurplus(config, quiet, 8, 128 * mib), 0U);
	EXPECT_GE(longestSurplus(config, quiet, 9, 144 * mib), 16 * mib);
	// Few, but large: left from a storm.
	EXPECT_EQ(longestSurplus(config, quiet, 4, 4 * 256 * mib), (1024 - 48) * mib);
}

TEST(Pace, WhatIsGivenAwayIsNotCarvedAgain)
{
	const Config config = makeConfig();
	for (double rate = 4 * mib; rate < 200 * mib; rate *= 1.3) {
		const Pace pace = paceAt(rate);
		for (size_t ready = 4; ready < 40; ready++) {
			const uint64_t sectors = ready * 128 * mib;
			const uint64_t longest = longestSurplus(config, pace, ready, sectors);
			if (longest < 128 * mib || pace.calm)
				continue;
			EXPECT_LT(rangesWanted(config, pace, ready - 1, sectors - 128 * mib), ready)
				<< rate << " " << ready;
		}
	}
}

struct Mark
{
	std::optional<uint64_t> next(double rate, double carving = 2)
	{
		const auto wanted =
			mark.next({current, configured, rate, carving,
				   paceAt(rate, carving).rangeSectors, maxSize, available});
		if (wanted) {
			mark.wasSet(*wanted);
			current = *wanted;
			changes++;
		}
		return wanted;
	}

	LowWaterMark mark;
	uint64_t current = 0;
	std::optional<uint64_t> configured;
	std::optional<uint64_t> maxSize;
	uint64_t available = UINT64_MAX;
	unsigned changes = 0;
};

TEST(LowWater, IsTheConfiguredOneWhileNothingHappens)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 3;
	EXPECT_EQ(mark.next(0), 8 * mib);
	EXPECT_FALSE(mark.next(0));
	mark.current = 100 * mib; // somebody else's
	EXPECT_EQ(mark.next(0), 8 * mib);
}

TEST(LowWater, RisesWithTheRateAndTheCarvingTime)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 8 * mib;
	EXPECT_EQ(mark.next(10 * mib), 32 * mib);
	EXPECT_EQ(mark.next(10 * mib, 5), 64 * mib);
	EXPECT_FALSE(mark.next(10.5 * mib, 5)); // not for every trifle
}

TEST(LowWater, NeverExceedsTwoRangesOrAQuarterOfTheLargestStore)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 8 * mib;
	EXPECT_EQ(mark.next(10000 * mib, 100), 512 * mib);
	mark.maxSize = 400 * mib;
	EXPECT_EQ(mark.next(10000 * mib, 100), 100 * mib);
	mark.configured = 200 * mib;
	EXPECT_EQ(mark.next(0), 200 * mib); // what somebody wants is never undercut
}

TEST(LowWater, IsNeverOutOfReach)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 8 * mib;
	mark.available = 100 * mib; // in the store and all supplies
	EXPECT_EQ(mark.next(10000 * mib), 50 * mib);
	mark.changes = 0;
	for (; mark.available > mib; mark.available -= mib)
		mark.next(10000 * mib);
	EXPECT_EQ(mark.current, 8 * mib);
	EXPECT_LE(mark.changes, 3U);
}

TEST(LowWater, FallsBackToTheConfiguredOne)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 8 * mib;
	mark.next(100 * mib);
	mark.changes = 0;
	for (double rate = 100 * mib; rate > 100; rate *= 0.98)
		mark.next(rate);
	EXPECT_EQ(mark.current, 8 * mib);
	EXPECT_LE(mark.changes, 4U); // a quarter each time
}

TEST(LowWater, DoesNotFollowARateThatSways)
{
	Mark mark;
	mark.configured = 8 * mib;
	mark.current = 8 * mib;
	mark.next(10 * mib);
	mark.changes = 0;
	for (int i = 0; i < 1000; i++)
		mark.next((i % 2 ? 3 : 10) * mib);
	EXPECT_EQ(mark.changes, 0U);
}

TEST(LowWater, LeftOutTheStoreKeepsTheMarkThatItHas)
{
	Mark mark;
	mark.current = 12 * mib;
	EXPECT_FALSE(mark.next(0));
	EXPECT_EQ(mark.next(10 * mib), 32 * mib);
	EXPECT_EQ(mark.next(0), 12 * mib);
	mark.current = 20 * mib; // somebody set another one
	EXPECT_FALSE(mark.next(0));
	EXPECT_EQ(mark.next(10 * mib), 32 * mib);
	EXPECT_EQ(mark.next(0), 20 * mib);
}

TEST(LowWater, AStoreThatNeverAsksIsLeftAlone)
{
	Mark mark;
	EXPECT_FALSE(mark.next(1000 * mib));
	mark.configured = mib;
	EXPECT_TRUE(mark.next(1000 * mib));
}

} // namespace
} // namespace snapdiff::daemon
