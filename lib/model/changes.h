// SPDX-License-Identifier: GPL-2.0-or-later
//
// Changes: what happened between two looks at a store, as events for people and logs.

#pragma once

#include "model/store.h"

#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::model {

enum class EventKind {
	ModeChanged,
	LevelChanged,
	RangeGiven,
	RangeFailed,
	RangeShrinking,
	ShrinkUndone,
	RangeGone,
	OriginAttached,
	OriginDetached,
	SnapshotTaken,
	SnapshotInvalid,
	SnapshotDeleted,
};

// "mode", "level", "range-given", "snapshot-invalid": stable words for programs.
std::string_view word(EventKind kind);

struct Event
{
	EventKind kind = EventKind::ModeChanged;
	std::string object; // the range's device, the origin, the snapshot; the new mode or level
	std::string text;   // a sentence without full stop

	bool operator==(const Event &) const = default;
};

// In a sensible order; nothing for what only counts up (used, copied chunks).
std::vector<Event> changes(const Store &before, const Store &after);

} // namespace snapdiff::model
