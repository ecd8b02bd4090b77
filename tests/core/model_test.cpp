// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol model: threads against threads, and the same with a step left out.
//
// 20 seconds in each build that ./check has (plain, address and thread sanitizer), so a minute in
// all; with SNAPDIFF_FULL=1 half an hour in each. SNAPDIFF_SEED repeats a run's choices.
#include "model.h"

#include <chrono>
#include <gtest/gtest.h>
#include <map>
#include <thread>

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// All threads, until the time is over or something is wrong.
void run(Model &model, std::chrono::milliseconds time, u32 seed)
{
	using Act = void (Model::*)(Model::Random &);
	static constexpr Act acts[] = {&Model::write,	   &Model::write,     &Model::write,
				       &Model::readImage,  &Model::readImage, &Model::useOverlay,
				       &Model::administer, &Model::move};
	std::vector<std::thread> threads;
	std::atomic<bool> over{false};
	auto stop = Clock::now() + time;
	auto start = [&](Act act, u32 number, auto goOn) {
		threads.emplace_back([&model, act, goOn, seed, number] {
			Model::Random random(seed * 97 + number);

			while (!model.failed() && goOn())
				(model.*act)(random);
		});
	};
	// whoever waits for a place needs the disks and the hold's timer to its end
	std::thread keeper([&] {
		Model::Random random(seed);

		while (!over.load())
			model.keep(random);
	});

	u32 number = 1;
	for (Act act : acts)
		start(act, number++, [stop] { return Clock::now() < stop; });
	for (auto &thread : threads)
		thread.join();
	over.store(true);
	keeper.join();
}

std::chrono::seconds timeOfModel()
{
	const char *full = std::getenv("SNAPDIFF_FULL");

	return full && std::string(full) == "1" ? 1800s : 20s;
}

u32 seedOf()
{
	const char *given = std::getenv("SNAPDIFF_SEED");

	return given ? std::strtoul(given, nullptr, 10) : std::random_device()() % 100000;
}

class ModelMutant : public testing::TestWithParam<Mutant>
{
};

std::vector<Mutant> allMutants()
{
	std::vector<Mutant> all;

	for (int m = 1; m < static_cast<int>(Mutant::COUNT); m++)
		all.push_back(static_cast<Mutant>(m));
	return all;
}

std::string nameOfCase(const testing::TestParamInfo<Mutant> &mutant)
{
	return nameOf(mutant.param);
}

using Seen = std::map<std::string, u64>;

void add(Seen &seen, Model &model)
{
	auto &c = model.counts;
	auto &s = model.storeCounts();
	const std::pair<const char *, u64> all[] = {{"writes", c.writes},
						    {"jobs", c.jobs},
						    {"copies", c.copies},
						    {"bad", c.bad},
						    {"abandoned", c.abandoned},
						    {"repeats", c.repeats},
						    {"requeued", c.requeued},
						    {"reads", c.reads},
						    {"judged", c.judged},
						    {"unwatched", c.unwatched},
						    {"takes", c.takes},
						    {"ends", c.ends},
						    {"freed", c.freed},
						    {"foreign tables", c.foreign},
						    {"overlay writes", c.overlayWrites},
						    {"overlay reads", c.overlayReads},
						    {"segments", s.written},
						    {"held", s.held},
						    {"drops", s.drops},
						    {"extends", s.extends},
						    {"shrinks", s.shrinks},
						    {"moved", s.moved},
						    {"left", s.left}};

	for (const auto &[name, count] : all)
		seen[name] += count;
}

} // namespace

// In rounds, because a round's snapshots are numbered and kept.
TEST(Model, EveryImageShowsItsTakeWhateverGoesOnMeanwhile)
{
	const auto stop = Clock::now() + timeOfModel();
	const u32 seed = seedOf();

	Seen seen;

	std::printf("seed %u\n", seed);
	for (u32 round = 0; Clock::now() < stop; round++) {
		Model model;

		run(model, 5s, seed + round);
		ASSERT_EQ(model.verdict(), "") << "seed " << seed << ", round " << round;
		add(seen, model);
	}
	for (const auto &[name, count] : seen)
		std::printf("%s %llu\n", name.c_str(), count);
	// what every machine gets to in this time
	for (const char *name : {"copies", "judged", "takes", "freed", "abandoned", "segments",
				 "overlay reads", "shrinks", "foreign tables"})
		EXPECT_GT(seen[name], 0u) << "nothing was seen of: " << name;
}

// Runs again and again, because a race may be missed once; the time is far more than is needed.
TEST_P(ModelMutant, IsFound)
{
	const auto stop = Clock::now() + 300s;
	bool found = false;

	for (u32 seed = 1; !found && Clock::now() < stop; seed++) {
		Model model(GetParam(), 10s);
		AllowWarnings warnings; // what goes wrong may be noticed by the core first

		run(model, 700ms, seed);
		const std::string verdict = model.verdict();
		found = !verdict.empty() || warnings.count();
		if (found)
			std::printf("%s (%lu warnings of the core)\n", verdict.c_str(),
				    warnings.count());
	}
	EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(Steps, ModelMutant, testing::ValuesIn(allMutants()), nameOfCase);
