// SPDX-License-Identifier: GPL-3.0-or-later
#include "swatch.h"

#include <QPainter>

#include "look.h"

namespace snapdiff::gui {

Swatch::Swatch(std::optional<FillPart> part, QWidget *parent) : QWidget(parent), part_(part)
{
	setSizePolicy(QSizePolicy::Fixed, QSizePolicy::Fixed);
}

QSize Swatch::sizeHint() const
{
	const int side = fontMetrics().ascent();
	return {side + side / 4, side};
}

void Swatch::paintEvent(QPaintEvent *)
{
	QPainter painter(this);

	if (part_)
		look::paintPart(painter, rect(), *part_, palette());
	else
		look::paintFailed(painter, rect(), palette());
	painter.setPen(look::outline(palette()));
	painter.drawRect(rect().adjusted(0, 0, -1, -1));
}

} // namespace snapdiff::gui
