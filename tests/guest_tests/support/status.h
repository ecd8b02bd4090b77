// SPDX-License-Identifier: GPL-2.0-or-later
// A store's status and summary as the tests read them: a second reader of the grammar in
// dm-target/uapi/dm-snapdiff.h, independent of lib/, so that a mistake in one is seen.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace snapdiff::lab {

struct Summary
{
	std::string mode;
	uint64_t capacity = 0;
	uint64_t used = 0;
	uint64_t free = 0;
	uint64_t unusable = 0;
	uint64_t lowWater = 0;
	std::string level;
	uint64_t seq = 0;
	uint64_t held = 0;
	uint64_t heldMs = 0;
	uint64_t heldTotal = 0;
};

struct RangeStatus
{
	std::string device;
	uint64_t start = 0;
	uint64_t length = 0;
	std::string group;
	std::string state;
	std::string shrink;
	uint64_t used = 0;
	uint64_t free = 0;
	uint64_t unusable = 0;
};

struct OriginStatus
{
	std::string name;
	std::string device;
	uint64_t start = 0;
	uint64_t size = 0;
	std::string state;
	uint64_t unsafeChunks = 0;
	uint64_t badChunks = 0;
	uint64_t copiedChunks = 0;
	uint64_t readWaits = 0;
};

struct SnapshotStatus
{
	std::string name;
	uint64_t time = 0;
	uint64_t own = 0;
	std::string state;
	std::string cause;
	uint64_t images = 0;
	uint64_t overlay = 0;
	uint64_t toCome = 0;
	std::vector<std::pair<std::string, uint64_t>> origins;
	bool live() const { return state == "live"; }
};

struct StoreStatus
{
	Summary summary;
	uint64_t buffered = 0;
	uint64_t buffer = 0;
	uint64_t memory = 0;
	std::vector<RangeStatus> ranges;
	std::vector<OriginStatus> origins;
	std::vector<SnapshotStatus> snapshots;

	// Throw std::out_of_range if there is none of this name.
	const OriginStatus &origin(const std::string &name) const;
	const SnapshotStatus &snapshot(const std::string &name) const;
	bool hasSnapshot(const std::string &name) const;
};

// Both throw std::runtime_error if the text is not what the grammar says.
Summary parseSummary(const std::string &text);
// The line of "dmsetup status", which begins with "0 1 snapdiff-store".
StoreStatus parseStatus(const std::string &line);

// What is wrong with the counters, in words; empty if nothing is.
std::string accountingFault(const StoreStatus &status);

} // namespace snapdiff::lab
