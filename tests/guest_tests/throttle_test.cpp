// SPDX-License-Identifier: GPL-2.0-or-later
// A reader that its control group slows down, and a writer that must not wait for it.

#include "support/stack.h"

#include <chrono>
#include <fstream>
#include <gtest/gtest.h>
#include <iostream>
#include <stdexcept>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t originSectors = 16384;
constexpr uint64_t readSectors = 2048; // 1 MiB
constexpr unsigned bytesPerSecond = 65536;

void writeFile(const std::string &path, const std::string &text)
{
	std::ofstream file(path);
	if (!(file << text << std::flush))
		throw std::runtime_error("cannot write \"" + text + "\" to " + path);
}

// A control group that may read a disk at bytesPerSecond only.
class SlowReaders
{
public:
	explicit SlowReaders(const std::string &disk)
	{
		struct stat about = {};
		if (stat(disk.c_str(), &about))
			throw std::runtime_error("no disk " + disk);
		mkdir(root_.c_str(), 0700);
		if (mount("none", root_.c_str(), "cgroup2", 0, nullptr))
			throw std::runtime_error("no cgroup2 file system");
		writeFile(root_ + "/cgroup.subtree_control", "+io");
		if (mkdir(group_.c_str(), 0700))
			throw std::runtime_error("no control group " + group_);
		canLimit_ = access((group_ + "/io.max").c_str(), F_OK) == 0;
		if (canLimit_)
			writeFile(group_ + "/io.max",
				  std::to_string(major(about.st_rdev)) + ":" +
					  std::to_string(minor(about.st_rdev)) +
					  " rbps=" + std::to_string(bytesPerSecond));
	}
	~SlowReaders()
	{
		EXPECT_EQ(rmdir(group_.c_str()), 0);
		EXPECT_EQ(umount2(root_.c_str(), 0), 0);
	}

	// Was the kernel built with limits for block devices?
	bool canLimit() const { return canLimit_; }

	// Starts a process of the group that reads the beginning of a device.
	pid_t read(const std::string &path, uint64_t sectors) const
	{
		const pid_t pid = fork();
		if (pid)
			return pid;
		writeFile(group_ + "/cgroup.procs", "0");
		Buffer data(sectors);
		_exit(BlockDevice(path, BlockDevice::Mode::ReadOnly).read(0, data));
	}

private:
	std::string root_ = "/tmp/snapdiff-cgroup";
	std::string group_ = root_ + "/slow";
	bool canLimit_ = false;
};

int endOf(pid_t pid)
{
	int status = -1;
	waitpid(pid, &status, 0);
	return status;
}

int64_t msSince(Clock::time_point begun)
{
	return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count();
}

} // namespace

TEST(Throttled, ReaderOfAnImageDoesNotSlowDownAFirstWrite)
{
	const Disk below(0, originSectors);
	const Disk range(1, originSectors);
	Store store({}, {rangeWords(range)});
	Origin origin(store, "a", below);
	store.take("s");
	const Image image(store, "s", origin);
	const SlowReaders slow(diskPath(0));
	if (!slow.canLimit())
		GTEST_SKIP() << "this kernel has no limits of control groups for block devices";

	// The limit is one: a read of what lies below takes as long as it says.
	auto begun = Clock::now();
	ASSERT_EQ(endOf(slow.read(below.path(), readSectors / 4)), 0);
	const int64_t limitedMs = msSince(begun);
	ASSERT_GE(limitedMs, 2000) << "the control group does not limit anything";

	// The same of all chunks that the writer wants: it would wait four times as long.
	const pid_t reader = slow.read(image.path(), readSectors);
	std::this_thread::sleep_for(500ms);
	BlockDevice live(origin.path());
	Buffer data(8, 0x77);
	begun = Clock::now();
	ASSERT_EQ(live.write(readSectors - 8, data), 0);
	const int64_t waitedMs = msSince(begun);
	EXPECT_LT(waitedMs, limitedMs);
	EXPECT_EQ(endOf(reader), 0);
	std::cout << "a limited read: " << limitedMs << " ms, the write: " << waitedMs << " ms"
		  << std::endl;
}
