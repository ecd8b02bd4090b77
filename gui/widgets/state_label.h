// SPDX-License-Identifier: GPL-3.0-or-later
/* A state as icon and word, in the colour of its severity. */
#pragma once

#include <QWidget>

#include "models/values.h"

namespace snapdiff::gui {

class StateLabel final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(StateLabel)

public:
	explicit StateLabel(QWidget *parent = nullptr);

	void setState(Severity severity, const QString &word);

	QSize sizeHint() const override;
	QSize minimumSizeHint() const override;

protected:
	void paintEvent(QPaintEvent *event) override;

private:
	int iconSize() const;

	Severity severity_ = Severity::Ok;
	QString word_;
};

} // namespace snapdiff::gui
