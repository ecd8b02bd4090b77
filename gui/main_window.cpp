// SPDX-License-Identifier: GPL-3.0-or-later
#include "main_window.h"

#include <algorithm>
#include <chrono>

#include <QAction>
#include <QApplication>
#include <QMenuBar>
#include <QMessageBox>
#include <QSplitter>
#include <QStackedWidget>
#include <QStatusBar>
#include <QTabWidget>
#include <QVBoxLayout>

#include "models/format.h"
#include "widgets/banner.h"
#include "widgets/card_column.h"
#include "widgets/elided_label.h"
#include "widgets/list_view.h"
#include "widgets/look.h"
#include "widgets/map_panel.h"
#include "widgets/notice_page.h"

namespace snapdiff::gui {

using namespace std::chrono_literals;

MainWindow::MainWindow(QWidget *parent)
	: QMainWindow(parent), pages_(new QStackedWidget(this)), notice_(new NoticePage(this)),
	  view_(new QWidget(this)), summary_(new ElidedLabel(this)), versions_(new QLabel(this))
{
	setWindowTitle(tr("snapdiff"));
	setWindowIcon(QIcon::fromTheme(QStringLiteral("snapdiff-gui")));
	buildViews();
	buildMenus();
	pages_->addWidget(notice_);
	pages_->addWidget(view_);
	setCentralWidget(pages_);

	versions_->setTextFormat(Qt::PlainText);
	statusBar()->setSizeGripEnabled(false);
	statusBar()->addWidget(summary_, 1);
	statusBar()->addPermanentWidget(versions_);
	const int step = look::step(this);
	statusBar()->setContentsMargins(3 * step / 2, 0, step, step / 2);

	const int character = fontMetrics().averageCharWidth();
	const int line = fontMetrics().height();
	setMinimumSize(character * 132, line * 34);
	resize(character * 156, line * 44);

	second_.setInterval(1s);
	connect(&second_, &QTimer::timeout, this, &MainWindow::tick);
	updateSituation();
	showStatus();
}

void MainWindow::buildViews()
{
	const int step = look::step(this);
	auto *layout = new QVBoxLayout(view_);

	banner_ = new Banner(view_);
	banner_->hide();
	columns_ = new QSplitter(Qt::Horizontal, view_);
	cards_ = new CardColumn(columns_);
	columns_->addWidget(cards_);
	columns_->addWidget(buildDetails());
	columns_->setStretchFactor(0, 0);
	columns_->setStretchFactor(1, 1);
	columns_->setChildrenCollapsible(false);
	columns_->setHandleWidth(3 * step / 2);
	layout->setContentsMargins(2 * step, 2 * step, 2 * step, step);
	layout->setSpacing(step * 3 / 2);
	layout->addWidget(banner_);
	layout->addWidget(columns_, 1);
	connect(cards_, &CardColumn::selectionChanged, this, &MainWindow::showStore);
}

QWidget *MainWindow::buildDetails()
{
	rows_ = new QSplitter(Qt::Vertical, this);
	map_ = new MapPanel(rows_);
	tabs_ = new QTabWidget(rows_);
	originList_ =
		new ListView(&origins_, OriginTreeModel::SeverityRole, OriginTreeModel::StateColumn,
			     tr("No origin is attached to this store.\n"
				"Attach one: snapdiff attach /dev/vg0/home"),
			     tabs_);
	originList_->setAccessibleName(tr("Origins and snapshots"));
	eventList_ = new ListView(&events_, EventModel::SeverityRole, EventModel::TextColumn,
				  tr("The daemon has not reported any event yet."), tabs_);
	eventList_->setRootIsDecorated(false);
	eventList_->setAccessibleName(tr("Events"));
	tabs_->addTab(originList_, tr("Origins and snapshots"));
	tabs_->addTab(eventList_, tr("Events"));
	tabs_->setDocumentMode(true);
	tabs_->setAccessibleName(tr("Lists of the store"));
	rows_->addWidget(map_);
	rows_->addWidget(tabs_);
	rows_->setStretchFactor(0, 2);
	rows_->setStretchFactor(1, 3);
	rows_->setChildrenCollapsible(false);
	rows_->setHandleWidth(3 * look::step(this) / 2);
	return rows_;
}

void MainWindow::buildMenus()
{
	QMenu *file = menuBar()->addMenu(tr("&File"));
	QAction *refresh = file->addAction(tr("&Read again"));
	refresh->setShortcut(QKeySequence::Refresh);
	connect(refresh, &QAction::triggered, this, &MainWindow::refreshWanted);
	file->addSeparator();
	QAction *quit = file->addAction(tr("&Quit"));
	quit->setShortcut(QKeySequence(Qt::CTRL | Qt::Key_Q));
	connect(quit, &QAction::triggered, this, &QWidget::close);

	QMenu *go = menuBar()->addMenu(tr("&Go"));
	const auto place = [&](const QString &name, int key, QWidget *widget) {
		QAction *action = go->addAction(name);
		action->setShortcut(QKeySequence(Qt::ALT | static_cast<Qt::Key>(key)));
		connect(action, &QAction::triggered, this, [this, widget] { goTo(widget); });
	};
	place(tr("&Stores"), Qt::Key_1, cards_);
	place(tr("Store &map"), Qt::Key_2, map_);
	place(tr("&Origins and snapshots"), Qt::Key_3, originList_);
	place(tr("&Events"), Qt::Key_4, eventList_);

	QMenu *help = menuBar()->addMenu(tr("&Help"));
	connect(help->addAction(tr("&About snapdiff")), &QAction::triggered, this,
		&MainWindow::about);
}

void MainWindow::goTo(QWidget *widget)
{
	if (tabs_->indexOf(widget) >= 0)
		tabs_->setCurrentWidget(widget);
	widget->setFocus(Qt::ShortcutFocusReason);
}

void MainWindow::about()
{
	QMessageBox::about(
		this, tr("About snapdiff"),
		tr("<p><b>snapdiff-gui %1</b></p>"
		   "<p>Shows the stores, origins and snapshots of this machine as snapdiffd "
		   "reports them.</p><p>Free software under the GNU General Public License, "
		   "version 3 or later.</p>")
			.arg(QCoreApplication::applicationVersion()));
}

void MainWindow::setLink(Link link, const QString &detail)
{
	link_ = link;
	detail_ = detail;
	updateSituation();
}

void MainWindow::setMonitor(const Monitor &monitor)
{
	monitor_ = monitor;
	receivedAt_ = QDateTime::currentDateTime();
	received_.start();

	cards_->setStores(monitor_.stores);
	showStore(cards_->selected());
	events_.setEvents(monitor_.events);
	eventList_->fitColumns();
	updateSituation();
	showStatus();
}

void MainWindow::showStore(const QString &name)
{
	const auto store = std::find_if(monitor_.stores.begin(), monitor_.stores.end(),
					[&](const Store &s) { return s.name == name; });
	if (store == monitor_.stores.end())
		return;

	map_->setStore(*store);
	origins_.setNow(QDateTime::currentDateTime());
	origins_.setStore(*store);
	originList_->fitColumns();
}

void MainWindow::tick()
{
	origins_.setNow(QDateTime::currentDateTime());
	updateSituation();
	showStatus();
}

void MainWindow::updateSituation()
{
	std::optional<Reception> last;
	if (received_.isValid())
		last = Reception{receivedAt_, received_.elapsed()};

	situation_ = situationOf(link_, detail_, monitor_, last);
	showSituation();
}

void MainWindow::showSituation()
{
	if (!situation_.showsStores()) {
		notice_->setSituation(situation_);
		pages_->setCurrentWidget(notice_);
		return;
	}

	pages_->setCurrentWidget(view_);
	applyPalette();
	if (situation_.kind == Situation::Kind::Stale) {
		banner_->show(situation_.severity, situation_.headline,
			      situation_.explanation + QLatin1Char(' ') + situation_.nextStep,
			      situation_.command);
	} else if (!monitor_.problems.empty()) {
		QStringList lines;
		for (const Problem &problem : monitor_.problems)
			lines << QStringLiteral("%1: %2").arg(problem.subject, problem.sentence);
		banner_->show(Severity::Warning, tr("The daemon reports a problem"),
			      lines.join(QLatin1Char('\n')), {});
	} else {
		banner_->hide();
	}
}

/* Old figures are shown without colour. */
void MainWindow::applyPalette()
{
	const bool stale = situation_.kind == Situation::Kind::Stale;
	const QPalette wanted =
		stale ? look::stalePalette(palette()) : look::viewPalette(palette());

	if (columns_->palette() != wanted)
		columns_->setPalette(wanted);
}

void MainWindow::showStatus()
{
	if (!received_.isValid()) {
		summary_->setText(tr("No figures yet"));
		versions_->setText({});
		return;
	}

	const Reserve &reserve = monitor_.reserve;
	QString text = format::count(monitor_.stores.size(), tr("store"), tr("stores"));
	if (reserve.ranges == 0)
		text += tr(" \u00b7 reserve empty");
	else
		text += tr(" \u00b7 reserve %1 in %2")
				.arg(format::size(reserve.sectors),
				     format::count(reserve.ranges, tr("range"), tr("ranges")));
	if (reserve.ranges < reserve.wanted)
		text += tr(" of %1 wanted").arg(reserve.wanted);
	text += tr(" \u00b7 %1 carvable").arg(format::size(monitor_.carvable));
	QStringList supplies;
	for (const Supply &supply : monitor_.supplies)
		supplies << supply.name;
	if (!supplies.empty())
		text += tr(" from %1").arg(supplies.join(QStringLiteral(", ")));
	summary_->setText(text);
	const QString module =
		monitor_.moduleVersion.isEmpty() ? tr("none") : monitor_.moduleVersion;
	versions_->setText(tr("snapdiffd %1 \u00b7 module %2 \u00b7 %3")
				   .arg(monitor_.daemonVersion, module,
					receivedAt_.time().toString(QStringLiteral("HH:mm:ss"))));
	versions_->setToolTip(tr("Versions, and when the figures came"));
}

void MainWindow::changeEvent(QEvent *event)
{
	if (event->type() == QEvent::PaletteChange && situation_.showsStores())
		applyPalette();
	if (event->type() == QEvent::WindowStateChange) {
		emit watchedChanged(!isMinimized());
	}
	QMainWindow::changeEvent(event);
}

void MainWindow::showEvent(QShowEvent *event)
{
	QMainWindow::showEvent(event);
	second_.start();
	emit watchedChanged(true);
}

void MainWindow::hideEvent(QHideEvent *event)
{
	QMainWindow::hideEvent(event);
	second_.stop();
	emit watchedChanged(false);
}

} // namespace snapdiff::gui
