// SPDX-License-Identifier: GPL-3.0-or-later
#include "fill_bar.h"

#include <QHelpEvent>
#include <QPainter>
#include <QPainterPath>
#include <QToolTip>

#include "look.h"
#include "models/format.h"
#include "models/words.h"

namespace snapdiff::gui {

namespace {

constexpr int cornerRadius = 4;

quint64 sectorsOf(const FillAmounts &amounts, FillPart part)
{
	switch (part) {
	case FillPart::Used:
		return amounts.used;
	case FillPart::Unusable:
		return amounts.unusable;
	case FillPart::Free:
		return amounts.free;
	case FillPart::Reserve:
		return amounts.reserve;
	case FillPart::Carvable:
		return amounts.carvable;
	}
	return 0;
}

/* The outlines of the store and, behind the gap, of what could be added to it. */
QPainterPath frame(const QRectF &rect)
{
	QPainterPath path;

	path.addRoundedRect(rect, cornerRadius, cornerRadius);
	return path;
}

} // namespace

FillBar::FillBar(QWidget *parent) : QWidget(parent)
{
	setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Fixed);
	setAccessibleName(tr("Fill"));
}

void FillBar::setAmounts(const FillAmounts &amounts)
{
	if (amounts == amounts_)
		return;
	amounts_ = amounts;
	setAccessibleDescription(description());
	update();
}

QString FillBar::description() const
{
	const quint64 capacity = amounts_.used + amounts_.unusable + amounts_.free;
	QString result = tr("%1 of %2 used, %3 free")
				 .arg(format::size(amounts_.used), format::size(capacity),
				      format::size(amounts_.free));

	if (amounts_.unusable > 0)
		result += tr(", %1 unusable").arg(format::size(amounts_.unusable));
	if (amounts_.reserve > 0)
		result += tr(", %1 in reserve").arg(format::size(amounts_.reserve));
	if (amounts_.carvable > 0)
		result += tr(", %1 can still be carved").arg(format::size(amounts_.carvable));
	if (amounts_.lowWater > 0)
		result += tr("; asks for more at %1 free").arg(format::size(amounts_.lowWater));
	return result;
}

QSize FillBar::sizeHint() const
{
	return {fontMetrics().averageCharWidth() * 40, fontMetrics().height() * 3 / 2 + 6};
}

QSize FillBar::minimumSizeHint() const
{
	return {fontMetrics().averageCharWidth() * 16, sizeHint().height()};
}

QRect FillBar::barRect() const
{
	/* Above and below stays room for the ends of the low-water mark. */
	return rect().adjusted(0, 3, 0, -3);
}

QString FillBar::toolTipAt(int x) const
{
	const FillGeometry geometry(amounts_, barRect().width());
	const FillGeometry::Piece *piece = geometry.at(x);

	if (!piece)
		return {};
	QString result = tr("%1: %2, %3")
				 .arg(words::part(piece->part),
				      format::size(sectorsOf(amounts_, piece->part)),
				      words::partMeaning(piece->part));
	if (amounts_.lowWater > 0)
		result += tr("\nThe store asks for more at %1 free (low water)")
				  .arg(format::size(amounts_.lowWater));
	if (!geometry.toScale())
		result += tr("\nReserve and carvable are drawn smaller than they are");
	return result;
}

bool FillBar::event(QEvent *event)
{
	if (event->type() == QEvent::ToolTip) {
		const auto *help = static_cast<QHelpEvent *>(event);
		QToolTip::showText(help->globalPos(), toolTipAt(help->pos().x()), this);
		return true;
	}
	return QWidget::event(event);
}

void FillBar::paintEvent(QPaintEvent *)
{
	const QRect bar = barRect();
	const FillGeometry geometry(amounts_, bar.width());
	QPainter painter(this);

	painter.setRenderHint(QPainter::Antialiasing);
	QPainterPath shape;
	if (geometry.storeWidth() > 0)
		shape.addPath(frame(QRectF(bar.x(), bar.y(), geometry.storeWidth(), bar.height())
					    .adjusted(0.5, 0.5, -0.5, -0.5)));
	const auto &pieces = geometry.pieces();
	const auto supply = std::find_if(pieces.begin(), pieces.end(), [](const auto &piece) {
		return piece.part == FillPart::Reserve || piece.part == FillPart::Carvable;
	});
	if (supply != pieces.end())
		shape.addPath(
			frame(QRectF(supply->x, bar.y(), bar.width() - supply->x, bar.height())
				      .adjusted(0.5, 0.5, -0.5, -0.5)));
	if (shape.isEmpty())
		shape.addPath(frame(QRectF(bar).adjusted(0.5, 0.5, -0.5, -0.5)));

	painter.save();
	painter.setClipPath(shape);
	for (const FillGeometry::Piece &piece : pieces)
		look::paintPart(painter, QRectF(piece.x, bar.y(), piece.width, bar.height()),
				piece.part, palette());
	painter.restore();

	painter.setPen(QPen(look::outline(palette()), 1));
	painter.drawPath(shape);

	if (geometry.lowWaterX() >= 0) {
		/* A light edge on both sides keeps the mark visible on every pattern. */
		const double x = geometry.lowWaterX() + 0.5;
		painter.setPen(QPen(palette().color(QPalette::Base), 4));
		painter.drawLine(QPointF(x, bar.top() + 1), QPointF(x, bar.bottom()));
		painter.setPen(QPen(palette().color(QPalette::WindowText), 2));
		painter.drawLine(QPointF(x, 0), QPointF(x, height()));
	}
}

} // namespace snapdiff::gui
