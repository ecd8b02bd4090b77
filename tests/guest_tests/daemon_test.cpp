// SPDX-License-Identifier: GPL-2.0-or-later
// The real daemon with real LVM: it feeds a store from two volume groups, and picks up where a
// SIGKILL left it.
#include "harness/disk.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <set>

#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr const char *config = "supplies = [\"sdt0\", \"sdt1\"]\n"
			       "policy = \"spread\"\n"
			       "range_size = \"16MiB\"\n"
			       "reserve_ranges = 12\n"
			       "low_water = \"12MiB\"\n";

// A store of 32 MiB below an origin of 384 MiB, and two groups to carve from.
class TheDaemon : public testing::Test
{
protected:
	void rewrite(uint64_t from, uint64_t to) const { changeSlowly(origin.path(), from, to); }
	// Every range of the store is another device.
	void checkRanges() const
	{
		std::set<std::string> seen;
		for (const RangeStatus &given : store.status().ranges)
			EXPECT_TRUE(seen.insert(given.device).second) << given.device;
	}

	VolumeGroup first{"sdt0", {0}, 320 * mib};
	VolumeGroup second{"sdt1", {1}, 320 * mib};
	Disk range{2, 32 * mib};
	Disk below{3, 384 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "home", below};
};

TEST_F(TheDaemon, FeedsAStoreFromTwoVolumeGroupsAndNoWriteWaits)
{
	DaemonProcess daemon({config});
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	rewrite(0, 200 * mib);

	const std::vector<unsigned> latencies = daemon.latencies();
	ASSERT_TRUE(daemon.waitFor("was given ", 10, 10));
	EXPECT_GE(daemon.count("was given sdt0/"), 3U);
	EXPECT_GE(daemon.count("was given sdt1/"), 3U);
	EXPECT_EQ(store.summary().heldTotal, 0U);
	EXPECT_EQ(store.status().snapshot("s").state, "live");
	checkRanges();
	if (!latencies.empty())
		std::printf("%zu extensions, from wake-up to accepted: median %u us, most %u us\n",
			    latencies.size(), latencies[latencies.size() / 2], latencies.back());
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

TEST_F(TheDaemon, KilledAroundEventsLosesNothing)
{
	DaemonProcess daemon({config});
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	for (uint64_t i = 0; i < 4; i++) {
		rewrite(i * 32 * mib, (i + 1) * 32 * mib);
		usleep(static_cast<useconds_t>(i * 3000));
		daemon.stop(SIGKILL);
		daemon.start();
	}
	EXPECT_TRUE(store.waitFor([](const Summary &now) { return now.level == "ok"; }, 60000));
	EXPECT_EQ(store.status().snapshot("s").state, "live");
	checkRanges();

	// Started anew, it finds what is left: nothing is given twice, nothing is orphaned.
	daemon.stop(SIGKILL);
	daemon.start();
	rewrite(128 * mib, 160 * mib);
	EXPECT_TRUE(store.waitFor([](const Summary &now) { return now.level == "ok"; }, 60000));
	checkRanges();
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

} // namespace
} // namespace snapdiff::lab
