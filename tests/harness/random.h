// SPDX-License-Identifier: GPL-2.0-or-later
// Random numbers whose seed is printed when a test fails, and can be given again.
#pragma once

#include <cstdint>
#include <random>

namespace snapdiff::lab {

// The seed of this run: SNAPDIFF_SEED from the environment, else a new one.
uint64_t runSeed();

// Numbers for one test case; the case's name is mixed in, so that cases do not share a sequence.
class Random
{
public:
	Random();
	// The same for one of several threads.
	explicit Random(uint64_t stream);

	// Any number.
	uint64_t operator()() { return engine_(); }
	// A number from 0 to limit - 1.
	uint64_t below(uint64_t limit);
	// A number from first to last, both included.
	uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }
	// True once in so many calls, on average.
	bool oneIn(uint64_t calls) { return below(calls) == 0; }
	// For the standard library's algorithms.
	std::mt19937_64 &engine() { return engine_; }

private:
	std::mt19937_64 engine_;
};

// Prints the run's seed below every failed case; called by main().
void printSeedOnFailure();

} // namespace snapdiff::lab
