// SPDX-License-Identifier: GPL-2.0-or-later
// Random numbers whose seed is printed when a test fails.

#include "harness/random.h"

#include <cstdlib>
#include <functional>
#include <gtest/gtest.h>
#include <iostream>
#include <string>

namespace snapdiff::lab {

namespace {

uint64_t caseSeed()
{
	const testing::TestInfo *test = testing::UnitTest::GetInstance()->current_test_info();
	if (!test)
		return runSeed();
	return runSeed() ^
	       std::hash<std::string>{}(std::string(test->test_suite_name()) + "." + test->name());
}

class SeedPrinter : public testing::EmptyTestEventListener
{
	void OnTestEnd(const testing::TestInfo &test) override
	{
		if (test.result()->Failed())
			std::cout << "to repeat: SNAPDIFF_SEED=" << runSeed() << std::endl;
	}
};

} // namespace

uint64_t runSeed()
{
	static const uint64_t seed = [] {
		const char *given = std::getenv("SNAPDIFF_SEED");
		return given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
	}();
	return seed;
}

Random::Random() : engine_(caseSeed())
{
}

Random::Random(uint64_t stream) : engine_(caseSeed() + stream * 0x9e3779b97f4a7c15)
{
}

uint64_t Random::below(uint64_t limit)
{
	return std::uniform_int_distribution<uint64_t>(0, limit - 1)(engine_);
}

void printSeedOnFailure()
{
	// gtest owns the listener.
	testing::UnitTest::GetInstance()->listeners().Append(new SeedPrinter);
}

} // namespace snapdiff::lab
