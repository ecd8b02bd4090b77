// SPDX-License-Identifier: GPL-2.0-or-later
//
// Changes: how urgent a change of a store is, and what org.snapdiff1 calls it.

#include "changes.h"

namespace snapdiff::daemon {

using model::EventKind;
using model::Severity;

static Told tellMode(const model::Event &change, const model::Store &before)
{
	const bool waited = before.summary.mode == dm::StoreMode::Holding ||
			    before.summary.mode == dm::StoreMode::Full;

	if (change.object == word(dm::StoreMode::Holding))
		return {Severity::Critical, "held", change.text};
	if (change.object == word(dm::StoreMode::Full))
		return {Severity::Critical, "full", change.text};
	if (change.object == word(dm::StoreMode::Dying))
		return {Severity::Notice, "store-removed", change.text};
	return {Severity::Notice, waited ? "released" : "level", change.text};
}

Told tell(const model::Event &change, const model::Store &before)
{
	const std::string text = change.object + ": " + change.text;

	switch (change.kind) {
	case EventKind::ModeChanged:
		return tellMode(change, before);
	case EventKind::LevelChanged:
		return {Severity::Ok, "level", "level " + text};
	case EventKind::RangeGiven:
		return {Severity::Ok, "extended", "range " + text};
	case EventKind::RangeGone:
		return {Severity::Ok, "range-gone", "range " + text};
	case EventKind::RangeFailed:
		return {Severity::Warning, "range-failed", "range " + text};
	case EventKind::RangeShrinking:
		return {Severity::Ok, "range-shrinking", "range " + text};
	case EventKind::ShrinkUndone:
		return {Severity::Notice, "shrink-undone", "range " + text};
	case EventKind::OriginAttached:
		return {Severity::Ok, "origin-attached", "origin " + text};
	case EventKind::OriginDetached:
		return {Severity::Notice, "origin-gone", "origin " + text};
	case EventKind::SnapshotTaken:
		return {Severity::Ok, "snapshot-taken", "snapshot " + text};
	case EventKind::SnapshotDeleted:
		return {Severity::Ok, "snapshot-deleted", "snapshot " + text};
	case EventKind::SnapshotInvalid:
		return {Severity::Critical, "snapshot-invalid", "snapshot " + text};
	}
	return {Severity::Ok, "daemon", text};
}

} // namespace snapdiff::daemon
