// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * The bus client and the window against a daemon that plays scenes on a private bus: what it says
 * arrives unchanged, every way of losing it is noticed and mended, and the GUI thread never waits.
 */
#include <algorithm>
#include <memory>

#include <QElapsedTimer>
#include <QSignalSpy>
#include <QTest>
#include <QTimer>

#include "client/connection.h"
#include "main_window.h"
#include "processes.h"
#include "samples.h"

using namespace snapdiff::gui;
using namespace std::chrono_literals;

namespace {

/* Beats in the GUI thread and remembers the longest pause. */
class Heartbeat final : public QObject
{
public:
	Heartbeat()
	{
		connect(&timer_, &QTimer::timeout, this,
			[this] { longest_ = std::max(longest_, since_.restart()); });
		timer_.start(10);
		since_.start();
	}

	qint64 longest() const { return longest_; }

private:
	QTimer timer_;
	QElapsedTimer since_;
	qint64 longest_ = 0;
};

/* A busy machine may pause us for a while; a call that blocks would last as long as the hang. */
constexpr qint64 longestPause = 2000;
constexpr int hang = 4000;

} // namespace

class ClientTest final : public QObject
{
	Q_OBJECT

	using Kind = Situation::Kind;

	void connectWindow()
	{
		connection_ = std::make_unique<Connection>(address_);
		window_ = std::make_unique<MainWindow>();
		connect(connection_.get(), &Connection::linkChanged, window_.get(),
			&MainWindow::setLink);
		connect(connection_.get(), &Connection::received, window_.get(),
			&MainWindow::setMonitor);
		connect(connection_.get(), &Connection::received, this,
			[this](const Monitor &monitor) { last_ = monitor; });
		connect(window_.get(), &MainWindow::refreshWanted, connection_.get(),
			&Connection::refresh);
		connect(window_.get(), &MainWindow::watchedChanged, connection_.get(),
			&Connection::setWatched);
		connection_->start();
		window_->show();
	}

	void startDaemon()
	{
		daemon_ = std::make_unique<FakeDaemon>();
		QVERIFY(daemon_->start(address_));
		QVERIFY(daemon_->tell(QStringLiteral("own")));
	}

	Kind kind() const { return window_->situation().kind; }

private slots:
	void init()
	{
		last_ = {};
		bus_ = std::make_unique<PrivateBus>();
		address_ = bus_->start();
		QVERIFY2(!address_.isEmpty(), "dbus-daemon does not start");
	}

	void cleanup()
	{
		window_.reset();
		if (connection_)
			QVERIFY(connection_->stop(30s));
		connection_.reset();
		daemon_.reset();
		bus_.reset();
	}

	void whatTheDaemonSaysArrivesUnchanged_data()
	{
		QTest::addColumn<QString>("scene");
		for (const QString &scene : samples::names())
			QTest::newRow(qPrintable(scene)) << scene;
	}

	void whatTheDaemonSaysArrivesUnchanged()
	{
		QFETCH(QString, scene);
		startDaemon();
		QVERIFY(daemon_->tell(QStringLiteral("scene ") + scene));
		connectWindow();

		QTRY_VERIFY_WITH_TIMEOUT(!last_.daemonVersion.isEmpty(), 10000);
		Monitor expected = samples::byName(scene);
		/* The scene was made by another process, perhaps in another second. */
		const auto sameTimes = [](auto &ours, const auto &theirs) {
			for (size_t i = 0; i < std::min(ours.size(), theirs.size()); i++) {
				QVERIFY(std::abs(ours[i].time.secsTo(theirs[i].time)) < 30);
				ours[i].time = theirs[i].time;
			}
		};
		for (size_t i = 0; i < std::min(expected.stores.size(), last_.stores.size()); i++)
			sameTimes(expected.stores[i].snapshots, last_.stores[i].snapshots);
		sameTimes(expected.events, last_.events);
		QCOMPARE(last_.stores.size(), expected.stores.size());
		for (size_t i = 0; i < expected.stores.size(); i++)
			QVERIFY2(last_.stores[i] == expected.stores[i],
				 qPrintable(expected.stores[i].name));
		QVERIFY(last_ == expected);
	}

	void changesArriveWithoutAsking()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
		/* Without polling only signals can bring it. */
		connection_->setWatched(false);
		QTest::qWait(500);
		const quint64 before = last_.stores.front().used;

		QVERIFY(daemon_->tell(QStringLiteral("use 2048")));
		QTRY_COMPARE_WITH_TIMEOUT(last_.stores.front().used, before + 2048, 3000);
		QVERIFY(daemon_->tell(QStringLiteral("scene no-store")));
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::NothingAttached, 3000);
		QVERIFY(daemon_->tell(QStringLiteral("event the moon is full")));
		QTRY_VERIFY_WITH_TIMEOUT(!last_.events.empty(), 3000);
		QCOMPARE(last_.events.back().text, QStringLiteral("the moon is full"));
	}

	void manySignalsMakeFewUpdates()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
		connection_->setWatched(false);
		QTest::qWait(500);
		QSignalSpy received(connection_.get(), &Connection::received);
		QElapsedTimer timer;

		timer.start();
		for (int i = 0; i < 200; i++)
			QVERIFY(daemon_->tell(QStringLiteral("use 1")));
		QTest::qWait(500);
		/* Four a second, and one for the beginning. */
		QVERIFY(received.count() >= 1);
		QVERIFY(received.count() <= timer.elapsed() / 250 + 2);
	}

	void theDaemonMayVanishAndReturn()
	{
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::NoDaemon, 10000);
		startDaemon();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);

		daemon_->kill();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 5000);
		QCOMPARE(window_->situation().command, QStringLiteral("systemctl start snapdiffd"));

		startDaemon();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
		QVERIFY(daemon_->tell(QStringLiteral("release")));
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 5000);
		QVERIFY(daemon_->tell(QStringLiteral("own")));
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
	}

	void everySceneCanFollowEveryOther()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);

		const std::vector<std::pair<QString, Kind>> scenes{
			{QStringLiteral("no-module"), Kind::NoModule},
			{QStringLiteral("no-store"), Kind::NothingAttached},
			{QStringLiteral("many-ranges"), Kind::Normal},
			{QStringLiteral("wrong-module"), Kind::NoModule},
			{QStringLiteral("many-stores"), Kind::Normal},
			{QStringLiteral("no-store"), Kind::NothingAttached},
			{QStringLiteral("bare-store"), Kind::Normal},
		};
		for (const auto &[scene, expected] : scenes) {
			QVERIFY(daemon_->tell(QStringLiteral("scene ") + scene));
			QTRY_COMPARE_WITH_TIMEOUT(kind(), expected, 5000);
		}
	}

	void aDaemonThatHangsIsToldAndDoesNotHoldTheWindow()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);

		const Heartbeat heartbeat;
		daemon_->pause();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 15000);
		emit window_->refreshWanted();
		QTest::qWait(hang);
		QVERIFY2(heartbeat.longest() < longestPause,
			 qPrintable(QString::number(heartbeat.longest())));
		QCOMPARE(window_->situation().headline,
			 QStringLiteral("The daemon does not answer"));

		daemon_->resume();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 15000);
	}

	void aBusThatHangsDoesNotHoldTheWindow()
	{
		startDaemon();
		/* Even the first greeting of the bus is not answered. */
		bus_->pause();
		connectWindow();
		const Heartbeat heartbeat;
		QTest::qWait(hang);
		QCOMPARE(kind(), Kind::Connecting);
		bus_->resume();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 15000);

		bus_->pause();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 15000);
		QVERIFY2(heartbeat.longest() < longestPause,
			 qPrintable(QString::number(heartbeat.longest())));
		bus_->resume();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 15000);
	}

	void aBusThatIsGoneIsTold()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);

		bus_->kill();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 5000);
		QCOMPARE(window_->situation().headline, QStringLiteral("No D-Bus"));
	}

	void noBusIsTold()
	{
		bus_->kill();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::NoBus, 10000);
	}

	void refusedCallsAreTold()
	{
		startDaemon();
		QVERIFY(daemon_->tell(QStringLiteral("deny")));
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Refused, 10000);
		QVERIFY(window_->situation().explanation.contains(
			QStringLiteral("the test says no")));
		QVERIFY(daemon_->tell(QStringLiteral("scene calm")));
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
	}

	void valuesOfAnotherTypeAreToldInsteadOfShown()
	{
		startDaemon();
		connectWindow();
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Normal, 10000);
		connection_->setWatched(false);
		QTest::qWait(500);

		QVERIFY(daemon_->tell(QStringLiteral("strange")));
		QTRY_COMPARE_WITH_TIMEOUT(kind(), Kind::Stale, 5000);
		QCOMPARE(window_->situation().headline,
			 QStringLiteral("Daemon and monitor do not fit"));
		QVERIFY(last_.stores.front().used > 0);
	}

private:
	std::unique_ptr<PrivateBus> bus_;
	QString address_;
	std::unique_ptr<FakeDaemon> daemon_;
	std::unique_ptr<Connection> connection_;
	std::unique_ptr<MainWindow> window_;
	Monitor last_;
};

QTEST_MAIN(ClientTest)
#include "client_test.moc"
