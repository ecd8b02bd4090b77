// SPDX-License-Identifier: GPL-2.0-or-later
// Sizes at the ends of what can be: an origin of 16 TiB minus a sector, sectors at the end of what
// a device can address, a thousand ranges of one chunk each.

#include "harness/pattern.h"
#include "support/loop_device.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t oneTiB = uint64_t(1) << 31; // in sectors
// Bytes of a device are counted in 63 bits.
constexpr uint64_t mostSectors = (uint64_t(1) << 54) - 8;

std::string number(uint64_t n)
{
	return std::to_string(n);
}

std::string numberOf(const std::string &path)
{
	struct stat about = {};
	if (stat(path.c_str(), &about))
		throw std::runtime_error("no device " + path);
	return number(major(about.st_rdev)) + ":" + number(minor(about.st_rdev));
}

struct Write
{
	uint64_t sector;
	uint64_t count;
};

// A device as large as can be, of which only the end can hold anything.
std::string endOfTheWorld(const Disk &disk)
{
	const uint64_t start = mostSectors - disk.sectors();
	return "0 " + number(start) + " zero\n" + number(start) + " " + number(disk.sectors()) +
	       " linear " + disk.number() + " 0";
}

class EdgesOfHugeOrigin : public testing::TestWithParam<uint32_t>
{
protected:
	// Around the ends of the device and around powers of two, where numbers may be cut short.
	static std::vector<Write> writes(uint64_t size)
	{
		return {{0, 1},
			{17, 64},
			{oneTiB - 3, 7},
			{2 * oneTiB - 1, 2},	 // 32 bits of sectors
			{4 * oneTiB - 100, 200}, // 32 bits of signed kibibytes
			{8 * oneTiB - 8, 16},
			{size / 3, 300},
			{size - 5000, 1000},
			{size - 7, 7}};
	}

	static void fill(const BlockDevice &device, const Write &at, uint64_t generation)
	{
		Buffer data(at.count);
		fillPattern(data, 5, at.sector, generation);
		ASSERT_EQ(device.write(at.sector, data), 0) << at.sector;
	}

	static void expect(const BlockDevice &device, const Write &at, uint64_t generation)
	{
		Buffer data(at.count);
		ASSERT_EQ(device.read(at.sector, data), 0) << at.sector;
		EXPECT_TRUE(holdsPattern(data, 5, at.sector, generation)) << at.sector;
	}
};

} // namespace

TEST_P(EdgesOfHugeOrigin, Of16TiBMinusASectorIsCopiedAndShownUpToItsLastSector)
{
	const uint64_t size = 16 * oneTiB - 1;
	const uint32_t chunk = GetParam();
	const uint64_t chunks = size / chunk + 1;
	const LoopDevice below(size * sectorSize, sectorSize);
	const Disk range(1, 262144);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", numberOf(below.path()), 0, size);
	const BlockDevice device(origin.path());
	ASSERT_EQ(device.sectors(), size);
	for (const Write &at : writes(size))
		fill(device, at, 1);
	store.take("s1");
	EXPECT_EQ(store.checked().origin("a").unsafeChunks, chunks);
	for (const Write &at : writes(size))
		fill(device, at, 2);
	const OriginStatus now = store.checked().origin("a");
	EXPECT_EQ(now.size, size);
	EXPECT_EQ(now.unsafeChunks + now.copiedChunks, chunks);
	const Image image(store, "s1", origin);
	const BlockDevice past(image.path(), BlockDevice::Mode::ReadOnly);
	ASSERT_EQ(past.sectors(), size);
	const Buffer zeroes(8);
	Buffer beside(8);
	for (const Write &at : writes(size)) {
		expect(past, at, 1);
		expect(device, at, 2);
		if (at.sector < 8)
			continue;
		ASSERT_EQ(past.read(at.sector - 8, beside), 0);
		EXPECT_TRUE(beside == zeroes) << at.sector;
	}
	EXPECT_TRUE(store.waitUntilWritten());
	for (const Write &at : writes(size))
		expect(past, at, 1);
	EXPECT_NE(device.write(size - 3, zeroes), 0) << "over the end";
	// Nothing per chunk that was not touched: 8 bytes for 128 MiB, here 1 MiB.
	EXPECT_LT(store.status().memory, 4u << 20);
}

INSTANTIATE_TEST_SUITE_P(ChunkSize, EdgesOfHugeOrigin, testing::Values(8, 2048),
			 [](const auto &size) { return std::to_string(size.param / 2) + "KiB"; });

TEST(Edges, ARangeAtTheEndOfTheLargestDeviceKeepsWhatItIsGiven)
{
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	constexpr uint64_t sectors = 8192;
	const Disk disk(1, 4 * sectors);
	const Disk below(0, sectors);
	const DmDevice huge("huge", endOfTheWorld(disk));
	Store store({}, {});
	for (const char *bad :
	     {"18014398509481976 8", "18014398509481968 16 ", "9223372036854775807 8",
	      "18446744073709551608 8", "18446744073709551600 16", "18446744073709551608 16",
	      "8 18446744073709551608", "18014398509473784 18014398509481984",
	      "0 18014398509481984"})
		EXPECT_EQ(store.send("extend " + huge.number() + " " + bad + " 0").error, EINVAL)
			<< bad << ": " << store.why();
	EXPECT_TRUE(store.checked().ranges.empty());
	store.extend(huge.number() + " " + number(mostSectors - 2 * sectors) + " " +
		     number(2 * sectors) + " 0");
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(0, sectors), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}

TEST(Edges, AnOriginAtTheEndOfTheLargestDeviceIsCopiedToItsLastChunk)
{
	constexpr uint64_t sectors = 8192;
	const Disk disk(1, sectors);
	const Disk range(2, 16384);
	const DmDevice huge("huge", endOfTheWorld(disk));
	Store store({.chunk = 16}, {rangeWords(range)});
	Origin origin(store, "a", huge.number(), mostSectors - sectors, sectors);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(sectors - 5, 5), 0);
	ASSERT_EQ(data.write(0, 3), 0);
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}

TEST(Edges, OriginsThatNoMemoryOrNumberCanHoldAreRefused)
{
	ExpectKernelLog refused("device-mapper: ", Appearance::Must);
	const Disk disk(1, 8192);
	const Disk range(2, 16384);
	const DmDevice huge("huge", endOfTheWorld(disk));
	Store store({}, {rangeWords(range)});
	const std::string words =
		" snapdiff-origin " + store.number() + " a " + huge.number() + " ";
	// Its map would want 512 GiB.
	EXPECT_EQ(DmDevice::tryCreate("0 " + number(mostSectors) + words + "0"), ENOMEM);
	EXPECT_EQ(DmDevice::tryCreate("0 64" + words + number(mostSectors)), EINVAL);
	EXPECT_EQ(DmDevice::tryCreate("0 64" + words + number(mostSectors - 56)), EINVAL);
	EXPECT_EQ(DmDevice::tryCreate("0 64" + words + "18446744073709551608"), EINVAL);
	EXPECT_EQ(DmDevice::tryCreate("0 64" + words + "18446744073709551556"), EINVAL);
	EXPECT_EQ(DmDevice::tryCreate("0 " + number(mostSectors) + words + "8"), EINVAL);
	EXPECT_TRUE(store.checked().origins.empty());
}

// More than a thousand ranges, each as small as can be: a thousand segments of one place.
TEST(Edges, AThousandRangesOfOneChunkHoldAChunkEach)
{
	constexpr uint64_t chunk = 8;
	constexpr uint64_t ranges = 1024;
	constexpr uint64_t sectors = ranges * chunk;
	const Disk below(0, sectors + chunk);
	// With gaps, so that they are not neighbours.
	const Disk first(1, 2 * sectors);
	const Disk second(2, 2 * sectors);
	Store store({.chunk = chunk}, {});
	for (uint64_t i = 0; i < ranges; ++i)
		store.extend(
			rangeWords(i % 2 ? first : second, i * 2 * chunk, chunk, number(i % 4)));
	EXPECT_EQ(store.checked().summary.capacity, sectors);
	Origin origin(store, "a", below);
	Volume data(origin.path(), below.sectors(), 1);
	store.take("s1");
	data.fork("s1");
	// Pieces that no range holds at once.
	for (uint64_t sector = 0; sector < sectors; sector += 512)
		ASSERT_EQ(data.write(sector, 512), 0);
	const StoreStatus now = store.checked();
	EXPECT_EQ(now.summary.free, 0u);
	EXPECT_EQ(now.summary.used, sectors);
	EXPECT_TRUE(std::all_of(now.ranges.begin(), now.ranges.end(),
				[](const RangeStatus &r) { return r.used == chunk; }));
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	ASSERT_TRUE(store.waitUntilWritten());
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	// The table with all of them, loaded again, and one more chunk needs one more range.
	ASSERT_EQ(store.device().load(store.device().table()), 0);
	ASSERT_EQ(store.device().resume(), 0);
	auto waiting = data.start(sectors, chunk);
	EXPECT_TRUE(store.waitFor([](const Summary &s) { return s.held == 1; }));
	store.extend(rangeWords(first, chunk, chunk, "0"));
	EXPECT_EQ(waiting.get(), 0);
	EXPECT_EQ(store.checked().ranges.size(), ranges + 1);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}
