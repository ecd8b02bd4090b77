// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The window without a bus: what it shows for every scene and situation, that updates keep what
 * the reader selected, and that everything is reached by keyboard and has a name.
 *
 * With SNAPDIFF_GUI_PICTURES=DIR each scene is also written there as PNG, light and dark.
 */
#include <QAbstractButton>
#include <QAccessible>
#include <QAction>
#include <QApplication>
#include <QDir>
#include <QSignalSpy>
#include <QStackedWidget>
#include <QTest>
#include <QTreeView>

#include "main_window.h"
#include "palettes.h"
#include "samples.h"
#include "widgets/banner.h"
#include "widgets/card_column.h"
#include "widgets/fill_bar.h"
#include "widgets/notice_page.h"
#include "widgets/store_card.h"
#include "widgets/store_map.h"

using namespace snapdiff::gui;

class WindowTest final : public QObject
{
	Q_OBJECT

	using Kind = Situation::Kind;

	static void show(MainWindow &window, const Monitor &monitor)
	{
		window.show();
		window.setLink(Link::Live, {});
		window.setMonitor(monitor);
		QVERIFY(QTest::qWaitForWindowExposed(&window));
	}

	static void keepPicture(MainWindow &window, const QString &name)
	{
		const QString folder = qEnvironmentVariable("SNAPDIFF_GUI_PICTURES");

		if (!folder.isEmpty()) {
			/* Layouts settle in the event loop. */
			QTest::qWait(20);
			QVERIFY(window.grab().save(QDir(folder).filePath(name)));
		}
	}

	static QStringList cardNames(const MainWindow &window)
	{
		QStringList names;
		for (const StoreCard *card : window.findChildren<StoreCard *>())
			names << card->storeName();
		return names;
	}

private slots:
	void initTestCase() { QLocale::setDefault(QLocale::c()); }
	void cleanup() { QApplication::setPalette(palettes::light()); }

	void everySceneIsShown_data()
	{
		QTest::addColumn<QString>("scene");
		QTest::addColumn<QPalette>("palette");
		QTest::addColumn<QSize>("size");

		for (const QString &scene : samples::names()) {
			const auto row = [&](const char *look, const QPalette &palette,
					     const QSize &size) {
				QTest::addRow("%s-%s", qPrintable(scene), look)
					<< scene << palette << size;
			};
			row("light", palettes::light(), QSize(1180, 760));
			row("dark", palettes::dark(), QSize(1180, 760));
			row("small", palettes::light(), QSize(1, 1));
			row("large", palettes::light(), QSize(1920, 1080));
		}
	}

	void everySceneIsShown()
	{
		QFETCH(QString, scene);
		QFETCH(QPalette, palette);
		QFETCH(QSize, size);
		const Monitor monitor = samples::byName(scene);
		QApplication::setPalette(palette);

		MainWindow window;
		window.resize(size);
		show(window, monitor);

		const Kind expected = !monitor.moduleUsable    ? Kind::NoModule
				      : monitor.stores.empty() ? Kind::NothingAttached
							       : Kind::Normal;
		QCOMPARE(window.situation().kind, expected);
		QCOMPARE(window.findChild<NoticePage *>()->isVisible(), expected != Kind::Normal);
		QCOMPARE(cardNames(window).size(), static_cast<qsizetype>(monitor.stores.size()));
		keepPicture(window, QStringLiteral("%1.png").arg(
					    QString::fromLatin1(QTest::currentDataTag())));
	}

	void everySituationWithoutFiguresIsShown_data()
	{
		QTest::addColumn<int>("link");
		QTest::newRow("connecting") << static_cast<int>(Link::Connecting);
		QTest::newRow("no-bus") << static_cast<int>(Link::NoBus);
		QTest::newRow("no-daemon") << static_cast<int>(Link::NoDaemon);
		QTest::newRow("refused") << static_cast<int>(Link::Refused);
		QTest::newRow("silent") << static_cast<int>(Link::Silent);
		QTest::newRow("misfit") << static_cast<int>(Link::Misfit);
	}

	void everySituationWithoutFiguresIsShown()
	{
		QFETCH(int, link);
		MainWindow window;

		window.show();
		window.setLink(static_cast<Link>(link), QStringLiteral("what the bus said"));
		auto *notice = window.findChild<NoticePage *>();
		QVERIFY(notice->isVisible());
		QCOMPARE(notice->accessibleName(), window.situation().headline);
		keepPicture(window, QStringLiteral("link-%1.png")
					    .arg(QString::fromLatin1(QTest::currentDataTag())));
	}

	void everySituationAfterFiguresKeepsThem_data()
	{
		everySituationWithoutFiguresIsShown_data();
	}

	void everySituationAfterFiguresKeepsThem()
	{
		QFETCH(int, link);
		MainWindow window;

		show(window, samples::growing());
		QVERIFY(!window.findChild<Banner *>()->isVisible());
		window.setLink(static_cast<Link>(link), {});
		QVERIFY(window.findChild<Banner *>()->isVisible());
		QVERIFY(window.findChild<StoreCard *>()->isVisible());
		keepPicture(window, QStringLiteral("stale-%1.png")
					    .arg(QString::fromLatin1(QTest::currentDataTag())));

		window.setLink(Link::Live, {});
		QVERIFY(!window.findChild<Banner *>()->isVisible());
	}

	void anUpdateKeepsSelectionAndExpansion()
	{
		MainWindow window;
		show(window, samples::calm());
		QTreeView *tree = nullptr;
		for (QTreeView *view : window.findChildren<QTreeView *>()) {
			if (view->accessibleName() == QLatin1String("Origins and snapshots"))
				tree = view;
		}
		QVERIFY(tree);
		QVERIFY(tree->isExpanded(tree->model()->index(0, 0)));
		tree->collapse(tree->model()->index(0, 0));
		tree->setCurrentIndex(tree->model()->index(1, 0, tree->model()->index(1, 0)));

		window.setMonitor(samples::growing());
		QVERIFY(!tree->isExpanded(tree->model()->index(0, 0)));
		QVERIFY(tree->isExpanded(tree->model()->index(1, 0)));
		QCOMPARE(tree->currentIndex().data().toString(), QStringLiteral("monday"));
	}

	void anUpdateKeepsTheSelectedStore()
	{
		MainWindow window;
		Monitor monitor = samples::manyStores();
		show(window, monitor);
		auto *cards = window.findChild<CardColumn *>();
		/* The most urgent one comes first. */
		QCOMPARE(cards->selected(), monitor.stores[3].name);

		cards->select(monitor.stores[20].name);
		monitor.stores.erase(monitor.stores.begin());
		window.setMonitor(monitor);
		QCOMPARE(cards->selected(), monitor.stores[19].name);

		monitor.stores.erase(monitor.stores.begin() + 19);
		window.setMonitor(monitor);
		QCOMPARE(cards->selected(), samples::manyStores().stores[3].name);
	}

	void anUpdateKeepsTheCurrentRange()
	{
		MainWindow window;
		Monitor monitor = samples::calm();
		show(window, monitor);
		auto *map = window.findChild<StoreMap *>();
		QVERIFY(!map->current());
		QTest::keyClick(map, Qt::Key_Down);
		QTest::keyClick(map, Qt::Key_Down);
		QCOMPARE(map->current()->device, QStringLiteral("vg1/snapdiff.1"));

		auto &ranges = monitor.stores.front().ranges;
		ranges.erase(ranges.begin());
		window.setMonitor(monitor);
		QCOMPARE(map->current()->device, QStringLiteral("vg1/snapdiff.1"));
		ranges.erase(ranges.begin());
		window.setMonitor(monitor);
		QVERIFY(!map->current());
	}

	void theMapIsReachedByKeyboardAndSaysWhatItShows()
	{
		MainWindow window;
		show(window, samples::manyRanges());
		auto *map = window.findChild<StoreMap *>();

		QTest::keyClick(map, Qt::Key_Home);
		QCOMPARE(map->current()->device, QStringLiteral("vg0/snapdiff.0"));
		QVERIFY(map->accessibleDescription().contains(QStringLiteral("vg0/snapdiff.0")));
		QTest::keyClick(map, Qt::Key_Right);
		QCOMPARE(map->current()->device, QStringLiteral("vg0/snapdiff.3"));
		QTest::keyClick(map, Qt::Key_End);
		QCOMPARE(map->current()->device, QStringLiteral("vg2/snapdiff.398"));
		keepPicture(window, QStringLiteral("map-end.png"));
	}

	void theMapIsReachedByMouse()
	{
		MainWindow window;
		show(window, samples::calm());
		auto *map = window.findChild<StoreMap *>();
		const int line = map->fontMetrics().height();

		/* On a caption lies no range. */
		QTest::mouseClick(map->viewport(), Qt::LeftButton, {}, QPoint(3, line / 2));
		QVERIFY(!map->current());
		QTest::mouseClick(map->viewport(), Qt::LeftButton, {}, QPoint(3, line * 2));
		QCOMPARE(map->current()->device, QStringLiteral("vg0/snapdiff.0"));
	}

	void cardsAreChosenByArrowKeys()
	{
		MainWindow window;
		const Monitor monitor = samples::manyStores();
		show(window, monitor);
		window.activateWindow();
		auto *cards = window.findChild<CardColumn *>();
		const auto focused = [&] {
			return qobject_cast<StoreCard *>(QApplication::focusWidget());
		};

		for (StoreCard *card : window.findChildren<StoreCard *>()) {
			if (card->isSelected())
				card->setFocus();
		}
		QTRY_VERIFY(focused());
		QTest::keyClick(focused(), Qt::Key_Down);
		QCOMPARE(cards->selected(), monitor.stores[10].name);
		QTest::keyClick(focused(), Qt::Key_Up);
		QTest::keyClick(focused(), Qt::Key_Up);
		QCOMPARE(cards->selected(), monitor.stores[3].name);
	}

	void theGoMenuReachesEveryPart()
	{
		MainWindow window;
		show(window, samples::calm());
		window.activateWindow();
		const auto go = [&](int key) {
			for (QAction *action : window.findChildren<QAction *>()) {
				if (action->shortcut() ==
				    QKeySequence(Qt::ALT | static_cast<Qt::Key>(key)))
					action->trigger();
			}
			return window.focusWidget();
		};

		QVERIFY(qobject_cast<StoreCard *>(go(Qt::Key_1)));
		QVERIFY(qobject_cast<StoreMap *>(go(Qt::Key_2)));
		QCOMPARE(go(Qt::Key_3)->accessibleName(), QStringLiteral("Origins and snapshots"));
		QCOMPARE(go(Qt::Key_4)->accessibleName(), QStringLiteral("Events"));
		keepPicture(window, QStringLiteral("events.png"));
	}

	void everythingThatTakesFocusHasAName()
	{
		MainWindow window;
		show(window, samples::damaged());

		for (QWidget *widget : window.findChildren<QWidget *>()) {
			if (!(widget->focusPolicy() & Qt::TabFocus) || !widget->isVisible())
				continue;
			QAccessibleInterface *face = QAccessible::queryAccessibleInterface(widget);
			QVERIFY2(face && !face->text(QAccessible::Name).isEmpty(),
				 widget->metaObject()->className());
		}
	}

	void theFillBarSaysItsFigures()
	{
		FillBar bar;

		bar.setAmounts({2048, 0, 4096, 8192, 0, 1024});
		QCOMPARE(bar.accessibleDescription(),
			 QStringLiteral("1 MiB of 3 MiB used, 2 MiB free, 4 MiB in reserve; "
					"asks for more at 512 KiB free"));
	}

	void nobodyWatchesAHiddenWindow()
	{
		MainWindow window;
		QSignalSpy watched(&window, &MainWindow::watchedChanged);

		window.show();
		window.hide();
		QCOMPARE(watched.count(), 2);
		QCOMPARE(watched.takeLast().constFirst().toBool(), false);
	}

	void aWindowFullOfRangesIsPaintedQuickly()
	{
		MainWindow window;
		show(window, samples::manyRanges());
		QElapsedTimer timer;

		timer.start();
		for (int i = 0; i < 10; i++)
			(void)window.findChild<StoreMap *>()->grab();
		/* Generous: the point is that nothing grows with the square of the ranges. */
		QVERIFY(timer.elapsed() < 3000);
	}
};

QTEST_MAIN(WindowTest)
#include "window_test.moc"
