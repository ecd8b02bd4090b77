// SPDX-License-Identifier: GPL-2.0-or-later
// An origin becomes longer while it has snapshots: old images end where they ended, copying goes
// on, and the new part belongs to the snapshots that are taken from then on.

#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <memory>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t shortly = 8187; // the last chunk is a part of one
constexpr uint64_t longer = 300011;

class Grow : public testing::Test
{
protected:
	Grow()
		: store_({.chunk = chunk, .buffer = 4096}, {rangeWords(space_, 0, 400000)}),
		  origin_(store_, "a", below_.number(), 1000, shortly)
	{
	}

	std::string table(uint64_t sectors) const
	{
		return "0 " + std::to_string(sectors) + " snapdiff-origin " + store_.number() +
		       " a " + below_.number() + " 1000";
	}

	std::string imageOf(const std::string &snapshot, uint64_t sectors) const
	{
		return "0 " + std::to_string(sectors) + " snapdiff " + store_.number() + " " +
		       snapshot + " a ro";
	}

	// What the origin holds over its whole length now.
	static Buffer contentsOf(const Origin &origin)
	{
		const BlockDevice device(origin.path());
		Buffer all(device.sectors());
		EXPECT_EQ(device.read(0, all), 0);
		return all;
	}

	Disk below_{0, 400000};
	Disk space_{1, 1000000};
	Store store_;
	Origin origin_;
};

} // namespace

TEST_F(Grow, OldImagesEndWhereTheyEndedAndNewOnesHaveItAll)
{
	ExpectKernelLog refused("device-mapper: (table|ioctl): ");
	Volume data(origin_.path(), shortly, 1);
	store_.take("s1");
	data.fork("s1");
	const Image first(store_, "s1", origin_);
	ASSERT_EQ(data.write(100, 700), 0);
	Buffer target(shortly);
	memcpy(target.data(), data.now().data(), target.bytes());
	for (uint64_t sector = 0; sector < shortly; ++sector)
		target.sector(sector)[100] ^= 0x80;
	{
		Writer writer(origin_.path(), target, 7);
		while (writer.done() < 50)
			;
		origin_.device().reload(table(longer));
		const uint64_t before = writer.done();
		while (writer.done() < before + 200)
			;
		writer.stop();
		EXPECT_EQ(writer.error(), 0);
	}
	EXPECT_EQ(store_.checked().origin("a").size, longer);
	EXPECT_TRUE(store_.status().snapshot("s1").live());
	EXPECT_TRUE(deviceHolds(first.path(), data.at("s1")));

	// The new part: nothing to copy for s1, everything for s2.
	Volume whole(origin_.path(), contentsOf(origin_), 2);
	const uint64_t copied = store_.status().origin("a").copiedChunks;
	ASSERT_EQ(whole.write(shortly + chunk, longer - shortly - chunk), 0);
	EXPECT_EQ(store_.status().origin("a").copiedChunks, copied);
	// The chunk at the old end is in both.
	ASSERT_EQ(whole.write(shortly - 5, 8), 0);
	EXPECT_TRUE(deviceHolds(first.path(), data.at("s1")));

	store_.take("s2");
	whole.fork("s2");
	EXPECT_EQ(store_.status().origin("a").unsafeChunks, (longer + chunk - 1) / chunk);
	const DmDevice second("image", imageOf("s2", longer));
	ASSERT_EQ(whole.write(longer - 1000, 1000), 0);
	ASSERT_EQ(whole.write(shortly - 300, 1000), 0);
	EXPECT_TRUE(deviceHolds(second.path(), whole.at("s2")));
	EXPECT_TRUE(deviceHolds(first.path(), data.at("s1")));
	EXPECT_TRUE(whole.isIntact());
	EXPECT_EQ(DmDevice::tryCreate(imageOf("s2", shortly)), EINVAL);
	EXPECT_EQ(DmDevice::tryCreate(imageOf("s1", longer)), EINVAL);
}

TEST_F(Grow, ItCannotBecomeSmallerUnderSnapshots)
{
	ExpectKernelLog refused("device-mapper: (table|ioctl): ");
	store_.take("s1");
	EXPECT_EQ(origin_.device().load(table(shortly - 8)), EBUSY);
	origin_.device().reload(table(longer));
	EXPECT_EQ(origin_.device().load(table(shortly)), EBUSY);
	EXPECT_TRUE(store_.checked().snapshot("s1").live());
}

TEST_F(Grow, ALoadedLongerTableKeepsRangesAwayAtOnce)
{
	ExpectKernelLog refused(refusedMessage);
	ASSERT_EQ(origin_.device().load(table(longer)), 0);
	const DmAnswer answer = store_.send("extend " + rangeWords(below_, 1000 + shortly, 8192));
	EXPECT_EQ(answer.error, EEXIST);
	EXPECT_EQ(store_.why(), "the range shares sectors with an origin");
	ASSERT_EQ(origin_.device().resume(), 0);
	EXPECT_EQ(store_.checked().origin("a").size, longer);
}

TEST_F(Grow, ItCannotGrowIntoARange)
{
	ExpectKernelLog refused("device-mapper: (table|ioctl): ");
	store_.extend(rangeWords(below_, 1000 + shortly + 5000, 8192));
	store_.take("s1");
	EXPECT_EQ(origin_.device().load(table(longer)), EEXIST);
	EXPECT_EQ(store_.checked().origin("a").size, shortly);
	origin_.device().reload(table(shortly + 5000));
	EXPECT_EQ(store_.checked().origin("a").size, shortly + 5000);
}
