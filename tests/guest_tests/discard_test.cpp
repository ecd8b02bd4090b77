// SPDX-License-Identifier: GPL-2.0-or-later
// Discards and write-zeroes of a whole origin, however large: the image stays right, memory stays
// bounded. Writes that must not wait.

#include "harness/pattern.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <sys/uio.h>
#include <thread>
#include <unistd.h>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;

// Memory that could be had at once, in KiB.
uint64_t availableMemory()
{
	std::ifstream file("/proc/meminfo");
	std::string word;
	while (file >> word)
		if (word == "MemAvailable:") {
			uint64_t kib = 0;
			file >> kib;
			return kib;
		}
	return 0;
}

// The least memory and the most buffered sectors that were seen while it lived.
class MemoryWatch
{
public:
	explicit MemoryWatch(const Store &store)
		: before_(availableMemory()), least_(before_), thread_([this, &store] {
			  while (!stop_.load()) {
				  least_ = std::min(least_, availableMemory());
				  most_ = std::max(most_, store.status().buffered);
				  usleep(20000);
			  }
		  })
	{
	}
	~MemoryWatch() { end(); }
	void end()
	{
		stop_.store(true);
		if (thread_.joinable())
			thread_.join();
	}
	// After end().
	uint64_t takenMib() const { return (before_ - std::min(before_, least_)) / 1024; }
	uint64_t mostBuffered() const { return most_; }

private:
	uint64_t before_;
	uint64_t least_;
	uint64_t most_ = 0;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
};

} // namespace

TEST(Discard, OfWhatIsNotSafeDoesNotReachTheOrigin)
{
	constexpr uint64_t sectors = 16384;
	const Disk below(0, sectors);
	const Disk range(1, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin);
	ASSERT_EQ(data.write(4000, 3000), 0); // safe from here on
	const uint64_t copied = origin.status().copiedChunks;
	ASSERT_TRUE(data.discard(3, 5000));
	ASSERT_TRUE(data.discard(0, sectors));
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
	EXPECT_EQ(origin.status().copiedChunks, copied) << "an ignored discard copies nothing";
	// What was not safe still holds what it held: the discard did not reach it.
	Buffer memory(chunk);
	ASSERT_EQ(data.device().read(8000, memory), 0);
	EXPECT_EQ(memcmp(memory.data(), data.at("s1").sector(8000), memory.bytes()), 0);
}

TEST(Discard, ThatCopiesFirstReachesAllOfTheOrigin)
{
	constexpr uint64_t sectors = 16384;
	const Disk below(0, sectors);
	const Disk range(1, 2 * sectors);
	Store store({.chunk = chunk, .features = "discard=copy"}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin);
	ASSERT_TRUE(data.discard(0, sectors));
	EXPECT_EQ(origin.status().unsafeChunks, 0u);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}

// A sparse origin with some data at places spread over it; most of what is copied is zeroes.
TEST(Discard, AndWriteZeroesOfAHugeOriginKeepMemoryBounded)
{
	const uint64_t sectors = (fullCounts() ? uint64_t(16) : uint64_t(1)) << 21;
	constexpr uint64_t pieces = 16;
	constexpr uint64_t piece = 256;
	constexpr uint64_t limit = 16384; // 8 MiB of buffer
	if (diskCount() < 5)
		GTEST_SKIP() << "needs a fifth disk with 40 GiB: tests/guest/run --disk ...";
	const Disk below(4, sectors);
	const Disk range(4, sectors + 4096);
	// Sparse: what an earlier run left there must not take the host's memory.
	ASSERT_EQ(BlockDevice(below.path()).discard(0, sectors), 0);
	Store store({.chunk = 128, .buffer = limit}, {rangeWords(range)});
	Origin origin(store, "a", below);
	const BlockDevice device(origin.path());
	Buffer data(piece);
	for (uint64_t i = 0; i < pieces; ++i) {
		fillPattern(data, 1, i * (sectors / pieces), 1);
		ASSERT_EQ(device.write(i * (sectors / pieces), data), 0);
	}
	store.take("s1");
	const Image image(store, "s1", origin);
	const BlockDevice past(image.path(), BlockDevice::Mode::ReadOnly);
	const auto expectImage = [&] {
		Buffer behind(8);
		const Buffer zeroes(8);
		for (uint64_t i = 0; i < pieces; ++i) {
			const uint64_t sector = i * (sectors / pieces);
			ASSERT_EQ(past.read(sector, data), 0);
			EXPECT_TRUE(holdsPattern(data, 1, sector, 1));
			ASSERT_EQ(past.read(sector + piece, behind), 0);
			EXPECT_TRUE(behind == zeroes) << sector + piece;
		}
	};
	MemoryWatch watch(store);
	ASSERT_EQ(device.discard(0, sectors), 0);
	EXPECT_EQ(origin.status().copiedChunks, 0u);
	expectImage();
	ASSERT_EQ(device.writeZeroes(0, sectors), 0);
	watch.end();
	EXPECT_EQ(origin.status().unsafeChunks, 0u);
	EXPECT_EQ(store.checked().summary.heldTotal, 0u);
	expectImage();
	ASSERT_EQ(device.read(0, data), 0);
	EXPECT_TRUE(data == Buffer(piece));
	EXPECT_LE(watch.mostBuffered(), limit + 2048);
	// Buffers, the map (at most 64 bytes a chunk) and what the rest of the guest does.
	EXPECT_LE(watch.takenMib(), 64 + (sectors / 128) * 64 / (1 << 20));
	std::cout << (sectors >> 21) << " GiB, " << watch.takenMib() << " MiB less memory, at most "
		  << watch.mostBuffered() << " sectors buffered" << std::endl;
	ASSERT_EQ(device.discard(0, sectors), 0);
	ASSERT_EQ(BlockDevice(below.path()).discard(0, sectors), 0);
}

TEST(NoWait, WriteThatNeedsACopyIsAnsweredAgainAndOneThatNeedsNonePasses)
{
	constexpr uint64_t sectors = 2048;
	const Disk below(0, sectors);
	const Disk range(1, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", below);
	Volume data(origin.path(), sectors, 1);
	const auto writeNow = [&](uint64_t sector, uint64_t count) {
		Buffer memory(count);
		memcpy(memory.data(), data.now().sector(sector), memory.bytes());
		const iovec one = {.iov_base = memory.data(), .iov_len = memory.bytes()};
		const ssize_t put = pwritev2(data.device().fd(), &one, 1,
					     static_cast<off_t>(sector * sectorSize), RWF_NOWAIT);
		return put < 0 ? errno : 0;
	};
	// Device-mapper may refuse NOWAIT altogether for this disk: then there is nothing to see.
	if (writeNow(0, 8) == EOPNOTSUPP)
		GTEST_SKIP() << "the disk below does not take writes that must not wait";
	EXPECT_EQ(writeNow(0, 8), 0) << "no snapshot";
	store.take("s1");
	data.fork("s1");
	const uint64_t copied = origin.status().copiedChunks;
	EXPECT_EQ(writeNow(64, 8), EAGAIN) << "needs a copy";
	EXPECT_EQ(origin.status().copiedChunks, copied);
	ASSERT_EQ(data.write(64, 8), 0);
	EXPECT_EQ(writeNow(64, 8), 0) << "safe";
	EXPECT_EQ(writeNow(60, 8), EAGAIN) << "partly safe";
	const Image image(store, "s1", origin);
	EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	EXPECT_TRUE(data.isIntact());
}
