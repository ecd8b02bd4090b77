// SPDX-License-Identifier: GPL-3.0-or-later
#include "event_model.h"

#include <algorithm>

#include <QLocale>

#include "row_merge.h"
#include "words.h"

namespace snapdiff::gui {

struct EventModel::Edit
{
	EventModel *model;
	std::vector<Event> &rows;

	static QString key(const Event &event)
	{
		/* Another run of the daemon counts from one again. */
		return QStringLiteral("%1/%2")
			.arg(event.number)
			.arg(event.time.toMSecsSinceEpoch());
	}

	void remove(int row)
	{
		model->beginRemoveRows({}, row, row);
		rows.erase(rows.begin() + row);
		model->endRemoveRows();
	}

	void insert(int row, const Event &event)
	{
		model->beginInsertRows({}, row, row);
		rows.insert(rows.begin() + row, event);
		model->endInsertRows();
	}

	void move(int from, int to)
	{
		model->beginMoveRows({}, from, from, {}, to);
		std::rotate(rows.begin() + to, rows.begin() + from, rows.begin() + from + 1);
		model->endMoveRows();
	}

	void update(int row, const Event &event)
	{
		if (rows[static_cast<size_t>(row)] == event)
			return;
		rows[static_cast<size_t>(row)] = event;
		emit model->dataChanged(model->index(row, 0), model->index(row, ColumnCount - 1));
	}
};

EventModel::EventModel(QObject *parent) : QAbstractTableModel(parent)
{
}

void EventModel::setEvents(const std::vector<Event> &events)
{
	std::vector<Event> newestFirst(events.rbegin(), events.rend());

	mergeRows(events_, newestFirst, Edit{this, events_});
}

int EventModel::rowCount(const QModelIndex &parent) const
{
	return parent.isValid() ? 0 : static_cast<int>(events_.size());
}

int EventModel::columnCount(const QModelIndex &parent) const
{
	return parent.isValid() ? 0 : ColumnCount;
}

QString EventModel::display(const Event &event, int column)
{
	switch (column) {
	case TimeColumn:
		return event.time.isValid()
			       ? QLocale().toString(event.time,
						    QStringLiteral("yyyy-MM-dd HH:mm:ss"))
			       : QString();
	case SeverityColumn:
		return words::severity(event.severity);
	case StoreColumn:
		return event.store;
	case TextColumn:
		return event.text;
	default:
		return {};
	}
}

QVariant EventModel::data(const QModelIndex &index, int role) const
{
	if (!index.isValid())
		return {};
	const Event &event = events_[static_cast<size_t>(index.row())];

	switch (role) {
	case Qt::DisplayRole:
		return display(event, index.column());
	case Qt::ToolTipRole:
		return index.column() == TextColumn ? event.text : QVariant();
	case SeverityRole:
		return index.column() == SeverityColumn ? QVariant(static_cast<int>(event.severity))
							: QVariant();
	case TimeRole:
		return event.time;
	default:
		return {};
	}
}

QVariant EventModel::headerData(int section, Qt::Orientation orientation, int role) const
{
	if (orientation != Qt::Horizontal || role != Qt::DisplayRole)
		return {};

	switch (section) {
	case TimeColumn:
		return tr("Time");
	case SeverityColumn:
		return tr("Severity");
	case StoreColumn:
		return tr("Store");
	case TextColumn:
		return tr("Event");
	default:
		return {};
	}
}

} // namespace snapdiff::gui
