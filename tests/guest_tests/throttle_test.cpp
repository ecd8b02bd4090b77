// SPDX-License-Identifier: GPL-2.0-or-later
// Readers and writers that their control group slows down, and those that must not wait for them.

#include "support/shadow.h"
#include "support/stack.h"

#include <chrono>
#include <fstream>
#include <functional>
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
constexpr uint64_t pieceSectors = 2048; // 1 MiB
constexpr unsigned bytesPerSecond = 131072;

void writeFile(const std::string &path, const std::string &text)
{
	std::ofstream file(path);
	if (!(file << text << std::flush))
		throw std::runtime_error("cannot write \"" + text + "\" to " + path);
}

// A control group that may read and write a disk at bytesPerSecond only.
class SlowGroup
{
public:
	explicit SlowGroup(const std::string &disk)
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
					  " rbps=" + std::to_string(bytesPerSecond) +
					  " wbps=" + std::to_string(bytesPerSecond));
	}
	~SlowGroup()
	{
		EXPECT_EQ(rmdir(group_.c_str()), 0);
		EXPECT_EQ(umount2(root_.c_str(), 0), 0);
	}

	// Was the kernel built with limits for block devices?
	bool canLimit() const { return canLimit_; }

	// Starts a process of the group that reads the beginning of a device, or writes it.
	pid_t read(const std::string &path, uint64_t sectors) const
	{
		return start([&] {
			Buffer data(sectors);
			return BlockDevice(path, BlockDevice::Mode::ReadOnly).read(0, data);
		});
	}
	pid_t write(const std::string &path, uint64_t sectors) const
	{
		return start([&] { return BlockDevice(path).write(0, Buffer(sectors, 0x66)); });
	}

private:
	pid_t start(const std::function<int()> &work) const
	{
		const pid_t pid = fork();
		if (pid)
			return pid;
		writeFile(group_ + "/cgroup.procs", "0");
		_exit(work());
	}

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

class Throttled : public testing::Test
{
protected:
	void SetUp() override
	{
		if (!slow_.canLimit())
			GTEST_SKIP()
				<< "this kernel has no limits of control groups for block devices";
	}
	// Milliseconds that a write by somebody else takes.
	static int64_t writeMs(const Origin &origin, uint64_t sector)
	{
		const Buffer data(8, 0x77);
		const auto begun = Clock::now();
		EXPECT_EQ(BlockDevice(origin.path()).write(sector, data), 0);
		return msSince(begun);
	}

	Disk below_{0, originSectors};
	Disk range_{1, originSectors};
	Disk other_{2, originSectors};
	Store store_{{}, {rangeWords(range_)}};
	Origin origin_{store_, "a", below_};
	SlowGroup slow_{diskPath(0)};
};

} // namespace

TEST_F(Throttled, ReaderOfAnImageDoesNotSlowDownAFirstWrite)
{
	store_.take("s");
	const Image image(store_, "s", origin_);

	// The limit is one: a read of what lies below takes as long as it says.
	const auto begun = Clock::now();
	ASSERT_EQ(endOf(slow_.read(below_.path(), pieceSectors / 4)), 0);
	const int64_t limitedMs = msSince(begun);
	ASSERT_GE(limitedMs, 1000) << "the control group does not limit anything";

	// The same of all chunks that the writer wants: it would wait four times as long.
	const pid_t reader = slow_.read(image.path(), pieceSectors);
	std::this_thread::sleep_for(500ms);
	const int64_t waitedMs = writeMs(origin_, pieceSectors - 8);
	EXPECT_LT(waitedMs, limitedMs);
	EXPECT_EQ(endOf(reader), 0);
	std::cout << "a limited read: " << limitedMs << " ms, the write: " << waitedMs << " ms"
		  << std::endl;
}

// Its chunks are copied at once, by us, and then safe for all.
TEST_F(Throttled, WriterKeepsNobodyElseFromItsChunks)
{
	const Buffer old(originSectors, 0x11);
	ASSERT_EQ(BlockDevice(origin_.path()).write(0, old), 0);
	store_.take("s");
	const auto begun = Clock::now();
	const pid_t writer = slow_.write(origin_.path(), pieceSectors);
	std::this_thread::sleep_for(500ms);
	const int64_t waitedMs = writeMs(origin_, pieceSectors - 8);
	EXPECT_EQ(endOf(writer), 0);
	const int64_t limitedMs = msSince(begun);
	ASSERT_GE(limitedMs, 4000) << "the control group does not limit anything";
	EXPECT_LT(waitedMs, limitedMs / 2);
	const Image image(store_, "s", origin_);
	EXPECT_TRUE(deviceHolds(image.path(), old));
	EXPECT_EQ(store_.checked().snapshot("s").state, "live");
	std::cout << "limited writes: " << limitedMs << " ms, another's: " << waitedMs << " ms"
		  << std::endl;
}

// A write that waits below is under way: a take cannot be later than it, and nobody may wait for
// either longer than the take's time limit.
TEST_F(Throttled, WriterUnderWayMakesATakeFailAtItsLimitAndHoldsNobody)
{
	const ExpectKernelLog refused(refusedMessage, Appearance::Must);
	const Origin beside(store_, "b", other_);
	const auto begun = Clock::now();
	const pid_t writer = slow_.write(origin_.path(), pieceSectors);
	std::this_thread::sleep_for(500ms);
	EXPECT_EQ(store_.send("take s 300 *").error, ETIMEDOUT);
	const int64_t refusedMs = msSince(begun);
	const int64_t hereMs = writeMs(origin_, originSectors - 8);
	const int64_t besideMs = writeMs(beside, 0);
	// A take that has the time for it succeeds as soon as the write is done.
	EXPECT_EQ(store_.send("take s 60000 *").error, 0) << store_.why();
	const int64_t takenMs = msSince(begun);
	EXPECT_EQ(endOf(writer), 0);
	const int64_t limitedMs = msSince(begun);
	ASSERT_GE(limitedMs, 4000) << "the control group does not limit anything";
	EXPECT_LT(refusedMs, limitedMs / 2);
	EXPECT_LT(hereMs, limitedMs / 2);
	EXPECT_LT(besideMs, limitedMs / 2);
	EXPECT_GE(takenMs, limitedMs / 2) << "the take did not wait for the write under way";
	const StoreStatus now = store_.checked();
	EXPECT_EQ(now.snapshots.size(), 1u);
	EXPECT_EQ(now.snapshot("s").state, "live");
	std::cout << "limited writes: " << limitedMs << " ms; a take was refused after "
		  << refusedMs << " ms, the next done after " << takenMs << " ms" << std::endl;
}
