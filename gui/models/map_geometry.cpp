// SPDX-License-Identifier: GPL-3.0-or-later
#include "map_geometry.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace snapdiff::gui {

namespace {

/* Pixels per sector with which the longest lane, its gaps included, fills the width. */
double scaleOf(std::span<const std::vector<quint64>> lanes, const MapMetrics &metrics)
{
	double scale = 0;

	for (const std::vector<quint64> &lane : lanes) {
		double sectors = 0;
		for (const quint64 length : lane)
			sectors += static_cast<double>(length);
		if (sectors <= 0)
			continue;
		const double gaps = static_cast<double>(lane.size() - 1) * metrics.blockGap;
		const double fitting = std::max(0.0, metrics.width - gaps) / sectors;
		if (scale <= 0 || fitting < scale)
			scale = fitting;
	}
	return scale;
}

} // namespace

MapGeometry::MapGeometry(std::span<const std::vector<quint64>> lanes, const MapMetrics &metrics)
{
	if (metrics.width <= 0)
		return;

	const double scale = scaleOf(lanes, metrics);
	for (const std::vector<quint64> &lane : lanes) {
		if (!captions_.empty())
			height_ += metrics.laneGap;
		captions_.emplace_back(0, height_, metrics.width, metrics.captionHeight);
		height_ += metrics.captionHeight;
		placeLane(lane, scale, metrics);
	}
}

void MapGeometry::placeLane(const std::vector<quint64> &lengths, double pixelsPerSector,
			    const MapMetrics &metrics)
{
	int x = 0;

	for (const quint64 length : lengths) {
		/* Rounded down: a lane that fits exactly must not wrap because of rounding. */
		const int scaled =
			static_cast<int>(std::floor(static_cast<double>(length) * pixelsPerSector));
		const int width = std::clamp(scaled, std::min(metrics.minimumBlock, metrics.width),
					     metrics.width);
		if (x > 0 && x + width > metrics.width) {
			x = 0;
			height_ += metrics.blockHeight + metrics.lineGap;
		}
		blocks_.emplace_back(x, height_, width, metrics.blockHeight);
		x += width + metrics.blockGap;
	}
	height_ += metrics.blockHeight;
}

int MapGeometry::at(const QPoint &point) const
{
	const auto found = std::find_if(blocks_.begin(), blocks_.end(),
					[&](const QRect &block) { return block.contains(point); });
	return found == blocks_.end() ? -1 : static_cast<int>(found - blocks_.begin());
}

int MapGeometry::neighbour(int from, Step step) const
{
	const int last = static_cast<int>(blocks_.size()) - 1;

	if (last < 0)
		return -1;
	if (from < 0 || from > last)
		return step == Step::Last ? last : 0;

	switch (step) {
	case Step::Left:
		return std::max(0, from - 1);
	case Step::Right:
		return std::min(last, from + 1);
	case Step::First:
		return 0;
	case Step::Last:
		return last;
	case Step::Up:
	case Step::Down:
		break;
	}
	return nearestInNextLine(from, step == Step::Up);
}

int MapGeometry::nearestInNextLine(int from, bool up) const
{
	const QRect &here = blocks_[static_cast<size_t>(from)];
	int best = from;
	int bestRows = 0;
	int bestColumns = 0;

	for (size_t i = 0; i < blocks_.size(); i++) {
		const int rows = up ? here.y() - blocks_[i].y() : blocks_[i].y() - here.y();
		if (rows <= 0)
			continue;
		const int columns = std::abs(blocks_[i].center().x() - here.center().x());
		if (best == from || rows < bestRows ||
		    (rows == bestRows && columns < bestColumns)) {
			best = static_cast<int>(i);
			bestRows = rows;
			bestColumns = columns;
		}
	}
	return best;
}

} // namespace snapdiff::gui
