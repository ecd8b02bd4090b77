// SPDX-License-Identifier: GPL-2.0-or-later
// How long an extension takes and what a writer notices of it: snapdiffd beside dmeventd, in one
// run, with the processors idle and busy. Disks are throttled; see docs/benchmarks/.

#include "extensions.h"
#include "fill/feeder.h"
#include "harness/kernel_log.h"
#include "peers.h"
#include "support/dm_control.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>

namespace snapdiff::bench {
namespace {

using lab::mib;

constexpr const char *file = "extend.md";
// At least 200 extensions in all, unless told otherwise.
const unsigned rounds = fromEnvironment("SNAPDIFF_BENCH_ROUNDS", 5);
constexpr unsigned perRound = 40;
constexpr unsigned bareTimes = 200;

// The rows of all cases, told together at the end.
class Results : public testing::Environment
{
public:
	void add(const std::string &stack, Load load, const Extensions &found)
	{
		const std::string lost = found.lost ? "lost" : std::to_string(found.missed);
		progress(stack + ", " + word(load) + ": " + std::to_string(found.latency.count()) +
			 " extensions, " + said(found.latency) + "; other writes " +
			 said(found.without) + "; under an extension " + said(found.during));
		latency_.add({stack, word(load), std::to_string(found.latency.count()),
			      found.latency.say(0.5), found.latency.say(0.99), found.latency.say(1),
			      lost});
		writes_.add({stack, word(load), std::to_string(found.without.count()),
			     found.without.say(0.5), found.without.say(0.99), found.without.say(1),
			     std::to_string(found.during.count()), found.during.say(0.5),
			     found.during.say(0.99), found.during.say(1)});
	}
	void addBare(Load load, const std::vector<double> &p50, const std::vector<double> &p99,
		     double most)
	{
		progress(std::string("bare, ") + word(load) + ": median " + number(medianOf(p50)) +
			 ", p99 " + number(medianOf(p99)) + ", longest " + number(most) + " ms");
		latency_.add({"bare wake-up and message", word(load),
			      std::to_string(p50.size() * bareTimes), number(medianOf(p50)),
			      number(medianOf(p99)), number(most), "0"});
	}
	void TearDown() override
	{
		tell(file, "From low water to the larger size, in milliseconds", latency_);
		tell(file, "Writes of 4 KiB at depth 1, in milliseconds", writes_);
	}

private:
	static std::string said(const Samples &samples)
	{
		return "median " + samples.say(0.5) + ", p99 " + samples.say(0.99) + ", longest " +
		       samples.say(1) + " ms";
	}

	Table latency_{{"stack", "processors", "number", "median", "p99", "longest", "missed"}};
	Table writes_{{"stack", "processors", "other writes", "median", "p99", "longest",
		       "under an extension", "median", "p99", "longest"}};
};

Results &results()
{
	static auto *const only =
		static_cast<Results *>(testing::AddGlobalTestEnvironment(new Results));
	return *only;
}

// Before main() runs the cases, or its end would not be told of.
const Results &registered = results();

// Small ranges carved beforehand, so that LVM is quiet while extensions are measured.
const lab::FeederPlan manySmallRanges = {.fields = 1,
					 .originSectors = 64 * mib,
					 .groupSectors = 48 * mib,
					 .rangeSize = "1MiB",
					 .reserveRanges = perRound + 2,
					 .reserveMaxRanges = 64,
					 .lowWater = "1MiB"};

class Snapdiff : public testing::TestWithParam<Load>
{
protected:
	void SetUp() override
	{
		feeder.daemon().start();
		ASSERT_TRUE(feeder.ready(100));
		progress("the reserve is ready");
		lab::FeederPlan quiet = manySmallRanges;
		quiet.reserveRanges = 1;
		feeder.daemon().configure(lab::Feeder::configuration(quiet));
	}

	void runOnce(Load load)
	{
		const lab::Field &field = feeder.fields().front();
		lab::Store store({.chunk = 8, .lowWater = mib}, {rangeWords(field.range())});
		lab::Origin origin(store, "home", field.below());
		const std::string name = store.device().name();
		store.take("s");
		const Hogs hogs(load);
		const Samples bare = bareCost([&] { control.message(name, "summary"); }, bareTimes);
		bareP50.push_back(bare.quantile(0.5));
		bareP99.push_back(bare.quantile(0.99));
		bareMost = std::max(bareMost, bare.most());

		found.add(measureExtensions({.device = origin.path(),
					     .extensions = perRound,
					     .space = [&] { return spaceOf(name); }}));
		const lab::StoreStatus status = store.checked();
		EXPECT_EQ(status.snapshot("s").state, "live");
		EXPECT_EQ(status.summary.heldTotal, 0U) << "writes were held";
		origin.letGo();
	}

	Space spaceOf(const std::string &name) const
	{
		const lab::DmAnswer answer = control.message(name, "summary");
		if (!answer.ok())
			throw lab::DmError("summary", answer.error);
		const lab::Summary now = lab::parseSummary(answer.text);
		return {.size = now.capacity,
			.low = now.level == "low",
			.lost = now.mode == "full"};
	}

	lab::Feeder feeder{manySmallRanges};
	const lab::DmControl control;
	Extensions found;
	std::vector<double> bareP50;
	std::vector<double> bareP99;
	double bareMost = 0;
};

TEST_P(Snapdiff, GivesRangesFromItsReserve)
{
	const unsigned wanted = rounds * perRound;
	// The daemon gives more than a range at an event when the store fills fast, so a round may
	// see fewer events than it has ranges.
	for (unsigned round = 0; round < 3 * rounds && found.latency.count() < wanted; round++) {
		runOnce(GetParam());
		progress(std::to_string(found.latency.count()) + " of " + std::to_string(wanted) +
			 " extensions");
		ASSERT_TRUE(feeder.takeBack());
	}
	results().addBare(GetParam(), bareP50, bareP99, bareMost);
	results().add("snapdiff, snapdiffd", GetParam(), found);
	EXPECT_GE(found.latency.count(), wanted);
	EXPECT_EQ(feeder.daemon().stop(SIGTERM), 0) << feeder.daemon().log();
}

// What LVM does to extend goes on after the size has grown.
constexpr unsigned peersTailMs = 3000;

// Each takes up to the ten seconds of dmeventd's timer.
unsigned peersExtensions(Load load)
{
	return load == Load::Busy ? 5 : 10;
}

template<class Peer>
Extensions measurePeer(const Peer &peer, Load load, uint64_t stride)
{
	const Hogs hogs(load);
	return measureExtensions({.device = peer.path(),
				  .stride = stride,
				  .extensions = peersExtensions(load),
				  .pauseMs = 50,
				  .waitSeconds = 40,
				  .tailMs = peersTailMs,
				  .every = std::chrono::milliseconds(2),
				  .space = [&] { return peer.space(); }});
}

class Peers : public testing::TestWithParam<Load>
{
protected:
	Dmeventd dmeventd;
	lab::VolumeGroup group{"peer", {1, 2}, 480 * mib, "1m"};
};

TEST_P(Peers, DmSnapshotIsExtendedByDmeventd)
{
	const LvmSnapshot snapshot(group, 256, 8);
	const Extensions found = measurePeer(snapshot, GetParam(), 8);
	results().add("dm-snapshot, dmeventd", GetParam(), found);
	EXPECT_GE(found.latency.count(), 1U);
}

TEST_P(Peers, DmThinIsExtendedByDmeventd)
{
	// It says so at each event.
	const lab::ExpectKernelLog low("device-mapper: thin: .*reached low water mark");
	const LvmThin thin(group, 2048, 32);
	const Extensions found = measurePeer(thin, GetParam(), LvmThin::chunk);
	results().add("dm-thin, dmeventd", GetParam(), found);
	EXPECT_GE(found.latency.count(), 1U);
}

std::string loadName(const testing::TestParamInfo<Load> &info)
{
	return info.param == Load::Busy ? "WithBusyProcessors" : "WithIdleProcessors";
}

INSTANTIATE_TEST_SUITE_P(Extend, Snapdiff, testing::Values(Load::Idle, Load::Busy), loadName);
INSTANTIATE_TEST_SUITE_P(Extend, Peers, testing::Values(Load::Idle, Load::Busy), loadName);

} // namespace
} // namespace snapdiff::bench
