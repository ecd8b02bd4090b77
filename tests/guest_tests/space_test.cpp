// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges and free space: the defects of the 2022 code, each as a test (research/blksnap.md B.5).
// Low water is a level that follows the free space whatever the order of events.

#include "support/loop_device.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 16384;

// The event number once nothing changes it any more: events come a moment late.
uint32_t settledEvent(const Store &store)
{
	uint32_t now = store.device().info().eventNumber;
	for (uint32_t before = now + 1; before != now;) {
		before = now;
		std::this_thread::sleep_for(std::chrono::milliseconds(200));
		now = store.device().info().eventNumber;
	}
	return now;
}

struct Rig
{
	Rig(uint64_t lowWater, uint64_t firstRange)
		: store({.chunk = chunk, .lowWater = lowWater},
			{rangeWords(rangeDisk, 0, firstRange)}),
		  origin(store, "a", below), data(origin.path(), originSectors, 1),
		  given(firstRange)
	{
	}

	// As an administrator or daemon would; any length.
	void extend(uint64_t sectors)
	{
		store.extend(rangeWords(rangeDisk, given, sectors));
		given += sectors;
	}

	// Changes chunks that were not changed since the take, one after the other.
	void copy(uint64_t chunks)
	{
		ASSERT_EQ(data.write(next * chunk, chunks * chunk), 0);
		next += chunks;
	}

	Disk below{0, originSectors};
	Disk rangeDisk{1, 65536};
	Store store;
	Origin origin;
	Volume data;
	uint64_t given;
	uint64_t next = 0;
};

} // namespace

TEST(Ranges, TheSameRangeTwiceIsAlreadyThereAndImagesStayRight)
{
	Rig rig(0, 2048);
	rig.extend(1001);
	const Summary before = rig.store.summary();
	const uint32_t event = settledEvent(rig.store);
	for (const std::string &words :
	     {rangeWords(rig.rangeDisk, 2048, 1001), rig.rangeDisk.path() + " 2048 1001 0",
	      rig.rangeDisk.path() + " 2048 1001"}) {
		const DmAnswer again = rig.store.send("extend " + words);
		EXPECT_EQ(again.error, 0) << rig.store.why();
		EXPECT_EQ(again.text, "already there");
	}
	EXPECT_EQ(rig.store.summary().capacity, before.capacity);
	EXPECT_EQ(rig.store.summary().seq, before.seq);
	EXPECT_EQ(settledEvent(rig.store), event);
	EXPECT_EQ(rig.rangeDisk.device().info().openCount, 1);
	rig.store.take("s1");
	rig.data.fork("s1");
	rig.copy(256 + 100);
	const Image image(rig.store, "s1", rig.origin);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
}

TEST(Ranges, OverlapsAreRefusedAcrossStoresToo)
{
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	const Disk disk(0, 8192);
	Store one({.chunk = chunk}, {rangeWords(disk, 1000, 1000)});
	Store other({.chunk = 64}, {rangeWords(disk, 3000, 1000)});
	static const struct
	{
		uint64_t start;
		uint64_t length;
	} overlaps[] = {{0, 1001},   {1999, 500}, {1000, 1000}, {1200, 100}, {500, 2000},
			{2900, 101}, {3999, 64},  {3100, 64},	{0, 8192}};
	for (const auto &range : overlaps)
		for (Store *store : {&one, &other}) {
			const DmAnswer answer = store->send(
				"extend " + rangeWords(disk, range.start, range.length, "9"));
			EXPECT_EQ(answer.error, EEXIST) << range.start << " " << range.length;
		}
	EXPECT_EQ(one.checked().ranges.size(), 1u);
	one.extend(rangeWords(disk, 0, 1000));
	other.extend(rangeWords(disk, 2000, 1000));
	one.extend(rangeWords(disk, 4000, 4192));
}

TEST(Ranges, OfADiskWithLargeSectorsMustBeAlignedAndWork)
{
	const LoopDevice loop;
	ASSERT_FALSE(loop.path().empty()) << "losetup -b 4096 failed";
	const Disk below(0, 1024);
	Store store({.chunk = chunk}, {});
	{
		ExpectKernelLog refused(refusedMessage, Appearance::Must);
		EXPECT_EQ(store.send("extend " + loop.path() + " 4 64").error, EINVAL);
		EXPECT_EQ(store.why(), "the range does not begin at a logical block of its device");
		EXPECT_EQ(store.send("extend " + loop.path() + " 8 63").error, EINVAL);
		EXPECT_EQ(store.why(),
			  "the range's length is not a multiple of its device's logical block");
	}
	store.extend(loop.path() + " 8 4096");
	Origin origin(store, "a", below);
	Volume data(origin.path(), 1024, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(3, 1000), 0);
	const Image image(store, "s1", origin);
	// Reads smaller than a block of the range, from the buffer and then from the range.
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	ASSERT_TRUE(store.waitUntilWritten());
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
	Buffer memory(3);
	for (uint64_t sector = 0; sector + 3 < 200; ++sector) {
		ASSERT_EQ(device.read(sector, memory), 0);
		ASSERT_EQ(memcmp(memory.data(), data.at("s1").sector(sector), memory.bytes()), 0)
			<< sector;
	}
}

TEST(Ranges, OnlyTheTailIsUnusable)
{
	const Disk disk(0, 65536);
	Store store({.chunk = 512}, {});
	uint64_t start = 0;
	uint64_t tails = 0;
	for (const uint64_t length :
	     {512u, 513u, 600u, 1022u, 1023u, 1024u, 1280u, 2000u, 33024u}) {
		store.extend(rangeWords(disk, start, length));
		start += length;
		tails += length % 512;
		const Summary now = store.checked().summary;
		EXPECT_EQ(now.capacity, start);
		EXPECT_EQ(now.unusable, tails);
		EXPECT_EQ(now.free, start - tails);
	}
}

TEST(LowWater, ShortExtensionsAreAskedForAgain)
{
	Rig rig(512, 1024);
	rig.store.take("s1");
	rig.data.fork("s1");
	int asked = 0;
	uint64_t seq = rig.store.summary().seq;
	while (rig.next < 1500 && !testing::Test::HasFailure()) {
		rig.copy(10);
		Summary now = rig.store.checked().summary;
		ASSERT_EQ(now.held, 0u);
		// Far less than would end the shortage: it must still be low afterwards.
		while (now.level == "low" && now.free <= 256) {
			rig.extend(chunk * 8);
			++asked;
			now = rig.store.checked().summary;
			EXPECT_GT(now.seq, seq);
			seq = now.seq;
		}
	}
	EXPECT_GT(asked, 50);
	EXPECT_EQ(rig.store.summary().heldTotal, 0u);
}

TEST(LowWater, GenerousExtensionIsFollowedByALowLevelAtTheMark)
{
	Rig rig(512, 1024);
	rig.store.take("s1");
	rig.data.fork("s1");
	rig.copy(100);
	EXPECT_EQ(rig.store.checked().summary.level, "low");
	const uint64_t seq = rig.store.summary().seq;
	rig.extend(10000);
	Summary now = rig.store.checked().summary;
	EXPECT_EQ(now.level, "ok");
	EXPECT_GT(now.seq, seq);
	int changes = 0;
	for (std::string level = now.level; rig.next < 1300 && !testing::Test::HasFailure();) {
		rig.copy(20);
		now = rig.store.checked().summary;
		changes += now.level != level;
		level = now.level;
	}
	EXPECT_EQ(changes, 1);
	EXPECT_EQ(now.level, "low");
	const Image image(rig.store, "s1", rig.origin);
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s1")));
}

TEST(LowWater, LevelIsWhatItsDefinitionSaysAfterEveryRandomStep)
{
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	Rig rig(0, 2048);
	int snapshots = 0;
	int changes = 0;
	std::optional<std::string> live;
	Summary before = rig.store.summary();
	uint32_t event = rig.store.device().info().eventNumber;
	const int steps = fullCounts() ? 5000 : 250;
	for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
		switch (i % 25 == 24 ? 6 : random.below(6)) {
		case 6: // now and then a mark that is sure to change the level
			rig.store.demand(before.level == "low" ? "set low_water 0"
							       : "set low_water 1000000");
			break;
		case 0:
			if (rig.given + 700 < rig.rangeDisk.sectors())
				rig.extend(random.between(8, 700));
			break;
		case 1:
			rig.store.demand("set low_water " + std::to_string(random.below(4096)));
			break;
		case 2:
			if (live)
				rig.store.drop(*live);
			live = "s" + std::to_string(++snapshots);
			rig.store.take(*live);
			rig.next = 0;
			break;
		default:
			if (live && rig.store.summary().free > 2048 && rig.next < 1900)
				rig.copy(random.between(1, 100));
		}
		const Summary now = rig.store.checked().summary;
		if (now.level != before.level) {
			++changes;
			EXPECT_GT(now.seq, before.seq) << "step " << i;
			EXPECT_TRUE(rig.store.waitFor([&](const Summary &) {
				return rig.store.device().info().eventNumber != event;
			})) << "no event for a change of level, step "
			    << i;
		}
		EXPECT_GE(now.seq, before.seq);
		before = now;
		event = rig.store.device().info().eventNumber;
	}
	EXPECT_GT(changes, 5);
	std::cout << steps << " steps, " << changes << " changes of level" << std::endl;
}
