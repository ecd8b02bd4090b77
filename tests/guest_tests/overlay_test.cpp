// SPDX-License-Identifier: GPL-2.0-or-later
// Writable images: what is written is seen by that image and by nothing else, costs no more reads
// than it must, never takes the origins' last space, and ends with its device or its snapshot.

#include "support/loop_device.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 8191;
constexpr uint64_t rangeSectors = 4096;

int64_t sinceMs(Clock::time_point begun)
{
	return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
}

// One origin on a store with a range, and room on the range's disk to extend it.
struct Rig
{
	explicit Rig(const StoreOptions &options, uint64_t firstRange = rangeSectors)
		: first(firstRange), store(options, {rangeWords(rangeDisk, 0, firstRange)}),
		  origin(store, "a", below), data(origin.path(), originSectors, 1)
	{
	}

	void take(const std::string &name)
	{
		store.take(name);
		data.fork(name);
	}

	void extend(uint64_t sectors = rangeSectors)
	{
		store.extend(rangeWords(rangeDisk, first, sectors));
		first += sectors;
	}

	Volume volumeOf(const Image &image, const std::string &snapshot, uint32_t tag)
	{
		return Volume(image.path(), data.at(snapshot), tag);
	}

	uint64_t used() const { return store.checked().summary.used; }

	uint64_t first;
	Disk below{0, originSectors};
	Disk rangeDisk{1, 65536};
	Store store;
	Origin origin;
	Volume data;
};

uint64_t readsOf(int disk)
{
	std::ifstream file("/sys/block/" + diskPath(disk).substr(5) + "/stat");
	uint64_t reads = 0;
	if (!(file >> reads))
		throw std::runtime_error("cannot read the counts of a disk");
	return reads;
}

bool waitsFor(std::future<int> &result, std::chrono::milliseconds limit)
{
	return result.wait_for(limit) != std::future_status::ready;
}

} // namespace

TEST(Overlay, IsSeenByItsImageOnly)
{
	Rig rig({.chunk = chunk});
	rig.take("s1");
	const Image plain(rig.store, "s1", rig.origin);
	ASSERT_EQ(rig.data.write(64, 640), 0);
	{
		const Image one(rig.store, "s1", rig.origin, "rw");
		const Image two(rig.store, "s1", rig.origin, "rw");
		Volume first = rig.volumeOf(one, "s1", 2);
		Volume second = rig.volumeOf(two, "s1", 3);

		// Whole chunks, parts of one, across, the short last chunk, copied ones and others.
		for (const auto &[sector, count] :
		     std::vector<std::pair<uint64_t, uint64_t>>{{0, 8},
								{11, 3},
								{30, 40},
								{100, 200},
								{8185, 6},
								{8189, 1},
								{4095, 2}}) {
			ASSERT_EQ(first.write(sector, count), 0) << sector;
			ASSERT_EQ(second.write(sector + 1 < 8185 ? sector + 1 : sector, 1), 0);
		}
		EXPECT_TRUE(first.isIntact());
		EXPECT_TRUE(second.isIntact());
		EXPECT_TRUE(rig.data.isIntact());
		EXPECT_TRUE(deviceHolds(plain.path(), rig.data.at("s1")));

		const SnapshotStatus status = rig.store.status().snapshot("s1");
		EXPECT_EQ(status.images, 3u);
		const uint64_t chunks = (originSectors + chunk - 1) / chunk;
		EXPECT_EQ(status.overlay / chunk + status.toCome, 2 * chunks);
		EXPECT_EQ(one.status(), "s1 a live - rw " +
						std::to_string(8 * (1 + 1 + 6 + 26 + 1 + 2)) + " " +
						std::to_string(chunks - 37));
		EXPECT_EQ(plain.status(), "s1 a live - ro 0 0");
	}
	// The devices are gone and with them what was written to them.
	const SnapshotStatus status = rig.store.status().snapshot("s1");
	EXPECT_EQ(status.overlay, 0u);
	EXPECT_EQ(status.toCome, 0u);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	EXPECT_EQ(rig.used(), 640u);
	EXPECT_TRUE(deviceHolds(plain.path(), rig.data.at("s1")));
	EXPECT_EQ(Image(rig.store, "s1", rig.origin, "rw").status(),
		  "s1 a live - rw 0 " + std::to_string((originSectors + chunk - 1) / chunk));
}

TEST(Overlay, WritesOfWholeChunksReadNothing)
{
	Rig rig({.chunk = chunk});
	rig.take("s1");
	const Image image(rig.store, "s1", rig.origin, "rw");
	Volume shown = rig.volumeOf(image, "s1", 2);
	const uint64_t origin = readsOf(0);
	const uint64_t range = readsOf(1);
	ASSERT_EQ(shown.write(0, 256 * chunk), 0);
	ASSERT_EQ(shown.write(1024 * chunk - chunk, chunk - 1), 0); // the short last one
	EXPECT_EQ(readsOf(0), origin);
	ASSERT_EQ(shown.write(600 * chunk + 3, 2), 0);
	EXPECT_EQ(readsOf(0), origin + 1);
	EXPECT_EQ(readsOf(1), range);
	// Once on the range they are written in place: nothing is read then either.
	ASSERT_TRUE(rig.store.waitUntilWritten());
	const uint64_t used = rig.used();
	ASSERT_EQ(shown.write(5, 100), 0);
	EXPECT_EQ(readsOf(0), origin + 1);
	EXPECT_EQ(readsOf(1), range);
	EXPECT_EQ(rig.used(), used);
	EXPECT_TRUE(shown.isIntact());
}

namespace {

struct Scale
{
	uint32_t chunk;
	uint64_t longest;
	unsigned rounds;
};

class OverlayModel : public testing::TestWithParam<Scale>
{
};

} // namespace

// Random writes to the origin and to writable images of two snapshots, one of them twice, with a
// shadow of each; a small buffer, so that much is on the ranges when it is written again.
TEST_P(OverlayModel, NoSectorDiffers)
{
	constexpr uint64_t sectors = 30011;
	const Disk below(0, sectors);
	const Disk disks[2] = {Disk(1, 260003), Disk(2, 260003)};
	Store store({.chunk = GetParam().chunk, .buffer = 4096},
		    {rangeWords(disks[0], 3, 120001, "0"), rangeWords(disks[1], 0, 119999, "1")});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	Random random;
	uint64_t writes = 0;

	store.take("s1");
	data.fork("s1");
	std::vector<std::unique_ptr<Image>> images;
	std::vector<std::unique_ptr<Volume>> shown;
	const auto show = [&](const std::string &snapshot) {
		images.push_back(std::make_unique<Image>(store, snapshot, origin, "rw"));
		shown.push_back(std::make_unique<Volume>(images.back()->path(), data.at(snapshot),
							 static_cast<uint32_t>(images.size() + 1)));
	};
	show("s1");
	show("s1");
	const Image plain(store, "s1", origin);
	for (unsigned round = 0; round < GetParam().rounds; ++round) {
		if (round == 2) {
			store.take("s2");
			data.fork("s2");
			show("s2");
		}
		if (round == 3)
			store.extend(rangeWords(disks[0], 120004, 139999, "0"));
		RandomLoad load(random, {.longest = GetParam().longest});
		load.addImage(plain.path(), data.at("s1"));
		const auto run = [&](Volume &volume) {
			RandomLoad own(random, {.longest = GetParam().longest});
			own.run(volume, 150);
			writes += own.writesDone();
		};
		for (auto &volume : shown) {
			run(*volume);
			run(data);
		}
		for (auto &volume : shown)
			ASSERT_TRUE(volume->isIntact()) << "round " << round;
		ASSERT_TRUE(data.isIntact()) << "round " << round;
		ASSERT_TRUE(deviceHolds(plain.path(), data.at("s1"))) << "round " << round;
		store.checked();
	}
	std::cout << writes << " writes, " << store.status().snapshot("s1").overlay
		  << " sectors in overlays of s1" << std::endl;
	shown.clear();
	images.clear();
	EXPECT_EQ(store.checked().snapshot("s1").overlay, 0u);
}

INSTANTIATE_TEST_SUITE_P(Chunks, OverlayModel,
			 testing::Values(Scale{8, 64, 6}, Scale{32, 200, 6}, Scale{128, 300, 5},
					 Scale{2048, 3000, 4}),
			 [](const auto &scale) {
				 return std::to_string(scale.param.chunk * 512) + "B";
			 });

// Two images of one snapshot and the origin, all written to at the same time.
TEST(Overlay, ManyWritersAtOnce)
{
	Rig rig({.chunk = 64, .buffer = 2048}, 49152);
	rig.take("s1");
	const Image one(rig.store, "s1", rig.origin, "rw");
	const Image two(rig.store, "s1", rig.origin, "rw");
	Volume first = rig.volumeOf(one, "s1", 2);
	Volume second = rig.volumeOf(two, "s1", 3);
	const auto load = [](Volume &volume, uint64_t seed) {
		Random random;
		while (seed--)
			random();
		RandomLoad own(random, {.longest = 24, .depth = 16});
		own.run(volume, 1500);
	};
	std::thread a([&] { load(first, 1); });
	std::thread b([&] { load(second, 2); });
	load(rig.data, 3);
	a.join();
	b.join();
	EXPECT_TRUE(first.isIntact());
	EXPECT_TRUE(second.isIntact());
	EXPECT_TRUE(rig.data.isIntact());
	const Image plain(rig.store, "s1", rig.origin);
	EXPECT_TRUE(deviceHolds(plain.path(), rig.data.at("s1")));
}

TEST(Overlay, AtLowWaterImageWritesWaitThenGetEnospcAndTheOriginGoesOn)
{
	ExpectKernelLog errors(ioErrors);
	Rig rig({.chunk = chunk, .lowWater = 2048, .holdMs = 1500});
	rig.take("s1");
	const Image image(rig.store, "s1", rig.origin, "rw");
	Volume shown = rig.volumeOf(image, "s1", 2);
	ASSERT_EQ(shown.write(0, 2048), 0); // a segment of 1 MiB at most: low now
	ASSERT_EQ(rig.store.summary().level, "low");

	const auto begun = Clock::now();
	Buffer page(8, 0x5a);
	const BlockDevice device(image.path());
	EXPECT_EQ(device.write(4096, page), ENOSPC);
	EXPECT_GE(sinceMs(begun), 1400);
	EXPECT_LT(sinceMs(begun), 10000);
	// What it has already is written without space; the origins have the rest.
	EXPECT_EQ(shown.write(16, 64), 0);
	EXPECT_EQ(rig.data.write(0, 1024), 0);
	EXPECT_TRUE(shown.isIntact());

	// One that waits goes on at once when there is space again.
	auto waiting = shown.start(4096, 8);
	ASSERT_TRUE(waitsFor(waiting, 300ms));
	const auto extended = Clock::now();
	rig.extend();
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_LT(sinceMs(extended), 1000);
	EXPECT_TRUE(shown.isIntact());
	EXPECT_TRUE(rig.data.isIntact());
}

TEST(Overlay, AReloadKeepsItAndShowsItReadOnly)
{
	ExpectKernelLog errors(ioErrors);
	Rig rig({.chunk = chunk});
	rig.take("s1");
	Image image(rig.store, "s1", rig.origin, "rw");
	Volume shown = rig.volumeOf(image, "s1", 2);
	ASSERT_EQ(shown.write(100, 500), 0);
	const std::string status = image.status();

	image.device().reload(image.device().table());
	EXPECT_EQ(image.status(), status);
	EXPECT_TRUE(shown.isIntact());
	ASSERT_EQ(shown.write(300, 500), 0);

	image.device().reload(imageTable(rig.store, "s1", rig.origin, "ro"));
	EXPECT_TRUE(shown.isIntact());
	Buffer page(8, 0x5a);
	EXPECT_EQ(BlockDevice(image.path()).write(0, page), EIO);
	image.device().reload(imageTable(rig.store, "s1", rig.origin, "rw"));
	ASSERT_EQ(shown.write(3000, 100), 0);
	EXPECT_TRUE(shown.isIntact());

	// Another snapshot on the device is another overlay.
	rig.take("s2");
	image.device().reload(imageTable(rig.store, "s2", rig.origin, "rw"));
	EXPECT_TRUE(deviceHolds(image.path(), rig.data.at("s2")));
	EXPECT_EQ(rig.store.checked().snapshot("s1").overlay, 0u);
}

TEST(Overlay, ANoflushSuspendGivesWaitingWritesBack)
{
	Rig rig({.chunk = chunk, .lowWater = 2048});
	rig.take("s1");
	Image image(rig.store, "s1", rig.origin, "rw");
	Volume shown = rig.volumeOf(image, "s1", 2);
	ASSERT_EQ(shown.write(0, 2048), 0);
	auto waiting = shown.start(4096, 24);
	ASSERT_TRUE(waitsFor(waiting, 300ms));
	const auto begun = Clock::now();
	ASSERT_EQ(image.device().suspend(DmDevice::Suspend::NoFlush), 0);
	EXPECT_LT(sinceMs(begun), 10000);
	ASSERT_TRUE(waitsFor(waiting, 100ms));
	rig.extend();
	ASSERT_EQ(image.device().resume(), 0);
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_TRUE(shown.isIntact());
}

TEST(Overlay, ADropFreesItsPlacesForTheOrigin)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog dropped(invalidSnapshot);
	ExpectKernelLog refused("snapdiff: the snapshot is invalid|error adding target to table");
	Rig rig({.chunk = chunk, .holdMs = 0});
	rig.take("s1");
	const Image image(rig.store, "s1", rig.origin, "rw");
	Volume shown = rig.volumeOf(image, "s1", 2);
	ASSERT_EQ(shown.write(0, rangeSectors - 1024), 0);
	ASSERT_TRUE(rig.store.waitUntilWritten());
	rig.take("s2");
	// s1 owns nothing but its overlay: dropping it alone must be enough.
	ASSERT_EQ(rig.data.write(0, 2048), 0);
	EXPECT_EQ(rig.store.status().snapshot("s1").cause, "overflow");
	EXPECT_TRUE(rig.store.status().snapshot("s2").live());
	Buffer page(8);
	EXPECT_EQ(BlockDevice(image.path()).write(0, page), EIO);
	EXPECT_EQ(BlockDevice(image.path()).read(0, page), EIO);
	EXPECT_EQ(image.status(), "s1 a invalid overflow rw 0 0");
	const Image second(rig.store, "s2", rig.origin);
	EXPECT_TRUE(deviceHolds(second.path(), rig.data.at("s2")));
	EXPECT_TRUE(rig.data.isIntact());
	EXPECT_EQ(DmDevice::tryCreate(imageTable(rig.store, "s1", rig.origin, "rw")), EIO);
}

// A write to a place on a range is under way when its snapshot is dropped: the place must not be
// given to a copy of the origin's data before that write is over. The range has larger blocks than
// the image, so the write reads first, and those reads are slow.
TEST(Overlay, ADropWaitsForWritesInPlace)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog dropped(invalidSnapshot);
	const LoopDevice loop(rangeSectors * sectorSize);
	const DmDevice slow("slow", "0 " + std::to_string(rangeSectors) + " delay " + loop.path() +
					    " 0 700 " + loop.path() + " 0 0");
	const Disk below(0, originSectors);
	Store store({.chunk = chunk, .holdMs = 0, .buffer = 2048},
		    {slow.path() + " 0 " + std::to_string(rangeSectors) + " 0"});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin, "rw");
	Volume shown(image.path(), data.at("s1"), 2);
	ASSERT_EQ(shown.write(0, rangeSectors - 2048), 0);
	ASSERT_TRUE(store.waitUntilWritten());

	store.take("s2");
	data.fork("s2");
	const Image second(store, "s2", origin);
	// As many at once as the image has places: one of them hits wherever the copies go.
	std::vector<std::future<int>> writes;
	for (uint64_t sector = 3; sector < rangeSectors - 2048; sector += chunk)
		writes.push_back(shown.start(sector, 1));
	std::this_thread::sleep_for(300ms);
	EXPECT_EQ(data.write(0, rangeSectors), 0); // whole segments: they are written at once
	EXPECT_EQ(store.status().snapshot("s1").cause, "overflow");
	for (auto &write : writes) {
		const int error = write.get();
		EXPECT_TRUE(error == 0 || error == EIO) << error;
	}
	ASSERT_TRUE(store.waitUntilWritten());
	EXPECT_TRUE(deviceHolds(second.path(), data.at("s2")));
	EXPECT_TRUE(data.isIntact());
}

// A store's write fails while overlay data is in it: the data goes elsewhere, writes go on.
TEST(Overlay, FollowsItsDataWhenARangeFails)
{
	ExpectKernelLog failed("device-mapper: snapdiff: range .* a write failed");
	ExpectKernelLog errors(ioErrors);
	const Disk below(0, originSectors);
	const Disk good(1, 8192);
	const Disk bad(2, 8192);
	DmDevice flaky("flaky", "0 8192 flakey " + bad.number() + " 0 0 3600 1 error_writes");
	Store store({.chunk = chunk}, {"/dev/mapper/" + flaky.name() + " 0 8192 0"});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin, "rw");
	Volume shown(image.path(), data.at("s1"), 2);
	ASSERT_EQ(shown.write(0, 512), 0);
	store.extend(rangeWords(good, 0, 8192, "1"));
	ASSERT_EQ(shown.write(512 + 3, 2048), 0);
	auto again = shown.start(20, 400);
	ASSERT_TRUE(store.waitUntilWritten());
	EXPECT_EQ(again.get(), 0);
	ASSERT_EQ(shown.write(100, 50), 0);
	EXPECT_TRUE(shown.isIntact());
	EXPECT_TRUE(data.isIntact());
	store.checked();
}
