// SPDX-License-Identifier: GPL-3.0-or-later
/* The item models, under the eyes of QAbstractItemModelTester all the time. */
#include <algorithm>
#include <memory>

#include <QAbstractItemModelTester>
#include <QRandomGenerator>
#include <QSignalSpy>
#include <QTest>

#include "models/event_model.h"
#include "models/origin_tree_model.h"
#include "samples.h"

using namespace snapdiff::gui;

class ModelTest final : public QObject
{
	Q_OBJECT

	/* The tree as text: an origin a word, its snapshots in brackets. */
	static QString textOf(const QAbstractItemModel &model)
	{
		QStringList origins;

		for (int i = 0; i < model.rowCount(); i++) {
			const QModelIndex origin = model.index(i, 0);
			QStringList snapshots;
			for (int k = 0; k < model.rowCount(origin); k++)
				snapshots << model.index(k, 0, origin).data().toString();
			origins << QStringLiteral("%1[%2]").arg(origin.data().toString(),
								snapshots.join(QLatin1Char(' ')));
		}
		return origins.join(QLatin1Char(' '));
	}

	static Store randomStore(QRandomGenerator &random)
	{
		Store store = samples::calm().stores.front();

		store.origins.clear();
		store.snapshots.clear();
		for (int i = 0; i < 6; i++) {
			if (random.bounded(2) == 0)
				continue;
			Origin origin;
			origin.name = QStringLiteral("o%1").arg(i);
			origin.state = QStringLiteral("watched");
			origin.size = random.bounded(1, 100);
			store.origins.push_back(origin);
		}
		std::shuffle(store.origins.begin(), store.origins.end(), random);
		for (int i = 0; i < 8; i++) {
			if (random.bounded(2) == 0)
				continue;
			Snapshot snapshot;
			snapshot.name = QStringLiteral("s%1").arg(i);
			snapshot.time = QDateTime::fromSecsSinceEpoch(1000 + i);
			snapshot.live = random.bounded(2) == 0;
			for (int k = 0; k < 6; k++) {
				if (random.bounded(2) == 0)
					snapshot.origins.push_back(
						{QStringLiteral("o%1").arg(k), 10});
			}
			store.snapshots.push_back(snapshot);
		}
		return store;
	}

private slots:
	void initTestCase() { QLocale::setDefault(QLocale::c()); }

	void treeShowsSnapshotsBelowTheirOriginsNewestFirst()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);

		model.setStore(samples::calm().stores.front());
		QCOMPARE(textOf(model),
			 QStringLiteral("vg0-home[hourly-1400 before-upgrade monday] "
					"vg1-db[hourly-1400 monday]"));
	}

	void treeShowsOriginsThatOnlySnapshotsKnow()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);

		model.setStore(samples::damaged().stores.front());
		QVERIFY(textOf(model).endsWith(QStringLiteral("vg0-old[before-upgrade]")));
		QCOMPARE(model.index(2, OriginTreeModel::StateColumn).data().toString(),
			 QStringLiteral("not attached"));
	}

	void treeMergesInsteadOfResetting()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);
		Store store = samples::calm().stores.front();
		model.setStore(store);
		QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
		QSignalSpy inserted(&model, &QAbstractItemModel::rowsInserted);
		QSignalSpy removed(&model, &QAbstractItemModel::rowsRemoved);
		QSignalSpy changed(&model, &QAbstractItemModel::dataChanged);
		const QPersistentModelIndex monday = model.index(2, 0, model.index(0, 0));
		QCOMPARE(monday.data().toString(), QStringLiteral("monday"));

		model.setStore(store);
		QCOMPARE(changed.count(), 0);

		Snapshot fresh = store.snapshots.back();
		fresh.name = QStringLiteral("new");
		store.snapshots.push_back(fresh);
		store.snapshots.erase(store.snapshots.begin() + 1);
		store.snapshots.front().own += 100;
		model.setStore(store);

		QCOMPARE(resets.count(), 0);
		QCOMPARE(inserted.count(), 2);
		QCOMPARE(removed.count(), 1);
		QCOMPARE(changed.count(), 2);
		QCOMPARE(monday.data().toString(), QStringLiteral("monday"));
		QCOMPARE(monday.row(), 2);
	}

	void treeMovesOriginsThatChangePlaces()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);
		Store store = samples::calm().stores.front();
		model.setStore(store);
		const QPersistentModelIndex home = model.index(0, 0);
		const QPersistentModelIndex child = model.index(1, 0, model.index(0, 0));

		std::swap(store.origins[0], store.origins[1]);
		model.setStore(store);
		QCOMPARE(home.row(), 1);
		QCOMPARE(child.parent(), QModelIndex(home));
		QCOMPARE(child.data().toString(), QStringLiteral("before-upgrade"));
	}

	void treeSurvivesRandomUpdates()
	{
		QRandomGenerator random(7);
		OriginTreeModel model;
		QAbstractItemModelTester tester(
			&model, QAbstractItemModelTester::FailureReportingMode::QtTest);

		for (int i = 0; i < 300; i++) {
			const Store store = randomStore(random);
			model.setStore(store);
			OriginTreeModel fresh;
			fresh.setStore(store);
			QCOMPARE(textOf(model), textOf(fresh));
		}
	}

	void treeOfAnotherStoreStartsAfresh()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);
		Store store = samples::calm().stores.front();
		model.setStore(store);
		QSignalSpy resets(&model, &QAbstractItemModel::modelReset);

		store.name = QStringLiteral("other");
		model.setStore(store);
		QCOMPARE(resets.count(), 1);
		QCOMPARE(model.rowCount(), 2);
	}

	void treeAgesWithTheClockItIsGiven()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);
		const Store store = samples::calm().stores.front();
		model.setStore(store);
		const QModelIndex age =
			model.index(0, OriginTreeModel::AgeColumn, model.index(0, 0));
		QCOMPARE(age.data().toString(), QString());

		model.setNow(store.snapshots.back().time.addSecs(59));
		QCOMPARE(age.data().toString(), QStringLiteral("59 s ago"));
		model.setNow(store.snapshots.back().time.addSecs(121));
		QCOMPARE(age.data().toString(), QStringLiteral("2 min ago"));
	}

	void treeGivesNumbersBesideTexts()
	{
		OriginTreeModel model;
		const Store store = samples::damaged().stores.front();
		model.setStore(store);
		const QModelIndex home = model.index(0, 0);

		QCOMPARE(model.index(0, OriginTreeModel::SizeColumn)
				 .data(OriginTreeModel::SectorsRole)
				 .toULongLong(),
			 store.origins[0].size);
		QCOMPARE(model.index(1, OriginTreeModel::StateColumn, home)
				 .data(OriginTreeModel::SeverityRole)
				 .toInt(),
			 static_cast<int>(Severity::Warning));
		QVERIFY(!model.index(1, OriginTreeModel::NameColumn, home)
				 .data(OriginTreeModel::SeverityRole)
				 .isValid());
	}

	void treeToleratesTheSameNameTwice()
	{
		OriginTreeModel model;
		QAbstractItemModelTester tester(&model);
		Store store = samples::calm().stores.front();
		store.snapshots.push_back(store.snapshots.front());

		model.setStore(store);
		model.setStore(store);
		QCOMPARE(model.rowCount(model.index(0, 0)), 4);
	}

	void eventsAreNewestFirst()
	{
		EventModel model;
		QAbstractItemModelTester tester(&model);
		const Monitor monitor = samples::calm();

		model.setEvents(monitor.events);
		QCOMPARE(model.rowCount(), static_cast<int>(monitor.events.size()));
		QCOMPARE(model.index(0, EventModel::TextColumn).data().toString(),
			 monitor.events.back().text);
	}

	void eventsAreAddedAndForgottenRowByRow()
	{
		EventModel model;
		QAbstractItemModelTester tester(&model);
		std::vector<Event> events = samples::calm().events;
		model.setEvents(events);
		QSignalSpy resets(&model, &QAbstractItemModel::modelReset);
		const QPersistentModelIndex third = model.index(2, 0);

		Event fresh = events.back();
		fresh.number++;
		events.push_back(fresh);
		events.erase(events.begin());
		model.setEvents(events);
		QCOMPARE(resets.count(), 0);
		QCOMPARE(third.row(), 3);
		QCOMPARE(model.rowCount(), 5);
	}

	void eventsOfANewRunOfTheDaemonAreOthers()
	{
		EventModel model;
		QAbstractItemModelTester tester(&model);
		std::vector<Event> events = samples::calm().events;
		model.setEvents(events);

		for (Event &event : events)
			event.time = event.time.addSecs(1000);
		model.setEvents(events);
		QCOMPARE(model.rowCount(), static_cast<int>(events.size()));
		QCOMPARE(model.index(0, 0).data(EventModel::TimeRole).toDateTime(),
			 events.back().time);
	}
};

QTEST_GUILESS_MAIN(ModelTest)
#include "model_test.moc"
