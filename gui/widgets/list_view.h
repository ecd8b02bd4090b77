// SPDX-License-Identifier: GPL-3.0-or-later
/* A tree or table that says why it is empty, and whose widths fit what is in it. */
#pragma once

#include <QTreeView>

namespace snapdiff::gui {

class ListView final : public QTreeView
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(ListView)

public:
	/*
	 * @severityRole: where the model keeps severities; @stretched: the column that takes what
	 * the others leave; @empty: shown without rows.
	 */
	ListView(QAbstractItemModel *model, int severityRole, int stretched, const QString &empty,
		 QWidget *parent = nullptr);

	/*
	 * Widens columns to their contents but never narrows them: figures that change must not
	 * make columns jump.
	 */
	void fitColumns();

	QSize minimumSizeHint() const override;

protected:
	void paintEvent(QPaintEvent *event) override;

private:
	const int stretched_;
	const QString empty_;
};

} // namespace snapdiff::gui
