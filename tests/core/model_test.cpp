// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol model: threads against threads, and the same with a step left out.
#include "model.h"

#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;

// Three writers, two readers and an administrator, until the time is over or something is wrong.
void run(Model &model, std::chrono::milliseconds time, u32 seed)
{
	using Act = void (Model::*)(Model::Random &);
	std::vector<std::thread> threads;
	auto stop = Clock::now() + time;
	auto start = [&](Act act, u32 number) {
		threads.emplace_back([&model, act, stop, seed, number] {
			Model::Random random(seed * 97 + number);

			while (!model.failed() && Clock::now() < stop)
				(model.*act)(random);
		});
	};

	for (u32 i = 1; i <= 3; i++)
		start(&Model::write, i);
	for (u32 i = 4; i <= 5; i++)
		start(&Model::readImage, i);
	start(&Model::administer, 6);
	for (auto &thread : threads)
		thread.join();
}

class ModelMutant : public testing::TestWithParam<Mutant>
{
};

} // namespace

TEST(Model, EveryImageShowsItsTakeUnderWritersTakesAndDeletes)
{
	Model model;
	u32 seed = std::random_device()() % 100000;

	RecordProperty("seed", static_cast<int>(seed));
	run(model, std::chrono::seconds(5), seed);
	EXPECT_EQ(model.verdict(), "") << "seed " << seed;
	EXPECT_GT(model.counts.judged, 100u);
	EXPECT_GT(model.counts.copies, 100u);
	EXPECT_GT(model.counts.takes, 10u);
	std::printf("writes %llu jobs %llu copies %llu abandoned %llu repeated %llu reads %llu "
		    "judged %llu "
		    "takes %llu ends %llu freed %llu\n",
		    u64(model.counts.writes), u64(model.counts.jobs), u64(model.counts.copies),
		    u64(model.counts.abandoned), u64(model.counts.repeats), u64(model.counts.reads),
		    u64(model.counts.judged), u64(model.counts.takes), u64(model.counts.ends),
		    u64(model.counts.freed));
}

// Runs again and again, because a race may be missed once; the time is far more than is needed.
TEST_P(ModelMutant, IsFound)
{
	auto stop = Clock::now() + std::chrono::seconds(30);
	bool found = false;

	for (u32 seed = 1; !found && Clock::now() < stop; seed++) {
		Model model(GetParam());
		AllowWarnings warnings; // what goes wrong may be noticed by the core first

		run(model, std::chrono::milliseconds(500), seed);
		found = !model.verdict().empty() || warnings.count();
	}
	EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(Steps, ModelMutant,
			 testing::Values(Mutant::NO_DRAIN, Mutant::NO_LOOKUP, Mutant::NO_CELLS,
					 Mutant::NO_CONFIRM, Mutant::NO_GATE_DRAIN,
					 Mutant::PUBLISH_ABANDONED, Mutant::NO_VALIDITY,
					 Mutant::NO_TRACKING));
