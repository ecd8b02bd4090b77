// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The window: cards of the stores at the left, the selected store's map and lists at the right; or
 * a page that says why there is nothing to show.  It is given values and knows no bus.
 */
#pragma once

#include <optional>

#include <QElapsedTimer>
#include <QMainWindow>
#include <QTimer>

#include "models/event_model.h"
#include "models/origin_tree_model.h"
#include "models/situation.h"
#include "models/values.h"

class QLabel;
class QSplitter;
class QStackedWidget;
class QTabWidget;

namespace snapdiff::gui {

class Banner;
class CardColumn;
class ElidedLabel;
class ListView;
class MapPanel;
class NoticePage;

class MainWindow final : public QMainWindow
{
	Q_OBJECT
	Q_DISABLE_COPY_MOVE(MainWindow)

public:
	explicit MainWindow(QWidget *parent = nullptr);

	void setLink(Link link, const QString &detail);
	void setMonitor(const Monitor &monitor);

	const Situation &situation() const { return situation_; }

signals:
	void refreshWanted();
	/* Somebody can see the window, or nobody can any more. */
	void watchedChanged(bool watched);

protected:
	void changeEvent(QEvent *event) override;
	void showEvent(QShowEvent *event) override;
	void hideEvent(QHideEvent *event) override;

private:
	void buildMenus();
	void buildViews();
	QWidget *buildDetails();
	void goTo(QWidget *widget);
	void about();

	void tick();
	void updateSituation();
	void showSituation();
	void showStore(const QString &name);
	void showStatus();
	void applyPalette();

	Link link_ = Link::Connecting;
	QString detail_;
	Monitor monitor_;
	QDateTime receivedAt_;
	QElapsedTimer received_;
	Situation situation_;
	QTimer second_;

	OriginTreeModel origins_;
	EventModel events_;

	QStackedWidget *pages_;
	NoticePage *notice_;
	QWidget *view_;
	Banner *banner_;
	QSplitter *columns_;
	QSplitter *rows_;
	CardColumn *cards_;
	MapPanel *map_;
	QTabWidget *tabs_;
	ListView *originList_;
	ListView *eventList_;
	ElidedLabel *summary_;
	QLabel *versions_;
};

} // namespace snapdiff::gui
