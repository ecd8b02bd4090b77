// SPDX-License-Identifier: GPL-2.0-or-later
// Tables and messages: each mistake has its own sentence, and nothing else gets through.
#include "core.h"

#include <functional>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

// A line cut into words, as device-mapper does it; "''" stands for an empty word.
class Words
{
public:
	explicit Words(const std::string &line)
	{
		std::istringstream in(line);
		std::string word;

		while (in >> word)
			words_.push_back(word == "''" ? "" : word);
		point();
	}
	explicit Words(std::vector<std::string> words) : words_(std::move(words)) { point(); }
	Words(const Words &) = delete;
	Words &operator=(const Words &) = delete;

	unsigned int argc() const { return words_.size(); }
	char **argv() { return argv_.data(); }

private:
	void point()
	{
		for (auto &word : words_)
			argv_.push_back(word.data());
		argv_.push_back(nullptr);
	}

	std::vector<std::string> words_;
	std::vector<char *> argv_;
};

// What the parser says about a line: "" if it is right.
template<class Result, int (*parse)(unsigned int, char **, Result *, const char **)>
std::string verdict(const std::string &line)
{
	Words words(line);
	Result result;
	const char *why = nullptr;
	int r = parse(words.argc(), words.argv(), &result, &why);

	EXPECT_EQ(r, why ? -EINVAL : 0) << line;
	return why ? why : "";
}

const auto store = verdict<sd_store_table, sd_parse_store>;
const auto origin = verdict<sd_origin_table, sd_parse_origin>;
const auto image = verdict<sd_image_table, sd_parse_image>;
const auto range = verdict<sd_range_words, sd_parse_range>;
const auto message = verdict<sd_message, sd_parse_message>;

const std::string name64(64, 'n'), name65(65, 'n');

struct Bad
{
	std::string (*parse)(const std::string &);
	std::string line, why;
};

const std::vector<Bad> bad = {
	// the store's table
	{store, "128 0 60000 30000",
	 "the store's table has fewer words than CHUNK LOW_WATER HOLD STALL BUFFER"},
	{store, "x 0 60000 30000 131072 0 0", "CHUNK is not a number"},
	{store, "'' 0 60000 30000 131072 0 0", "CHUNK is not a number"},
	{store, "+128 0 60000 30000 131072 0 0", "CHUNK is not a number"},
	{store, "0x80 0 60000 30000 131072 0 0", "CHUNK is not a number"},
	{store, "4 0 60000 30000 131072 0 0", "CHUNK is less than 8 sectors"},
	{store, "4096 0 60000 30000 131072 0 0", "CHUNK is more than 2048 sectors"},
	{store, "24 0 60000 30000 131072 0 0", "CHUNK is not a power of two"},
	{store, "128 1k 60000 30000 131072 0 0", "LOW_WATER is not a number"},
	{store, "128 18446744073709551616 60000 30000 131072 0 0",
	 "LOW_WATER does not fit 64 bits"},
	{store, "128 99999999999999999999 60000 30000 131072 0 0",
	 "LOW_WATER does not fit 64 bits"},
	{store, "128 0 -1 30000 131072 0 0", "HOLD is not a number"},
	{store, "128 0 3600001 30000 131072 0 0", "HOLD is more than 3600000 ms"},
	{store, "128 0 0 30s 131072 0 0", "STALL is not a number"},
	{store, "128 0 0 99 131072 0 0", "STALL is less than 100 ms"},
	{store, "128 0 0 3600001 131072 0 0", "STALL is more than 3600000 ms"},
	{store, "128 0 0 100 64M 0 0", "BUFFER is not a number"},
	{store, "128 0 0 100 2047 0 0", "BUFFER is less than 2048 sectors"},
	{store, "128 0 0 100 16777217 0 0", "BUFFER is more than 16777216 sectors"},
	{store, "128 0 0 100 2048", "#FEATURES is missing"},
	{store, "128 0 0 100 2048 full=drop-all 0", "#FEATURES is not a number"},
	{store, "128 0 0 100 2048 3 a b c 0", "#FEATURES is more than there are features"},
	{store, "128 0 0 100 2048 2 full=drop-all", "fewer FEATURE words than #FEATURES says"},
	{store, "128 0 0 100 2048 1 fast 0",
	 "unknown FEATURE: it begins with neither full= nor discard="},
	{store, "128 0 0 100 2048 1 full=up 0", "full is neither drop-oldest nor drop-all"},
	{store, "128 0 0 100 2048 1 discard= 0", "discard is neither ignore nor copy"},
	{store, "128 0 0 100 2048 2 full=drop-all full=drop-all 0",
	 "the feature full stands twice"},
	{store, "128 0 0 100 2048 2 discard=copy discard=copy 0",
	 "the feature discard stands twice"},
	{store, "128 0 0 100 2048 0", "#RANGES is missing"},
	{store, "128 0 0 100 2048 0 /dev/a", "#RANGES is not a number"},
	{store, "128 0 0 100 2048 0 4097", "#RANGES is more than 4096"},
	{store, "128 0 0 100 2048 0 1 /dev/a 0 8", "fewer words for ranges than #RANGES says"},
	{store, "128 0 0 100 2048 0 1", "fewer words for ranges than #RANGES says"},
	{store, "128 0 0 100 2048 0 0 /dev/a 0 8 0",
	 "more words behind the ranges than #RANGES says"},
	{store, "128 0 0 100 2048 0 2 /dev/a 0 8 0 /dev/a 0 8 0",
	 "the same range stands twice in the table"},
	// ranges, in the table and in extend
	{range, "/dev/a 0", "the range has fewer than three words: DEV START LEN"},
	{range, "/dev/a 0 8 0 0", "the range has more than four words: DEV START LEN GROUP"},
	{store, "128 0 0 100 2048 0 1 '' 0 8 0", "DEV of the range is empty"},
	{range, "sda 0 8 0", "DEV of the range is neither a path nor MAJOR:MINOR"},
	{range, "8: 0 8 0", "DEV of the range is neither a path nor MAJOR:MINOR"},
	{range, ":8 0 8 0", "DEV of the range is neither a path nor MAJOR:MINOR"},
	{range, "8:1:2 0 8 0", "DEV of the range is neither a path nor MAJOR:MINOR"},
	{range, "8:0 a 8 0", "START of the range is not a number"},
	{range, "8:0 18446744073709551616 8 0", "START of the range does not fit 64 bits"},
	{range, "8:0 0 b 0", "LEN of the range is not a number"},
	{range, "8:0 0 0 0", "LEN of the range is 0"},
	{range, "8:0 0 18446744073709551616 0", "LEN of the range does not fit 64 bits"},
	{range, "8:0 18446744073709551615 1 0",
	 "START and LEN of the range together do not fit 64 bits"},
	{range, "8:0 0 8 last", "GROUP of the range does not begin with a number"},
	{range, "8:0 0 8 ''", "GROUP of the range does not begin with a number"},
	{range, "8:0 0 8 ,last", "GROUP of the range does not begin with a number"},
	{range, "8:0 0 8 4294967296", "GROUP of the range is more than 4294967295"},
	{range, "8:0 0 8 1111111111111111111111111111111",
	 "GROUP of the range is more than 4294967295"},
	{range, "8:0 0 8 1,",
	 "GROUP of the range has something other than \"last\" after its comma"},
	{range, "8:0 0 8 1,first",
	 "GROUP of the range has something other than \"last\" after its comma"},
	// the origin's table
	{origin, "8:0 home 8:1",
	 "the origin's table does not have four words: STORE_DEV NAME DEV START"},
	{origin, "'' home 8:1 0", "STORE_DEV is empty"},
	{origin, "store home 8:1 0", "STORE_DEV is neither a path nor MAJOR:MINOR"},
	{origin, "8:0 '' 8:1 0", "the origin's name is empty"},
	{origin, "8:0 " + name65 + " 8:1 0", "the origin's name has more than 64 characters"},
	{origin, "8:0 -home 8:1 0", "the origin's name begins with '-'"},
	{origin, "8:0 ho/me 8:1 0",
	 "the origin's name has a character other than A-Z a-z 0-9 _ . + : -"},
	{origin, "8:0 h\xc3\xb6me 8:1 0",
	 "the origin's name has a character other than A-Z a-z 0-9 _ . + : -"},
	{origin, "8:0 home '' 0", "DEV of the origin is empty"},
	{origin, "8:0 home sdb 0", "DEV of the origin is neither a path nor MAJOR:MINOR"},
	{origin, "8:0 home 8:1 x", "START of the origin is not a number"},
	{origin, "8:0 home 8:1 18446744073709551616", "START of the origin does not fit 64 bits"},
	// the image's table
	{image, "8:0 s home",
	 "the image's table does not have four words: STORE_DEV SNAPSHOT ORIGIN ro|rw"},
	{image, "8:0 '' home ro", "the snapshot's name is empty"},
	{image, "8:0 " + name65 + " home ro", "the snapshot's name has more than 64 characters"},
	{image, "8:0 -s home ro", "the snapshot's name begins with '-'"},
	{image, "8:0 s* home ro",
	 "the snapshot's name has a character other than A-Z a-z 0-9 _ . + : -"},
	{image, "8:0 s -home ro", "the origin's name begins with '-'"},
	{image, "8:0 s home wo", "the last word of the image's table is neither ro nor rw"},
	{image, "8:0 s home r", "the last word of the image's table is neither ro nor rw"},
	// messages
	{message, "", "the message is empty"},
	{message, "grow",
	 "unknown message: none of extend shrink take delete detach set summary why"},
	{message, "extend 8:0 0", "extend wants at least three words: DEV START LEN"},
	{message, "extend 8:0 0 8 0 0", "extend wants at most four words: DEV START LEN GROUP"},
	{message, "extend 8:0 0 0", "LEN of the range is 0"},
	{message, "shrink 8:0 0", "shrink wants at least three words: DEV START LEN"},
	{message, "shrink 8:0 0 8 cancel now",
	 "shrink wants at most four words: DEV START LEN cancel"},
	{message, "shrink 8:0 0 8 1", "the word behind shrink DEV START LEN is not cancel"},
	{message, "shrink sdb 0 8", "DEV of the range is neither a path nor MAJOR:MINOR"},
	{message, "shrink 8:0 0 0", "LEN of the range is 0"},
	{message, "take", "take wants SNAPSHOT TIMEOUT ORIGIN..."},
	{message, "take s", "take wants SNAPSHOT TIMEOUT ORIGIN..."},
	{message, "take s 2000", "take names no origin"},
	{message, "take -s 2000 home", "the snapshot's name begins with '-'"},
	{message, "take s home 2000", "TIMEOUT is not a number"},
	{message, "take s 0 home", "TIMEOUT is 0"},
	{message, "take s 60001 home", "TIMEOUT is more than 60000 ms"},
	{message, "take s 2000 home *", "take names origins besides \"*\", which stands for all"},
	{message, "take s 2000 * *", "take names origins besides \"*\", which stands for all"},
	{message, "take s 2000 a b a", "take names an origin twice"},
	{message, "take s 2000 a b?",
	 "the origin's name has a character other than A-Z a-z 0-9 _ . + : -"},
	{message, "delete", "delete wants one word: SNAPSHOT"},
	{message, "delete a b", "delete wants one word: SNAPSHOT"},
	{message, "detach", "detach wants one or two words: ORIGIN force"},
	{message, "detach a force now", "detach wants one or two words: ORIGIN force"},
	{message, "detach a now", "the word behind detach ORIGIN is not force"},
	{message, "set hold", "set wants two words: KEY VALUE"},
	{message, "set speed 1", "KEY is none of low_water hold stall buffer full discard"},
	{message, "set hold 3600001", "HOLD is more than 3600000 ms"},
	{message, "set stall 0", "STALL is less than 100 ms"},
	{message, "set buffer 1", "BUFFER is less than 2048 sectors"},
	{message, "set low_water low", "LOW_WATER is not a number"},
	{message, "set full drop", "full is neither drop-oldest nor drop-all"},
	{message, "set discard pass", "discard is neither ignore nor copy"},
	{message, "summary now", "summary wants no further word"},
	{message, "why not", "why wants no further word"},
};

} // namespace

TEST(Parse, SaysOfEachBadLineWhatIsWrong)
{
	for (const Bad &b : bad)
		EXPECT_EQ(b.parse(b.line), b.why) << b.line;
}

TEST(Parse, HasASentenceForEachMistake)
{
	std::set<std::string> sentences;

	for (const Bad &b : bad)
		sentences.insert(b.why);
	EXPECT_GE(sentences.size(), 45u);
	RecordProperty("sentences", static_cast<int>(sentences.size()));
}

TEST(Parse, TakesTheStoresTable)
{
	Words words("128 2097152 60000 30000 131072 2 discard=copy full=drop-all "
		    "2 /dev/vg0/a 0 409600 7 8:16 2048 18446744073709549567 4294967295,last");
	sd_store_table t;
	const char *why = nullptr;

	ASSERT_EQ(sd_parse_store(words.argc(), words.argv(), &t, &why), 0) << why;
	EXPECT_EQ(t.opt.chunk, 128u);
	EXPECT_EQ(t.opt.low_water, 2097152u);
	EXPECT_EQ(t.opt.hold_ms, 60000u);
	EXPECT_EQ(t.opt.stall_ms, 30000u);
	EXPECT_EQ(t.opt.buffer, 131072u);
	EXPECT_TRUE(t.opt.drop_all);
	EXPECT_TRUE(t.opt.discard_copy);
	ASSERT_EQ(t.ranges, 2u);
	sd_range_words r;
	ASSERT_EQ(sd_parse_range(4, t.range_argv + 4, &r, &why), 0) << why;
	EXPECT_STREQ(r.dev, "8:16");
	EXPECT_EQ(r.start, 2048u);
	EXPECT_EQ(r.len, 18446744073709549567u);
	EXPECT_EQ(r.group, 4294967295u);
	EXPECT_TRUE(r.last);
}

TEST(Parse, TakesAStoreWithoutRangesAndDefaults)
{
	Words words("8 0 0 100 2048 2 full=drop-oldest discard=ignore 0");
	sd_store_table t;
	const char *why = nullptr;

	ASSERT_EQ(sd_parse_store(words.argc(), words.argv(), &t, &why), 0) << why;
	EXPECT_FALSE(t.opt.drop_all);
	EXPECT_FALSE(t.opt.discard_copy);
	EXPECT_EQ(t.ranges, 0u);
	EXPECT_EQ(store("8 0 0 100 2048 0 2 8:1 0 8 0 8:1 8 8 0"), "") << "other words";
}

TEST(Parse, TakesOriginsAndImages)
{
	Words words("253:4 vg0:home /dev/sdb 2048"),
		other("/dev/mapper/s n.+_-9 " + name64 + " ro");
	sd_origin_table o;
	sd_image_table i;
	const char *why = nullptr;

	ASSERT_EQ(sd_parse_origin(words.argc(), words.argv(), &o, &why), 0) << why;
	EXPECT_STREQ(o.store_dev, "253:4");
	EXPECT_STREQ(o.name, "vg0:home");
	EXPECT_STREQ(o.dev, "/dev/sdb");
	EXPECT_EQ(o.start, 2048u);
	ASSERT_EQ(sd_parse_image(other.argc(), other.argv(), &i, &why), 0) << why;
	EXPECT_STREQ(i.store_dev, "/dev/mapper/s");
	EXPECT_STREQ(i.snapshot, "n.+_-9");
	EXPECT_EQ(i.origin, name64);
}

namespace {

sd_message parsed(Words &words)
{
	sd_message m{};
	const char *why = "";

	EXPECT_EQ(sd_parse_message(words.argc(), words.argv(), &m, &why), 0) << why;
	return m;
}

} // namespace

TEST(Parse, TakesMessages)
{
	Words extend("extend /dev/a 8 16"), take("take s 60000 a b"), all("take s 1 *");
	Words shrink("shrink 8:3 8 16"), cancel("shrink 8:3 8 16 cancel");
	Words force("detach home force"), gone("delete s"), detach("detach home");

	sd_message m = parsed(extend);
	EXPECT_EQ(m.kind, SD_MSG_EXTEND);
	EXPECT_STREQ(m.range.dev, "/dev/a");
	EXPECT_EQ(m.range.start, 8u);
	EXPECT_EQ(m.range.len, 16u);
	EXPECT_EQ(m.range.group, 0u) << "no GROUP: 0";
	EXPECT_FALSE(m.range.last);
	for (Words *words : {&shrink, &cancel}) {
		m = parsed(*words);
		EXPECT_EQ(m.kind, SD_MSG_SHRINK);
		EXPECT_STREQ(m.range.dev, "8:3");
		EXPECT_EQ(m.range.start, 8u);
		EXPECT_EQ(m.range.len, 16u);
		EXPECT_EQ(m.cancel, words == &cancel);
	}
	m = parsed(take);
	EXPECT_EQ(m.kind, SD_MSG_TAKE);
	EXPECT_STREQ(m.name, "s");
	EXPECT_EQ(m.timeout_ms, 60000u);
	EXPECT_FALSE(m.all);
	ASSERT_EQ(m.origins, 2u);
	EXPECT_STREQ(m.origin_argv[1], "b");
	EXPECT_TRUE(parsed(all).all);
	EXPECT_EQ(parsed(gone).kind, SD_MSG_DELETE);
	EXPECT_TRUE(parsed(force).force);
	EXPECT_FALSE(parsed(detach).force);
	Words summary("summary"), why("why");
	EXPECT_EQ(parsed(summary).kind, SD_MSG_SUMMARY);
	EXPECT_EQ(parsed(why).kind, SD_MSG_WHY);
}

TEST(Parse, TakesAllKeysOfSet)
{
	const struct
	{
		const char *line;
		sd_key key;
		u64 value;
	} rows[] = {
		{"set low_water 18446744073709551615", SD_KEY_LOW_WATER, ~0ULL},
		{"set hold 0", SD_KEY_HOLD, 0},
		{"set stall 100", SD_KEY_STALL, 100},
		{"set buffer 16777216", SD_KEY_BUFFER, 16777216},
		{"set full drop-all", SD_KEY_FULL, 1},
		{"set full drop-oldest", SD_KEY_FULL, 0},
		{"set discard copy", SD_KEY_DISCARD, 1},
		{"set discard ignore", SD_KEY_DISCARD, 0},
	};

	for (const auto &row : rows) {
		Words words(row.line);
		sd_message m = parsed(words);

		EXPECT_EQ(m.kind, SD_MSG_SET);
		EXPECT_EQ(m.key, row.key) << row.line;
		EXPECT_EQ(m.value, row.value) << row.line;
	}
}

RC_GTEST_PROP(Parse, ANumberIsDigitsThatFit, ())
{
	auto word = *rc::gen::container<std::string>(rc::gen::weightedElement<char>(
		{{20, '1'}, {10, '9'}, {10, '0'}, {1, '-'}, {1, ' '}}));
	bool digits = !word.empty() && word.find_first_not_of("0123456789") == std::string::npos;
	std::string significant = word.substr(std::min(word.find_first_not_of('0'), word.size()));
	bool fits = significant.size() < 20 ||
		    (significant.size() == 20 && significant <= "18446744073709551615");
	u64 value = 0;
	int r = sd_parse_u64(word.c_str(), 0, ~0ULL, &value);

	RC_ASSERT(r == (digits && fits ? 0 : -EINVAL));
	if (!r)
		RC_ASSERT(value == std::stoull(word));
}

RC_GTEST_PROP(Parse, ANameIsOneToSixtyFourOfItsCharacters, ())
{
	const std::string set =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+:-";
	auto name = *rc::gen::oneOf(rc::gen::container<std::string>(rc::gen::elementOf(set)),
				    rc::gen::string<std::string>());
	name = name.c_str(); // up to a NUL

	RC_ASSERT(sd_name_ok(name.c_str()) ==
		  (!name.empty() && name.size() <= 64 && name[0] != '-' &&
		   name.find_first_not_of(set) == std::string::npos));
}

// Words that nearly make a line, in any order: no crash, and an answer or a reason.
RC_GTEST_PROP(Parse, AnswersOrGivesAReasonForAnyWords, ())
{
	static const std::vector<std::string> likely = {"extend",
							"take",
							"delete",
							"detach",
							"set",
							"summary",
							"why",
							"*",
							"0",
							"1",
							"2",
							"8",
							"128",
							"2048",
							"60000",
							"/dev/a",
							"8:0",
							"8:16",
							"a",
							"b",
							"ro",
							"force",
							"hold",
							"full",
							"drop-all",
							"full=drop-all",
							"discard=copy",
							"1,last",
							"",
							"-",
							"18446744073709551615"};
	Words words(*rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(likely)));
	const char *why = nullptr;
	sd_store_table s;
	sd_origin_table o;
	sd_image_table i;
	sd_range_words r;
	sd_message m;
	auto answers = [&why](int result) {
		RC_ASSERT(result == (why ? -EINVAL : 0));
		why = nullptr;
	};

	answers(sd_parse_store(words.argc(), words.argv(), &s, &why));
	answers(sd_parse_origin(words.argc(), words.argv(), &o, &why));
	answers(sd_parse_image(words.argc(), words.argv(), &i, &why));
	answers(sd_parse_range(words.argc(), words.argv(), &r, &why));
	answers(sd_parse_message(words.argc(), words.argv(), &m, &why));
}
