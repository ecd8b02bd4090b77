// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The ranges of one store as blocks, a lane per disk; each block shows what is used, free and
 * unusable in it, or that it failed.  One range is current: the arrow keys or a click move there.
 */
#pragma once

#include <vector>

#include <QAbstractScrollArea>

#include "models/lanes.h"
#include "models/map_geometry.h"

namespace snapdiff::gui {

class StoreMap final : public QAbstractScrollArea
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(StoreMap)

public:
	explicit StoreMap(QWidget *parent = nullptr);

	/* The current range stays current as long as the store has it. */
	void setRanges(const std::vector<Range> &ranges);

	/* nullptr: there is none. */
	const Range *current() const;

	QSize sizeHint() const override;
	QSize minimumSizeHint() const override;

signals:
	/* Another range is current, or its figures changed. */
	void currentChanged();

protected:
	bool viewportEvent(QEvent *event) override;
	void paintEvent(QPaintEvent *event) override;
	void resizeEvent(QResizeEvent *event) override;
	void keyPressEvent(QKeyEvent *event) override;
	void mousePressEvent(QMouseEvent *event) override;
	void mouseMoveEvent(QMouseEvent *event) override;
	void changeEvent(QEvent *event) override;

private:
	void layOut();
	MapGeometry geometryOf(bool dense) const;
	void setCurrent(int range);
	void showCurrent();
	void setHovered(int range);
	int rangeAt(const QPoint &viewportPoint) const;
	const Range *rangeOf(int index) const;
	void paintCaption(QPainter &painter, size_t lane) const;
	void paintRange(QPainter &painter, int index) const;

	std::vector<Lane> lanes_;
	/* Of all lanes, in the order of the geometry's blocks. */
	std::vector<const Range *> ranges_;
	MapGeometry geometry_;
	int current_ = -1;
	int hovered_ = -1;
};

} // namespace snapdiff::gui
