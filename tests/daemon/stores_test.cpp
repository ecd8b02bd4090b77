// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stores: found, forgotten, configured, and told about.

#include "fake_kernel.h"
#include "stores.h"
#include "told.h"

#include <gtest/gtest.h>

namespace snapdiff::daemon {
namespace {

constexpr dm::DeviceNumber first = {253, 10};
constexpr dm::DeviceNumber second = {253, 11};

// The same for every store.
Stores::Offers offering(uint64_t reserve, uint64_t carvable)
{
	return [=](const SupplyOrder &) { return Stores::Offer{reserve, carvable}; };
}

class NoRunner : public Runner
{
public:
	Result<Finished> run(const Command &command) override
	{
		ADD_FAILURE() << "ran " << commandLine(command);
		return Error(ENOENT, "run");
	}
};

class KnownStores : public testing::Test
{
protected:
	bool discover() { return stores.discover(kernel.nowNs); }

	FakeKernel kernel;
	FakeDeviceMapper dm{kernel};
	NoRunner runner;
	lvm::Lvm lvm{runner};
	SystemClock clock;
	ops::Context context{dm, lvm, runner, clock, {}};
	Reserve reserve;
	Extender extender{kernel, reserve};
	ToldNotices told;
	Stores stores{context, extender, told, [](dm::DeviceNumber number) {
			      return number == dm::DeviceNumber{8, 16} ? "vg0/first" : "";
		      }};
};

TEST_F(KnownStores, AreFoundAndForgotten)
{
	EXPECT_FALSE(discover());
	kernel.addStore(first, "a", 1000, 100);
	EXPECT_TRUE(discover());
	EXPECT_NE(extender.find(first), nullptr);
	EXPECT_FALSE(discover());
	kernel.removeStore(first);
	EXPECT_TRUE(discover());
	EXPECT_EQ(extender.find(first), nullptr);
	EXPECT_EQ(stores.count(), 0U);
	EXPECT_EQ(told.count("store-added"), 1U);
	EXPECT_EQ(told.count("store-removed"), 1U);
}

TEST_F(KnownStores, OneThatWasMadeAnewUnderItsNameIsAnotherOne)
{
	kernel.addStore(first, "a", 1000, 100);
	discover();
	kernel.removeStore(first);
	kernel.addStore(second, "a", 1000, 100);
	EXPECT_TRUE(discover());
	EXPECT_EQ(extender.find(first), nullptr);
	EXPECT_NE(extender.find(second), nullptr);
}

TEST_F(KnownStores, TheConfiguredLowWaterMarkIsSetAndSetAgain)
{
	Config config;
	config.allStores.lowWater = 200;
	stores.configure(config);
	kernel.addStore(first, "a", 1000, 100);
	discover();
	EXPECT_EQ(kernel.store(first).messages.back(), "set low_water 200");
	const size_t messages = kernel.store(first).messages.size();
	stores.refresh(kernel.nowNs);
	EXPECT_EQ(kernel.store(first).messages.size(), messages);
	kernel.store(first).status.summary.lowWater = 5; // somebody else did
	stores.refresh(kernel.nowNs);
	EXPECT_EQ(kernel.store(first).summary().lowWater, 200U);
}

TEST_F(KnownStores, TheMaximumSizeReachesTheHotPathAndLimitsWhatIsShown)
{
	Config config;
	config.stores["a"].maxSize = 1500;
	stores.configure(config);
	kernel.addStore(first, "a", 1000, 100);
	discover();
	EXPECT_EQ(extender.find(first)->maxSize, 1500U);
	const auto pictures = stores.pictures(offering(300, 10000));
	ASSERT_EQ(pictures.size(), 1U);
	EXPECT_EQ(pictures[0].reserveSectors, 300U);
	EXPECT_EQ(pictures[0].carvableSectors, 200U);
}

TEST_F(KnownStores, PicturesNameDevicesAndSayWhatIsToCome)
{
	kernel.addStore(first, "a", 1000, 0);
	discover();
	for (int i = 0; i < 10; i++) {
		kernel.nowNs += 1'000'000'000;
		kernel.fill(first, 10);
		stores.refresh(kernel.nowNs);
	}
	const auto pictures = stores.pictures(offering(900, 0));
	ASSERT_EQ(pictures.size(), 1U);
	EXPECT_EQ(pictures[0].ranges[0].device, "vg0/first");
	EXPECT_EQ(pictures[0].ranges[0].disk, "vg0");
	EXPECT_NEAR(pictures[0].fillRateShort, 10, 1);
	EXPECT_NEAR(static_cast<double>(pictures[0].secondsToFull), 90, 10);
	EXPECT_NEAR(static_cast<double>(pictures[0].secondsToExhaustion), 180, 20);
	EXPECT_TRUE(pictures[0].cannotOverflow);
}

// An origin of which so many chunks of 64 KiB are still to be copied.
dm::OriginStatus originWith(uint64_t unsafeChunks)
{
	dm::OriginStatus origin;
	origin.name = "home";
	origin.unsafeChunks = unsafeChunks;
	return origin;
}

TEST_F(KnownStores, BothWindowsSayWhenAStoreIsFull)
{
	kernel.addStore(first, "a", 100000, 0);
	discover();
	for (int i = 0; i < 100; i++) {
		kernel.nowNs += 1'000'000'000;
		kernel.fill(first, i < 90 ? 10 : 1000);
		stores.refresh(kernel.nowNs);
	}
	const StorePicture shown = stores.pictures(offering(0, 0)).at(0);
	EXPECT_LT(shown.secondsToFullShort, shown.secondsToFullLong);
	EXPECT_EQ(shown.secondsToFull, shown.secondsToFullShort);
	EXPECT_NEAR(static_cast<double>(shown.secondsToFullLong), 90000 / 109.0, 20);
}

TEST_F(KnownStores, ADeleteDoesNotMakeTheForecastBlind)
{
	kernel.addStore(first, "a", 10000, 0);
	discover();
	for (int i = 0; i < 20; i++) {
		kernel.nowNs += 1'000'000'000;
		kernel.fill(first, 100);
		stores.refresh(kernel.nowNs);
	}
	kernel.nowNs += 1'000'000'000;
	kernel.release(first, 2000);
	stores.refresh(kernel.nowNs);
	const StorePicture shown = stores.pictures(offering(0, 0)).at(0);
	EXPECT_NEAR(shown.fillRateLong, 100, 10);
	EXPECT_NEAR(static_cast<double>(shown.secondsToFull), 100, 10);
}

TEST_F(KnownStores, CannotOverflowByWhatTheMaximumSizeLetsThemBeGiven)
{
	Config config;
	config.stores["a"].maxSize = 1500;
	stores.configure(config);
	kernel.addStore(first, "a", 1000, 0).status.origins.push_back(originWith(11));
	discover();
	EXPECT_EQ(stores.pictures(offering(0, 0))[0].worstCase, 1408U);
	EXPECT_FALSE(stores.pictures(offering(400, 0))[0].cannotOverflow);
	EXPECT_TRUE(stores.pictures(offering(400, 10))[0].cannotOverflow);
	kernel.store(first).status.origins[0].unsafeChunks = 12; // 36 more than it may become
	stores.refresh(kernel.nowNs);
	EXPECT_FALSE(stores.pictures(offering(100000, 100000))[0].cannotOverflow);
}

TEST_F(KnownStores, WhatWritableImagesCanTakeIsToComeToo)
{
	FakeStore &store = kernel.addStore(first, "a", 1280, 0);
	store.status.origins.push_back(originWith(5));
	dm::SnapshotStatus snapshot;
	snapshot.name = "monday";
	snapshot.toCome = 5;
	snapshot.origins = {{"home", 1280}};
	store.status.snapshots.push_back(snapshot);
	discover();
	EXPECT_EQ(stores.pictures(offering(0, 0))[0].worstCase, 1280U);
	EXPECT_TRUE(stores.pictures(offering(0, 0))[0].cannotOverflow);
	store.status.snapshots[0].toCome = 6;
	stores.refresh(kernel.nowNs);
	EXPECT_FALSE(stores.pictures(offering(0, 0))[0].cannotOverflow);
	EXPECT_TRUE(stores.pictures(offering(128, 0))[0].cannotOverflow);
}

TEST_F(KnownStores, TheSameReserveIsNotPromisedToTwo)
{
	kernel.addStore(first, "a", 1280, 0).status.origins.push_back(originWith(15));
	kernel.addStore(second, "b", 1280, 0).status.origins.push_back(originWith(20));
	kernel.store(second).status.ranges[0].dev = {8, 32};
	discover();
	// 640 and 1280 more.
	auto shown = stores.pictures(offering(1280, 0));
	EXPECT_FALSE(shown[0].cannotOverflow);
	EXPECT_FALSE(shown[1].cannotOverflow);
	shown = stores.pictures(offering(1280, 640));
	EXPECT_TRUE(shown[0].cannotOverflow);
	EXPECT_TRUE(shown[1].cannotOverflow);
}

TEST_F(KnownStores, TheMarkRisesWithTheRateAndTheStoreIsTold)
{
	Config config;
	config.allStores.lowWater = 2048;
	stores.configure(config);
	kernel.addStore(first, "a", 10'000'000, 2048);
	discover();
	for (int i = 0; i < 10; i++) {
		kernel.nowNs += 1'000'000'000;
		kernel.fill(first, 10000);
		stores.refresh(kernel.nowNs);
	}
	EXPECT_GE(kernel.store(first).summary().lowWater, 30000U);
	EXPECT_GE(told.count("level"), 1U);
	EXPECT_GT(stores.surroundings(kernel.nowNs, false).pace.reserveSectors, 100000U);
}

TEST_F(KnownStores, ARangeThatIsNotNeededIsTakenBackAndToldOnce)
{
	Config config;
	config.giveBackAfterMs = 10000;
	config.rangeSize = 2048;
	stores.configure(config);
	kernel.addStore(first, "a", 100000, 100);
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 2048 1"), 0);
	ASSERT_EQ(kernel.message(first, "extend 253:101 0 2048 1"), 0);
	discover();
	const auto ours = [](const model::Range &range) { return range.status.dev.major == 253; };
	const auto look = [&] {
		kernel.nowNs += 1'000'000'000;
		stores.refresh(kernel.nowNs);
		return stores.giveBack(kernel.nowNs, ours);
	};
	for (int i = 0; i < 12; i++)
		EXPECT_TRUE(look().empty());
	EXPECT_EQ(kernel.store(first).messages.back(), "shrink 253:101 0 2048");
	EXPECT_EQ(told.count("range-shrinking"), 1U);
	kernel.evacuate(first, 0);
	EXPECT_EQ(look(), std::vector<dm::DeviceNumber>({{253, 101}}));
	EXPECT_EQ(told.count("range-gone"), 1U);
	look();
	EXPECT_EQ(told.count("range-shrinking"), 2U);
	kernel.fill(first, 200000); // takes all, and undoes it
	look();
	EXPECT_EQ(told.count("shrink-undone"), 1U);
}

TEST_F(KnownStores, ARefusedShrinkIsToldAndNotRepeatedSoon)
{
	Config config;
	config.giveBackAfterMs = 1000;
	config.rangeSize = 2048;
	stores.configure(config);
	kernel.addStore(first, "a", 100000, 100);
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 2048 1"), 0);
	discover();
	dm.shrinkError = ENOSPC;
	for (int i = 0; i < 20; i++) {
		kernel.nowNs += 1'000'000'000;
		stores.refresh(kernel.nowNs);
		stores.giveBack(kernel.nowNs, [](const model::Range &range) {
			return range.status.dev.major == 253;
		});
	}
	EXPECT_EQ(told.count("shrink-undone"), 4U); // after 1, 3, 7, 15 s
	EXPECT_EQ(told.count("range-shrinking"), 0U);
}

TEST_F(KnownStores, WhatHappensToAStoreIsTold)
{
	kernel.addStore(first, "a", 1000, 100);
	discover();
	kernel.fill(first, 1005);
	stores.refresh(kernel.nowNs);
	ASSERT_GE(told.count("held"), 1U);
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 1000 1"), 0);
	stores.refresh(kernel.nowNs);
	EXPECT_EQ(told.count("released"), 1U);
	EXPECT_EQ(told.count("extended"), 1U); // not by us
}

TEST_F(KnownStores, WhatWeGaveOurselvesIsNotToldTwice)
{
	kernel.addStore(first, "a", 1000, 100);
	discover();
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 1000 1"), 0);
	stores.noteGiven("253:100");
	stores.refresh(kernel.nowNs);
	EXPECT_EQ(told.count("extended"), 0U);
}

TEST_F(KnownStores, SurroundingsAreReadAnewWhenAsked)
{
	kernel.addStore(first, "a", 1000, 100);
	discover();
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 1000 1"), 0);
	EXPECT_FALSE(stores.surroundings(kernel.nowNs, false).ranges.contains({253, 100}));
	EXPECT_TRUE(stores.surroundings(kernel.nowNs, true).ranges.contains({253, 100}));
}

TEST_F(KnownStores, TheModuleIsJudgedByItsMajorVersion)
{
	stores.checkModule();
	EXPECT_TRUE(stores.module().usable);
	EXPECT_EQ(stores.module().version, "1.0.0");
	dm.moduleMajor = 2;
	stores.checkModule();
	EXPECT_TRUE(stores.module().loaded);
	EXPECT_FALSE(stores.module().usable);
	EXPECT_TRUE(told.problems.contains("kernel module"));
	dm.moduleLoaded = false;
	stores.checkModule();
	EXPECT_FALSE(stores.module().loaded);
}

} // namespace
} // namespace snapdiff::daemon
