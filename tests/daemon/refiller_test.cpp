// SPDX-License-Identifier: GPL-2.0-or-later
//
// The cold path: the reserve is kept full while any supply has space, and no LV is
// lost or given twice, wherever the daemon was killed.

#include "extender.h"
#include "fake_carver.h"
#include "fake_kernel.h"
#include "refiller.h"
#include "told.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace snapdiff::daemon {
namespace {

constexpr dm::DeviceNumber storeNumber = {253, 10};
constexpr dm::DeviceNumber diskA = {8, 16};
constexpr dm::DeviceNumber diskB = {8, 32};
constexpr uint64_t rangeSize = 65536;
constexpr int64_t second = 1'000'000'000;

Config makeConfig()
{
	Config config;
	config.supplies = std::vector<std::string>{"vg0", "vg1"};
	config.rangeSize = rangeSize;
	config.reserveRanges = 3;
	config.reserveMaxRanges = 5;
	config.returnAfterMs = 30000;
	config.giveBackAfterMs = 10000;
	return config;
}

// The parts of one run of the daemon.
struct Life
{
	Life(FakeKernel &kernel, FakeLvm &lvm, Config wanted)
		: carver(lvm), extender(kernel, reserve),
		  refiller(carver, reserve, told,
			   [](const CarvedVolume &) {
				   return Result<ClaimedDevice>(ClaimedDevice());
			   }),
		  config(std::move(wanted))
	{
		refiller.configure(config);
		extender.setSpread(config.policy == Policy::Spread);
	}

	Reserve reserve;
	FakeCarver carver;
	Extender extender;
	ToldNotices told;
	Refiller refiller;
	Config config;
};

class Refilling : public testing::Test
{
protected:
	Refilling()
	{
		lvm.addGroup("vg0", 4 * rangeSize, diskA);
		lvm.addGroup("vg1", 4 * rangeSize, diskB);
		start();
	}

	void start() { run = std::make_unique<Life>(kernel, lvm, config); }

	Surroundings surroundings() const
	{
		Surroundings around;
		for (const auto &[number, store] : kernel.stores)
			around.stores.insert(store.name);
		for (const auto &[number, store] : kernel.stores)
			for (const dm::RangeStatus &range : store.status.ranges)
				around.ranges[range.dev] = store.name;
		around.originDisks = originDisks;
		around.anyStore = !kernel.stores.empty();
		around.starving = run->extender.starving();
		around.pace = pace;
		return around;
	}

	// One round of the loop, in the daemon's order.
	void round()
	{
		for (const auto &[number, store] : kernel.stores)
			if (!run->extender.find(number))
				run->extender.watch(number, store.name)->supplies =
					orderFor(config, store.name);
		run->extender.wake(kernel.nowNs);
		collect();
		run->carver.work();
		if (run->refiller.step(kernel.nowNs, surroundings()))
			run->extender.sweep(kernel.nowNs);
		collect();
	}
	void rounds(unsigned count, int64_t stepNs = second / 10)
	{
		for (unsigned i = 0; i < count; i++) {
			round();
			kernel.nowNs += stepNs;
		}
	}
	void collect()
	{
		for (const Record &record : run->extender.records())
			if (record.kind == Record::Kind::Given)
				given.emplace_back(record.rangeName.view());
		run->extender.clearRecords();
		run->refiller.left(run->reserve.collect(), kernel.nowNs);
	}
	size_t asked(CarverRequest::Kind kind) const
	{
		size_t count = 0;
		for (const CarverRequest &request : run->carver.requests)
			count += request.kind == kind;
		return count;
	}
	size_t inReserve(const std::string &vg) const
	{
		size_t count = 0;
		for (const ReadyRange &range : run->reserve.ranges())
			count += range.vg == vg;
		return count;
	}

	FakeKernel kernel;
	FakeLvm lvm;
	Config config = makeConfig();
	Disks originDisks;
	Pace pace;
	std::unique_ptr<Life> run;
	std::vector<std::string> given;
};

TEST_F(Refilling, TheReserveIsFilledToTheNumberWanted)
{
	rounds(20);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	EXPECT_EQ(inReserve("vg0"), 3U);
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), 3U);
	EXPECT_EQ(run->refiller.carvableSectors(), 5 * rangeSize);
}

TEST_F(Refilling, WhatIsToBeLeftFreeIsNotCarvable)
{
	config.supplies = std::vector<std::string>{"vg0"};
	config.leaveFree = rangeSize;
	start();
	rounds(20);
	EXPECT_EQ(run->refiller.carvableSectors(), 0U); // three are in reserve
	lvm.groups["vg0"].free += 2 * rangeSize;
	run->refiller.lookSoon(kernel.nowNs);
	rounds(200);
	EXPECT_EQ(run->refiller.carvableSectors(), 2 * rangeSize);
}

TEST_F(Refilling, RestsOfDisksThatAreTooSmallForARangeAreNotCarvable)
{
	config.supplies = std::vector<std::string>{"vg0"};
	config.minRangeSize = 4 * FakeLvm::extent;
	lvm.restOf["vg0"] = 3 * FakeLvm::extent;
	start();
	rounds(20);
	EXPECT_EQ(run->refiller.carvableSectors(), rangeSize);
	lvm.restOf["vg0"] = 4 * FakeLvm::extent;
	run->refiller.lookSoon(kernel.nowNs);
	rounds(200);
	EXPECT_EQ(run->refiller.carvableSectors(), rangeSize + 4 * FakeLvm::extent);
}

TEST_F(Refilling, NothingIsCarvedBeforeTheLeftoversAreKnown)
{
	run->carver.errors[CarverRequest::Kind::Volumes] = {EIO, EIO};
	rounds(10);
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), 0U);
	EXPECT_TRUE(run->told.problems.contains("lvm"));
	rounds(100);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	EXPECT_FALSE(run->told.problems.contains("lvm"));
}

TEST_F(Refilling, SpreadTakesTurnsOverTheSupplies)
{
	config.policy = Policy::Spread;
	config.reserveRanges = 4;
	start();
	rounds(20);
	EXPECT_EQ(inReserve("vg0"), 2U);
	EXPECT_EQ(inReserve("vg1"), 2U);
}

TEST_F(Refilling, AFullSupplyIsFollowedByTheNext)
{
	config.reserveRanges = 6;
	config.reserveMaxRanges = 8;
	start();
	rounds(30);
	EXPECT_EQ(inReserve("vg0"), 4U);
	EXPECT_EQ(inReserve("vg1"), 2U);
	EXPECT_EQ(run->refiller.supplies()[0].state, Supply::State::Full);
	EXPECT_EQ(run->refiller.supplies()[1].state, Supply::State::Ok);
}

TEST_F(Refilling, ASupplyThatLiesAboutItsSpaceIsFollowedByTheNext)
{
	run->carver.brokenGroups["vg0"] = ENOSPC;
	rounds(30);
	EXPECT_EQ(inReserve("vg1"), 3U);
	EXPECT_TRUE(run->told.problems.empty());
}

TEST_F(Refilling, AFailingSupplyIsReportedTriedAgainAndTheNextUsedAtOnce)
{
	run->carver.brokenGroups["vg0"] = EIO;
	rounds(6);
	EXPECT_GE(inReserve("vg1"), 2U);
	EXPECT_TRUE(run->told.problems.contains("supply vg0"));
	EXPECT_EQ(run->refiller.supplies()[0].state, Supply::State::Failed);
	EXPECT_EQ(run->refiller.supplies()[0].carvable, 0U); // nobody may count on it
	EXPECT_GT(run->refiller.supplies()[1].carvable, 0U);

	run->carver.brokenGroups.clear();
	kernel.addStore(storeNumber, "a", 1000, 900);
	kernel.fill(storeNumber, 500);
	rounds(100);
	kernel.fill(storeNumber, rangeSize); // the next shortage tries it again
	rounds(10);
	EXPECT_EQ(run->refiller.supplies()[0].state, Supply::State::Ok);
	EXPECT_GT(run->refiller.supplies()[0].carvable, 0U);
	EXPECT_FALSE(run->told.problems.contains("supply vg0"));
	EXPECT_GE(inReserve("vg0"), 1U);
}

TEST_F(Refilling, AMissingVolumeGroupIsReported)
{
	config.supplies = std::vector<std::string>{"gone", "vg1"};
	start();
	rounds(20);
	EXPECT_TRUE(run->told.problems.contains("supply gone"));
	EXPECT_EQ(inReserve("vg1"), 3U);
}

TEST_F(Refilling, ALoopThatSleepsUntilTheNextStepDoesNotSpin)
{
	config.supplies = std::vector<std::string>{"gone"};
	start();
	unsigned steps = 0;
	const int64_t end = kernel.nowNs + 600 * second;
	while (kernel.nowNs < end && steps < 5000) {
		round();
		steps++;
		const int64_t next = run->refiller.nextStep();
		kernel.nowNs = run->carver.busy() ? kernel.nowNs + second / 10
						  : std::max(next, kernel.nowNs);
	}
	EXPECT_LT(steps, 400U);
}

TEST_F(Refilling, TheLastPieceOfASupplyMayBeSmaller)
{
	config.reserveRanges = 10;
	config.reserveMaxRanges = 10;
	config.minRangeSize = FakeLvm::extent;
	lvm.groups["vg1"].free = 3 * FakeLvm::extent;
	start();
	rounds(60);
	EXPECT_EQ(inReserve("vg0"), 4U);
	ASSERT_EQ(inReserve("vg1"), 1U);
	EXPECT_EQ(lvm.groups["vg1"].free, 0U);
}

TEST_F(Refilling, SpaceToLeaveFreeIsLeftFree)
{
	config.leaveFree = 3 * rangeSize;
	start();
	rounds(20);
	EXPECT_EQ(inReserve("vg0"), 1U);
	EXPECT_EQ(inReserve("vg1"), 1U);
	EXPECT_EQ(lvm.groups["vg0"].free, 3 * rangeSize);
}

TEST_F(Refilling, ADiskOfAnOriginIsUsedLastInsideAVolumeGroup)
{
	originDisks.add(diskA);
	config.policy = Policy::InOrder;
	rounds(20);
	// The order of supplies is the user's; the hint goes with the range.
	EXPECT_EQ(inReserve("vg0"), 3U);
	for (const ReadyRange &range : run->reserve.ranges())
		EXPECT_TRUE(range.disks.meets(originDisks));
}

TEST_F(Refilling, RangesOfDifferentDisksHaveDifferentGroups)
{
	config.policy = Policy::Spread;
	start();
	rounds(20);
	std::map<std::string, uint32_t> groups;
	for (const ReadyRange &range : run->reserve.ranges())
		groups[range.vg] = range.group;
	ASSERT_EQ(groups.size(), 2U);
	EXPECT_NE(groups["vg0"], groups["vg1"]);
}

TEST_F(Refilling, AStarvingStoreIsServedAsSoonAsARangeIsCarved)
{
	kernel.addStore(storeNumber, "a", 1000, 900);
	kernel.fill(storeNumber, 500);
	rounds(5);
	EXPECT_EQ(given.size(), 1U);
	EXPECT_EQ(kernel.store(storeNumber).summary().level, dm::Level::Ok);
}

TEST_F(Refilling, WhenNothingIsLeftThatIsToldOnceAndNewSpaceIsFound)
{
	kernel.addStore(storeNumber, "a", 1000, 900);
	rounds(20);
	for (unsigned i = 0; i < 12; i++) {
		kernel.fill(storeNumber, rangeSize);
		rounds(20);
	}
	EXPECT_EQ(given.size(), 8U);
	EXPECT_EQ(run->told.count("supply"), 1U);
	EXPECT_GT(kernel.store(storeNumber).summary().held, 0U);

	lvm.addGroup("vg1", 10 * rangeSize, diskB);
	rounds(200);
	EXPECT_EQ(kernel.store(storeNumber).summary().held, 0U);
	EXPECT_EQ(kernel.store(storeNumber).summary().level, dm::Level::Ok);
}

TEST_F(Refilling, AtTheStartOurLeftoversBecomeReserveAtOnce)
{
	lvm.addVolume("vg1", rangeSize, true);
	const dm::DeviceNumber used = *lvm.addVolume("vg1", rangeSize, true).number;
	kernel.addStore(storeNumber, "a", 100000, 100);
	ASSERT_EQ(kernel.message(storeNumber, "extend " + used.text() + " 0 65536 1"), 0);
	start();
	rounds(1);
	rounds(1);
	EXPECT_EQ(inReserve("vg1"), 1U);
	rounds(30);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	EXPECT_FALSE(run->reserve.has(used));
}

TEST_F(Refilling, AVolumeOfSomebodyElseIsTakenOverOnlyAfterAWhile)
{
	rounds(20);
	const std::string name = lvm.addVolume("vg1", rangeSize, false).name();
	run->refiller.lookSoon(kernel.nowNs);
	rounds(120);
	EXPECT_EQ(inReserve("vg1"), 0U);
	rounds(600);
	EXPECT_EQ(inReserve("vg1"), 1U);
	EXPECT_TRUE(lvm.has(name));
}

TEST_F(Refilling, AVolumeThatIsNotActiveIsGivenBackToItsGroup)
{
	CarvedVolume &volume = lvm.addVolume("vg1", rangeSize, true);
	volume.number.reset();
	const std::string name = volume.name();
	start();
	rounds(20);
	EXPECT_TRUE(lvm.has(name));
	rounds(600);
	EXPECT_FALSE(lvm.has(name));
}

TEST_F(Refilling, RangesOfARemovedStoreReturnAndThoseBeyondTheMaximumAreRemoved)
{
	kernel.addStore(storeNumber, "a", 1000, 900);
	for (unsigned i = 0; i < 5; i++) {
		kernel.fill(storeNumber, rangeSize / 2);
		rounds(20);
		kernel.fill(storeNumber, rangeSize / 2);
		rounds(20);
	}
	const size_t before = lvm.volumes.size();
	ASSERT_GE(before, 7U);
	kernel.removeStore(storeNumber);
	run->refiller.lookSoon(kernel.nowNs);
	rounds(1000);
	EXPECT_EQ(lvm.volumes.size(), 5U);
	EXPECT_EQ(run->reserve.readyCount(), 5U);
}

TEST_F(Refilling, TheReserveGivesBackOnlyWhatWasTooMuchForLong)
{
	rounds(20);
	for (unsigned i = 0; i < 3; i++)
		lvm.addVolume("vg1", rangeSize, true);
	start(); // finds them all
	rounds(50);
	EXPECT_EQ(run->reserve.readyCount(), 6U);
	EXPECT_EQ(asked(CarverRequest::Kind::Remove), 0U);
	rounds(100);
	EXPECT_EQ(run->reserve.readyCount(), 5U);
	EXPECT_EQ(asked(CarverRequest::Kind::Remove), 1U);
}

TEST_F(Refilling, ARangeThatWeTookBackReturnsAtOnce)
{
	rounds(20);
	const CarvedVolume taken = lvm.addVolume("vg1", rangeSize, true);
	const CarvedVolume other = lvm.addVolume("vg1", rangeSize, true);
	run->refiller.tookBack(*taken.number);
	rounds(10);
	EXPECT_TRUE(run->reserve.has(*taken.number));
	EXPECT_FALSE(run->reserve.has(*other.number));
}

TEST_F(Refilling, WhatCameBackIsLookedForBeforeAnythingIsCarved)
{
	rounds(20);
	ASSERT_EQ(run->reserve.readyCount(), 3U);
	const size_t carved = asked(CarverRequest::Kind::Carve);
	// one range went to a store, and the store gave another one back
	const std::string taken = run->reserve.ranges().front().name();
	ASSERT_EQ(run->reserve
			  .takeWhere([&](const ReadyRange &range) { return range.name() == taken; })
			  .size(),
		  1U);
	const CarvedVolume back = lvm.addVolume("vg1", rangeSize, true);
	run->refiller.tookBack(*back.number);
	rounds(10);
	EXPECT_TRUE(run->reserve.has(*back.number));
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), carved);
}

TEST_F(Refilling, WhatLvmDoesNotKnowIsWaitedForOnce)
{
	rounds(20);
	ASSERT_EQ(run->reserve.readyCount(), 3U);
	run->refiller.tookBack({9, 9});
	rounds(10);
	const std::string taken = run->reserve.ranges().front().name();
	run->reserve.takeWhere([&](const ReadyRange &range) { return range.name() == taken; });
	const size_t carved = asked(CarverRequest::Kind::Carve);
	kernel.nowNs += 3600 * second; // the next look is due too
	rounds(1);
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), carved + 1);
}

TEST_F(Refilling, RangesFollowThePaceAndItsTimeIsMeasured)
{
	config.rangeMaxSize = 4 * rangeSize;
	pace.rangeSectors = 2 * rangeSize;
	pace.reserveSectors = 6 * rangeSize;
	pace.mostSectors = 12 * rangeSize;
	start();
	rounds(30);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	EXPECT_EQ(run->reserve.readySectors(), 6 * rangeSize);
	EXPECT_NEAR(run->refiller.carvingSeconds(), 0.1, 0.01); // a round
	EXPECT_TRUE(run->refiller.isOurs(*lvm.volumes[0].number, 2 * rangeSize));
	EXPECT_FALSE(run->refiller.isOurs(*lvm.volumes[0].number, rangeSize));
	EXPECT_FALSE(run->refiller.isOurs({8, 16}, rangeSize));
}

TEST_F(Refilling, AVanishedVolumeLeavesTheReserve)
{
	rounds(20);
	ASSERT_EQ(run->reserve.readyCount(), 3U);
	const std::string gone = lvm.volumes.front().name();
	lvm.volumes.erase(lvm.volumes.begin());
	run->refiller.lookSoon(kernel.nowNs);
	rounds(200);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	for (const ReadyRange &range : run->reserve.ranges())
		EXPECT_NE(range.name(), gone);
	EXPECT_EQ(run->told.count("reserve"), 3U + 1U + 1U); // carved 3, vanished 1, carved 1
}

TEST_F(Refilling, WithoutConfiguredSuppliesStoresAreFedFromWhereTheyAre)
{
	config.supplies.reset();
	start();
	rounds(20);
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), 0U);

	const CarvedVolume &used = lvm.addVolume("vg1", rangeSize, false);
	kernel.addStore(storeNumber, "a", 100000, 100);
	ASSERT_EQ(kernel.message(storeNumber, "extend " + used.number->text() + " 0 65536 1"), 0);
	run->refiller.lookSoon(kernel.nowNs);
	rounds(400);
	EXPECT_EQ(inReserve("vg1"), 3U);
	EXPECT_EQ(inReserve("vg0"), 0U);
}

TEST_F(Refilling, AnEmptyListOfSuppliesCarvesNothing)
{
	config.supplies = std::vector<std::string>();
	start();
	kernel.addStore(storeNumber, "a", 1000, 900);
	kernel.fill(storeNumber, 500);
	rounds(100);
	EXPECT_EQ(asked(CarverRequest::Kind::Carve), 0U);
	EXPECT_EQ(asked(CarverRequest::Kind::Supplies), 0U);
}

// A SIGKILL at every single step of a life with extensions.
struct Killed
{
};

TEST_F(Refilling, KilledAtAnyStepNothingIsGivenTwiceOrLost)
{
	config.policy = Policy::Spread;
	unsigned kills = 0;

	for (unsigned killAt = 1; killAt < 220; killAt++) {
		kernel.stores.clear();
		lvm = FakeLvm();
		lvm.addGroup("vg0", 20 * rangeSize, diskA);
		lvm.addGroup("vg1", 20 * rangeSize, diskB);
		kernel.addStore(storeNumber, "a", rangeSize, rangeSize / 2);
		unsigned steps = 0;
		const auto step = [&] {
			if (++steps == killAt)
				throw Killed();
		};
		kernel.onCall = step;
		start();
		run->carver.onWork = step;
		for (unsigned i = 0; i < 60; i++) {
			try {
				if (i % 5 == 0 && i < 50)
					kernel.fill(storeNumber, rangeSize / 2);
				round();
			} catch (const Killed &) {
				kills++;
				start();
			}
			kernel.nowNs += second / 10;
		}
		kernel.onCall = {};
		rounds(400);

		const FakeStore &store = kernel.store(storeNumber);
		EXPECT_EQ(store.summary().level, dm::Level::Ok) << "killed at step " << killAt;
		EXPECT_EQ(store.summary().heldTotal, 0U) << "killed at step " << killAt;
		std::set<dm::DeviceNumber> seen;
		for (const dm::RangeStatus &range : store.status.ranges)
			EXPECT_TRUE(seen.insert(range.dev).second);
		for (const CarvedVolume &volume : lvm.volumes)
			EXPECT_TRUE(seen.contains(*volume.number) ||
				    run->reserve.has(*volume.number))
				<< volume.name() << " is an orphan, killed at step " << killAt;
	}
	EXPECT_GE(kills, 40U);
}

} // namespace
} // namespace snapdiff::daemon
