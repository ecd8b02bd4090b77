// SPDX-License-Identifier: GPL-3.0-or-later
/* Numbers as a person reads them: sizes in binary units, rates, durations, shares and ages. */
#pragma once

#include <QDateTime>
#include <QString>

namespace snapdiff::gui::format {

/* Sectors of 512 bytes, with three digits at most before the unit: "1.2 GiB", "164 MiB", "0 B". */
QString size(quint64 sectors);

/* Sectors per second: "12.5 MiB/s". */
QString rate(quint64 sectorsPerSecond);

/*
 * The two largest units that say something: "45 s", "1 min 43 s", "3 d 4 h"; what is longer than
 * ten years is said to be so.
 */
QString duration(quint64 seconds);

/* As duration(), with milliseconds below ten seconds: "850 ms", "2.4 s". */
QString milliseconds(quint64 value);

/*
 * Part of a whole.  Never says "100 %" of something that is not complete nor "0 %" of something
 * that is there, because those two are the figures that people act on.
 */
QString percent(quint64 part, quint64 whole);

/* "40 s ago", "3 min ago", "2 h 5 min ago"; "just now" below one second and for times in the future
 * (the clock was set). */
QString age(const QDateTime &then, const QDateTime &now);

/* "1 snapshot", "3 snapshots". */
QString count(quint64 number, const QString &one, const QString &many);

/* A number alone, grouped as the locale wants it. */
QString number(quint64 value);

} // namespace snapdiff::gui::format
