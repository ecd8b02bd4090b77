// SPDX-License-Identifier: GPL-3.0-or-later
#include "lanes.h"

#include <algorithm>

#include <QCoreApplication>
#include <QHash>

#include "format.h"

namespace snapdiff::gui {

namespace {

QString text(const char *source)
{
	return QCoreApplication::translate("Lanes", source);
}

void sortByAddress(std::vector<Range> &ranges)
{
	QHash<QString, int> given;

	for (const Range &range : ranges)
		if (!given.contains(range.device))
			given.insert(range.device, static_cast<int>(given.size()));
	std::stable_sort(ranges.begin(), ranges.end(), [&](const Range &a, const Range &b) {
		if (a.device != b.device)
			return given.value(a.device) < given.value(b.device);
		return a.start < b.start;
	});
}

} // namespace

QString Lane::caption() const
{
	quint64 length = 0;
	quint64 used = 0;
	qsizetype failed = 0;

	for (const Range &range : ranges) {
		length += range.length;
		used += range.used;
		failed += range.failed;
	}

	QString result =
		text("%1: %2, %3 used of %4")
			.arg(name, format::count(ranges.size(), text("range"), text("ranges")),
			     format::size(used), format::size(length));
	if (failed > 0)
		result += text(", %1 failed").arg(failed);
	return result;
}

std::vector<quint64> Lane::lengths() const
{
	std::vector<quint64> result;

	for (const Range &range : ranges)
		result.push_back(range.length);
	return result;
}

std::vector<Lane> lanesOf(const std::vector<Range> &ranges)
{
	std::vector<Lane> lanes;
	QHash<QString, size_t> places;

	for (const Range &range : ranges) {
		auto place = places.constFind(range.disk);
		if (place == places.constEnd()) {
			place = places.insert(range.disk, lanes.size());
			lanes.push_back({range.disk, {}});
		}
		lanes[*place].ranges.push_back(range);
	}
	for (Lane &lane : lanes)
		sortByAddress(lane.ranges);
	return lanes;
}

} // namespace snapdiff::gui
