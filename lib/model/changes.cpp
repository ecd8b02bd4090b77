// SPDX-License-Identifier: GPL-2.0-or-later
//
// Changes: what happened between two looks at a store.

#include "model/changes.h"

#include "util/units.h"

#include <fmt/format.h>

#include <algorithm>

namespace snapdiff::model {

std::string_view word(EventKind kind)
{
	switch (kind) {
	case EventKind::ModeChanged:
		return "mode";
	case EventKind::LevelChanged:
		return "level";
	case EventKind::RangeGiven:
		return "range-given";
	case EventKind::RangeFailed:
		return "range-failed";
	case EventKind::RangeShrinking:
		return "range-shrinking";
	case EventKind::ShrinkUndone:
		return "shrink-undone";
	case EventKind::RangeGone:
		return "range-gone";
	case EventKind::OriginAttached:
		return "origin-attached";
	case EventKind::OriginDetached:
		return "origin-detached";
	case EventKind::SnapshotTaken:
		return "snapshot-taken";
	case EventKind::SnapshotInvalid:
		return "snapshot-invalid";
	case EventKind::SnapshotDeleted:
		return "snapshot-deleted";
	}
	return "?";
}

static std::string_view meaning(dm::StoreMode mode)
{
	switch (mode) {
	case dm::StoreMode::Active:
		return "the store has free space";
	case dm::StoreMode::Holding:
		return "no free space: writes that need a copy wait";
	case dm::StoreMode::Full:
		return "no free space and the hold is spent: snapshots are dropped";
	case dm::StoreMode::Dying:
		return "the store is going away";
	}
	return "?";
}

static const Range *sameRange(const std::vector<Range> &ranges, const Range &wanted)
{
	const auto found = std::find_if(ranges.begin(), ranges.end(), [&](const Range &range) {
		return range.status.dev == wanted.status.dev &&
		       range.status.start == wanted.status.start;
	});
	return found == ranges.end() ? nullptr : &*found;
}

static bool isAttached(const Origin *origin)
{
	return origin && origin->status.state != dm::OriginState::Detached;
}

static void addShrink(const Range *before, const Range &after, std::vector<Event> &events)
{
	const dm::Shrink was = before ? before->status.shrink : dm::Shrink::None;
	const dm::Shrink is = after.status.shrink;

	if (was == is)
		return;
	if (is == dm::Shrink::Moving)
		events.push_back(
			{EventKind::RangeShrinking, after.device,
			 fmt::format("{} move elsewhere", formatSize(bytesOf(after.status.used)))});
	else if (is == dm::Shrink::Cancelled)
		events.push_back({EventKind::ShrinkUndone, after.device, "cancelled"});
	else if (is == dm::Shrink::NoSpace)
		events.push_back({EventKind::ShrinkUndone, after.device,
				  "no free place was left elsewhere"});
}

static void addSpace(const Store &before, const Store &after, std::vector<Event> &events)
{
	for (const Range &range : after.ranges) {
		const Range *old = sameRange(before.ranges, range);
		if (!old)
			events.push_back({EventKind::RangeGiven, range.device,
					  fmt::format("{} given",
						      formatSize(bytesOf(range.status.length)))});
		if (range.status.state == dm::RangeState::Failed &&
		    (!old || old->status.state != dm::RangeState::Failed))
			events.push_back({EventKind::RangeFailed, range.device,
					  "a write to it failed; no new data goes there"});
		addShrink(old, range, events);
	}
	for (const Range &range : before.ranges) {
		if (!sameRange(after.ranges, range))
			events.push_back({EventKind::RangeGone, range.device, "taken back"});
	}
	if (before.summary.mode != after.summary.mode)
		events.push_back({EventKind::ModeChanged, std::string(dm::word(after.summary.mode)),
				  std::string(meaning(after.summary.mode))});
	if (before.summary.level != after.summary.level)
		events.push_back(
			{EventKind::LevelChanged, std::string(dm::word(after.summary.level)),
			 fmt::format("{} of {} free", formatSize(bytesOf(after.summary.free)),
				     formatSize(bytesOf(after.summary.capacity)))});
}

static void addOrigins(const Store &before, const Store &after, std::vector<Event> &events)
{
	for (const Origin &origin : after.origins) {
		const bool was = isAttached(before.origin(origin.status.name));
		if (!was && isAttached(&origin))
			events.push_back({EventKind::OriginAttached, origin.status.name,
					  formatSize(bytesOf(origin.status.size))});
	}
	for (const Origin &origin : before.origins) {
		if (isAttached(&origin) && !isAttached(after.origin(origin.status.name)))
			events.push_back({EventKind::OriginDetached, origin.status.name,
					  "no longer attached"});
	}
}

static void addSnapshots(const Store &before, const Store &after, std::vector<Event> &events)
{
	// One name may mean another snapshot now: deleted and taken again in between.
	const auto same = [](const Snapshot *a, const Snapshot &b) {
		return a && a->status.takenAt == b.status.takenAt;
	};

	for (const Snapshot &snapshot : before.snapshots) {
		if (!same(after.snapshot(snapshot.status.name), snapshot))
			events.push_back(
				{EventKind::SnapshotDeleted, snapshot.status.name, "deleted"});
	}
	for (const Snapshot &snapshot : after.snapshots) {
		const Snapshot *old = before.snapshot(snapshot.status.name);
		const bool known = same(old, snapshot);
		if (!known) {
			std::string origins;
			for (const dm::SnapshotOrigin &origin : snapshot.status.origins)
				origins += (origins.empty() ? "" : ", ") + origin.name;
			events.push_back(
				{EventKind::SnapshotTaken, snapshot.status.name, "of " + origins});
		}
		if (snapshot.status.state == dm::SnapshotState::Invalid &&
		    (!known || old->status.state == dm::SnapshotState::Live))
			events.push_back({EventKind::SnapshotInvalid, snapshot.status.name,
					  fmt::format("invalid, cause {}",
						      dm::word(snapshot.status.cause))});
	}
}

std::vector<Event> changes(const Store &before, const Store &after)
{
	std::vector<Event> events;
	addSpace(before, after, events);
	addOrigins(before, after, events);
	addSnapshots(before, after, events);
	return events;
}

} // namespace snapdiff::model
