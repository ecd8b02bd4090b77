// SPDX-License-Identifier: GPL-3.0-or-later
#include "elided_label.h"

#include <QHelpEvent>
#include <QPainter>
#include <QStyle>
#include <QToolTip>

namespace snapdiff::gui {

ElidedLabel::ElidedLabel(QWidget *parent, Qt::TextElideMode mode) : QLabel(parent), mode_(mode)
{
	setTextFormat(Qt::PlainText);
	setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Fixed);
}

QSize ElidedLabel::minimumSizeHint() const
{
	return {fontMetrics().averageCharWidth() * 4, QLabel::minimumSizeHint().height()};
}

bool ElidedLabel::event(QEvent *event)
{
	if (event->type() == QEvent::ToolTip) {
		const auto *help = static_cast<QHelpEvent *>(event);
		const bool cut = fontMetrics().horizontalAdvance(text()) > contentsRect().width();
		QToolTip::showText(help->globalPos(), cut ? text() : toolTip(), this);
		return true;
	}
	return QLabel::event(event);
}

void ElidedLabel::paintEvent(QPaintEvent *)
{
	QPainter painter(this);

	style()->drawItemText(
		&painter, contentsRect(),
		static_cast<int>(QStyle::visualAlignment(layoutDirection(), alignment())),
		palette(), isEnabled(),
		fontMetrics().elidedText(text(), mode_, contentsRect().width()), foregroundRole());
}

} // namespace snapdiff::gui
