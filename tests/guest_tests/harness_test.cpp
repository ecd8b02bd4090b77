// SPDX-License-Identifier: GPL-2.0-or-later
// The harness tests itself: device stacks in scopes, patterns, verdicts over the kernel log.

#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/dm_device.h"
#include "harness/kernel_log.h"
#include "harness/pattern.h"
#include "harness/random.h"

#include <algorithm>
#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <optional>

using namespace snapdiff::lab;
using testing::HasSubstr;

namespace {

constexpr uint64_t mebibyte = 2048;

std::string linear(const Disk &disk, uint64_t sectors, uint64_t start = 0)
{
	return "0 " + std::to_string(sectors) + " linear " + disk.number() + " " +
	       std::to_string(start);
}

bool exists(const std::string &name)
{
	const auto names = dmDeviceNames();
	return std::find(names.begin(), names.end(), name) != names.end();
}

} // namespace

TEST(DmDevice, LivesAsLongAsItsScope)
{
	const Disk disk(mebibyte);
	std::string name;
	{
		const DmDevice device("scope", linear(disk, 1000));
		name = device.name();
		EXPECT_TRUE(exists(name));
		EXPECT_EQ(device.sectors(), 1000u);
	}
	EXPECT_FALSE(exists(name));
}

TEST(DmDevice, GivesBackItsTable)
{
	const Disk disk(mebibyte);
	const DmDevice device("table", linear(disk, 1000, 24));
	EXPECT_EQ(device.table(), linear(disk, 1000, 24));
	EXPECT_EQ(device.status(), "0 1000 linear");
}

TEST(DmDevice, RefusedTableSaysWhyAndLeavesNothing)
{
	const Disk disk(mebibyte);
	const size_t before = dmDeviceNames().size();
	ExpectKernelLog expect("device-mapper: .*linear.*Invalid argument count", Appearance::Must);
	ExpectKernelLog ioctl("device-mapper: ioctl: error adding target to table");
	EXPECT_EQ(DmDevice::tryCreate("0 8 linear " + disk.number()), EINVAL);
	EXPECT_THROW(DmDevice("bad", "0 8 linear " + disk.number()), DmError);
	EXPECT_EQ(dmDeviceNames().size(), before);
	EXPECT_EQ(expect.count(), 2);
}

TEST(DmDevice, ReloadSwapsTheTable)
{
	const Disk disk(mebibyte);
	DmDevice device("reload", linear(disk, 8));
	EXPECT_EQ(device.load(linear(disk, 16)), 0);
	EXPECT_TRUE(device.info().inactiveTable);
	EXPECT_EQ(device.sectors(), 8u);
	EXPECT_EQ(device.resume(), 0);
	EXPECT_EQ(device.sectors(), 16u);
}

TEST(DmDevice, SuspendsAndResumes)
{
	const Disk disk(mebibyte);
	DmDevice device("suspend", linear(disk, 8));
	for (auto how : {DmDevice::Suspend::Flush, DmDevice::Suspend::NoFlush}) {
		EXPECT_EQ(device.suspend(how), 0);
		EXPECT_TRUE(device.info().suspended);
		EXPECT_EQ(device.resume(), 0);
		EXPECT_FALSE(device.info().suspended);
	}
}

TEST(DmDevice, RefusedMessageReturnsTheKernelsError)
{
	const Disk disk(mebibyte);
	const DmDevice device("message", linear(disk, 8));
	ExpectKernelLog expect("device-mapper: .*(message|Unrecognised)");
	EXPECT_EQ(device.message("hello").error, EINVAL);
}

TEST(DmDevice, OpenDeviceCannotBeRemoved)
{
	const Disk disk(mebibyte);
	DmDevice device("open", linear(disk, 8));
	std::optional<BlockDevice> open(device.path());
	EXPECT_EQ(device.info().openCount, 1);
	EXPECT_EQ(device.remove(), EBUSY);
	open.reset();
	EXPECT_EQ(device.remove(), 0);
}

TEST(Disk, SlicesOfOneDiskDoNotOverlap)
{
	const Disk first(0, 1001);
	const Disk second(0, 1001);
	EXPECT_GE(second.start(), first.start() + first.sectors());
	BlockDevice one(first.path());
	BlockDevice other(second.path());
	Buffer buffer(1001);
	fillPattern(buffer, 1, 0, 1);
	ASSERT_EQ(one.write(0, buffer), 0);
	fillPattern(buffer, 2, 0, 1);
	ASSERT_EQ(other.write(0, buffer), 0);
	ASSERT_EQ(one.read(0, buffer), 0);
	EXPECT_TRUE(holdsPattern(buffer, 1, 0, 1));
}

TEST(Disk, SlicesMadeInARowLieOnDifferentDisks)
{
	if (diskCount() < 2)
		GTEST_SKIP() << "the guest has one disk only";
	const Disk first(8);
	const Disk second(8);
	EXPECT_NE(first.disk(), second.disk());
}

TEST(BlockDevice, ReadsBackWhatWasWritten)
{
	const Disk disk(mebibyte);
	const BlockDevice device(disk.path());
	Random random;
	const uint64_t sector = random.below(mebibyte - 64);
	Buffer written(64);
	fillPattern(written, 7, sector, 1);
	ASSERT_EQ(device.write(sector, written), 0);
	ASSERT_EQ(device.flush(), 0);
	Buffer read(64);
	ASSERT_EQ(device.read(sector, read), 0);
	EXPECT_TRUE(holdsPattern(read, 7, sector, 1));
	EXPECT_TRUE(read == written);
}

TEST(BlockDevice, ZeroesAndErrorsAreSeen)
{
	const Disk disk(mebibyte);
	disk.zero();
	Buffer buffer(8, 0xff);
	ASSERT_EQ(BlockDevice(disk.path()).read(8, buffer), 0);
	EXPECT_EQ(describeSector(buffer.sector(0)), "zeroes");

	const DmDevice broken("error", "0 8 error");
	ExpectKernelLog expect("Buffer I/O error|I/O error, dev");
	EXPECT_EQ(BlockDevice(broken.path()).read(0, buffer), EIO);
	EXPECT_EQ(BlockDevice(broken.path()).write(0, buffer), EIO);
}

TEST(Pattern, WrongSectorIsNamed)
{
	Buffer buffer(4);
	fillPattern(buffer, 1, 100, 5);
	EXPECT_TRUE(holdsPattern(buffer, 1, 100, 5));
	fillSector(buffer.sector(2), {1, 102, 6});
	EXPECT_THAT(holdsPattern(buffer, 1, 100, 5).message(),
		    HasSubstr("sector 102 holds tag 1 sector 102 generation 6, not"));
	buffer.sector(2)[511] ^= 1;
	EXPECT_EQ(describeSector(buffer.sector(2)), "torn tag 1 sector 102 generation 6");
}

TEST(KernelLog, RecordsAreTakenApart)
{
	const LogLine line = parseLogRecord("12,345,678,-;device-mapper: hello\n SUBSYSTEM=x\n");
	EXPECT_EQ(line.level, 4);
	EXPECT_EQ(line.facility, 1);
	EXPECT_EQ(line.text, "device-mapper: hello");
}

TEST(KernelLog, WarningsAndBadWordsFailATest)
{
	EXPECT_TRUE(isBadLine({.level = 4, .facility = 0, .text = "a warning"}));
	EXPECT_TRUE(isBadLine({.level = 3, .facility = 0, .text = "an error"}));
	EXPECT_FALSE(isBadLine({.level = 5, .facility = 0, .text = "a notice"}));
	EXPECT_TRUE(isBadLine({.level = 6, .facility = 0, .text = "WARNING: possible circular"}));
	EXPECT_TRUE(isBadLine({.level = 6, .facility = 0, .text = "BUG: KASAN: use-after-free"}));
	EXPECT_FALSE(isBadLine({.level = 4, .facility = 0, .text = "hpet: Lost 2 RTC interrupts"}));
	EXPECT_FALSE(isBadLine({.level = 3, .facility = 3, .text = "systemd-udevd has a problem"}));
}

TEST(KernelLog, UnexpectedWarningIsFound)
{
	// The case's own watch would fail this case, as it should: tell it to look away.
	KernelLogWatch watch;
	{
		ExpectKernelLog lookAway("lab: self test warning");
		writeKernelLog("lab: self test warning 1", 4);
		watch.collect();
		EXPECT_TRUE(watch.takeBadLines().empty());
	}
	KernelLogWatch second;
	writeKernelLog("lab: self test warning 2", 4);
	second.collect();
	EXPECT_EQ(second.takeBadLines(), std::vector<std::string>{"lab: self test warning 2"});
	ignoreKernelLogSoFar();
}

TEST(KernelLog, ExpectedLineThatIsMissingFails)
{
	EXPECT_NONFATAL_FAILURE(ExpectKernelLog("never logged", Appearance::Must), "never logged");
	ExpectKernelLog expect("lab: self test notice", Appearance::Must);
	writeKernelLog("lab: self test notice");
	EXPECT_EQ(expect.count(), 1);
}

TEST(Random, CasesAreRepeatable)
{
	EXPECT_EQ(Random()(), Random()());
	Random random;
	for (int i = 0; i < 100; ++i) {
		const uint64_t number = random.between(3, 5);
		EXPECT_TRUE(number >= 3 && number <= 5);
	}
}

TEST(KernelLog, CountsOnlyTheDataRacesThatAreOurs)
{
	const auto races = [](const std::string &frame) {
		RaceReports reports;
		const std::string lines[] = {"BUG: KCSAN: data-race in a / b",
					     "read of 8 bytes by task 1 on cpu 0:", frame,
					     std::string(66, '=')};
		for (const std::string &text : lines)
			EXPECT_TRUE(reports.swallow({.level = 3, .facility = 0, .text = text}));
		EXPECT_FALSE(reports.swallow({.level = 4, .facility = 0, .text = "after it"}));
		return reports.takeOurs();
	};
	EXPECT_TRUE(races(" bio_endio+0x10/0x20").empty());
	EXPECT_EQ(races(" sd_take+0x10/0x20 [dm_snapdiff]").size(), 1u);
	RaceReports reports;
	reports.swallow({.level = 3, .facility = 0, .text = "BUG: KCSAN: data-race in a / b"});
	EXPECT_FALSE(reports.swallow({.level = 3, .facility = 0, .text = "BUG: KASAN: in c"}))
		<< "another CPU's line inside a report";
}
