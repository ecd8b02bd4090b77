// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * What the GUI knows about stores, as plain values: no bus, no widget.
 *
 * The client makes them from D-Bus once; models, sentences and widgets only read them.  Lengths
 * are in sectors of 512 bytes.  A figure that the daemon did not give is an empty optional, so
 * that nothing shows a zero that nobody measured.
 */
#pragma once

#include <optional>
#include <vector>

#include <QDateTime>
#include <QMetaType>
#include <QString>

namespace snapdiff::gui {

enum class Mode { Unknown, Active, Holding, Full, Dying };
enum class Level { Unknown, Ok, Low };

/* Rising: the larger one is the more urgent one. */
enum class Severity { Ok, Notice, Warning, Critical };

struct Range
{
	/* "vg0/snapdiff-3" or "/dev/sdc", as a person knows it. */
	QString device;
	/* What it lies on: the volume group, or the device itself. */
	QString disk;
	quint64 start = 0;
	quint64 length = 0;
	/* The number of the disk as the kernel knows it; @last: filled after all others. */
	quint32 group = 0;
	bool last = false;
	bool failed = false;
	quint64 used = 0;
	quint64 free = 0;
	quint64 unusable = 0;

	bool operator==(const Range &) const = default;
};

struct Origin
{
	QString name;
	/* The dm name of the live volume, empty when there is none, and of what lies below. */
	QString device;
	QString underlying;
	quint64 size = 0;
	/* watched, unwatched, detached */
	QString state;
	quint64 unsafeChunks = 0;
	quint64 badChunks = 0;
	quint64 copiedChunks = 0;
	/* Sectors that its unsafe chunks would take. */
	quint64 worstCase = 0;

	bool operator==(const Origin &) const = default;
};

struct SnapshotOrigin
{
	QString name;
	quint64 size = 0;

	bool operator==(const SnapshotOrigin &) const = default;
};

struct Snapshot
{
	QString name;
	QDateTime time;
	/* What deleting only this snapshot would free. */
	quint64 own = 0;
	bool live = true;
	/* The kernel's word, "-" or empty without one. */
	QString cause;
	quint64 images = 0;
	std::vector<SnapshotOrigin> origins;

	bool operator==(const Snapshot &) const = default;
};

struct Store
{
	QString name;
	Mode mode = Mode::Unknown;
	Level level = Level::Unknown;
	/* As the daemon judges, and why in one sentence. */
	std::optional<Severity> severity;
	QString reason;

	quint64 capacity = 0;
	quint64 used = 0;
	quint64 free = 0;
	quint64 unusable = 0;
	quint64 lowWater = 0;
	quint64 chunkSize = 0;
	quint64 heldWrites = 0;
	quint64 heldMs = 0;
	/* How many ever had to wait. */
	std::optional<quint64> heldTotal;
	/* Carved and ready, and what could still be carved; all stores share both. */
	quint64 reserve = 0;
	quint64 carvable = 0;

	/* Sectors per second: at the moment, and what the times below are reckoned with. */
	std::optional<quint64> fillRate;
	std::optional<quint64> expectedRate;
	std::optional<quint64> secondsToFull;
	std::optional<quint64> secondsToExhaustion;
	/* What all first writes still to come could take, and whether there is enough for that. */
	quint64 worstCase = 0;
	bool cannotOverflow = false;
	quint64 extensions = 0;

	std::vector<Range> ranges;
	std::vector<Origin> origins;
	/* Oldest first. */
	std::vector<Snapshot> snapshots;

	bool operator==(const Store &) const = default;
};

/* A volume group that ranges are carved from. */
struct Supply
{
	QString name;
	/* ok, full, failed, unknown */
	QString state;
	quint64 size = 0;
	quint64 carvable = 0;
	QString problem;

	bool operator==(const Supply &) const = default;
};

/* Ranges carved in advance, for any store. */
struct Reserve
{
	quint64 ranges = 0;
	quint64 wanted = 0;
	quint64 sectors = 0;

	bool operator==(const Reserve &) const = default;
};

/* Something that the daemon finds wrong now. */
struct Problem
{
	QString subject;
	QString sentence;

	bool operator==(const Problem &) const = default;
};

struct Event
{
	/* Grows by one within a run of the daemon. */
	quint64 number = 0;
	QDateTime time;
	Severity severity = Severity::Ok;
	QString kind;
	QString store;
	QString text;

	bool operator==(const Event &) const = default;
};

/* Everything that the daemon says at one moment. */
struct Monitor
{
	QString daemonVersion;
	QString moduleVersion;
	bool moduleLoaded = false;
	/* Loaded, and of a version that the daemon knows. */
	bool moduleUsable = false;
	Reserve reserve;
	quint64 carvable = 0;
	std::vector<Supply> supplies;
	std::vector<Problem> problems;
	std::vector<Store> stores;
	/* Oldest first. */
	std::vector<Event> events;

	bool operator==(const Monitor &) const = default;
};

/* How the client stands to the daemon. */
enum class Link {
	Connecting, /* not answered yet */
	NoBus,	    /* the D-Bus daemon cannot be reached */
	NoDaemon,   /* nobody owns the service's name */
	Refused,    /* the bus or the daemon does not let us ask */
	Silent,	    /* somebody owns it but does not answer */
	Misfit,	    /* it answers, but not what we understand */
	Live,
};

} // namespace snapdiff::gui

Q_DECLARE_METATYPE(snapdiff::gui::Monitor)
Q_DECLARE_METATYPE(snapdiff::gui::Link)
