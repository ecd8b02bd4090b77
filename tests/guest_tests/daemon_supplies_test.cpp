// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's supplies on a real kernel with real LVM: devices that are proven unused, claimed and
// given; and every way in which LVM fails, with the next supply used.
#include "harness/block_device.h"
#include "harness/kernel_log.h"
#include "lvm/lvm.h"
#include "probe/claim.h"
#include "support/busy_process.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

// Why the device is not taken; empty: it is.
std::string refusalOf(const std::string &path)
{
	const auto claimed = probe::claimUnused(path);
	return claimed ? std::string() : claimed.error().message() + ". " + claimed.error().next();
}

bool contains(const std::string &text, const std::string &part)
{
	return text.find(part) != text.npos;
}

bool canBeClaimed(const std::string &path)
{
	const int fd = open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

TEST(ASpareDevice, IsRefusedWithTheReasonWhateverUsesIt)
{
	const Disk disk(0, 400 * mib);
	disk.zero();
	const std::string path = disk.path();
	EXPECT_EQ(refusalOf(path), "");

	runCommand("mkfs.ext4 -q " + path);
	EXPECT_TRUE(contains(refusalOf(path), "it holds an ext4 file system")) << refusalOf(path);
	EXPECT_TRUE(contains(refusalOf(path), "wipefs -a " + path)) << refusalOf(path);

	std::filesystem::create_directories("/run/spare");
	runCommand("mount " + path + " /run/spare");
	EXPECT_TRUE(contains(refusalOf(path), "is mounted on /run/spare")) << refusalOf(path);
	runCommand("umount /run/spare");

	// Visible only through a process in that namespace.
	runCommand("unshare -m sh -c 'mount " + path +
		   " /run/spare && touch /run/spare-ready && exec sleep 1000' >/dev/null 2>&1 & "
		   "echo $! > /run/spare-pid; while [ ! -e /run/spare-ready ]; do sleep 0.1; done");
	EXPECT_TRUE(contains(refusalOf(path),
			     "is mounted on /run/spare in the mount namespace of process"))
		<< refusalOf(path);
	runCommand("kill $(cat /run/spare-pid)");
	for (int i = 0; i < 100 && !canBeClaimed(path); i++)
		usleep(100'000);

	runCommand("wipefs -q -a " + path + " && mkswap -q " + path + " && swapon " + path);
	EXPECT_TRUE(contains(refusalOf(path), "is used as swap")) << refusalOf(path);
	runCommand("swapoff " + path);
	EXPECT_TRUE(contains(refusalOf(path), "holds swap signature")) << refusalOf(path);
	runCommand("wipefs -q -a " + path + " && pvcreate -q -y " + path);
	EXPECT_TRUE(contains(refusalOf(path), "LVM2_member")) << refusalOf(path);
	runCommand("pvremove -q -y " + path + " && mkfs.xfs -q -f " + path);
	EXPECT_TRUE(contains(refusalOf(path), "xfs file system")) << refusalOf(path);
	runCommand("wipefs -q -a " + path);
	EXPECT_EQ(refusalOf(path), "");
}

TEST(ASpareDevice, IsRefusedWhenSomethingLiesOnIt)
{
	const Disk disk(0, 64 * mib);
	disk.zero();
	{
		const DmDevice above("above", "0 8 linear " + disk.number() + " 0");
		EXPECT_TRUE(contains(refusalOf(disk.path()), "is used by "))
			<< refusalOf(disk.path());
	}
	runCommand("modprobe loop; losetup /dev/loop7 " + disk.path());
	EXPECT_TRUE(contains(refusalOf(disk.path()), "is used by loop7")) << refusalOf(disk.path());
	runCommand("losetup -d /dev/loop7");
	for (int i = 0; i < 50 && !refusalOf(disk.path()).empty(); i++)
		usleep(100'000);
	EXPECT_EQ(refusalOf(disk.path()), "");

	const auto readOnly =
		DmDevice::readOnly("readonly", "0 8192 linear " + disk.number() + " 0");
	EXPECT_TRUE(contains(refusalOf(readOnly.path()), "is read-only"))
		<< refusalOf(readOnly.path());
	EXPECT_TRUE(contains(refusalOf("/dev/nothing"), "No such file"))
		<< refusalOf("/dev/nothing");
}

TEST(ASpareDevice, IsRefusedWhenItHasPartitionsAndAPartitionIsTaken)
{
	const Disk space(0, 64 * mib);
	space.zero();
	runCommand("modprobe loop; losetup /dev/loop6 " + space.path() +
		   " && addpart /dev/loop6 1 2048 65536");
	EXPECT_TRUE(contains(refusalOf("/dev/loop6"), "has partitions (loop6p1)"))
		<< refusalOf("/dev/loop6");
	EXPECT_EQ(refusalOf("/dev/loop6p1"), "");
	// While the partition is claimed, so is the disk.
	{
		const auto claimed = probe::claimUnused("/dev/loop6p1");
		ASSERT_TRUE(claimed);
		EXPECT_FALSE(canBeClaimed("/dev/loop6"));
		EXPECT_EQ(*probe::disksOf(claimed->device.number),
			  (std::vector{probe::blockDevice("/dev/loop6")->number}));
	}
	runCommand("delpart /dev/loop6 1");
	runCommand("losetup -d /dev/loop6");
}

TEST(ACarvedVolume, HasNothingOfWhatWasThereBefore)
{
	const VolumeGroup group("sdt0", {0}, 340 * mib);
	SystemRunner runner;
	lvm::Lvm lvm(runner);
	for (const char *maker : {"mkfs.ext4 -q", "mkfs.xfs -q", "mkswap -q",
				  "lvm pvcreate -q -y --config devices/scan_lvs=1"}) {
		runCommand("lvcreate -q -y -Wn -Zn -L 320M -n old sdt0");
		runCommand(std::string(maker) + " /dev/sdt0/old");
		const std::string place = runCommand("lvs --noheadings -o seg_pe_ranges sdt0/old");
		ASSERT_FALSE(probe::contentOf("/dev/sdt0/old")->empty()) << maker;
		runCommand("lvremove -q -y sdt0/old");

		const auto carved = lvm.carve({"sdt0", uint64_t{320} << 20, {}, {}, {}});
		ASSERT_TRUE(carved) << carved.error().message();
		EXPECT_EQ(runCommand("lvs --noheadings -o seg_pe_ranges " + carved->fullName()),
			  place);
		const auto content = probe::contentOf(carved->dmPath);
		ASSERT_TRUE(content);
		EXPECT_EQ(content->type, "") << maker;
		ASSERT_TRUE(lvm.remove({&*carved, 1}));
	}
}

class Supplied : public testing::Test
{
protected:
	Supplied() { device.zero(); }

	void configure(const std::string &lines) const
	{
		daemon.configure("return_after = 1\n" + lines);
	}
	// So much must be given until the store is content again.
	void hungry(uint64_t sectors)
	{
		store->demand("set low_water " + std::to_string(store->summary().free + sectors));
	}
	bool content(int seconds = 60)
	{
		return store->waitFor([](const Summary &now) { return now.level == "ok"; },
				      seconds * 1000);
	}
	bool isRange(const Disk &disk) const
	{
		for (const RangeStatus &range : store->status().ranges)
			if (range.device == disk.number())
				return true;
		return false;
	}

	Disk device{1, 64 * mib};
	Disk base{2, 8 * mib};
	DaemonProcess daemon{DaemonSettings{}};
	std::optional<Store> store{std::in_place, StoreOptions{}, std::vector{rangeWords(base)}};
};

TEST_F(Supplied, ADeviceIsHeldAgainstOthersGivenAndComesBack)
{
	runCommand("mkfs.ext4 -q " + device.path());
	configure("supplies = [\"" + device.path() + "\"]\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("holds an ext4 file system"));
	EXPECT_GE(daemon.count("wipefs -a " + device.path()), 1U);
	runCommand("wipefs -q -a " + device.path());
	ASSERT_TRUE(daemon.waitFor("is unused and in reserve"));

	// While it is in reserve nobody else gets it.
	EXPECT_NE(statusOf("mkfs.ext4 -q -F " + device.path()), 0);
	EXPECT_NE(statusOf("pvcreate -q -y " + device.path()), 0);
	EXPECT_FALSE(canBeClaimed(device.path()));

	hungry(mib);
	ASSERT_TRUE(content()) << daemon.log();
	EXPECT_TRUE(isRange(device));
	EXPECT_TRUE(daemon.waitFor("was given " + device.path()));

	// Whose it is, the kernel knows.
	daemon.stop(SIGKILL);
	daemon.startOver();
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("watching 1 stores"));
	sleep(3);
	EXPECT_EQ(daemon.count(device.path()), 0U) << daemon.log();
	store.reset();
	EXPECT_TRUE(daemon.waitFor(device.path() + " (64.00 MiB) is unused and in reserve"));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	EXPECT_TRUE(canBeClaimed(device.path()));
}

TEST_F(Supplied, ADeviceWithWhatLooksLikeAFileSystemIsLeftAloneAfterItsStore)
{
	configure("supplies = [\"" + device.path() + "\"]\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("is unused and in reserve"));
	hungry(mib);
	ASSERT_TRUE(content());
	store.reset();
	// As if the store had kept an origin's first chunk there.
	runCommand("mkfs.ext4 -q -F " + device.path());
	daemon.startOver();
	ASSERT_TRUE(daemon.waitFor("holds an ext4 file system"));
	EXPECT_TRUE(canBeClaimed(device.path()));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

TEST_F(Supplied, AReserveVolumeCannotBeTakenByOthers)
{
	const VolumeGroup group("sdt0", {0}, 128 * mib);
	configure("supplies = [\"sdt0\"]\nrange_size = \"16MiB\"\nreserve_ranges = 2\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved sdt0/snapdiff.1"));
	EXPECT_NE(statusOf("mkfs.ext4 -q -F /dev/sdt0/snapdiff.0"), 0);
	EXPECT_NE(statusOf("swapon /dev/sdt0/snapdiff.1"), 0);
	hungry(20 * mib);
	ASSERT_TRUE(content()) << daemon.log();
	EXPECT_EQ(store->status().ranges.size(), 3U);
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	store.reset();
}

TEST_F(Supplied, ALeftoverIsWipedBeforeItIsReserveAndAnotherVolumeIsNot)
{
	const VolumeGroup group("sdt0", {0}, 256 * mib);
	runCommand(
		"lvcreate -q -y -L 64M -n snapdiff.0 --addtag snapdiff --addtag snapdiff-reserve "
		"sdt0 "
		"&& lvcreate -q -y -L 64M -n home sdt0");
	runCommand("mkfs.ext4 -q /dev/sdt0/snapdiff.0 && mkfs.ext4 -q /dev/sdt0/home");
	configure("supplies = [\"sdt0\"]\nrange_size = \"16MiB\"\nreserve_ranges = 2\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved sdt0/snapdiff.1"));
	EXPECT_EQ(probe::contentOf("/dev/sdt0/snapdiff.0")->type, "");
	EXPECT_EQ(probe::contentOf("/dev/sdt0/home")->type, "ext4");
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

// Active or not, it may be a range there.
TEST_F(Supplied, WhatAnotherMachineCarvedIsLeftAlone)
{
	const VolumeGroup group("sdt0", {0}, 256 * mib);
	const std::string tags = " --addtag snapdiff --addtag snapdiff-reserve "
				 "--addtag snapdiff-on-another sdt0";
	runCommand("lvcreate -q -y -L 16M -n snapdiff.0" + tags);
	runCommand("lvcreate -q -y -L 16M -n snapdiff.1" + tags);
	runCommand("mkfs.ext4 -q /dev/sdt0/snapdiff.0 && lvchange -an sdt0/snapdiff.1");
	configure("supplies = [\"sdt0\"]\nrange_size = \"16MiB\"\nreserve_ranges = 2\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved sdt0/snapdiff.", 2));
	hungry(40 * mib);
	ASSERT_TRUE(content()) << daemon.log();
	sleep(5); // whatever is unused goes after a second
	EXPECT_EQ(
		runCommand(
			"lvs --noheadings -o lv_name -S lv_tags=snapdiff-on-another sdt0 | xargs"),
		"snapdiff.0 snapdiff.1");
	EXPECT_EQ(probe::contentOf("/dev/sdt0/snapdiff.0")->type, "ext4");
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	store.reset();
}

TEST_F(Supplied, AVolumeGroupThatSomebodyLocksKeepsNobodyFromTheNext)
{
	const VolumeGroup first("sdt0", {0}, 64 * mib);
	const VolumeGroup second("sdt1", {3}, 64 * mib);
	{
		// As an lvm that hangs.
		const BusyProcess locker([] {
			const int fd =
				open("/run/lock/lvm/V_sdt0", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			if (fd < 0 || flock(fd, LOCK_EX) < 0)
				_exit(1);
			pause();
			_exit(1);
		});
		configure("supplies = [\"sdt0\", \"sdt1\"]\nrange_size = \"16MiB\"\n"
			  "reserve_ranges = 1\nlvm_timeout = 5\n");
		daemon.start();
		ASSERT_TRUE(daemon.waitFor("carved sdt1/snapdiff.0"));
		EXPECT_GE(daemon.count("supply sdt0: "), 1U) << daemon.log();
		EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	}
}

// Another program in place of lvm; "" for none at all.
class OtherLvm
{
public:
	explicit OtherLvm(const std::string &script)
	{
		std::filesystem::rename(path, away);
		if (script.empty())
			return;
		std::ofstream(path) << "#!/bin/bash\n" << script;
		chmod(path, 0755);
	}
	~OtherLvm()
	{
		std::filesystem::remove(path);
		std::filesystem::rename(away, path);
	}
	OtherLvm(const OtherLvm &) = delete;
	OtherLvm &operator=(const OtherLvm &) = delete;

private:
	static constexpr const char *path = "/usr/sbin/lvm";
	static constexpr const char *away = "/usr/sbin/lvm.real";
};

TEST_F(Supplied, WithoutLvmThatIsSaidAndTheDeviceIsGiven)
{
	const OtherLvm none("");
	configure("supplies = [\"sdt0\", \"" + device.path() + "\"]\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("Install LVM (package lvm2)"));
	hungry(mib);
	ASSERT_TRUE(content()) << daemon.log();
	EXPECT_TRUE(isRange(device));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

TEST_F(Supplied, AnLvmThatHangsIsKilledAndTheNextVolumeGroupIsUsed)
{
	const VolumeGroup first("sdt0", {0}, 128 * mib);
	const VolumeGroup second("sdt1", {3}, 128 * mib);
	{
		const OtherLvm hanging("case \"$*\" in *lvcreate*sdt0*) sleep 1000;; esac\n"
				       "exec -a lvm /usr/sbin/lvm.real \"$@\"\n");
		configure("supplies = [\"sdt0\", \"sdt1\"]\nrange_size = \"16MiB\"\n"
			  "reserve_ranges = 1\nlvm_timeout = 8\n");
		daemon.start();
		ASSERT_TRUE(daemon.waitFor("supply sdt0: "));
		EXPECT_TRUE(daemon.waitFor("See whether another lvm holds a lock"));
		ASSERT_TRUE(daemon.waitFor("carved sdt1/snapdiff.0"));
		EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	}
	EXPECT_NE(statusOf("ps ax | grep -q '[s]leep 1000'"), 0) << "left behind";
}

TEST_F(Supplied, AVolumeGroupWithoutSpaceIsFollowedByTheNextAndTheEndIsSaid)
{
	const VolumeGroup first("sdt0", {0}, 24 * mib);
	const VolumeGroup second("sdt1", {3}, 48 * mib);
	configure("supplies = [\"sdt0\", \"sdt1\"]\nrange_size = \"16MiB\"\n"
		  "min_range_size = \"16MiB\"\nreserve_ranges = 4\n");
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved sdt0/snapdiff.0"));
	ASSERT_TRUE(daemon.waitFor("carved sdt1/snapdiff.1"));
	EXPECT_TRUE(daemon.waitFor("reserve: there is nothing left to fill it from"));
	EXPECT_TRUE(daemon.waitFor("of 4 ranges from sdt0, sdt1 are ready"));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

TEST_F(Supplied, AVolumeGroupWhoseDiskVanishesIsReportedAndTheNextUsed)
{
	const ExpectKernelLog errors(ioErrors);
	const VolumeGroup first("sdt0", {0, 1}, 64 * mib);
	const VolumeGroup second("sdt1", {3}, 64 * mib);
	configure("supplies = [\"sdt0\", \"sdt1\"]\nrange_size = \"16MiB\"\n"
		  "reserve_ranges = 1\n");
	// One of its two disks is gone before the daemon looks.
	const DmDevice &disk = first.slice(1).device();
	const std::string good = runCommand("dmsetup table " + disk.name());
	runCommand("echo \"0 " + std::to_string(64 * mib) + " error\" | dmsetup load " +
		   disk.name() + " && dmsetup resume " + disk.name());
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("a physical volume of it is missing"));
	EXPECT_GE(daemon.count("vgreduce --removemissing sdt0"), 1U);
	ASSERT_TRUE(daemon.waitFor("carved sdt1/snapdiff.0"));
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	runCommand("echo '" + good + "' | dmsetup load " + disk.name() + " && dmsetup resume " +
		   disk.name() + " && vgck sdt0; vgextend -q --restoremissing sdt0 " +
		   first.slice(1).path() + " || true");
}

} // namespace
} // namespace snapdiff::lab
