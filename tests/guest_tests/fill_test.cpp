// SPDX-License-Identifier: GPL-2.0-or-later
// Stores of 8 MiB that are filled at rates which double until the disks are the limit: the daemon
// feeds them and no snapshot is lost, also when it is away at the worst moments. How fast that goes
// is measured in ./bench.
#include "fill/feeder.h"

#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <memory>

namespace snapdiff::lab {
namespace {

// 4 MiB/s, 8, 16 ...; half a second each. So much is written that a store needs two ranges more.
constexpr FillPlan fast = {.stageMs = 500, .leastSectors = 40 * mib};
constexpr FeederPlan around = {};

// The volume groups, the daemon and its reserve serve all cases.
class Fill : public testing::Test
{
protected:
	static void SetUpTestSuite()
	{
		feeder = std::make_unique<Feeder>(around);
		feeder->daemon().start();
		ASSERT_TRUE(feeder->ready());
	}
	static void TearDownTestSuite()
	{
		EXPECT_EQ(feeder->daemon().stop(SIGTERM), 0) << feeder->daemon().log();
		feeder.reset();
	}
	void TearDown() override { std::printf("%s", rates.text().c_str()); }

	void round(const Meanwhile &meanwhile = {})
	{
		const size_t before = feeder->daemon().count("was given ");
		runRound(feeder->fields(), {.fill = fast, .meanwhile = meanwhile}, rates);
		EXPECT_GE(feeder->daemon().count("was given ") - before, 2 * around.fields);
		std::printf("%u fills, %u lost\n", rates.fills(), rates.lost());
		std::fflush(stdout);
	}

	static std::unique_ptr<Feeder> feeder;
	Rates rates;
};

std::unique_ptr<Feeder> Fill::feeder;

TEST_F(Fill, TwentyStoresAtRatesThatDoubleLoseNoSnapshot)
{
	for (int i = 0; i < 5; i++) {
		round();
		ASSERT_TRUE(feeder->takeBack());
	}
	EXPECT_EQ(rates.fills(), 20U);
	EXPECT_EQ(rates.lost(), 0U) << feeder->daemon().log();
}

TEST_F(Fill, ADaemonStoppedOrKilledAtLowWaterCostsTimeAndNoSnapshot)
{
	for (const auto way : {Tormentor::Way::Stop, Tormentor::Way::Kill}) {
		Tormentor tormentor(feeder->daemon(), way, 1500);
		round([&](const auto &stores) { tormentor.look(stores); });
		tormentor.finish();
		EXPECT_GE(tormentor.outages(), 1U);
		ASSERT_TRUE(feeder->takeBack());
	}
	EXPECT_EQ(rates.fills(), 8U);
	EXPECT_EQ(rates.lost(), 0U) << feeder->daemon().log();
}

} // namespace
} // namespace snapdiff::lab
