// SPDX-License-Identifier: GPL-3.0-or-later
#include "store_map.h"

#include <array>

#include <QAccessible>
#include <QHelpEvent>
#include <QKeyEvent>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "look.h"
#include "models/shares.h"
#include "models/words.h"

namespace snapdiff::gui {

StoreMap::StoreMap(QWidget *parent) : QAbstractScrollArea(parent)
{
	setFocusPolicy(Qt::StrongFocus);
	setFrameShape(QFrame::NoFrame);
	setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
	viewport()->setMouseTracking(true);
	viewport()->setAutoFillBackground(false);
	setAccessibleName(tr("Store map"));
}

void StoreMap::setRanges(const std::vector<Range> &ranges)
{
	std::vector<Lane> lanes = lanesOf(ranges);
	if (lanes == lanes_)
		return;

	const Range before = current() ? *current() : Range();
	const int placeBefore = current_;
	lanes_ = std::move(lanes);
	ranges_.clear();
	current_ = -1;
	for (const Lane &lane : lanes_) {
		for (const Range &range : lane.ranges) {
			if (placeBefore >= 0 && range.device == before.device &&
			    range.start == before.start)
				current_ = static_cast<int>(ranges_.size());
			ranges_.push_back(&range);
		}
	}
	/* A range that went away is no longer under the mouse either. */
	hovered_ = -1;
	layOut();
	showCurrent();
}

const Range *StoreMap::current() const
{
	return rangeOf(current_);
}

const Range *StoreMap::rangeOf(int index) const
{
	if (index < 0 || index >= static_cast<int>(ranges_.size()))
		return nullptr;
	return ranges_[static_cast<size_t>(index)];
}

MapGeometry StoreMap::geometryOf(bool dense) const
{
	const int line = fontMetrics().height();
	MapMetrics metrics;

	/* The last pixel of a focus frame must not be cut off. */
	metrics.width = viewport()->width() - 2;
	metrics.captionHeight = line + line / 3;
	metrics.blockHeight = dense ? line : line * 2;
	metrics.minimumBlock = dense ? line * 2 / 3 : line;
	metrics.laneGap = dense ? line / 2 : line * 3 / 4;

	std::vector<std::vector<quint64>> lengths;
	for (const Lane &lane : lanes_)
		lengths.push_back(lane.lengths());
	return {lengths, metrics};
}

void StoreMap::layOut()
{
	const int line = fontMetrics().height();

	/* Hundreds of ranges are drawn smaller before the reader has to scroll. */
	geometry_ = geometryOf(false);
	if (geometry_.height() + 2 > viewport()->height())
		geometry_ = geometryOf(true);
	verticalScrollBar()->setPageStep(viewport()->height());
	verticalScrollBar()->setSingleStep(line);
	verticalScrollBar()->setRange(0,
				      std::max(0, geometry_.height() + 2 - viewport()->height()));
	viewport()->update();
}

QSize StoreMap::sizeHint() const
{
	return {fontMetrics().averageCharWidth() * 60, fontMetrics().height() * 9};
}

QSize StoreMap::minimumSizeHint() const
{
	return {fontMetrics().averageCharWidth() * 30, fontMetrics().height() * 4};
}

void StoreMap::showCurrent()
{
	const Range *range = current();

	setAccessibleDescription(range ? words::range(*range)
				       : tr("%1 ranges").arg(ranges_.size()));
	if (hasFocus()) {
		QAccessibleEvent change(this, QAccessible::DescriptionChanged);
		QAccessible::updateAccessibility(&change);
	}
	emit currentChanged();
}

void StoreMap::setCurrent(int range)
{
	if (range == current_)
		return;
	current_ = range;
	if (current()) {
		const QRect block = geometry_.blocks()[static_cast<size_t>(range)];
		QScrollBar *bar = verticalScrollBar();
		const int caption = geometry_.captions().front().height();
		if (block.top() - caption < bar->value())
			bar->setValue(block.top() - caption);
		else if (block.bottom() + 2 > bar->value() + viewport()->height())
			bar->setValue(block.bottom() + 2 - viewport()->height());
	}
	viewport()->update();
	showCurrent();
}

void StoreMap::setHovered(int range)
{
	if (range == hovered_)
		return;
	hovered_ = range;
	viewport()->update();
}

int StoreMap::rangeAt(const QPoint &viewportPoint) const
{
	return geometry_.at(viewportPoint + QPoint(-1, verticalScrollBar()->value() - 1));
}

bool StoreMap::viewportEvent(QEvent *event)
{
	switch (event->type()) {
	case QEvent::ToolTip: {
		const auto *help = static_cast<QHelpEvent *>(event);
		const Range *range = rangeOf(rangeAt(help->pos()));
		QToolTip::showText(help->globalPos(), range ? words::range(*range) : QString(),
				   viewport());
		return true;
	}
	case QEvent::Leave:
		setHovered(-1);
		break;
	default:
		break;
	}
	return QAbstractScrollArea::viewportEvent(event);
}

void StoreMap::resizeEvent(QResizeEvent *event)
{
	QAbstractScrollArea::resizeEvent(event);
	layOut();
}

void StoreMap::changeEvent(QEvent *event)
{
	if (event->type() == QEvent::FontChange || event->type() == QEvent::StyleChange)
		layOut();
	QAbstractScrollArea::changeEvent(event);
}

void StoreMap::keyPressEvent(QKeyEvent *event)
{
	const bool mirrored = isRightToLeft();
	MapGeometry::Step step;

	switch (event->key()) {
	case Qt::Key_Left:
		step = mirrored ? MapGeometry::Step::Right : MapGeometry::Step::Left;
		break;
	case Qt::Key_Right:
		step = mirrored ? MapGeometry::Step::Left : MapGeometry::Step::Right;
		break;
	case Qt::Key_Up:
		step = MapGeometry::Step::Up;
		break;
	case Qt::Key_Down:
		step = MapGeometry::Step::Down;
		break;
	case Qt::Key_Home:
		step = MapGeometry::Step::First;
		break;
	case Qt::Key_End:
		step = MapGeometry::Step::Last;
		break;
	default:
		QAbstractScrollArea::keyPressEvent(event);
		return;
	}
	setCurrent(geometry_.neighbour(current_, step));
}

void StoreMap::mousePressEvent(QMouseEvent *event)
{
	const int range = rangeAt(event->pos());

	if (event->button() == Qt::LeftButton && range >= 0)
		setCurrent(range);
}

void StoreMap::mouseMoveEvent(QMouseEvent *event)
{
	setHovered(rangeAt(event->pos()));
}

void StoreMap::paintEvent(QPaintEvent *event)
{
	QPainter painter(viewport());

	if (ranges_.empty()) {
		painter.setPen(look::quietText(palette()));
		painter.drawText(viewport()->rect(), Qt::AlignCenter | Qt::TextWordWrap,
				 tr("The store has no range yet."));
		return;
	}

	const int shift = verticalScrollBar()->value();
	const QRect visible = event->rect().translated(0, shift);
	painter.translate(1, 1 - shift);
	for (size_t i = 0; i < lanes_.size(); i++) {
		if (geometry_.captions()[i].intersects(visible))
			paintCaption(painter, i);
	}
	const auto &blocks = geometry_.blocks();
	for (size_t i = 0; i < blocks.size(); i++) {
		if (blocks[i].adjusted(-3, -3, 3, 3).intersects(visible))
			paintRange(painter, static_cast<int>(i));
	}
}

void StoreMap::paintCaption(QPainter &painter, size_t lane) const
{
	const QRect rect = geometry_.captions()[lane];

	painter.setPen(palette().color(QPalette::WindowText));
	painter.drawText(
		rect, static_cast<int>(Qt::AlignVCenter | Qt::AlignLeft),
		fontMetrics().elidedText(lanes_[lane].caption(), Qt::ElideRight, rect.width()));
}

void StoreMap::paintRange(QPainter &painter, int index) const
{
	static constexpr std::array parts{FillPart::Used, FillPart::Unusable, FillPart::Free};
	const Range &range = *rangeOf(index);
	const QRect block = geometry_.blocks()[static_cast<size_t>(index)];
	const std::array<quint64, 3> sectors{range.used, range.unusable, range.free};

	if (range.failed) {
		look::paintFailed(painter, block, palette());
	} else {
		const std::vector<int> widths = shareOut(sectors, block.width(), 1);
		int x = block.x();
		for (size_t i = 0; i < parts.size(); i++) {
			look::paintPart(painter, QRectF(x, block.y(), widths[i], block.height()),
					parts[i], palette());
			x += widths[i];
		}
	}

	painter.setBrush(Qt::NoBrush);
	painter.setPen(QPen(range.failed ? look::severityColor(Severity::Critical, palette())
					 : look::outline(palette()),
			    1));
	if (index == hovered_)
		painter.setPen(QPen(palette().color(QPalette::WindowText), 1));
	painter.drawRect(block.adjusted(0, 0, -1, -1));
	if (index == current_) {
		/* Dark on light on dark: visible on the accent as well as on an empty block. */
		painter.setPen(QPen(palette().color(QPalette::WindowText), hasFocus() ? 3 : 2));
		painter.drawRect(block.adjusted(0, 0, -1, -1));
		painter.setPen(QPen(palette().color(QPalette::Base), 1));
		painter.drawRect(block.adjusted(2, 2, -3, -3));
	}
}

} // namespace snapdiff::gui
