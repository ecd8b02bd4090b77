// SPDX-License-Identifier: GPL-3.0-or-later
/* The program itself: its options, its pictures, its exit status. */
#include <memory>

#include <QElapsedTimer>
#include <QImage>
#include <QTest>

#include "processes.h"

using namespace snapdiff::gui;

class ProgramTest final : public QObject
{
	Q_OBJECT

	struct Outcome
	{
		int status = -1;
		QString output;
		QString errors;
	};

	static Outcome run(const QStringList &arguments, const QString &platform = {})
	{
		QProcess process;
		QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();

		environment.insert(QStringLiteral("QT_QPA_PLATFORM"),
				   platform.isEmpty() ? QStringLiteral("offscreen") : platform);
		process.setProcessEnvironment(environment);
		process.start(QStringLiteral(SNAPDIFF_GUI), arguments);
		if (!process.waitForFinished(60000) || process.exitStatus() != QProcess::NormalExit)
			return {};
		return {process.exitCode(), QString::fromUtf8(process.readAllStandardOutput()),
			QString::fromUtf8(process.readAllStandardError())};
	}

	QString picture() const { return folder_.filePath(QStringLiteral("window.png")); }

private slots:
	void helpAndVersionNeedNoDisplay()
	{
		const Outcome help = run({QStringLiteral("--help")}, QStringLiteral("nowhere"));
		QCOMPARE(help.status, 0);
		for (const char *option : {"--bus", "--screenshot", "--after", "--size"})
			QVERIFY2(help.output.contains(QString::fromLatin1(option)), option);

		const Outcome version =
			run({QStringLiteral("--version")}, QStringLiteral("nowhere"));
		QCOMPARE(version.status, 0);
		QVERIFY(version.output.startsWith(QStringLiteral("snapdiff-gui ")));
	}

	void mistakesOnTheCommandLineAreRefused_data()
	{
		QTest::addColumn<QStringList>("arguments");
		QTest::addColumn<QString>("reason");

		const auto row = [](const char *line, const char *reason) {
			QTest::newRow(line) << QString::fromLatin1(line).split(QLatin1Char(' '))
					    << QString::fromLatin1(reason);
		};
		row("--frobnicate", "frobnicate");
		row("vg0", "unexpected argument 'vg0'");
		row("--bus nowhere", "--bus wants");
		row("--size 12", "--size wants");
		row("--size 0x10", "--size wants");
		row("--size 99999x10", "--size wants");
		row("--after 100", "--after goes with --screenshot");
		row("--screenshot x.png --after soon", "--after wants");
		row("--screenshot x.png --after -1", "--after wants");
	}

	void mistakesOnTheCommandLineAreRefused()
	{
		QFETCH(QStringList, arguments);
		QFETCH(QString, reason);
		const Outcome outcome = run(arguments);

		QCOMPARE(outcome.status, 2);
		QVERIFY2(outcome.errors.contains(reason), qPrintable(outcome.errors));
	}

	void aPictureIsTakenAndTheProgramEnds()
	{
		PrivateBus bus;
		const QString address = bus.start();
		FakeDaemon daemon;
		QVERIFY(daemon.start(address));
		QVERIFY(daemon.tell(QStringLiteral("own")));

		const Outcome outcome =
			run({QStringLiteral("--bus"), address, QStringLiteral("--screenshot"),
			     picture(), QStringLiteral("--after"), QStringLiteral("800"),
			     QStringLiteral("--size"), QStringLiteral("1200x800")});
		QCOMPARE(outcome.status, 0);
		QCOMPARE(QImage(picture()).size(), QSize(1200, 800));
	}

	void aPictureWaitsForTheFirstFigures()
	{
		PrivateBus bus;
		const QString address = bus.start();
		FakeDaemon daemon;
		QVERIFY(daemon.start(address));
		QVERIFY(daemon.tell(QStringLiteral("own")));
		const QStringList words{QStringLiteral("--bus"),	address,
					QStringLiteral("--screenshot"), picture(),
					QStringLiteral("--after"),	QStringLiteral("0")};

		QCOMPARE(run(words).status, 0);
		const QImage figures(picture());
		bus.pause();
		QCOMPARE(run(words).status, 0);
		const QImage connecting(picture());
		QVERIFY(!figures.isNull() && !connecting.isNull());
		QVERIFY(figures != connecting);
	}

	void aPictureThatCannotBeWrittenIsAFailure()
	{
		const Outcome outcome =
			run({QStringLiteral("--bus"), QStringLiteral("unix:path=/nowhere"),
			     QStringLiteral("--screenshot"), QStringLiteral("/nowhere/window.png"),
			     QStringLiteral("--after"), QStringLiteral("0")});
		QCOMPARE(outcome.status, 1);
		QVERIFY(outcome.errors.contains(QStringLiteral("/nowhere/window.png")));
	}

	void theProgramEndsEvenIfTheBusHangs()
	{
		PrivateBus bus;
		const QString address = bus.start();
		bus.pause();
		QElapsedTimer timer;

		timer.start();
		const Outcome outcome =
			run({QStringLiteral("--bus"), address, QStringLiteral("--screenshot"),
			     picture(), QStringLiteral("--after"), QStringLiteral("300")});
		QCOMPARE(outcome.status, 0);
		QVERIFY(timer.elapsed() < 10000);
	}

private:
	QTemporaryDir folder_;
};

QTEST_GUILESS_MAIN(ProgramTest)
#include "program_test.moc"
