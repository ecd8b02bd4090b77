// SPDX-License-Identifier: GPL-2.0-or-later
// Taking ranges back from a running store: what they hold moves, images stay right, writers do not
// wait; a shrink that cannot go on is undone; the device is released in every table.

#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 8192;
constexpr const char *shrinkUndone = "device-mapper: snapdiff: range .* shrink undone";
constexpr const char *writeFailed = "device-mapper: snapdiff: range .* a write failed";
constexpr const char *unreadable = "device-mapper: snapdiff: range .* could not be read while";

void sleepMs(int ms)
{
	std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

std::string line(uint64_t start, uint64_t length, const std::string &target)
{
	return std::to_string(start) + " " + std::to_string(length) + " " + target;
}

// A range's device whose behaviour can be changed while it is in use.
class Changeable
{
public:
	explicit Changeable(const Disk &disk)
		: disk_(disk), device_("range", linear(0, disk.sectors()))
	{
	}

	const DmDevice &device() const { return device_; }
	std::string number() const { return device_.number(); }
	uint64_t sectors() const { return disk_.sectors(); }
	std::string words(const std::string &group = "0") const { return words(sectors(), group); }
	std::string words(uint64_t length, const std::string &group) const
	{
		return number() + " 0 " + std::to_string(length) + " " + group;
	}
	std::string shrink() const
	{
		return "shrink " + number() + " 0 " + std::to_string(sectors());
	}

	void delayReads(int ms)
	{
		device_.reload(line(0, sectors(),
				    "delay " + disk_.number() + " 0 " + std::to_string(ms) + " " +
					    disk_.number() + " 0 0"));
	}
	void failWrites()
	{
		device_.reload(line(0, sectors(),
				    "flakey " + disk_.number() + " 0 0 3600 1 error_writes"));
	}
	void failEverythingAt(uint64_t sector, uint64_t count)
	{
		std::string table;
		if (sector)
			table = linear(0, sector) + "\n";
		table += line(sector, count, "error") + "\n";
		table += linear(sector + count, sectors() - sector - count);
		device_.reload(table);
	}
	void heal() { device_.reload(linear(0, sectors())); }

private:
	std::string linear(uint64_t start, uint64_t length) const
	{
		return line(start, length,
			    "linear " + disk_.number() + " " + std::to_string(start));
	}

	const Disk &disk_;
	DmDevice device_;
};

std::optional<RangeStatus> rangeOn(const StoreStatus &status, const Changeable &device)
{
	for (const RangeStatus &range : status.ranges)
		if (range.device == device.number())
			return range;
	return std::nullopt;
}

std::string shrinkOf(const Store &store, const Changeable &device)
{
	const auto range = rangeOn(store.checked(), device);
	return range ? range->shrink : "gone";
}

// Waits until the shrink is over: "gone", or how it was undone; "moving": the limit has passed.
std::string endOfShrink(const Store &store, const Changeable &device, int limitMs = 30000)
{
	for (int waited = 0;; waited += 10) {
		const std::string now = shrinkOf(store, device);
		if (now != "moving" || waited >= limitMs)
			return now;
		sleepMs(10);
	}
}

// An origin, and ranges on three devices.
struct Rig
{
	explicit Rig(uint64_t first = 8192, uint64_t second = 8192, uint64_t third = 8192,
		     StoreOptions options = {.chunk = chunk})
		: diskA(1, first), diskB(2, second), diskC(3, third),
		  store(options, {a.words("1"), b.words("2"), c.words("3")}),
		  origin(store, "o", below), data(origin.path(), originSectors, 1)
	{
	}

	// A snapshot, and first writes to so many chunks from the beginning, on the disks.  A
	// multiple of 256 fills segments, which are written at once; others wait for 10 s.
	void fill(const std::string &snapshot, uint64_t chunks)
	{
		store.take(snapshot);
		data.fork(snapshot);
		for (uint64_t at = 0; at < chunks; at += 64)
			ASSERT_EQ(
				data.write(at * chunk, std::min<uint64_t>(64, chunks - at) * chunk),
				0);
		ASSERT_TRUE(store.waitUntilWritten());
	}

	Disk below{0, originSectors};
	Disk diskA, diskB, diskC;
	Changeable a{diskA}, b{diskB}, c{diskC};
	Store store;
	Origin origin;
	Volume data;
};

} // namespace

TEST(Shrink, OfTheOnlyRangeWorksWhenItIsEmptyAndTheRangeCanBeGivenAgain)
{
	const Disk below(0, originSectors);
	const Disk disk(1, 4096);
	const Changeable range(disk);
	Store store({.chunk = chunk, .lowWater = 64}, {range.words()});
	Origin origin(store, "o", below);
	Volume data(origin.path(), originSectors, 1);
	for (int i = 0; i < 3; ++i) {
		EXPECT_EQ(range.device().info().openCount, 1);
		const uint32_t event = store.device().info().eventNumber;
		const uint64_t seq = store.summary().seq;
		const DmAnswer answer = store.send(range.shrink());
		ASSERT_EQ(answer.error, 0) << store.why();
		EXPECT_EQ(answer.text, "");
		EXPECT_EQ(endOfShrink(store, range), "gone");
		EXPECT_EQ(range.device().info().openCount, 0) << "gone means closed";
		EXPECT_EQ(store.summary().capacity, 0u);
		EXPECT_EQ(store.summary().level, "low");
		EXPECT_GE(store.summary().seq, seq + 2);
		EXPECT_TRUE(store.waitFor([&](const Summary &) {
			return store.device().info().eventNumber > event;
		}));
		store.extend(range.words());
		const std::string name = "s" + std::to_string(i);
		store.take(name);
		data.fork(name);
		ASSERT_EQ(data.write(0, 2048), 0);
		Image image(store, name, origin);
		EXPECT_TRUE(deviceHolds(image.path(), data.at(name)));
		if (i == 2)
			break;
		{
			// With data it is refused: there is no other range.
			ExpectKernelLog refused(refusedMessage, Appearance::Must);
			const StoreStatus before = store.checked();
			EXPECT_EQ(store.send(range.shrink()).error, ENOSPC);
			EXPECT_NE(store.why().find("no other range"), std::string::npos);
			EXPECT_EQ(store.checked().summary.free, before.summary.free);
			EXPECT_EQ(shrinkOf(store, range), "-");
		}
		ASSERT_EQ(image.device().remove(), 0);
		store.drop(name);
		ASSERT_TRUE(store.waitUntilWritten());
		ASSERT_TRUE(store.waitFor([](const Summary &now) { return now.used == 0; }));
	}
}

TEST(Shrink, MessagesThatMakeNoSenseAreRefusedWithTheirReasons)
{
	Rig rig;
	rig.fill("s1", 768);
	rig.a.delayReads(100);
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	EXPECT_EQ(rig.store.send("shrink " + rig.a.number() + " 0 8").error, ENOENT);
	EXPECT_NE(rig.store.why().find("no range of these words"), std::string::npos);
	EXPECT_EQ(rig.store.send("shrink " + rig.below.number() + " 0 8192").error, ENOENT);
	EXPECT_EQ(rig.store.send("shrink /dev/nowhere 0 8192").error, ENOENT);
	EXPECT_EQ(rig.store.why(), "no device of this name");
	EXPECT_EQ(rig.store.send(rig.a.shrink() + " now").error, EINVAL);
	EXPECT_EQ(rig.store.send(rig.a.shrink() + " cancel").text, "not shrinking");
	// By its path as well.
	ASSERT_EQ(rig.store.send("shrink " + rig.a.device().path() + " 0 8192").error, 0)
		<< rig.store.why();
	EXPECT_EQ(rig.store.send(rig.a.shrink()).text, "already shrinking");
	EXPECT_EQ(rig.store.send("extend " + rig.a.words("1")).error, EBUSY);
	EXPECT_NE(rig.store.why().find("being shrunk"), std::string::npos);
	EXPECT_EQ(endOfShrink(rig.store, rig.a), "gone");
	EXPECT_EQ(rig.store.send(rig.a.shrink()).error, ENOENT);
}

TEST(Shrink, UnderLoadWithThreeSnapshotsMovesAllRangesInTurnAndImagesStayRight)
{
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	Rig rig(65536, 65536, 65536);
	std::vector<std::unique_ptr<Image>> images;
	RandomLoad load(random, {.longest = 64, .imageReadsPerWrite = 50});
	for (int i = 1; i <= 3; ++i) {
		const std::string name = "s" + std::to_string(i);
		rig.store.take(name);
		rig.data.fork(name);
		images.push_back(std::make_unique<Image>(rig.store, name, rig.origin));
		load.addImage(images.back()->path(), rig.data.at(name));
		load.run(rig.data, 300);
	}
	int round = 0;
	for (Changeable *range : {&rig.a, &rig.b, &rig.c, &rig.a}) {
		ASSERT_GT(rangeOn(rig.store.checked(), *range)->used, 0u);
		range->delayReads(5);
		const std::string extra = "x" + std::to_string(++round);
		rig.store.take(extra);
		rig.store.demand(range->shrink());
		uint64_t used = rangeOn(rig.store.checked(), *range).value_or(RangeStatus{}).used;
		while (shrinkOf(rig.store, *range) == "moving" && !testing::Test::HasFailure()) {
			load.run(rig.data, 50);
			const auto now = rangeOn(rig.store.checked(), *range);
			EXPECT_LE(now ? now->used : 0, used) << "nothing new comes into the range";
			used = now ? now->used : 0;
			// A noflush suspend of an image gets its reads back and loses nothing.
			ASSERT_EQ(images[0]->device().suspend(DmDevice::Suspend::NoFlush), 0);
			ASSERT_EQ(images[0]->device().resume(), 0);
		}
		EXPECT_EQ(shrinkOf(rig.store, *range), "gone");
		EXPECT_EQ(range->device().info().openCount, 0);
		rig.store.drop(extra);
		EXPECT_EQ(rig.store.checked().summary.heldTotal, 0u);
		range->heal();
		rig.store.extend(range->words(std::to_string(round)));
	}
	for (int i = 1; i <= 3; ++i)
		EXPECT_TRUE(
			deviceHolds(images[i - 1]->path(), rig.data.at("s" + std::to_string(i))));
	EXPECT_TRUE(rig.data.isIntact());
	std::cout << load.writesDone() << " writes, " << load.readsDone() << " image reads\n";
}

TEST(Shrink, SucceedsWithExactlyAsMuchSpaceElsewhereAsItUsesAndNotWithLess)
{
	const Disk more(3, 2048);
	Rig rig(2048, 1024, 1024);
	rig.fill("s1", 512);
	const Image image(rig.store, "s1", rig.origin);
	ASSERT_EQ(rangeOn(rig.store.checked(), rig.a)->used, 2048u);
	ASSERT_EQ(rig.store.summary().free, 0u);
	{
		ExpectKernelLog refused(refusedMessage, Appearance::Must);
		EXPECT_EQ(rig.store.send(rig.a.shrink()).error, ENOSPC);
		EXPECT_NE(rig.store.why().find("less free space"), std::string::npos);
		rig.store.extend(rangeWords(more, 0, 2048 - chunk, "3"));
		const Summary before = rig.store.checked().summary;
		EXPECT_EQ(rig.store.send(rig.a.shrink()).error, ENOSPC);
		EXPECT_EQ(rig.store.checked().summary.free, before.free);
		EXPECT_EQ(rig.store.summary().seq, before.seq);
	}
	rig.store.extend(rangeWords(more, 2048 - chunk, chunk, "3"));
	rig.store.demand(rig.a.shrink());
	EXPECT_EQ(endOfShrink(rig.store, rig.a), "gone");
	EXPECT_EQ(rig.store.checked().summary.free, 0u);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
}

TEST(Shrink, IsUndoneWhenWritersNeedTheSpaceAndCostsNoSnapshot)
{
	ExpectKernelLog undone(shrinkUndone, Appearance::Must);
	Rig rig(8192, 4096, 4096, {.chunk = chunk, .lowWater = 512, .holdMs = 0});
	rig.fill("s1", 768);
	rig.a.delayReads(400);
	rig.store.demand(rig.a.shrink());
	const Image image(rig.store, "s1", rig.origin);
	// b and c hold 1024 copies, a as many.
	const uint32_t event = rig.store.device().info().eventNumber;
	for (uint64_t at = 800; at < 1024; at += 16)
		ASSERT_EQ(rig.data.write(at * chunk, 16 * chunk), 0);
	rig.store.take("s2");
	rig.data.fork("s2");
	for (uint64_t at = 0; at < 640; at += 16)
		ASSERT_EQ(rig.data.write(at * chunk, 16 * chunk), 0);
	EXPECT_EQ(rig.store.summary().heldTotal, 0u) << "a writer waited for what a shrink held";
	EXPECT_EQ(shrinkOf(rig.store, rig.a), "no-space");
	// More than is free while a batch of 256 has its places twice: not the time for a drop.
	for (uint64_t at = 640; at < 1008; at += 16)
		ASSERT_EQ(rig.data.write(at * chunk, 16 * chunk), 0);
	EXPECT_NE(rig.store.device().info().eventNumber, event);
	const StoreStatus now = rig.store.checked();
	EXPECT_TRUE(now.snapshot("s1").live());
	EXPECT_TRUE(now.snapshot("s2").live());
	const Image second(rig.store, "s2", rig.origin);
	EXPECT_TRUE(deviceHolds(second.path(), rig.data.at("s2")));
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
	EXPECT_TRUE(rig.data.isIntact());
}

TEST(Shrink, CancelledMakesPlacesUsableAgainAndMayBeRepeated)
{
	ExpectKernelLog refused(refusedMessage); // when a shrink is over before it is cancelled
	Rig rig(8192, 8192, 8192, {.chunk = chunk, .lowWater = 15000});
	rig.fill("s1", 768);
	const Image image(rig.store, "s1", rig.origin);
	EXPECT_EQ(rig.store.checked().summary.level, "ok");
	rig.a.delayReads(100);
	int cancelled = 0;
	for (int i = 0; i < 5; ++i) {
		rig.store.demand(rig.a.shrink());
		const StoreStatus now = rig.store.checked();
		ASSERT_EQ(rangeOn(now, rig.a)->shrink, "moving");
		EXPECT_EQ(now.summary.level, "low") << "what a shrinking range has free is not";
		sleepMs(i * 10);
		const DmAnswer answer = rig.store.send(rig.a.shrink() + " cancel");
		if (shrinkOf(rig.store, rig.a) == "gone")
			break;
		ASSERT_EQ(answer.error, 0) << rig.store.why();
		++cancelled;
		EXPECT_EQ(shrinkOf(rig.store, rig.a), "cancelled");
		EXPECT_EQ(rig.store.checked().summary.level, "ok");
		EXPECT_GT(rangeOn(rig.store.checked(), rig.a)->free, 0u);
		EXPECT_EQ(rig.store.send(rig.a.shrink() + " cancel").text, "not shrinking");
	}
	EXPECT_GE(cancelled, 1);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
	if (shrinkOf(rig.store, rig.a) != "gone")
		rig.store.demand(rig.a.shrink());
	EXPECT_EQ(endOfShrink(rig.store, rig.a), "gone");
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
}

TEST(Shrink, GoesOnWhileTheStoreIsSuspendedAndWhileTablesAreLoaded)
{
	Rig rig;
	rig.fill("s1", 768);
	rig.a.delayReads(20);
	rig.b.delayReads(20);
	const Image image(rig.store, "s1", rig.origin);
	const std::string before = rig.store.device().table();
	ASSERT_EQ(rig.store.device().load(before), 0); // stays loaded over the whole shrink
	EXPECT_EQ(rig.a.device().info().openCount, 1);
	rig.store.demand(rig.a.shrink());
	ASSERT_EQ(rig.store.device().suspend(), 0);
	EXPECT_EQ(endOfShrink(rig.store, rig.a), "gone");
	EXPECT_EQ(rig.a.device().info().openCount, 0) << "the loaded table holds the device";
	const uint32_t event = rig.store.device().info().eventNumber;
	ASSERT_EQ(rig.store.device().resume(), 0); // the loaded table
	EXPECT_TRUE(rig.store.waitFor([&](const Summary &) {
		return rig.store.device().info().eventNumber > event;
	})) << "what happened during the suspend is announced";
	EXPECT_EQ(shrinkOf(rig.store, rig.a), "gone") << "a reload brings the range back";
	EXPECT_EQ(rig.a.device().info().openCount, 0);
	ExpectKernelLog refused("device-mapper: .*does not have a range of this table|"
				"error adding target to table");
	EXPECT_NE(rig.store.device().load(before), 0) << "a table with the range";
	rig.store.device().clear();
	// A reload while data moves.
	rig.store.demand(rig.b.shrink());
	for (int i = 0; i < 20 && shrinkOf(rig.store, rig.b) == "moving"; ++i) {
		if (rig.store.device().load(rig.store.device().table())) {
			EXPECT_EQ(shrinkOf(rig.store, rig.b), "gone") << "that is the only reason";
			break;
		}
		ASSERT_EQ(rig.store.device().resume(), 0);
	}
	EXPECT_EQ(endOfShrink(rig.store, rig.b), "gone");
	EXPECT_EQ(rig.b.device().info().openCount, 0);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
}

TEST(Shrink, OfAStoreThatIsRemovedInTheMiddleEndsWithIt)
{
	ExpectKernelLog invalid(invalidSnapshot);
	for (int delay : {0, 3, 30, 150}) {
		Rig rig;
		rig.fill("s1", 768);
		rig.a.delayReads(100);
		rig.store.demand(rig.a.shrink());
		rig.store.demand(rig.b.shrink());
		sleepMs(delay);
		// As dmsetup remove --force does while origins hold it open.
		rig.store.device().reload("0 1 error");
		EXPECT_EQ(rig.a.device().info().openCount, 0);
		EXPECT_EQ(rig.b.device().info().openCount, 0);
		EXPECT_TRUE(rig.data.isIntact());
		ASSERT_EQ(rig.data.write(5, 2000), 0);
		EXPECT_TRUE(rig.data.isIntact());
	}
}

TEST(Shrink, DeletesAndTakesInTheMiddleLoseNothing)
{
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	Rig rig(16384, 16384, 16384);
	std::vector<std::string> live;
	int taken = 0;
	rig.a.delayReads(10);
	rig.b.delayReads(10);
	rig.c.delayReads(10);
	for (int round = 0; round < 12 && !testing::Test::HasFailure(); ++round) {
		Changeable *const all[] = {&rig.a, &rig.b, &rig.c};
		Changeable &range = *all[round % 3];
		while (live.size() < 4) {
			live.push_back("s" + std::to_string(++taken));
			rig.store.take(live.back());
			rig.data.fork(live.back());
			for (int i = 0; i < 20; ++i)
				ASSERT_EQ(rig.data.write(random.below(originSectors - 200),
							 random.between(1, 200)),
					  0);
		}
		const DmAnswer answer = rig.store.send(range.shrink());
		ASSERT_EQ(answer.error, 0) << rig.store.why();
		sleepMs(random.below(30));
		while (live.size() > 1) {
			const size_t which = random.below(live.size());
			rig.store.drop(live[which]);
			live.erase(live.begin() + which);
			sleepMs(random.below(10));
		}
		EXPECT_EQ(endOfShrink(rig.store, range), "gone");
		const Image image(rig.store, live[0], rig.origin);
		EXPECT_TRUE(deviceHolds(image.path(), rig.data.at(live[0])));
		rig.store.extend(range.words(std::to_string(round)));
	}
	EXPECT_TRUE(rig.data.isIntact());
}

TEST(Shrink, ATargetThatFailsIsMarkedAndTheDataGoesElsewhereOrStays)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog failed(writeFailed, Appearance::Must);
	ExpectKernelLog undone(shrinkUndone, Appearance::Must);
	Rig rig;
	rig.fill("s1", 768);
	const Image image(rig.store, "s1", rig.origin);
	rig.b.failWrites();
	rig.store.demand(rig.a.shrink());
	EXPECT_EQ(endOfShrink(rig.store, rig.a), "gone");
	EXPECT_EQ(rangeOn(rig.store.checked(), rig.b)->state, "failed");
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
	// Only a healthy one is left: the next time nothing can take the data.
	rig.store.extend(rig.a.words("1"));
	rig.a.failWrites();
	rig.store.demand(rig.c.shrink());
	EXPECT_EQ(endOfShrink(rig.store, rig.c), "no-space");
	EXPECT_TRUE(rig.store.checked().snapshot("s1").live());
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
	EXPECT_EQ(rig.store.checked().origin("o").badChunks, 0u);
}

TEST(Shrink, OfAFailedRangeSavesWhatCanBeReadAndOnlyTheRestIsBad)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog failed(writeFailed, Appearance::Must);
	ExpectKernelLog lost(unreadable, Appearance::Must);
	Rig rig;
	rig.fill("s1", 768);
	const Image image(rig.store, "s1", rig.origin);
	// A write there fails: from now on the range is failed, what it holds is still shown.
	rig.b.failWrites();
	ASSERT_EQ(rig.data.write(768 * chunk, 256 * chunk), 0);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	const RangeStatus b = *rangeOn(rig.store.checked(), rig.b);
	ASSERT_EQ(b.state, "failed");
	ASSERT_EQ(b.used, 2048u);
	// Three of its places cannot be read.
	rig.b.failEverythingAt(8, 24);
	rig.store.demand(rig.b.shrink());
	EXPECT_EQ(endOfShrink(rig.store, rig.b), "gone");
	const StoreStatus now = rig.store.checked();
	EXPECT_EQ(now.origin("o").badChunks, 3u);
	EXPECT_TRUE(now.snapshot("s1").live());
	const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
	Buffer memory(chunk);
	int bad = 0;
	for (uint64_t sector = 0; sector < originSectors; sector += chunk) {
		const int error = device.read(sector, memory);
		bad += error == EIO;
		if (error)
			continue;
		ASSERT_EQ(memcmp(memory.data(), rig.data.at("s1").sector(sector), memory.bytes()),
			  0)
			<< sector;
	}
	EXPECT_EQ(bad, 3);
	EXPECT_TRUE(rig.data.isIntact());
}

TEST(Shrink, TwoHundredTimesWithDataNeedsNoMoreMemoryAndKeepsImages)
{
	Rig rig(4096, 4096, 4096);
	rig.fill("s1", 768);
	const Image image(rig.store, "s1", rig.origin);
	const uint64_t memory = rig.store.checked().memory;
	const Summary before = rig.store.summary();
	Changeable *const all[] = {&rig.a, &rig.b, &rig.c};
	const int cycles = fullCounts() ? 2000 : 200;
	int withData = 0;
	for (int i = 0; i < cycles && !testing::Test::HasFailure(); ++i) {
		Changeable &range = *all[i % 3];
		withData += rangeOn(rig.store.checked(), range)->used > 0;
		rig.store.demand(range.shrink());
		ASSERT_EQ(endOfShrink(rig.store, range), "gone");
		rig.store.extend(range.words(std::to_string(i % 3 + 1)));
		if (i % 20 == 0) {
			ASSERT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
		}
	}
	const StoreStatus now = rig.store.checked();
	EXPECT_EQ(now.ranges.size(), 3u);
	EXPECT_EQ(now.summary.used, before.used);
	EXPECT_EQ(now.summary.capacity, before.capacity);
	EXPECT_EQ(now.memory, memory);
	EXPECT_GT(withData, cycles / 2);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
	std::cout << withData << " of " << cycles << " shrinks moved data\n";
}

// What was written to an image changes in place, also while it is read in order to be moved.
TEST(Shrink, OverlaysMoveTooAndLoseNoWrite)
{
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	Rig rig(16384, 16384, 16384);
	rig.fill("s1", 256);
	const Image plain(rig.store, "s1", rig.origin);
	std::optional<Image> image(std::in_place, rig.store, "s1", rig.origin, "rw");
	std::optional<Volume> written(std::in_place, image->path(), rig.data.at("s1"), 7);
	ASSERT_EQ(written->write(0, 768 * chunk), 0);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	RandomLoad load(random, {.longest = 32, .depth = 16});
	int round = 0;
	for (Changeable *range : {&rig.a, &rig.b, &rig.c, &rig.a, &rig.b}) {
		ASSERT_GT(rangeOn(rig.store.checked(), *range)->used, 0u);
		range->delayReads(15);
		rig.store.demand(range->shrink());
		for (int i = 0; i < 1000 && shrinkOf(rig.store, *range) == "moving"; ++i)
			load.run(*written, 40);
		ASSERT_EQ(endOfShrink(rig.store, *range), "gone");
		EXPECT_TRUE(written->isIntact());
		range->heal();
		rig.store.extend(range->words(std::to_string(++round)));
	}
	EXPECT_TRUE(deviceHolds(plain.path(), rig.data.at("s1")));
	EXPECT_TRUE(rig.data.isIntact());
	// With nobody to write to it, and gone with its device in the middle.
	rig.c.delayReads(50);
	rig.store.demand(rig.c.shrink());
	written.reset();
	image.reset();
	EXPECT_EQ(endOfShrink(rig.store, rig.c), "gone");
	std::cout << load.writesDone() << " writes to the image\n";
}

// The worst case: reads of an image are on their way to a place while its data moves away, the
// shrink is undone, and new copies overwrite the place at once.
TEST(Shrink, ImageReadsThatRaceWithMovingAndReuseNeverSeeNewData)
{
	ExpectKernelLog refused(
		refusedMessage);	 // a shrink over before it is cancelled, or too early
	constexpr uint64_t places = 192; // of 512 in a range
	const Disk below(0, originSectors);
	const Disk churned(0, originSectors);
	const Disk diskA(1, 4096);
	const Disk diskB(2, 4096);
	Changeable a(diskA);
	Changeable b(diskB);
	Store store({.chunk = chunk}, {a.words("1"), b.words("2")});
	Origin origin(store, "o", below);
	Origin other(store, "p", churned);
	Volume data(origin.path(), originSectors, 1);
	Volume noise(other.path(), originSectors, 2);
	store.take("s1", "o");
	data.fork("s1");
	ASSERT_EQ(data.write(0, places * chunk), 0);
	// Full, so that it is written at once.
	ASSERT_EQ(data.write(places * chunk, (256 - places) * chunk), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	a.delayReads(60);
	b.delayReads(60);
	const Image image(store, "s1", origin);
	Buffer old(places * chunk);
	memcpy(old.data(), data.at("s1").data(), old.bytes());
	const uint64_t wanted = fullCounts() ? 200000 : 20000;
	uint64_t cycles = 0;
	uint64_t gone = 0;
	Reader reader(image.path(), old, runSeed(), 128);
	Random random;
	while (reader.right() < wanted && !reader.wrong() && !testing::Test::HasFailure()) {
		Changeable &range = cycles++ % 2 ? a : b;
		// The last copies may not have come free yet.
		DmAnswer begun = store.send(range.shrink());
		for (int tries = 0; begun.error == ENOSPC && tries < 1500; ++tries) {
			sleepMs(10);
			begun = store.send(range.shrink());
		}
		ASSERT_EQ(begun.error, 0) << store.why();
		// As soon as places come free in it, or sooner.
		const auto used = [&] {
			return rangeOn(store.status(), range).value_or(RangeStatus{}).used;
		};
		const uint64_t before = used();
		const uint64_t limit = random.between(30, 300);
		for (uint64_t ms = 0; ms < limit && used() && used() >= before; ms += 2)
			sleepMs(2);
		if (store.send(range.shrink() + " cancel").error) {
			EXPECT_EQ(endOfShrink(store, range), "gone") << "too late to cancel";
		}
		if (!rangeOn(store.checked(), range)) {
			++gone;
			store.extend(range.words(cycles % 2 ? "2" : "1"));
		}
		// Copies that fill what has just come free, and go when they are written.
		const std::string name = "x" + std::to_string(cycles);
		store.take(name, "p");
		ASSERT_EQ(noise.write((cycles % 3) * 1024, 640 * chunk), 0);
		store.drop(name);
	}
	reader.stop();
	EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
	EXPECT_EQ(reader.failed(), 0u);
	EXPECT_GE(reader.right(), wanted);
	EXPECT_TRUE(store.checked().snapshot("s1").live());
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	std::cout << reader.right() << " reads, " << cycles << " shrinks, " << gone
		  << " to the end\n";
}
