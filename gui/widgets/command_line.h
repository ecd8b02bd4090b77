// SPDX-License-Identifier: GPL-3.0-or-later
/* A command that the reader may want to run, with a button that copies it. */
#pragma once

#include <QWidget>

class QLabel;

namespace snapdiff::gui {

class CommandLine final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(CommandLine)

public:
	explicit CommandLine(QWidget *parent = nullptr);

	/* Hides itself without one. */
	void setCommand(const QString &command);

private:
	QLabel *command_;
};

} // namespace snapdiff::gui
