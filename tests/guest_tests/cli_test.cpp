// SPDX-License-Identifier: GPL-2.0-or-later
//
// The command line tool on real LVM volumes with mounted file systems, killed at
// every step.  Runs snapdiff-killable, which is snapdiff with a hook to kill itself.

#include "dm/device_mapper.h"
#include "harness/disk.h"
#include "harness/kernel_log.h"
#include "ops/freeze.h"
#include "probe/probe.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/run.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

using namespace snapdiff;

namespace {

Finished runProgram(std::vector<std::string> argv, std::vector<std::string> environment = {})
{
	Command command;
	command.argv = std::move(argv);
	command.environment = std::move(environment);
	command.timeoutMs = 110'000;
	const Result<Finished> done = SystemRunner().run(command);
	if (done)
		return *done;
	return {255, "", done.error().message()};
}

void mustRun(const std::vector<std::string> &argv)
{
	const Finished done = runProgram(argv);
	if (!done.ok())
		throw std::runtime_error(argv[0] + ": " + done.out + done.err);
}

// Built next to this program's folder.
std::string programPath()
{
	const auto self = std::filesystem::canonical("/proc/self/exe");
	return self.parent_path().parent_path() / "cli" / "snapdiff-killable";
}

Finished snapdiffTool(std::vector<std::string> words, int killAt = 0)
{
	words.insert(words.begin(), programPath());
	std::vector<std::string> environment;
	if (killAt > 0)
		environment.push_back("SNAPDIFF_KILL_AT=" + std::to_string(killAt));
	return runProgram(words, environment);
}

// A volume group on a slice of a disk, with one mounted ext4 volume "home".
class MountedVolume
{
public:
	explicit MountedVolume(std::string vg) : vg_(std::move(vg))
	{
		disk_.zero();
		mustRun({"lvm", "vgcreate", "-q", vg_, disk_.path()});
		mustRun({"lvm", "lvcreate", "-q", "-y", "-L", "64M", "-n", "home", vg_});
		mustRun({"mkfs.ext4", "-q", "/dev/" + vg_ + "/home"});
		std::filesystem::create_directories(folder());
		mustRun({"mount", "/dev/" + vg_ + "/home", folder()});
		write("first");
	}

	~MountedVolume()
	{
		runProgram({"umount", folder()});
		runProgram({"lvm", "vgremove", "-q", "-y", "-f", vg_});
	}

	std::string folder() const { return "/run/test-" + vg_; }
	std::string file() const { return folder() + "/file"; }
	std::string device() const { return vg_ + "-home"; }
	std::string volume() const { return vg_ + "/home"; }
	std::string store() const { return "snapdiff-" + vg_; }

	// Reaches the device: a volume that somebody left suspended would hang here.
	void write(const std::string &text) const
	{
		mustRun({"sh", "-c", "echo " + text + " > " + file() + " && sync -f " + file()});
	}

private:
	std::string vg_;

	// A slice at the disk's beginning would show LVM its label on the disk as well.
	lab::Disk space_{0, 2048};
	lab::Disk disk_{0, 1U << 20};
};

std::string contentOf(const std::string &path)
{
	const Result<std::string> text = readFile(path);
	return text ? *text : text.error().message();
}

bool contains(const std::string &text, const std::string &part)
{
	return text.find(part) != text.npos;
}

class Cli : public testing::Test
{
protected:
	// Nothing is suspended, and the file system takes writes.
	void expectAlive(const MountedVolume &volume)
	{
		dm::LibDeviceMapper dm;
		const auto devices = dm.devices();
		ASSERT_TRUE(devices);
		for (const dm::Device &device : *devices) {
			const auto info = dm.info(device.name);
			EXPECT_TRUE(!info || !info->suspended) << device.name;
		}
		volume.write("alive");
	}

	void expectPlain(const MountedVolume &volume)
	{
		dm::LibDeviceMapper dm;
		const auto table = dm.table(volume.device());
		ASSERT_TRUE(table);
		EXPECT_EQ("linear", table->at(0).target);
		EXPECT_FALSE(dm.info("snapdiff-origin-" + volume.device()));
	}
};

} // namespace

TEST_F(Cli, CreateMountDeleteDetachLeaveNothingBehind)
{
	const MountedVolume volume("vgcreate");
	const Finished created = snapdiffTool({"create", "--name", "monday", volume.volume()});
	ASSERT_EQ(0, created.code) << created.err;
	const std::string image = "/dev/mapper/" + volume.device() + "@monday";
	EXPECT_EQ(image + "\n", created.out);
	volume.write("second");

	// Only root reads it, and nothing in /dev/disk leads to it.
	struct stat info = {};
	ASSERT_EQ(0, stat(image.c_str(), &info));
	EXPECT_EQ(0600U, info.st_mode & 07777U);
	EXPECT_EQ(0U, info.st_gid);
	for (const auto &entry : std::filesystem::recursive_directory_iterator("/dev/disk")) {
		struct stat other = {};
		if (stat(entry.path().c_str(), &other) == 0 && S_ISBLK(other.st_mode)) {
			EXPECT_NE(info.st_rdev, other.st_rdev) << entry.path();
		}
	}

	const Finished mounted = snapdiffTool({"mount", "monday"});
	ASSERT_EQ(0, mounted.code) << mounted.err;
	const std::string target = "/run/snapdiff/monday/" + volume.device();
	EXPECT_EQ(target + "\n", mounted.out);
	EXPECT_EQ("first\n", contentOf(target + "/file"));
	EXPECT_EQ("second\n", contentOf(volume.file()));
	EXPECT_TRUE(contains(runProgram({"grep", target, "/proc/mounts"}).out,
			     "ro,nosuid,nodev,noexec"));

	EXPECT_EQ(6, snapdiffTool({"delete", "-y", "monday"}).code);
	EXPECT_EQ(2, snapdiffTool({"delete", "monday"}).code);
	EXPECT_EQ(0, snapdiffTool({"umount", "monday"}).code);
	EXPECT_FALSE(std::filesystem::exists(target));
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "monday"}).code);
	EXPECT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
	expectPlain(volume);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
	EXPECT_FALSE(contains(runProgram({"lvm", "lvs"}).out, "snapdiff"));
}

TEST_F(Cli, AttachAndDetachMayBeKilledAtEveryStep)
{
	const MountedVolume volume("vgkill");
	ASSERT_EQ(0, snapdiffTool({"attach", volume.volume()}).code);
	ASSERT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);

	int steps = 0;
	for (int at = 1; at <= 20; at++) {
		const Finished killed = snapdiffTool({"attach", volume.volume()}, at);
		expectAlive(volume);
		const Finished again = snapdiffTool({"attach", volume.volume()});
		EXPECT_EQ(0, again.code) << at << ": " << again.err;
		expectAlive(volume);
		const Finished detached = snapdiffTool({"detach", volume.volume()}, at);
		expectAlive(volume);
		const Finished plain = snapdiffTool({"detach", volume.volume()});
		EXPECT_EQ(0, plain.code) << at << ": " << plain.err;
		expectPlain(volume);
		if (killed.code == 0 && detached.code == 0)
			break;
		steps++;
	}
	EXPECT_GE(steps, 4); // of a detach; an attach has three
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}

TEST_F(Cli, TakeFreezesAndSaysSoInJson)
{
	const MountedVolume volume("vgtake");
	ASSERT_EQ(0, snapdiffTool({"attach", volume.volume()}).code);
	const Finished taken = snapdiffTool({"take", "--name", "t", "--json"});
	ASSERT_EQ(0, taken.code) << taken.err;
	EXPECT_TRUE(contains(taken.out, "\"" + volume.folder() + "\"")) << taken.out;
	EXPECT_TRUE(contains(taken.out, "\"schema\": \"snapdiff/1\""));
	expectAlive(volume);
	const Finished listed = snapdiffTool({"list", "--noheadings", "-o", "name,state,origins"});
	EXPECT_EQ("t  live  " + volume.device() + "\n", listed.out);
	EXPECT_TRUE(contains(snapdiffTool({"status"}).out, "store " + volume.store() + ": "));
	EXPECT_EQ(4, snapdiffTool({"show", "nothing"}).code);
	EXPECT_EQ(6, snapdiffTool({"take", "--name", "t"}).code);
	{
		const lab::ExpectKernelLog refused("message detach refused", lab::Appearance::Must);
		EXPECT_EQ(6, snapdiffTool({"detach", volume.volume()}).code);
	}
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "t"}).code);
	EXPECT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}

TEST_F(Cli, FileSystemsAreThawedWhateverHappensToTheOneWhoHoldsThem)
{
	const MountedVolume volume("vgfreeze");
	const auto device = probe::blockDevice("/dev/" + volume.volume());
	ASSERT_TRUE(device);
	const std::vector<ops::FreezeTarget> targets = {
		{volume.folder(), device->number, volume.device()}};

	const auto killed = ops::whileFrozen(targets, [](char *, size_t) {
		kill(getpid(), SIGKILL);
		return 0;
	});
	EXPECT_FALSE(killed);
	volume.write("after-kill");

	const SystemClock clock;
	const int64_t start = clock.monotonicNs();
	const auto slow = ops::whileFrozen(
		targets,
		[](char *, size_t) {
			sleep(3);
			return 0;
		},
		500);
	ASSERT_TRUE(slow);
	EXPECT_TRUE(slow->thawedByWatchdog);
	EXPECT_GE(clock.monotonicNs() - start, 2'000'000'000);
	volume.write("after-watchdog");
	EXPECT_EQ("after-watchdog\n", contentOf(volume.file()));
}

TEST_F(Cli, AVolumeThatLvmPutBackIsToldAndCanBeAttachedAgain)
{
	const MountedVolume volume("vgrefresh");
	ASSERT_EQ(0, snapdiffTool({"create", "--name", "s", volume.volume()}).code);
	{
		const lab::ExpectKernelLog gone("snapshot s is invalid: origin-gone",
						lab::Appearance::Must);
		mustRun({"lvm", "lvchange", "--refresh", volume.volume()});
	}
	const Finished listed = snapdiffTool({"list", "--noheadings", "-o", "name,state,cause"});
	EXPECT_EQ("s  invalid  origin-gone\n", listed.out);
	expectAlive(volume);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "s"}).code);
	EXPECT_EQ(0, snapdiffTool({"attach", volume.volume()}).code);
	EXPECT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
	expectPlain(volume);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}
