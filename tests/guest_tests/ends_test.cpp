// SPDX-License-Identifier: GPL-2.0-or-later
// Image reads that are under way when their snapshot ends: what they find may be new data already,
// so they must fail. Slow disks make sure that they are under way.

#include "harness/pattern.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <future>
#include <gtest/gtest.h>
#include <string>
#include <thread>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t originSectors = 2048;

// Reads take this long to arrive at the disk, writes no time.
std::string slowReads(const Disk &disk)
{
	return "0 " + std::to_string(disk.sectors()) + " delay " + disk.number() + " 0 1500 " +
	       disk.number() + " 0 0";
}

struct ReadUnderWay
{
	ReadUnderWay(const std::string &path, uint64_t sector)
		: device(path, BlockDevice::Mode::ReadOnly),
		  error(std::async(std::launch::async,
				   [this, sector] { return device.read(sector, memory); }))
	{
		// Long enough to be in the delay, far shorter than the delay.
		std::this_thread::sleep_for(300ms);
	}

	// Fails with EIO, or (if it was not in time to be under way) shows the old data.
	void expectNoNewData(const uint8_t *old)
	{
		EXPECT_EQ(error.wait_for(0s), std::future_status::timeout)
			<< "the read was over before the snapshot ended: the disk is not slow";
		if (error.get() == EIO)
			return;
		ADD_FAILURE() << "the read succeeded, and holds "
			      << (memcmp(memory.data(), old, memory.bytes()) ? "new" : "old")
			      << " data";
	}

	BlockDevice device;
	Buffer memory{chunk};
	std::future<int> error;
};

} // namespace

TEST(Ends, AReadThatWentToTheOriginFailsIfAWriterPassedTheEndedSnapshot)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	const Disk disk(0, originSectors);
	DmDevice slow("slow", slowReads(disk));
	// Without a range and without a hold, the first write drops the snapshot and passes.
	Store store({.chunk = chunk, .holdMs = 0}, {});
	Origin origin(store, "a", slow.number(), 0, originSectors);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	const Image image(store, "s1", origin);
	ReadUnderWay read(image.path(), 64);
	ASSERT_EQ(data.write(0, 512), 0);
	EXPECT_FALSE(store.status().snapshot("s1").live());
	read.expectNoNewData(data.at("s1").sector(64));
}

TEST(Ends, AReadOfAPlaceFailsIfThePlaceWasUsedAgain)
{
	ExpectKernelLog dropped(invalidSnapshot, Appearance::Must);
	const Disk below(0, originSectors);
	const Disk disk(1, originSectors);
	DmDevice slow("slow", slowReads(disk));
	Store store({.chunk = chunk, .holdMs = 0},
		    {slow.number() + " 0 " + std::to_string(originSectors) + " 0"});
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	ASSERT_EQ(data.write(0, originSectors), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	const Image image(store, "s1", origin);
	ReadUnderWay read(image.path(), 64);
	// The store is full: the next snapshot's copies cost this one, and lie in its places.
	store.take("s2");
	ASSERT_EQ(data.write(0, originSectors), 0);
	EXPECT_FALSE(store.status().snapshot("s1").live());
	read.expectNoNewData(data.at("s1").sector(64));
}
