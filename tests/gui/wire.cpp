// SPDX-License-Identifier: GPL-3.0-or-later
#include "wire.h"

#include <tuple>

#include <QDBusArgument>
#include <QDBusMetaType>
#include <QDBusObjectPath>

namespace snapdiff::gui::wire {

/* A D-Bus structure. */
template<class... Fields>
struct Row
{
	std::tuple<Fields...> fields;
};

template<class... Fields>
QDBusArgument &operator<<(QDBusArgument &to, const Row<Fields...> &row)
{
	to.beginStructure();
	std::apply([&to](const Fields &...field) { (to << ... << field); }, row.fields);
	to.endStructure();
	return to;
}

template<class... Fields>
const QDBusArgument &operator>>(const QDBusArgument &from, Row<Fields...> &row)
{
	from.beginStructure();
	std::apply([&from](Fields &...field) { (from >> ... >> field); }, row.fields);
	from.endStructure();
	return from;
}

using T = qulonglong;
using SupplyRow = Row<QString, QString, T, T, QString>;
using ProblemRow = Row<QString, QString>;
using RangeRow = Row<QString, QString, T, T, uint, bool, QString, T, T, T>;
using OriginRow = Row<QString, QString, QString, T, QString, T, T, T, T, T>;
using PartRow = Row<QString, T>;
using SnapshotRow = Row<QString, T, QString, QString, T, T, QList<PartRow>>;
using EventRow = Row<T, T, QString, QString, QString, QString>;
using ObjectMap = QMap<QDBusObjectPath, QMap<QString, QVariantMap>>;

namespace {

QString word(Severity severity)
{
	switch (severity) {
	case Severity::Ok:
		return QStringLiteral("ok");
	case Severity::Notice:
		return QStringLiteral("notice");
	case Severity::Warning:
		return QStringLiteral("warning");
	case Severity::Critical:
		return QStringLiteral("critical");
	}
	return {};
}

QString word(Mode mode)
{
	switch (mode) {
	case Mode::Active:
		return QStringLiteral("active");
	case Mode::Holding:
		return QStringLiteral("holding");
	case Mode::Full:
		return QStringLiteral("full");
	case Mode::Dying:
		return QStringLiteral("dying");
	case Mode::Unknown:
		break;
	}
	return QStringLiteral("unheard-of");
}

qlonglong orMinusOne(const std::optional<quint64> &value)
{
	return value ? static_cast<qlonglong>(*value) : -1;
}

T microseconds(const QDateTime &time)
{
	return static_cast<T>(time.toMSecsSinceEpoch()) * 1000;
}

QList<RangeRow> ranges(const Store &store)
{
	QList<RangeRow> rows;

	for (const Range &range : store.ranges)
		rows << RangeRow{{range.device, range.disk, range.start, range.length, range.group,
				  range.last,
				  range.failed ? QStringLiteral("failed") : QStringLiteral("ok"),
				  range.used, range.free, range.unusable}};
	return rows;
}

QList<OriginRow> origins(const Store &store)
{
	QList<OriginRow> rows;

	for (const Origin &origin : store.origins)
		rows << OriginRow{{origin.name, origin.device, origin.underlying, origin.size,
				   origin.state, origin.unsafeChunks, origin.badChunks,
				   origin.copiedChunks, 0, origin.worstCase}};
	return rows;
}

QList<SnapshotRow> snapshots(const Store &store)
{
	QList<SnapshotRow> rows;

	for (const Snapshot &snapshot : store.snapshots) {
		QList<PartRow> parts;
		for (const SnapshotOrigin &part : snapshot.origins)
			parts << PartRow{{part.name, part.size}};
		rows << SnapshotRow{
			{snapshot.name, microseconds(snapshot.time),
			 snapshot.live ? QStringLiteral("live") : QStringLiteral("invalid"),
			 snapshot.cause, snapshot.own, snapshot.images, parts}};
	}
	return rows;
}

} // namespace

void registerTypes()
{
	qDBusRegisterMetaType<SupplyRow>();
	qDBusRegisterMetaType<QList<SupplyRow>>();
	qDBusRegisterMetaType<ProblemRow>();
	qDBusRegisterMetaType<QList<ProblemRow>>();
	qDBusRegisterMetaType<RangeRow>();
	qDBusRegisterMetaType<QList<RangeRow>>();
	qDBusRegisterMetaType<OriginRow>();
	qDBusRegisterMetaType<QList<OriginRow>>();
	qDBusRegisterMetaType<PartRow>();
	qDBusRegisterMetaType<QList<PartRow>>();
	qDBusRegisterMetaType<SnapshotRow>();
	qDBusRegisterMetaType<QList<SnapshotRow>>();
	qDBusRegisterMetaType<EventRow>();
	qDBusRegisterMetaType<QList<EventRow>>();
	qDBusRegisterMetaType<QMap<QString, QVariantMap>>();
	qDBusRegisterMetaType<ObjectMap>();
}

QVariantMap managerProperties(const Monitor &monitor)
{
	QList<SupplyRow> supplies;
	for (const Supply &supply : monitor.supplies)
		supplies << SupplyRow{
			{supply.name, supply.state, supply.size, supply.carvable, supply.problem}};
	QList<ProblemRow> problems;
	for (const Problem &problem : monitor.problems)
		problems << ProblemRow{{problem.subject, problem.sentence}};

	return {
		{QStringLiteral("Version"), monitor.daemonVersion},
		{QStringLiteral("ModuleLoaded"), monitor.moduleLoaded},
		{QStringLiteral("ModuleVersion"), monitor.moduleVersion},
		{QStringLiteral("ModuleUsable"), monitor.moduleUsable},
		{QStringLiteral("ReserveRanges"), static_cast<uint>(monitor.reserve.ranges)},
		{QStringLiteral("ReserveWanted"), static_cast<uint>(monitor.reserve.wanted)},
		{QStringLiteral("ReserveSectors"), static_cast<T>(monitor.reserve.sectors)},
		{QStringLiteral("CarvableSectors"), static_cast<T>(monitor.carvable)},
		{QStringLiteral("Supplies"), QVariant::fromValue(supplies)},
		{QStringLiteral("Problems"), QVariant::fromValue(problems)},
	};
}

QVariantMap storeProperties(const Store &store)
{
	const auto rate = [](const std::optional<quint64> &known) {
		return known ? static_cast<double>(*known) : -1.0;
	};

	return {
		{QStringLiteral("Name"), store.name},
		{QStringLiteral("Mode"), word(store.mode)},
		{QStringLiteral("Level"),
		 store.level == Level::Low ? QStringLiteral("low") : QStringLiteral("ok")},
		{QStringLiteral("ChunkSize"), static_cast<T>(store.chunkSize)},
		{QStringLiteral("LowWater"), static_cast<T>(store.lowWater)},
		{QStringLiteral("Capacity"), static_cast<T>(store.capacity)},
		{QStringLiteral("Used"), static_cast<T>(store.used)},
		{QStringLiteral("Free"), static_cast<T>(store.free)},
		{QStringLiteral("Unusable"), static_cast<T>(store.unusable)},
		{QStringLiteral("ReserveSectors"), static_cast<T>(store.reserve)},
		{QStringLiteral("CarvableSectors"), static_cast<T>(store.carvable)},
		{QStringLiteral("Held"), static_cast<T>(store.heldWrites)},
		{QStringLiteral("HeldMs"), static_cast<T>(store.heldMs)},
		{QStringLiteral("HeldTotal"), static_cast<T>(store.heldTotal.value_or(0))},
		{QStringLiteral("FillRateShort"), rate(store.fillRate)},
		{QStringLiteral("FillRateLong"), rate(store.expectedRate)},
		{QStringLiteral("SecondsToFull"), orMinusOne(store.secondsToFull)},
		{QStringLiteral("SecondsToExhaustion"), orMinusOne(store.secondsToExhaustion)},
		{QStringLiteral("WorstCase"), static_cast<T>(store.worstCase)},
		{QStringLiteral("CannotOverflow"), store.cannotOverflow},
		{QStringLiteral("Severity"), word(store.severity.value_or(Severity::Ok))},
		{QStringLiteral("Reason"), store.reason},
		{QStringLiteral("Extensions"), static_cast<T>(store.extensions)},
		{QStringLiteral("Ranges"), QVariant::fromValue(ranges(store))},
		{QStringLiteral("Origins"), QVariant::fromValue(origins(store))},
		{QStringLiteral("Snapshots"), QVariant::fromValue(snapshots(store))},
	};
}

QVariant events(const Monitor &monitor)
{
	QList<EventRow> rows;

	for (const Event &event : monitor.events)
		rows << EventRow{{event.number, microseconds(event.time), word(event.severity),
				  event.kind, event.store, event.text}};
	return QVariant::fromValue(rows);
}

QVariant managedObjects(const Monitor &monitor)
{
	ObjectMap objects;

	for (const Store &store : monitor.stores)
		objects[QDBusObjectPath(pathOf(store))] = {
			{QStringLiteral("org.snapdiff1.Store"), storeProperties(store)}};
	return QVariant::fromValue(objects);
}

QString pathOf(const Store &store)
{
	QString path = QStringLiteral("/org/snapdiff1/store/");

	const QByteArray name = store.name.toUtf8();
	for (qsizetype i = 0; i < name.size(); i++) {
		const char c = name[i];
		const bool digit = c >= '0' && c <= '9';
		const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (letter || (digit && i > 0))
			path += QLatin1Char(c);
		else
			path += QStringLiteral("_%1").arg(
				static_cast<uint>(static_cast<unsigned char>(c)), 2, 16,
				QLatin1Char('0'));
	}
	return path;
}

} // namespace snapdiff::gui::wire
