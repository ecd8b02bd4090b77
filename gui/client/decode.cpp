// SPDX-License-Identifier: GPL-3.0-or-later
#include "decode.h"

#include <algorithm>
#include <array>
#include <span>

#include <QDBusArgument>
#include <QDBusMetaType>

namespace snapdiff::gui::bus {

namespace {

struct Expected
{
	const char *name;
	const char *signature;
};

constexpr std::array<Expected, 9> managerProperties{{
	{"Version", "s"},
	{"ModuleLoaded", "b"},
	{"ModuleVersion", "s"},
	{"ModuleUsable", "b"},
	{"ReserveRanges", "u"},
	{"ReserveSectors", "t"},
	{"CarvableSectors", "t"},
	{"Supplies", "a(sstts)"},
	{"Problems", "a(ss)"},
}};

constexpr std::array<Expected, 23> storeProperties{{
	{"Name", "s"},
	{"Mode", "s"},
	{"Level", "s"},
	{"ChunkSize", "t"},
	{"LowWater", "t"},
	{"Capacity", "t"},
	{"Used", "t"},
	{"Free", "t"},
	{"Unusable", "t"},
	{"ReserveSectors", "t"},
	{"CarvableSectors", "t"},
	{"Held", "t"},
	{"HeldMs", "t"},
	{"FillRateShort", "d"},
	{"SecondsToFull", "x"},
	{"SecondsToExhaustion", "x"},
	{"WorstCase", "t"},
	{"CannotOverflow", "b"},
	{"Severity", "s"},
	{"Reason", "s"},
	{"Ranges", "a(ssttubsttt)"},
	{"Origins", "a(ssststtttt)"},
	{"Snapshots", "a(stsstta(st))"},
}};

QString signatureOf(const QVariant &value)
{
	if (value.metaType() == QMetaType::fromType<QDBusArgument>())
		return value.value<QDBusArgument>().currentSignature();
	return QString::fromLatin1(QDBusMetaType::typeToSignature(value.metaType()));
}

QString misfit(const QVariantMap &properties, std::span<const Expected> expected)
{
	for (const Expected &property : expected) {
		QString name = QString::fromLatin1(property.name);
		if (signatureOf(properties.value(name)) != QLatin1String(property.signature))
			return name;
	}
	return {};
}

QDateTime timeOf(quint64 microseconds)
{
	return QDateTime::fromMSecsSinceEpoch(static_cast<qint64>(microseconds / 1000));
}

std::optional<Severity> severityOf(const QString &word)
{
	if (word == QLatin1String("ok"))
		return Severity::Ok;
	if (word == QLatin1String("notice"))
		return Severity::Notice;
	if (word == QLatin1String("warning"))
		return Severity::Warning;
	if (word == QLatin1String("critical"))
		return Severity::Critical;
	return {};
}

Mode modeOf(const QString &word)
{
	if (word == QLatin1String("active"))
		return Mode::Active;
	if (word == QLatin1String("holding"))
		return Mode::Holding;
	if (word == QLatin1String("full"))
		return Mode::Full;
	if (word == QLatin1String("dying"))
		return Mode::Dying;
	return Mode::Unknown;
}

Level levelOf(const QString &word)
{
	if (word == QLatin1String("ok"))
		return Level::Ok;
	if (word == QLatin1String("low"))
		return Level::Low;
	return Level::Unknown;
}

/* -1 on the bus: not known, or never. */
std::optional<quint64> known(qint64 value)
{
	if (value < 0)
		return {};
	return static_cast<quint64>(value);
}

std::optional<quint64> knownRate(double value)
{
	if (!(value >= 0) || value > 1e18)
		return {};
	return static_cast<quint64>(value);
}

void read(const QDBusArgument &from, Range &range)
{
	QString state;

	from >> range.device >> range.disk >> range.start >> range.length >> range.group >>
		range.last >> state >> range.used >> range.free >> range.unusable;
	range.failed = state == QLatin1String("failed");
}

void read(const QDBusArgument &from, Origin &origin)
{
	quint64 readWaits = 0;

	from >> origin.name >> origin.device >> origin.underlying >> origin.size >> origin.state >>
		origin.unsafeChunks >> origin.badChunks >> origin.copiedChunks >> readWaits >>
		origin.worstCase;
}

void read(const QDBusArgument &from, SnapshotOrigin &origin)
{
	from >> origin.name >> origin.size;
}

void read(const QDBusArgument &from, Supply &supply)
{
	from >> supply.name >> supply.state >> supply.size >> supply.carvable >> supply.problem;
}

void read(const QDBusArgument &from, Problem &problem)
{
	from >> problem.subject >> problem.sentence;
}

void read(const QDBusArgument &from, Event &event)
{
	quint64 time = 0;
	QString severity;

	from >> event.number >> time >> severity >> event.kind >> event.store >> event.text;
	event.time = timeOf(time);
	event.severity = severityOf(severity).value_or(Severity::Notice);
}

void read(const QDBusArgument &from, Snapshot &snapshot);

template<class Value>
std::vector<Value> readArray(const QDBusArgument &from)
{
	std::vector<Value> result;

	from.beginArray();
	while (!from.atEnd()) {
		Value value;
		from.beginStructure();
		read(from, value);
		from.endStructure();
		result.push_back(std::move(value));
	}
	from.endArray();
	return result;
}

void read(const QDBusArgument &from, Snapshot &snapshot)
{
	quint64 time = 0;
	QString state;

	from >> snapshot.name >> time >> state >> snapshot.cause >> snapshot.own >> snapshot.images;
	snapshot.origins = readArray<SnapshotOrigin>(from);
	snapshot.time = timeOf(time);
	snapshot.live = state == QLatin1String("live");
}

template<class Value>
std::vector<Value> arrayOf(const QVariantMap &properties, const QString &name)
{
	return readArray<Value>(properties.value(name).value<QDBusArgument>());
}

} // namespace

void registerTypes()
{
	qDBusRegisterMetaType<Interfaces>();
	qDBusRegisterMetaType<ManagedObjects>();
}

QString misfitOfManager(const QVariantMap &properties)
{
	return misfit(properties, managerProperties);
}

QString misfitOfStore(const QVariantMap &properties)
{
	return misfit(properties, storeProperties);
}

Monitor decodeManager(const QVariantMap &properties)
{
	const auto number = [&](const char *name) {
		return properties.value(QString::fromLatin1(name)).toULongLong();
	};
	Monitor monitor;

	monitor.daemonVersion = properties.value(QStringLiteral("Version")).toString();
	monitor.moduleVersion = properties.value(QStringLiteral("ModuleVersion")).toString();
	monitor.moduleLoaded = properties.value(QStringLiteral("ModuleLoaded")).toBool();
	monitor.moduleUsable = properties.value(QStringLiteral("ModuleUsable")).toBool();
	monitor.reserve = {number("ReserveRanges"), number("ReserveWanted"),
			   number("ReserveSectors")};
	monitor.carvable = number("CarvableSectors");
	monitor.supplies = arrayOf<Supply>(properties, QStringLiteral("Supplies"));
	monitor.problems = arrayOf<Problem>(properties, QStringLiteral("Problems"));
	return monitor;
}

Store decodeStore(const QVariantMap &properties)
{
	const auto number = [&](const char *name) {
		return properties.value(QString::fromLatin1(name)).toULongLong();
	};
	const auto word = [&](const char *name) {
		return properties.value(QString::fromLatin1(name)).toString();
	};
	const auto duration = [&](const char *name) {
		return known(properties.value(QString::fromLatin1(name)).toLongLong());
	};
	Store store;

	store.name = word("Name");
	store.mode = modeOf(word("Mode"));
	store.level = levelOf(word("Level"));
	store.severity = severityOf(word("Severity"));
	store.reason = word("Reason");
	store.capacity = number("Capacity");
	store.used = number("Used");
	store.free = number("Free");
	store.unusable = number("Unusable");
	store.lowWater = number("LowWater");
	store.chunkSize = number("ChunkSize");
	store.heldWrites = number("Held");
	store.heldMs = number("HeldMs");
	/* Not every version of the daemon counts them. */
	if (properties.contains(QStringLiteral("HeldTotal")))
		store.heldTotal = number("HeldTotal");
	store.reserve = number("ReserveSectors");
	store.carvable = number("CarvableSectors");
	store.fillRate = knownRate(properties.value(QStringLiteral("FillRateShort")).toDouble());
	/* A burst or a trend, whichever is worse; nothing is less than a rate of 0. */
	store.expectedRate =
		std::max(store.fillRate,
			 knownRate(properties.value(QStringLiteral("FillRateLong")).toDouble()));
	store.secondsToFull = duration("SecondsToFull");
	store.secondsToExhaustion = duration("SecondsToExhaustion");
	store.worstCase = number("WorstCase");
	store.cannotOverflow = properties.value(QStringLiteral("CannotOverflow")).toBool();
	store.extensions = number("Extensions");
	store.ranges = arrayOf<Range>(properties, QStringLiteral("Ranges"));
	store.origins = arrayOf<Origin>(properties, QStringLiteral("Origins"));
	store.snapshots = arrayOf<Snapshot>(properties, QStringLiteral("Snapshots"));
	return store;
}

std::vector<Event> decodeEvents(const QDBusMessage &answer)
{
	const QVariant events = answer.arguments().value(0);

	if (signatureOf(events) != QLatin1String("a(ttssss)"))
		return {};
	return readArray<Event>(events.value<QDBusArgument>());
}

} // namespace snapdiff::gui::bus
