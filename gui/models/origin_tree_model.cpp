// SPDX-License-Identifier: GPL-3.0-or-later
#include "origin_tree_model.h"

#include <algorithm>

#include <QLocale>

#include "format.h"
#include "row_merge.h"
#include "words.h"

namespace snapdiff::gui {

/*
 * An origin and what contains it.  Its address stays the same as long as it is shown: the indexes
 * of its snapshots carry it, those of origins carry nullptr.
 */
struct OriginTreeModel::Branch
{
	Origin origin;
	std::vector<Snapshot> snapshots;

	/* Its size at the take of @snapshot. */
	quint64 sizeAt(const Snapshot &snapshot) const
	{
		for (const SnapshotOrigin &part : snapshot.origins) {
			if (part.name == origin.name)
				return part.size;
		}
		return 0;
	}
};

namespace {

/* What the rows shall be: the attached origins, then those that only snapshots know. */
template<class Branch>
std::vector<Branch> branchesOf(const Store &store)
{
	std::vector<Branch> result;

	for (const Origin &origin : store.origins)
		result.push_back({origin, {}});
	for (auto snapshot = store.snapshots.rbegin(); snapshot != store.snapshots.rend();
	     ++snapshot) {
		for (const SnapshotOrigin &part : snapshot->origins) {
			auto found =
				std::find_if(result.begin(), result.end(), [&](const Branch &b) {
					return b.origin.name == part.name;
				});
			if (found == result.end()) {
				Origin gone;
				gone.name = part.name;
				gone.size = part.size;
				result.push_back({gone, {}});
				found = result.end() - 1;
			}
			found->snapshots.push_back(*snapshot);
		}
	}
	return result;
}

} // namespace

struct OriginTreeModel::SnapshotEdit
{
	OriginTreeModel *model;
	QModelIndex parent;
	Branch *branch;

	static QString key(const Snapshot &snapshot)
	{
		/* A name can be taken again after a delete. */
		return QStringLiteral("%1/%2")
			.arg(snapshot.name)
			.arg(snapshot.time.toSecsSinceEpoch());
	}

	void remove(int row)
	{
		model->beginRemoveRows(parent, row, row);
		branch->snapshots.erase(branch->snapshots.begin() + row);
		model->endRemoveRows();
	}

	void insert(int row, const Snapshot &snapshot)
	{
		model->beginInsertRows(parent, row, row);
		branch->snapshots.insert(branch->snapshots.begin() + row, snapshot);
		model->endInsertRows();
	}

	void move(int from, int to)
	{
		auto &rows = branch->snapshots;

		model->beginMoveRows(parent, from, from, parent, to);
		std::rotate(rows.begin() + to, rows.begin() + from, rows.begin() + from + 1);
		model->endMoveRows();
	}

	void update(int row, const Snapshot &snapshot)
	{
		Snapshot &shown = branch->snapshots[static_cast<size_t>(row)];

		if (shown == snapshot)
			return;
		shown = snapshot;
		emit model->dataChanged(model->index(row, 0, parent),
					model->index(row, ColumnCount - 1, parent));
	}
};

struct OriginTreeModel::OriginEdit
{
	OriginTreeModel *model;

	static QString key(const Branch &branch) { return branch.origin.name; }
	static QString key(const std::unique_ptr<Branch> &branch) { return branch->origin.name; }

	void remove(int row)
	{
		model->beginRemoveRows({}, row, row);
		model->branches_.erase(model->branches_.begin() + row);
		model->endRemoveRows();
	}

	void insert(int row, const Branch &branch)
	{
		model->beginInsertRows({}, row, row);
		model->branches_.insert(model->branches_.begin() + row,
					std::make_unique<Branch>(branch));
		model->endInsertRows();
	}

	void move(int from, int to)
	{
		auto &rows = model->branches_;

		model->beginMoveRows({}, from, from, {}, to);
		std::rotate(rows.begin() + to, rows.begin() + from, rows.begin() + from + 1);
		model->endMoveRows();
	}

	void update(int row, const Branch &fresh)
	{
		Branch *shown = model->branches_[static_cast<size_t>(row)].get();

		if (!(shown->origin == fresh.origin)) {
			shown->origin = fresh.origin;
			emit model->dataChanged(model->index(row, 0),
						model->index(row, ColumnCount - 1));
		}
		mergeRows(shown->snapshots, fresh.snapshots,
			  SnapshotEdit{model, model->index(row, 0), shown});
	}
};

OriginTreeModel::OriginTreeModel(QObject *parent) : QAbstractItemModel(parent)
{
}

OriginTreeModel::~OriginTreeModel() = default;

void OriginTreeModel::setStore(const Store &store)
{
	if (store.name != store_) {
		beginResetModel();
		branches_.clear();
		endResetModel();
		store_ = store.name;
	}
	mergeRows(branches_, branchesOf<Branch>(store), OriginEdit{this});
}

void OriginTreeModel::setNow(const QDateTime &now)
{
	now_ = now;
	for (size_t row = 0; row < branches_.size(); row++) {
		const int last = static_cast<int>(branches_[row]->snapshots.size()) - 1;
		if (last < 0)
			continue;
		const QModelIndex origin = index(static_cast<int>(row), 0);
		emit dataChanged(index(0, AgeColumn, origin), index(last, AgeColumn, origin),
				 {Qt::DisplayRole});
	}
}

QModelIndex OriginTreeModel::index(int row, int column, const QModelIndex &parent) const
{
	if (!hasIndex(row, column, parent))
		return {};
	if (!parent.isValid())
		return createIndex(row, column, nullptr);
	return createIndex(row, column, branches_[static_cast<size_t>(parent.row())].get());
}

QModelIndex OriginTreeModel::parent(const QModelIndex &child) const
{
	if (!child.isValid() || !child.internalPointer())
		return {};
	const auto found =
		std::find_if(branches_.begin(), branches_.end(), [&](const auto &branch) {
			return branch.get() == child.internalPointer();
		});
	return createIndex(static_cast<int>(found - branches_.begin()), 0, nullptr);
}

int OriginTreeModel::rowCount(const QModelIndex &parent) const
{
	if (!parent.isValid())
		return static_cast<int>(branches_.size());
	if (parent.internalPointer() || parent.column() > 0)
		return 0;
	return static_cast<int>(branches_[static_cast<size_t>(parent.row())]->snapshots.size());
}

int OriginTreeModel::columnCount(const QModelIndex &) const
{
	return ColumnCount;
}

const OriginTreeModel::Branch &OriginTreeModel::branchOf(const QModelIndex &index) const
{
	const QModelIndex origin = index.internalPointer() ? index.parent() : index;
	return *branches_[static_cast<size_t>(origin.row())];
}

QVariant OriginTreeModel::data(const QModelIndex &index, int role) const
{
	if (!index.isValid())
		return {};
	if (role == Qt::TextAlignmentRole &&
	    (index.column() == SizeColumn || index.column() == OwnColumn ||
	     index.column() == AgeColumn))
		return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);

	const Branch &branch = branchOf(index);
	if (!index.internalPointer())
		return originData(branch, index.column(), role);
	return snapshotData(branch, branch.snapshots[static_cast<size_t>(index.row())],
			    index.column(), role);
}

QVariant OriginTreeModel::originData(const Branch &branch, int column, int role) const
{
	const Origin &origin = branch.origin;
	const Condition condition = words::ofOrigin(origin);

	switch (role) {
	case Qt::DisplayRole:
		if (column == NameColumn)
			return origin.name;
		if (column == SizeColumn)
			return format::size(origin.size);
		return column == StateColumn ? condition.word : QString();
	case Qt::ToolTipRole:
		if (column == NameColumn && !origin.device.isEmpty())
			return tr("origin %1 on %2").arg(origin.name, origin.device);
		return column == StateColumn ? QVariant(condition.sentence) : QVariant();
	case SeverityRole:
		return column == StateColumn ? QVariant(static_cast<int>(condition.severity))
					     : QVariant();
	case SectorsRole:
		return column == SizeColumn ? QVariant(origin.size) : QVariant();
	default:
		return {};
	}
}

QString OriginTreeModel::snapshotText(const Branch &branch, const Snapshot &snapshot,
				      int column) const
{
	switch (column) {
	case NameColumn:
		return snapshot.name;
	case SizeColumn:
		return format::size(branch.sizeAt(snapshot));
	case OwnColumn:
		return format::size(snapshot.own);
	case AgeColumn:
		return snapshot.time.isValid() && now_.isValid() ? format::age(snapshot.time, now_)
								 : QString();
	case StateColumn:
		return words::ofSnapshot(snapshot).word;
	default:
		return {};
	}
}

QVariant OriginTreeModel::snapshotData(const Branch &branch, const Snapshot &snapshot, int column,
				       int role) const
{
	switch (role) {
	case Qt::DisplayRole:
		return snapshotText(branch, snapshot, column);
	case Qt::ToolTipRole:
		if (column == AgeColumn)
			return QLocale().toString(snapshot.time, QLocale::LongFormat);
		if (column == OwnColumn && snapshot.origins.size() > 1)
			return tr("freed by deleting this snapshot, for its %1 origins together")
				.arg(snapshot.origins.size());
		if (column == OwnColumn)
			return tr("freed by deleting this snapshot");
		return column == StateColumn ? QVariant(words::ofSnapshot(snapshot).sentence)
					     : QVariant();
	case SeverityRole:
		return column == StateColumn
			       ? QVariant(static_cast<int>(words::ofSnapshot(snapshot).severity))
			       : QVariant();
	case SectorsRole:
		if (column == SizeColumn)
			return branch.sizeAt(snapshot);
		return column == OwnColumn ? QVariant(snapshot.own) : QVariant();
	case TimeRole:
		return snapshot.time;
	default:
		return {};
	}
}

QVariant OriginTreeModel::headerData(int section, Qt::Orientation orientation, int role) const
{
	if (orientation != Qt::Horizontal)
		return {};
	if (role == Qt::TextAlignmentRole &&
	    (section == SizeColumn || section == OwnColumn || section == AgeColumn))
		return static_cast<int>(Qt::AlignRight | Qt::AlignVCenter);
	if (role != Qt::DisplayRole)
		return {};

	switch (section) {
	case NameColumn:
		return tr("Origin, snapshot");
	case SizeColumn:
		return tr("Size");
	case OwnColumn:
		return tr("Own size");
	case AgeColumn:
		return tr("Taken");
	case StateColumn:
		return tr("State");
	default:
		return {};
	}
}

} // namespace snapdiff::gui
