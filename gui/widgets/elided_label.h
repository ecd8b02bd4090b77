// SPDX-License-Identifier: GPL-3.0-or-later
/* One line of text that gives way: what does not fit ends in "..." and is in the tooltip. */
#pragma once

#include <QLabel>

namespace snapdiff::gui {

class ElidedLabel final : public QLabel
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(ElidedLabel)

public:
	explicit ElidedLabel(QWidget *parent = nullptr, Qt::TextElideMode mode = Qt::ElideRight);

	QSize minimumSizeHint() const override;

protected:
	bool event(QEvent *event) override;
	void paintEvent(QPaintEvent *event) override;

private:
	const Qt::TextElideMode mode_;
};

} // namespace snapdiff::gui
