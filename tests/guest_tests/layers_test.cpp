// SPDX-License-Identifier: GPL-2.0-or-later
// Many snapshots of one origin: each shows its own past, whichever others are deleted; what nobody
// needs any more comes free, when it may and not before, and is used again.

#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;

std::string nameOf(uint64_t number)
{
	return "s" + std::to_string(number);
}

} // namespace

TEST(Layers, EachOfManySnapshotsShowsItsOwnPast)
{
	constexpr uint64_t sectors = 1024;
	constexpr uint64_t snapshots = 256;
	Random random;
	const Disk below(0, sectors);
	const Disk range(1, 65536);
	Store store({.chunk = chunk, .buffer = 4096}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	std::vector<std::string> live;
	uint64_t copied = 0;
	uint64_t layersWithData = 0;
	for (uint64_t i = 0; i < snapshots; ++i) {
		live.push_back(nameOf(i));
		store.take(live.back());
		data.fork(live.back());
		for (uint64_t writes = random.below(6); writes; --writes) {
			const uint64_t sector = random.below(sectors);
			ASSERT_EQ(data.write(sector,
					     random.between(
						     1, std::min<uint64_t>(24, sectors - sector))),
				  0);
		}
		const uint64_t now = origin.status().copiedChunks;
		layersWithData += now != copied;
		copied = now;
	}
	EXPECT_GE(layersWithData, 200u);
	Image image(store, live.front(), origin);
	for (const std::string &name : live) {
		image.show(name);
		ASSERT_TRUE(deviceHolds(image.path(), data.at(name))) << name;
	}
	// In any order, while somebody writes: those that stay must not change.
	Buffer contents(sectors, 0x5a);
	Writer writer(origin.path(), contents, random(), 2);
	std::shuffle(live.begin(), live.end(), random.engine());
	while (live.size() > 1 && !testing::Test::HasFailure()) {
		const std::string shown = live[random.below(live.size() - 1)];
		const std::string gone = live.back();
		image.show(shown);
		store.drop(gone);
		data.forget(gone);
		live.pop_back();
		if (live.size() % 4 == 0 || live.size() < 8) {
			ASSERT_TRUE(deviceHolds(image.path(), data.at(shown)))
				<< shown << " after " << gone << " was deleted";
		}
	}
	writer.stop();
	EXPECT_EQ(writer.error(), 0);
	std::cout << layersWithData << " layers with data, " << store.checked().summary.used
		  << " sectors used for the last snapshot" << std::endl;
}

namespace {

// Which chunks were first changed between one snapshot and the next: what must be kept.
class Needed
{
public:
	void take(const std::string &name)
	{
		order_.push_back(name);
		changed_[name];
	}

	void write(uint64_t sector, uint64_t count)
	{
		for (uint64_t c = sector / chunk; c <= (sector + count - 1) / chunk; ++c)
			changed_[order_.back()].insert(c);
	}

	// The next older snapshot needs what this one had; the oldest one's goes.
	void drop(const std::string &name)
	{
		const auto at = std::find(order_.begin(), order_.end(), name);
		if (at != order_.begin())
			changed_[*(at - 1)].merge(changed_[name]);
		changed_.erase(name);
		order_.erase(at);
	}

	uint64_t sectors() const
	{
		uint64_t sum = 0;
		for (const auto &[name, chunks] : changed_)
			sum += chunks.size();
		return sum * chunk;
	}

	const std::vector<std::string> &live() const { return order_; }

private:
	std::vector<std::string> order_;
	std::map<std::string, std::set<uint64_t>> changed_;
};

} // namespace

TEST(Layers, LongRunOfTakesAndDeletesUsesNoMoreThanWhatIsNeeded)
{
	constexpr uint64_t sectors = 16384;
	constexpr size_t mostLive = 8;
	Random random;
	std::cout << "seed " << runSeed() << std::endl;
	const uint64_t takes = fullCounts() ? 10000 : 500;
	const Disk below(0, sectors);
	// Far less than all takes together copy: places must be used again.
	const Disk range(1, 65536);
	Store store({.chunk = chunk, .buffer = 2048}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	std::optional<Image> image;
	Needed needed;
	uint64_t most = 0;
	for (uint64_t i = 0; i < takes && !testing::Test::HasFailure(); ++i) {
		const std::string name = nameOf(i);
		store.take(name);
		needed.take(name);
		data.fork(name);
		for (uint64_t writes = 4; writes; --writes) {
			const uint64_t sector = random.below(sectors - 512);
			const uint64_t count = random.between(1, 512);
			ASSERT_EQ(data.write(sector, count), 0);
			needed.write(sector, count);
		}
		while (needed.live().size() > mostLive) {
			const std::string gone = needed.live()[random.below(mostLive)];
			image.reset();
			store.drop(gone);
			needed.drop(gone);
			data.forget(gone);
		}
		if (i % 25)
			continue;
		const uint64_t allowed =
			needed.sectors() + needed.sectors() / 20 + store.options().buffer;
		EXPECT_TRUE(store.waitFor([&](const Summary &now) { return now.used <= allowed; },
					  20000))
			<< store.summary().used << " used, " << needed.sectors() << " needed, take "
			<< i;
		most = std::max(most, store.checked().summary.used);
		const std::string shown = needed.live()[random.below(needed.live().size())];
		if (image)
			image->show(shown);
		else
			image.emplace(store, shown, origin);
		ASSERT_TRUE(deviceHolds(image->path(), data.at(shown))) << shown;
	}
	EXPECT_EQ(store.summary().heldTotal, 0u);
	ASSERT_TRUE(store.waitUntilWritten());
	const uint64_t used = store.checked().summary.used;
	EXPECT_GE(used, needed.sectors());
	EXPECT_LE(used, needed.sectors() + needed.sectors() / 20);
	std::cout << takes << " takes, at most " << most << " sectors used; at the end " << used
		  << " used, " << needed.sectors() << " needed" << std::endl;
}

TEST(Places, AreNotFreeBeforeTheirSegmentIsWritten)
{
	constexpr uint64_t sectors = 2048;
	const Disk below(0, sectors);
	const Disk disk(1, sectors);
	const std::string under = disk.number();
	// Writes take their time to arrive.
	DmDevice slow("slow", "0 " + std::to_string(sectors) + " delay " + under + " 0 0 " + under +
				      " 0 1500");
	Store store({.chunk = chunk}, {slow.number() + " 0 " + std::to_string(sectors) + " 0"});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	ASSERT_EQ(data.write(0, sectors), 0);
	store.drop("s1");
	// All places of the store lie in one segment, which is on its way to the disk.
	int seen = 0;
	for (int i = 0; i < 20; ++i) {
		const StoreStatus now = store.checked();
		if (!now.buffered)
			break;
		++seen;
		ASSERT_EQ(now.summary.free, 0u);
	}
	EXPECT_GT(seen, 0) << "the segment was written before anybody looked: the disk is not slow";
	store.take("s2");
	data.fork("s2");
	ASSERT_EQ(data.write(0, sectors), 0);
	const Image image(store, "s2", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s2")));
	ASSERT_TRUE(store.waitUntilWritten());
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s2")));
	EXPECT_TRUE(data.isIntact());
}
