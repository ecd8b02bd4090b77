// SPDX-License-Identifier: GPL-2.0-or-later
// A snapshot never outlives the watch over its origin: as soon as another table may have let a
// write pass unseen it is invalid, and no image read ever returns new data as old.

#include "harness/patience.h"
#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include "harness/pattern.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <thread>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t sectors = 1024;
constexpr uint32_t tag = 3;

// One origin that holds the old contents at the take and then only new ones.
class Watch : public testing::Test
{
protected:
	Watch()
		: store_({.chunk = chunk, .stallMs = 3000}, {rangeWords(range_)}),
		  origin_(store_, "home", below_), old_(sectors), new_(sectors)
	{
		fillPattern(old_, tag, 0, 1);
		fillPattern(new_, tag, 0, 2);
	}

	std::string linear() const
	{
		return "0 " + std::to_string(sectors) + " linear " + below_.number() + " 0";
	}

	void take()
	{
		ASSERT_EQ(BlockDevice(origin_.path()).write(0, old_), 0);
		store_.take("s1");
	}

	// A foreign table, live; as lvchange --refresh would do it.
	void putForeign()
	{
		ASSERT_EQ(origin_.device().load(linear()), 0);
		ASSERT_EQ(origin_.device().resume(), 0);
	}

	void putOurs()
	{
		ASSERT_EQ(origin_.device().load(origin_.table()), 0);
		ASSERT_EQ(origin_.device().resume(), 0);
	}

	SnapshotStatus snapshot() const { return store_.checked().snapshot("s1"); }

	Disk below_{0, sectors};
	Disk range_{1, 32768};
	Store store_;
	Origin origin_;
	Buffer old_;
	Buffer new_;
	Random random_;
};

} // namespace

TEST_F(Watch, ForeignTableUnderLoadNeverShowsNewDataAsOld)
{
	ExpectKernelLog gone(invalidSnapshot, Appearance::Must);
	const int rounds = fullCounts() ? 300 : 12;
	uint64_t right = 0;
	uint64_t failed = 0;
	for (int i = 0; i < rounds && !HasFailure(); ++i) {
		take();
		{
			const Image image(store_, "s1", origin_);
			Reader reader(image.path(), old_, random_());
			Writer writer(origin_.path(), new_, random_());
			std::this_thread::sleep_for(std::chrono::milliseconds(random_.below(40)));
			putForeign();
			std::this_thread::sleep_for(20ms);
			EXPECT_EQ(snapshot().cause, "origin-gone");
			writer.stop();
			reader.stop();
			EXPECT_EQ(reader.wrong(), 0u)
				<< "round " << i << ": " << reader.firstWrong();
			EXPECT_EQ(writer.error(), 0);
			EXPECT_TRUE(everyReadFails(image.path()));
			right += reader.right();
			failed += reader.failed();
		}
		store_.drop("s1");
		putOurs();
		EXPECT_EQ(origin_.status().state, "watched");
	}
	EXPECT_GT(right, 0u);
	EXPECT_GT(failed, 0u);
	std::cout << rounds << " rounds, " << right << " reads right, " << failed << " failed"
		  << std::endl;
}

// The other thread puts our table back the moment it sees the foreign one, perhaps before the
// first table's destructor has run.
TEST_F(Watch, OursForeignOursInAHurryCostsTheSnapshot)
{
	ExpectKernelLog gone(invalidSnapshot, Appearance::Must);
	const int rounds = fullCounts() ? 500 : 25;
	for (int i = 0; i < rounds && !HasFailure(); ++i) {
		take();
		{
			const Image image(store_, "s1", origin_);
			Reader reader(image.path(), old_, random_());
			Writer writer(origin_.path(), new_, random_());
			std::atomic<bool> swapped = false;
			const bool suspendFirst = random_.oneIn(2);
			std::thread other([&] {
				// Raw ioctls of libdevmapper only: no nodes, so threads are
				// allowed.
				while (!swapped.load())
					if (origin_.device().table().find(" linear ") !=
					    std::string::npos)
						break;
				if (suspendFirst)
					origin_.device().suspend();
				origin_.device().load(origin_.table());
				swapped.store(true);
			});
			ASSERT_EQ(origin_.device().load(linear()), 0);
			ASSERT_EQ(origin_.device().resume(), 0);
			swapped.store(true);
			other.join();
			ASSERT_EQ(origin_.device().resume(), 0);
			std::this_thread::sleep_for(5ms);
			writer.stop();
			reader.stop();
			EXPECT_EQ(reader.wrong(), 0u)
				<< "round " << i << ": " << reader.firstWrong();
			EXPECT_FALSE(snapshot().live()) << "round " << i;
			EXPECT_EQ(writer.error(), 0);
		}
		store_.drop("s1");
	}
}

TEST_F(Watch, SuspendAndResumeKeepSnapshotsAndReadsWaitMeanwhile)
{
	take();
	const Image image(store_, "s1", origin_);
	for (auto how : {DmDevice::Suspend::Flush, DmDevice::Suspend::NoFlush}) {
		ASSERT_EQ(origin_.device().suspend(how), 0);
		EXPECT_EQ(origin_.status().state, "unwatched");
		auto read = std::async(std::launch::async,
				       [&] { return deviceHolds(image.path(), old_); });
		EXPECT_EQ(read.wait_for(300ms), std::future_status::timeout)
			<< "a read while nobody watches the origin";
		ASSERT_EQ(origin_.device().resume(), 0);
		EXPECT_EQ(origin_.status().state, "watched");
		EXPECT_TRUE(read.get());
		EXPECT_TRUE(snapshot().live());
	}
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, new_), 0);
	EXPECT_TRUE(deviceHolds(image.path(), old_));
}

TEST_F(Watch, CopiedChunksAreReadableWhileTheOriginIsSuspended)
{
	take();
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, new_), 0);
	const Image image(store_, "s1", origin_);
	ASSERT_EQ(origin_.device().suspend(), 0);
	auto read = std::async(std::launch::async, [&] { return deviceHolds(image.path(), old_); });
	EXPECT_EQ(read.wait_for(2500ms * patience()), std::future_status::ready);
	ASSERT_EQ(origin_.device().resume(), 0);
	EXPECT_TRUE(read.get());
}

TEST_F(Watch, ReadOfAnOriginThatStaysSuspendedFailsAtTheStallLimit)
{
	take();
	store_.demand("set stall 500");
	const Image image(store_, "s1", origin_);
	ASSERT_EQ(origin_.device().suspend(), 0);
	Buffer memory(8);
	const BlockDevice device(image.path(), BlockDevice::Mode::ReadOnly);
	const auto begun = std::chrono::steady_clock::now();
	EXPECT_EQ(device.read(0, memory), EIO);
	EXPECT_GE(std::chrono::steady_clock::now() - begun, 450ms);
	ASSERT_EQ(origin_.device().resume(), 0);
	EXPECT_EQ(device.read(0, memory), 0) << "it cost that read only";
	EXPECT_TRUE(snapshot().live());
}

TEST_F(Watch, ReloadWithTheSameIdentityUnderLoadKeepsSnapshots)
{
	take();
	const Image image(store_, "s1", origin_);
	Reader reader(image.path(), old_, random_());
	Writer writer(origin_.path(), new_, random_());
	for (int i = 0; i < 15; ++i) {
		putOurs();
		EXPECT_TRUE(snapshot().live());
		EXPECT_EQ(origin_.status().state, "watched");
	}
	writer.stop();
	reader.stop();
	EXPECT_EQ(writer.error(), 0);
	EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
	EXPECT_EQ(reader.failed(), 0u);
	EXPECT_GT(reader.right(), 0u);
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, new_), 0);
	EXPECT_TRUE(deviceHolds(image.path(), old_));
}

TEST_F(Watch, SuspendsUnderLoadLoseNothing)
{
	take();
	const Image image(store_, "s1", origin_);
	Reader reader(image.path(), old_, random_());
	Writer writer(origin_.path(), new_, random_());
	for (int i = 0; i < 20; ++i) {
		const auto how = i % 2 ? DmDevice::Suspend::NoFlush : DmDevice::Suspend::Flush;
		DmDevice &device = i % 4 < 2 ? origin_.device() : store_.device();
		ASSERT_EQ(device.suspend(how), 0);
		std::this_thread::sleep_for(5ms);
		ASSERT_EQ(device.resume(), 0);
	}
	writer.stop();
	reader.stop();
	EXPECT_EQ(writer.error(), 0);
	EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
	EXPECT_EQ(reader.failed(), 0u);
	EXPECT_TRUE(snapshot().live());
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, new_), 0);
	EXPECT_TRUE(deviceHolds(image.path(), old_));
	EXPECT_TRUE(deviceHolds(origin_.path(), new_));
}

TEST_F(Watch, TableThatIsLoadedAndClearedChangesNothing)
{
	take();
	for (const std::string &table : {origin_.table(), linear()}) {
		ASSERT_EQ(origin_.device().load(table), 0);
		ASSERT_EQ(origin_.device().clear(), 0);
		EXPECT_TRUE(snapshot().live());
		EXPECT_EQ(origin_.status().state, "watched");
	}
	const Image image(store_, "s1", origin_);
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, new_), 0);
	EXPECT_TRUE(deviceHolds(image.path(), old_));
}

TEST_F(Watch, ForeignTableThatIsReplacedWhileSuspendedCostsNothing)
{
	take();
	ASSERT_EQ(origin_.device().suspend(), 0);
	ASSERT_EQ(origin_.device().load(linear()), 0);
	ASSERT_EQ(origin_.device().load(origin_.table()), 0);
	ASSERT_EQ(origin_.device().resume(), 0);
	EXPECT_TRUE(snapshot().live());
	const Image image(store_, "s1", origin_);
	EXPECT_TRUE(deviceHolds(image.path(), old_));
}

TEST_F(Watch, DetachedOriginMayBeReplacedWithoutCost)
{
	ExpectKernelLog refused(refusedMessage);
	take();
	EXPECT_EQ(store_.send("detach home").error, EBUSY);
	EXPECT_EQ(store_.send("detach nobody").error, ENOENT);
	EXPECT_TRUE(snapshot().live());
	store_.drop("s1");
	store_.demand("detach home");
	EXPECT_EQ(origin_.status().state, "detached");
	EXPECT_EQ(store_.send("take s2 1000 home").error, EBUSY);
	EXPECT_EQ(store_.send("take s2 1000 *").error, ENOENT);
	putForeign();
	EXPECT_TRUE(store_.checked().origins.empty());
	putOurs();
	EXPECT_EQ(origin_.status().state, "watched");
	store_.take("s3");
	store_.drop("s3");
}

TEST_F(Watch, DetachByForceMakesSnapshotsInvalidUnderLoad)
{
	ExpectKernelLog gone(invalidSnapshot, Appearance::Must);
	take();
	const Image image(store_, "s1", origin_);
	Reader reader(image.path(), old_, random_());
	Writer writer(origin_.path(), new_, random_());
	std::this_thread::sleep_for(30ms);
	store_.demand("detach home force");
	EXPECT_EQ(snapshot().cause, "origin-forced");
	EXPECT_TRUE(everyReadFails(image.path()));
	writer.stop();
	reader.stop();
	EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
	EXPECT_EQ(writer.error(), 0);
}
