// SPDX-License-Identifier: GPL-2.0-or-later
// LVM puts its own table back in front of an attached volume: the daemon says so at once and what
// to do, and after that the next take is as good as any.
#include "harness/kernel_log.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr const char *config = "supplies = []\n";

std::string tool(const std::string &words)
{
	return runCommand(std::string(SNAPDIFF_TOOL) + " " + words);
}

// An attached and mounted volume vgr/home, a snapshot of it, and the daemon looking on.
class LvmReloads : public testing::Test
{
protected:
	void SetUp() override
	{
		runCommand("lvcreate -q -y -L 32M -n home vgr " + group_.slice(0).path());
		runCommand("mkfs.ext4 -q /dev/vgr/home");
		mkdir(folder, 0755);
		runCommand(std::string("mount /dev/vgr/home ") + folder);
		tool("attach --size 64M vgr/home");
		tool("take --name before vgr/home");
		daemon_.start();
		EXPECT_TRUE(daemon_.waitFor("watching 1 stores", 1, 60));
	}
	void TearDown() override
	{
		EXPECT_EQ(daemon_.stop(SIGTERM), 0) << daemon_.log();
		EXPECT_EQ(umount(folder), 0);
		tool("detach vgr/home");
		tool("delete -y --remove-store snapdiff-vgr");
	}
	// The whole story of one command of LVM's.
	void change(const std::string &command)
	{
		const ExpectKernelLog gone("snapshot before is invalid: origin-gone",
					   Appearance::Must);
		const ExpectKernelLog buffer("Buffer I/O error on dev");
		runCommand(command);
		const auto ended = std::chrono::steady_clock::now();
		const std::string next = "snapdiff attach vgr-home";
		ASSERT_TRUE(daemon_.waitFor(next, 1, 20));
		const std::chrono::duration<double> took = std::chrono::steady_clock::now() - ended;
		std::printf("told %.1f s after the end of \"%s\"\n", took.count(), command.c_str());
		EXPECT_GE(daemon_.count("snapshot before: invalid"), 1U) << daemon_.log();

		const std::string status = tool("status");
		EXPECT_NE(status.find(next), status.npos) << status;
		EXPECT_NE(tool("status --json").find("vgr-home"), std::string::npos);

		tool("attach vgr/home");
		EXPECT_TRUE(daemon_.waitFor("origin vgr-home is well again", 1, 30));
		EXPECT_EQ(tool("status").find(next), std::string::npos);
		runCommand(std::string("echo one > ") + folder + "/file");
		const std::string image = tool("create --name after vgr/home");
		runCommand(std::string("echo two > ") + folder + "/file && sync -f " + folder);
		const std::string where = tool("mount after");
		const std::string shown = where.substr(0, where.find('\n'));
		EXPECT_EQ(runCommand("cat " + shown + "/file"), "one");
		tool("umount after");
		tool("delete -y before after");
	}

	VolumeGroup group_{"vgr", {0, 1}, 256 * mib};
	DaemonProcess daemon_{{.config = config}};

private:
	static constexpr const char *folder = "/run/test-vgr";
};

TEST_F(LvmReloads, AnExtendedVolumeIsToldAndAttachedAgain)
{
	change("lvextend -q -L +32M vgr/home");
}

TEST_F(LvmReloads, ARefreshedVolumeIsToldAndAttachedAgain)
{
	change("lvchange --refresh vgr/home");
}

TEST_F(LvmReloads, AVolumeThatMovesToAnotherDiskIsToldAndAttachedAgain)
{
	change("pvmove -q -i 1 -n home " + group_.slice(0).path() + " " + group_.slice(1).path());
}

} // namespace
} // namespace snapdiff::lab
