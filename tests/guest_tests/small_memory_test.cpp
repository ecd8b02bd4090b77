// SPDX-License-Identifier: GPL-2.0-or-later
// In a guest with 256 MiB of memory: a load on four origins loses nothing, and an origin may carry
// the swap space while memory is short. Runs in a guest of its own.

#include "harness/pattern.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;

uint64_t kibOf(const std::string &what)
{
	std::ifstream file("/proc/meminfo");
	std::string word;
	while (file >> word)
		if (word == what + ":") {
			uint64_t kib = 0;
			file >> kib;
			return kib;
		}
	return 0;
}

class SmallMemory : public testing::Test
{
protected:
	void SetUp() override
	{
		if (kibOf("MemTotal") > 300 * 1024)
			GTEST_SKIP() << "the guest has too much memory: tests/guest/run --memory "
					"256M";
		// A task that is blocked for this long ends the guest.
		std::ofstream("/proc/sys/kernel/hung_task_timeout_secs") << 30;
	}
};

// A process that uses more memory than there is: page after page, each of which says where it is
// and how often it was written.
class Hungry
{
public:
	Hungry(uint64_t bytes, int seconds)
	{
		pid_ = fork();
		if (pid_ == 0)
			_exit(eat(bytes, seconds));
	}
	~Hungry()
	{
		if (pid_ > 0)
			kill(pid_, SIGKILL);
		finish();
	}

	bool hasEnded()
	{
		if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_)
			pid_ = -1;
		return pid_ < 0;
	}
	// 0: every page was as it was left.
	int finish()
	{
		if (pid_ > 0)
			waitpid(pid_, &status_, 0);
		pid_ = -1;
		return status_;
	}

private:
	static int eat(uint64_t bytes, int seconds)
	{
		constexpr uint64_t page = 4096;
		const uint64_t pages = bytes / page;
		void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory == MAP_FAILED)
			return 2;
		auto *words = static_cast<uint64_t *>(memory);
		std::mt19937_64 engine(pages);
		const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
		for (uint64_t n = 0; std::chrono::steady_clock::now() < until; ++n) {
			// Once through all of them, then anywhere.
			const uint64_t at = n < pages ? n : engine() % pages;
			uint64_t *of = words + at * (page / sizeof(uint64_t));
			if (n >= pages && (of[0] != at || of[100] != of[511]))
				return 3;
			of[0] = at;
			of[100] = of[511] = n;
		}
		return 0;
	}

	pid_t pid_ = -1;
	int status_ = -1;
};

// Every sector from the first one on is as fillPattern() made it.
testing::AssertionResult isPattern(const std::string &path, uint32_t tag, uint64_t first)
{
	const BlockDevice device(path, BlockDevice::Mode::ReadOnly);
	Buffer piece(2048);
	for (uint64_t sector = first; sector + piece.sectors() <= device.sectors();
	     sector += piece.sectors()) {
		if (const int error = device.read(sector, piece))
			return testing::AssertionFailure() << sector << ": " << strerror(error);
		auto result = holdsPattern(piece, tag, sector, 1);
		if (!result)
			return result;
	}
	return testing::AssertionSuccess();
}

} // namespace

TEST_F(SmallMemory, FourOriginsUnderLoadLoseNothing)
{
	constexpr uint64_t sectors = 6000;
	constexpr int origins = 4;
	std::cout << "seed " << runSeed() << ", " << kibOf("MemAvailable") << " KiB available"
		  << std::endl;
	const Disk range(3, 1 << 21);
	// Buffers of 512 MiB are allowed: memory is the limit, not this number.
	Store store({.chunk = chunk, .buffer = 1 << 20}, {rangeWords(range)});
	std::vector<Disk> below;
	std::vector<std::unique_ptr<Origin>> live;
	std::vector<std::unique_ptr<Volume>> data;
	for (int i = 0; i < origins; ++i) {
		below.emplace_back(i % 3, sectors);
		live.push_back(
			std::make_unique<Origin>(store, "o" + std::to_string(i), below.back()));
		data.push_back(std::make_unique<Volume>(live.back()->path(), sectors, i + 1));
	}
	// One more takes the memory: much more is copied than memory can hold, over and over.
	const Disk floodBelow(2, 1 << 19);
	Origin flood(store, "flood", floodBelow);
	std::atomic<bool> stop = false;
	std::atomic<uint64_t> flooded = 0;
	std::thread flooder([&] {
		const BlockDevice device(flood.path());
		const Buffer memory(512);
		for (uint64_t n = 0; !stop.load(); ++n) {
			EXPECT_EQ(device.write(n * 512 % floodBelow.sectors(), memory), 0);
			++flooded;
		}
	});
	const int rounds = fullCounts() ? 60 : 3;
	uint64_t mostBuffered = 0;
	for (int round = 0; round < rounds && !HasFailure(); ++round) {
		const std::string name = "s" + std::to_string(round);
		store.take(name);
		std::vector<std::thread> threads;
		std::vector<std::unique_ptr<Image>> images;
		for (int i = 0; i < origins; ++i) {
			data[i]->fork(name);
			images.push_back(std::make_unique<Image>(store, name, *live[i]));
			threads.emplace_back([&, i] {
				Random random(round * origins + i);
				RandomLoad load(random, {.depth = 8, .imageReadsPerWrite = 20});
				load.addImage(images[i]->path(), data[i]->at(name));
				load.run(*data[i], 300);
			});
		}
		for (std::thread &thread : threads)
			thread.join();
		mostBuffered = std::max(mostBuffered, store.checked().buffered);
		for (int i = 0; i < origins; ++i) {
			EXPECT_TRUE(deviceHolds(images[i]->path(), data[i]->at(name)));
			EXPECT_TRUE(data[i]->isIntact());
			data[i]->forget(name);
		}
		images.clear();
		store.drop(name);
	}
	stop.store(true);
	flooder.join();
	std::cout << store.status().origins.back().copiedChunks << " chunks of the flood, "
		  << flooded.load() << " writes, " << mostBuffered << " sectors buffered, "
		  << kibOf("MemAvailable") << " KiB available" << std::endl;
}

TEST_F(SmallMemory, SwapOnASnapshottedOriginGoesOnUnderPressure)
{
	constexpr uint64_t sectors = 1 << 20; // 512 MiB
	const int seconds = fullCounts() ? 300 : 40;
	const Disk below(0, sectors);
	const Disk range(1, 3 << 20);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "swap", below);
	{
		const BlockDevice device(origin.path());
		Buffer piece(2048);
		for (uint64_t sector = 0; sector < sectors; sector += piece.sectors()) {
			fillPattern(piece, 1, sector, 1);
			ASSERT_EQ(device.write(sector, piece), 0);
		}
	}
	store.take("before");
	ASSERT_EQ(system(("mkswap " + origin.path() + " >/dev/null").c_str()), 0);
	ASSERT_EQ(swapon(origin.path().c_str(), 0), 0) << strerror(errno);
	uint64_t most = 0;
	int takes = 0;
	{
		Hungry hungry((kibOf("MemAvailable") + 100 * 1024) * 1024, seconds);
		while (!hungry.hasEnded()) {
			std::this_thread::sleep_for(std::chrono::milliseconds(1500));
			most = std::max(most, kibOf("SwapTotal") - kibOf("SwapFree"));
			// All that is swapped out from here on is copied first.
			const std::string name = "t" + std::to_string(++takes);
			store.take(name);
			if (takes > 1)
				store.drop("t" + std::to_string(takes - 1));
		}
		EXPECT_EQ(hungry.finish(), 0) << "memory came back changed, or not at all";
	}
	const OriginStatus now = store.checked().origin("swap");
	std::cout << most / 1024 << " MiB swapped out at most, " << takes << " takes, "
		  << now.copiedChunks << " chunks copied" << std::endl;
	EXPECT_GT(most, 32u * 1024) << "memory was not short";
	EXPECT_GT(now.copiedChunks, most / 4);
	ASSERT_EQ(swapoff(origin.path().c_str()), 0) << strerror(errno);
	EXPECT_TRUE(store.checked().snapshot("before").live());
	const Image image(store, "before", origin);
	EXPECT_TRUE(isPattern(image.path(), 1, 0));
}
