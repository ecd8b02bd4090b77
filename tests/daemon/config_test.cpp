// SPDX-License-Identifier: GPL-2.0-or-later
//
// Configuration: what is read, and what is said about what is wrong, with its line.

#include "config.h"

#include <gtest/gtest.h>

namespace snapdiff::daemon {
namespace {

TEST(Configuration, AnEmptyFileMeansTheDefaults)
{
	const auto config = parseConfig("", "f");
	ASSERT_TRUE(config);
	EXPECT_EQ(*config, Config());
	EXPECT_FALSE(config->supplies);
}

TEST(Configuration, EveryKeyIsTaken)
{
	const auto config = parseConfig(R"(
supplies = ["vg0", "vg-1", "/dev/sdc"]
policy = "spread"
range_size = "48MiB"
min_range_size = 8388608
reserve_ranges = 6
reserve_max_ranges = 9
leave_free = "1GiB"
low_water = "16MiB"
max_size = "10GiB"
bus = "unix:path=/run/x"
lvm_timeout = 5
return_after = 7
range_max_size = "1GiB"
range_seconds = 20
give_back_after = 90
min_size = "32MiB"
[store.backup]
low_water = "64MiB"
min_size = 0
[store."a.b"]
max_size = "1GiB"
supplies = ["/dev/disk/by-id/x-part2", "vg0"]
reserve_ranges = 2
[supply.vg0]
leave_free = "10GiB"
)",
					"f");
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(*config->supplies, (std::vector<std::string>{"vg0", "vg-1", "/dev/sdc"}));
	EXPECT_EQ(config->policy, Policy::Spread);
	EXPECT_EQ(config->rangeSize, 98304U);
	EXPECT_EQ(config->minRangeSize, 16384U);
	EXPECT_EQ(config->reserveRanges, 6U);
	EXPECT_EQ(config->reserveMaxRanges, 9U);
	EXPECT_EQ(config->leaveFree, 2097152U);
	EXPECT_EQ(config->bus, "unix:path=/run/x");
	EXPECT_EQ(config->lvmTimeoutMs, 5000U);
	EXPECT_EQ(config->returnAfterMs, 7000U);
	EXPECT_EQ(config->rangeMaxSize, 2097152U);
	EXPECT_EQ(config->rangeSeconds, 20U);
	EXPECT_EQ(config->giveBackAfterMs, 90000U);
	EXPECT_EQ(config->minSizeOf("backup"), 0U);
	EXPECT_EQ(config->minSizeOf("other"), 65536U);
	EXPECT_EQ(config->lowWaterOf("backup"), 131072U);
	EXPECT_EQ(config->lowWaterOf("other"), 32768U);
	EXPECT_EQ(config->maxSizeOf("a.b"), 2097152U);
	EXPECT_EQ(config->maxSizeOf("backup"), 20971520U);
	ASSERT_TRUE(config->ownSuppliesOf("a.b"));
	EXPECT_EQ(*config->ownSuppliesOf("a.b"),
		  (std::vector<std::string>{"/dev/disk/by-id/x-part2", "vg0"}));
	EXPECT_FALSE(config->ownSuppliesOf("backup"));
	EXPECT_EQ(config->reserveRangesOf("a.b"), 2U);
	EXPECT_EQ(config->reserveRangesOf("backup"), 6U);
	EXPECT_EQ(config->leaveFreeOf("vg0"), 20971520U);
	EXPECT_EQ(config->leaveFreeOf("vg-1"), 2097152U);
}

TEST(Configuration, CharactersThatAreNotAsciiMayStandInCommentsOnly)
{
	const auto config = parseConfig("# gr\u00f6\u00dfe\nreserve_ranges = 5 # \ufe7f\n", "f");
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(config->reserveRanges, 5U);
	EXPECT_TRUE(parseConfig("\ufeffreserve_ranges = 5", "f"));
	// this one would have toml++ do something undefined
	for (const char *text : {"\nbus \ufe7f = \"session\"", "\nbus = \"\u00f6\""}) {
		const auto bad = parseConfig(text, "f");
		ASSERT_FALSE(bad);
		EXPECT_EQ(bad.error().message(), "f:2: a character that is not ASCII");
	}
}

TEST(Configuration, ControlCharactersAreRefusedButEndsOfLinesOfOtherSystemsAreNot)
{
	const auto config = parseConfig("[store.a]\r\n\treserve_ranges = 5\t# five\r\n", "f");
	ASSERT_TRUE(config) << config.error().message();
	EXPECT_EQ(config->reserveRangesOf("a"), 5U);
	for (const char *text :
	     {"\n[  \r  h]", "\nbus = \"a\rb\"", "\nbus = 1\r", "\n# \x7f", "\n\x01"}) {
		const auto bad = parseConfig(text, "f");
		ASSERT_FALSE(bad);
		EXPECT_EQ(bad.error().message(), "f:2: a control character");
	}
}

TEST(Configuration, WhatItsParserWasNotMadeForIsAnErrorToo)
{
	const auto bad = parseConfig("r=700p-[(-[Q 0]", "f");
	ASSERT_FALSE(bad);
	EXPECT_TRUE(bad.error().message().starts_with("f")) << bad.error().message();
}

TEST(Configuration, AHeaderWithoutANameIsRefusedBeforeTheParserSeesIt)
{
	for (const char *text : {"\n[[[x]]]", "\n [.a]", "\n[", "\n[[\n", "\n[=1]", "\n[ # a"}) {
		const auto bad = parseConfig(text, "f");
		ASSERT_FALSE(bad) << text;
		EXPECT_EQ(bad.error().message(), "f:2: the name of a table is missing") << text;
	}
	EXPECT_TRUE(parseConfig("[store.a]\n[store.\"b\"]\n [ store . c ]", "f"));
}

TEST(Configuration, AnEmptyListOfSuppliesIsNotTheSameAsNone)
{
	const auto config = parseConfig("supplies = []", "f");
	ASSERT_TRUE(config);
	ASSERT_TRUE(config->supplies);
	EXPECT_TRUE(config->supplies->empty());
}

TEST(Configuration, LimitsFollowTheOneThatWasGiven)
{
	const auto more = parseConfig("reserve_ranges = 20", "f");
	ASSERT_TRUE(more);
	EXPECT_EQ(more->reserveMaxRanges, 40U);
	const auto small = parseConfig("range_size = \"2MiB\"", "f");
	ASSERT_TRUE(small);
	EXPECT_EQ(small->minRangeSize, small->rangeSize);
	EXPECT_EQ(small->rangeMaxSize, 16 * small->rangeSize);
}

struct Bad
{
	const char *text;
	const char *where;
	const char *what;
};

class BadConfiguration : public testing::TestWithParam<Bad>
{
};

TEST_P(BadConfiguration, IsRefusedWithLineAndReason)
{
	const auto config = parseConfig(GetParam().text, "f");
	ASSERT_FALSE(config);
	const std::string message = config.error().message();
	EXPECT_EQ(message.substr(0, message.find(": ")), GetParam().where) << message;
	EXPECT_NE(message.find(GetParam().what), message.npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
	All, BadConfiguration,
	testing::Values(Bad{"supplies = [", "f:1", ""},
			Bad{"\n\nsupplys = []", "f:3", "no key \"supplys\""},
			Bad{"supplies = \"vg0\"", "f:1", "must be a list"},
			Bad{"supplies = [\"a b\"]", "f:1", "no name of a volume group"},
			Bad{"supplies = [3]", "f:1", "no name of a volume group"},
			Bad{"supplies = [\"/srv/file\"]", "f:1", "no path of a device"},
			Bad{"supplies = [\"/dev/x/../../srv\"]", "f:1", "no path of a device"},
			Bad{"\nstore.a.supplies = [\"/dev/\"]", "f:2", "no path of a device"},
			Bad{"supply = [\"vg0\"]", "f:1", "called supplies"},
			Bad{"[supply.\"/dev/sdc\"]\nleave_free = 0", "f:1", "used whole"},
			Bad{"[supply.vg0]\nfree = 0", "f:2", "supply.vg0.free"},
			Bad{"supplies = [\"vg1\"]\n[supply.vg0]\nleave_free = 0", "f:2",
			    "in no list of supplies"},
			Bad{"bus = \"}\" # [}\nsupplies = [\"vg0\",\n}", "f:3",
			    "where a value is missing"},
			Bad{"supplies = [\"a\", \"a\"]", "f:1", "names a twice"},
			Bad{"policy = \"best\"", "f:1", "\"in-order\" or \"spread\""},
			Bad{"range_size = \"big\"", "f:1", "is no size"},
			Bad{"range_size = -1", "f:1", "must not be negative"},
			Bad{"range_size = 1.5", "f:1", "must be a size"},
			Bad{"range_size = 1000001", "f:1", "multiple of 512"},
			Bad{"range_size = \"4KiB\"", "f:1", "at least 1.00 MiB"},
			Bad{"range_size = \"8MiB\"\nmin_range_size = \"16MiB\"", "f:2",
			    "larger than range_size"},
			Bad{"range_size = \"8MiB\"\nrange_max_size = \"4MiB\"", "f:2",
			    "larger than range_max_size"},
			Bad{"range_seconds = 0", "f:1", "1 to 600"},
			Bad{"give_back_after = 0", "f:1", "1 to 604800"},
			Bad{"reserve_ranges = 0", "f:1", "1 to 64"},
			Bad{"reserve_ranges = 65", "f:1", "1 to 64"},
			Bad{"reserve_ranges = \"4\"", "f:1", "whole number"},
			Bad{"reserve_ranges = 9\nreserve_max_ranges = 8", "f:2", "larger than"},
			Bad{"low_water = 0", "f:1", "at least"},
			Bad{"bus = \"moon\"", "f:1", "D-Bus address"},
			Bad{"lvm_timeout = 0", "f:1", "1 to 3600"},
			Bad{"store = 3", "f:1", "[store.NAME]"},
			Bad{"[store.\"-x\"]", "f:1", "no name of a store"},
			Bad{"[store.a]\nhold = 3", "f:2", "store.a.hold"}));

TEST(Configuration, AMissingFileIsAnErrorOnlyIfItWasAskedFor)
{
	EXPECT_TRUE(readConfig("/nonexistent/x.toml", false));
	EXPECT_FALSE(readConfig("/nonexistent/x.toml", true));
}

} // namespace
} // namespace snapdiff::daemon
