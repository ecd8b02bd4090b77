// SPDX-License-Identifier: GPL-3.0-or-later
#include "look.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <QFontMetrics>
#include <QPainterPath>

namespace snapdiff::gui::look {

namespace {

QColor mixed(const QColor &first, const QColor &second, double share)
{
	return QColor::fromRgbF(
		static_cast<float>(first.redF() * (1 - share) + second.redF() * share),
		static_cast<float>(first.greenF() * (1 - share) + second.greenF() * share),
		static_cast<float>(first.blueF() * (1 - share) + second.blueF() * share));
}

/* Lines of one direction over all of @rect; @slope +1 falls, -1 rises. */
void hatch(QPainter &painter, const QRectF &rect, const QColor &color, double spacing, int slope)
{
	painter.save();
	painter.setClipRect(rect, Qt::IntersectClip);
	painter.setRenderHint(QPainter::Antialiasing);
	painter.setPen(QPen(color, 1.2));
	/* Counted from the window's corner, so that neighbouring pieces join. */
	const double first = std::floor((rect.left() - rect.height()) / spacing) * spacing;
	for (double x = first; x < rect.right() + rect.height(); x += spacing) {
		if (slope > 0)
			painter.drawLine(QPointF(x, rect.top()),
					 QPointF(x + rect.height(), rect.bottom()));
		else
			painter.drawLine(QPointF(x, rect.bottom()),
					 QPointF(x + rect.height(), rect.top()));
	}
	painter.restore();
}

QPolygonF polygon(const QRectF &rect, int corners, double turn)
{
	const double radius = std::min(rect.width(), rect.height()) / 2;
	QPolygonF result;

	for (int i = 0; i < corners; i++) {
		const double angle = turn + i * 2 * M_PI / corners;
		result << rect.center() + QPointF(std::cos(angle), std::sin(angle)) * radius;
	}
	return result;
}

/* The mark inside the shape, in the colour of the ground. */
void paintMark(QPainter &painter, const QRectF &rect, Severity severity)
{
	const double u = rect.height() / 16;
	const QPointF c = rect.center();

	switch (severity) {
	case Severity::Ok:
		painter.drawPolyline(QPolygonF{{c.x() - 3.4 * u, c.y() + 0.2 * u},
					       {c.x() - 1.0 * u, c.y() + 2.8 * u},
					       {c.x() + 3.6 * u, c.y() - 2.6 * u}});
		break;
	case Severity::Notice:
		painter.drawLine(QPointF(c.x(), c.y() - 0.6 * u), QPointF(c.x(), c.y() + 3.6 * u));
		painter.drawPoint(QPointF(c.x(), c.y() - 3.6 * u));
		break;
	case Severity::Warning:
		painter.drawLine(QPointF(c.x(), c.y() - 2.2 * u), QPointF(c.x(), c.y() + 1.6 * u));
		painter.drawPoint(QPointF(c.x(), c.y() + 4.2 * u));
		break;
	case Severity::Critical:
		painter.drawLine(QPointF(c.x(), c.y() - 3.8 * u), QPointF(c.x(), c.y() + 0.8 * u));
		painter.drawPoint(QPointF(c.x(), c.y() + 3.8 * u));
		break;
	}
}

} // namespace

bool isDark(const QPalette &palette)
{
	return palette.color(QPalette::WindowText).lightnessF() >
	       palette.color(QPalette::Window).lightnessF();
}

QColor severityColor(Severity severity, const QPalette &palette)
{
	struct Pair
	{
		QRgb light;
		QRgb dark;
	};
	static constexpr std::array<Pair, 4> colors{{
		{0x00624a, 0x4fd0a6},
		{0x005a96, 0x7cc0f2},
		{0x8a4f00, 0xf2b04c},
		{0xb03000, 0xff9a70},
	}};
	const Pair &pair = colors[static_cast<size_t>(severity)];
	return QColor::fromRgb(isDark(palette) ? pair.dark : pair.light);
}

QColor quietText(const QPalette &palette)
{
	return mixed(palette.color(QPalette::WindowText), palette.color(QPalette::Window), 0.28);
}

QColor outline(const QPalette &palette)
{
	return mixed(palette.color(QPalette::WindowText), palette.color(QPalette::Window), 0.68);
}

QPalette viewPalette(QPalette palette)
{
	const QColor quiet = quietText(palette);

	for (const QPalette::ColorGroup group : {QPalette::Active, QPalette::Inactive})
		palette.setColor(group, QPalette::PlaceholderText, quiet);
	return palette;
}

void paintPanel(QPainter &painter, const QRect &rect, const QColor &edge, double thickness)
{
	const double inset = thickness / 2 + 0.5;

	painter.setRenderHint(QPainter::Antialiasing);
	painter.setPen(QPen(edge, thickness));
	painter.drawRoundedRect(QRectF(rect).adjusted(inset, inset, -inset, -inset), 6, 6);
}

QPalette stalePalette(QPalette palette)
{
	const QColor ground = palette.color(QPalette::Window);
	const QColor text = mixed(palette.color(QPalette::WindowText), ground, 0.3);

	for (const QPalette::ColorGroup group : {QPalette::Active, QPalette::Inactive}) {
		palette.setColor(group, QPalette::WindowText, text);
		palette.setColor(group, QPalette::Text, text);
		palette.setColor(group, QPalette::PlaceholderText, text);
		palette.setColor(group, QPalette::Highlight, mixed(text, ground, 0.25));
		palette.setColor(group, QPalette::HighlightedText, ground);
	}
	return palette;
}

void paintSeverity(QPainter &painter, const QRectF &rect, Severity severity, const QColor &color)
{
	const double side = std::min(rect.width(), rect.height());
	QRectF square(0, 0, side, side);
	square.moveCenter(rect.center());

	painter.save();
	painter.setRenderHint(QPainter::Antialiasing);
	painter.setPen(Qt::NoPen);
	painter.setBrush(color);
	switch (severity) {
	case Severity::Ok:
	case Severity::Notice:
		painter.drawEllipse(square.adjusted(0.5, 0.5, -0.5, -0.5));
		break;
	case Severity::Warning: {
		/* Round joins keep the triangle's corners from looking sharper than the rest. */
		const double u = side / 16;
		painter.setPen(QPen(color, 2 * u, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
		const QPointF c = square.center();
		painter.drawPolygon(QPolygonF{{c.x(), c.y() - 6.4 * u},
					      {c.x() + 6.8 * u, c.y() + 6.2 * u},
					      {c.x() - 6.8 * u, c.y() + 6.2 * u}});
		break;
	}
	case Severity::Critical:
		painter.drawPolygon(polygon(square, 8, M_PI / 8));
		break;
	}
	const QColor ground = color.lightnessF() > 0.5 ? QColor(Qt::black) : QColor(Qt::white);
	painter.setBrush(Qt::NoBrush);
	painter.setPen(QPen(ground, side / 16 * 2, Qt::SolidLine, Qt::RoundCap, Qt::RoundJoin));
	paintMark(painter, square, severity);
	painter.restore();
}

void paintPart(QPainter &painter, const QRectF &rect, FillPart part, const QPalette &palette)
{
	/* Some themes grey the accent of windows without focus; a monitor is watched from there. */
	const QColor accent = palette.color(QPalette::Active, QPalette::Highlight);
	const QColor base = palette.color(QPalette::Base);
	const QColor text = palette.color(QPalette::Text);

	switch (part) {
	case FillPart::Used:
		painter.fillRect(rect, accent);
		break;
	case FillPart::Unusable:
		painter.fillRect(rect, mixed(base, text, 0.25));
		hatch(painter, rect, mixed(base, text, 0.6), 6, 1);
		hatch(painter, rect, mixed(base, text, 0.6), 6, -1);
		break;
	case FillPart::Free:
		painter.fillRect(rect, mixed(base, accent, 0.12));
		break;
	case FillPart::Reserve:
		painter.fillRect(rect, mixed(base, accent, 0.45));
		hatch(painter, rect, mixed(base, accent, 0.12), 7, 1);
		break;
	case FillPart::Carvable:
		painter.fillRect(rect, base);
		hatch(painter, rect, mixed(base, text, 0.35), 7, -1);
		break;
	}
}

void paintFailed(QPainter &painter, const QRectF &rect, const QPalette &palette)
{
	const QColor color = severityColor(Severity::Critical, palette);

	painter.fillRect(rect, mixed(palette.color(QPalette::Base), color, 0.25));
	hatch(painter, rect, color, 8, 1);
	hatch(painter, rect, color, 8, -1);
}

int step(const QWidget *widget)
{
	return std::max(6, widget->fontMetrics().height() / 2);
}

} // namespace snapdiff::gui::look
