// SPDX-License-Identifier: GPL-3.0-or-later
#include "format.h"

#include <array>
#include <cmath>

#include <QCoreApplication>
#include <QLocale>

namespace snapdiff::gui::format {

namespace {

QString text(const char *source)
{
	return QCoreApplication::translate("Format", source);
}

/* Sectors reach 2^64, bytes do not fit any more: the value is scaled as a floating number. */
QString scaled(quint64 sectors)
{
	static constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB"};

	if (sectors < 2)
		return text("%1 B").arg(sectors * 512);

	double value = static_cast<double>(sectors) / 2;
	size_t unit = 0;
	/* 1023.5 would be shown as "1024 KiB". */
	while (value >= 1023.5 && unit + 1 < units.size()) {
		value /= 1024;
		unit++;
	}

	/* One digit behind the point where it says something: "1.2 GiB", but "12 MiB" if exact. */
	const double tenths = std::round(value * 10);
	const bool whole = value >= 99.95 || std::fmod(tenths, 10) == 0;
	return text("%1 %2").arg(QLocale().toString(value, 'f', whole ? 0 : 1),
				 QString::fromLatin1(units[unit]));
}

struct Unit
{
	quint64 seconds;
	const char *name;
};

} // namespace

QString size(quint64 sectors)
{
	return scaled(sectors);
}

QString rate(quint64 sectorsPerSecond)
{
	return text("%1/s").arg(scaled(sectorsPerSecond));
}

QString duration(quint64 seconds)
{
	static constexpr std::array<Unit, 4> units{{
		{86400, "%1 d"},
		{3600, "%1 h"},
		{60, "%1 min"},
		{1, "%1 s"},
	}};

	if (seconds > 3650 * units[0].seconds)
		return text("over 10 years");
	for (size_t i = 0; i < units.size(); i++) {
		if (seconds < units[i].seconds)
			continue;
		QString first = text(units[i].name).arg(number(seconds / units[i].seconds));
		if (i + 1 == units.size())
			return first;
		const quint64 rest = seconds % units[i].seconds / units[i + 1].seconds;
		if (rest == 0)
			return first;
		return first + QLatin1Char(' ') + text(units[i + 1].name).arg(rest);
	}
	return text("0 s");
}

QString milliseconds(quint64 value)
{
	if (value < 1000)
		return text("%1 ms").arg(value);
	const quint64 tenths = value / 100;
	if (value < 10000)
		return text("%1 s").arg(
			QLocale().toString(static_cast<double>(tenths) / 10, 'f', 1));
	return duration(value / 1000);
}

QString percent(quint64 part, quint64 whole)
{
	if (whole == 0 || part == 0)
		return text("%1 %").arg(0);
	if (part >= whole)
		return text("%1 %").arg(100);

	const double exact = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
	if (exact < 1)
		return text("< %1 %").arg(1);
	return text("%1 %").arg(std::min(99, static_cast<int>(std::round(exact))));
}

QString age(const QDateTime &then, const QDateTime &now)
{
	const qint64 seconds = then.secsTo(now);
	if (seconds < 1)
		return text("just now");
	/* Seconds behind minutes only make a list restless. */
	const qint64 shown = seconds < 60 ? seconds : seconds - seconds % 60;
	return text("%1 ago").arg(duration(static_cast<quint64>(shown)));
}

QString count(quint64 number, const QString &one, const QString &many)
{
	return text("%1 %2").arg(format::number(number), number == 1 ? one : many);
}

QString number(quint64 value)
{
	return QLocale().toString(value);
}

} // namespace snapdiff::gui::format
