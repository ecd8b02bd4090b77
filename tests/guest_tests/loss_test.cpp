// SPDX-License-Identifier: GPL-2.0-or-later
// A range's device is pulled out, hangs and comes back, turns read-only, or fails now and then
// under load. Only snapshots that own data there suffer, or those for which a writer without a
// buffer waited at the stall limit; the origin never fails and never waits longer than that.

#include "harness/patience.h"
#include "harness/pattern.h"
#include "support/churn.h"
#include "support/nbd_disk.h"
#include "support/scsi_disk.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t chunk = 8;
constexpr uint64_t piece = 2048; // what one segment holds
constexpr uint64_t originSectors = 8192;
constexpr const char *rangeFailed = "device-mapper: snapdiff: range .* a write failed";

std::string words(const std::string &device, uint64_t start, uint64_t length,
		  const std::string &group)
{
	return device + " " + std::to_string(start) + " " + std::to_string(length) + " " + group;
}

// What a random load writes: at no sector the same as before.
Buffer laterContents(uint64_t sectors)
{
	Buffer contents(sectors);
	fillPattern(contents, 9, 0, 77);
	return contents;
}

// A store with a range on a device that is going to be lost, and one that is not. s1 owns data on
// the first one, s2 only on the second.
struct LossRig
{
	LossRig(const std::string &doomed, uint64_t stallMs)
		: store({.chunk = chunk, .stallMs = static_cast<uint32_t>(stallMs)},
			{words(doomed, 0, piece, "0"), rangeWords(safe, 0, 16 * piece, "1,last")}),
		  origin(store, "a", below), data(origin.path(), originSectors, 1)
	{
		store.take("s1");
		data.fork("s1");
		EXPECT_EQ(data.write(0, piece), 0);
		store.take("s2");
		data.fork("s2");
		EXPECT_EQ(data.write(piece, piece), 0);
		EXPECT_TRUE(store.waitUntilWritten());
		const StoreStatus now = store.checked();
		EXPECT_EQ(now.ranges.at(0).used, piece);
		EXPECT_EQ(now.ranges.at(1).used, piece);
	}

	Disk below{0, originSectors};
	Disk safe{1, 16 * piece};
	Store store;
	Origin origin;
	Volume data;
};

// Compares chunk by chunk; returns how many could not be read. A wrong one is a failure.
uint64_t unreadableChunks(const std::string &path, const Buffer &expected, uint64_t first,
			  uint64_t count)
{
	const BlockDevice image(path, BlockDevice::Mode::ReadOnly);
	Buffer memory(chunk);
	uint64_t unreadable = 0;
	for (uint64_t sector = first; sector < first + count; sector += chunk) {
		if (const int error = image.read(sector, memory)) {
			EXPECT_EQ(error, EIO);
			++unreadable;
		} else if (memcmp(memory.data(), expected.sector(sector), memory.bytes()) != 0) {
			ADD_FAILURE() << "sector " << sector << " of an image holds "
				      << describeSector(memory.data());
			break;
		}
	}
	return unreadable;
}

// The doomed device is lost under a load; what each snapshot must still show.
void loseUnderLoad(LossRig &rig, const std::function<void()> &lose, bool readsFail)
{
	const Image one(rig.store, "s1", rig.origin);
	const Image two(rig.store, "s2", rig.origin);
	const Buffer later = laterContents(originSectors);
	{
		Writer writer(rig.origin.path(), later, 3);
		Reader reader(two.path(), rig.data.at("s2"), 4);
		const auto goOn = [&] {
			const uint64_t enough = writer.done() + 200;
			for (int i = 0; i < 2000 && writer.done() < enough; ++i)
				usleep(5000);
			EXPECT_GE(writer.done(), enough) << "the origin does not go on";
		};
		goOn();
		lose();
		goOn();
		writer.stop();
		reader.stop();
		EXPECT_EQ(writer.error(), 0);
		EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
		EXPECT_EQ(reader.failed(), 0u) << "s2 owns nothing there";
	}
	EXPECT_TRUE(deviceHolds(two.path(), rig.data.at("s2")));
	const uint64_t lost = unreadableChunks(one.path(), rig.data.at("s1"), 0, piece);
	EXPECT_EQ(lost, readsFail ? piece / chunk : 0);
	EXPECT_EQ(unreadableChunks(one.path(), rig.data.at("s1"), piece, originSectors - piece),
		  0u);
	EXPECT_TRUE(rig.store.checked().snapshot("s2").live());
	// And the store goes on.
	rig.store.take("s3");
	Volume now(rig.origin.path(), originSectors, 2);
	now.fork("s4");
	rig.store.take("s4");
	EXPECT_EQ(now.write(100, 64), 0);
	const Image four(rig.store, "s4", rig.origin);
	EXPECT_TRUE(deviceHolds(four.path(), now.at("s4")));
}

} // namespace

TEST(Loss, OfAPulledOutDiskCostsOnlyWhatLiesThere)
{
	if (!ScsiDisk::available())
		GTEST_SKIP() << "the kernel has no simulated SCSI disk (scsi_debug)";
	ExpectKernelLog disk(scsiErrors);
	ExpectKernelLog errors(ioErrors);
	ScsiDisk doomed(8);
	LossRig rig(doomed.number(), 30000);
	loseUnderLoad(
		rig, [&] { doomed.pullOut(); }, true);
}

TEST(Loss, OfANetworkDiskThatIsDisconnectedCostsOnlyWhatLiesThere)
{
	ExpectKernelLog disk(nbdErrors);
	ExpectKernelLog errors(ioErrors);
	NbdDisk doomed(0, 16384);
	LossRig rig(doomed.number(), 30000);
	loseUnderLoad(
		rig, [&] { doomed.disconnect(); }, true);
}

TEST(Loss, OfWritePermissionCostsNoSnapshot)
{
	if (!ScsiDisk::available())
		GTEST_SKIP() << "the kernel has no simulated SCSI disk (scsi_debug)";
	ExpectKernelLog disk(scsiErrors);
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog failed(rangeFailed, Appearance::Must);
	ScsiDisk doomed(8);
	{
		LossRig rig(doomed.number(), 30000);
		rig.store.extend(words(doomed.number(), piece, piece, "0"));
		doomed.protectFromWriting(true);
		EXPECT_EQ(rig.data.write(2 * piece, piece), 0);
		EXPECT_TRUE(rig.store.waitUntilWritten());
		EXPECT_EQ(rig.store.checked().ranges.at(2).state, "failed");
		loseUnderLoad(
			rig, [] {}, false);
		EXPECT_TRUE(rig.store.checked().snapshot("s1").live());
	}
	doomed.protectFromWriting(false);
}

namespace {

// Something that stops answering, and answers again.
struct Hanging
{
	std::string number;
	std::function<void()> hang;
	std::function<void()> goOn;
};

// Two origins; both buffers of the store wait for a range that does not answer.
struct HangRig
{
	HangRig(const Hanging &device, uint32_t stallMs)
		: store({.chunk = chunk, .stallMs = stallMs, .buffer = 2 * piece},
			{rangeWords(safe, 0, 8 * piece, "1,last")}),
		  a(store, "a", belowA), b(store, "b", belowB), dataA(a.path(), originSectors, 1),
		  dataB(b.path(), originSectors, 2)
	{
		store.take("sa", "a");
		store.take("sb", "b");
		dataA.fork("sa");
		dataB.fork("sb");
		// What b's snapshot owns lies on the range that goes on.
		EXPECT_EQ(dataB.write(0, piece), 0);
		EXPECT_TRUE(store.waitUntilWritten());
		store.extend(words(device.number, 0, 8 * piece, "0"));
		device.hang();
		EXPECT_EQ(dataA.write(0, piece), 0) << "a writer does not wait for the storage";
		EXPECT_EQ(dataA.write(piece, piece), 0);
	}

	Disk belowA{0, originSectors};
	Disk belowB{2, originSectors};
	Disk safe{1, 16 * piece};
	Store store;
	Origin a;
	Origin b;
	Volume dataA;
	Volume dataB;
};

void hangLongerThanTheStallLimit(const Hanging &device)
{
	ExpectKernelLog stalled("no buffer came free", Appearance::Must);
	ExpectKernelLog lost(invalidSnapshot, Appearance::Must);
	const uint32_t stallMs = fullCounts() ? 30000 : 1500;
	HangRig rig(device, stallMs);
	const auto begun = Clock::now();
	auto waiting = rig.dataA.start(2 * piece, 64);
	// Whatever goes wrong, nobody may wait for ever.
	const std::shared_ptr<void> atTheEnd(nullptr, [&](void *) { device.goOn(); });
	EXPECT_EQ(waiting.wait_for(500ms), std::future_status::timeout) << "no buffer is free";
	// Who needs no copy waits for nothing.
	EXPECT_EQ(rig.dataA.write(3, 100), 0);
	EXPECT_EQ(rig.dataB.write(5, 200), 0);
	ASSERT_EQ(waiting.wait_for(std::chrono::milliseconds(stallMs) + 12s * patience()),
		  std::future_status::ready)
		<< rig.store.device().status();
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_GE(Clock::now() - begun, std::chrono::milliseconds(stallMs - 100));
	{
		const Image image(rig.store, "sb", rig.b);
		EXPECT_TRUE(deviceHolds(image.path(), rig.dataB.at("sb")));
		const StoreStatus now = rig.store.checked();
		EXPECT_EQ(now.snapshot("sa").cause, "stall");
		EXPECT_TRUE(now.snapshot("sb").live());
		EXPECT_EQ(now.ranges.at(0).state, "ok");
		EXPECT_EQ(now.ranges.at(1).state, "failed");
	}
	std::this_thread::sleep_for(std::chrono::milliseconds(stallMs / 3));
	device.goOn();
	EXPECT_TRUE(rig.store.waitUntilWritten(30000));
	EXPECT_TRUE(rig.dataA.isIntact());
	EXPECT_TRUE(rig.dataB.isIntact());
	// It came back, and everything goes on with the other range.
	rig.store.take("later");
	rig.dataA.fork("later");
	EXPECT_EQ(rig.dataA.write(0, 3 * piece), 0);
	const Image image(rig.store, "later", rig.a);
	EXPECT_TRUE(deviceHolds(image.path(), rig.dataA.at("later")));
	EXPECT_EQ(rig.store.checked().ranges.at(1).used, 0u);
}

// A writer that waits for a buffer until the stall limit ends its snapshot, in several ways.
struct StalledRig : HangRig
{
	StalledRig(const Hanging &device, uint32_t stallMs) : HangRig(device, stallMs) {}

	std::future<int> startWaiting()
	{
		auto waiting = dataA.start(2 * piece, 64);
		EXPECT_EQ(waiting.wait_for(300ms), std::future_status::timeout)
			<< "no buffer is free";
		return waiting;
	}
	void expectStalled(std::future<int> &waiting, const std::string &snapshot,
			   Clock::duration limit)
	{
		ASSERT_EQ(waiting.wait_for(limit), std::future_status::ready)
			<< store.device().status();
		EXPECT_EQ(waiting.get(), 0);
		EXPECT_EQ(store.checked().snapshot(snapshot).cause, "stall");
	}

	ExpectKernelLog stalled{"no buffer came free", Appearance::Must};
	ExpectKernelLog lost{invalidSnapshot, Appearance::Must};
};

// Whatever happens to other snapshots meanwhile.
void hangWhileSnapshotsComeAndGo(const Hanging &device)
{
	StalledRig rig(device, 1500);
	auto waiting = rig.startWaiting();
	const std::shared_ptr<void> atTheEnd(nullptr, [&](void *) { device.goOn(); });
	const auto until = Clock::now() + 1500ms + 12s * patience();
	while (waiting.wait_for(200ms) == std::future_status::timeout && Clock::now() < until) {
		rig.store.take("other", "b");
		rig.store.drop("other"); // which lets all who wait look again
	}
	rig.expectStalled(waiting, "sa", 0s);
}

// Who waits already is meant too.
void hangAndAShorterStallLimit(const Hanging &device)
{
	StalledRig rig(device, 600000);
	auto waiting = rig.startWaiting();
	const std::shared_ptr<void> atTheEnd(nullptr, [&](void *) { device.goOn(); });
	rig.store.demand("set stall 1000");
	rig.expectStalled(waiting, "sa", 12s * patience());
}

// The next writer that waits, whose memory may be the last one's, has a whole limit.
void hangForTwoStallLimits(const Hanging &device)
{
	StalledRig rig(device, 1500);
	auto waiting = rig.startWaiting();
	const std::shared_ptr<void> atTheEnd(nullptr, [&](void *) { device.goOn(); });
	rig.expectStalled(waiting, "sa", 12s * patience());
	std::this_thread::sleep_for(2s);
	for (int i = 0; i < 3; ++i) {
		const std::string snapshot = "again" + std::to_string(i);
		rig.store.take(snapshot, "a");
		const auto begun = Clock::now();
		waiting = rig.startWaiting();
		rig.expectStalled(waiting, snapshot, 12s * patience());
		EXPECT_GE(Clock::now() - begun, 1400ms);
		std::this_thread::sleep_for(2s);
	}
}

void hangShorterThanTheStallLimit(const Hanging &device)
{
	HangRig rig(device, 300000);
	auto waiting = rig.dataA.start(2 * piece, piece);
	EXPECT_EQ(waiting.wait_for(1s), std::future_status::timeout) << "no buffer is free";
	device.goOn();
	ASSERT_EQ(waiting.wait_for(20s * patience()), std::future_status::ready);
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_TRUE(rig.store.waitUntilWritten(30000));
	const StoreStatus now = rig.store.checked();
	EXPECT_TRUE(now.snapshot("sa").live());
	EXPECT_TRUE(now.snapshot("sb").live());
	EXPECT_EQ(now.ranges.at(1).state, "ok");
	const Image image(rig.store, "sa", rig.a);
	EXPECT_TRUE(deviceHolds(image.path(), rig.dataA.at("sa")));
	EXPECT_TRUE(rig.dataA.isIntact());
}

void hangNetworkDisk(void (*run)(const Hanging &))
{
	ExpectKernelLog log(nbdErrors);
	NbdDisk disk(0, 8 * piece);
	run({.number = disk.number(), .hang = [&] { disk.hang(); }, .goOn = [&] { disk.goOn(); }});
}

void hangSuspendedDevice(void (*run)(const Hanging &))
{
	const Disk disk(3, 8 * piece);
	DmDevice device("hanging",
			"0 " + std::to_string(disk.sectors()) + " linear " + disk.number() + " 0");
	run({.number = device.number(),
	     .hang = [&] { EXPECT_EQ(device.suspend(DmDevice::Suspend::NoFlush), 0); },
	     .goOn = [&] { EXPECT_EQ(device.resume(), 0); }});
}

} // namespace

TEST(Loss, OfAnswersForLongerThanTheStallLimitCostsTheSnapshotThatAWriterWaitedFor)
{
	hangNetworkDisk(hangLongerThanTheStallLimit);
}

TEST(Loss, OfAnswersForAMomentCostsNothing)
{
	hangNetworkDisk(hangShorterThanTheStallLimit);
}

TEST(Loss, OfARangeWhoseDeviceIsSuspendedForLongCostsTheSnapshotThatAWriterWaitedFor)
{
	hangSuspendedDevice(hangLongerThanTheStallLimit);
}

TEST(Loss, OfAnswersIsNotPutOffBySnapshotsThatComeAndGo)
{
	hangNetworkDisk(hangWhileSnapshotsComeAndGo);
}

TEST(Loss, OfAnswersGivesEachWriterAWholeStallLimit)
{
	hangNetworkDisk(hangForTwoStallLimits);
}

TEST(Loss, OfAnswersFollowsAStallLimitThatIsMadeShorterMeanwhile)
{
	hangNetworkDisk(hangAndAShorterStallLimit);
}

TEST(Loss, OfARangeWhoseDeviceIsSuspendedForAMomentCostsNothing)
{
	hangSuspendedDevice(hangShorterThanTheStallLimit);
}
