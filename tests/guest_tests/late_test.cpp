// SPDX-License-Identifier: GPL-2.0-or-later
// What comes too late: a copy whose snapshot has ended meanwhile, a write to a chunk of an overlay
// whose segment is being written, the end of a hold that nobody helps.

#include "harness/patience.h"
#include "support/nbd_disk.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t sectors = 4096;
constexpr uint64_t segment = 2048;
const auto aWhile = 12s * patience();

bool waitUntil(const std::function<bool()> &condition)
{
	for (int i = 0; i < 2000 * patience(); ++i) {
		if (condition())
			return true;
		std::this_thread::sleep_for(5ms);
	}
	return false;
}

// A small store that is full, with a hold that lasts longer than a test waits, or not.
struct FullRig
{
	explicit FullRig(uint32_t holdMs)
		: store({.chunk = chunk, .holdMs = holdMs}, {rangeWords(range, 0, segment, "0")}),
		  origin(store, "a", below), data(origin.path(), sectors, 1)
	{
		store.take("s1");
		EXPECT_EQ(data.write(0, segment), 0);
	}
	void extend() const { store.send("extend " + rangeWords(range, segment, segment, "0")); }

	Disk below{0, sectors};
	Disk range{1, 2 * segment};
	Store store;
	Origin origin;
	Volume data;
};

} // namespace

// Old data is read for s1; before it arrives s1 is deleted, another writer changes the chunk, and
// s2 is taken. What was read for s1 must not become what s2 shows.
TEST(Late, CopyForASnapshotThatEndedIsNotShownByTheNextOne)
{
	ExpectKernelLog log(nbdErrors);
	NbdDisk below(0, sectors);
	const Disk range(1, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below.number(), 0, sectors);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	below.keepReads();
	auto first = data.start(0, 1);
	EXPECT_TRUE(waitUntil([&] { return below.kept() == 1; }));
	store.drop("s1");
	EXPECT_EQ(data.write(3, 2), 0) << "no snapshot needs the chunk";
	store.take("s2");
	below.goOn();
	EXPECT_EQ(first.get(), 0);
	data.fork("now");
	const Image image(store, "s2", origin);
	Buffer shown(chunk);
	ASSERT_EQ(BlockDevice(image.path(), BlockDevice::Mode::ReadOnly).read(0, shown), 0);
	// Of the two writes, one had not reached the disk when s2 was taken.
	for (uint64_t i = 1; i < chunk; ++i)
		EXPECT_EQ(memcmp(shown.sector(i), data.at("now").sector(i), sectorSize), 0) << i;
	EXPECT_NE(memcmp(shown.sector(0), data.at("now").sector(0), sectorSize), 0);
	EXPECT_TRUE(data.isIntact());
}

// The disk has the segment's data, but has not said so.
TEST(Late, WriteToAnOverlaysChunkWhoseSegmentIsBeingWrittenIsNotLost)
{
	ExpectKernelLog log(nbdErrors);
	const Disk below(0, sectors);
	NbdDisk range(0, 16384);
	Store store({.chunk = chunk}, {range.number() + " 0 16384 0"});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin, "rw");
	Volume shown(image.path(), data.at("s1"), 2);
	range.hang();
	ASSERT_EQ(shown.write(0, segment), 0);
	std::this_thread::sleep_for(500ms);
	auto again = shown.start(100, 1);
	EXPECT_EQ(again.wait_for(500ms), std::future_status::timeout);
	range.goOn();
	EXPECT_EQ(again.get(), 0);
	EXPECT_TRUE(store.waitUntilWritten());
	EXPECT_TRUE(shown.isIntact());
	EXPECT_TRUE(data.isIntact());
}

TEST(Late, EndOfAHoldComesByItself)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	FullRig rig(1000);
	auto waiting = rig.data.start(segment, 64);
	// Whatever goes wrong, nobody may wait for ever.
	const std::shared_ptr<void> atTheEnd(nullptr, [&](void *) { rig.extend(); });
	EXPECT_EQ(waiting.wait_for(300ms), std::future_status::timeout) << "no hold at all";
	ASSERT_EQ(waiting.wait_for(aWhile), std::future_status::ready);
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_FALSE(rig.store.checked().snapshot("s1").live());
	EXPECT_TRUE(rig.data.isIntact());
}

TEST(Late, ANoflushSuspendWaitsForNoHold)
{
	FullRig rig(3600000);
	auto waiting = rig.data.start(segment, 64);
	EXPECT_TRUE(rig.store.waitFor([](const Summary &s) { return s.held == 1; }));
	{
		auto suspend = std::async(std::launch::async, [&] {
			return rig.origin.device().suspend(DmDevice::Suspend::NoFlush);
		});
		const bool soon = suspend.wait_for(aWhile) == std::future_status::ready;
		EXPECT_TRUE(soon) << "the suspend waits for the writes that are held";
		EXPECT_EQ(waiting.wait_for(0s), std::future_status::timeout);
		rig.extend();
		EXPECT_EQ(suspend.get(), 0);
	}
	ASSERT_EQ(rig.origin.device().resume(), 0);
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_TRUE(rig.store.checked().snapshot("s1").live());
	EXPECT_TRUE(rig.data.isIntact());
}
