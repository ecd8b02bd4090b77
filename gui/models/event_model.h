// SPDX-License-Identifier: GPL-3.0-or-later
/* The recent events, newest first. */
#pragma once

#include <vector>

#include <QAbstractTableModel>

#include "values.h"

namespace snapdiff::gui {

class EventModel final : public QAbstractTableModel
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(EventModel)

public:
	enum Column { TimeColumn, SeverityColumn, StoreColumn, TextColumn, ColumnCount };
	/* The value for painting and sorting behind the text of DisplayRole. */
	enum Role { SeverityRole = Qt::UserRole, TimeRole };

	explicit EventModel(QObject *parent = nullptr);

	/* @events oldest first, as the daemon gives them. */
	void setEvents(const std::vector<Event> &events);

	int rowCount(const QModelIndex &parent = {}) const override;
	int columnCount(const QModelIndex &parent = {}) const override;
	QVariant data(const QModelIndex &index, int role) const override;
	QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
	struct Edit;

	static QString display(const Event &event, int column);

	std::vector<Event> events_;
};

} // namespace snapdiff::gui
