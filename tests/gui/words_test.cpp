// SPDX-License-Identifier: GPL-3.0-or-later
/* What is said about stores, origins, snapshots and ranges. */
#include <QTest>

#include "models/lanes.h"
#include "models/words.h"
#include "samples.h"

using namespace snapdiff::gui;

class WordsTest final : public QObject
{
	Q_OBJECT

	static Store storeOf(const Monitor &monitor) { return monitor.stores.front(); }

private slots:
	void initTestCase() { QLocale::setDefault(QLocale::c()); }

	void storesSayTheirMostUrgentState_data()
	{
		QTest::addColumn<QString>("scene");
		QTest::addColumn<QString>("word");
		QTest::addColumn<int>("severity");

		const auto row = [](const char *scene, const char *word, Severity severity) {
			QTest::newRow(scene)
				<< QString::fromLatin1(scene) << QString::fromLatin1(word)
				<< static_cast<int>(severity);
		};
		row("calm", "OK", Severity::Ok);
		row("growing", "Low water", Severity::Warning);
		row("holding", "Holding writes", Severity::Critical);
		row("damaged", "Range failed", Severity::Warning);
		row("bare-store", "Nothing attached", Severity::Ok);
	}

	void storesSayTheirMostUrgentState()
	{
		QFETCH(QString, scene);
		const Condition condition = words::ofStore(storeOf(samples::byName(scene)));

		QTEST(condition.word, "word");
		QTEST(static_cast<int>(condition.severity), "severity");
		QVERIFY(!condition.sentence.isEmpty());
	}

	void storesWithoutAJudgementOfTheDaemonAreJudgedByTheirState()
	{
		Store store = storeOf(samples::holding());
		store.severity.reset();
		store.reason.clear();

		const Condition condition = words::ofStore(store);
		QCOMPARE(condition.severity, Severity::Critical);
		QVERIFY(condition.sentence.contains(QStringLiteral("17 writes wait")));
	}

	void storesThatFillSoonSaySo()
	{
		Store store = storeOf(samples::calm());
		store.severity = Severity::Critical;
		store.secondsToFull = 90;

		QCOMPARE(words::ofStore(store).word, QStringLiteral("Filling up"));
	}

	void storesWithoutSupplyNameTheNextStep()
	{
		Store store = storeOf(samples::growing());
		store.reserve = 0;
		store.carvable = 0;
		store.severity.reset();
		store.reason.clear();

		const Condition condition = words::ofStore(store);
		QCOMPARE(condition.word, QStringLiteral("No supply"));
		QVERIFY(condition.sentence.contains(
			QStringLiteral("snapdiff extend snapdiff-vg0")));
	}

	void reasonsBecomeSentences()
	{
		Store store = storeOf(samples::growing());
		store.reason = QStringLiteral("low water");

		QCOMPARE(words::ofStore(store).sentence, QStringLiteral("Low water."));
	}

	void worstCaseIsSaidInWords()
	{
		Store store = storeOf(samples::calm());

		QCOMPARE(words::worstCase(store).word, QStringLiteral("Cannot overflow any more"));
		store.mode = Mode::Holding;
		QCOMPARE(words::worstCase(store).word, QStringLiteral("Could overflow"));
		store.mode = Mode::Active;
		store.cannotOverflow = false;
		QCOMPARE(words::worstCase(store).word, QStringLiteral("Could overflow"));
		store.worstCase = 0;
		QCOMPARE(words::worstCase(store).word, QStringLiteral("Needs nothing more"));
	}

	void everyCauseOfTheKernelHasAMeaning()
	{
		/* The list of dm-target/uapi/dm-snapdiff.h. */
		for (const char *word : {"overflow", "origin-gone", "origin-forced", "store-write",
					 "no-memory", "stall", "store-gone"}) {
			const QString kernelWord = QString::fromLatin1(word);
			QVERIFY2(words::cause(kernelWord) != kernelWord, word);
		}
		QCOMPARE(words::cause(QStringLiteral("-")), QString());
		QCOMPARE(words::cause(QStringLiteral("moth")), QStringLiteral("moth"));
	}

	void invalidSnapshotsSayWhy()
	{
		const Snapshot snapshot = storeOf(samples::damaged()).snapshots.front();
		const Condition condition = words::ofSnapshot(snapshot);

		QCOMPARE(condition.severity, Severity::Warning);
		QVERIFY(condition.word.startsWith(QStringLiteral("invalid: copied data")));
	}

	void originsSayWhetherTheyAreWatched()
	{
		Origin origin = storeOf(samples::calm()).origins.front();

		QVERIFY(words::ofOrigin(origin).word.startsWith(QStringLiteral("watched")));
		origin.state = QStringLiteral("unwatched");
		QCOMPARE(words::ofOrigin(origin).severity, Severity::Warning);
		origin.state = QStringLiteral("detached");
		QCOMPARE(words::ofOrigin(origin).word, QStringLiteral("detached"));
		origin.state.clear();
		QCOMPARE(words::ofOrigin(origin).word, QStringLiteral("not attached"));
		origin.badChunks = 3;
		QCOMPARE(words::ofOrigin(origin).word, QStringLiteral("3 chunks unreadable"));
	}

	void rangesSayAllThatIsKnown()
	{
		const Range range = storeOf(samples::damaged()).ranges[1];
		const QString text = words::range(range);

		QVERIFY(text.contains(QStringLiteral("vg1/snapdiff.1")));
		QVERIFY(text.contains(QStringLiteral("failed")));
		QVERIFY(text.contains(QStringLiteral("unusable")));
	}

	void lanesKeepTheOrderOfDisksAndAddresses()
	{
		std::vector<Range> ranges(4);
		ranges[0].disk = ranges[0].device = QStringLiteral("/dev/sdb");
		ranges[0].start = 4096;
		ranges[1].disk = QStringLiteral("vg0");
		ranges[1].device = QStringLiteral("vg0/snapdiff.9");
		ranges[2] = ranges[0];
		ranges[2].start = 0;
		ranges[3] = ranges[1];
		ranges[3].device = QStringLiteral("vg0/snapdiff.10");

		const std::vector<Lane> lanes = lanesOf(ranges);
		QCOMPARE(lanes.size(), size_t(2));
		QCOMPARE(lanes[0].name, QStringLiteral("/dev/sdb"));
		QCOMPARE(lanes[0].ranges[0].start, quint64(0));
		QCOMPARE(lanes[1].ranges[0].device, QStringLiteral("vg0/snapdiff.9"));
		QCOMPARE(lanes[1].ranges[1].device, QStringLiteral("vg0/snapdiff.10"));
	}

	void laneCaptionsCountAndSum()
	{
		const std::vector<Lane> lanes = lanesOf(storeOf(samples::damaged()).ranges);

		QCOMPARE(lanes[0].caption(),
			 QStringLiteral("vg0: 2 ranges, 84 MiB used of 160 MiB"));
		QVERIFY(lanes[1].caption().endsWith(QStringLiteral("1 failed")));
	}
};

QTEST_GUILESS_MAIN(WordsTest)
#include "words_test.moc"
