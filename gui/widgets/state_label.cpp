// SPDX-License-Identifier: GPL-3.0-or-later
#include "state_label.h"

#include <QPainter>
#include <QStyle>

#include "look.h"
#include "models/words.h"

namespace snapdiff::gui {

namespace {

QFont boldOf(QFont font)
{
	font.setBold(true);
	return font;
}

} // namespace

StateLabel::StateLabel(QWidget *parent) : QWidget(parent)
{
	setSizePolicy(QSizePolicy::Minimum, QSizePolicy::Fixed);
}

void StateLabel::setState(Severity severity, const QString &word)
{
	if (severity == severity_ && word == word_)
		return;
	severity_ = severity;
	word_ = word;
	setAccessibleName(word);
	setAccessibleDescription(words::severity(severity));
	updateGeometry();
	update();
}

int StateLabel::iconSize() const
{
	return fontMetrics().height();
}

QSize StateLabel::sizeHint() const
{
	const QFontMetrics metrics(boldOf(font()));
	const int gap = word_.isEmpty() ? 0 : look::step(this) * 3 / 4;
	return {iconSize() + gap + metrics.horizontalAdvance(word_),
		std::max(iconSize(), metrics.height())};
}

QSize StateLabel::minimumSizeHint() const
{
	return sizeHint();
}

void StateLabel::paintEvent(QPaintEvent *)
{
	const QColor color = isEnabled() ? look::severityColor(severity_, palette())
					 : look::quietText(palette());
	const QRect icon(0, (height() - iconSize()) / 2, iconSize(), iconSize());
	QPainter painter(this);

	look::paintSeverity(
		painter, QStyle::visualRect(layoutDirection(), rect(), icon).adjusted(1, 1, -1, -1),
		severity_, color);
	painter.setFont(boldOf(font()));
	painter.setPen(color);
	const QRect words = rect().adjusted(iconSize() + look::step(this) * 3 / 4, 0, 0, 0);
	painter.drawText(
		QStyle::visualRect(layoutDirection(), rect(), words),
		static_cast<int>(Qt::AlignVCenter |
				 QStyle::visualAlignment(layoutDirection(), Qt::AlignLeft)),
		word_);
}

} // namespace snapdiff::gui
