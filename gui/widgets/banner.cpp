// SPDX-License-Identifier: GPL-3.0-or-later
#include "banner.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QStyle>
#include <QVBoxLayout>

#include "command_line.h"
#include "look.h"
#include "state_label.h"

namespace snapdiff::gui {

Banner::Banner(QWidget *parent)
	: QFrame(parent), headline_(new StateLabel(this)), text_(new QLabel(this)),
	  command_(new CommandLine(this))
{
	const int step = look::step(this);
	auto *layout = new QHBoxLayout(this);
	auto *words = new QVBoxLayout;

	text_->setWordWrap(true);
	text_->setTextFormat(Qt::PlainText);
	words->setSpacing(step / 2);
	words->addWidget(headline_, 0, Qt::AlignLeft);
	words->addWidget(text_);
	layout->setContentsMargins(3 * step, step, step, step);
	layout->setSpacing(2 * step);
	layout->addLayout(words, 1);
	layout->addWidget(command_, 0, Qt::AlignVCenter);
	setSizePolicy(QSizePolicy::Preferred, QSizePolicy::Maximum);
}

void Banner::show(Severity severity, const QString &headline, const QString &text,
		  const QString &command)
{
	severity_ = severity;
	headline_->setState(severity, headline);
	text_->setText(text);
	text_->setVisible(!text.isEmpty());
	command_->setCommand(command);
	setAccessibleName(headline);
	setAccessibleDescription(text);
	setVisible(true);
	update();
}

void Banner::paintEvent(QPaintEvent *)
{
	const QRectF frame = QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5);
	const QColor color = look::severityColor(severity_, palette());
	QPainter painter(this);

	painter.setRenderHint(QPainter::Antialiasing);
	painter.setPen(look::outline(palette()));
	painter.setBrush(palette().color(QPalette::Base));
	painter.drawRoundedRect(frame, 6, 6);
	/* The bar at the side is the only area of colour: enough to be found, calm enough to stay.
	 */
	const QRect side(0, 0, look::step(this) / 2 + 1, height());
	painter.setClipRect(QStyle::visualRect(layoutDirection(), rect(), side));
	painter.setPen(Qt::NoPen);
	painter.setBrush(color);
	painter.drawRoundedRect(frame, 6, 6);
}

} // namespace snapdiff::gui
