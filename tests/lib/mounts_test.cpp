// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mounts, and which of them a take freezes in which order.

#include "ops/freeze.h"
#include "ops/mount.h"
#include "probe/mounts.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include <unistd.h>

using namespace snapdiff;
using dm::DeviceNumber;

static const char *const mountInfo =
	"22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/mapper/vg0-root rw,errors=remount-ro\n"
	"30 22 253:1 / /home\\040of\\040all rw,relatime shared:2 master:7 - xfs "
	"/dev/mapper/vg0-home rw\n"
	"31 22 253:1 /a /view ro,relatime - xfs /dev/mapper/vg0-home rw\n"
	"32 22 253:2 / /cd ro - iso9660 /dev/sr0 ro\n"
	"33 22 0:40 / /tmp rw - tmpfs tmpfs rw,size=1024k\n";

TEST(Mounts, AreReadFromMountinfo)
{
	const auto mounts = probe::parseMountInfo(mountInfo);
	ASSERT_TRUE(mounts) << mounts.error().message();
	ASSERT_EQ(5U, mounts->size());
	EXPECT_EQ("/home of all", mounts->at(1).target);
	EXPECT_EQ("xfs", mounts->at(1).type);
	EXPECT_FALSE(mounts->at(2).readOnly); // a read-only view of what others write
	EXPECT_TRUE(mounts->at(3).readOnly);
	EXPECT_FALSE(probe::parseMountInfo("1 2 3\n"));
	EXPECT_FALSE(probe::parseMountInfo("22 1 253:0 / / rw shared:1 ext4 /dev/x rw\n"));
	EXPECT_TRUE(probe::mounts());
}

TEST(Swaps, AreRead)
{
	const auto swaps = probe::parseSwaps(
		"Filename\t\tType\t\tSize\tUsed\tPriority\n/dev/dm-1  partition\t9\t0\t-2\n");
	ASSERT_TRUE(swaps);
	EXPECT_EQ(std::vector<std::string>{"/dev/dm-1"}, *swaps);
}

TEST(FreezePlan, FreezesEachFileSystemOnceAndUpperOnesFirst)
{
	// 253:1 is an origin; a loop device 7:0 lies on a file in it, 253:9 on that.
	const auto mounts = probe::parseMountInfo("30 1 253:1 / /low rw - xfs /dev/dm-1 rw\n"
						  "31 1 253:1 / /low/again rw - xfs /dev/dm-1 rw\n"
						  "32 1 253:9 / /high rw - ext4 /dev/dm-9 rw\n"
						  "33 1 253:5 / /other rw - ext4 /dev/dm-5 rw\n"
						  "34 1 7:0 / /readonly ro - ext4 /dev/loop0 ro\n");
	const ops::LayerMap layers = {{{253, 9}, {{7, 0}}},
				      {{7, 0}, {{253, 1}}},
				      {{253, 1}, {{8, 0}}},
				      {{253, 5}, {{8, 0}}}};
	const auto plan = ops::planFreeze(*mounts, layers, {{{253, 1}, "vg0-home"}});
	ASSERT_EQ(2U, plan.size());
	EXPECT_EQ("/high", plan[0].mountPoint);
	EXPECT_EQ("vg0-home", plan[0].origin);
	EXPECT_EQ("/low/again", plan[1].mountPoint);
}

TEST(FreezePlan, SurvivesALoopInTheLayers)
{
	const auto mounts = probe::parseMountInfo("30 1 7:0 / /a rw - xfs /dev/loop0 rw\n");
	const ops::LayerMap layers = {{{7, 0}, {{7, 1}}}, {{7, 1}, {{7, 0}}}};
	EXPECT_TRUE(ops::planFreeze(*mounts, layers, {{{253, 1}, "o"}}).empty());
	EXPECT_EQ(1U, ops::planFreeze(*mounts, layers, {{{7, 1}, "o"}}).size());
}

TEST(Layers, PutUpperDevicesFirst)
{
	const ops::LayerMap layers = {{{253, 9}, {{253, 1}}}, {{253, 1}, {{8, 0}}}};
	const std::vector<std::string> expected = {"upper", "lower"};
	EXPECT_EQ(expected, ops::upperFirst(layers, {{{253, 1}, "lower"}, {{253, 9}, "upper"}}));
}

TEST(WhileFrozen, RunsTheActionInAProcessOfItsOwn)
{
	const auto outcome = ops::whileFrozen({}, [](char *text, size_t size) {
		snprintf(text, size, "%d", getpid());
		return ENOSPC;
	});
	ASSERT_TRUE(outcome) << outcome.error().message();
	EXPECT_EQ(ENOSPC, outcome->actionErrno);
	EXPECT_NE(std::to_string(getpid()), outcome->actionText);
	EXPECT_FALSE(outcome->thawedByWatchdog);
}

TEST(WhileFrozen, SaysWhenTheActionWasKilled)
{
	const auto outcome = ops::whileFrozen({}, [](char *, size_t) {
		kill(getpid(), SIGKILL);
		return 0;
	});
	ASSERT_TRUE(outcome) << outcome.error().message();
	EXPECT_TRUE(outcome->actionUnknown);
}

TEST(WhileFrozen, LetsGoWhenTheActionTakesTooLong)
{
	const auto outcome = ops::whileFrozen(
		{},
		[](char *, size_t) {
			usleep(400'000);
			return 0;
		},
		50);
	ASSERT_TRUE(outcome);
	EXPECT_TRUE(outcome->thawedByWatchdog);
}

TEST(ImageMount, HasTheOptionsThatEachFileSystemNeeds)
{
	EXPECT_EQ("noload", *ops::imageMountOptions("ext4"));
	EXPECT_EQ("norecovery,nouuid", *ops::imageMountOptions("xfs"));
	EXPECT_FALSE(ops::imageMountOptions("btrfs"));
	EXPECT_FALSE(ops::imageMountOptions("LVM2_member"));
	EXPECT_EQ("/run/snapdiff/monday/vg0-home", ops::defaultMountPoint("monday", "vg0-home"));
}
