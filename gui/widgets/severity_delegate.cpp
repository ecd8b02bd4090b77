// SPDX-License-Identifier: GPL-3.0-or-later
#include "severity_delegate.h"

#include <QApplication>
#include <QPainter>

#include "look.h"

namespace snapdiff::gui {

SeverityDelegate::SeverityDelegate(int severityRole, QObject *parent)
	: QStyledItemDelegate(parent), severityRole_(severityRole)
{
}

void SeverityDelegate::paint(QPainter *painter, const QStyleOptionViewItem &option,
			     const QModelIndex &index) const
{
	const QVariant value = index.data(severityRole_);
	if (!value.isValid()) {
		QStyledItemDelegate::paint(painter, option, index);
		return;
	}

	/* The style leaves room for a decoration; an empty pixmap keeps it free for ours. */
	QStyleOptionViewItem shown = option;
	initStyleOption(&shown, index);
	const int side = option.fontMetrics.height();
	QPixmap room(side, side);
	room.fill(Qt::transparent);
	shown.features |= QStyleOptionViewItem::HasDecoration;
	shown.icon = QIcon(room);
	shown.decorationSize = QSize(side, side);

	const QWidget *widget = option.widget;
	const QStyle *style = widget ? widget->style() : QApplication::style();
	style->drawControl(QStyle::CE_ItemViewItem, &shown, painter, widget);

	const auto severity = static_cast<Severity>(value.toInt());
	const bool lit = shown.state & QStyle::State_Selected;
	const QRect place =
		style->subElementRect(QStyle::SE_ItemViewItemDecoration, &shown, widget);
	look::paintSeverity(*painter, QRectF(place).adjusted(1, 1, -1, -1), severity,
			    lit ? shown.palette.color(QPalette::HighlightedText)
				: look::severityColor(severity, shown.palette));
}

QSize SeverityDelegate::sizeHint(const QStyleOptionViewItem &option, const QModelIndex &index) const
{
	const int line = option.fontMetrics.height();
	QSize size = QStyledItemDelegate::sizeHint(option, index);

	if (index.data(severityRole_).isValid())
		size.rwidth() += line + line / 2;
	/* Room to breathe, and a target for the mouse. */
	size.setHeight(std::max(size.height(), line + line / 2));
	return size;
}

} // namespace snapdiff::gui
