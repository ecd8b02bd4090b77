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
	const auto pictures = stores.pictures([](const SupplyOrder &) {
		return Stores::Offer{300, 10000};
	});
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
	const auto pictures = stores.pictures([](const SupplyOrder &) {
		return Stores::Offer{900, 0};
	});
	ASSERT_EQ(pictures.size(), 1U);
	EXPECT_EQ(pictures[0].ranges[0].device, "vg0/first");
	EXPECT_EQ(pictures[0].ranges[0].disk, "vg0");
	EXPECT_NEAR(pictures[0].fillRateShort, 10, 1);
	EXPECT_NEAR(static_cast<double>(pictures[0].secondsToFull), 90, 10);
	EXPECT_NEAR(static_cast<double>(pictures[0].secondsToExhaustion), 180, 20);
	EXPECT_TRUE(pictures[0].cannotOverflow);
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
