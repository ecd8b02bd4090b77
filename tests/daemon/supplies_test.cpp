// SPDX-License-Identifier: GPL-2.0-or-later
//
// Supplies: volume groups and devices, for all stores or for one, in their order.

#include "extender.h"
#include "fake_carver.h"
#include "fake_kernel.h"
#include "refiller.h"
#include "told.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

#include <fcntl.h>

namespace snapdiff::daemon {
namespace {

constexpr dm::DeviceNumber storeA = {253, 10};
constexpr dm::DeviceNumber storeB = {253, 11};
constexpr dm::DeviceNumber diskA = {8, 16};
constexpr dm::DeviceNumber diskB = {8, 32};
constexpr dm::DeviceNumber diskC = {8, 48};
constexpr uint64_t rangeSize = 65536;
constexpr int64_t second = 1'000'000'000;

// One run of the daemon's parts.
struct Life
{
	Life(FakeKernel &kernel, FakeLvm &lvm, const Config &config)
		: carver(lvm), extender(kernel, reserve),
		  refiller(carver, reserve, told, [](const CarvedVolume &) {
			  return Result<ClaimedDevice>(ClaimedDevice());
		  })
	{
		refiller.configure(config);
		extender.setSpread(config.policy == Policy::Spread);
	}

	Reserve reserve;
	FakeCarver carver;
	Extender extender;
	ToldNotices told;
	Refiller refiller;
};

class Supplies : public testing::Test
{
protected:
	Supplies()
	{
		lvm.addGroup("vg0", 4 * rangeSize, diskA);
		lvm.addGroup("vg1", 4 * rangeSize, diskB);
		lvm.devices["/dev/sdc"] = {diskC, 10 * rangeSize, diskC};
		config.rangeSize = rangeSize;
		config.minRangeSize = rangeSize / 2;
		config.reserveRanges = 2;
		config.reserveMaxRanges = 4;
		config.returnAfterMs = 30000;
	}

	void start() { run = std::make_unique<Life>(kernel, lvm, config); }
	void use(std::vector<std::string> supplies)
	{
		config.supplies = std::move(supplies);
		start();
	}
	void useFor(const std::string &store, std::vector<std::string> supplies)
	{
		config.stores[store].supplies = std::move(supplies);
		start();
	}

	Surroundings surroundings() const
	{
		Surroundings around;
		for (const auto &[number, store] : kernel.stores) {
			around.stores.insert(store.name);
			for (const dm::RangeStatus &range : store.status.ranges)
				around.ranges[range.dev] = store.name;
		}
		around.anyStore = !kernel.stores.empty();
		around.starving = run->extender.starving();
		return around;
	}
	void round()
	{
		for (const auto &[number, store] : kernel.stores) {
			WatchedStore *watched = run->extender.watch(number, store.name);
			watched->supplies = orderFor(config, store.name);
			watched->maxSize = config.maxSizeOf(store.name).value_or(UINT64_MAX);
		}
		run->extender.wake(kernel.nowNs);
		collect();
		run->carver.work();
		if (run->refiller.step(kernel.nowNs, surroundings()))
			run->extender.sweep(kernel.nowNs);
		collect();
		kernel.nowNs += second / 10;
	}
	void rounds(unsigned count)
	{
		for (unsigned i = 0; i < count; i++)
			round();
	}
	void collect()
	{
		for (const Record &record : run->extender.records())
			if (record.kind == Record::Kind::Given)
				given.emplace_back(std::string(record.storeName.view()) + " " +
						   std::string(record.supply.view()));
		run->extender.clearRecords();
		run->refiller.left(run->reserve.collect(), kernel.nowNs);
	}
	size_t inReserve(const std::string &supply) const
	{
		size_t count = 0;
		for (const ReadyRange &range : run->reserve.ranges())
			count += range.vg == supply;
		return count;
	}
	const Supply &supply(const std::string &name) const
	{
		for (const Supply &one : run->refiller.supplies())
			if (one.vg == name)
				return one;
		throw std::out_of_range(name);
	}
	std::string problem(const std::string &subject) const
	{
		const auto found = run->told.problems.find(subject);
		return found == run->told.problems.end() ? "" : found->second;
	}
	// A store that is low by so many ranges.
	void addHungryStore(dm::DeviceNumber number, const std::string &name, uint64_t ranges)
	{
		kernel.addStore(number, name, 1000, ranges * rangeSize);
	}

	FakeKernel kernel;
	FakeLvm lvm;
	Config config;
	std::unique_ptr<Life> run;
	std::vector<std::string> given;
};

TEST_F(Supplies, ADeviceThatIsUnusedBecomesOneRangeBesidesTheCarvedOnes)
{
	use({"vg0", "/dev/sdc"});
	rounds(20);
	EXPECT_EQ(inReserve("vg0"), 2U);
	ASSERT_EQ(inReserve("/dev/sdc"), 1U);
	EXPECT_EQ(supply("/dev/sdc").state, Supply::State::Ok);
	EXPECT_EQ(supply("/dev/sdc").size, 10 * rangeSize);
	EXPECT_EQ(run->refiller.wanted(), 3U);
	for (const ReadyRange &range : run->reserve.ranges()) {
		if (range.isDevice()) {
			EXPECT_EQ(range.name(), "/dev/sdc");
			EXPECT_EQ(range.group, (diskC.major << 20) | diskC.minor);
		}
	}
	EXPECT_TRUE(run->told.problems.empty());
}

TEST_F(Supplies, ADeviceThatIsInUseIsReportedAndTakenWhenItIsFree)
{
	lvm.devices["/dev/sdc"].refusal = "it holds an ext4 file system";
	use({"/dev/sdc", "vg0"});
	rounds(20);
	EXPECT_EQ(inReserve("/dev/sdc"), 0U);
	EXPECT_EQ(problem("supply /dev/sdc"), "it holds an ext4 file system");
	EXPECT_EQ(supply("/dev/sdc").state, Supply::State::Failed);
	EXPECT_EQ(inReserve("vg0"), 2U);

	lvm.devices["/dev/sdc"].refusal.clear();
	rounds(700);
	EXPECT_EQ(inReserve("/dev/sdc"), 1U);
	EXPECT_EQ(problem("supply /dev/sdc"), "");
}

TEST_F(Supplies, ADeviceThatIsTooSmallOrNotThereIsRefused)
{
	lvm.devices["/dev/sdd"] = {{8, 64}, rangeSize / 4, {8, 64}};
	use({"/dev/sdd", "/dev/none"});
	rounds(20);
	EXPECT_EQ(run->reserve.readyCount(), 0U);
	EXPECT_EQ(problem("supply /dev/sdd"), "it is too small");
	EXPECT_EQ(problem("supply /dev/none"), "there is no /dev/none");
}

TEST_F(Supplies, TheOrderOfTheListDecidesWhatIsGivenFirst)
{
	for (const bool deviceFirst : {false, true}) {
		kernel.stores.clear();
		given.clear();
		use(deviceFirst ? std::vector<std::string>{"/dev/sdc", "vg0"}
				: std::vector<std::string>{"vg0", "/dev/sdc"});
		rounds(20);
		addHungryStore(storeA, "a", 1);
		rounds(1);
		ASSERT_EQ(given.size(), 1U);
		EXPECT_EQ(given[0], deviceFirst ? "a /dev/sdc" : "a vg0");
	}
}

TEST_F(Supplies, ADeviceOfAStoreBelongsToItAfterARestartAndReturnsWhenTheStoreIsGone)
{
	use({"/dev/sdc"});
	rounds(20);
	addHungryStore(storeA, "a", 1);
	rounds(2);
	ASSERT_EQ(given, (std::vector<std::string>{"a /dev/sdc"}));
	// In the kernel's hands a proof would fail.
	lvm.devices["/dev/sdc"].refusal = "it is used by a";
	rounds(20);
	EXPECT_EQ(problem("supply /dev/sdc"), "");
	EXPECT_EQ(supply("/dev/sdc").state, Supply::State::Full);

	start();
	rounds(20);
	EXPECT_EQ(run->reserve.readyCount(), 0U);
	EXPECT_EQ(problem("supply /dev/sdc"), "");
	EXPECT_EQ(supply("/dev/sdc").state, Supply::State::Full);

	kernel.removeStore(storeA);
	lvm.devices["/dev/sdc"].refusal.clear();
	rounds(200); // less than return_after
	EXPECT_EQ(run->reserve.readyCount(), 0U);
	rounds(200);
	EXPECT_EQ(inReserve("/dev/sdc"), 1U);
}

TEST_F(Supplies, ADeviceWhoseContentLooksLikeSomethingIsLeftAloneAfterItsStoreIsGone)
{
	use({"/dev/sdc"});
	rounds(20);
	addHungryStore(storeA, "a", 1);
	rounds(2);
	lvm.devices["/dev/sdc"].refusal = "it holds an ext4 file system";
	kernel.removeStore(storeA);
	rounds(400);
	EXPECT_EQ(run->reserve.readyCount(), 0U);
	EXPECT_EQ(problem("supply /dev/sdc"), "it holds an ext4 file system");
}

TEST_F(Supplies, ADeviceThatIsNoLongerNamedLeavesTheReserve)
{
	use({"vg0", "/dev/sdc"});
	rounds(20);
	ASSERT_EQ(inReserve("/dev/sdc"), 1U);
	config.supplies = std::vector<std::string>{"vg0"};
	run->refiller.configure(config);
	rounds(20);
	EXPECT_EQ(inReserve("/dev/sdc"), 0U);
	EXPECT_EQ(inReserve("vg0"), 2U);
}

TEST_F(Supplies, ADeviceNeverTakesAStoreBeyondItsMaximumSize)
{
	config.allStores.maxSize = 5 * rangeSize; // the device has twice as much
	use({"/dev/sdc"});
	rounds(20);
	addHungryStore(storeA, "a", 1);
	rounds(20);
	EXPECT_TRUE(given.empty());
	EXPECT_EQ(inReserve("/dev/sdc"), 1U);
	EXPECT_TRUE(run->extender.starving());
}

TEST_F(Supplies, WithoutLvmDevicesAreEnough)
{
	use({"/dev/sdc"});
	run->carver.errors[CarverRequest::Kind::Volumes] = std::deque<int>(50, ENOENT);
	rounds(20);
	addHungryStore(storeA, "a", 1);
	rounds(20);
	EXPECT_EQ(given, (std::vector<std::string>{"a /dev/sdc"}));
	EXPECT_EQ(problem("lvm"), "");
}

TEST_F(Supplies, AMissingLvmIsReportedAndTheDeviceIsGiven)
{
	use({"vg0", "/dev/sdc"});
	run->carver.errors[CarverRequest::Kind::Volumes] = std::deque<int>(50, ENOENT);
	rounds(20);
	addHungryStore(storeA, "a", 1);
	rounds(20);
	EXPECT_EQ(given, (std::vector<std::string>{"a /dev/sdc"}));
	EXPECT_NE(problem("lvm"), "");
}

TEST_F(Supplies, AStoreWithAListOfItsOwnGetsNothingElse)
{
	config.supplies = std::vector<std::string>{"vg0"};
	useFor("b", {"vg1"});
	kernel.addStore(storeA, "a", 100000, 10);
	kernel.addStore(storeB, "b", 100000, 10);
	rounds(40);
	// Two for everybody, two for b.
	EXPECT_EQ(inReserve("vg0"), 2U);
	EXPECT_EQ(inReserve("vg1"), 2U);
	kernel.fill(storeB, 99995);
	rounds(20);
	kernel.fill(storeB, rangeSize);
	rounds(20);
	kernel.fill(storeA, 99995);
	rounds(20);
	EXPECT_EQ(given, (std::vector<std::string>{"b vg1", "b vg1", "a vg0"}));
}

TEST_F(Supplies, ALoopDoesNotSpinWhileOneListIsExhaustedAndAnotherIsNot)
{
	for (const bool common : {true, false}) {
		SCOPED_TRACE(common ? "the list of all" : "the list of b");
		lvm.groups["vg0"].free = common ? 0 : 4 * rangeSize;
		lvm.groups["vg1"].free = common ? 4 * rangeSize : 0;
		config.supplies = std::vector<std::string>{"vg0"};
		useFor("b", {"vg1"});
		if (common)
			kernel.addStore(storeB, "b", 100000, 10);
		unsigned steps = 0;
		const int64_t end = kernel.nowNs + 600 * second;
		while (kernel.nowNs < end && steps < 5000) {
			round();
			steps++;
			if (!run->carver.busy())
				kernel.nowNs = std::max(run->refiller.nextStep(),
							kernel.nowNs - second / 10);
		}
		EXPECT_LT(steps, 1000U);
		EXPECT_EQ(inReserve(common ? "vg1" : "vg0"), 2U);
	}
}

TEST_F(Supplies, AStoreThatMayHaveNothingOfTheReserveStarvesAndIsCarvedFor)
{
	config.supplies = std::vector<std::string>{"vg0"};
	config.reserveMaxRanges = 2;
	start();
	rounds(40);
	ASSERT_EQ(run->reserve.readyCount(), 2U);
	useFor("b", {"vg1"});
	addHungryStore(storeB, "b", 1);
	round();
	EXPECT_TRUE(run->extender.starving());
	rounds(20);
	EXPECT_EQ(given, (std::vector<std::string>{"b vg1"}));
}

TEST_F(Supplies, AStoreMayHaveMoreInReserveThanTheOthers)
{
	config.stores["b"].reserveRanges = 3;
	use({"vg0"});
	rounds(20);
	EXPECT_EQ(run->reserve.readyCount(), 2U);
	kernel.addStore(storeB, "b", 100000, 10);
	rounds(20);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
	EXPECT_EQ(run->refiller.wanted(), 3U);
	// What is kept for it is not beyond the maximum.
	config.reserveMaxRanges = 2;
	run->refiller.configure(config);
	rounds(100);
	EXPECT_EQ(run->reserve.readyCount(), 3U);
}

TEST_F(Supplies, TheListOfOneStoreIsNotForTheOthersEvenIfThereIsNoOtherList)
{
	useFor("b", {"vg1"});
	kernel.addStore(storeB, "b", 100000, 10);
	rounds(40);
	ASSERT_EQ(inReserve("vg1"), 2U);
	addHungryStore(storeA, "a", 1);
	rounds(20);
	EXPECT_TRUE(given.empty());
}

TEST_F(Supplies, RangesOfAVolumeGroupThatIsNoSupplyAnyMoreAreGivenBackToIt)
{
	use({"vg0"});
	rounds(20);
	ASSERT_EQ(lvm.groups["vg0"].free, 2 * rangeSize);
	config.supplies = std::vector<std::string>{"vg1"};
	run->refiller.configure(config);
	rounds(40);
	EXPECT_EQ(lvm.groups["vg0"].free, 4 * rangeSize);
	EXPECT_EQ(inReserve("vg1"), 2U);
}

TEST_F(Supplies, EachVolumeGroupKeepsFreeWhatIsSaidForIt)
{
	config.leaveFree = 3 * rangeSize;
	config.supply["vg1"].leaveFree = rangeSize;
	config.reserveRanges = config.reserveMaxRanges = 8;
	use({"vg0", "vg1"});
	rounds(60);
	EXPECT_EQ(lvm.groups["vg0"].free, 3 * rangeSize);
	EXPECT_EQ(lvm.groups["vg1"].free, rangeSize);
	EXPECT_NE(problem("reserve").find("4 of 8 ranges from vg0, vg1 are ready"),
		  std::string::npos)
		<< problem("reserve");
	lvm.addGroup("vg1", 10 * rangeSize, diskB);
	rounds(400);
	EXPECT_EQ(run->reserve.readyCount(), 8U);
	EXPECT_EQ(problem("reserve"), "");
}

TEST_F(Supplies, AVolumeGroupWithAMissingPhysicalVolumeIsReportedAndTheNextUsed)
{
	lvm.groups["vg0"].partial = true;
	use({"vg0", "vg1"});
	rounds(40);
	EXPECT_EQ(inReserve("vg0"), 0U);
	EXPECT_EQ(inReserve("vg1"), 2U);
	EXPECT_NE(problem("supply vg0").find("vgreduce --removemissing vg0"), std::string::npos);
	EXPECT_EQ(supply("vg0").state, Supply::State::Failed);
	lvm.groups["vg0"].partial = false;
	rounds(1000);
	EXPECT_EQ(problem("supply vg0"), "");
}

TEST_F(Supplies, AVolumeOnAMissingPhysicalVolumeLeavesTheReserveAndComesBackWithIt)
{
	use({"vg0"});
	rounds(40);
	ASSERT_EQ(run->reserve.readyCount(), 2U);
	const std::string name = lvm.volumes[0].name();
	lvm.volumes[0].partial = true;
	run->refiller.lookSoon(kernel.nowNs);
	rounds(150);
	for (const ReadyRange &range : run->reserve.ranges())
		EXPECT_NE(range.name(), name);
	EXPECT_NE(problem("range " + name), "");
	EXPECT_TRUE(lvm.has(name));

	lvm.volumes[0].partial = false;
	rounds(1500);
	EXPECT_EQ(problem("range " + name), "");
	EXPECT_EQ(run->reserve.readyCount(), 3U);
}

TEST_F(Supplies, ADeviceThatHangsDoesNotKeepTheCarverFromCarving)
{
	use({"/dev/sdc", "vg0"});
	run->carver.errors[CarverRequest::Kind::Prove] = std::deque<int>(20, ETIMEDOUT);
	rounds(1200);
	size_t proofs = 0;
	for (const CarverRequest &request : run->carver.requests)
		proofs += request.kind == CarverRequest::Kind::Prove;
	EXPECT_EQ(proofs, 1U);
	EXPECT_EQ(inReserve("vg0"), 2U);
	EXPECT_NE(problem("supply /dev/sdc"), "");
}

// A claim on a file tells as much as one on a device: whether the descriptor is open.
ReadyRange claimedRange()
{
	ReadyRange range;
	range.number = {253, 100};
	range.length = rangeSize;
	range.vg = "/dev/sdc";
	range.open = std::move(*Fd::open("/dev/null", O_RDONLY));
	range.claim = std::move(*Fd::open("/dev/null", O_RDONLY));
	range.claimed = true;
	return range;
}

TEST(Claims, EndBeforeTheMessageAndTheDeviceStaysOpen)
{
	FakeKernel kernel;
	Reserve reserve;
	Extender extender(kernel, reserve);
	kernel.addStore(storeA, "a", 1000, 10);
	extender.watch(storeA, "a");
	reserve.add(claimedRange());
	const ReadyRange &range = reserve.ranges()[0];
	kernel.fill(storeA, 995);
	// Each look before the message finds the claim, the one after it does not.
	unsigned before = 0;
	kernel.onCall = [&] {
		EXPECT_TRUE(range.open.valid());
		before += range.claim.valid();
	};
	extender.wake(kernel.nowNs);
	EXPECT_EQ(range.state, ReadyRange::State::Given);
	EXPECT_FALSE(range.claim.valid());
	EXPECT_GE(before, 1U);
}

TEST(Claims, AreTakenAgainWhenTheMessageFailed)
{
	FakeKernel kernel;
	Reserve reserve;
	Extender extender(kernel, reserve);
	kernel.addStore(storeA, "a", 1000, 10);
	extender.watch(storeA, "a");
	reserve.add(claimedRange());
	kernel.fill(storeA, 995);
	kernel.extendErrors = {ENOMEM};
	extender.wake(kernel.nowNs);
	ASSERT_EQ(reserve.readyCount(), 1U);
	EXPECT_FALSE(reserve.ranges()[0].claim.valid());
	EXPECT_TRUE(reserve.collect().empty());
	EXPECT_TRUE(reserve.ranges()[0].claim.valid());
}

} // namespace
} // namespace snapdiff::daemon
