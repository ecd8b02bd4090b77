// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status: what the kernel says about stores, origins and images, as values.

#include "dm/status.h"

#include "dm/words.h"

#include <fmt/format.h>

#include <cerrno>

namespace snapdiff::dm {

static constexpr WordTable<StoreMode, 4> storeModes = {{
	{StoreMode::Active, "active"},
	{StoreMode::Holding, "holding"},
	{StoreMode::Full, "full"},
	{StoreMode::Dying, "dying"},
}};
static constexpr WordTable<Level, 2> levels = {{{Level::Ok, "ok"}, {Level::Low, "low"}}};
static constexpr WordTable<RangeState, 2> rangeStates = {{
	{RangeState::Ok, "ok"},
	{RangeState::Failed, "failed"},
}};
static constexpr WordTable<Shrink, 4> shrinks = {{
	{Shrink::None, "-"},
	{Shrink::Moving, "moving"},
	{Shrink::Cancelled, "cancelled"},
	{Shrink::NoSpace, "no-space"},
}};
static constexpr WordTable<OriginState, 3> originStates = {{
	{OriginState::Watched, "watched"},
	{OriginState::Unwatched, "unwatched"},
	{OriginState::Detached, "detached"},
}};
static constexpr WordTable<SnapshotState, 2> snapshotStates = {{
	{SnapshotState::Live, "live"},
	{SnapshotState::Invalid, "invalid"},
}};
static constexpr WordTable<Cause, 8> causes = {{
	{Cause::None, "-"},
	{Cause::Overflow, "overflow"},
	{Cause::OriginGone, "origin-gone"},
	{Cause::OriginForced, "origin-forced"},
	{Cause::StoreWrite, "store-write"},
	{Cause::NoMemory, "no-memory"},
	{Cause::Stall, "stall"},
	{Cause::StoreGone, "store-gone"},
}};

template<class Enum, size_t n>
static std::string_view wordOf(const WordTable<Enum, n> &table, Enum wanted)
{
	for (const auto &[value, name] : table) {
		if (value == wanted)
			return name;
	}
	return "?";
}

std::string_view word(StoreMode mode)
{
	return wordOf(storeModes, mode);
}

std::string_view word(Level level)
{
	return wordOf(levels, level);
}

std::string_view word(RangeState state)
{
	return wordOf(rangeStates, state);
}

std::string_view word(Access access)
{
	return wordOf(accesses, access);
}

std::string_view word(Shrink shrink)
{
	return wordOf(shrinks, shrink);
}

std::string_view word(OriginState state)
{
	return wordOf(originStates, state);
}

std::string_view word(SnapshotState state)
{
	return wordOf(snapshotStates, state);
}

std::string_view word(Cause cause)
{
	return wordOf(causes, cause);
}

std::string Group::text() const
{
	return fmt::format("{}{}", number, last ? ",last" : "");
}

static Summary readSummary(Words &words)
{
	Summary summary;

	summary.mode = words.choice("MODE", storeModes);
	summary.capacity = words.number("CAPACITY");
	summary.used = words.number("USED");
	summary.free = words.number("FREE");
	summary.unusable = words.number("UNUSABLE");
	summary.lowWater = words.number("LOW_WATER");
	summary.level = words.choice("LEVEL", levels);
	summary.seq = words.number("SEQ");
	summary.held = words.number("HELD");
	summary.heldMs = words.number("HELD_MS");
	summary.heldTotal = words.number("HELD_TOTAL");

	uint64_t sum = 0;
	if (__builtin_add_overflow(summary.used, summary.free, &sum) ||
	    __builtin_add_overflow(sum, summary.unusable, &sum) || sum != summary.capacity)
		words.fail("CAPACITY", {}, "is not USED + FREE + UNUSABLE");
	return summary;
}

static RangeStatus readRange(Words &words)
{
	RangeStatus range;

	words.literal("range");
	range.dev = words.device("DEV of a range");
	range.start = words.number("START of a range");
	range.length = words.number("LEN of a range");
	range.group = words.group("GROUP of a range");
	range.state = words.choice("RANGE_STATE", rangeStates);
	range.shrink = words.choice("SHRINK", shrinks);
	range.used = words.number("USED of a range");
	range.free = words.number("FREE of a range");
	range.unusable = words.number("UNUSABLE of a range");
	return range;
}

static OriginStatus readOrigin(Words &words)
{
	OriginStatus origin;

	words.literal("origin");
	origin.name = words.name("NAME of an origin");
	origin.dev = words.device("DEV of an origin");
	origin.start = words.number("START of an origin");
	origin.size = words.number("SIZE of an origin");
	origin.state = words.choice("ORIGIN_STATE", originStates);
	origin.unsafeChunks = words.number("UNSAFE_CHUNKS");
	origin.badChunks = words.number("BAD_CHUNKS");
	origin.copiedChunks = words.number("COPIED_CHUNKS");
	origin.readWaits = words.number("READ_WAITS");
	return origin;
}

static SnapshotStatus readSnapshot(Words &words)
{
	SnapshotStatus snapshot;

	words.literal("snapshot");
	snapshot.name = words.name("NAME of a snapshot");
	// Programs count seconds with a sign.
	snapshot.takenAt = words.number("TIME_S", INT64_MAX);
	snapshot.own = words.number("OWN");
	snapshot.state = words.choice("SNAPSHOT_STATE", snapshotStates);
	snapshot.cause = words.choice("CAUSE", causes);
	snapshot.images = words.number("IMAGES");
	snapshot.overlay = words.number("OVERLAY");
	snapshot.toCome = words.number("TO_COME");
	const size_t count = words.count("#N of a snapshot", sizeof(" o 1") - 1);
	for (size_t i = 0; i < count && words.good(); i++) {
		SnapshotOrigin origin;
		origin.name = words.name("ORIGIN of a snapshot");
		origin.size = words.number("SIZE of a snapshot");
		snapshot.origins.push_back(std::move(origin));
	}
	return snapshot;
}

Result<Summary> parseSummary(std::string_view line)
{
	Words words(line);
	const Summary summary = readSummary(words);
	words.end();
	if (!words.good())
		return words.error("summary of a store");
	return summary;
}

Result<StoreStatus> parseStoreStatus(std::string_view line)
{
	// The shortest that one of each can be.
	constexpr size_t rangeLength = sizeof(" range 1:1 0 1 0 ok - 0 0 0") - 1;
	constexpr size_t originLength = sizeof(" origin o 1:1 0 1 watched 0 0 0 0") - 1;
	constexpr size_t snapshotLength = sizeof(" snapshot s 1 0 live - 0 0 0 0") - 1;

	Words words(line);
	StoreStatus status;
	status.summary = readSummary(words);
	status.buffered = words.number("BUFFERED");
	status.bufferLimit = words.number("BUFFER");
	status.memoryBytes = words.number("MEMORY_BYTES");
	const size_t ranges = words.count("#RANGES", rangeLength);
	const size_t origins = words.count("#ORIGINS", originLength);
	const size_t snapshots = words.count("#SNAPSHOTS", snapshotLength);
	for (size_t i = 0; i < ranges && words.good(); i++)
		status.ranges.push_back(readRange(words));
	for (size_t i = 0; i < origins && words.good(); i++)
		status.origins.push_back(readOrigin(words));
	for (size_t i = 0; i < snapshots && words.good(); i++)
		status.snapshots.push_back(readSnapshot(words));
	words.end();
	if (!words.good())
		return words.error("status of a store");
	return status;
}

Result<OriginLine> parseOriginLine(std::string_view line)
{
	Words words(line);
	OriginLine origin;
	origin.name = words.name("NAME");
	origin.state = words.choice("ORIGIN_STATE", originStates);
	words.end();
	if (!words.good())
		return words.error("status of an origin");
	return origin;
}

Result<ImageLine> parseImageLine(std::string_view line)
{
	Words words(line);
	ImageLine image;
	image.snapshot = words.name("SNAPSHOT");
	image.origin = words.name("ORIGIN");
	image.state = words.choice("SNAPSHOT_STATE", snapshotStates);
	image.cause = words.choice("CAUSE", causes);
	image.access = words.choice("ro or rw", accesses);
	image.overlay = words.number("OVERLAY");
	image.toCome = words.number("TO_COME");
	words.end();
	if (!words.good())
		return words.error("status of an image");
	return image;
}

std::string format(const Summary &s)
{
	return fmt::format("{} {} {} {} {} {} {} {} {} {} {}", word(s.mode), s.capacity, s.used,
			   s.free, s.unusable, s.lowWater, word(s.level), s.seq, s.held, s.heldMs,
			   s.heldTotal);
}

std::string format(const StoreStatus &s)
{
	std::string line =
		fmt::format("{} {} {} {} {} {} {}", format(s.summary), s.buffered, s.bufferLimit,
			    s.memoryBytes, s.ranges.size(), s.origins.size(), s.snapshots.size());

	for (const RangeStatus &r : s.ranges)
		line += fmt::format(" range {} {} {} {} {} {} {} {} {}", r.dev.text(), r.start,
				    r.length, r.group.text(), word(r.state), word(r.shrink), r.used,
				    r.free, r.unusable);
	for (const OriginStatus &o : s.origins)
		line += fmt::format(" origin {} {} {} {} {} {} {} {} {}", o.name, o.dev.text(),
				    o.start, o.size, word(o.state), o.unsafeChunks, o.badChunks,
				    o.copiedChunks, o.readWaits);
	for (const SnapshotStatus &n : s.snapshots) {
		line += fmt::format(" snapshot {} {} {} {} {} {} {} {} {}", n.name, n.takenAt,
				    n.own, word(n.state), word(n.cause), n.images, n.overlay,
				    n.toCome, n.origins.size());
		for (const SnapshotOrigin &origin : n.origins)
			line += fmt::format(" {} {}", origin.name, origin.size);
	}
	return line;
}

std::string format(const OriginLine &line)
{
	return fmt::format("{} {}", line.name, word(line.state));
}

std::string format(const ImageLine &line)
{
	return fmt::format("{} {} {} {} {} {} {}", line.snapshot, line.origin, word(line.state),
			   word(line.cause), word(line.access), line.overlay, line.toCome);
}

} // namespace snapdiff::dm
