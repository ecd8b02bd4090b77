// SPDX-License-Identifier: GPL-2.0-or-later
//
// Table and message codecs: what user space says to the three targets, as values.

#include "dm/table.h"

#include "dm/words.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <bit>

namespace snapdiff::dm {

std::string_view word(FullPolicy policy)
{
	return policy == FullPolicy::DropAll ? "drop-all" : "drop-oldest";
}

std::string_view word(DiscardPolicy policy)
{
	return policy == DiscardPolicy::Copy ? "copy" : "ignore";
}

std::string format(const StoreTable &t)
{
	std::string features;
	unsigned count = 0;

	if (t.full != FullPolicy::DropOldest) {
		features += fmt::format(" full={}", word(t.full));
		count++;
	}
	if (t.discard != DiscardPolicy::Ignore) {
		features += fmt::format(" discard={}", word(t.discard));
		count++;
	}
	std::string line = fmt::format("{} {} {} {} {} {}{} {}", t.chunk, t.lowWater, t.holdMs,
				       t.stallMs, t.buffer, count, features, t.ranges.size());
	for (const RangeSpec &range : t.ranges)
		line += fmt::format(" {} {} {} {}", range.device, range.start, range.length,
				    range.group.text());
	return line;
}

std::string format(const OriginTable &t)
{
	return fmt::format("{} {} {} {}", t.store, t.name, t.device, t.start);
}

std::string format(const ImageTable &t)
{
	return fmt::format("{} {} {} {}", t.store, t.snapshot, t.origin, word(t.access));
}

static void readFeature(Words &words, StoreTable &table)
{
	const std::string_view feature = words.word("FEATURE");

	if (feature == "full=drop-oldest")
		table.full = FullPolicy::DropOldest;
	else if (feature == "full=drop-all")
		table.full = FullPolicy::DropAll;
	else if (feature == "discard=ignore")
		table.discard = DiscardPolicy::Ignore;
	else if (feature == "discard=copy")
		table.discard = DiscardPolicy::Copy;
	else
		words.fail("FEATURE", feature, "not one of its words");
}

Result<StoreTable> parseStoreTable(std::string_view line)
{
	Words words(line);
	StoreTable table;

	table.chunk = words.number("CHUNK", SNAPDIFF_CHUNK_MAX);
	if (words.good() && (table.chunk < SNAPDIFF_CHUNK_MIN || !std::has_single_bit(table.chunk)))
		words.fail("CHUNK", {}, "not a power of two from 8 to 2048");
	table.lowWater = words.number("LOW_WATER");
	table.holdMs = words.number("HOLD", SNAPDIFF_HOLD_MAX_MS);
	table.stallMs = words.number("STALL", SNAPDIFF_STALL_MAX_MS);
	table.buffer = words.number("BUFFER", SNAPDIFF_BUFFER_MAX);
	const size_t features = words.count("#FEATURES", sizeof(" full=drop-all") - 1);
	for (size_t i = 0; i < features && words.good(); i++)
		readFeature(words, table);
	const size_t ranges = words.count("#RANGES", sizeof(" d 0 1 0") - 1);
	for (size_t i = 0; i < ranges && words.good(); i++) {
		RangeSpec range;
		range.device = words.word("DEV of a range");
		range.start = words.number("START of a range");
		range.length = words.number("LEN of a range");
		range.group = words.group("GROUP of a range");
		table.ranges.push_back(std::move(range));
	}
	words.end();
	if (!words.good())
		return words.error("table of a store");
	return table;
}

Result<OriginTable> parseOriginTable(std::string_view line)
{
	Words words(line);
	OriginTable table;
	table.store = words.word("STORE_DEV");
	table.name = words.name("NAME");
	table.device = words.word("DEV");
	table.start = words.number("START");
	words.end();
	if (!words.good())
		return words.error("table of an origin");
	return table;
}

Result<ImageTable> parseImageTable(std::string_view line)
{
	Words words(line);
	ImageTable table;
	table.store = words.word("STORE_DEV");
	table.snapshot = words.name("SNAPSHOT");
	table.origin = words.name("ORIGIN");
	table.access = words.choice("ro or rw", accesses);
	words.end();
	if (!words.good())
		return words.error("table of an image");
	return table;
}

std::string extendMessage(const RangeSpec &range)
{
	return fmt::format("extend {} {} {} {}", range.device, range.start, range.length,
			   range.group.text());
}

std::string shrinkMessage(const RangeSpec &range, bool cancel)
{
	return fmt::format("shrink {} {} {}{}", range.device, range.start, range.length,
			   cancel ? " cancel" : "");
}

std::string takeMessage(std::string_view snapshot, unsigned timeoutMs,
			std::span<const std::string> origins)
{
	std::string text = fmt::format("take {} {}", snapshot, timeoutMs);

	for (const std::string &origin : origins)
		text += " " + origin;
	if (origins.empty())
		text += " *";
	return text;
}

std::string deleteMessage(std::string_view snapshot)
{
	return fmt::format("delete {}", snapshot);
}

std::string detachMessage(std::string_view origin, bool force)
{
	return fmt::format("detach {}{}", origin, force ? " force" : "");
}

std::string setMessage(std::string_view key, std::string_view value)
{
	return fmt::format("set {} {}", key, value);
}

} // namespace snapdiff::dm
