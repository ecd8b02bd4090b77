// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's parser of tables and messages: whatever it takes holds what parse.h promises, and a
// table that it takes is the same after it was written and parsed again, by it and by the library.
#include "core.h"
#include "dm/table.h"
#include "input.h"

#include <set>

namespace {

void checkRange(unsigned int argc, char **argv)
{
	const char *why = nullptr;
	sd_range_words words{};

	REQUIRE(sd_parse_range(argc, argv, &words, &why) == 0);
	REQUIRE(words.dev == argv[0] && *words.dev);
	REQUIRE(words.len > 0);
}

void emitTable(sd_text *text, const sd_store_table &t)
{
	sd_emit_store_table(text, &t.opt, t.ranges);
	for (u32 i = 0; i < t.ranges; i++) {
		const char *why = nullptr;
		sd_range_words words{};

		REQUIRE(sd_parse_range(4, t.range_argv + 4 * i, &words, &why) == 0);
		sd_emit_table_range(text, 253, i, words.start, words.len, words.group, words.last);
	}
}

void checkStore(const sd_store_table &t, unsigned int argc)
{
	std::vector<char> buffer(256 + 128 * argc);
	const char *why = nullptr;
	sd_store_table again{};
	sd_text text;

	REQUIRE(t.opt.chunk >= 8 && t.opt.chunk <= 2048 && !(t.opt.chunk & (t.opt.chunk - 1)));
	REQUIRE(t.opt.stall_ms > 0);
	for (u32 i = 0; i < t.ranges; i++)
		checkRange(4, t.range_argv + 4 * i);
	sd_text_init(&text, buffer.data(), buffer.size());
	emitTable(&text, t);
	REQUIRE(!text.overflow);

	Argv words(buffer.data());
	REQUIRE(sd_parse_store(words.count(), words.words(), &again, &why) == 0);
	REQUIRE(again.opt.chunk == t.opt.chunk && again.opt.low_water == t.opt.low_water);
	REQUIRE(again.opt.hold_ms == t.opt.hold_ms && again.opt.stall_ms == t.opt.stall_ms);
	REQUIRE(again.opt.buffer == t.opt.buffer && again.opt.drop_all == t.opt.drop_all);
	REQUIRE(again.opt.discard_copy == t.opt.discard_copy && again.ranges == t.ranges);
	const auto parsed = snapdiff::dm::parseStoreTable(buffer.data());
	REQUIRE(parsed);
	REQUIRE(snapdiff::dm::format(*parsed) == buffer.data());
	REQUIRE(parsed->ranges.size() == t.ranges && parsed->chunk == t.opt.chunk);
}

void checkOrigins(const sd_message &m)
{
	std::set<std::string> names;

	REQUIRE(m.all ? m.origins == 0 : m.origins > 0);
	for (unsigned int i = 0; i < m.origins; i++) {
		REQUIRE(sd_name_ok(m.origin_argv[i]));
		REQUIRE(names.insert(m.origin_argv[i]).second);
	}
}

void checkMessage(const sd_message &m)
{
	switch (m.kind) {
	case SD_MSG_EXTEND:
	case SD_MSG_SHRINK:
		REQUIRE(*m.range.dev && m.range.len > 0);
		break;
	case SD_MSG_TAKE:
		checkOrigins(m);
		[[fallthrough]];
	case SD_MSG_DELETE:
	case SD_MSG_DETACH:
		REQUIRE(sd_name_ok(m.name));
		break;
	case SD_MSG_SET:
		REQUIRE(m.key != SD_KEY_STALL || m.value > 0);
		break;
	case SD_MSG_SUMMARY:
	case SD_MSG_WHY:
		break;
	}
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input input(bytes, size);
	const uint8_t kind = input.below(4);
	Argv argv(input.rest());
	const char *why = nullptr;
	sd_store_table store{};
	sd_origin_table origin{};
	sd_image_table image{};
	sd_message message{};
	int result;

	switch (kind) {
	case 0:
		result = sd_parse_store(argv.count(), argv.words(), &store, &why);
		if (!result)
			checkStore(store, argv.count());
		break;
	case 1:
		result = sd_parse_origin(argv.count(), argv.words(), &origin, &why);
		if (!result)
			REQUIRE(sd_name_ok(origin.name) && *origin.store_dev && *origin.dev);
		break;
	case 2:
		result = sd_parse_image(argv.count(), argv.words(), &image, &why);
		if (!result)
			REQUIRE(sd_name_ok(image.snapshot) && sd_name_ok(image.origin));
		break;
	default:
		result = sd_parse_message(argv.count(), argv.words(), &message, &why);
		if (!result)
			checkMessage(message);
	}
	REQUIRE(result == 0 || (result == -EINVAL && why && *why));
	return 0;
}
