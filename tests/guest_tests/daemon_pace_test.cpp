// SPDX-License-Identifier: GPL-2.0-or-later
// The real daemon in a storm: ranges and mark grow with the rate, and when the snapshot is gone the
// ranges return, first to the reserve, then to the volume group.
#include "harness/block_device.h"
#include "harness/disk.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

namespace snapdiff::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t rangeSize = 16 * mib;
constexpr uint64_t ownRange = 16 * mib;
constexpr size_t reserveRanges = 3;
constexpr size_t reserveMost = 6;

constexpr const char *config = "supplies = [\"sdp0\"]\n"
			       "range_size = \"16MiB\"\n"
			       "range_max_size = \"128MiB\"\n"
			       "range_seconds = 4\n"
			       "reserve_ranges = 3\n"
			       "reserve_max_ranges = 6\n"
			       "low_water = \"8MiB\"\n"
			       "give_back_after = 3\n"
			       "return_after = 2\n";

double secondsSince(Clock::time_point begin)
{
	return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A store with a range of 16 MiB that is not the daemon's, below an origin of 400 MiB.
class ThePace : public testing::Test
{
protected:
	// First writes at so many MiB a second.  False: the origin has no more of them.
	bool write(unsigned rate, double seconds)
	{
		const BlockDevice device(origin.path());
		const Buffer buffer(mib, 0x5a);
		const auto begin = Clock::now();

		while (secondsSince(begin) < seconds) {
			if (at_ + mib > origin.sectors())
				return false;
			EXPECT_EQ(device.write(at_, buffer), 0) << "sector " << at_;
			at_ += mib;
			std::this_thread::sleep_for(std::chrono::microseconds(1'000'000 / rate));
		}
		return true;
	}
	uint64_t longestRange() const
	{
		uint64_t longest = 0;
		for (const RangeStatus &given : store.status().ranges)
			longest = std::max(longest, given.length);
		return longest;
	}
	// As the kernel says it, without the one that was there before.
	uint64_t carvedInStore() const { return store.summary().capacity - ownRange; }

	VolumeGroup group{"sdp0", {0}, 1200 * mib};
	Disk range{2, ownRange};
	Disk below{3, 400 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "home", below};
	DaemonProcess daemon{{.config = config}};

private:
	uint64_t at_ = 0;
};

TEST_F(ThePace, RangesGrowWithTheRateAndReturnWhenTheSnapshotIsGone)
{
	const auto begin = Clock::now();
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", reserveRanges, 60));
	const double carving = secondsSince(begin) / reserveRanges;
	const double doubling = std::clamp(carving, 3.0, 10.0);
	store.take("s");
	for (unsigned rate = 2; rate <= 16; rate *= 2)
		if (!write(rate, doubling))
			break;

	const Summary storm = store.summary();
	EXPECT_EQ(storm.heldTotal, 0U) << daemon.log();
	EXPECT_EQ(store.status().snapshot("s").state, "live");
	EXPECT_GE(longestRange(), 2 * rangeSize) << daemon.log();
	EXPECT_GT(storm.lowWater, 8 * mib) << daemon.log();
	std::printf("a carve takes %.1f s; %zu ranges, the longest of %llu MiB; mark %llu MiB\n",
		    carving, store.status().ranges.size(),
		    static_cast<unsigned long long>(longestRange() / mib),
		    static_cast<unsigned long long>(storm.lowWater / mib));

	store.drop("s");
	// The mark, one range and a quarter of both are free in what is left: 16 MiB of its own and
	// two of the daemon's, unless there are none so small.
	const auto calm = [&](const Summary &now) {
		return now.lowWater == 8 * mib && now.capacity <= storm.capacity / 2 &&
		       now.capacity <= ownRange + 4 * rangeSize;
	};
	ASSERT_TRUE(store.waitFor(calm, 90000)) << daemon.log();
	const auto gone = [&] {
		return group.size() - group.free() - carvedInStore() <= reserveMost * rangeSize;
	};
	for (int i = 0; i < 100 && !gone(); i++)
		std::this_thread::sleep_for(std::chrono::seconds(1));
	EXPECT_TRUE(gone()) << daemon.log();
	EXPECT_GE(daemon.count(": taken back"), 2U) << daemon.log();
	EXPECT_EQ(daemon.count("stays"), 0U) << daemon.log();
	EXPECT_GE(daemon.count("back to its volume group"), 1U);
	EXPECT_EQ(store.summary().heldTotal, 0U);
	EXPECT_EQ(store.summary().level, "ok");
	EXPECT_EQ(store.status().ranges.front().device, range.number()); // never touched

	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	std::printf("%.0f s; of %llu MiB %llu are free again\n", secondsSince(begin),
		    static_cast<unsigned long long>(group.size() / mib),
		    static_cast<unsigned long long>(group.free() / mib));
	origin.letGo();
}

} // namespace
} // namespace snapdiff::lab
