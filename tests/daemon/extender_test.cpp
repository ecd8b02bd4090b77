// SPDX-License-Identifier: GPL-2.0-or-later
//
// The hot path: levels are acted on, whatever the events said, and without allocating.

#include "allocations.h"
#include "extender.h"
#include "fake_kernel.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace snapdiff::daemon {
namespace {

constexpr dm::DeviceNumber first = {253, 10};
constexpr dm::DeviceNumber second = {253, 11};
constexpr uint64_t rangeSize = 65536;

ReadyRange makeRange(unsigned index, const std::string &vg = "vg0", unsigned rank = 0)
{
	ReadyRange range;

	range.number = {253, 100 + index};
	range.length = rangeSize;
	range.group = 10 + rank;
	range.disks.add({8, 16 * (rank + 1)});
	range.vg = vg;
	range.lv = "snapdiff." + std::to_string(index);
	range.rank = rank;
	return range;
}

class Extending : public testing::Test
{
protected:
	void addReserve(unsigned count)
	{
		for (unsigned i = 0; i < count; i++)
			ASSERT_TRUE(reserve.add(makeRange(nextRange++)));
	}
	size_t count(Record::Kind kind) const
	{
		size_t number = 0;
		for (const Record &record : extender.records())
			number += record.kind == kind;
		return number;
	}
	void wake() { extender.wake(kernel.nowNs); }

	FakeKernel kernel;
	Reserve reserve;
	Extender extender{kernel, reserve};
	unsigned nextRange = 0;
};

TEST_F(Extending, AStoreWithEnoughSpaceGetsNothing)
{
	kernel.addStore(first, "a", 100000, 1000);
	extender.watch(first, "a");
	addReserve(1);
	wake();
	EXPECT_EQ(extender.records().size(), 0U);
	EXPECT_EQ(reserve.readyCount(), 1U);
}

TEST_F(Extending, AStoreThatIsLowGetsARangeAndTheLatencyIsRecorded)
{
	kernel.addStore(first, "a", 100000, 1000);
	extender.watch(first, "a");
	addReserve(2);
	kernel.fill(first, 99500);
	wake();
	ASSERT_EQ(extender.records().size(), 1U);
	const Record &record = extender.records()[0];
	EXPECT_EQ(record.kind, Record::Kind::Given);
	EXPECT_EQ(record.storeName.view(), "a");
	EXPECT_EQ(record.rangeName.view(), "vg0/snapdiff.0");
	EXPECT_EQ(record.supply.view(), "vg0");
	EXPECT_EQ(record.sectors, rangeSize);
	EXPECT_EQ(record.microseconds, 100);
	EXPECT_EQ(kernel.store(first).messages.back(), "extend 253:100 0 65536 10");
	EXPECT_EQ(kernel.store(first).summary().level, dm::Level::Ok);
	EXPECT_EQ(reserve.readyCount(), 1U);
}

TEST_F(Extending, SeveralRangesInARowUntilTheLevelIsOk)
{
	kernel.addStore(first, "a", 1000, 3 * rangeSize);
	extender.watch(first, "a");
	addReserve(8);
	wake();
	EXPECT_EQ(count(Record::Kind::Given), 3U);
	EXPECT_EQ(kernel.store(first).summary().level, dm::Level::Ok);
	EXPECT_EQ(reserve.readyCount(), 5U);
}

TEST_F(Extending, ItArmsBeforeItLooks)
{
	// What happens between the two would otherwise wake nobody.
	kernel.addStore(first, "a", 1000, 10);
	extender.watch(first, "a");
	kernel.onCall = [&] { EXPECT_TRUE(kernel.summaries == 0 || kernel.arms == 1); };
	wake();
	EXPECT_EQ(kernel.arms, 1U);
}

TEST_F(Extending, OnlyStoresWithANewEventNumberAreAskedOnAnEvent)
{
	kernel.addStore(first, "a", 100000, 1000);
	kernel.addStore(second, "b", 100000, 1000);
	extender.watch(first, "a");
	extender.watch(second, "b");
	wake();
	kernel.summaries = 0;
	kernel.fill(second, 10);
	wake();
	EXPECT_EQ(kernel.summaries, 1U);
	wake();
	EXPECT_EQ(kernel.summaries, 1U);
}

TEST_F(Extending, ALevelWithoutAnEventIsFoundByTheSweep)
{
	kernel.addStore(first, "a", 100000, 1000);
	extender.watch(first, "a");
	addReserve(1);
	wake();
	const uint32_t eventNr = kernel.store(first).eventNr;
	kernel.fill(first, 99500);
	kernel.store(first).eventNr = eventNr; // the event was lost
	wake();
	EXPECT_EQ(count(Record::Kind::Given), 0U);
	extender.sweep(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, SeveralStoresTakeTurnsAndThoseThatHoldComeFirst)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.addStore(second, "b", 1000, 900);
	extender.watch(first, "a");
	extender.watch(second, "b");
	kernel.fill(first, 500);
	kernel.fill(second, 1500);
	addReserve(2);
	wake();
	ASSERT_EQ(count(Record::Kind::Given), 2U);
	EXPECT_EQ(extender.records()[0].storeName.view(), "b");
	EXPECT_EQ(extender.records()[1].storeName.view(), "a");
	EXPECT_EQ(kernel.store(second).summary().held, 0U);
}

TEST_F(Extending, AStoreThatNeverAsksIsServedWhenItHolds)
{
	kernel.addStore(first, "a", 1000, 0);
	extender.watch(first, "a");
	addReserve(1);
	kernel.fill(first, 1000);
	wake();
	EXPECT_EQ(count(Record::Kind::Given), 0U);
	kernel.fill(first, 5);
	wake();
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, AnEmptyReserveIsToldOnceAndServedLater)
{
	kernel.addStore(first, "a", 1000, 900);
	extender.watch(first, "a");
	kernel.fill(first, 500);
	wake();
	extender.sweep(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::Empty), 1U);
	EXPECT_TRUE(extender.starving());
	addReserve(1);
	extender.sweep(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::Given), 1U);
	EXPECT_FALSE(extender.starving());
}

TEST_F(Extending, AConflictingRangeIsLeftOutAndTheNextOneGiven)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(2);
	kernel.extendErrors = {EEXIST};
	wake();
	ASSERT_EQ(extender.records().size(), 2U);
	EXPECT_EQ(extender.records()[0].kind, Record::Kind::Refused);
	EXPECT_EQ(extender.records()[0].errnum, EEXIST);
	EXPECT_EQ(extender.records()[1].kind, Record::Kind::Given);
	const auto left = reserve.collect();
	ASSERT_EQ(left.size(), 2U);
	EXPECT_EQ(left[0].state, ReadyRange::State::Refused);
	EXPECT_EQ(left[1].state, ReadyRange::State::Given);
}

TEST_F(Extending, AVanishedVolumeIsLeftOutAndTheNextOneGiven)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(2);
	kernel.missingDevices.insert({253, 100});
	wake();
	EXPECT_EQ(count(Record::Kind::Refused), 1U);
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, AlreadyThereIsASuccess)
{
	kernel.addStore(first, "a", 1000, 2000);
	extender.watch(first, "a");
	addReserve(1);
	// It was given, and the answer was lost.
	ASSERT_EQ(kernel.message(first, "extend 253:100 0 65536 10"), 0);
	kernel.fill(first, rangeSize);
	wake();
	EXPECT_EQ(count(Record::Kind::Given), 1U);
	EXPECT_EQ(count(Record::Kind::Refused), 0U);
}

TEST_F(Extending, AStoreThatRefusesEverythingDoesNotUseUpTheReserve)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(10);
	kernel.extendErrors.assign(10, EINVAL);
	wake();
	EXPECT_EQ(count(Record::Kind::Refused), 3U);
	ASSERT_TRUE(extender.nextRetry());
	EXPECT_GT(*extender.nextRetry(), kernel.nowNs);
	kernel.extendErrors.clear();
	kernel.nowNs = *extender.nextRetry();
	extender.retry(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::Given), 1U);
	EXPECT_FALSE(extender.nextRetry());
}

TEST_F(Extending, AStoreThatCanHaveNoMoreRangesLeavesThemToOthers)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(10);
	kernel.extendErrors.assign(10, E2BIG);
	wake();
	EXPECT_EQ(count(Record::Kind::Refused), 0U);
	EXPECT_EQ(count(Record::Kind::AtLimit), 1U);
	EXPECT_EQ(kernel.extendErrors.size(), 9U);
	EXPECT_TRUE(reserve.collect().empty());
	for (int tries = 0; tries < 3; tries++) {
		ASSERT_TRUE(extender.nextRetry());
		EXPECT_GT(*extender.nextRetry(), kernel.nowNs);
		kernel.nowNs = *extender.nextRetry();
		extender.retry(kernel.nowNs);
	}
	EXPECT_EQ(count(Record::Kind::AtLimit), 1U); // told once
	kernel.extendErrors.clear();
	kernel.nowNs = *extender.nextRetry();
	extender.retry(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, LackOfMemoryIsTriedAgainSoonWithTheSameRange)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(1);
	kernel.extendErrors = {ENOMEM, EINTR};
	wake();
	EXPECT_EQ(count(Record::Kind::Postponed), 1U);
	for (int tries = 0; tries < 2; tries++) {
		ASSERT_TRUE(extender.nextRetry());
		EXPECT_LE(*extender.nextRetry() - kernel.nowNs, 50'000'000);
		kernel.nowNs = *extender.nextRetry();
		extender.retry(kernel.nowNs);
	}
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, AStoreThatVanishesCostsNoRange)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(2);
	kernel.onCall = [&] {
		// Gone between the summary and the message.
		if (kernel.summaries == 1)
			kernel.removeStore(first);
	};
	wake();
	EXPECT_EQ(extender.records().size(), 0U);
	EXPECT_EQ(reserve.readyCount(), 2U);
	EXPECT_FALSE(extender.nextRetry());
}

TEST_F(Extending, AStoreOfMaximumSizeIsNotExtended)
{
	kernel.addStore(first, "a", 1000, 900);
	extender.watch(first, "a")->maxSize = 1000;
	addReserve(1);
	kernel.fill(first, 500);
	wake();
	extender.sweep(kernel.nowNs);
	EXPECT_EQ(count(Record::Kind::AtLimit), 1U);
	EXPECT_EQ(reserve.readyCount(), 1U);
	EXPECT_FALSE(extender.starving());
}

TEST_F(Extending, ADyingStoreGetsNothing)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	kernel.store(first).status.summary.mode = dm::StoreMode::Dying;
	extender.watch(first, "a");
	addReserve(1);
	wake();
	EXPECT_EQ(reserve.readyCount(), 1U);
}

TEST_F(Extending, ARangeOnAnOriginsDiskComesLastAndIsMarkedSo)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a")->originDisks.add({8, 16});
	ASSERT_TRUE(reserve.add(makeRange(0, "vg0", 0)));
	ASSERT_TRUE(reserve.add(makeRange(1, "vg1", 1)));
	wake();
	EXPECT_EQ(kernel.store(first).messages.back(), "extend 253:101 0 65536 11");
	kernel.fill(first, rangeSize);
	wake();
	EXPECT_EQ(kernel.store(first).messages.back(), "extend 253:100 0 65536 10,last");
}

TEST_F(Extending, InOrderUsesTheFirstSupplyFirst)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	ASSERT_TRUE(reserve.add(makeRange(0, "vg1", 1)));
	ASSERT_TRUE(reserve.add(makeRange(1, "vg0", 0)));
	wake();
	EXPECT_EQ(extender.records()[0].supply.view(), "vg0");
}

TEST_F(Extending, SpreadTakesTurns)
{
	kernel.addStore(first, "a", 1000, 5 * rangeSize);
	extender.watch(first, "a");
	extender.setSpread(true);
	for (unsigned i = 0; i < 3; i++)
		ASSERT_TRUE(reserve.add(makeRange(i, "vg0", 0)));
	for (unsigned i = 3; i < 6; i++)
		ASSERT_TRUE(reserve.add(makeRange(i, "vg1", 1)));
	wake();
	ASSERT_EQ(count(Record::Kind::Given), 5U);
	for (size_t i = 1; i < 5; i++)
		EXPECT_NE(extender.records()[i].supply.view(),
			  extender.records()[i - 1].supply.view());
}

TEST_F(Extending, NewAndVanishedDevicesAreNoticed)
{
	kernel.addStore(first, "a", 1000, 10);
	wake();
	EXPECT_TRUE(extender.takeDevicesChanged());
	wake();
	EXPECT_FALSE(extender.takeDevicesChanged());
	kernel.otherDevices[{253, 50}] = "vg0-home";
	wake();
	EXPECT_TRUE(extender.takeDevicesChanged());
	kernel.otherDevices[{253, 50}] = "vg0-house";
	wake();
	EXPECT_TRUE(extender.takeDevicesChanged());
	kernel.otherDevices.clear();
	wake();
	EXPECT_TRUE(extender.takeDevicesChanged());
}

TEST_F(Extending, WithoutTheListEveryStoreIsLookedAt)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.fill(first, 500);
	extender.watch(first, "a");
	addReserve(1);
	wake();
	extender.clearRecords();
	kernel.fill(first, rangeSize);
	addReserve(1);
	kernel.listError = EOVERFLOW;
	wake();
	EXPECT_TRUE(extender.takeListOverflow());
	EXPECT_EQ(count(Record::Kind::Given), 1U);
}

TEST_F(Extending, MoreStoresThanRecordsAreServedInSeveralRounds)
{
	constexpr unsigned stores = 300;

	for (unsigned i = 0; i < stores; i++) {
		kernel.addStore({253, 1000 + i}, "s" + std::to_string(i), 1000, 900);
		extender.watch({253, 1000 + i}, "s" + std::to_string(i));
		kernel.fill({253, 1000 + i}, 500);
	}
	size_t given = 0;
	wake();
	for (unsigned round = 0; round < 10; round++) {
		given += count(Record::Kind::Given);
		extender.clearRecords();
		(void)reserve.collect();
		addReserve(200 - static_cast<unsigned>(reserve.readyCount()));
		extender.sweep(kernel.nowNs);
	}
	EXPECT_EQ(given, stores);
}

// The fake kernel allocates; that is not the extender's doing.
class SilentKernel final : public Kernel
{
public:
	explicit SilentKernel(Kernel &inner) : inner_(inner) {}

	int fd() const override { return -1; }
	int armPoll() override
	{
		const Allocations::Pause paused;
		return inner_.armPoll();
	}
	int visitDevices(DeviceVisitor &visitor) override { return inner_.visitDevices(visitor); }
	int summary(dm::DeviceNumber store, dm::Summary &out) override
	{
		const Allocations::Pause paused;
		return inner_.summary(store, out);
	}
	int message(dm::DeviceNumber store, std::string_view text) override
	{
		const Allocations::Pause paused;
		messages++;
		return inner_.message(store, text);
	}
	int64_t now() const override { return inner_.now(); }
	Result<> grow() override { return inner_.grow(); }

	unsigned messages = 0;

private:
	Kernel &inner_;
};

TEST_F(Extending, TheHotPathAllocatesNothing)
{
	kernel.addStore(first, "a", 1000, 900);
	kernel.addStore(second, "b", 1000, 900);
	kernel.fill(first, 500);
	kernel.fill(second, 500);
	extender.watch(first, "a");
	extender.watch(second, "b");
	addReserve(6);
	kernel.extendErrors = {EEXIST, ENOMEM};
	SilentKernel silent(kernel);
	Extender hot(silent, reserve);
	hot.watch(first, "a");
	hot.watch(second, "b");

	const Allocations allocations;
	hot.wake(kernel.nowNs);
	hot.sweep(kernel.nowNs);
	hot.retry(kernel.nowNs + 1'000'000'000);
	EXPECT_EQ(allocations.count(), 0U);
	EXPECT_GE(silent.messages, 4U);
	EXPECT_GE(hot.records().size(), 4U);
}

} // namespace
} // namespace snapdiff::daemon
