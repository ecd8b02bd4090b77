// SPDX-License-Identifier: GPL-2.0-or-later
// A store that fills with no daemon: hold, release by extend, overflow, and whatever a user does
// meanwhile. The origin never fails, nothing hangs, nothing is lost but snapshots, and those say
// so.

#include "harness/patience.h"
#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <chrono>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>

using namespace snapdiff::lab;
using namespace std::chrono_literals;
using testing::ElementsAre;

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 8192;
constexpr uint64_t firstRange = 2048; // 256 places
const auto aWhile = 20s * patience();

int64_t sinceMs(Clock::time_point begun)
{
	return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
}

// True if it returned, and with success, in time.
bool succeedsSoon(std::function<int()> work)
{
	auto result = std::async(std::launch::async, std::move(work));
	return result.wait_for(aWhile) == std::future_status::ready && result.get() == 0;
}

StoreOptions held(uint32_t holdMs, const std::string &features = {})
{
	return {.chunk = chunk, .holdMs = holdMs, .features = features};
}

// Two origins on a store with one small range, and room on the same disk to extend it.
struct Rig
{
	explicit Rig(const StoreOptions &options)
		: store(options, {rangeWords(rangeDisk, 0, firstRange)}), a(store, "a", belowA),
		  b(store, "b", belowB), dataA(a.path(), originSectors, 1),
		  dataB(b.path(), originSectors, 2)
	{
	}

	void take(const std::string &name)
	{
		store.take(name);
		dataA.fork(name);
		dataB.fork(name);
	}

	// With what it would have to show, which is as large as both origins.
	void drop(const std::string &name)
	{
		store.drop(name);
		dataA.forget(name);
		dataB.forget(name);
	}

	void extend(int times = 1)
	{
		while (times--)
			store.extend(rangeWords(rangeDisk, firstRange * ++extends, firstRange));
	}

	// Until a writer waits: after this nothing is free.
	bool holds(uint64_t writers = 1) const
	{
		return store.waitFor([&](const Summary &s) {
			return s.mode == "holding" && s.held >= writers && s.free == 0;
		});
	}

	void expectData()
	{
		EXPECT_TRUE(dataA.isIntact());
		EXPECT_TRUE(dataB.isIntact());
	}

	void expectImages(const std::string &name)
	{
		const Image imageA(store, name, a);
		const Image imageB(store, name, b);
		EXPECT_TRUE(deviceHolds(imageA.path(), dataA.at(name))) << name;
		EXPECT_TRUE(deviceHolds(imageB.path(), dataB.at(name))) << name;
	}

	Disk belowA{0, originSectors};
	Disk belowB{1, originSectors};
	Disk rangeDisk{2, firstRange * 16};
	Store store;
	Origin a;
	Origin b;
	Volume dataA;
	Volume dataB;
	uint64_t extends = 0;
};

// Events come from a worker, a moment after what they tell of.
bool eventAfter(const Store &store, uint32_t event)
{
	return store.waitFor(
		[&](const Summary &) { return store.device().info().eventNumber > event; });
}

std::vector<std::string> states(const Store &store)
{
	std::vector<std::string> result;
	for (const SnapshotStatus &snapshot : store.checked().snapshots)
		result.push_back(snapshot.name + " " + snapshot.state + " " + snapshot.cause);
	return result;
}

} // namespace

TEST(Full, OnlyWritesThatNeedACopyWaitAndAnExtendReleasesThem)
{
	Rig rig(held(60000));
	rig.take("s1");
	const Image image(rig.store, "s1", rig.a);
	ASSERT_EQ(rig.dataB.write(0, 64), 0);
	ASSERT_EQ(rig.dataA.write(0, firstRange - 64), 0);
	EXPECT_EQ(rig.store.checked().summary.mode, "active");
	auto waiting = rig.dataA.start(4096, 64);
	auto alsoWaiting = rig.dataB.start(4096, 1);
	ASSERT_TRUE(rig.holds(2));

	Buffer memory(16);
	EXPECT_TRUE(succeedsSoon([&] { return rig.dataA.write(3, 8); })) << "a safe chunk";
	EXPECT_TRUE(succeedsSoon([&] { return rig.dataB.write(0, 64); })) << "another origin's";
	EXPECT_TRUE(succeedsSoon([&] { return rig.dataA.device().flush(); }));
	EXPECT_TRUE(succeedsSoon([&] { return rig.dataA.device().read(4096, memory); }));
	EXPECT_TRUE(deviceHolds(image.path(), rig.dataA.at("s1")));
	const Summary now = rig.store.checked().summary;
	EXPECT_EQ(now.held, 2u);
	EXPECT_GT(now.heldMs, 0u);
	EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
	{
		ExpectKernelLog refused(refusedMessage, Appearance::Must);
		EXPECT_EQ(rig.store.send("take s2 500 a").error, ENOSPC) << "a take when full";
	}

	const auto begun = Clock::now();
	rig.extend();
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_EQ(alsoWaiting.get(), 0);
	const int64_t took = sinceMs(begun);
	RecordProperty("released_after_ms", static_cast<int>(took));
	std::cout << "released " << took << " ms after the extend began" << std::endl;
	EXPECT_LT(took, 2000);
	rig.expectData();
	rig.expectImages("s1");
	EXPECT_THAT(states(rig.store), ElementsAre("s1 live -"));
}

TEST(Full, WithoutAnExtendAllSnapshotsAreDroppedWhenTheHoldIsOver)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	Rig rig(held(400, "full=drop-all"));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, 512), 0);
	rig.take("s2");
	ASSERT_EQ(rig.dataB.write(0, firstRange - 512), 0);
	{
		const Image one(rig.store, "s1", rig.a);
		const Image two(rig.store, "s2", rig.b);
		const auto begun = Clock::now();
		ASSERT_EQ(rig.dataA.start(4096, 600).get(), 0);
		EXPECT_GE(sinceMs(begun), 390);
		EXPECT_TRUE(everyReadFails(one.path()));
		EXPECT_TRUE(everyReadFails(two.path()));
		EXPECT_EQ(one.status(), "s1 a invalid overflow ro 0 0");
		EXPECT_THAT(states(rig.store),
			    ElementsAre("s1 invalid overflow", "s2 invalid overflow"));
	}
	ASSERT_EQ(rig.dataB.write(2000, 3000), 0);
	rig.expectData();
	rig.store.drop("s1");
	rig.store.drop("s2");
}

TEST(Full, OverflowAfterOverflowNeverHangs)
{
	ExpectKernelLog dropped(invalidSnapshot);
	for (const char *policy : {"full=drop-all", "full=drop-oldest"}) {
		Rig rig(held(50, policy));
		for (int i = 0; i < (fullCounts() ? 500 : 50); ++i) {
			const std::string name = "s" + std::to_string(i);
			ASSERT_TRUE(rig.store.waitFor([](const Summary &s) {
				return s.mode == "active" && s.free > 0;
			})) << "nothing comes free before take "
			    << i;
			rig.take(name);
			// More than fits, by two writers.
			auto first = rig.dataA.start(0, firstRange + 256);
			auto second = rig.dataB.start(64, 512);
			ASSERT_EQ(first.wait_for(aWhile), std::future_status::ready)
				<< policy << " " << i << ": " << rig.store.device().status();
			ASSERT_EQ(second.wait_for(aWhile), std::future_status::ready);
			EXPECT_EQ(first.get(), 0);
			EXPECT_EQ(second.get(), 0);
			EXPECT_FALSE(rig.store.status().snapshot(name).live());
			rig.drop(name);
		}
		rig.expectData();
	}
}

TEST(Full, HoldAfterHoldIsEndedByAnExtendInTime)
{
	constexpr uint64_t step = 64;
	for (int rigs = 0; rigs < (fullCounts() ? 10 : 1); ++rigs) {
		Rig rig(held(60000));
		rig.take("s1");
		ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
		for (uint64_t i = 0; i < 50; ++i) {
			const uint64_t next = firstRange + i * step;
			auto waiting = rig.dataA.start(next, step);
			ASSERT_TRUE(rig.holds()) << i;
			rig.store.extend(rangeWords(rig.rangeDisk, next, step));
			ASSERT_EQ(waiting.wait_for(aWhile), std::future_status::ready) << i;
			EXPECT_EQ(waiting.get(), 0);
			EXPECT_EQ(rig.store.checked().summary.mode, "active");
		}
		EXPECT_THAT(states(rig.store), ElementsAre("s1 live -"));
		rig.expectData();
		rig.expectImages("s1");
	}
}

namespace {

// Until no place is free; each of the three owns some.
void fillByThree(Rig &rig)
{
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, 1024), 0);
	rig.take("s2");
	ASSERT_EQ(rig.dataA.write(1024, 512), 0);
	rig.take("s3");
	ASSERT_EQ(rig.dataB.write(0, 512), 0);
}

} // namespace

TEST(Full, DropOldestCostsOnlyTheOldestThatFreesAPlace)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	Rig rig(held(300));
	fillByThree(rig);
	// What was just written still lies in buffers: its places come free only with the write.
	ASSERT_EQ(rig.dataA.start(4096, 64).get(), 0);
	EXPECT_THAT(states(rig.store),
		    ElementsAre("s1 invalid overflow", "s2 live -", "s3 live -"));
	rig.expectImages("s2");
	rig.expectImages("s3");
	rig.expectData();
}

// All of them find a place among those that the oldest frees.
TEST(Full, DropOldestForManyWritersAtOnceCostsOnlyOne)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	Rig rig(held(300));
	fillByThree(rig);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	std::vector<std::future<int>> writers;
	for (uint64_t i = 0; i < 32; ++i)
		writers.push_back(rig.dataA.start(4096 + 16 * i, 8));
	for (auto &writer : writers)
		EXPECT_EQ(writer.get(), 0);
	EXPECT_THAT(states(rig.store),
		    ElementsAre("s1 invalid overflow", "s2 live -", "s3 live -"));
	rig.expectImages("s2");
	rig.expectImages("s3");
	rig.expectData();
}

TEST(Full, SnapshotThatOwnsNothingIsDroppedTogetherWithTheNext)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	Rig rig(held(100));
	rig.take("s1");
	rig.take("s2");
	ASSERT_EQ(rig.dataA.write(0, 1536), 0);
	rig.take("s3");
	ASSERT_EQ(rig.dataB.write(0, 512), 0);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	ASSERT_EQ(rig.dataA.start(4096, 8).get(), 0);
	EXPECT_THAT(states(rig.store),
		    ElementsAre("s1 invalid overflow", "s2 invalid overflow", "s3 live -"));
	rig.expectImages("s3");
	rig.expectData();
}

TEST(Full, WithoutHoldTimeNoWriteWaits)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	Rig rig(held(0));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
	const auto begun = Clock::now();
	ASSERT_EQ(rig.dataA.start(4096, 2048).get(), 0);
	EXPECT_LT(sinceMs(begun), 5000);
	EXPECT_THAT(states(rig.store), ElementsAre("s1 invalid overflow"));
	rig.expectData();
}

TEST(Full, StoreWithoutRangesHoldsUntilItGetsOne)
{
	const Disk below(0, originSectors);
	const Disk range(1, firstRange);
	Store store(held(60000), {});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	auto waiting = data.start(0, 64);
	ASSERT_TRUE(store.waitFor([](const Summary &s) { return s.held == 1; }));
	store.extend(rangeWords(range));
	EXPECT_EQ(waiting.get(), 0);
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
}

TEST(Full, SuspendWithoutFlushGetsItsWritesBackDuringHold)
{
	Rig rig(held(60000));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
	auto waiting = rig.dataA.start(4096, 64);
	ASSERT_TRUE(rig.holds());
	for (int i = 0; i < 3; ++i) {
		ASSERT_TRUE(succeedsSoon(
			[&] { return rig.a.device().suspend(DmDevice::Suspend::NoFlush); }));
		EXPECT_TRUE(rig.store.waitFor([](const Summary &s) { return s.held == 0; }));
		EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
		ASSERT_EQ(rig.a.device().resume(), 0);
		ASSERT_TRUE(rig.holds());
	}
	rig.extend();
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_THAT(states(rig.store), ElementsAre("s1 live -"));
	rig.expectImages("s1");
	rig.expectData();
}

TEST(Full, SuspendWithFlushWaitsForTheHeldWritesNoLongerThanTheHold)
{
	ExpectKernelLog dropped(invalidSnapshot);
	Rig rig(held(700));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
	auto waiting = rig.dataA.start(4096, 64);
	ASSERT_TRUE(rig.holds());
	EXPECT_TRUE(succeedsSoon([&] { return rig.a.device().suspend(); }));
	EXPECT_EQ(waiting.get(), 0);
	ASSERT_EQ(rig.a.device().resume(), 0);
	EXPECT_THAT(states(rig.store), ElementsAre("s1 invalid overflow"));
	rig.expectData();
}

TEST(Full, ReloadsDuringHoldLoseNothing)
{
	Rig rig(held(60000));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
	auto waiting = rig.dataA.start(4096, 64);
	ASSERT_TRUE(rig.holds());
	// The store itself, while writers wait in it.
	ASSERT_EQ(rig.store.device().load(rig.store.device().table()), 0);
	ASSERT_TRUE(succeedsSoon([&] { return rig.store.device().resume(); }));
	ASSERT_TRUE(rig.holds());
	// The other origin, whose writes do not wait.
	ASSERT_EQ(rig.b.device().load(rig.b.table()), 0);
	ASSERT_TRUE(succeedsSoon([&] { return rig.b.device().resume(); }));
	// The origin itself flushes first: an extend lets it.
	ASSERT_EQ(rig.a.device().load(rig.a.table()), 0);
	auto reload = std::async(std::launch::async, [&] { return rig.a.device().resume(); });
	EXPECT_EQ(reload.wait_for(200ms), std::future_status::timeout);
	rig.extend();
	ASSERT_EQ(reload.wait_for(aWhile), std::future_status::ready);
	EXPECT_EQ(reload.get(), 0);
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_THAT(states(rig.store), ElementsAre("s1 live -"));
	rig.expectImages("s1");
	rig.expectData();
}

TEST(Full, ExtendOfASuspendedStoreReleasesWriters)
{
	Rig rig(held(60000));
	rig.take("s1");
	ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
	auto waiting = rig.dataA.start(4096, 64);
	ASSERT_TRUE(rig.holds());
	const uint32_t event = rig.store.device().info().eventNumber;
	ASSERT_EQ(rig.store.device().suspend(), 0);
	ASSERT_EQ(rig.store.device().load(rig.store.device().table()), 0);
	rig.extend();
	EXPECT_EQ(waiting.get(), 0) << "a suspended store goes on copying";
	ASSERT_EQ(rig.store.device().resume(), 0);
	EXPECT_EQ(rig.store.checked().ranges.size(), 2u) << "the loaded table knew one range";
	EXPECT_TRUE(eventAfter(rig.store, event));
	rig.expectImages("s1");
	rig.expectData();
}

TEST(Full, ForcedRemovalOfTheOriginDuringHoldFailsItsWritesAndNothingElse)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	ExpectKernelLog errors(ioErrors);
	Rig rig(held(60000));
	rig.take("s1");
	ASSERT_EQ(rig.dataB.write(0, firstRange), 0);
	auto waiting = rig.dataA.start(4096, 64);
	ASSERT_TRUE(rig.holds());
	ASSERT_EQ(rig.a.device().load("0 " + std::to_string(originSectors) + " error"), 0);
	ASSERT_TRUE(
		succeedsSoon([&] { return rig.a.device().suspend(DmDevice::Suspend::NoFlush); }));
	ASSERT_TRUE(succeedsSoon([&] { return rig.a.device().resume(); }));
	ASSERT_EQ(waiting.wait_for(aWhile), std::future_status::ready);
	EXPECT_EQ(waiting.get(), EIO);
	EXPECT_THAT(states(rig.store), ElementsAre("s1 invalid origin-gone"));
	EXPECT_TRUE(succeedsSoon([&] { return rig.dataB.write(4096, 512); }));
	EXPECT_TRUE(rig.dataB.isIntact());
	ASSERT_EQ(rig.a.device().load(rig.a.table()), 0);
	ASSERT_EQ(rig.a.device().resume(), 0);
}

TEST(Full, ForcedRemovalOfTheStoreDuringHoldLetsTheOriginsGoOn)
{
	Rig rig(held(60000));
	rig.take("s1");
	Buffer contents(originSectors, 0x5a);
	{
		const Image image(rig.store, "s1", rig.a);
		ASSERT_EQ(rig.dataA.write(0, firstRange), 0);
		auto waiting = rig.dataA.start(4096, 64);
		ASSERT_TRUE(rig.holds());
		Reader reader(image.path(), rig.dataA.at("s1"), 1);
		Writer writer(rig.b.path(), contents, 2);
		ASSERT_EQ(rig.store.device().load("0 1 error"), 0);
		ASSERT_TRUE(succeedsSoon([&] { return rig.store.device().resume(); }));
		ASSERT_EQ(waiting.wait_for(aWhile), std::future_status::ready);
		EXPECT_EQ(waiting.get(), 0);
		writer.stop();
		reader.stop();
		EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
		EXPECT_EQ(writer.error(), 0);
		EXPECT_TRUE(everyReadFails(image.path()));
		EXPECT_EQ(image.status(), "s1 a invalid store-gone ro 0 0");
	}
	ASSERT_EQ(rig.dataA.write(5000, 3000), 0);
	EXPECT_TRUE(rig.dataA.isIntact());
}

TEST(Full, OriginsThatLostTheirStoreAreStillKeptFromRanges)
{
	ExpectKernelLog refused(refusedMessage);
	Rig rig(held(0));
	ASSERT_EQ(rig.store.device().load("0 1 error"), 0);
	ASSERT_EQ(rig.store.device().resume(), 0);

	Store other({}, {});
	EXPECT_EQ(other.send("extend " + rangeWords(rig.belowA)).error, EEXIST);
	EXPECT_EQ(other.why(), "the range shares sectors with an origin");
	// The origin itself may go to the new store, and only there does it count then.
	ASSERT_EQ(rig.a.device().load("0 " + std::to_string(originSectors) + " snapdiff-origin " +
				      other.number() + " a " + rig.belowA.number() + " 0"),
		  0);
	ASSERT_EQ(rig.a.device().resume(), 0);
	EXPECT_EQ(other.send("extend " + rangeWords(rig.belowA)).error, EEXIST);
	EXPECT_EQ(other.status().origin("a").state, "watched");
	ASSERT_EQ(rig.a.device().load("0 " + std::to_string(originSectors) + " linear " +
				      rig.belowA.number() + " 0"),
		  0);
	ASSERT_EQ(rig.a.device().resume(), 0);
	EXPECT_TRUE(other.send("extend " + rangeWords(rig.belowA)).ok())
		<< "nobody's origin any more: " << other.why();
}

TEST(Removal, InAnOrderThatMakesNoSenseSaysBusy)
{
	ExpectKernelLog refused(refusedMessage);
	Rig rig(held(60000));
	rig.take("s1");
	std::optional<Image> image(std::in_place, rig.store, "s1", rig.a);
	EXPECT_EQ(rig.store.device().remove(), EBUSY);
	EXPECT_EQ(rig.store.send("delete s1").error, EBUSY);
	EXPECT_EQ(rig.store.send("detach a").error, EBUSY);
	image.reset();
	EXPECT_EQ(rig.store.device().remove(), EBUSY) << "origins are there";
	EXPECT_EQ(rig.store.send("detach a").error, EBUSY) << "a live snapshot contains it";
	rig.store.drop("s1");
	rig.store.demand("detach a");
	rig.store.demand("detach b");
}

TEST(Removal, OriginRemovedBeforeItsImageMakesTheSnapshotInvalid)
{
	ExpectKernelLog gone(invalidSnapshot, Appearance::Must);
	const Disk below(0, originSectors);
	const Disk range(1, firstRange);
	Store store(held(60000), {rangeWords(range)});
	std::optional<Origin> origin(std::in_place, store, "a", below);
	store.take("s1");
	const Image image(store, "s1", *origin);
	ASSERT_EQ(origin->device().remove(), 0);
	EXPECT_TRUE(everyReadFails(image.path()));
	EXPECT_EQ(image.status(), "s1 a invalid origin-gone ro 0 0");
	EXPECT_EQ(store.checked().origins.size(), 0u);
}
