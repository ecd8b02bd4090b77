// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Screenshot: takes one picture of a window, as soon as there is something to see, and ends the
 * program.
 */
#pragma once

#include <chrono>

#include <QObject>
#include <QString>
#include <QTimer>

#include "models/values.h"

class QWidget;

namespace snapdiff::gui {

class Screenshot final : public QObject
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(Screenshot)

public:
	/*
	 * The picture is not taken before this much time is over, nor before figures came or it is
	 * known that none will come; but some seconds later in any case.  The window is borrowed.
	 */
	Screenshot(QWidget &window, QString file, std::chrono::milliseconds after);

	void setLink(Link link);
	void received();

private:
	void shootWhenReady();
	void shoot();

	QWidget &window_;
	QString file_;
	QTimer after_;
	QTimer limit_;
	bool due_ = false;
	bool settled_ = false;
	bool done_ = false;
};

} // namespace snapdiff::gui
