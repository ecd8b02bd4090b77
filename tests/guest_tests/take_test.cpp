// SPDX-License-Identifier: GPL-2.0-or-later
// A take is one instant for all its origins: causal pairs are never torn, and a take that cannot
// be had within its time leaves everything as it was.

#include "harness/patience.h"
#include "harness/pattern.h"
#include "support/async_io.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t slots = 12;
constexpr unsigned writers = 3;
constexpr uint64_t originSectors = writers * slots * chunk;

// Writes records 1, 2, 3... to the origins in turn, each only after the one before has completed.
// Record n stands in one slot of origin n % origins; slots are used again and again.
class RecordWriter
{
public:
	RecordWriter(unsigned number, std::vector<const BlockDevice *> origins)
		: number_(number), origins_(std::move(origins))
	{
	}

	void run(const std::atomic<bool> &stop, const std::atomic<bool> &rest)
	{
		Buffer record(1);
		for (uint64_t n = 1; !stop.load(); ++n) {
			rest.wait(true);
			const uint64_t sector = sectorOf(n);
			fillSector(record.data(), {number_, sector, n});
			issued_.store(n);
			const int error = origins_[originOf(n)]->write(sector, record);
			if (error) {
				error_.store(error);
				return;
			}
			acknowledged_.store(n);
		}
	}

	uint64_t issued() const { return issued_.load(); }
	uint64_t acknowledged() const { return acknowledged_.load(); }
	int error() const { return error_.load(); }

	// Is this what the origins held after some record between the two? images: one per origin.
	testing::AssertionResult judge(const std::vector<Buffer> &images, uint64_t atLeast,
				       uint64_t atMost) const
	{
		const uint64_t last = newestIn(images);
		if (last < atLeast)
			return testing::AssertionFailure()
			       << "writer " << number_ << ": record " << atLeast
			       << " was acknowledged before the take, the newest in it is " << last;
		if (last > atMost)
			return testing::AssertionFailure()
			       << "writer " << number_ << ": record " << last
			       << " was issued after the take, which returned at " << atMost;
		// Every slot must hold the newest record not after the last one.
		const uint64_t records = slots * origins_.size();
		const uint64_t first = last > records ? last - records + 1 : 1;
		for (uint64_t n = first; n <= last; ++n) {
			auto result = sectorIs(images[originOf(n)].sector(sectorOf(n)),
					       {number_, sectorOf(n), n});
			if (!result)
				return result << " though record " << last << " is there: torn";
		}
		return testing::AssertionSuccess();
	}

private:
	size_t originOf(uint64_t n) const { return n % origins_.size(); }
	uint64_t sectorOf(uint64_t n) const
	{
		return (number_ * slots + n / origins_.size() % slots) * chunk + n % chunk / 2;
	}

	uint64_t newestIn(const std::vector<Buffer> &images) const
	{
		uint64_t newest = 0;
		for (const Buffer &image : images)
			for (uint64_t s = number_ * slots * chunk;
			     s < (number_ + 1) * slots * chunk; ++s) {
				uint64_t words[4];
				memcpy(words, image.sector(s), sizeof(words));
				if (words[1] == number_ && words[2] == s)
					newest = std::max(newest, words[3]);
			}
		return newest;
	}

	unsigned number_;
	std::vector<const BlockDevice *> origins_;
	std::atomic<uint64_t> issued_ = 0;
	std::atomic<uint64_t> acknowledged_ = 0;
	std::atomic<int> error_ = 0;
};

// A store with some origins and writers going on until the end.
class Causal
{
public:
	explicit Causal(size_t origins) : range_(1, 65536)
	{
		store_.emplace(StoreOptions{.chunk = chunk},
			       std::vector<std::string>{rangeWords(range_)});
		std::vector<const BlockDevice *> all;
		for (size_t i = 0; i < origins; ++i) {
			below_.push_back(
				std::make_unique<Disk>(static_cast<int>(i % 4), originSectors));
			below_.back()->zero();
			origins_.push_back(std::make_unique<Origin>(
				*store_, "o" + std::to_string(i), *below_.back()));
			live_.push_back(std::make_unique<BlockDevice>(origins_.back()->path()));
			all.push_back(live_.back().get());
		}
		for (unsigned i = 0; i < writers; ++i)
			writers_.push_back(std::make_unique<RecordWriter>(i, all));
		for (auto &writer : writers_)
			threads_.emplace_back([this, &writer] { writer->run(stop_, rest_); });
	}

	~Causal() { stop(); }

	void stop()
	{
		stop_.store(true);
		letRest(false);
		for (std::thread &thread : threads_)
			thread.join();
		threads_.clear();
	}

	// One take, judged, and deleted again.
	void takeAndJudge(uint64_t number)
	{
		const std::string name = "t" + std::to_string(number);
		letRest(false);
		std::this_thread::sleep_for(std::chrono::milliseconds(3));
		std::vector<uint64_t> before;
		for (auto &writer : writers_)
			before.push_back(writer->acknowledged());
		store_->take(name);
		std::vector<uint64_t> after;
		for (auto &writer : writers_)
			after.push_back(writer->issued());
		letRest(true);
		const std::vector<Buffer> images = readImages(name);
		for (size_t i = 0; i < writers_.size(); ++i) {
			EXPECT_TRUE(writers_[i]->judge(images, before[i], after[i])) << name;
			EXPECT_EQ(writers_[i]->error(), 0);
		}
		if (number > 1)
			store_->drop("t" + std::to_string(number - 1));
	}

	uint64_t records() const
	{
		uint64_t sum = 0;
		for (auto &writer : writers_)
			sum += writer->acknowledged();
		return sum;
	}

private:
	std::vector<Buffer> readImages(const std::string &name)
	{
		std::vector<Buffer> contents;
		for (size_t i = 0; i < origins_.size(); ++i) {
			// The devices are made once: showing another snapshot costs less.
			if (i == images_.size())
				images_.push_back(
					std::make_unique<Image>(*store_, name, *origins_[i]));
			else
				images_[i]->show(name);
			contents.emplace_back(originSectors);
			EXPECT_EQ(BlockDevice(images_[i]->path(), BlockDevice::Mode::ReadOnly)
					  .read(0, contents.back()),
				  0);
		}
		return contents;
	}

	// Writers rest while images are read, so that the takes get the processors.
	void letRest(bool rest)
	{
		rest_.store(rest);
		rest_.notify_all();
	}

	Disk range_;
	std::optional<Store> store_;
	std::vector<std::unique_ptr<Disk>> below_;
	std::vector<std::unique_ptr<Origin>> origins_;
	std::vector<std::unique_ptr<Image>> images_;
	std::vector<std::unique_ptr<BlockDevice>> live_;
	std::vector<std::unique_ptr<RecordWriter>> writers_;
	std::vector<std::thread> threads_;
	std::atomic<bool> stop_ = false;
	std::atomic<bool> rest_ = false;
};

void takeManyTimes(size_t origins, uint64_t takes)
{
	if (fullCounts())
		takes *= 20;
	Causal causal(origins);
	const auto begun = std::chrono::steady_clock::now();
	for (uint64_t i = 1; i <= takes && !testing::Test::HasFailure(); ++i)
		causal.takeAndJudge(i);
	causal.stop();
	std::cout << takes << " takes of " << origins << " origins, " << causal.records()
		  << " records, "
		  << std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count()
		  << " s" << std::endl;
}

} // namespace

TEST(Take, OfTwoOriginsNeverTearsCausalPairs)
{
	takeManyTimes(2, 340);
}

TEST(Take, OfThreeOriginsNeverTearsCausalPairs)
{
	takeManyTimes(3, 80);
}

TEST(Take, OfFiveOriginsNeverTearsCausalPairs)
{
	takeManyTimes(5, 50);
}

TEST(Take, OfEightOriginsNeverTearsCausalPairs)
{
	takeManyTimes(8, 30);
}

TEST(Take, ThatCannotDrainInTimeChangesNothing)
{
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	const Disk disk(0, originSectors);
	const Disk other(1, originSectors);
	const Disk range(2, 16384);
	DmDevice hanging("hanging",
			 "0 " + std::to_string(originSectors) + " linear " + disk.number() + " 0");
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin slow(store, "slow", hanging.number(), 0, originSectors);
	Origin quick(store, "quick", other);
	Volume slowData(slow.path(), originSectors, 1);
	Volume quickData(quick.path(), originSectors, 2);
	ASSERT_EQ(hanging.suspend(DmDevice::Suspend::NoFlush), 0);
	auto stuck = slowData.start(0, 16);
	std::this_thread::sleep_for(std::chrono::milliseconds(100));
	const std::string table = store.device().table();
	const Summary before = store.summary();
	for (const char *origins : {"slow", "slow quick", "quick slow", "*"}) {
		const auto begun = std::chrono::steady_clock::now();
		EXPECT_EQ(store.send(std::string("take s1 300 ") + origins).error, ETIMEDOUT);
		const auto took = std::chrono::steady_clock::now() - begun;
		EXPECT_GE(took, std::chrono::milliseconds(250));
		EXPECT_LT(took, std::chrono::seconds(5 * patience()));
		EXPECT_EQ(quickData.write(0, 64), 0) << "writes go on";
	}
	const StoreStatus now = store.checked();
	EXPECT_TRUE(now.snapshots.empty());
	EXPECT_EQ(now.summary.seq, before.seq);
	EXPECT_EQ(now.summary.used, 0u);
	EXPECT_EQ(store.device().table(), table);
	store.take("s0", "quick");
	ASSERT_EQ(hanging.resume(), 0);
	EXPECT_EQ(stuck.get(), 0);
	store.take("s1");
	slowData.fork("s1");
	ASSERT_EQ(slowData.write(5, 100), 0);
	const Image image(store, "s1", slow);
	EXPECT_TRUE(deviceHolds(image.path(), slowData.at("s1")));
}

TEST(Take, OfASuspendedOriginIsRefused)
{
	ExpectKernelLog refused(refusedMessage, Appearance::Must);
	const Disk first(0, originSectors);
	const Disk second(1, originSectors);
	const Disk range(2, 16384);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin a(store, "a", first);
	Origin b(store, "b", second);
	ASSERT_EQ(a.device().suspend(), 0);
	EXPECT_EQ(store.send("take s1 500 a").error, EBUSY);
	EXPECT_EQ(store.send("take s1 500 b a").error, EBUSY);
	EXPECT_TRUE(store.checked().snapshots.empty());
	ASSERT_EQ(a.device().resume(), 0);
	store.take("s1");
	EXPECT_EQ(store.checked().snapshot("s1").origins.size(), 2u);
	store.take("s2", "b");
	EXPECT_EQ(store.checked().snapshot("s2").origins.size(), 1u);
}

// Below the origin writes are slow: while one is under way, a take has closed the gate and waits.
TEST(Take, WriteThatWaitedAtTheGateIsCopiedForTheNewSnapshot)
{
	const Disk disk(0, originSectors);
	const Disk range(2, 16384);
	const std::string under = disk.number();
	DmDevice slow("slow", "0 " + std::to_string(originSectors) + " delay " + under + " 0 0 " +
				      under + " 0 2500");
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", slow.number(), 0, originSectors);
	Volume data(origin.path(), originSectors, 1);
	bool waited = false;
	// On a very busy machine the gate may close too late for the write: then try again.
	for (int round = 0; round < 3 && !waited; ++round) {
		const std::string before = "before" + std::to_string(round);
		const std::string after = "after" + std::to_string(round);
		store.take(before);
		ASSERT_EQ(data.write(0, 8), 0);
		auto inFlight = data.start(0, 8);
		std::this_thread::sleep_for(std::chrono::milliseconds(200));
		auto taking = std::async(std::launch::async, [&] { store.take(after); });
		std::this_thread::sleep_for(std::chrono::milliseconds(1000));
		data.fork(after);
		const uint64_t copied = origin.status().copiedChunks;
		auto parked = data.start(64, 8);
		taking.get();
		EXPECT_EQ(inFlight.get(), 0);
		EXPECT_EQ(parked.get(), 0);
		// Once for each of the two snapshots.
		waited = origin.status().copiedChunks - copied == 2;
		{
			const Image image(store, after, origin);
			waited = waited && deviceHolds(image.path(), data.at(after));
		}
		store.drop(before);
		store.drop(after);
	}
	EXPECT_TRUE(waited) << "the write passed the take without being looked up again";
	EXPECT_TRUE(data.isIntact());
}

namespace {

// An origin that lies on another one: what is written to the upper one passes both gates. What the
// takes show must be the same for both, for nothing is written to the lower one alone.
void takeOfAStack(bool hidden, uint64_t takes)
{
	const Disk disk(0, originSectors);
	const Disk range(1, 65536);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin lower(store, "lower", disk);
	// Through a device in between, the kernel's module cannot see what lies on what.
	DmDevice between("between", "0 " + std::to_string(originSectors) + " linear " +
					    lower.device().number() + " 0");
	Origin upper(store, "upper", hidden ? between.number() : lower.device().number(), 0,
		     originSectors);
	BlockDevice live(upper.path());
	Buffer contents(originSectors);
	ASSERT_EQ(live.write(0, contents), 0);
	std::atomic<bool> stop = false;
	std::atomic<uint64_t> records = 0;
	std::thread writer([&] {
		Buffer record(4);
		for (uint64_t n = 1; !stop.load(); ++n) {
			const uint64_t sector = n * 29 % (originSectors - 4);
			fillPattern(record, 3, sector, n);
			EXPECT_EQ(live.write(sector, record), 0);
			records.store(n);
		}
	});
	for (uint64_t i = 0; i < takes && !testing::Test::HasFailure(); ++i) {
		const std::string name = "s" + std::to_string(i);
		store.take(name, "upper lower");
		Buffer above(originSectors);
		Buffer below(originSectors);
		{
			const Image one(store, name, upper);
			const Image two(store, name, lower);
			ASSERT_EQ(
				BlockDevice(one.path(), BlockDevice::Mode::ReadOnly).read(0, above),
				0);
			ASSERT_EQ(
				BlockDevice(two.path(), BlockDevice::Mode::ReadOnly).read(0, below),
				0);
			EXPECT_TRUE(above == below) << name;
			EXPECT_TRUE(deviceHolds(one.path(), above)) << "the image has changed";
		}
		store.drop(name);
	}
	stop.store(true);
	writer.join();
	EXPECT_GT(records.load(), takes);
	upper.letGo();
}

} // namespace

TEST(Take, OfAnOriginOnAnOriginClosesTheUpperGateFirst)
{
	takeOfAStack(false, fullCounts() ? 500 : 25);
}

TEST(Take, OfAStackThatOnlyTheMessageKnowsFollowsItsOrder)
{
	takeOfAStack(true, fullCounts() ? 100 : 5);
}
