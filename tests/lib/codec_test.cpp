// SPDX-License-Identifier: GPL-2.0-or-later
//
// Codecs: status and table lines.  Good ones come back as they were; bad ones are
// refused with the name of the field.

#include "dm/names.h"
#include "dm/status.h"
#include "dm/table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>

using namespace snapdiff;
using namespace snapdiff::dm;

static const std::string goodSummary = "active 1000 300 600 100 200 ok 17 0 0 5";

static const std::string goodStatus =
	goodSummary + " 64 131072 40960 2 1 1"
		      " range 253:2 0 600 3 ok - 200 400 0"
		      " range 7:0 8 400 4,last failed moving 100 200 100"
		      " origin vg0-home 253:4 0 409600 watched 3 0 7 1"
		      " snapshot monday 1714555800 128 live - 1 8 90 1 vg0-home 409600";

TEST(Status, OfAStoreIsReadFieldByField)
{
	const Result<StoreStatus> status = parseStoreStatus(goodStatus);
	ASSERT_TRUE(status) << status.error().message();
	EXPECT_EQ(StoreMode::Active, status->summary.mode);
	EXPECT_EQ(600U, status->summary.free);
	ASSERT_EQ(2U, status->ranges.size());
	EXPECT_TRUE(status->ranges[1].group.last);
	EXPECT_EQ(RangeState::Failed, status->ranges[1].state);
	EXPECT_EQ(Shrink::None, status->ranges[0].shrink);
	EXPECT_EQ(Shrink::Moving, status->ranges[1].shrink);
	EXPECT_EQ(7U, status->origins.at(0).copiedChunks);
	EXPECT_EQ("vg0-home", status->snapshots.at(0).origins.at(0).name);
	EXPECT_EQ(goodStatus, format(*status));
}

TEST(Status, SaysWhichFieldIsBad)
{
	const std::pair<const char *, const char *> bad[] = {
		{"", "MODE: missing"},
		{"sleeping 1 1 0 0 0 ok 1 0 0 0", "MODE: \"sleeping\""},
		{"active", "CAPACITY: missing"},
		{"active -1 1 0 0 0 ok 1 0 0 0", "CAPACITY: \"-1\": not a number"},
		{"active 1 0x1 0 0 0 ok 1 0 0 0", "USED: \"0x1\""},
		{"active 2 1 0 0 0 ok 1 0 0 0", "CAPACITY: is not USED + FREE + UNUSABLE"},
		{"active 1 18446744073709551615 2 0 0 ok 1 0 0 0", "CAPACITY: is not"},
		{"active 1 1 0 0 0 high 1 0 0 0", "LEVEL: \"high\""},
		{"active 1 1 0 0 0 ok 1 0 0 0 0", "end of line"},
		{"active  1 1 0 0 0 ok 1 0 0 0", "CAPACITY: empty"},
		{"active 1 1 0 0 0 ok 1 0 0 0 ", "end of line"},
		{"active 1 1 0 0 0 ok 1 0 0 99999999999999999999", "HELD_TOTAL"},
	};
	for (const auto &[line, why] : bad) {
		const Result<Summary> summary = parseSummary(line);
		ASSERT_FALSE(summary) << line;
		EXPECT_NE(std::string::npos, summary.error().message().find(why))
			<< summary.error().message();
	}
}

TEST(Status, RefusesACountThatTheLineCannotHold)
{
	const Result<StoreStatus> status =
		parseStoreStatus(goodSummary + " 0 131072 0 18446744073709551615 0 0");
	ASSERT_FALSE(status);
	EXPECT_NE(std::string::npos, status.error().message().find("#RANGES"));
}

TEST(Status, RefusesEveryShortenedLine)
{
	// A number's last digit may go without harm to the grammar, a word's end not.
	for (size_t length = 0; length < goodStatus.size(); length++) {
		const Result<StoreStatus> status =
			parseStoreStatus(std::string_view(goodStatus).substr(0, length));
		if (status) {
			EXPECT_EQ(goodStatus.substr(0, length), format(*status));
		}
	}
}

TEST(Status, OfOriginsAndImages)
{
	EXPECT_EQ(OriginState::Detached, parseOriginLine("vg0-home detached")->state);
	EXPECT_FALSE(parseOriginLine("vg0-home gone"));
	EXPECT_FALSE(parseOriginLine("vg0-home"));
	EXPECT_EQ(Cause::OriginGone,
		  parseImageLine("s vg0-home invalid origin-gone ro 0 0")->cause);
	const std::string writable = "s vg0-home live - rw 16 98";
	EXPECT_EQ(Access::ReadWrite, parseImageLine(writable)->access);
	EXPECT_EQ(16U, parseImageLine(writable)->overlay);
	EXPECT_EQ(98U, parseImageLine(writable)->toCome);
	EXPECT_EQ(writable, format(*parseImageLine(writable)));
	EXPECT_FALSE(parseImageLine("s vg0-home invalid"));
	EXPECT_FALSE(parseImageLine("s vg0/home live - ro 0 0"));
	EXPECT_FALSE(parseImageLine("s vg0-home live - wo 0 0"));
}

static rc::Gen<std::string> nameGen()
{
	return rc::gen::resize(
		20, rc::gen::suchThat(rc::gen::container<std::string>(
					      rc::gen::elementOf(std::string("ABCabc019_.+:-"))),
				      [](const std::string &s) {
					      return !s.empty() && s[0] != '-' && s != "." &&
						     s != "..";
				      }));
}

static uint64_t anySectors()
{
	return *rc::gen::inRange<uint64_t>(0, uint64_t{1} << 60);
}

static StoreStatus anyStatus()
{
	StoreStatus s;
	s.summary.mode = *rc::gen::element(StoreMode::Active, StoreMode::Holding, StoreMode::Full,
					   StoreMode::Dying);
	s.summary.used = anySectors();
	s.summary.free = anySectors();
	s.summary.unusable = anySectors();
	s.summary.capacity = s.summary.used + s.summary.free + s.summary.unusable;
	s.summary.level = *rc::gen::element(Level::Ok, Level::Low);
	s.summary.seq = *rc::gen::arbitrary<uint64_t>();
	s.summary.heldTotal = *rc::gen::arbitrary<uint64_t>();
	for (int i = *rc::gen::inRange(0, 5); i > 0; i--)
		s.ranges.push_back(
			{{*rc::gen::arbitrary<uint32_t>(), *rc::gen::arbitrary<uint32_t>()},
			 anySectors(),
			 anySectors(),
			 {*rc::gen::arbitrary<uint32_t>(), *rc::gen::arbitrary<bool>()},
			 *rc::gen::element(RangeState::Ok, RangeState::Failed),
			 *rc::gen::element(Shrink::None, Shrink::Moving, Shrink::Cancelled,
					   Shrink::NoSpace),
			 anySectors(),
			 anySectors(),
			 anySectors()});
	for (int i = *rc::gen::inRange(0, 4); i > 0; i--)
		s.origins.push_back({*nameGen(),
				     {253, 1},
				     anySectors(),
				     anySectors(),
				     *rc::gen::element(OriginState::Watched, OriginState::Unwatched,
						       OriginState::Detached),
				     anySectors(),
				     0,
				     anySectors(),
				     anySectors()});
	for (int i = *rc::gen::inRange(0, 4); i > 0; i--) {
		SnapshotStatus n;
		n.name = *nameGen();
		n.state = *rc::gen::element(SnapshotState::Live, SnapshotState::Invalid);
		n.cause = *rc::gen::element(Cause::None, Cause::Overflow, Cause::OriginGone,
					    Cause::OriginForced, Cause::StoreWrite, Cause::NoMemory,
					    Cause::Stall, Cause::StoreGone);
		for (int j = *rc::gen::inRange(0, 3); j > 0; j--)
			n.origins.push_back({*nameGen(), anySectors()});
		s.snapshots.push_back(n);
	}
	return s;
}

RC_GTEST_PROP(StatusProperty, ComesBackAsItWas, ())
{
	const StoreStatus status = anyStatus();
	const Result<StoreStatus> back = parseStoreStatus(format(status));
	RC_ASSERT(back.has_value());
	RC_ASSERT(*back == status);
}

RC_GTEST_PROP(StatusProperty, AChangedLineIsRefusedOrStillTheSameText, ())
{
	std::string line = format(anyStatus());
	const auto at = *rc::gen::inRange<size_t>(0, line.size());
	line[at] = *rc::gen::arbitrary<char>();
	const Result<StoreStatus> back = parseStoreStatus(line);
	if (back)
		RC_ASSERT(format(*back) == line);
}

RC_GTEST_PROP(StatusProperty, AnyBytesAreSurvived, (const std::string &line))
{
	(void)parseStoreStatus(line).has_value();
	(void)parseSummary(line).has_value();
	(void)parseStoreTable(line).has_value();
	(void)parseOriginTable(line).has_value();
	(void)parseImageTable(line).has_value();
	(void)parseOriginLine(line).has_value();
	(void)parseImageLine(line).has_value();
}

TEST(Table, OfAStoreComesBackAsItWas)
{
	StoreTable table;
	table.chunk = 8;
	table.full = FullPolicy::DropAll;
	table.discard = DiscardPolicy::Copy;
	table.ranges = {{"253:2", 0, 600, {3, false}}, {"/dev/vdc", 8, 400, {4, true}}};
	const std::string line = "8 0 60000 30000 131072 2 full=drop-all discard=copy 2 "
				 "253:2 0 600 3 /dev/vdc 8 400 4,last";
	EXPECT_EQ(line, format(table));
	EXPECT_EQ(table, *parseStoreTable(line));
	EXPECT_EQ("128 0 60000 30000 131072 0 0", format(StoreTable()));
}

TEST(Table, OfAStoreIsRefusedWithTheField)
{
	const std::pair<const char *, const char *> bad[] = {
		{"7 0 0 100 2048 0 0", "CHUNK"},
		{"4096 0 0 100 2048 0 0", "CHUNK"},
		{"8 0 3600001 100 2048 0 0", "HOLD"},
		{"8 0 0 100 2048 1 full=never 0", "FEATURE"},
		{"8 0 0 100 2048 0 1 /dev/vdc 0", "LEN of a range"},
		{"8 0 0 100 2048 0 1 /dev/vdc 0 8 -", "GROUP"},
		{"8 0 0 100 2048 0 1 /dev/vdc 0 8 1,first", "GROUP"},
	};
	for (const auto &[line, field] : bad) {
		const Result<StoreTable> table = parseStoreTable(line);
		ASSERT_FALSE(table) << line;
		EXPECT_NE(std::string::npos, table.error().message().find(field))
			<< table.error().message();
	}
}

TEST(Table, OfOriginsAndImages)
{
	EXPECT_EQ("253:3 vg0-home 253:4 0", format(OriginTable{"253:3", "vg0-home", "253:4", 0}));
	EXPECT_EQ("vg0-home", parseOriginTable("253:3 vg0-home 253:4 0")->name);
	EXPECT_FALSE(parseOriginTable("253:3 -x 253:4 0"));
	EXPECT_EQ("253:3 monday vg0-home ro",
		  format(ImageTable{"253:3", "monday", "vg0-home", Access::ReadOnly}));
	EXPECT_EQ("monday", parseImageTable("253:3 monday vg0-home ro")->snapshot);
	EXPECT_EQ(Access::ReadWrite, parseImageTable("253:3 monday vg0-home rw")->access);
	EXPECT_EQ("253:3 monday vg0-home rw",
		  format(ImageTable{"253:3", "monday", "vg0-home", Access::ReadWrite}));
	EXPECT_FALSE(parseImageTable("253:3 monday vg0-home wo"));
}

TEST(Message, IsWrittenInTheGrammar)
{
	const std::vector<std::string> origins = {"a", "b"};
	EXPECT_EQ("extend 253:2 0 600 3", extendMessage({"253:2", 0, 600, {3, false}}));
	EXPECT_EQ("take s 2000 a b", takeMessage("s", 2000, origins));
	EXPECT_EQ("take s 2000 *", takeMessage("s", 2000, {}));
	EXPECT_EQ("detach a force", detachMessage("a", true));
	EXPECT_EQ("delete s", deleteMessage("s"));
	EXPECT_EQ("set hold 0", setMessage("hold", "0"));
}

TEST(DeviceNumber, IsStrict)
{
	EXPECT_EQ((DeviceNumber{253, 4}), DeviceNumber::parse("253:4"));
	for (const char *bad : {"", "253", "253:", ":4", "253:4 ", "253:-4", "4294967296:0"})
		EXPECT_FALSE(DeviceNumber::parse(bad)) << bad;
}

TEST(Names, NeverMeet)
{
	EXPECT_EQ("vg0-home@monday", imageName("vg0-home", "monday"));
	EXPECT_EQ("snapdiff-origin-vg0-home", underlyingName("vg0-home"));
	EXPECT_EQ("SNAPDIFF-STORE-s", storeUuid("s"));
	EXPECT_TRUE(checkStoreName("snapdiff-vg0"));
	EXPECT_FALSE(checkStoreName("snapdiff-origin-vg0"));
	EXPECT_FALSE(checkStoreName("a@b"));
	EXPECT_TRUE(checkImageName(std::string(60, 'o'), std::string(50, 's')));
	EXPECT_FALSE(checkImageName(std::string(64, 'o'), std::string(64, 's')));
	EXPECT_EQ("my--vg-my--lv", lvDmName("my-vg", "my-lv"));
}
