// SPDX-License-Identifier: GPL-2.0-or-later
// The boundary matrix (S2): writes at and around every kind of edge, on an origin of odd size; then
// the whole image must be old, the whole origin new, and exactly the touched chunks copied. A case
// is one write: chunk size x where it begins around an edge x where it ends around the same or a
// later one, at the first, a middle or the last chunk. Cases that share no chunk share a take.

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
constexpr uint64_t oddSectors = 3;

using Offsets = std::vector<int64_t>;

class Boundary : public testing::TestWithParam<uint32_t>
{
protected:
	int64_t chunk() const { return GetParam(); }
	uint64_t areas() const
	{
		return std::clamp<uint64_t>(8192 / (areaChunks * GetParam()), 2, 64);
	}
	uint64_t chunks() const { return 2 * zoneChunks + areaChunks * areas() + 1; }
	int64_t size() const { return static_cast<int64_t>(chunks() - 1) * chunk() + oddSectors; }

	// Fewer where every batch copies and compares megabytes.
	Offsets offsets() const
	{
		if (chunk() > 128)
			return {-8, -1, 0, 1, 8};
		return {-9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
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
		for (const int64_t begin : {0, 1, 7})
			for (const int64_t edge : {0, 1, 2})
				for (const int64_t tail : {-8, -1, 0, 1, 8})
					add(cases, begin, edge * chunk() + tail);
		return cases;
	}

	// From around the edges of the last chunks to the end of the device, or nearly.
	std::vector<Case> lastCases() const
	{
		std::vector<Case> cases;
		const int64_t lastEdge = size() - static_cast<int64_t>(oddSectors);
		for (const int64_t edge : {0, 1, 2})
			for (const int64_t offset : {-8, -1, 0, 1, 2, 8})
				for (const int64_t tail : {0, -1, -2})
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
			one.sector += zoneChunks * GetParam();
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
				batch.back().sector += k * areaChunks * GetParam();
			}
		}
		return result;
	}
};

} // namespace

TEST_P(Boundary, WriteAtEveryKindOfEdgeKeepsTheImageOldAndTheOriginNew)
{
	const auto sectors = static_cast<uint64_t>(size());
	const Disk below(0, sectors);
	const Disk range(1, 16384 + 2 * chunks() * GetParam());
	Store store({.chunk = GetParam()}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s0");
	data.fork("s0");
	Image image(store, "s0", origin);
	uint64_t cases = 0;
	const auto all = batches(cases);
	uint64_t copied = store.status().origin("a").copiedChunks;
	uint64_t takes = 0;
	std::string shown = "s0";
	for (const auto &batch : all) {
		std::set<uint64_t> touched;
		for (const Case &one : batch) {
			ASSERT_EQ(data.write(one.sector, one.count), 0);
			for (uint64_t c = one.sector / GetParam();
			     c <= (one.sector + one.count - 1) / GetParam(); ++c)
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
		const std::string next = "s" + std::to_string(++takes);
		store.take(next);
		data.fork(next);
		image.show(next);
		store.drop(shown);
		data.forget(shown);
		shown = next;
	}
	std::cout << cases << " cases behind " << takes << " takes" << std::endl;
	RecordProperty("cases", static_cast<int>(cases));
	// More than 6,900 over all chunk sizes.
	EXPECT_GE(cases, chunk() > 128 ? 160u : 1180u);
}

INSTANTIATE_TEST_SUITE_P(ChunkSize, Boundary, testing::Values(8, 16, 32, 64, 128, 512, 2048),
			 [](const auto &size) { return std::to_string(size.param / 2) + "KiB"; });
