// SPDX-License-Identifier: GPL-3.0-or-later
#include "notice_page.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QVBoxLayout>

#include "command_line.h"
#include "look.h"
#include "state_label.h"

namespace snapdiff::gui {

namespace {

QLabel *paragraph(QWidget *parent)
{
	auto *label = new QLabel(parent);
	label->setWordWrap(true);
	label->setTextFormat(Qt::PlainText);
	label->setTextInteractionFlags(Qt::TextSelectableByMouse);
	return label;
}

} // namespace

NoticePage::NoticePage(QWidget *parent)
	: QWidget(parent), icon_(new StateLabel(this)), headline_(new QLabel(this)),
	  explanation_(paragraph(this)), nextStep_(paragraph(this)), command_(new CommandLine(this))
{
	const int step = look::step(this);
	auto *column = new QVBoxLayout;
	auto *head = new QHBoxLayout;
	auto *row = new QHBoxLayout;
	auto *layout = new QVBoxLayout(this);

	QFont large = font();
	large.setPointSizeF(large.pointSizeF() * 1.6);
	large.setBold(true);
	headline_->setFont(large);
	headline_->setTextFormat(Qt::PlainText);
	headline_->setWordWrap(true);
	icon_->setFont(large);

	head->setSpacing(2 * step);
	head->addWidget(icon_);
	head->addWidget(headline_, 1);
	column->setSpacing(2 * step);
	column->addLayout(head);
	column->addWidget(explanation_);
	column->addWidget(nextStep_);
	column->addWidget(command_);

	/* A column of a readable width in the middle, a little above the centre. */
	auto *content = new QWidget(this);
	content->setLayout(column);
	content->setMaximumWidth(fontMetrics().averageCharWidth() * 72);
	row->addStretch(1);
	row->addWidget(content, 100);
	row->addStretch(1);
	layout->setContentsMargins(4 * step, 4 * step, 4 * step, 4 * step);
	layout->addStretch(2);
	layout->addLayout(row);
	layout->addStretch(3);
}

void NoticePage::setSituation(const Situation &situation)
{
	/* "Connecting" is neither good nor bad. */
	const bool neutral = situation.severity == Severity::Ok;
	icon_->setState(neutral ? Severity::Notice : situation.severity, {});
	headline_->setText(situation.headline);
	explanation_->setText(situation.explanation);
	nextStep_->setText(situation.nextStep);
	nextStep_->setVisible(!situation.nextStep.isEmpty());
	command_->setCommand(situation.command);
	setAccessibleName(situation.headline);
	setAccessibleDescription(situation.explanation + QLatin1Char(' ') + situation.nextStep);
}

} // namespace snapdiff::gui
