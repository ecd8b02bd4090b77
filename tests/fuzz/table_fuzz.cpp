// SPDX-License-Identifier: GPL-2.0-or-later
// The library's parsers of table lines: what they take means the same after it was written and read
// again, and the kernel's parser does not misread it.
#include "core.h"
#include "dm/table.h"
#include "input.h"

using namespace snapdiff;

namespace {

// The kernel may refuse what the library takes, which leaves judging to it; it may not differ.
void compareStore(const dm::StoreTable &t, std::string_view line)
{
	Argv argv(line);
	const char *why = nullptr;
	sd_store_table kernel{};

	const auto again = dm::parseStoreTable(dm::format(t));
	REQUIRE(again);
	REQUIRE(*again == t);
	if (sd_parse_store(argv.count(), argv.words(), &kernel, &why))
		return;
	REQUIRE(kernel.opt.chunk == t.chunk && kernel.opt.low_water == t.lowWater);
	REQUIRE(kernel.opt.hold_ms == t.holdMs && kernel.opt.stall_ms == t.stallMs);
	REQUIRE(kernel.opt.buffer == t.buffer && kernel.ranges == t.ranges.size());
	REQUIRE(kernel.opt.drop_all == (t.full == dm::FullPolicy::DropAll));
	REQUIRE(kernel.opt.discard_copy == (t.discard == dm::DiscardPolicy::Copy));
	for (u32 i = 0; i < kernel.ranges; i++) {
		sd_range_words words{};

		REQUIRE(!sd_parse_range(4, kernel.range_argv + 4 * i, &words, &why));
		REQUIRE(words.dev == t.ranges[i].device && words.start == t.ranges[i].start);
		REQUIRE(words.len == t.ranges[i].length);
		REQUIRE(words.group == t.ranges[i].group.number);
		REQUIRE(words.last == t.ranges[i].group.last);
	}
}

void compareOrigin(const dm::OriginTable &t, std::string_view line)
{
	Argv argv(line);
	const char *why = nullptr;
	sd_origin_table kernel{};

	REQUIRE(dm::format(t) == line);
	if (sd_parse_origin(argv.count(), argv.words(), &kernel, &why))
		return;
	REQUIRE(t.store == kernel.store_dev && t.name == kernel.name);
	REQUIRE(t.device == kernel.dev && t.start == kernel.start);
}

void compareImage(const dm::ImageTable &t, std::string_view line)
{
	Argv argv(line);
	const char *why = nullptr;
	sd_image_table kernel{};

	REQUIRE(dm::format(t) == line);
	if (sd_parse_image(argv.count(), argv.words(), &kernel, &why))
		return;
	REQUIRE(t.store == kernel.store_dev && t.snapshot == kernel.snapshot);
	REQUIRE(t.origin == kernel.origin);
	REQUIRE((t.access == dm::Access::ReadWrite) == kernel.writable);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);
	const uint8_t kind = input.below(3);
	const std::string_view line = input.rest();

	// a line of the kernel's is a C string
	if (line.find('\0') != std::string_view::npos)
		return 0;
	if (kind == 0) {
		if (const auto t = dm::parseStoreTable(line))
			compareStore(*t, line);
	} else if (kind == 1) {
		if (const auto t = dm::parseOriginTable(line))
			compareOrigin(*t, line);
	} else if (const auto t = dm::parseImageTable(line)) {
		compareImage(*t, line);
	}
	return 0;
}
