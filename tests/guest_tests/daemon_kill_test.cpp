// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon killed and stopped around its events, a hundred times (S4): it keeps no state, and no
// level is missed.
#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/random.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <set>
#include <thread>

#include <unistd.h>

namespace snapdiff::lab {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr uint64_t storeSize = 24 * mib;
constexpr uint64_t lowWater = 6 * mib;

constexpr const char *config = "supplies = [\"sdk0\"]\n"
			       "range_size = \"4MiB\"\n"
			       "reserve_ranges = 12\n"
			       "reserve_max_ranges = 64\n"
			       "low_water = \"6MiB\"\n"
			       "return_after = 600\n";

class TheKilledDaemon : public testing::Test
{
protected:
	// Overwrites the next part of the origin. The longest that one write took, in seconds.
	double burst(uint64_t sectors)
	{
		constexpr uint64_t piece = mib / 4;

		const BlockDevice device(origin.path());
		const Buffer buffer(piece, 0x5a);
		double longest = 0;
		for (uint64_t done = 0; done < sectors; done += piece, at_ += piece) {
			const auto before = Clock::now();
			EXPECT_EQ(device.write(at_, buffer), 0) << "sector " << at_;
			longest = std::max(longest, Seconds(Clock::now() - before).count());
		}
		return longest;
	}
	bool isSpent(uint64_t sectors) const { return at_ + sectors > origin.sectors(); }

	// A new snapshot, and all ranges but the first back to the reserve. Nobody looks on.
	void beginAgain()
	{
		store.drop("s");
		const std::vector<RangeStatus> given = store.status().ranges;
		for (size_t i = 1; i < given.size(); i++)
			store.demand("shrink " + given[i].device + " " +
				     std::to_string(given[i].start) + " " +
				     std::to_string(given[i].length));
		const auto small = [](const Summary &now) { return now.capacity == storeSize; };
		ASSERT_TRUE(store.waitFor(small, 20000));
		store.take("s");
		at_ = 0;
	}
	// Every range of the store is another device.
	void checkRanges() const
	{
		std::set<std::string> seen;
		for (const RangeStatus &given : store.status().ranges)
			EXPECT_TRUE(seen.insert(given.device).second) << given.device;
	}
	bool waitUntilWell() const
	{
		return store.waitFor(
			[](const Summary &now) { return now.level == "ok" && now.held == 0; },
			45000);
	}

	VolumeGroup group{"sdk0", {0}, 240 * mib};
	Disk range{1, storeSize};
	Disk below{2, 128 * mib};
	Store store{{.chunk = 128, .lowWater = lowWater}, {rangeWords(range)}};
	Origin origin{store, "home", below};
	DaemonProcess daemon{{.config = config}};

private:
	uint64_t at_ = 0;
};

TEST_F(TheKilledDaemon, MissesNoLevelHoweverOftenAndWheneverItIsKilled)
{
	const int times = fullCounts() ? 2000 : 100;
	Random random;
	double longestWrite = 0;
	double longestAway = 0;

	store.take("s");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 8, 100));
	for (int i = 0; i < times && !HasFailure(); i++) {
		SCOPED_TRACE("time " + std::to_string(i));
		const uint64_t sectors = random.between(8, 40) * mib / 4;
		double wrote = 0;

		std::thread writer([&] { wrote = burst(sectors); });
		usleep(static_cast<useconds_t>(random.below(60'000)));
		if (random.oneIn(3)) {
			daemon.send(SIGSTOP);
			usleep(static_cast<useconds_t>(random.below(60'000)));
			daemon.send(SIGCONT);
			usleep(static_cast<useconds_t>(random.below(10'000)));
		}
		const auto away = Clock::now();
		daemon.stop(SIGKILL);
		daemon.start();
		writer.join();
		EXPECT_TRUE(waitUntilWell()) << daemon.log();
		const double took = Seconds(Clock::now() - away).count();
		// Whoever was held was so by the daemon's absence, and not by more.
		EXPECT_LE(wrote, took + 5);
		EXPECT_EQ(store.status().snapshot("s").state, "live") << daemon.log();
		longestWrite = std::max(longestWrite, wrote);
		longestAway = std::max(longestAway, took);
		if (isSpent(10 * mib)) {
			checkRanges();
			daemon.stop(SIGKILL);
			beginAgain();
			daemon.start();
		}
	}
	std::printf("killed %d times: writes held %lu, longest write %.2f s, longest "
		    "from kill to level ok %.2f s\n",
		    times, static_cast<unsigned long>(store.summary().heldTotal), longestWrite,
		    longestAway);
	EXPECT_GT(store.summary().heldTotal, 0U) << "no write ever had to wait for the daemon";
	checkRanges();

	// And it still ends as it should, when it is not killed.
	const size_t before = daemon.count("watching ");
	daemon.stop(SIGKILL);
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("watching ", before + 1, 60));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

} // namespace
} // namespace snapdiff::lab
