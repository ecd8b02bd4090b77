// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the program can show at all: from the link to the daemon, what it said last, and when.
 *
 * Each situation other than the normal one says what is the matter and what to do next.  Figures
 * that were once received stay visible and are marked as old; they never turn into zeroes.
 */
#pragma once

#include <optional>

#include <QDateTime>
#include <QString>

#include "values.h"

namespace snapdiff::gui {

struct Situation
{
	enum class Kind {
		Connecting,
		NoBus,
		NoDaemon,
		Refused,
		Silent,
		Misfit,
		NoModule,
		NothingAttached,
		Stale,
		Normal,
	};

	Kind kind = Kind::Connecting;
	Severity severity = Severity::Ok;
	QString headline;
	QString explanation;
	/* What to do, in words; and the command for it where there is one. */
	QString nextStep;
	QString command;

	/* Are there figures to show, be they old? */
	bool showsStores() const { return kind == Kind::Normal || kind == Kind::Stale; }

	bool operator==(const Situation &) const = default;
};

/* When the last figures came, if any did. */
struct Reception
{
	/* By the clock on the wall, to be shown. */
	QDateTime at;
	/* By a clock that nobody sets. */
	qint64 ageMs = 0;
};

/* @detail: what the bus said, for the situations in which that helps. */
Situation situationOf(Link link, const QString &detail, const Monitor &monitor,
		      const std::optional<Reception> &last);

} // namespace snapdiff::gui
