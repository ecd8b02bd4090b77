// SPDX-License-Identifier: GPL-3.0-or-later
/* A store's fill: what is used, free and unusable, what stands ready and what could be carved. */
#pragma once

#include <QWidget>

#include "models/fill_geometry.h"

namespace snapdiff::gui {

class FillBar final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(FillBar)

public:
	explicit FillBar(QWidget *parent = nullptr);

	void setAmounts(const FillAmounts &amounts);
	const FillAmounts &amounts() const { return amounts_; }

	/* The figures as a sentence, for those who do not see the bar. */
	QString description() const;

	QSize sizeHint() const override;
	QSize minimumSizeHint() const override;

protected:
	bool event(QEvent *event) override;
	void paintEvent(QPaintEvent *event) override;

private:
	QRect barRect() const;
	QString toolTipAt(int x) const;

	FillAmounts amounts_;
};

} // namespace snapdiff::gui
