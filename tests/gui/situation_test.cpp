// SPDX-License-Identifier: GPL-3.0-or-later
/* What is shown when: every link to the daemon, with and without earlier figures. */
#include <QTest>

#include "models/situation.h"
#include "samples.h"

using namespace snapdiff::gui;

Q_DECLARE_METATYPE(snapdiff::gui::Situation::Kind)

class SituationTest final : public QObject
{
	Q_OBJECT

	using Kind = Situation::Kind;

	static Reception fresh() { return {QDateTime::currentDateTime(), 500}; }

private slots:
	void eachLinkHasASituationOfItsOwn_data()
	{
		QTest::addColumn<Link>("link");
		QTest::addColumn<Kind>("kind");

		QTest::newRow("connecting") << Link::Connecting << Kind::Connecting;
		QTest::newRow("no bus") << Link::NoBus << Kind::NoBus;
		QTest::newRow("no daemon") << Link::NoDaemon << Kind::NoDaemon;
		QTest::newRow("refused") << Link::Refused << Kind::Refused;
		QTest::newRow("silent") << Link::Silent << Kind::Silent;
		QTest::newRow("misfit") << Link::Misfit << Kind::Misfit;
	}

	void eachLinkHasASituationOfItsOwn()
	{
		QFETCH(Link, link);
		const Situation situation = situationOf(link, QStringLiteral("why"), {}, {});

		QTEST(situation.kind, "kind");
		QVERIFY(!situation.showsStores());
		QVERIFY(!situation.headline.isEmpty());
		QVERIFY(!situation.explanation.isEmpty());
		QVERIFY(link == Link::Connecting || !situation.nextStep.isEmpty());
	}

	void figuresOnceReceivedStayAndAreMarkedAsOld_data()
	{
		eachLinkHasASituationOfItsOwn_data();
	}

	void figuresOnceReceivedStayAndAreMarkedAsOld()
	{
		QFETCH(Link, link);
		const Situation situation = situationOf(link, {}, samples::calm(), fresh());

		QCOMPARE(situation.kind, Kind::Stale);
		QVERIFY(situation.showsStores());
		QVERIFY(situation.explanation.contains(QStringLiteral("figures")));
	}

	void freshFiguresAreNormal()
	{
		const Situation situation = situationOf(Link::Live, {}, samples::calm(), fresh());

		QCOMPARE(situation.kind, Kind::Normal);
		QVERIFY(situation.showsStores());
	}

	void figuresGrowOldEvenIfNobodySaysSo()
	{
		const Reception late{QDateTime::currentDateTime().addSecs(-60), 60000};
		const Situation situation = situationOf(Link::Live, {}, samples::calm(), late);

		QCOMPARE(situation.kind, Kind::Stale);
		QVERIFY(situation.explanation.contains(QStringLiteral("1 min ago")));
	}

	void aMissingModuleIsToldApartFromAWrongOne()
	{
		const Situation missing = situationOf(Link::Live, {}, samples::noModule(), fresh());
		const Situation wrong =
			situationOf(Link::Live, {}, samples::wrongModule(), fresh());

		QCOMPARE(missing.kind, Kind::NoModule);
		QCOMPARE(wrong.kind, Kind::NoModule);
		QCOMPARE(missing.command, QStringLiteral("modprobe dm-snapdiff"));
		QVERIFY(wrong.explanation.contains(QStringLiteral("2.0.0")));
	}

	void noStoreMeansNothingAttached()
	{
		QCOMPARE(situationOf(Link::Live, {}, samples::noStore(), fresh()).kind,
			 Kind::NothingAttached);
	}

	void aBareStoreIsShown()
	{
		QCOMPARE(situationOf(Link::Live, {}, samples::bareStore(), fresh()).kind,
			 Kind::Normal);
	}

	void aLostDaemonWithoutStoresIsNoStaleView()
	{
		QCOMPARE(situationOf(Link::NoDaemon, {}, samples::noStore(), fresh()).kind,
			 Kind::NoDaemon);
	}
};

QTEST_GUILESS_MAIN(SituationTest)
#include "situation_test.moc"
