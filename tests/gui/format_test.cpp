// SPDX-License-Identifier: GPL-3.0-or-later
#include <limits>

#include <QTest>

#include "models/format.h"

using namespace snapdiff::gui;

class FormatTest final : public QObject
{
	Q_OBJECT

private slots:
	void initTestCase() { QLocale::setDefault(QLocale::c()); }

	void sizesAreInBinaryUnitsWithAtMostThreeDigits_data()
	{
		QTest::addColumn<quint64>("sectors");
		QTest::addColumn<QString>("text");

		QTest::newRow("nothing") << quint64(0) << "0 B";
		QTest::newRow("one sector") << quint64(1) << "512 B";
		QTest::newRow("one KiB") << quint64(2) << "1 KiB";
		QTest::newRow("one and a half KiB") << quint64(3) << "1.5 KiB";
		QTest::newRow("just below a MiB") << quint64(2046) << "1023 KiB";
		QTest::newRow("rounds up to the next unit") << quint64(2047) << "1 MiB";
		QTest::newRow("whole numbers have no tenths") << quint64(24576) << "12 MiB";
		QTest::newRow("tenths below a hundred") << quint64(25600) << "12.5 MiB";
		QTest::newRow("no tenths above") << quint64(256 * 2048 + 1024) << "257 MiB";
		QTest::newRow("GiB") << quint64(2516582) << "1.2 GiB";
		QTest::newRow("all there is") << std::numeric_limits<quint64>::max() << "8 ZiB";
	}

	void sizesAreInBinaryUnitsWithAtMostThreeDigits()
	{
		QFETCH(quint64, sectors);
		QTEST(format::size(sectors), "text");
	}

	void sizesNeverShowFourDigitsAndGrowWithTheirValue()
	{
		for (quint64 sectors = 1; sectors < quint64(1) << 62; sectors += 1 + sectors / 7) {
			const QString text = format::size(sectors);
			const double number = text.section(QLatin1Char(' '), 0, 0).toDouble();
			QVERIFY2(number > 0 && number < 1024, qPrintable(text));
		}
	}

	void ratesSayPerSecond() { QCOMPARE(format::rate(25600), QStringLiteral("12.5 MiB/s")); }

	void durationsHaveTwoUnits_data()
	{
		QTest::addColumn<quint64>("seconds");
		QTest::addColumn<QString>("text");

		QTest::newRow("none") << quint64(0) << "0 s";
		QTest::newRow("seconds") << quint64(45) << "45 s";
		QTest::newRow("a minute") << quint64(60) << "1 min";
		QTest::newRow("minutes and seconds") << quint64(103) << "1 min 43 s";
		QTest::newRow("the third unit is left out") << quint64(7384) << "2 h 3 min";
		QTest::newRow("an empty second unit is left out") << quint64(86400 + 59) << "1 d";
		QTest::newRow("for ever") << quint64(9'000'000'000'000) << "over 10 years";
		QTest::newRow("days") << quint64(3 * 86400 + 4 * 3600) << "3 d 4 h";
	}

	void durationsHaveTwoUnits()
	{
		QFETCH(quint64, seconds);
		QTEST(format::duration(seconds), "text");
	}

	void millisecondsAreExactWhileShort()
	{
		QCOMPARE(format::milliseconds(0), QStringLiteral("0 ms"));
		QCOMPARE(format::milliseconds(850), QStringLiteral("850 ms"));
		QCOMPARE(format::milliseconds(4321), QStringLiteral("4.3 s"));
		QCOMPARE(format::milliseconds(61000), QStringLiteral("1 min 1 s"));
	}

	void percentIsHundredOnlyWhenComplete()
	{
		QCOMPARE(format::percent(0, 100), QStringLiteral("0 %"));
		QCOMPARE(format::percent(1, 1000), QStringLiteral("< 1 %"));
		QCOMPARE(format::percent(1, 2), QStringLiteral("50 %"));
		QCOMPARE(format::percent(9999, 10000), QStringLiteral("99 %"));
		QCOMPARE(format::percent(10000, 10000), QStringLiteral("100 %"));
	}

	void percentOfNothingIsNothing() { QCOMPARE(format::percent(0, 0), QStringLiteral("0 %")); }

	void agesAreCoarseAndNeverInTheFuture()
	{
		const QDateTime now = QDateTime::fromSecsSinceEpoch(1'000'000);

		QCOMPARE(format::age(now, now), QStringLiteral("just now"));
		QCOMPARE(format::age(now.addSecs(60), now), QStringLiteral("just now"));
		QCOMPARE(format::age(now.addSecs(-40), now), QStringLiteral("40 s ago"));
		QCOMPARE(format::age(now.addSecs(-301), now), QStringLiteral("5 min ago"));
		QCOMPARE(format::age(now.addSecs(-7325), now), QStringLiteral("2 h 2 min ago"));
	}

	void countsAgreeInNumber()
	{
		const QString one = QStringLiteral("range");
		const QString many = QStringLiteral("ranges");

		QCOMPARE(format::count(0, one, many), QStringLiteral("0 ranges"));
		QCOMPARE(format::count(1, one, many), QStringLiteral("1 range"));
		QCOMPARE(format::count(2, one, many), QStringLiteral("2 ranges"));
	}
};

QTEST_GUILESS_MAIN(FormatTest)
#include "format_test.moc"
