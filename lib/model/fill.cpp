// SPDX-License-Identifier: GPL-2.0-or-later
//
// Fill, worst case and severity: computed here, once, for daemon, CLI and GUI.

#include "model/fill.h"

#include "util/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace snapdiff::model {

static constexpr uint64_t criticalMs = 120'000;
static constexpr uint64_t warningMs = 900'000;

double fillOf(const dm::Summary &summary)
{
	if (summary.capacity == 0)
		return 0;
	return static_cast<double>(summary.used) / static_cast<double>(summary.capacity);
}

static uint64_t saturatingSum(uint64_t a, uint64_t b)
{
	uint64_t sum = 0;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

WorstCase worstCase(const Store &store, uint64_t available)
{
	WorstCase worst;
	for (const Origin &origin : store.origins)
		worst.needed = saturatingSum(worst.needed, origin.worstCase);
	for (const Snapshot &snapshot : store.snapshots)
		worst.needed = saturatingSum(worst.needed, snapshot.worstCase);
	// A write that waits for a place says that there is none, whatever could be had.
	worst.cannotOverflow = store.summary.mode == dm::StoreMode::Active &&
			       worst.needed <= saturatingSum(store.summary.free, available);
	return worst;
}

std::string_view word(Severity severity)
{
	switch (severity) {
	case Severity::Ok:
		return "ok";
	case Severity::Notice:
		return "notice";
	case Severity::Warning:
		return "warning";
	case Severity::Critical:
		return "critical";
	}
	return "?";
}

// What the fill says; the snapshots and ranges are judged apart from it.
static Judgement judgeSpace(const SeverityInput &in)
{
	const dm::Summary &s = in.summary;

	if (s.mode == dm::StoreMode::Dying)
		return {Severity::Critical, "The store is going away."};
	if (s.mode == dm::StoreMode::Holding || s.held > 0)
		return {Severity::Critical,
			fmt::format(
				"{} writes have been waiting for space for {}; extend the store.",
				s.held, formatDuration(s.heldMs))};
	if (!in.hasLiveSnapshots)
		return {};
	if (in.worst.cannotOverflow)
		return {};
	if (s.mode == dm::StoreMode::Full)
		return {Severity::Critical, "The store is full and drops snapshots; extend it."};
	if (in.timeToFullMs && *in.timeToFullMs < criticalMs)
		return {Severity::Critical, fmt::format("It will be full in {}; extend it.",
							formatDuration(*in.timeToFullMs))};
	if (in.timeToFullMs && *in.timeToFullMs < warningMs)
		return {Severity::Warning,
			fmt::format("It will be full in {}.", formatDuration(*in.timeToFullMs))};
	if (s.level == dm::Level::Low)
		return {Severity::Warning,
			fmt::format("Free space is low: {}.", formatSize(bytesOf(s.free)))};
	return {};
}

static Judgement judgeHealth(const SeverityInput &in)
{
	if (in.hasInvalidSnapshots)
		return {Severity::Warning, "A snapshot is invalid; its data is lost. Delete it."};
	if (in.hasFailedRanges)
		return {Severity::Warning, "A range failed; no new data goes there."};
	return {};
}

Judgement judge(const SeverityInput &input)
{
	const Judgement space = judgeSpace(input);
	const Judgement health = judgeHealth(input);
	return health.severity > space.severity ? health : space;
}

Judgement judge(const Store &store, std::optional<uint64_t> timeToFullMs, uint64_t available)
{
	const auto live = [](const Snapshot &snapshot) {
		return snapshot.status.state == dm::SnapshotState::Live;
	};
	const auto failed = [](const Range &range) {
		return range.status.state == dm::RangeState::Failed;
	};

	SeverityInput input;
	input.summary = store.summary;
	input.worst = worstCase(store, available);
	input.hasLiveSnapshots = std::any_of(store.snapshots.begin(), store.snapshots.end(), live);
	input.hasInvalidSnapshots =
		!std::all_of(store.snapshots.begin(), store.snapshots.end(), live);
	input.hasFailedRanges = std::any_of(store.ranges.begin(), store.ranges.end(), failed);
	input.timeToFullMs = timeToFullMs;
	return judge(input);
}

} // namespace snapdiff::model
