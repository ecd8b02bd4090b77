// SPDX-License-Identifier: GPL-3.0-or-later
/* The store map with its title, its legend, and the current range in words. */
#pragma once

#include <QWidget>

#include "models/values.h"

class QLabel;

namespace snapdiff::gui {

class ElidedLabel;
class StoreMap;

class MapPanel final : public QWidget
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(MapPanel)

public:
	explicit MapPanel(QWidget *parent = nullptr);

	void setStore(const Store &store);

protected:
	void paintEvent(QPaintEvent *event) override;

private:
	QWidget *legend();
	void showCurrent();

	ElidedLabel *title_;
	StoreMap *map_;
	ElidedLabel *range_;
};

} // namespace snapdiff::gui
