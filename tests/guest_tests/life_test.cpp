// SPDX-License-Identifier: GPL-2.0-or-later
// Random life by eight threads (S8): everything that can be done to stores, origins, snapshots and
// images at any moment, and on the debug kernel what nobody sees otherwise: use of freed memory,
// locks in the wrong order, sleeping where one may not, leaks.

#include "life/life.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <iterator>
#include <sstream>
#include <thread>
#include <vector>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

constexpr unsigned threadCount = 8;
constexpr const char *leakFile = "/sys/kernel/debug/kmemleak";

// What a life like this makes the kernel say, and is no failure.
constexpr const char *ordinaryLines = "device-mapper: |Buffer I/O error|I/O error, dev|"
				      "dm-\\d+: .*(capacity|detected)";

uint64_t steps()
{
	if (const char *given = std::getenv("SNAPDIFF_LIFE_STEPS"))
		return std::strtoull(given, nullptr, 10);
	return fullCounts() ? 50000 : 2000;
}

void run(Life &life, ExpectKernelLog &ordinary)
{
	std::atomic<uint64_t> left = steps();
	std::atomic<unsigned> running = threadCount;
	std::vector<std::thread> threads;
	for (unsigned i = 0; i < threadCount; ++i)
		threads.emplace_back([&, i] {
			Random dice(i + 1);
			// Not below zero: several threads may take the last step at once.
			while (left.load() && left.fetch_sub(1) - 1 < steps() &&
			       !testing::Test::HasFailure())
				life.step(dice);
			--running;
		});
	// The kernel's log is a ring: it is read as long as it is written.
	while (running.load()) {
		std::this_thread::sleep_for(200ms);
		ordinary.count();
	}
	for (std::thread &thread : threads)
		thread.join();
}

// What kmemleak reports with our module in it; it reports nothing younger than five seconds.
std::string leaksOfOurs()
{
	for (int scan = 0; scan < 2; ++scan) {
		std::this_thread::sleep_for(6s);
		std::ofstream(leakFile) << "scan" << std::flush;
	}
	std::ifstream file(leakFile);
	std::string ours;
	std::string report;
	const auto judge = [&] {
		if (report.find("dm_snapdiff") != std::string::npos)
			ours += report;
		report.clear();
	};
	for (std::string line; std::getline(file, line); report += line + "\n")
		if (line.starts_with("unreferenced object"))
			judge();
	judge();
	return ours;
}

} // namespace

TEST(Life, OfEightThreadsNeverShowsAWrongByteAndEnds)
{
	std::cout << "seed " << runSeed() << ", " << steps() << " steps" << std::endl;
	ExpectKernelLog ordinary(ordinaryLines);
	const auto begun = std::chrono::steady_clock::now();
	{
		Life life;
		run(life, ordinary);
		Random dice;
		life.tryTheRest(dice);
		life.compareAll();
		std::cout << life.tally() << std::endl;
		// A life in which something never happens has not tried it.
		EXPECT_EQ(life.neverDone(), std::set<std::string>());
	}
	const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
	std::cout << took.count() << " s" << std::endl;
}

TEST(Life, LeavesNoMemoryBehind)
{
	if (!std::ifstream(leakFile))
		GTEST_SKIP() << "the kernel has no kmemleak: the debug kernel has";
	EXPECT_EQ(leaksOfOurs(), "");
}
