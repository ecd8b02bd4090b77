// SPDX-License-Identifier: GPL-2.0-or-later
// Disks that fail: below the origin a chunk becomes bad, in the store the data goes elsewhere or
// costs the snapshots that need it; the origin's writes pass in every case.

#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 4096;

std::string line(uint64_t start, uint64_t length, const std::string &target)
{
	return std::to_string(start) + " " + std::to_string(length) + " " + target;
}

std::string linear(const Disk &disk, uint64_t start, uint64_t length)
{
	return line(start, length, "linear " + disk.number() + " " + std::to_string(start));
}

// A device over a disk's slice that can be told to fail every write, or everything in one place.
class Fragile
{
public:
	explicit Fragile(const Disk &disk)
		: disk_(disk), device_("fragile", linear(disk, 0, disk.sectors()))
	{
	}

	const DmDevice &device() const { return device_; }
	std::string number() const { return device_.number(); }

	void failEverythingAt(uint64_t sector, uint64_t count)
	{
		std::string table;
		if (sector)
			table = linear(disk_, 0, sector) + "\n";
		table += line(sector, count, "error") + "\n";
		table += linear(disk_, sector + count, disk_.sectors() - sector - count);
		device_.reload(table);
	}

	void failWrites()
	{
		device_.reload(line(0, disk_.sectors(),
				    "flakey " + disk_.number() + " 0 0 3600 1 error_writes"));
	}

	void heal() { device_.reload(linear(disk_, 0, disk_.sectors())); }

private:
	const Disk &disk_;
	DmDevice device_;
};

std::string words(const DmDevice &device, uint64_t length, const std::string &group)
{
	return device.number() + " 0 " + std::to_string(length) + " " + group;
}

constexpr const char *rangeFailed = "device-mapper: snapdiff: range .* a write failed";

} // namespace

TEST(Faults, UnreadableOldDataMakesOneChunkBadAndTheWritePasses)
{
	ExpectKernelLog errors(ioErrors);
	const Disk disk(0, originSectors);
	const Disk range(1, 16384);
	Fragile below(disk);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below.number(), 0, originSectors);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	// Reads and writes fail there: a write that only touches its neighbours must still pass.
	below.failEverythingAt(1000, 8);
	ASSERT_EQ(data.write(800, 200), 0);
	ASSERT_EQ(data.write(1008, 200), 0);
	EXPECT_EQ(store.checked().origin("a").badChunks, 0u);
	EXPECT_EQ(data.write(960, 80), EIO) << "the disk itself fails, as it would without us";
	EXPECT_EQ(store.checked().origin("a").badChunks, 1u);
	below.heal();
	ASSERT_EQ(data.write(960, 80), 0);
	const Image image(store, "s1", origin);
	const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
	Buffer memory(8);
	for (uint64_t sector = 0; sector < originSectors; sector += 8) {
		const int error = device.read(sector, memory);
		EXPECT_EQ(error, sector == 1000 ? EIO : 0) << sector;
		if (error)
			continue;
		ASSERT_EQ(memcmp(memory.data(), data.at("s1").sector(sector), memory.bytes()), 0)
			<< sector;
	}
	EXPECT_TRUE(store.checked().snapshot("s1").live());
	EXPECT_TRUE(data.isIntact());
}

TEST(Faults, FailingRangeSendsItsDataToAnother)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog failed(rangeFailed, Appearance::Must);
	const Disk first(0, 8192);
	const Disk second(1, 16384);
	const Disk below(2, originSectors);
	Fragile fragile(first);
	Store store({.chunk = chunk},
		    {words(fragile.device(), 8192, "0"), words(second.device(), 16384, "1,last")});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(0, 2048), 0); // one whole segment
	ASSERT_TRUE(store.waitUntilWritten());
	fragile.failWrites();
	const Image image(store, "s1", origin);
	Reader reader(image.path(), data.at("s1"), 1);
	ASSERT_EQ(data.write(2048, 2048), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	reader.stop();
	EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
	const StoreStatus now = store.checked();
	EXPECT_EQ(now.ranges.at(0).state, "failed");
	EXPECT_EQ(now.ranges.at(0).free, 0u);
	EXPECT_EQ(now.ranges.at(1).state, "ok");
	EXPECT_EQ(now.ranges.at(1).used, 2048u);
	EXPECT_TRUE(now.snapshot("s1").live());
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}

TEST(Faults, NowhereToGoCostsTheSnapshotAfterTheStallLimitAndNothingElse)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog failed(rangeFailed, Appearance::Must);
	ExpectKernelLog lost(invalidSnapshot, Appearance::Must);
	ExpectKernelLog stalled("no buffer came free");
	const Disk first(0, 8192);
	const Disk below(2, originSectors);
	Fragile fragile(first);
	Store store({.chunk = chunk, .holdMs = 300, .stallMs = 600},
		    {words(fragile.device(), 8192, "0")});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	fragile.failWrites();
	ASSERT_EQ(data.write(0, 4096), 0);
	{
		const Image image(store, "s1", origin);
		for (int i = 0; i < 400 && store.status().snapshot("s1").live(); ++i)
			usleep(25000);
		EXPECT_FALSE(store.checked().snapshot("s1").live());
		EXPECT_TRUE(everyReadFails(image.path()));
	}
	EXPECT_TRUE(data.isIntact());
	ASSERT_EQ(data.write(7, 3000), 0);
	EXPECT_TRUE(data.isIntact());
}

TEST(Faults, FailingReadOfARangeFailsThatReadOnly)
{
	ExpectKernelLog errors(ioErrors);
	const Disk first(0, 8192);
	const Disk below(2, originSectors);
	Fragile fragile(first);
	Store store({.chunk = chunk}, {words(fragile.device(), 8192, "0")});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(0, 2048), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	const Image image(store, "s1", origin);
	const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
	Buffer memory(8);
	fragile.failEverythingAt(0, 8);
	EXPECT_EQ(device.read(0, memory), EIO);
	EXPECT_EQ(device.read(8, memory), 0);
	EXPECT_EQ(device.read(3000, memory), 0);
	fragile.heal();
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(store.checked().snapshot("s1").live());
}
