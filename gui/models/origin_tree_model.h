// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The origins of one store and, below each, the snapshots that contain it, newest first.
 *
 * A snapshot of several origins stands below each of them.  An origin that only snapshots know
 * (it was detached) stands after those that are attached.
 */
#pragma once

#include <memory>
#include <vector>

#include <QAbstractItemModel>

#include "values.h"

namespace snapdiff::gui {

class OriginTreeModel final : public QAbstractItemModel
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(OriginTreeModel)

public:
	enum Column { NameColumn, StateColumn, AgeColumn, OwnColumn, SizeColumn, ColumnCount };
	/* The values for painting and sorting behind the text of DisplayRole. */
	enum Role { SeverityRole = Qt::UserRole, SectorsRole, TimeRole };

	explicit OriginTreeModel(QObject *parent = nullptr);
	~OriginTreeModel() override;

	/* Another store than before starts afresh; the same store is merged. */
	void setStore(const Store &store);

	/* Ages are told from here; the model has no clock. */
	void setNow(const QDateTime &now);

	QModelIndex index(int row, int column, const QModelIndex &parent = {}) const override;
	QModelIndex parent(const QModelIndex &child) const override;
	int rowCount(const QModelIndex &parent = {}) const override;
	int columnCount(const QModelIndex &parent = {}) const override;
	QVariant data(const QModelIndex &index, int role) const override;
	QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
	struct Branch;
	struct OriginEdit;
	struct SnapshotEdit;

	const Branch &branchOf(const QModelIndex &index) const;
	QVariant originData(const Branch &branch, int column, int role) const;
	QVariant snapshotData(const Branch &branch, const Snapshot &snapshot, int column,
			      int role) const;
	QString snapshotText(const Branch &branch, const Snapshot &snapshot, int column) const;

	QString store_;
	QDateTime now_;
	std::vector<std::unique_ptr<Branch>> branches_;
};

} // namespace snapdiff::gui
