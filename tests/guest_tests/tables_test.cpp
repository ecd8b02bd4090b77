// SPDX-License-Identifier: GPL-2.0-or-later
// Malformed tables and messages: each is refused with a reason of its own and changes nothing.
// Good ones are accepted, and a table that is read and loaded again changes nothing either.

#include "support/shadow.h"
#include "support/stack.h"
#include "support/world.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>
#include <optional>
#include <regex>
#include <set>
#include <vector>

using namespace snapdiff::lab;
using namespace std::string_literals;
using testing::HasSubstr;

namespace {

constexpr uint64_t sectors = 4096;

struct Bad
{
	std::string text;
	int error;
	std::string reason;
};

std::string escaped(const std::string &text)
{
	static const std::regex special(R"([.*+?^${}()|\[\]\\])");
	return std::regex_replace(text, special, R"(\$&)");
}

class Tables : public testing::Test
{
protected:
	Tables()
		: store_({.chunk = 32, .lowWater = 100},
			 {rangeWords(rangeDisk_, 0, 1000), rangeWords(rangeDisk_, 1000, 333, "1")}),
		  origin_(store_, "a", below_)
	{
		store_.take("s1");
		image_.emplace(store_, "s1", origin_);
	}

	std::vector<const DmDevice *> devices() const
	{
		return {&store_.device(),     &origin_.device(), &image_->device(),
			&rangeDisk_.device(), &below_.device(),	 &spare_.device()};
	}
	std::string world() const { return worldOf(devices()); }
	std::string settledWorld() const { return settledWorldOf(devices()); }

	void refuseMessages(const std::vector<Bad> &messages)
	{
		ExpectKernelLog log(refusedMessage);
		const std::string before = settledWorld();
		for (const Bad &bad : messages) {
			const DmAnswer answer = store_.send(bad.text);
			EXPECT_EQ(answer.error, bad.error) << bad.text;
			EXPECT_THAT(store_.why(), HasSubstr(bad.reason)) << bad.text;
			ASSERT_EQ(world(), before) << bad.text;
			reasons_.insert(store_.why());
		}
		EXPECT_EQ(log.count(), static_cast<int>(messages.size()));
		ASSERT_EQ(settledWorld(), before);
	}

	void refuseTables(const std::vector<Bad> &tables)
	{
		ExpectKernelLog core("device-mapper: ioctl: error adding target to table");
		const std::string before = settledWorld();
		for (const Bad &bad : tables) {
			ExpectKernelLog log("device-mapper: table: .*" + escaped(bad.reason));
			EXPECT_EQ(DmDevice::tryCreate(bad.text), bad.error) << bad.text;
			EXPECT_EQ(log.count(), 1) << bad.text << ": no line says: " << bad.reason;
			ASSERT_EQ(world(), before) << bad.text;
			reasons_.insert(bad.reason);
		}
		ASSERT_EQ(settledWorld(), before);
	}

	// A store's table with one word changed; words as in "8 0 60000 30000 131072 0 0".
	static std::string storeWith(const std::string &words)
	{
		return "0 1 snapdiff-store " + words;
	}
	std::string originWith(const std::string &words) const
	{
		return "0 " + std::to_string(spare_.sectors()) + " snapdiff-origin " + words;
	}
	static std::string imageWith(const std::string &words)
	{
		return "0 " + std::to_string(sectors) + " snapdiff " + words;
	}

	void expectDistinct(size_t least)
	{
		EXPECT_GE(reasons_.size(), least);
		std::cout << reasons_.size() << " distinct reasons" << std::endl;
	}

	Disk rangeDisk_{0, 4000};
	Disk below_{1, sectors};
	Disk spare_{2, 4000};
	Disk more_{3, 16384};
	Store store_;
	Origin origin_;
	std::optional<Image> image_;
	std::set<std::string> reasons_;
};

} // namespace

TEST_F(Tables, BadExtendIsRefusedWithItsReasonAndChangesNothing)
{
	const std::string d = spare_.number();
	const std::string used = rangeDisk_.number();
	refuseMessages({
		{"hello", EINVAL, "unknown message"},
		{"extend", EINVAL, "extend wants at least three words"},
		{"extend " + d + " 0", EINVAL, "extend wants at least three words"},
		{"extend " + d + " 0 64 0 7", EINVAL, "extend wants at most four words"},
		{"extend disk 0 64", EINVAL, "DEV of the range is neither a path nor"},
		{"extend /dev/nothing-here 0 64", ENOENT, "device of the range cannot be opened"},
		{"extend 77:77 0 64", ENOENT, "device of the range cannot be opened"},
		{"extend " + d + " x 64", EINVAL, "START of the range is not a number"},
		{"extend " + d + " -1 64", EINVAL, "START of the range is not a number"},
		{"extend " + d + " 18446744073709551616 64", EINVAL,
		 "START of the range does not fit"},
		{"extend " + d + " 0 0x40", EINVAL, "LEN of the range is not a number"},
		{"extend " + d + " 0 0", EINVAL, "LEN of the range is 0"},
		{"extend " + d + " 0 99999999999999999999", EINVAL,
		 "LEN of the range does not fit"},
		{"extend " + d + " 18446744073709551615 64", EINVAL, "together do not fit 64 bits"},
		{"extend " + d + " 0 64 one", EINVAL, "GROUP of the range does not begin"},
		{"extend " + d + " 0 64 4294967296", EINVAL, "GROUP of the range is more than"},
		{"extend " + d + " 0 64 1,first", EINVAL, "something other than \"last\""},
		{"extend " + d + " 0 31", EINVAL, "shorter than one chunk"},
		{"extend " + d + " 0 4001", EINVAL, "ends behind the end of its device"},
		{"extend " + d + " 4000 64", EINVAL, "ends behind the end of its device"},
		{"extend " + used + " 0 999 0", EEXIST, "shares sectors with a range"},
		{"extend " + used + " 1332 64 0", EEXIST, "shares sectors with a range"},
		{"extend " + used + " 0 1000 7", EEXIST, "shares sectors with a range"},
		{"extend " + below_.number() + " 4000 96", EEXIST, "shares sectors with an origin"},
		{"extend " + origin_.device().number() + " 0 64", EINVAL,
		 "a store, origin or image of snapdiff itself"},
		{"extend " + store_.number() + " 0 1", EINVAL,
		 "a store, origin or image of snapdiff itself"},
		{"extend " + image_->device().number() + " 0 64", EINVAL,
		 "a store, origin or image of snapdiff itself"},
	});
	expectDistinct(17);
}

TEST_F(Tables, OtherBadMessagesAreRefusedWithTheirReasonsAndChangeNothing)
{
	const std::string longName(65, 'n');
	refuseMessages({
		{"take", EINVAL, "take wants SNAPSHOT TIMEOUT ORIGIN"},
		{"take s2 1000", EINVAL, "take names no origin"},
		{"take -s2 1000 a", EINVAL, "snapshot's name begins with '-'"},
		{"take .. 1000 a", EINVAL, "snapshot's name is '.' or '..'"},
		{"take s/2 1000 a", EINVAL, "snapshot's name has a character other"},
		{"take " + longName + " 1000 a", EINVAL, "snapshot's name has more than 64"},
		{"take s2 soon a", EINVAL, "TIMEOUT is not a number"},
		{"take s2 0 a", EINVAL, "TIMEOUT is 0"},
		{"take s2 60001 a", EINVAL, "TIMEOUT is more than 60000"},
		{"take s2 1000 a a", EINVAL, "names an origin twice"},
		{"take s2 1000 a *", EINVAL, "besides \"*\""},
		{"take s2 1000 -a", EINVAL, "origin's name begins with '-'"},
		{"take s2 1000 .", EINVAL, "origin's name is '.' or '..'"},
		{"take s2 1000 a,b", EINVAL, "origin's name has a character other"},
		{"take s2 1000 " + longName, EINVAL, "origin's name has more than 64"},
		{"take s1 1000 a", EEXIST, "has a snapshot of this name"},
		{"take s2 1000 nobody", ENOENT, "no origin of a name in the take"},
		{"take s2 1000 a nobody", ENOENT, "no origin of a name in the take"},
		{"delete", EINVAL, "delete wants one word"},
		{"delete s1 s2", EINVAL, "delete wants one word"},
		{"delete s2", ENOENT, "no snapshot of this name"},
		{"delete s1", EBUSY, "image devices of the snapshot exist"},
		{"detach", EINVAL, "detach wants one or two words"},
		{"detach a now", EINVAL, "is not force"},
		{"detach nobody", ENOENT, "no origin of this name"},
		{"detach a", EBUSY, "live snapshots contain the origin"},
		{"set low_water", EINVAL, "set wants two words"},
		{"set colour red", EINVAL, "KEY is none of"},
		{"set low_water much", EINVAL, "LOW_WATER is not a number"},
		{"set low_water 18446744073709551616", EINVAL, "LOW_WATER does not fit"},
		{"set hold 1s", EINVAL, "HOLD is not a number"},
		{"set hold 3600001", EINVAL, "HOLD is more than"},
		{"set stall no", EINVAL, "STALL is not a number"},
		{"set stall 99", EINVAL, "STALL is less than"},
		{"set stall 3600001", EINVAL, "STALL is more than"},
		{"set buffer big", EINVAL, "BUFFER is not a number"},
		{"set buffer 2047", EINVAL, "BUFFER is less than"},
		{"set buffer 16777217", EINVAL, "BUFFER is more than"},
		{"set full drop-newest", EINVAL, "full is neither"},
		{"set discard maybe", EINVAL, "discard is neither"},
		{"summary please", EINVAL, "summary wants no further word"},
		{"why not", EINVAL, "why wants no further word"},
	});
	expectDistinct(37);
}

TEST_F(Tables, BadStoreTablesAreRefusedWithTheirReasonsAndChangeNothing)
{
	const std::string d = spare_.number();
	const std::string ok = "8 0 60000 30000 131072 ";
	refuseTables({
		{storeWith("8 0 60000 30000"), EINVAL, "fewer words than CHUNK LOW_WATER"},
		{storeWith("four 0 60000 30000 131072 0 0"), EINVAL, "CHUNK is not a number"},
		{storeWith("4 0 60000 30000 131072 0 0"), EINVAL, "CHUNK is less than 8"},
		{storeWith("4096 0 60000 30000 131072 0 0"), EINVAL, "CHUNK is more than 2048"},
		{storeWith("24 0 60000 30000 131072 0 0"), EINVAL, "CHUNK is not a power of two"},
		{storeWith("8 -1 60000 30000 131072 0 0"), EINVAL, "LOW_WATER is not a number"},
		{storeWith("8 0 never 30000 131072 0 0"), EINVAL, "HOLD is not a number"},
		{storeWith("8 0 3600001 30000 131072 0 0"), EINVAL, "HOLD is more than"},
		{storeWith("8 0 60000 0 131072 0 0"), EINVAL, "STALL is less than 100"},
		{storeWith("8 0 60000 30000 0 0 0"), EINVAL, "BUFFER is less than 2048"},
		{storeWith("8 0 60000 30000 131072"), EINVAL, "#FEATURES is missing"},
		{storeWith(ok + "x 0"), EINVAL, "#FEATURES is not a number"},
		{storeWith(ok + "3 a b c 0"), EINVAL, "#FEATURES is more than there are"},
		{storeWith(ok + "2 full=drop-all"), EINVAL, "fewer FEATURE words"},
		{storeWith(ok + "1 fast 0"), EINVAL, "unknown FEATURE"},
		{storeWith(ok + "1 full=never 0"), EINVAL, "full is neither"},
		{storeWith(ok + "1 discard=all 0"), EINVAL, "discard is neither"},
		{storeWith(ok + "2 full=drop-all full=drop-all 0"), EINVAL, "full stands twice"},
		{storeWith(ok + "2 discard=copy discard=ignore 0"), EINVAL, "discard stands twice"},
		{storeWith(ok + "0"), EINVAL, "#RANGES is missing"},
		{storeWith(ok + "0 some"), EINVAL, "#RANGES is not a number"},
		{storeWith(ok + "0 4097"), EINVAL, "#RANGES is more than 4096"},
		{storeWith(ok + "0 1 " + d + " 0 64"), EINVAL, "fewer words for ranges"},
		{storeWith(ok + "0 0 " + d + " 0 64 0"), EINVAL, "more words behind the ranges"},
		{storeWith(ok + "0 2 " + d + " 0 64 0 " + d + " 0 64 0"), EINVAL, "stands twice"},
		{storeWith(ok + "0 2 " + d + " 0 64 0 " + d + " 63 64 0"), EEXIST,
		 "shares sectors with a range"},
		{storeWith(ok + "0 1 " + rangeDisk_.number() + " 900 200 0"), EEXIST,
		 "shares sectors with a range"},
		{storeWith(ok + "0 1 " + below_.number() + " 0 64 0"), EEXIST,
		 "shares sectors with an origin"},
		{"0 2 snapdiff-store " + ok + "0 0", EINVAL, "the only line of its table"},
	});
	expectDistinct(26);
}

TEST_F(Tables, BadOriginAndImageTablesAreRefusedWithTheirReasonsAndChangeNothing)
{
	const std::string s = store_.number();
	const std::string d = spare_.number();
	refuseTables({
		{originWith(s + " b " + d), EINVAL, "origin's table does not have four words"},
		{originWith("store b " + d + " 0"), EINVAL, "STORE_DEV is neither a path"},
		{originWith(s + " -b " + d + " 0"), EINVAL, "origin's name begins with '-'"},
		{originWith(s + " b disk 0"), EINVAL, "DEV of the origin is neither a path"},
		{originWith(s + " b " + d + " 0,5"), EINVAL, "START of the origin is not a number"},
		{originWith(s + " b " + d + " 8"), EINVAL, "beyond the end of the device below"},
		{originWith(d + " b " + d + " 0"), ENOENT, "no snapdiff-store with a live table"},
		{originWith(s + " a " + d + " 0"), EEXIST, "an origin of this name on another"},
		{"0 96 snapdiff-origin " + s + " b " + below_.number() + " 4000", EEXIST,
		 "the origin shares sectors with another origin"},
		{"0 64 snapdiff-origin " + s + " b " + rangeDisk_.number() + " 990", EEXIST,
		 "the origin shares sectors with a range"},
		{imageWith(s + " s1 a"), EINVAL, "image's table does not have four words"},
		{imageWith(s + " s1 a wo"), EINVAL, "neither ro nor rw"},
		{imageWith(s + " s1 a r"), EINVAL,
		 "last word of the image's table is neither ro nor rw"},
		{imageWith(s + " s! a ro"), EINVAL, "snapshot's name has a character other"},
		{imageWith(d + " s1 a ro"), ENOENT, "the device is no snapdiff-store"},
		{imageWith(s + " s2 a ro"), ENOENT, "no snapshot of this name"},
		{imageWith(s + " s1 b ro"), EINVAL, "does not contain an origin of this name"},
		{"0 4095 snapdiff " + s + " s1 a ro", EINVAL, "as long as its origin was"},
	});
	expectDistinct(18);
}

TEST_F(Tables, BadReloadsAreRefusedAndChangeNothing)
{
	ExpectKernelLog core("device-mapper: ioctl: error adding target to table");
	ExpectKernelLog log("device-mapper: table: .*snapdiff", Appearance::Must);
	const std::string before = settledWorld();
	EXPECT_EQ(store_.device().load(storeWith("64 100 60000 30000 131072 0 0")), EINVAL);
	EXPECT_EQ(store_.device().load(storeWith("32 100 60000 30000 131072 0 1 " +
						 spare_.number() + " 0 64 0")),
		  EINVAL)
		<< "a range that the store does not have";
	EXPECT_EQ(origin_.device().load("0 4000 snapdiff-origin " + store_.number() + " a " +
					below_.number() + " 0"),
		  EBUSY)
		<< "smaller, with a snapshot";
	EXPECT_EQ(world(), before);
}

TEST_F(Tables, GoodTablesAreAccepted)
{
	const std::string d = spare_.number();
	for (const std::string &words : {
		     "8 0 0 100 2048 0 0"s,
		     "2048 18446744073709551615 3600000 3600000 16777216 0 0"s,
		     "8 0 60000 30000 131072 1 full=drop-all 0"s,
		     "8 0 60000 30000 131072 2 discard=copy full=drop-oldest 1 " + d + " 0 8 0",
		     "16 0 60000 30000 131072 0 2 " + d + " 1 77 4294967295,last " + d + " 78 16 0",
		     "8 0 60000 30000 131072 0 1 " + spare_.path() + " 0 4000 0",
	     }) {
		EXPECT_EQ(DmDevice::tryCreate(storeWith(words)), 0) << words;
	}
}

TEST_F(Tables, TableThatIsReadAndLoadedAgainChangesNothing)
{
	store_.extend(rangeWords(more_, 7, 16001, "3,last"));
	store_.demand("set low_water 77");
	store_.demand("set hold 1234");
	store_.demand("set stall 4321");
	store_.demand("set buffer 4096");
	store_.demand("set full drop-all");
	store_.demand("set discard copy");
	Volume data(origin_.path(), sectors, 1);
	store_.take("s2");
	data.fork("s2");
	ASSERT_EQ(data.write(100, 200), 0);
	const Image second(store_, "s2", origin_);
	ASSERT_THAT(store_.device().table(),
		    HasSubstr("32 77 1234 4321 4096 2 full=drop-all discard=copy 3 "));
	const std::vector<const DmDevice *> devices = {&store_.device(), &origin_.device(),
						       &second.device()};
	for (const DmDevice *device : devices) {
		const std::string table = device->table();
		const StoreStatus before = store_.checked();
		ASSERT_EQ(device->load(table), 0) << table;
		EXPECT_EQ(device->table(), table);
		ASSERT_EQ(device->resume(), 0);
		EXPECT_EQ(device->table(), table);
		const StoreStatus after = store_.checked();
		EXPECT_EQ(after.summary.capacity, before.summary.capacity);
		EXPECT_EQ(after.summary.used, before.summary.used);
		EXPECT_EQ(after.ranges.size(), before.ranges.size());
		EXPECT_EQ(after.origin("a").copiedChunks, before.origin("a").copiedChunks);
		EXPECT_EQ(after.origin("a").unsafeChunks, before.origin("a").unsafeChunks);
		EXPECT_TRUE(after.snapshot("s1").live() && after.snapshot("s2").live());
		EXPECT_TRUE(deviceHolds(second.path(), data.at("s2")));
	}
	ASSERT_EQ(data.write(0, sectors), 0);
	EXPECT_TRUE(deviceHolds(second.path(), data.at("s2")));
	EXPECT_TRUE(data.isIntact());
}

TEST_F(Tables, TableWrittenBeforeAnExtendDoesNotLoseTheRange)
{
	const std::string old = store_.device().table();
	ASSERT_EQ(store_.device().load(old), 0);
	store_.extend(rangeWords(spare_, 0, 1000));
	ASSERT_EQ(store_.device().resume(), 0);
	EXPECT_EQ(store_.checked().ranges.size(), 3u);
	EXPECT_THAT(worldOf({&store_.device()}),
		    HasSubstr(" dm-" + std::to_string(spare_.device().info().minor)));
	EXPECT_EQ(spare_.device().info().openCount, 1);
	EXPECT_NE(store_.device().table(), old);
}

TEST_F(Tables, StoreDeviceReadsAsZeroesAndRefusesWrites)
{
	const BlockDevice device(store_.device().path());
	Buffer read(1, 0xa5);

	ASSERT_EQ(device.sectors(), 1u);
	ASSERT_EQ(device.read(0, read), 0);
	EXPECT_EQ(read, Buffer(1));
	EXPECT_EQ(device.write(0, Buffer(1, 0x5a)), EIO);
	EXPECT_NE(device.discard(0, 1), 0);
	ASSERT_EQ(device.read(0, read), 0);
	EXPECT_EQ(read, Buffer(1)) << "what was refused is not shown";
}
