// SPDX-License-Identifier: GPL-2.0-or-later
// Bounded memory: a store with the smallest buffer loses nothing, an origin with one writer is not
// starved by one with many, and what is used is in the status and comes back.

#include "support/async_io.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t smallest = 2048; // 1 MiB

// The most buffered sectors that the status ever told.
class BufferWatch
{
public:
	explicit BufferWatch(const Store &store)
		: thread_([this, &store] {
			  while (!stop_.load()) {
				  most_.store(std::max(most_.load(), store.status().buffered));
				  usleep(2000);
			  }
		  })
	{
	}
	~BufferWatch()
	{
		stop_.store(true);
		thread_.join();
	}
	uint64_t most() const { return most_.load(); }

private:
	std::atomic<uint64_t> most_ = 0;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
};

class SmallestBuffer : public testing::TestWithParam<uint32_t>
{
};

// A device whose writes take so many milliseconds.
std::string slowTable(const Disk &disk, unsigned ms)
{
	return "0 " + std::to_string(disk.sectors()) + " delay " + disk.number() + " 0 0 " +
	       disk.number() + " 0 " + std::to_string(ms);
}

} // namespace

TEST_P(SmallestBuffer, LosesNothingOfFourOriginsUnderLoad)
{
	constexpr uint64_t sectors = 16384;
	constexpr int origins = 4;
	std::cout << "seed " << runSeed() << std::endl;
	const Disk range(3, 8 * origins * sectors);
	Store store({.chunk = GetParam(), .buffer = smallest}, {rangeWords(range)});
	std::vector<Disk> below;
	std::vector<std::unique_ptr<Origin>> live;
	std::vector<std::unique_ptr<Volume>> data;
	for (int i = 0; i < origins; ++i) {
		below.emplace_back(i % 3, sectors);
		live.push_back(
			std::make_unique<Origin>(store, "o" + std::to_string(i), below.back()));
		data.push_back(std::make_unique<Volume>(live.back()->path(), sectors, i + 1));
	}
	const BufferWatch watch(store);
	const int rounds = fullCounts() ? 40 : 3;
	for (int round = 0; round < rounds && !HasFailure(); ++round) {
		const std::string name = "s" + std::to_string(round);
		store.take(name);
		std::vector<std::unique_ptr<Image>> images;
		std::vector<std::thread> threads;
		for (int i = 0; i < origins; ++i) {
			data[i]->fork(name);
			images.push_back(std::make_unique<Image>(store, name, *live[i]));
			threads.emplace_back([&, i] {
				Random random(round * origins + i);
				RandomLoad load(random,
						{.longest = 3000, .imageReadsPerWrite = 20});
				load.addImage(images[i]->path(), data[i]->at(name));
				load.run(*data[i], 150);
			});
		}
		for (std::thread &thread : threads)
			thread.join();
		for (int i = 0; i < origins; ++i) {
			EXPECT_TRUE(deviceHolds(images[i]->path(), data[i]->at(name)));
			EXPECT_TRUE(data[i]->isIntact());
			data[i]->forget("s" + std::to_string(round - 2));
		}
		images.clear();
		if (round > 1)
			store.drop("s" + std::to_string(round - 2));
	}
	EXPECT_GT(watch.most(), 0u);
	EXPECT_LE(watch.most(), smallest);
	EXPECT_EQ(store.checked().summary.heldTotal, 0u);
}

INSTANTIATE_TEST_SUITE_P(ChunkSize, SmallestBuffer, testing::Values(8, 2048),
			 [](const auto &size) { return std::to_string(size.param / 2) + "KiB"; });

// The range is slow, so that writers queue for buffers: 64 of one origin, each for an eighth of a
// segment, and one of another.
TEST(Fairness, OfBuffersLetsAnOriginWithOneWriterGoOnBesideOneWithSixtyFour)
{
	constexpr unsigned many = 64;
	constexpr uint64_t big = 256;
	constexpr uint64_t busySectors = 262144;
	constexpr uint64_t quietSectors = 65536;
	const Disk busyBelow(0, busySectors);
	const Disk quietBelow(1, quietSectors);
	const Disk range(2, 2 * (busySectors + quietSectors));
	const DmDevice slow("slow", slowTable(range, 30));
	Store store({.chunk = 8, .buffer = 2 * smallest},
		    {slow.number() + " 0 " + std::to_string(range.sectors()) + " 0"});
	Origin busy(store, "busy", busyBelow);
	Origin quiet(store, "quiet", quietBelow);
	store.take("s1");

	std::atomic<bool> stop = false;
	std::atomic<uint64_t> quietDone = 0;
	std::atomic<int64_t> longestMs = 0;
	std::thread writer([&] {
		const BlockDevice device(quiet.path());
		const Buffer memory(8);
		for (uint64_t n = 0; !stop.load() && n < quietSectors / 8; ++n) {
			const auto begun = std::chrono::steady_clock::now();
			EXPECT_EQ(device.write(n * 8, memory), 0);
			const auto took = std::chrono::steady_clock::now() - begun;
			longestMs = std::max<int64_t>(
				longestMs,
				std::chrono::duration_cast<std::chrono::milliseconds>(took)
					.count());
			++quietDone;
		}
	});
	const BlockDevice device(busy.path());
	const Buffer memory(big);
	AsyncIo io(many);
	uint64_t busyDone = 0;
	for (uint64_t next = 0; next < busySectors || io.inFlight();) {
		for (; next < busySectors && io.hasRoom(); next += big)
			io.write(device.fd(), next, memory.data(), big, 0);
		for (const IoDone &done : io.wait()) {
			EXPECT_EQ(done.error, 0);
			++busyDone;
		}
	}
	const uint64_t meanwhile = quietDone.load();
	stop.store(true);
	writer.join();
	const uint64_t segments = busySectors / smallest;
	std::cout << busyDone << " writes in " << segments << " segments; the other origin's one "
		  << "writer: " << meanwhile << ", the longest took " << longestMs.load() << " ms"
		  << std::endl;
	// A turn of its own for each segment, or nearly, whatever the number of the others.
	EXPECT_GE(meanwhile, segments / 2);
}

namespace {

// Once no more than @atMost sectors are buffered: what was full is being written.
StoreStatus settledBuffers(const Store &store, uint64_t atMost)
{
	StoreStatus now = store.checked();
	for (int i = 0; i < 1500 && now.buffered > atMost; ++i) {
		usleep(10000);
		now = store.checked();
	}
	return now;
}

} // namespace

// What a writeback after a take brings: first writes far beyond what the buffer holds, all at once.
TEST(Fairness, TensOfThousandsOfFirstWritesWaitInLineAndAllEnd)
{
	constexpr uint64_t chunk = 8;
	constexpr unsigned writes = 20000;
	const Disk below(0, writes * chunk);
	const Disk range(1, 2 * writes * chunk);
	Store store({.chunk = chunk, .buffer = 2 * smallest}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), writes * chunk, 1);
	store.take("s");
	data.fork("s");
	// In an order that is none of the disk's.
	std::vector<unsigned> order(writes);
	for (unsigned i = 0; i < writes; ++i)
		order[i] = (i * 7919U) % writes;
	const auto begun = std::chrono::steady_clock::now();
	AsyncIo io(writes);
	const BlockDevice device(origin.path());
	for (const unsigned at : order)
		io.write(device.fd(), at * chunk, data.change(at * chunk, chunk), chunk, at);
	io.submit();
	unsigned ended = 0;
	while (ended < writes)
		for (const IoDone &one : io.wait()) {
			EXPECT_EQ(one.error, 0) << "write to chunk " << one.cookie;
			++ended;
		}
	const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
	std::cout << writes << " first writes at once: " << took.count() << " s" << std::endl;
	const StoreStatus now = store.checked();
	EXPECT_TRUE(now.snapshot("s").live());
	EXPECT_EQ(now.summary.heldTotal, 0u) << "there was always a place";
	EXPECT_EQ(now.origin("a").copiedChunks, writes);
	const Image image(store, "s", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s")));
	EXPECT_TRUE(data.isIntact());
}

TEST(MemoryUsed, IsInTheStatusAndComesBack)
{
	constexpr uint64_t sectors = 65536;
	constexpr uint64_t segment = 2048;
	constexpr uint64_t perSegment = segment / 8;
	const Disk below(0, sectors);
	const Disk range(1, 3 * sectors);
	Store store({.chunk = 8}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s0");
	store.drop("s0");
	const uint64_t before = store.status().memory;
	EXPECT_GT(before, 0u);
	for (int round = 0; round < 3; ++round) {
		store.take("s1");
		store.take("s2");
		// Scattered, so that each costs a record; not a whole number of segments.
		uint64_t copies = 0;
		for (uint64_t sector = 0; sector < sectors; sector += 40, ++copies)
			ASSERT_EQ(data.write(sector, 1), 0);
		ASSERT_NE(copies % perSegment, 0u);
		const StoreStatus now = settledBuffers(store, segment);
		EXPECT_EQ(now.buffered, segment);
		EXPECT_GE(now.memory, before + now.buffered * sectorSize);
		for (uint64_t sector = 16; copies % perSegment; sector += 40, ++copies)
			ASSERT_EQ(data.write(sector, 1), 0);
		EXPECT_EQ(settledBuffers(store, 0).buffered, 0u);
		const uint64_t settled = store.status().memory;
		EXPECT_LT(settled, now.memory);
		EXPECT_GE(settled, before + sectors / 40 * 8)
			<< "at least a word for each exception";
		store.drop("s1");
		store.drop("s2");
		uint64_t after = store.status().memory;
		for (int i = 0; i < 300 && after > before + 4096; ++i) {
			usleep(10000);
			after = store.status().memory;
		}
		std::cout << before << " bytes, " << now.memory << " with buffers, " << settled
			  << " without, " << after << " at the end" << std::endl;
		EXPECT_LE(after, before + 4096);
	}
}
