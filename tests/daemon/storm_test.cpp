// SPDX-License-Identifier: GPL-2.0-or-later
//
// Storms: stores that fill ever faster, and are empty again, with a carver that takes
// its time, on a clock of the test's own.  No store may run dry, no LV may go back and
// forth, and at the end the volume group has its space again.

#include "extender.h"
#include "fake_carver.h"
#include "fake_kernel.h"
#include "refiller.h"
#include "stores.h"
#include "told.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <memory>
#include <sstream>

namespace snapdiff::daemon {
namespace {

constexpr dm::DeviceNumber store = {253, 10};
constexpr int64_t ms = 1'000'000;
constexpr int64_t second = 1000 * ms;
constexpr uint64_t mib = 2048;
constexpr uint64_t groupSize = 1024 * 1024 * mib;

Config makeConfig()
{
	Config config;
	config.supplies = std::vector<std::string>{"vg0"};
	config.rangeSize = 16 * mib;
	config.minRangeSize = 4 * mib;
	config.rangeMaxSize = 256 * mib;
	config.rangeSeconds = 10;
	config.reserveRanges = 4;
	config.reserveMaxRanges = 8;
	config.allStores.lowWater = 4 * mib;
	config.giveBackAfterMs = 60000;
	return config;
}

class NoRunner : public Runner
{
public:
	Result<Finished> run(const Command &) override { return Error(ENOENT, "run"); }
};

// The daemon's parts in its own order, and a carver of which every answer takes a while.
class Machine
{
public:
	explicit Machine(const Config &wanted, double carveSeconds)
		: config(wanted), carveNs_(static_cast<int64_t>(carveSeconds * 1e9))
	{
		lvm.addGroup("vg0", groupSize, {8, 16});
		stores.configure(config);
		refiller.configure(config);
		dm::OriginStatus origin;
		origin.name = "home";
		kernel.addStore(store, "a", 8 * mib, 4 * mib).status.origins.push_back(origin);
		stores.discover(kernel.nowNs);
		// Until the reserve is there.
		for (int i = 0; i < 80; i++)
			step(500 * ms, 0);
	}

	// So many sectors come in during this time.
	void step(int64_t ns, uint64_t sectors)
	{
		kernel.nowNs += ns;
		kernel.fill(store, sectors);
		filled_ += sectors;
		kernel.store(store).status.origins[0].copiedChunks =
			filled_ / dm::StoreTable().chunk;
		kernel.evacuate(store, 20 * mib);
		extender.wake(kernel.nowNs);
		collect();
		cold();
		if (kernel.nowNs < tickNs_)
			return;
		tickNs_ = kernel.nowNs + second;
		extender.sweep(kernel.nowNs);
		stores.refresh(kernel.nowNs);
		const auto ours = [this](const model::Range &range) {
			return refiller.isOurs(range.status.dev, range.status.length);
		};
		for (const dm::DeviceNumber number : stores.giveBack(kernel.nowNs, ours))
			refiller.tookBack(number);
	}

	const dm::Summary &summary() { return kernel.store(store).summary(); }
	size_t count(CarverRequest::Kind kind) const
	{
		size_t count = 0;
		for (const CarverRequest &request : carver.requests)
			count += request.kind == kind;
		return count;
	}
	size_t sent(const std::string &beginning)
	{
		size_t count = 0;
		for (const std::string &message : kernel.store(store).messages)
			count += message.starts_with(beginning);
		return count;
	}
	std::string describe()
	{
		std::ostringstream text;
		text << "at " << static_cast<double>(kernel.nowNs) / 1e9 << " s: free "
		     << summary().free / mib << " of " << summary().capacity / mib << " MiB, mark "
		     << summary().lowWater / mib << ", reserve " << reserve.readyCount() << " with "
		     << reserve.readySectors() / mib << " MiB";
		return text.str();
	}

	Config config;
	FakeKernel kernel;
	FakeLvm lvm;
	FakeDeviceMapper dm{kernel};
	NoRunner runner;
	lvm::Lvm realLvm{runner};
	SystemClock clock;
	ops::Context context{dm, realLvm, runner, clock, {}};
	FakeCarver carver{lvm};
	Reserve reserve;
	Extender extender{kernel, reserve};
	ToldNotices told;
	Refiller refiller{carver, reserve, told, [](const CarvedVolume &) {
				  return Result<ClaimedDevice>(ClaimedDevice());
			  }};
	Stores stores{context, extender, told,
		      [this](dm::DeviceNumber number) { return refiller.volumeName(number); }};

private:
	void collect()
	{
		extender.clearRecords();
		refiller.left(reserve.collect(), kernel.nowNs);
	}
	void cold()
	{
		if (carver.busy() && askedNs_ + carveNs_ <= kernel.nowNs)
			carver.work();
		if (!carver.hasReply() && kernel.nowNs < tickNs_)
			return;
		stores.setCarving(refiller.carvingSeconds(),
				  reserve.readySectors() + refiller.carvableSectors());
		const bool wasBusy = carver.busy();
		if (refiller.step(kernel.nowNs,
				  stores.surroundings(kernel.nowNs, carver.hasReply())))
			extender.sweep(kernel.nowNs);
		if (!wasBusy && carver.busy())
			askedNs_ = kernel.nowNs;
		collect();
	}

	int64_t carveNs_;
	int64_t askedNs_ = 0;
	int64_t tickNs_ = 0;
	uint64_t filled_ = 0;
};

// From this rate on it doubles every so many seconds, up to the limit of the disks.
void rise(Machine &machine, double from, double doubling, double limit, double seconds)
{
	constexpr int64_t stepNs = 100 * ms;

	for (double at = 0; at < seconds; at += 0.1) {
		const double rate = std::min(limit, from * std::exp2(at / doubling));
		machine.step(stepNs, static_cast<uint64_t>(rate / 10));
	}
}

double carveBandwidth(const Config &config, double carveSeconds)
{
	return static_cast<double>(config.rangeMaxSize) / carveSeconds;
}

TEST(Storm, ThatDoublesUntilTheDisksAreTheLimitFindsSpaceAlways)
{
	const Config config = makeConfig();
	Machine machine(config, 2);
	ASSERT_EQ(machine.reserve.readyCount(), 4U) << machine.describe();
	rise(machine, 0.5 * mib, 3, 0.9 * carveBandwidth(config, 2), 60);
	EXPECT_EQ(machine.summary().heldTotal, 0U) << machine.describe();
	EXPECT_EQ(machine.summary().level, dm::Level::Ok) << machine.describe();
	EXPECT_TRUE(machine.told.problems.empty());
}

TEST(Storm, WithRangesOfOneSizeTheSameStormRunsDry)
{
	Config config = makeConfig();
	const double limit = 0.9 * carveBandwidth(config, 2);
	config.rangeMaxSize = config.rangeSize;
	Machine machine(config, 2);
	rise(machine, 0.5 * mib, 3, limit, 60);
	EXPECT_GT(machine.summary().heldTotal, 0U);
}

TEST(Storm, TheReserveGrowsBeforeItIsOver)
{
	Machine machine(makeConfig(), 2);
	const uint64_t before = machine.reserve.readySectors();
	rise(machine, mib, 3, 50 * mib, 25);
	EXPECT_GT(machine.reserve.readySectors(), 4 * before) << machine.describe();
	// It has to be above what is still taken in while the next range is carved.
	EXPECT_GT(machine.summary().lowWater, 100 * mib) << machine.describe();
	EXPECT_LE(machine.summary().lowWater, 2 * 256 * mib) << machine.describe();
}

TEST(Storm, WhenItIsOverAndTheSnapshotsAreGoneTheVolumeGroupHasItsSpaceAgain)
{
	const Config config = makeConfig();
	Machine machine(config, 1);
	rise(machine, mib, 3, 50 * mib, 60);
	const uint64_t most = machine.summary().capacity;
	EXPECT_GT(most, 1000 * mib);
	machine.kernel.release(store, machine.summary().used);
	for (int i = 0; i < 6000; i++)
		machine.step(200 * ms, 0);
	EXPECT_EQ(machine.summary().heldTotal, 0U);
	EXPECT_EQ(machine.summary().lowWater, config.allStores.lowWater) << machine.describe();
	// The mark, one range, a quarter of both, and the range that no one may take.
	EXPECT_LE(machine.summary().capacity, 8 * mib + 48 * mib) << machine.describe();
	EXPECT_GE(machine.summary().capacity, config.rangeSize);
	EXPECT_GE(machine.reserve.readyCount(), 4U) << machine.describe();
	EXPECT_LE(machine.reserve.readyCount(), 8U) << machine.describe();
	EXPECT_LE(machine.reserve.readySectors(), 128 * mib) << machine.describe();
	EXPECT_EQ(machine.told.count("shrink-undone"), 0U);
	EXPECT_EQ(machine.lvm.groups["vg0"].free + machine.reserve.readySectors() +
			  machine.summary().capacity - 8 * mib,
		  groupSize);
}

TEST(Storm, ASwayingRateMakesNothingGoBackAndForth)
{
	Machine machine(makeConfig(), 1);
	// A sway between 2 and 6 MiB/s; what comes in is deleted again.
	for (int i = 0; i < 6000; i++) {
		const double rate = (4 + 2 * std::sin(i / 40.0)) * mib;
		machine.step(200 * ms, static_cast<uint64_t>(rate / 5));
		if (i % 300 == 299)
			machine.kernel.release(store, machine.summary().used);
	}
	const size_t carved = machine.count(CarverRequest::Kind::Carve);
	const size_t shrunk = machine.sent("shrink ");
	const size_t marks = machine.sent("set low_water");
	for (int i = 6000; i < 12000; i++) {
		const double rate = (4 + 2 * std::sin(i / 40.0)) * mib;
		machine.step(200 * ms, static_cast<uint64_t>(rate / 5));
		if (i % 300 == 299)
			machine.kernel.release(store, machine.summary().used);
	}
	EXPECT_LE(machine.count(CarverRequest::Kind::Carve), carved + 1) << machine.describe();
	EXPECT_LE(machine.sent("shrink "), shrunk + 1) << machine.describe();
	EXPECT_LE(machine.sent("set low_water"), marks + 2) << machine.describe();
	EXPECT_EQ(machine.summary().heldTotal, 0U);
}

TEST(Storm, ARangeOnItsWayOutIsKeptWhenTheNextStormComes)
{
	Machine machine(makeConfig(), 1);
	rise(machine, mib, 3, 50 * mib, 40);
	machine.kernel.release(store, machine.summary().used - 100 * mib);
	for (int i = 0; i < 6000 && machine.sent("shrink ") == 0; i++)
		machine.step(200 * ms, 0);
	ASSERT_EQ(machine.sent("shrink "), 1U);
	rise(machine, mib, 3, 50 * mib, 60);
	EXPECT_EQ(machine.summary().heldTotal, 0U) << machine.describe();
}

// Any storm: start, doubling time, carving time, and a limit that carving can follow.
RC_GTEST_PROP(AnyStorm, FindsSpaceAlways, ())
{
	const Config config = makeConfig();
	const double carving = *rc::gen::inRange(10, 21) / 10.0;
	const double doubling = *rc::gen::inRange(20, 81) / 10.0;
	const double from = *rc::gen::inRange<int>(1, 4 * mib);
	const double limit = *rc::gen::inRange(10, 91) / 100.0 * carveBandwidth(config, carving);
	Machine machine(config, carving);

	rise(machine, std::min(from, limit), doubling, limit, 10 * doubling + 20);
	if (machine.summary().heldTotal)
		RC_FAIL(machine.describe());
}

// Any life: storms, lulls, deletes.  What must hold in every second of it.
RC_GTEST_PROP(AnyLife, KeepsItsBoundsAndNothingGoesBackAndForth, ())
{
	Config config = makeConfig();
	config.allStores.minSize = *rc::gen::inRange<uint64_t>(0, 20) * 8 * mib;
	const double carving = *rc::gen::inRange(10, 21) / 10.0;
	Machine machine(config, carving);
	const auto phases = *rc::gen::container<std::vector<std::pair<int, int>>>(
		6, rc::gen::pair(rc::gen::inRange(0, 60), rc::gen::inRange(0, 5)));
	uint64_t sinceShrink = 0; // came in since a range began to leave
	uint64_t spare = 0;	  // free above the mark then, without it
	size_t shrinks = 0;
	uint64_t extensions = 0;
	uint64_t lowest = machine.summary().capacity;
	double rate = 0;

	for (const auto &[mibs, kind] : phases) {
		if (kind == 0)
			machine.kernel.release(store, machine.summary().used);
		const double goal = kind <= 1 ? 0 : mibs * static_cast<double>(mib);
		for (int i = 0; i < 120; i++) {
			// No faster than doubling every 3 s.
			rate = std::min(goal, std::max(rate, 0.1 * mib) * std::exp2(1.0 / 6));
			const auto sectors = static_cast<uint64_t>(rate / 2);
			machine.step(500 * ms, sectors);
			sinceShrink += sectors;

			const dm::Summary now = machine.summary();
			if (now.heldTotal)
				RC_FAIL("held " + machine.describe());
			RC_ASSERT(now.lowWater >= *config.allStores.lowWater);
			RC_ASSERT(now.lowWater <= 2 * config.rangeMaxSize);
			RC_ASSERT(machine.reserve.readyCount() <= Reserve::most / 2 + 16);
			for (const CarvedVolume &volume : machine.lvm.volumes)
				RC_ASSERT(volume.sectors >= config.rangeSize &&
					  volume.sectors <= config.rangeMaxSize);
			// Taken back it is never below the minimum.
			if (now.capacity < lowest)
				RC_ASSERT(now.capacity >= *config.allStores.minSize);
			lowest = std::min(lowest, now.capacity);

			const size_t told = machine.told.count("range-shrinking");
			if (told > shrinks) {
				shrinks = told;
				sinceShrink = 0;
				spare = now.free > now.lowWater ? now.free - now.lowWater : 0;
			}
			const WatchedStore *watched = machine.extender.find(store);
			if (shrinks && watched->extensions > extensions) {
				// What was left had been used up, or the rate has grown since.
				if (sinceShrink + 60 * mib < spare && rate < 2 * mib)
					RC_FAIL("given back too early, " + machine.describe());
			}
			extensions = watched->extensions;
		}
	}
	// A lull, and all that was carved is in the store, in reserve, or given back.
	for (int i = 0; i < 300; i++)
		machine.step(2 * second, 0);
	const size_t carved = machine.count(CarverRequest::Kind::Carve);
	const size_t removed = machine.count(CarverRequest::Kind::Remove);
	const size_t taken = machine.told.count("range-shrinking");
	for (int i = 0; i < 200; i++)
		machine.step(2 * second, 0);
	RC_ASSERT(machine.count(CarverRequest::Kind::Carve) == carved);
	RC_ASSERT(machine.count(CarverRequest::Kind::Remove) == removed);
	RC_ASSERT(machine.told.count("range-shrinking") == taken);
	RC_ASSERT(machine.reserve.readyCount() >= config.reserveRanges);
	RC_ASSERT(machine.reserve.readyCount() <= config.reserveMaxRanges);
	RC_ASSERT(machine.summary().level == dm::Level::Ok);
}

} // namespace
} // namespace snapdiff::daemon
