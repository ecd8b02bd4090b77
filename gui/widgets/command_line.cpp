// SPDX-License-Identifier: GPL-3.0-or-later
#include "command_line.h"

#include <QClipboard>
#include <QFontDatabase>
#include <QGuiApplication>
#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>

#include "look.h"

namespace snapdiff::gui {

CommandLine::CommandLine(QWidget *parent) : QWidget(parent), command_(new QLabel(this))
{
	const int step = look::step(this);
	auto *layout = new QHBoxLayout(this);
	auto *copy = new QPushButton(tr("&Copy"), this);

	command_->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
	command_->setTextFormat(Qt::PlainText);
	command_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
	command_->setFrameShape(QFrame::StyledPanel);
	command_->setBackgroundRole(QPalette::Base);
	command_->setForegroundRole(QPalette::Text);
	command_->setAutoFillBackground(true);
	command_->setMargin(step * 2 / 3);
	command_->setAccessibleName(tr("Command"));
	copy->setToolTip(tr("Copy the command to the clipboard"));
	layout->setContentsMargins(0, 0, 0, 0);
	layout->setSpacing(step);
	layout->addWidget(command_, 1);
	layout->addWidget(copy);
	connect(copy, &QPushButton::clicked, this,
		[this] { QGuiApplication::clipboard()->setText(command_->text()); });
}

void CommandLine::setCommand(const QString &command)
{
	command_->setText(command);
	setVisible(!command.isEmpty());
}

} // namespace snapdiff::gui
