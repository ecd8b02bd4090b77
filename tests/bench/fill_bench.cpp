// SPDX-License-Identifier: GPL-2.0-or-later
// The filler: small stores filled at rates that double until the disks are the limit, with the
// daemon undisturbed, stopped and killed, and with volume groups that run out; and the same filler
// against dm-snapshot with dmeventd. A lost snapshot of ours is a failure.

#include "fill/feeder.h"
#include "peers.h"
#include "samples.h"

#include <algorithm>
#include <csignal>
#include <gtest/gtest.h>

namespace snapdiff::bench {
namespace {

using lab::Feeder;
using lab::FeederPlan;
using lab::FillPlan;
using lab::mib;
using lab::Rates;
using lab::RoundPlan;
using lab::Tormentor;

constexpr const char *file = "fill.md";
constexpr uint64_t kib = 1024; // bytes

void expectNoneLost(const Rates &rates, Feeder &feeder)
{
	EXPECT_EQ(rates.lost(), 0U) << feeder.daemon().log();
	EXPECT_EQ(feeder.daemon().stop(SIGTERM), 0) << feeder.daemon().log();
}

// As the daemon is by itself: a small reserve, refilled by LVM while the store fills.
TEST(Fill, OneStoreAtATimeWithASmallReserve)
{
	Feeder feeder({.fields = 1, .originSectors = 384 * mib, .reserveMaxRanges = 8});
	Rates rates;
	feeder.daemon().start();
	ASSERT_TRUE(feeder.ready());
	for (unsigned i = 0; i < fromEnvironment("SNAPDIFF_BENCH_SINGLE", 5); i++) {
		runRound(feeder.fields(), {.fill = {.firstRate = 1024 * kib, .stageMs = 2000}},
			 rates);
		ASSERT_TRUE(feeder.takeBack());
	}
	tell(file, "One store at a time, two seconds a rate, a reserve of 4 ranges of 16 MiB",
	     rates.text());
	expectNoneLost(rates, feeder);
}

// What rounds give back is reserve again: many fills in little time.
TEST(Fill, FourStoresAtOnceMayGiveBackWhatTheyWereGiven)
{
	const unsigned wanted = fromEnvironment("SNAPDIFF_BENCH_FILLS", 1000);
	const unsigned minutes = fromEnvironment("SNAPDIFF_BENCH_MINUTES", 60);
	Feeder feeder(FeederPlan{});
	Rates rates;
	const auto began = Clock::now();

	feeder.daemon().start();
	ASSERT_TRUE(feeder.ready());
	for (unsigned told = 0;
	     rates.fills() < wanted && msBetween(began, Clock::now()) < minutes * 60000.0;) {
		runRound(feeder.fields(), {.fill = {.stageMs = 500}}, rates);
		ASSERT_TRUE(feeder.takeBack());
		if (rates.fills() >= told + 40) {
			told = rates.fills();
			progress(std::to_string(told) + " fills, " + std::to_string(rates.lost()) +
				 " snapshots lost");
		}
	}
	tell(file,
	     "Four stores at once, half a second a rate, " + std::to_string(rates.fills()) +
		     " of " + std::to_string(wanted) + " fills in " +
		     number(msBetween(began, Clock::now()) / 60000, 1) + " minutes",
	     rates.text());
	EXPECT_GE(rates.fills(), std::min(wanted, 4U));
	expectNoneLost(rates, feeder);
}

class Away : public testing::TestWithParam<Tormentor::Way>
{
};

TEST_P(Away, AtLowWaterTheDaemonIsStoppedOrKilled)
{
	const bool killed = GetParam() == Tormentor::Way::Kill;
	Feeder feeder(FeederPlan{});
	Rates rates;
	feeder.daemon().start();
	ASSERT_TRUE(feeder.ready());
	Tormentor tormentor(feeder.daemon(), GetParam(), 2000);
	for (unsigned i = 0; i < fromEnvironment("SNAPDIFF_BENCH_AWAY", 10); i++) {
		RoundPlan plan = {.fill = {.stageMs = 500}};
		plan.meanwhile = [&](const auto &stores) { tormentor.look(stores); };
		runRound(feeder.fields(), plan, rates);
		tormentor.finish();
		ASSERT_TRUE(feeder.takeBack());
	}
	EXPECT_GE(tormentor.outages(), 1U);
	tell(file,
	     std::string("The daemon ") + (killed ? "killed" : "stopped") +
		     " for 2 s at low water, " + std::to_string(tormentor.outages()) + " times",
	     rates.text());
	expectNoneLost(rates, feeder);
}

std::string wayName(const testing::TestParamInfo<Tormentor::Way> &way)
{
	return way.param == Tormentor::Way::Kill ? "BySigkill" : "BySigstop";
}

INSTANTIATE_TEST_SUITE_P(Fill, Away, testing::Values(Tormentor::Way::Stop, Tormentor::Way::Kill),
			 wayName);

TEST(Fill, VolumeGroupsThatRunOutOneAfterTheOther)
{
	const lab::VolumeGroup first("sdt0", {2}, 38 * mib, "1m");
	const lab::VolumeGroup second("sdt1", {3}, 38 * mib, "1m");
	const lab::VolumeGroup third("sdt2", {2}, 400 * mib, "1m");
	const std::list<lab::Field> fields = [] {
		std::list<lab::Field> one;
		one.emplace_back(0, 3, 256 * mib);
		return one;
	}();
	lab::DaemonProcess daemon({.config = "supplies = [\"sdt0\", \"sdt1\", \"sdt2\"]\n"
					     "range_size = \"16MiB\"\n"
					     "reserve_ranges = 4\n"
					     "low_water = \"6MiB\"\n"});
	Rates rates;
	daemon.start();
	ASSERT_TRUE(daemon.waitForReserve(4, 30));
	runRound(fields, {.fill = {.firstRate = 1024 * kib, .stageMs = 2000}}, rates);
	tell(file, "Three volume groups, the first two of 38 MiB", rates.text());
	for (const char *group : {"sdt0", "sdt1", "sdt2"})
		EXPECT_GE(daemon.count(std::string("was given ") + group + "/"), 1U)
			<< daemon.log();
	EXPECT_EQ(rates.lost(), 0U) << daemon.log();
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

// A fill of an LVM snapshot that dmeventd watches.
void fillPeer(const lab::VolumeGroup &group, const FillPlan &plan, Rates &rates)
{
	const LvmSnapshot snapshot(group, 384, 8, 64);
	const std::function<lab::FillState()> state = [&] {
		return lab::FillState{.lost = snapshot.space().lost};
	};
	rates.add(lab::fill(snapshot.path(), plan, state));
}

TEST(Fill, DmSnapshotUnderDmeventd)
{
	// It says so itself when a snapshot is lost.
	const lab::ExpectKernelLog invalid("device-mapper: snapshots: Invalidating snapshot");
	const Dmeventd dmeventd;
	const lab::VolumeGroup group("peer", {0, 2}, 480 * mib, "1m");
	Rates fast;
	for (int i = 0; i < 3; i++)
		fillPeer(group, {.firstRate = 64 * kib, .stageMs = 2000, .ioSectors = 128}, fast);
	tell(file, "dm-snapshot with dmeventd at 70 %, two seconds a rate", fast.text());

	// As friendly as it can be: every rate lasts longer than dmeventd's timer.
	Rates slow;
	fillPeer(group, {.firstRate = 64 * kib, .stageMs = 15000, .ioSectors = 128}, slow);
	tell(file, "dm-snapshot with dmeventd at 70 %, fifteen seconds a rate", slow.text());
}

} // namespace
} // namespace snapdiff::bench
