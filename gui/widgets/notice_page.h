// SPDX-License-Identifier: GPL-3.0-or-later
/* Fills the window when there are no figures: what is the matter, and what to do next. */
#pragma once

#include <QWidget>

#include "models/situation.h"

class QLabel;
class QPushButton;

namespace snapdiff::gui {

class CommandLine;
class StateLabel;

class NoticePage final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(NoticePage)

public:
	explicit NoticePage(QWidget *parent = nullptr);

	void setSituation(const Situation &situation);

private:
	StateLabel *icon_;
	QLabel *headline_;
	QLabel *explanation_;
	QLabel *nextStep_;
	CommandLine *command_;
};

} // namespace snapdiff::gui
