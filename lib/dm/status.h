// SPDX-License-Identifier: GPL-2.0-or-later
//
// Status: what the kernel says about stores, origins and images, as values.
// The grammar stands in dm-target/uapi/dm-snapdiff.h; this is its only parser.
//
// Lengths are sectors, times milliseconds, unless a name says otherwise.  The
// parsers are strict: a missing, extra or malformed word is EINVAL and the error
// names the field.  A line that parses is formatted back to itself.

#pragma once

#include "dm/device_number.h"
#include "util/result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::dm {

enum class StoreMode { Active, Holding, Full, Dying };
enum class Level { Ok, Low };
enum class RangeState { Ok, Failed };
// Is a range being shrunk; if not, how the last shrink of it ended.
enum class Shrink { None, Moving, Cancelled, NoSpace };
enum class OriginState { Watched, Unwatched, Detached };
// What a table says of an image: nothing can be written, or to an overlay.
enum class Access { ReadOnly, ReadWrite };
enum class SnapshotState { Live, Invalid };
enum class Cause {
	None,
	Overflow,
	OriginGone,
	OriginForced,
	StoreWrite,
	NoMemory,
	Stall,
	StoreGone,
};

// The words of the grammar ("holding", "origin-gone", "-").
std::string_view word(StoreMode mode);
std::string_view word(Level level);
std::string_view word(RangeState state);
std::string_view word(Shrink shrink);
std::string_view word(OriginState state);
std::string_view word(Access access);
std::string_view word(SnapshotState state);
std::string_view word(Cause cause);

// The disk a range lies on, as user space tells the kernel.
struct Group
{
	uint32_t number = 0;
	bool last = false;

	bool operator==(const Group &) const = default;

	// "3" or "3,last"
	std::string text() const;
};

struct Summary
{
	StoreMode mode = StoreMode::Active;
	uint64_t capacity = 0; // = used + free + unusable
	uint64_t used = 0;
	uint64_t free = 0;
	uint64_t unusable = 0;
	uint64_t lowWater = 0;
	Level level = Level::Ok;
	uint64_t seq = 0;
	uint64_t held = 0;	// bios that wait for a free place
	uint64_t heldMs = 0;	// age of the oldest of them
	uint64_t heldTotal = 0; // bios that ever had to wait, since the store was made

	bool operator==(const Summary &) const = default;
};

struct RangeStatus
{
	DeviceNumber dev;
	uint64_t start = 0;
	uint64_t length = 0;
	Group group;
	RangeState state = RangeState::Ok;
	Shrink shrink = Shrink::None;
	uint64_t used = 0;
	uint64_t free = 0;
	uint64_t unusable = 0;

	bool operator==(const RangeStatus &) const = default;
};

struct OriginStatus
{
	std::string name;
	DeviceNumber dev;   // the live volume's own
	uint64_t start = 0; // on the device below it
	uint64_t size = 0;
	OriginState state = OriginState::Watched;
	uint64_t unsafeChunks = 0;
	uint64_t badChunks = 0;
	uint64_t copiedChunks = 0;
	uint64_t readWaits = 0;

	bool operator==(const OriginStatus &) const = default;
};

struct SnapshotOrigin
{
	std::string name;
	uint64_t size = 0;

	bool operator==(const SnapshotOrigin &) const = default;
};

struct SnapshotStatus
{
	std::string name;
	uint64_t takenAt = 0; // seconds since 1970
	uint64_t own = 0;     // sectors that a delete of only this snapshot would free
	SnapshotState state = SnapshotState::Live;
	Cause cause = Cause::None;
	uint64_t images = 0;
	uint64_t overlay = 0; // sectors that overlays of its writable images hold
	uint64_t toCome = 0;  // chunks that writes to these images can still take
	std::vector<SnapshotOrigin> origins;

	bool operator==(const SnapshotStatus &) const = default;
};

struct StoreStatus
{
	Summary summary;
	uint64_t buffered = 0;
	uint64_t bufferLimit = 0;
	uint64_t memoryBytes = 0;
	std::vector<RangeStatus> ranges;
	std::vector<OriginStatus> origins;
	std::vector<SnapshotStatus> snapshots; // oldest first

	bool operator==(const StoreStatus &) const = default;
};

// Status of an origin's target.
struct OriginLine
{
	std::string name;
	OriginState state = OriginState::Watched;

	bool operator==(const OriginLine &) const = default;
};

// Status of an image's target.
struct ImageLine
{
	std::string snapshot;
	std::string origin;
	SnapshotState state = SnapshotState::Live;
	Cause cause = Cause::None;
	Access access = Access::ReadOnly;
	uint64_t overlay = 0; // sectors
	uint64_t toCome = 0;  // chunks

	bool operator==(const ImageLine &) const = default;
};

// Allocates nothing when the line is good: fit for the daemon's hot path.
Result<Summary> parseSummary(std::string_view line);

Result<StoreStatus> parseStoreStatus(std::string_view line);
Result<OriginLine> parseOriginLine(std::string_view line);
Result<ImageLine> parseImageLine(std::string_view line);

std::string format(const Summary &summary);
std::string format(const StoreStatus &status);
std::string format(const OriginLine &line);
std::string format(const ImageLine &line);

} // namespace snapdiff::dm
