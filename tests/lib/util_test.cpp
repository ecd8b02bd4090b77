// SPDX-License-Identifier: GPL-2.0-or-later
//
// Units, texts and errors.

#include "util/clock.h"
#include "util/error.h"
#include "util/text.h"
#include "util/units.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

using namespace snapdiff;

TEST(Size, IsReadAsPeopleWriteIt)
{
	const std::pair<const char *, uint64_t> good[] = {
		{"0", 0},
		{"512", 512},
		{"1s", 512},
		{"7b", 7},
		{"1K", 1024},
		{"1k", 1024},
		{"64KiB", 65536},
		{"1G", 1073741824},
		{"1.5G", 1610612736},
		{"0.5m", 524288},
		{"007M", 7340032},
		{"16E", 0}, // refused below; here to show where the end is
	};
	for (const auto &[text, bytes] : good) {
		const Result<uint64_t> size = parseSize(text);
		if (std::string(text) == "16E") {
			ASSERT_FALSE(size);
			EXPECT_EQ(ERANGE, size.error().errnum());
			continue;
		}
		ASSERT_TRUE(size) << text;
		EXPECT_EQ(bytes, *size) << text;
	}
}

TEST(Size, IsRefusedWhenItIsNone)
{
	for (const char *text : {"", "G", "-1", "+1", "1X", "1.G", ".5G", "1 G", " 1", "1e3",
				 "0x10", "1.5", "1.5b", "1GiBx", "1bb", "\xff"}) {
		const Result<uint64_t> size = parseSize(text);
		ASSERT_FALSE(size) << text;
		EXPECT_EQ(EINVAL, size.error().errnum()) << text;
	}
}

TEST(Size, IsWrittenForPeople)
{
	EXPECT_EQ("0 B", formatSize(0));
	EXPECT_EQ("1023 B", formatSize(1023));
	EXPECT_EQ("1.00 KiB", formatSize(1024));
	EXPECT_EQ("1.00 MiB", formatSize((1 << 20) - 1));
	EXPECT_EQ("16.00 EiB", formatSize(UINT64_MAX));
	EXPECT_EQ("1.50", formatSize(1610612736, UnitChoice::Gib));
	EXPECT_EQ("3", formatSize(1025, UnitChoice::Sectors));
}

TEST(Sectors, DoNotWrapAround)
{
	EXPECT_EQ(UINT64_MAX, bytesOf(UINT64_MAX));
	EXPECT_EQ(1U, sectorsOf(1));
	EXPECT_EQ(UINT64_MAX / 512 + 1, sectorsOf(UINT64_MAX));
}

TEST(Duration, HasTwoPartsAtMost)
{
	EXPECT_EQ("0 s", formatDuration(0));
	EXPECT_EQ("less than 1 s", formatDuration(999));
	EXPECT_EQ("40 s", formatDuration(40'000));
	EXPECT_EQ("2 min 5 s", formatDuration(125'000));
	EXPECT_EQ("12 min", formatDuration(725'000));
	EXPECT_EQ("2 h 5 min", formatDuration(7'500'000));
	EXPECT_EQ("1 day 1 h", formatDuration(90'000'000));
	EXPECT_EQ("30 days", formatDuration(30ULL * 86'400'000));
}

TEST(Name, HasItsRule)
{
	for (const char *good : {"a", "vg0-home", "A.b_c+d:e-9", "9", "...", ".a"})
		EXPECT_TRUE(isName(good)) << good;
	EXPECT_TRUE(isName(std::string(64, 'x')));
	for (const char *bad : {"", ".", "..", "-a", "a b", "a/b", "a@b", "\xc3\xa4", "a\n"})
		EXPECT_FALSE(isName(bad)) << bad;
	EXPECT_FALSE(isName(std::string(65, 'x')));
}

TEST(Number, IsStrict)
{
	EXPECT_EQ(UINT64_MAX, parseNumber("18446744073709551615"));
	for (const char *bad : {"", "-1", "+1", " 1", "1 ", "01", "1x", "18446744073709551616"})
		EXPECT_FALSE(parseNumber(bad)) << bad;
}

TEST(Printable, KeepsTextAndReplacesControls)
{
	EXPECT_EQ("M\xc3\xa4rz ?[31m?", printable("M\xc3\xa4rz \x1b[31m\xff"));
	EXPECT_EQ("??", printable("\xc2\x85").substr(0, 2));
}

TEST(Error, IsWidenedOnTheWayUp)
{
	const Error error =
		Error(ENOSPC, "reload table").within("extend vg0/home").advise("Do this.");
	EXPECT_EQ("extend vg0/home: reload table: No space left on device", error.message());
	EXPECT_EQ("Do this.", error.next());
	EXPECT_EQ(ErrorKind::NoSpace, error.kind());
	EXPECT_EQ("Do this.", Error(error).advise("No, that.").next());
}

TEST(Clock, WritesTimesInUtc)
{
	EXPECT_EQ("2024-05-01T09:30:00Z", formatUtc(1714555800));
	EXPECT_EQ("20240501T093000Z", formatStamp(1714555800));
	EXPECT_TRUE(isName(formatStamp(1714555800)));
}
