// SPDX-License-Identifier: GPL-2.0-or-later
// Status and table lines, read back by a parser of the test's own.
#include "core.h"

#include <gtest/gtest.h>
#include <memory>
#include <rapidcheck/gtest.h>
#include <sstream>
#include <string>
#include <vector>

namespace {

// Emits into a buffer of exactly this size, so that a step too far is found.
template<class Emit>
std::pair<std::string, bool> emitInto(size_t size, Emit emit)
{
	std::unique_ptr<char[]> buffer(new char[size]);
	sd_text t;

	std::fill_n(buffer.get(), size, '#');
	sd_text_init(&t, buffer.get(), size);
	emit(&t);
	return {size ? std::string(buffer.get()) : "", t.overflow};
}

template<class Emit>
std::string emitted(Emit emit)
{
	auto [text, overflow] = emitInto(4096, emit);

	EXPECT_FALSE(overflow);
	return text;
}

// Reads words one after the other; any surprise fails the property.
class Reader
{
public:
	explicit Reader(std::string text) : text_(std::move(text)), in_(text_)
	{
		RC_ASSERT(text_.find("  ") == std::string::npos);
		RC_ASSERT(text_.empty() || (text_.front() != ' ' && text_.back() != ' '));
	}

	std::string word()
	{
		std::string word;

		RC_ASSERT(static_cast<bool>(in_ >> word));
		return word;
	}
	u64 number()
	{
		std::string digits = word();

		RC_ASSERT(digits.find_first_not_of("0123456789") == std::string::npos);
		return std::stoull(digits);
	}
	bool end()
	{
		std::string word;

		return !(in_ >> word);
	}

private:
	std::string text_;
	std::istringstream in_;
};

u64 anyU64()
{
	return *rc::gen::oneOf(rc::gen::arbitrary<u64>(), rc::gen::just<u64>(~0ULL),
			       rc::gen::just<u64>(0));
}

u32 anyU32()
{
	return *rc::gen::oneOf(rc::gen::arbitrary<u32>(), rc::gen::just<u32>(~0u));
}

bool anyBool()
{
	return *rc::gen::arbitrary<bool>();
}

sd_summary anySummary()
{
	return {.mode = static_cast<sd_mode>(*rc::gen::inRange(0, 4)),
		.capacity = anyU64(),
		.used = anyU64(),
		.free = anyU64(),
		.unusable = anyU64(),
		.low_water = anyU64(),
		.low = anyBool(),
		.seq = anyU64(),
		.held = anyU32(),
		.held_ms = anyU64(),
		.held_total = anyU64()};
}

void checkSummary(Reader &in, const sd_summary &s)
{
	static const char *const modes[] = {"active", "holding", "full", "dying"};

	RC_ASSERT(in.word() == modes[s.mode]);
	for (u64 wanted : {s.capacity, s.used, s.free, s.unusable, s.low_water})
		RC_ASSERT(in.number() == wanted);
	RC_ASSERT(in.word() == (s.low ? "low" : "ok"));
	RC_ASSERT(in.number() == s.seq);
	RC_ASSERT(in.number() == s.held);
	RC_ASSERT(in.number() == s.held_ms);
	RC_ASSERT(in.number() == s.held_total);
}

std::string groupWord(u32 group, bool last)
{
	return std::to_string(group) + (last ? ",last" : "");
}

} // namespace

TEST(Emit, WritesTheLinesOfTheGrammar)
{
	sd_status_range r = {253, 7, 2048, 4096, 3, true, false, SD_SHRINK_NONE, 8, 16, 24};
	sd_status_origin o = {"home", 8, 1, 0, 99, SD_UNWATCHED, 1, 2, 3, 4};
	sd_status_snapshot s = {"monday", 1700000000, 512, 16, 98, SD_CAUSE_OVERFLOW, 1, 2};

	EXPECT_EQ(
		emitted([&](sd_text *t) {
			sd_emit_range(t, &r);
			sd_emit_origin(t, &o);
			sd_emit_snapshot(t, &s);
		}),
		"range 253:7 2048 4096 3,last ok - 8 16 24 origin home 8:1 0 99 unwatched 1 2 3 4 "
		"snapshot monday 1700000000 512 invalid overflow 1 16 98 2");
	r.failed = true;
	r.shrink = SD_SHRINK_MOVING;
	r.last = false;
	s.cause = SD_CAUSE_NONE;
	EXPECT_EQ(emitted([&](sd_text *t) { sd_emit_range(t, &r); }),
		  "range 253:7 2048 4096 3 failed moving 8 16 24");
	EXPECT_EQ(emitted([&](sd_text *t) { sd_emit_snapshot(t, &s); }),
		  "snapshot monday 1700000000 512 live - 1 16 98 2");
}

TEST(Emit, NamesWatchesAndCauses)
{
	static const char *const causes[] = {
		"-",	       "overflow",  "origin-gone", "origin-forced",
		"store-write", "no-memory", "stall",	   "store-gone"};

	for (int c = SD_CAUSE_NONE; c <= SD_CAUSE_STORE_GONE; c++)
		EXPECT_STREQ(sd_cause_name(static_cast<sd_cause>(c)), causes[c]);
	EXPECT_STREQ(sd_shrink_name(SD_SHRINK_NONE), "-");
	EXPECT_STREQ(sd_shrink_name(SD_SHRINK_MOVING), "moving");
	EXPECT_STREQ(sd_shrink_name(SD_SHRINK_CANCELLED), "cancelled");
	EXPECT_STREQ(sd_shrink_name(SD_SHRINK_NO_SPACE), "no-space");
	EXPECT_STREQ(sd_watch_name(SD_WATCHED), "watched");
	EXPECT_STREQ(sd_watch_name(SD_UNWATCHED), "unwatched");
	EXPECT_STREQ(sd_watch_name(SD_DETACHED), "detached");
}

TEST(Emit, TheLongestSummaryIsShorterThanItsLimit)
{
	sd_summary s = {SD_MODE_HOLDING, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, true,
			~0ULL,		 ~0u,	~0ULL, ~0ULL};

	EXPECT_LT(emitted([&](sd_text *t) { sd_emit_summary(t, &s); }).size(),
		  SNAPDIFF_SUMMARY_MAX);
}

RC_GTEST_PROP(Emit, AHeadIsReadBack, ())
{
	sd_status_head h = {.sum = anySummary(),
			    .buffered = anyU64(),
			    .buffer = anyU64(),
			    .memory = anyU64(),
			    .ranges = anyU32(),
			    .origins = anyU32(),
			    .snapshots = anyU32()};
	Reader in(emitted([&](sd_text *t) { sd_emit_head(t, &h); }));

	checkSummary(in, h.sum);
	for (u64 wanted :
	     {h.buffered, h.buffer, h.memory, u64(h.ranges), u64(h.origins), u64(h.snapshots)})
		RC_ASSERT(in.number() == wanted);
	RC_ASSERT(in.end());
}

RC_GTEST_PROP(Emit, RangesOriginsAndSnapshotsAreReadBack, ())
{
	sd_status_range r = {
		anyU32(), anyU32(),  anyU64(),	anyU64(),
		anyU32(), anyBool(), anyBool(), static_cast<sd_shrink>(*rc::gen::inRange(0, 4)),
		anyU64(), anyU64(),  anyU64()};
	sd_status_origin o = {"o",	anyU32(), anyU32(),
			      anyU64(), anyU64(), static_cast<sd_watch>(*rc::gen::inRange(0, 3)),
			      anyU64(), anyU64(), anyU64(),
			      anyU64()};
	sd_status_snapshot s = {"s",	  anyU64(), anyU64(),
				anyU64(), anyU64(), static_cast<sd_cause>(*rc::gen::inRange(0, 8)),
				anyU32(), anyU32()};
	Reader in(emitted([&](sd_text *t) {
		sd_emit_range(t, &r);
		sd_emit_origin(t, &o);
		sd_emit_snapshot(t, &s);
	}));
	auto dev = [](u32 major, u32 minor) {
		return std::to_string(major) + ":" + std::to_string(minor);
	};

	RC_ASSERT(in.word() == "range" && in.word() == dev(r.major, r.minor));
	RC_ASSERT(in.number() == r.start && in.number() == r.len);
	RC_ASSERT(in.word() == groupWord(r.group, r.last));
	RC_ASSERT(in.word() == (r.failed ? "failed" : "ok"));
	RC_ASSERT(in.word() == sd_shrink_name(r.shrink));
	RC_ASSERT(in.number() == r.used && in.number() == r.free && in.number() == r.unusable);
	RC_ASSERT(in.word() == "origin" && in.word() == "o" && in.word() == dev(o.major, o.minor));
	RC_ASSERT(in.number() == o.start && in.number() == o.size);
	RC_ASSERT(in.word() == sd_watch_name(o.watch));
	RC_ASSERT(in.number() == o.unsafe && in.number() == o.bad);
	RC_ASSERT(in.number() == o.copied && in.number() == o.read_waits);
	RC_ASSERT(in.word() == "snapshot" && in.word() == "s" && in.number() == s.time_s);
	RC_ASSERT(in.number() == s.own);
	RC_ASSERT(in.word() == (s.cause == SD_CAUSE_NONE ? "live" : "invalid"));
	RC_ASSERT(in.word() == sd_cause_name(s.cause));
	RC_ASSERT(in.number() == s.images);
	RC_ASSERT(in.number() == s.overlay && in.number() == s.to_come);
	RC_ASSERT(in.number() == s.origins);
	RC_ASSERT(in.end());
}

// What the kernel emits as a table, it takes as one, and means the same by it.
RC_GTEST_PROP(Emit, AStoresTableIsParsedBack, ())
{
	sd_store_options o = {
		.chunk = 8u << *rc::gen::inRange(0, 9),
		.low_water = anyU64(),
		.hold_ms = *rc::gen::inRange(0u, SNAPDIFF_HOLD_MAX_MS + 1),
		.stall_ms = *rc::gen::inRange(SNAPDIFF_STALL_MIN_MS, SNAPDIFF_STALL_MAX_MS + 1),
		.buffer = *rc::gen::inRange(SNAPDIFF_BUFFER_MIN, SNAPDIFF_BUFFER_MAX + 1),
		.drop_all = anyBool(),
		.discard_copy = anyBool()};
	u32 ranges = *rc::gen::inRange(0, 5), group = anyU32();
	bool last = anyBool();
	std::string line = emitted([&](sd_text *t) {
		sd_emit_store_table(t, &o, ranges);
		for (u32 i = 0; i < ranges; i++)
			sd_emit_table_range(t, 253, i, i * 1000, 4096, group, last);
	});
	std::istringstream in(line);
	std::vector<std::string> words;
	std::vector<char *> argv;
	sd_store_table t;
	const char *why = "";

	for (std::string word; in >> word;)
		words.push_back(word);
	for (auto &word : words)
		argv.push_back(word.data());
	RC_ASSERT(sd_parse_store(argv.size(), argv.data(), &t, &why) == 0);
	RC_ASSERT(t.opt.chunk == o.chunk && t.opt.low_water == o.low_water);
	RC_ASSERT(t.opt.hold_ms == o.hold_ms && t.opt.stall_ms == o.stall_ms);
	RC_ASSERT(t.opt.buffer == o.buffer && t.opt.drop_all == o.drop_all);
	RC_ASSERT(t.opt.discard_copy == o.discard_copy && t.ranges == ranges);
	for (u32 i = 0; i < ranges; i++) {
		sd_range_words r;

		RC_ASSERT(sd_parse_range(4, t.range_argv + 4 * i, &r, &why) == 0);
		RC_ASSERT(std::string(r.dev) == "253:" + std::to_string(i));
		RC_ASSERT(r.start == i * 1000 && r.len == 4096u);
		RC_ASSERT(r.group == group && r.last == last);
	}
}

// A buffer of any size: never a byte behind it, whole words only, and it is said what was cut.
RC_GTEST_PROP(Emit, WhatDoesNotFitIsLeftOutAndSaid, ())
{
	sd_status_head h = {};
	h.sum = anySummary();
	auto emit = [&](sd_text *t) {
		sd_emit_head(t, &h);
		sd_emit_word(t, "end");
	};
	std::string whole = emitted(emit);
	auto size = *rc::gen::inRange<size_t>(0, whole.size() + 3);
	auto [text, overflow] = emitInto(size, emit);

	RC_ASSERT(overflow == (size < whole.size() + 1));
	// blanks to the last byte: device-mapper's sign for "ask again with more room"
	if (overflow && size)
		RC_ASSERT(text.size() == size - 1);
	text.resize(overflow ? text.find_last_not_of(' ') + 1 : text.size());
	RC_ASSERT(whole.compare(0, text.size(), text) == 0);
	RC_ASSERT(text.size() == whole.size() || text.empty() || whole[text.size()] == ' ');
}
