// SPDX-License-Identifier: GPL-2.0-or-later
// A writer whose rate doubles until the disks are the limit, or until nothing is left to write.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace snapdiff::lab {

struct FillPlan
{
	uint64_t firstRate = 4U << 20; // bytes a second
	unsigned stageMs = 1000;       // then it doubles
	uint64_t ioSectors = 512;
	unsigned depth = 16;
	// However slow the disks are, it does not end before so much is written.
	uint64_t leastSectors = 0;
};

// What the filled storage says of itself, asked every few milliseconds.
struct FillState
{
	uint64_t heldTotal = 0; // writes that ever had to wait for space
	uint64_t heldMs = 0;	// age of the oldest that waits now
	bool lost = false;	// the snapshot: no use to go on
};

// What happened at one rate.
struct Stage
{
	uint64_t rate = 0; // wanted, bytes a second
	uint64_t bytes = 0;
	double seconds = 0;
	uint64_t held = 0;
	uint64_t longestHoldMs = 0;
	double longestWriteMs = 0;
	bool lost = false;

	// Long enough to say what was reached.
	bool measured() const { return seconds >= 0.2; }
	double reached() const { return seconds > 0 ? static_cast<double>(bytes) / seconds : 0; }
	// Writes were held for want of space.
	bool waited() const { return held || longestHoldMs; }
	// The wanted rate was not reached, and not because writes were held.
	bool limitedByDisks() const;
};

// Writes every sector of the device once, from its beginning on, with direct I/O. Throws
// std::system_error if a write fails.
std::vector<Stage> fill(const std::string &device, const FillPlan &plan,
			const std::function<FillState()> &state);

} // namespace snapdiff::lab
