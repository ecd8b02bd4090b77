// SPDX-License-Identifier: GPL-3.0-or-later
/* Puts the icon of a severity in front of a cell's text; the rest is the style's. */
#pragma once

#include <QStyledItemDelegate>

namespace snapdiff::gui {

class SeverityDelegate final : public QStyledItemDelegate
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(SeverityDelegate)

public:
	/* @severityRole: where a model keeps the severity; cells without one get no icon. */
	explicit SeverityDelegate(int severityRole, QObject *parent = nullptr);

	void paint(QPainter *painter, const QStyleOptionViewItem &option,
		   const QModelIndex &index) const override;
	QSize sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const override;

private:
	const int severityRole_;
};

} // namespace snapdiff::gui
