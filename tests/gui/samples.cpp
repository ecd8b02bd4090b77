// SPDX-License-Identifier: GPL-3.0-or-later
#include "samples.h"

#include <functional>
#include <utility>

namespace snapdiff::gui::samples {

namespace {

constexpr quint64 MiB = 2048;
constexpr quint64 GiB = 1024 * MiB;

/* Points in time are whole seconds, so that nothing is lost on the bus. */
QDateTime ago(qint64 seconds)
{
	return QDateTime::fromSecsSinceEpoch(QDateTime::currentSecsSinceEpoch() - seconds);
}

Range range(const QString &disk, int number, quint64 length, quint64 used, quint32 group)
{
	Range result;

	result.device = QStringLiteral("%1/snapdiff.%2").arg(disk).arg(number);
	result.disk = disk;
	result.length = length;
	result.group = group;
	result.unusable = 96;
	result.used = std::min(used, length - result.unusable);
	result.free = length - result.unusable - result.used;
	return result;
}

/* The sums that hold in the kernel hold here too. */
void sumUp(Store &store)
{
	store.capacity = store.used = store.free = store.unusable = 0;
	for (Range &range : store.ranges) {
		if (range.failed) {
			range.unusable = range.length - range.used;
			range.free = 0;
		}
		store.capacity += range.length;
		store.used += range.used;
		store.free += range.free;
		store.unusable += range.unusable;
	}
}

Origin origin(const QString &name, quint64 size, quint64 unsafe)
{
	Origin result;

	result.name = name;
	result.device = name;
	result.underlying = QStringLiteral("snapdiff-origin-%1").arg(name);
	result.size = size;
	result.state = QStringLiteral("watched");
	result.unsafeChunks = unsafe;
	result.copiedChunks = 1200;
	result.worstCase = unsafe * 128;
	return result;
}

Snapshot snapshot(const QString &name, qint64 secondsAgo, quint64 own,
		  const std::vector<Origin> &origins)
{
	Snapshot result;

	result.name = name;
	result.time = ago(secondsAgo);
	result.own = own;
	result.cause = QStringLiteral("-");
	for (const Origin &part : origins)
		result.origins.push_back({part.name, part.size});
	result.images = result.origins.size();
	return result;
}

Event event(quint64 number, qint64 secondsAgo, Severity severity, const QString &kind,
	    const QString &store, const QString &text)
{
	return {number, ago(secondsAgo), severity, kind, store, text};
}

void addEvents(Monitor &monitor)
{
	const QString store = monitor.stores.front().name;

	monitor.events = {
		event(1, 7400, Severity::Ok, QStringLiteral("daemon"), {},
		      QStringLiteral("snapdiffd 0.1.0 started; 1 store found")),
		event(2, 7320, Severity::Ok, QStringLiteral("snapshot-taken"), store,
		      QStringLiteral("snapshot monday taken of vg0-home and vg1-db")),
		event(3, 610, Severity::Notice, QStringLiteral("level"), store,
		      QStringLiteral("free space fell to the low-water mark")),
		event(4, 610, Severity::Ok, QStringLiteral("extended"), store,
		      QStringLiteral("extended by vg0/snapdiff.3 (64 MiB) in 2.4 ms")),
		event(5, 4, Severity::Ok, QStringLiteral("extended"), store,
		      QStringLiteral("extended by vg1/snapdiff.4 (64 MiB) in 1.9 ms")),
	};
}

} // namespace

Monitor noStore()
{
	Monitor monitor;

	monitor.daemonVersion = QStringLiteral("0.1.0");
	monitor.moduleVersion = QStringLiteral("1.0.0");
	monitor.moduleLoaded = true;
	monitor.moduleUsable = true;
	monitor.reserve = {2, 2, 128 * MiB};
	monitor.carvable = 1216 * MiB;
	monitor.supplies = {
		{QStringLiteral("vg0"), QStringLiteral("ok"), 2 * GiB, 576 * MiB, {}},
		{QStringLiteral("vg1"), QStringLiteral("ok"), 2 * GiB, 640 * MiB, {}},
	};
	return monitor;
}

Monitor noModule()
{
	Monitor monitor = noStore();

	monitor.moduleVersion.clear();
	monitor.moduleLoaded = false;
	monitor.moduleUsable = false;
	return monitor;
}

Monitor wrongModule()
{
	Monitor monitor = noStore();

	monitor.moduleVersion = QStringLiteral("2.0.0");
	monitor.moduleUsable = false;
	return monitor;
}

Monitor bareStore()
{
	Monitor monitor = noStore();
	Store store;

	store.name = QStringLiteral("snapdiff-vg0");
	store.mode = Mode::Active;
	store.level = Level::Ok;
	store.severity = Severity::Ok;
	store.chunkSize = 128;
	store.reserve = monitor.reserve.sectors;
	store.carvable = monitor.carvable;
	store.cannotOverflow = true;
	store.heldTotal = 0;
	monitor.stores = {store};
	return monitor;
}

Monitor calm()
{
	Monitor monitor = bareStore();
	Store &store = monitor.stores.front();
	const Origin home = origin(QStringLiteral("vg0-home"), 320 * MiB, 1900);
	const Origin db = origin(QStringLiteral("vg1-db"), 512 * MiB, 2400);

	store.lowWater = 32 * MiB;
	store.ranges = {
		range(QStringLiteral("vg0"), 0, 64 * MiB, 64 * MiB, 0),
		range(QStringLiteral("vg1"), 1, 64 * MiB, 61 * MiB, 1),
		range(QStringLiteral("vg0"), 2, 96 * MiB, 20 * MiB, 0),
		range(QStringLiteral("vg1"), 3, 64 * MiB, 16 * MiB, 1),
	};
	sumUp(store);
	store.fillRate = 0;
	store.expectedRate = 0;
	store.worstCase = home.worstCase + db.worstCase;
	store.cannotOverflow = true;
	store.extensions = 3;
	store.origins = {home, db};
	store.snapshots = {
		snapshot(QStringLiteral("monday"), 7320, 71 * MiB, {home, db}),
		snapshot(QStringLiteral("before-upgrade"), 1800, 12 * MiB, {home}),
		snapshot(QStringLiteral("hourly-1400"), 300, 768, {home, db}),
	};
	addEvents(monitor);
	return monitor;
}

Monitor growing()
{
	Monitor monitor = calm();
	Store &store = monitor.stores.front();

	store.ranges[2].used += 60 * MiB;
	store.ranges[2].free -= 60 * MiB;
	store.ranges[3].used += 40 * MiB;
	store.ranges[3].free -= 40 * MiB;
	sumUp(store);
	store.level = Level::Low;
	store.severity = Severity::Warning;
	store.reason = QStringLiteral("free space is at the low-water mark");
	store.fillRate = 25 * MiB / 4;
	store.expectedRate = 25 * MiB / 2;
	store.secondsToFull = store.free / *store.expectedRate;
	store.secondsToExhaustion = 108;
	store.worstCase = 1700 * MiB;
	store.cannotOverflow = false;
	return monitor;
}

Monitor holding()
{
	Monitor monitor = growing();
	Store &store = monitor.stores.front();

	for (Range &range : store.ranges) {
		range.used += range.free;
		range.free = 0;
	}
	sumUp(store);
	store.mode = Mode::Holding;
	store.severity = Severity::Critical;
	store.reason = QStringLiteral("17 writes wait for free space");
	store.heldWrites = 17;
	store.heldMs = 4321;
	store.heldTotal = 40;
	store.secondsToFull = 0;
	store.reserve = 0;
	store.carvable = 0;
	monitor.reserve = {0, 2, 0};
	monitor.carvable = 0;
	return monitor;
}

Monitor damaged()
{
	Monitor monitor = calm();
	Store &store = monitor.stores.front();

	store.ranges[1].failed = true;
	sumUp(store);
	store.severity = Severity::Warning;
	store.reason = QStringLiteral("a range failed and a snapshot is invalid");
	store.snapshots[0].live = false;
	store.snapshots[0].cause = QStringLiteral("store-write");
	store.snapshots[0].own = 0;
	store.origins[1].state = QStringLiteral("unwatched");
	store.snapshots[1].live = false;
	store.snapshots[1].cause = QStringLiteral("origin-gone");
	store.snapshots[1].origins = {{QStringLiteral("vg0-old"), 128 * MiB}};
	monitor.supplies[1].state = QStringLiteral("failed");
	monitor.supplies[1].problem = QStringLiteral("lvm did not answer within 45 s");
	monitor.problems = {
		{QStringLiteral("supply vg1"), QStringLiteral("lvm did not answer within 45 s")}};
	monitor.events.push_back(event(6, 2, Severity::Critical, QStringLiteral("range-failed"),
				       store.name,
				       QStringLiteral("a write to vg1/snapdiff.1 failed; it takes "
						      "no more copies")));
	return monitor;
}

Monitor manyRanges()
{
	Monitor monitor = growing();
	Store &store = monitor.stores.front();

	store.ranges.clear();
	for (int i = 0; i < 400; i++) {
		const quint64 length = static_cast<quint64>(16 + 16 * (i % 5)) * MiB;
		const quint64 used = i < 360 ? length : (i < 380 ? length / 3 : 0);
		store.ranges.push_back(range(QStringLiteral("vg%1").arg(i % 3), i, length, used,
					     static_cast<quint32>(i % 3)));
	}
	store.ranges[17].failed = true;
	sumUp(store);
	store.extensions = 399;
	store.lowWater = GiB;
	return monitor;
}

Monitor manyStores()
{
	Monitor monitor = calm();
	const Store pattern = monitor.stores.front();

	monitor.stores.clear();
	for (int i = 0; i < 40; i++) {
		Store store = pattern;
		/* Names sorted as the bus sorts paths. */
		store.name = QStringLiteral("snapdiff-vg%1-with-a-rather-long-name")
				     .arg(i, 2, 10, QLatin1Char('0'));
		if (i % 7 == 3) {
			store.level = Level::Low;
			store.severity = Severity::Warning;
			store.reason = QStringLiteral("free space is at the low-water mark");
		}
		monitor.stores.push_back(store);
	}
	return monitor;
}

Monitor extreme()
{
	Monitor monitor = calm();
	Store &store = monitor.stores.front();
	const quint64 huge = quint64(1) << 62;

	store.ranges.resize(1);
	store.ranges[0].length = huge;
	store.ranges[0].used = huge / 2;
	store.ranges[0].unusable = 1;
	store.ranges[0].free = huge / 2 - 1;
	sumUp(store);
	store.carvable = huge;
	store.worstCase = huge;
	store.secondsToFull = 9'000'000'000'000;
	store.fillRate = 1;
	store.expectedRate = 1;
	store.reason = QStringLiteral("\u05d0\u05d1\u05d2 <b>not bold</b> %1 e\u0301");
	store.severity = Severity::Notice;
	monitor.carvable = huge;
	return monitor;
}

namespace {

const std::vector<std::pair<QString, std::function<Monitor()>>> &table()
{
	static const std::vector<std::pair<QString, std::function<Monitor()>>> scenes{
		{QStringLiteral("calm"), calm},
		{QStringLiteral("growing"), growing},
		{QStringLiteral("holding"), holding},
		{QStringLiteral("damaged"), damaged},
		{QStringLiteral("many-ranges"), manyRanges},
		{QStringLiteral("many-stores"), manyStores},
		{QStringLiteral("extreme"), extreme},
		{QStringLiteral("no-module"), noModule},
		{QStringLiteral("wrong-module"), wrongModule},
		{QStringLiteral("no-store"), noStore},
		{QStringLiteral("bare-store"), bareStore},
	};
	return scenes;
}

} // namespace

QStringList names()
{
	QStringList result;

	for (const auto &scene : table())
		result << scene.first;
	return result;
}

Monitor byName(const QString &name)
{
	for (const auto &scene : table()) {
		if (scene.first == name)
			return scene.second();
	}
	return {};
}

} // namespace snapdiff::gui::samples
