// SPDX-License-Identifier: GPL-2.0-or-later
//
// The command line tool on real LVM volumes with mounted file systems, killed at
// every step.  Runs snapdiff-killable, which is snapdiff with a hook to kill itself.

#include "dm/device_mapper.h"
#include "harness/block_device.h"
#include "harness/disk.h"
#include "harness/kernel_log.h"
#include "ops/freeze.h"
#include "probe/probe.h"
#include "util/clock.h"
#include "util/fd.h"
#include "util/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
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

// The product's rules for udev, as if they were installed.
class UdevRules
{
public:
	UdevRules()
	{
		std::filesystem::create_directories(file_.parent_path());
		std::filesystem::copy_file(SNAPDIFF_UDEV_RULES, file_);
		mustRun({"udevadm", "control", "--reload"});
	}

	~UdevRules()
	{
		std::filesystem::remove(file_);
		runProgram({"udevadm", "control", "--reload"});
	}

	UdevRules(const UdevRules &) = delete;
	UdevRules &operator=(const UdevRules &) = delete;

private:
	std::filesystem::path file_ = "/run/udev/rules.d/56-snapdiff.rules";
};

// Another configuration of LVM (the guest's files are not the machine's).
class LvmConfig
{
public:
	explicit LvmConfig(const std::string &text) : old_(contentOf(path))
	{
		std::ofstream(path) << text;
	}

	~LvmConfig() { std::ofstream(path) << old_; }

	LvmConfig(const LvmConfig &) = delete;
	LvmConfig &operator=(const LvmConfig &) = delete;

private:
	static constexpr const char *path = "/etc/lvm/lvm.conf";

	std::string old_;
};

class Cli : public testing::Test
{
protected:
	// Only root reads it, and nothing in /dev/disk leads to it.
	void expectPrivate(const std::string &path)
	{
		struct stat info = {};
		ASSERT_EQ(0, stat(path.c_str(), &info)) << path;
		EXPECT_EQ(0600U, info.st_mode & 07777U) << path;
		EXPECT_EQ(0U, info.st_gid) << path;
		for (const auto &entry :
		     std::filesystem::recursive_directory_iterator("/dev/disk")) {
			struct stat other = {};
			if (stat(entry.path().c_str(), &other) == 0 && S_ISBLK(other.st_mode)) {
				EXPECT_NE(info.st_rdev, other.st_rdev) << entry.path();
			}
		}
	}

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

class LvmPutsItsTableBack : public Cli
{
protected:
	void run(const std::vector<std::string> &command);
};

// Writes files to a folder, and reads an image of its volume all the time: every read gives what
// the image showed at first, or fails.
class Load
{
public:
	Load(std::string folder, const std::string &image)
		: folder_(std::move(folder)), image_(image, lab::BlockDevice::Mode::ReadOnly),
		  first_(std::min(image_.sectors(), mostSectors))
	{
		EXPECT_EQ(0, image_.read(0, first_));
		writer_ = std::thread([this] { write(); });
		reader_ = std::thread([this] { compare(); });
	}

	~Load() { stop(); }

	Load(const Load &) = delete;
	Load &operator=(const Load &) = delete;

	void stop()
	{
		stop_ = true;
		for (std::thread *thread : {&writer_, &reader_}) {
			if (thread->joinable())
				thread->join();
		}
	}

	// Writer and reader have been everywhere so often since now.
	void waitForRounds(int rounds)
	{
		const int written = written_ + rounds;
		const int compared = compared_ + rounds;
		for (int i = 0; i < 6000 && (written_ < written || compared_ < compared); i++)
			usleep(10'000);
		EXPECT_TRUE(written_ >= written && compared_ >= compared);
	}

	int wrong() const { return wrong_; }
	int failed() const { return failed_; }
	int read() const { return read_; }

private:
	static constexpr uint64_t pieceSectors = 1024;
	static constexpr uint64_t mostSectors = 65536; // the files lie there
	static constexpr int files = 8;

	void write()
	{
		for (int i = 0; !stop_; i++) {
			const std::string path = folder_ + "/load" + std::to_string(i % files);
			{
				std::ofstream file(path);
				file << std::string(1 << 19, static_cast<char>('a' + i % 26));
			}
			const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
			fsync(fd);
			close(fd);
			written_ += i % files == files - 1;
		}
	}

	void compare()
	{
		lab::Buffer piece(pieceSectors);
		for (uint64_t at = 0; !stop_;) {
			if (image_.read(at, piece))
				failed_++;
			else if (memcmp(piece.data(), first_.sector(at), piece.bytes()) != 0)
				wrong_++;
			else
				read_++;
			at += pieceSectors;
			if (at + pieceSectors > first_.sectors()) {
				at = 0;
				compared_++;
			}
		}
	}

	std::string folder_;
	lab::BlockDevice image_;
	lab::Buffer first_;
	std::atomic<bool> stop_ = false;
	std::atomic<int> written_ = 0, compared_ = 0;
	std::atomic<int> wrong_ = 0, failed_ = 0, read_ = 0;
	std::thread writer_, reader_;
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

	expectPrivate(image);
	expectPrivate("/dev/mapper/snapdiff-origin-" + volume.device());

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
		SCOPED_TRACE("killed at " + std::to_string(at));
		const Finished killed = snapdiffTool({"attach", volume.volume()}, at);
		expectAlive(volume);
		const Finished again = snapdiffTool({"attach", volume.volume()});
		EXPECT_EQ(0, again.code) << again.err;
		expectAlive(volume);
		const Finished detached = snapdiffTool({"detach", volume.volume()}, at);
		expectAlive(volume);
		const Finished plain = snapdiffTool({"detach", volume.volume()});
		EXPECT_EQ(0, plain.code) << plain.err;
		expectPlain(volume);
		if (killed.code == 0 && detached.code == 0)
			break;
		steps++;
	}
	EXPECT_GE(steps, 6); // of an attach: the hidden device, then the swap; a detach has five
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}

TEST_F(Cli, AFirstAttachThatWasKilledIsFinishedByTheNext)
{
	// A volume is carved; the store's device is created, has a table, is there.
	constexpr int boundaries = 4;

	const MountedVolume volume("vgfirst");
	for (int at = 1; at <= boundaries; at++) {
		SCOPED_TRACE("killed at " + std::to_string(at));
		EXPECT_NE(0, snapdiffTool({"attach", volume.volume()}, at).code);
		expectAlive(volume);
		const Finished again = snapdiffTool({"attach", volume.volume()});
		EXPECT_EQ(0, again.code) << again.err;
		EXPECT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
		EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
		expectPlain(volume);
		// What was carved and not yet given is left to the daemon, or to the administrator.
		runProgram({"lvm", "lvremove", "-q", "-y", "@snapdiff"});
	}
}

TEST_F(Cli, ARangeThatIsGivenTwiceIsThereAlready)
{
	const MountedVolume volume("vgtwice");
	const lab::Disk range(0, 65536); // on the origin's own disk
	range.zero();
	ASSERT_EQ(0, snapdiffTool({"attach", volume.volume()}).code);
	ASSERT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);

	// Given while there is no origin, and again while there is one whose disk it shares.
	const Finished given = snapdiffTool({"extend", range.path()});
	EXPECT_TRUE(contains(given.out, "extended by 32.00 MiB")) << given.out << given.err;
	ASSERT_EQ(0, snapdiffTool({"attach", volume.volume()}).code);
	const Finished again = snapdiffTool({"extend", range.path()});
	EXPECT_EQ(0, again.code) << again.err;
	EXPECT_TRUE(contains(again.out, " already")) << again.out;

	ASSERT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}

TEST_F(Cli, ImagesStayPrivateWhenUdevLooksAtThemAgain)
{
	const UdevRules rules;
	const MountedVolume volume("vgudev");
	ASSERT_EQ(0, snapdiffTool({"create", "--name", "s", volume.volume()}).code);
	const std::string image = "/dev/mapper/" + volume.device() + "@s";
	const std::string hidden = "/dev/mapper/snapdiff-origin-" + volume.device();
	// As a range that holds the old data of the origin's first chunk at its beginning.
	mustRun({"lvm", "lvcreate", "-q", "-y", "-Wn", "-Zn", "-L", "4M", "-n", "snapdiff.77",
		 "vgudev"});
	mustRun({"dd", "status=none", "if=/dev/vgudev/home", "of=/dev/vgudev/snapdiff.77", "bs=1M",
		 "count=4", "conv=fsync"});
	for (const char *action : {"change", "add"}) {
		mustRun({"udevadm", "trigger", "--settle", "--subsystem-match=block",
			 std::string("--action=") + action});
		expectPrivate(image);
		expectPrivate(hidden);
		expectPrivate("/dev/mapper/vgudev-snapdiff.77");
	}
	mustRun({"lvm", "lvremove", "-q", "-y", "vgudev/snapdiff.77"});
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "s"}).code);
	EXPECT_EQ(0, snapdiffTool({"detach", volume.volume()}).code);
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "--remove-store", volume.store()}).code);
}

TEST_F(Cli, APhysicalVolumeOnAnOriginIsNotShownToLvmTwice)
{
	const MountedVolume volume("vgpv");
	const std::string origin = "vgpv/machine";
	mustRun({"lvm", "lvcreate", "-q", "-y", "-L", "64M", "-n", "machine", "vgpv"});
	mustRun({"lvm", "pvcreate", "-q", "--config", "devices{scan_lvs=1}", "/dev/" + origin});

	const Finished refused = snapdiffTool({"attach", origin});
	EXPECT_NE(0, refused.code);
	EXPECT_TRUE(contains(refused.err, "global_filter = ")) << refused.err;
	EXPECT_FALSE(std::filesystem::exists("/dev/mapper/snapdiff-origin-vgpv-machine"));
	EXPECT_FALSE(contains(runProgram({"lvm", "pvs", "-a"}).out, "machine"));

	// What it says is what helps.
	const size_t filter = refused.err.find("global_filter = ");
	const LvmConfig config("devices {\n" +
			       refused.err.substr(filter, refused.err.find('\n', filter) - filter) +
			       "\n}\n");
	const Finished created = snapdiffTool({"create", "--name", "s", origin});
	EXPECT_EQ(0, created.code) << created.err;
	EXPECT_TRUE(std::filesystem::exists("/dev/mapper/vgpv-machine@s"));
	const Finished listed = runProgram({"lvm", "pvs", "-a"});
	EXPECT_FALSE(contains(listed.out + listed.err, "machine")) << listed.out << listed.err;
	EXPECT_EQ(0, snapdiffTool({"delete", "-y", "s"}).code);
	EXPECT_EQ(0, snapdiffTool({"detach", origin}).code);
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
	ASSERT_TRUE(killed);
	EXPECT_TRUE(killed->actionUnknown);
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

// LVM puts its own table back while the volume is written to and an image is read.
void LvmPutsItsTableBack::run(const std::vector<std::string> &command)
{
	const MountedVolume volume("vgback");
	ASSERT_EQ(0, snapdiffTool({"create", "--name", "s", volume.volume()}).code);
	{
		Load load(volume.folder(), "/dev/mapper/" + volume.device() + "@s");
		load.waitForRounds(1);
		const lab::ExpectKernelLog gone("snapshot s is invalid: origin-gone",
						lab::Appearance::Must);
		const lab::ExpectKernelLog buffer("Buffer I/O error on dev");
		std::vector<std::string> words = {"lvm"};
		words.insert(words.end(), command.begin(), command.end());
		words.push_back(volume.volume());
		mustRun(words);
		load.waitForRounds(1);
		load.stop();
		EXPECT_EQ(0, load.wrong());
		EXPECT_GT(load.failed(), 0);
		EXPECT_GT(load.read(), 0);
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

TEST_F(LvmPutsItsTableBack, ByRefreshUnderLoad)
{
	run({"lvchange", "--refresh"});
}

TEST_F(LvmPutsItsTableBack, ByExtendUnderLoad)
{
	run({"lvextend", "-q", "-L", "+32M"});
}
