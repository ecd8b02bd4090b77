// SPDX-License-Identifier: GPL-2.0-or-later
// F10: what the first writes to chunks cost in I/Os, exactly, as the disks count them.

#include "support/shadow.h"
#include "support/stack.h"

#include <array>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <stdexcept>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t writes = 128;

// Completed I/Os and sectors of a whole disk since boot.
struct DiskCounts
{
	uint64_t reads = 0;
	uint64_t sectorsRead = 0;
	uint64_t writes = 0;
	uint64_t sectorsWritten = 0;
	uint64_t flushes = 0;

	DiskCounts operator-(const DiskCounts &other) const
	{
		return {reads - other.reads, sectorsRead - other.sectorsRead, writes - other.writes,
			sectorsWritten - other.sectorsWritten, flushes - other.flushes};
	}
};

DiskCounts countsOf(int disk)
{
	const std::string name = diskPath(disk).substr(5);
	std::ifstream file("/sys/block/" + name + "/stat");
	std::array<uint64_t, 17> fields = {};
	for (uint64_t &field : fields)
		if (!(file >> field))
			throw std::runtime_error("cannot read the counts of " + name);
	return {fields[0], fields[2], fields[4], fields[6], fields[15]};
}

void countFirstWrites(int snapshots)
{
	const Disk below(0, 16384);
	const Disk range(1, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), 16384, 1);
	for (int i = 0; i < snapshots; ++i)
		store.take("s" + std::to_string(i));
	const DiskCounts originBefore = countsOf(0);
	const DiskCounts storeBefore = countsOf(1);
	for (uint64_t i = 0; i < writes; ++i)
		ASSERT_EQ(data.write(i * 11 % writes * 4 * chunk, chunk), 0);
	const DiskCounts origins = countsOf(0) - originBefore;
	ASSERT_TRUE(store.waitUntilWritten());
	const DiskCounts stores = countsOf(1) - storeBefore;
	std::cout << writes << " first writes, " << snapshots << " snapshots: origin "
		  << origins.reads << " reads " << origins.writes << " writes, store "
		  << stores.reads << " reads " << stores.writes << " writes" << std::endl;
	EXPECT_EQ(origins.reads, writes);
	EXPECT_EQ(origins.sectorsRead, writes * chunk);
	EXPECT_EQ(origins.writes, writes);
	EXPECT_EQ(origins.sectorsWritten, writes * chunk);
	EXPECT_EQ(stores.reads, 0u);
	EXPECT_EQ(stores.writes, 1u);
	EXPECT_EQ(stores.sectorsWritten, writes * chunk);
	EXPECT_EQ(stores.flushes + origins.flushes, 0u);
}

} // namespace

TEST(Counts, FirstWriteCostsOneReadOneWriteAndAShareOfALargeOne)
{
	countFirstWrites(1);
}

TEST(Counts, FourSnapshotsCostWhatOneCosts)
{
	countFirstWrites(4);
}

TEST(Counts, WriteToASafeChunkCostsNothingMore)
{
	const Disk below(0, 16384);
	const Disk range(1, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), 16384, 1);
	store.take("s1");
	ASSERT_EQ(data.write(0, 2048), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	const DiskCounts originBefore = countsOf(0);
	const DiskCounts storeBefore = countsOf(1);
	for (uint64_t i = 0; i < writes; ++i)
		ASSERT_EQ(data.write(i * chunk, chunk), 0);
	EXPECT_EQ((countsOf(0) - originBefore).reads, 0u);
	EXPECT_EQ((countsOf(0) - originBefore).writes, writes);
	EXPECT_EQ((countsOf(1) - storeBefore).writes, 0u);
	EXPECT_EQ(store.status().origin("a").copiedChunks, 256u);
}
