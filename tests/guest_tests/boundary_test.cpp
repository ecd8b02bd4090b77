// SPDX-License-Identifier: GPL-2.0-or-later
// The boundary matrix (S2): writes at and around every kind of edge, on an origin of odd size; then
// the whole image must be old, the whole origin new, and exactly the touched chunks copied. A case
// is one write: chunk size x where it begins around an edge x where it ends around the same or a
// later one, at the first, a middle or the last chunk. Cases that share no chunk share a take. Also
// on disks whose sectors are of 4 KiB, with edges around which there is less.

#include "support/loop_device.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <cstdint>
#include <gtest/gtest.h>
#include <iostream>
#include <set>
#include <vector>

using namespace snapdiff::lab;

namespace {

struct Case
{
	uint64_t sector;
	uint64_t count;
};

// The origin: a zone for writes at its beginning, areas for writes anywhere, a zone for writes at
// its end, which is no whole chunk. Writes of different zones touch no chunk in common.
constexpr uint64_t zoneChunks = 4;
constexpr uint64_t areaChunks = 6;
constexpr int64_t oddBlocks = 3;

using Offsets = std::vector<int64_t>;

struct Grid
{
	uint32_t chunk; // sectors of 512 bytes
	uint32_t block; // of the disks, the same; what begins and ends a write
};

class Boundary : public testing::TestWithParam<Grid>
{
protected:
	int64_t chunk() const { return GetParam().chunk; }
	int64_t block() const { return GetParam().block; }
	uint64_t areas() const
	{
		return std::clamp<uint64_t>(8192 / (areaChunks * GetParam().chunk), 2, 64);
	}
	uint64_t chunks() const { return 2 * zoneChunks + areaChunks * areas() + 1; }
	// What is left after the last whole chunk; all of one, where a chunk has so few blocks.
	int64_t odd() const { return std::min(oddBlocks * block(), chunk()); }
	int64_t size() const { return static_cast<int64_t>(chunks() - 1) * chunk() + odd(); }

	// Around a sector, or around a block of the disk if that is more.
	Offsets around(Offsets sectors, Offsets blocks) const
	{
		if (block() == 1)
			return sectors;
		for (int64_t &one : blocks)
			one *= block();
		return blocks;
	}

	// Fewer where every batch copies and compares megabytes.
	Offsets offsets() const
	{
		if (chunk() > 128)
			return around({-8, -1, 0, 1, 8}, {-1, 0, 1});
		return around(
			{-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
			{-1, 0, 1});
	}

	void add(std::vector<Case> &cases, int64_t begin, int64_t end) const
	{
		if (begin >= 0 && end > begin && end <= size())
			cases.push_back(
				{static_cast<uint64_t>(begin), static_cast<uint64_t>(end - begin)});
	}

	// From around the beginning of the device to around the edges of its first chunks.
	std::vector<Case> firstCases() const
	{
		std::vector<Case> cases;
		for (const int64_t begin : around({0, 1, 7}, {0, 1}))
			for (const int64_t edge : {0, 1, 2})
				for (const int64_t tail : around({-8, -1, 0, 1, 8}, {-1, 0, 1}))
					add(cases, begin, edge * chunk() + tail);
		return cases;
	}

	// From around the edges of the last chunks to the end of the device, or nearly.
	std::vector<Case> lastCases() const
	{
		std::vector<Case> cases;
		const int64_t lastEdge = size() - odd();
		for (const int64_t edge : {0, 1, 2})
			for (const int64_t offset : around({-8, -1, 0, 1, 2, 8}, {-1, 0, 1}))
				for (const int64_t tail : around({0, -1, -2}, {0, -1}))
					add(cases, lastEdge - edge * chunk() + offset,
					    size() + tail);
		return cases;
	}

	// Around one edge to around the same or a later one; relative to an area.
	std::vector<Case> middleCases() const
	{
		std::vector<Case> cases;
		for (const int64_t offset : offsets())
			for (const int64_t edges : {0, 1, 2, 3})
				for (const int64_t tail : offsets())
					add(cases, chunk() + offset, (1 + edges) * chunk() + tail);
		for (Case &one : cases)
			one.sector += zoneChunks * GetParam().chunk;
		return cases;
	}

	// What one take is followed by: at most one write in each zone and area.
	std::vector<std::vector<Case>> batches(uint64_t &count) const
	{
		const std::vector<Case> first = firstCases();
		const std::vector<Case> middle = middleCases();
		const std::vector<Case> last = lastCases();
		count = first.size() + middle.size() + last.size();
		std::vector<std::vector<Case>> result;
		for (size_t i = 0;
		     i < first.size() || i < last.size() || i * areas() < middle.size(); ++i) {
			auto &batch = result.emplace_back();
			if (i < first.size())
				batch.push_back(first[i]);
			if (i < last.size())
				batch.push_back(last[i]);
			for (size_t k = 0; k < areas() && i * areas() + k < middle.size(); ++k) {
				batch.push_back(middle[i * areas() + k]);
				batch.back().sector += k * areaChunks * GetParam().chunk;
			}
		}
		return result;
	}

	// All of it, on these devices.
	void tryAll(const std::string &below, const std::string &range)
	{
		const auto sectors = static_cast<uint64_t>(size());
		Store store({.chunk = GetParam().chunk}, {range});
		Origin origin(store, "a", below, 0, sectors);
		Volume data(origin.path(), sectors, 1);
		store.take("s0");
		data.fork("s0");
		Image image(store, "s0", origin);
		uint64_t cases = 0;
		const auto all = batches(cases);
		uint64_t copied = store.status().origin("a").copiedChunks;
		for (size_t i = 0; i < all.size() && !HasFatalFailure(); ++i) {
			const std::string shown = "s" + std::to_string(i);
			const std::string next = "s" + std::to_string(i + 1);
			tryBatch(all[i], store, data, image, shown, copied);
			store.take(next);
			data.fork(next);
			image.show(next);
			store.drop(shown);
			data.forget(shown);
		}
		std::cout << cases << " cases behind " << all.size() << " takes" << std::endl;
		RecordProperty("cases", static_cast<int>(cases));
		// More than 6,900 over all chunk sizes with sectors of 512 bytes.
		EXPECT_GE(cases, block() > 1 ? 49u : chunk() > 128 ? 160u : 1180u);
	}

private:
	void tryBatch(const std::vector<Case> &batch, const Store &store, Volume &data,
		      const Image &image, const std::string &shown, uint64_t &copied)
	{
		std::set<uint64_t> touched;
		for (const Case &one : batch) {
			ASSERT_EQ(data.write(one.sector, one.count), 0);
			const uint64_t last = (one.sector + one.count - 1) / GetParam().chunk;
			for (uint64_t c = one.sector / GetParam().chunk; c <= last; ++c)
				touched.insert(c);
		}
		ASSERT_TRUE(deviceHolds(image.path(), data.at(shown)))
			<< "first write of the batch: " << batch[0].count << " at "
			<< batch[0].sector;
		ASSERT_TRUE(data.isIntact());
		// Exactly the chunks that the writes touched were copied, once each.
		const OriginStatus now = store.checked().origin("a");
		ASSERT_EQ(now.copiedChunks - copied, touched.size());
		ASSERT_EQ(now.unsafeChunks, chunks() - touched.size());
		copied = now.copiedChunks;
	}
};

} // namespace

TEST_P(Boundary, WriteAtEveryKindOfEdgeKeepsTheImageOldAndTheOriginNew)
{
	const auto sectors = static_cast<uint64_t>(size());
	const uint64_t space = 16384 + 2 * chunks() * GetParam().chunk;
	if (block() == 1) {
		const Disk below(0, sectors);
		const Disk range(1, space);
		tryAll(below.number(), rangeWords(range));
	} else {
		constexpr uint64_t sectorBytes = 512;
		const LoopDevice below(sectors * sectorBytes, block() * sectorBytes);
		const LoopDevice range(space * sectorBytes, block() * sectorBytes);
		tryAll(below.path(), range.path() + " 0 " + std::to_string(space) + " 0");
	}
}

namespace {

constexpr uint32_t chunkSizes[] = {8, 16, 32, 64, 128, 512, 2048};

std::vector<Grid> grids(uint32_t block)
{
	std::vector<Grid> all;
	for (const uint32_t chunk : chunkSizes)
		all.push_back({chunk, block});
	return all;
}

std::string nameOf(const testing::TestParamInfo<Grid> &grid)
{
	return std::to_string(grid.param.chunk / 2) + "KiB";
}

} // namespace

INSTANTIATE_TEST_SUITE_P(ChunkSize, Boundary, testing::ValuesIn(grids(1)), nameOf);
INSTANTIATE_TEST_SUITE_P(On4KiBSectors, Boundary, testing::ValuesIn(grids(8)), nameOf);
