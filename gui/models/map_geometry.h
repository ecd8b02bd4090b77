// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Where the ranges of the store map lie, in pixels.
 *
 * A lane stands for one disk (a volume group or a device) and holds its ranges in order.  All lanes
 * have the same scale, the longest one fills the width; a range that would be narrower than
 * minimumBlock is widened to it, and a lane that no longer fits goes on in the next line.
 */
#pragma once

#include <span>
#include <vector>

#include <QPoint>
#include <QRect>
#include <QString>

namespace snapdiff::gui {

struct MapMetrics
{
	int width = 0;
	/* Space above the first line of each lane, for its caption. */
	int captionHeight = 18;
	int blockHeight = 28;
	int minimumBlock = 16;
	int blockGap = 2;
	int lineGap = 4;
	int laneGap = 12;
};

class MapGeometry
{
public:
	enum class Step { Left, Right, Up, Down, First, Last };

	MapGeometry() = default;

	/* @lanes: the lengths of the ranges of each lane. */
	MapGeometry(std::span<const std::vector<quint64>> lanes, const MapMetrics &metrics);

	/* One per range, counted through all lanes. */
	const std::vector<QRect> &blocks() const { return blocks_; }

	/* One per lane. */
	const std::vector<QRect> &captions() const { return captions_; }

	int height() const { return height_; }

	/* The range at @point, or -1. */
	int at(const QPoint &point) const;

	/* The range that a step on the keyboard leads to; @from itself where there is none. */
	int neighbour(int from, Step step) const;

private:
	void placeLane(const std::vector<quint64> &lengths, double pixelsPerSector,
		       const MapMetrics &metrics);
	int nearestInNextLine(int from, bool up) const;

	std::vector<QRect> blocks_;
	std::vector<QRect> captions_;
	int height_ = 0;
};

} // namespace snapdiff::gui
