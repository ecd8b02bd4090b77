// SPDX-License-Identifier: GPL-3.0-or-later
/* What states, causes and figures mean, in words for a person. */
#pragma once

#include <QString>

#include "fill_geometry.h"
#include "values.h"

namespace snapdiff::gui {

/* A state said three ways: how urgent, in one or two words, and as a sentence. */
struct Condition
{
	Severity severity = Severity::Ok;
	QString word;
	QString sentence;

	bool operator==(const Condition &) const = default;
};

namespace words {

QString severity(Severity severity);
QString mode(Mode mode);
QString level(Level level);

/* Why a snapshot is invalid, from the kernel's word; an unknown word is shown as it is. */
QString cause(const QString &kernelWord);

/* The most urgent thing to say about a store. */
Condition ofStore(const Store &store);

/* Of an origin of a store; with an empty state only snapshots know it. */
Condition ofOrigin(const Origin &origin);

Condition ofSnapshot(const Snapshot &snapshot);

/* "Cannot overflow any more", or what is needed and what there is. */
Condition worstCase(const Store &store);

/* The long name of a part of the fill bar, and what it is. */
QString part(FillPart part);
QString partMeaning(FillPart part);

/* All that is known of a range, one fact a line. */
QString range(const Range &range);

} // namespace words

FillAmounts fillAmounts(const Store &store);

} // namespace snapdiff::gui
