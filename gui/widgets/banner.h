// SPDX-License-Identifier: GPL-3.0-or-later
/* A strip above the figures: they are old, or the daemon finds something wrong. */
#pragma once

#include <QFrame>

#include "models/values.h"

class QLabel;

namespace snapdiff::gui {

class CommandLine;
class StateLabel;

class Banner final : public QFrame
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(Banner)

public:
	explicit Banner(QWidget *parent = nullptr);

	void show(Severity severity, const QString &headline, const QString &text,
		  const QString &command);

protected:
	void paintEvent(QPaintEvent *event) override;

private:
	Severity severity_ = Severity::Ok;
	StateLabel *headline_;
	QLabel *text_;
	CommandLine *command_;
};

} // namespace snapdiff::gui
