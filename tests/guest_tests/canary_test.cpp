// SPDX-License-Identifier: GPL-2.0-or-later
// S9, stale data: the store's disk is full of a canary before each life. Whatever happens in it,
// no image shows a canary, and nothing reaches the disk but old data and zeroes.

#include "harness/pattern.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint32_t canaryTag = 0xca9a;
constexpr uint32_t originTag = 7;
constexpr uint64_t rangeSectors = 6144;

// One life on a disk full of canaries.
class Life
{
public:
	Life(Random &random, const Disk &below, const Disk &range, const Buffer &canaries)
		: random_(random), below_(below), range_(range), chunk_(8u << random.below(5)),
		  sectors_(1500 + random.below(500))
	{
		EXPECT_EQ(BlockDevice(range.path()).write(0, canaries), 0);
	}

	void live()
	{
		// An origin that ends inside a chunk, some of whose old data cannot be read.
		DmDevice fragile("fragile", linear(0, sectors_));
		Store store({.chunk = chunk_, .holdMs = 0}, smallRanges());
		{
			Origin origin(store, "a", fragile.number(), 0, sectors_);
			Volume data(origin.path(), sectors_, originTag);
			const uint64_t takes = 1 + random_.below(3);
			for (uint64_t i = 0; i < takes && !testing::Test::HasFailure(); ++i)
				takeAndChange(store, data, fragile, "s" + std::to_string(i));
			compare(store, origin, data);
		}
		expectNothingForeign();
	}

private:
	// A segment never spans two ranges: most are full, and written, before a life is over.
	std::vector<std::string> smallRanges() const
	{
		const uint64_t length = std::max<uint64_t>(8 * chunk_, 128);
		std::vector<std::string> ranges;
		for (uint64_t start = 0; start + length <= range_.sectors(); start += length)
			ranges.push_back(rangeWords(range_, start, length));
		return ranges;
	}

	std::string linear(uint64_t start, uint64_t length) const
	{
		return std::to_string(start) + " " + std::to_string(length) + " linear " +
		       below_.number() + " " + std::to_string(start);
	}

	void takeAndChange(Store &store, Volume &data, const DmDevice &fragile,
			   const std::string &name)
	{
		store.take(name);
		data.fork(name);
		for (uint64_t i = 0; i < 12; ++i) {
			const uint64_t sector = random_.below(sectors_);
			const uint64_t count =
				random_.between(1, std::min<uint64_t>(60, sectors_ - sector));
			if (random_.oneIn(4)) {
				EXPECT_TRUE(data.discard(sector, count));
			} else {
				EXPECT_EQ(data.write(sector, count), 0);
			}
		}
		if (random_.oneIn(2))
			writeBesideBadSectors(data, fragile);
	}

	// Eight sectors cannot be read or written for a moment; writes beside them in their chunk.
	void writeBesideBadSectors(Volume &data, const DmDevice &fragile)
	{
		const uint64_t bad = 8 + random_.below(sectors_ / 8 - 2) * 8;
		fragile.reload(linear(0, bad) + "\n" + std::to_string(bad) + " 8 error\n" +
			       linear(bad + 8, sectors_ - bad - 8));
		EXPECT_EQ(data.write(bad - 1, 1), 0);
		EXPECT_EQ(data.write(bad + 8, 1), 0);
		fragile.reload(linear(0, sectors_));
	}

	// The old data, or an error where it was unreadable or the snapshot ended.
	void compare(Store &store, Origin &origin, const Volume &data) const
	{
		for (const SnapshotStatus &snapshot : store.checked().snapshots) {
			const Image image(store, snapshot.name, origin);
			const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
			uint64_t unreadable = 0;
			uint64_t pieces = 0;
			for (uint64_t sector = 0; sector < sectors_; sector += 8, ++pieces) {
				Buffer memory(std::min<uint64_t>(8, sectors_ - sector));
				if (device.read(sector, memory)) {
					++unreadable;
					continue;
				}
				ASSERT_EQ(memcmp(memory.data(),
						 data.at(snapshot.name).sector(sector),
						 memory.bytes()),
					  0)
					<< snapshot.name << ": sector " << sector << " holds "
					<< describeSector(memory.data());
			}
			// At most two chunks were unreadable after each take.
			EXPECT_LE(unreadable, snapshot.live() ? 3 * 2 * chunk_ / 8 : pieces);
			EXPECT_TRUE(snapshot.live() || unreadable == pieces);
		}
	}

	// What lies on the disk now: canaries nobody touched, old data, or zeroes.
	void expectNothingForeign() const
	{
		Buffer memory(range_.sectors());
		ASSERT_EQ(BlockDevice(range_.path()).read(0, memory), 0);
		for (uint64_t i = 0; i < memory.sectors(); ++i) {
			const std::string what = describeSector(memory.sector(i));
			ASSERT_TRUE(what == "zeroes" || what.rfind("tag ", 0) == 0)
				<< "sector " << i << " of the range holds " << what;
		}
	}

	Random &random_;
	const Disk &below_;
	const Disk &range_;
	uint32_t chunk_;
	uint64_t sectors_;
};

} // namespace

TEST(Canary, IsNeverShownByAnImage)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog dropped(invalidSnapshot);
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	const Disk below(0, 2048);
	const Disk range(1, rangeSectors);
	Buffer canaries(range.sectors());
	fillPattern(canaries, canaryTag, 0, 1);
	const int lives = fullCounts() ? 1000 : 50;
	for (int i = 0; i < lives && !HasFailure(); ++i) {
		SCOPED_TRACE("life " + std::to_string(i));
		Life(random, below, range, canaries).live();
	}
}
