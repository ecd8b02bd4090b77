// SPDX-License-Identifier: GPL-2.0-or-later
// The real daemon with real LVM: it feeds a store from two volume groups, and picks up where a
// SIGKILL left it.
#include "harness/block_device.h"
#include "harness/disk.h"
#include "support/stack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr uint64_t mib = 2048; // sectors

std::string runCommand(const std::string &command)
{
	std::string out;
	FILE *pipe = popen(("LVM_SUPPRESS_FD_WARNINGS=1 " + command + " 2>&1").c_str(), "r");
	char piece[4096];
	while (pipe && fgets(piece, sizeof(piece), pipe))
		out += piece;
	const int status = pipe ? pclose(pipe) : -1;
	EXPECT_EQ(status, 0) << command << "\n" << out;
	return out;
}

// A volume group on a slice of its own disk; not at the disk's beginning, where LVM would find it
// twice.
class Group
{
public:
	Group(const std::string &name, int disk, uint64_t sectors)
		: name_(name), before_(disk, mib), slice_(disk, sectors)
	{
		runCommand("pvcreate -q -ff -y " + slice_.path());
		runCommand("vgcreate -q -y " + name_ + " " + slice_.path());
	}
	~Group()
	{
		runCommand("vgremove -q -ff -y " + name_);
		runCommand("pvremove -q -ff -y " + slice_.path());
	}
	Group(const Group &) = delete;
	Group &operator=(const Group &) = delete;

private:
	std::string name_;
	Disk before_;
	Disk slice_;
};

// The daemon as a process of ours; what it says is in a file.
class DaemonProcess
{
public:
	DaemonProcess()
	{
		std::ofstream(config_) << "supplies = [\"sdt0\", \"sdt1\"]\n"
					  "policy = \"spread\"\n"
					  "range_size = \"16MiB\"\n"
					  "reserve_ranges = 12\n"
					  "low_water = \"12MiB\"\n"
					  "bus = \"unix:path=/nonexistent\"\n";
		unlink(log_);
	}
	~DaemonProcess() { stop(SIGTERM); }

	void start()
	{
		pid_ = fork();
		if (pid_ == 0) {
			const int fd = open(log_, O_WRONLY | O_CREAT | O_APPEND, 0600);
			dup2(fd, STDERR_FILENO);
			execl(SNAPDIFFD, "snapdiffd", "--config", config_, nullptr);
			_exit(127);
		}
	}
	int stop(int signal)
	{
		if (pid_ <= 0)
			return 0;
		int status = 0;
		kill(pid_, signal);
		waitpid(pid_, &status, 0);
		pid_ = -1;
		return status;
	}
	std::string log() const
	{
		std::ostringstream text;
		text << std::ifstream(log_).rdbuf();
		return text.str();
	}
	size_t count(const std::string &words) const
	{
		const std::string text = log();
		size_t number = 0;
		for (size_t at = 0; (at = text.find(words, at)) != text.npos; at += words.size())
			number++;
		return number;
	}
	bool waitFor(const std::string &words, size_t number, int seconds) const
	{
		for (int i = 0; i < seconds * 10; i++) {
			if (count(words) >= number)
				return true;
			usleep(100'000);
		}
		ADD_FAILURE() << "waited in vain for: " << words << "\n" << log();
		return false;
	}
	// Microseconds from wake-up to accepted, sorted.
	std::vector<unsigned> latencies() const
	{
		std::vector<unsigned> found;
		std::istringstream lines(log());
		for (std::string line; std::getline(lines, line);)
			if (const size_t at = line.find(" within "); at != line.npos)
				found.push_back(static_cast<unsigned>(
					std::strtoul(line.c_str() + at + 8, nullptr, 10)));
		std::sort(found.begin(), found.end());
		return found;
	}

private:
	static constexpr const char *config_ = "/tmp/snapdiffd-test.toml";
	static constexpr const char *log_ = "/tmp/snapdiffd-test.log";
	pid_t pid_ = -1;
};

// A store of 32 MiB below an origin of 384 MiB, and two groups to carve from.
class TheDaemon : public testing::Test
{
protected:
	void rewrite(uint64_t from, uint64_t to)
	{
		const BlockDevice device(origin.path());
		const Buffer buffer(mib, 0x5a);
		// At most 200 MB/s: the disks of the guest are the host's memory, and nothing
		// could be promised of the fastest of them.
		for (uint64_t at = from; at < to; at += mib) {
			ASSERT_EQ(device.write(at, buffer), 0) << "sector " << at;
			std::this_thread::sleep_for(std::chrono::milliseconds(5));
		}
	}
	// Every range of the store is another device.
	void checkRanges() const
	{
		std::set<std::string> seen;
		for (const RangeStatus &given : store.status().ranges)
			EXPECT_TRUE(seen.insert(given.device).second) << given.device;
	}

	Group first{"sdt0", 0, 320 * mib};
	Group second{"sdt1", 1, 320 * mib};
	Disk range{2, 32 * mib};
	Disk below{3, 384 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "home", below};
};

TEST_F(TheDaemon, FeedsAStoreFromTwoVolumeGroupsAndNoWriteWaits)
{
	DaemonProcess daemon;
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	rewrite(0, 200 * mib);

	const std::vector<unsigned> latencies = daemon.latencies();
	ASSERT_TRUE(daemon.waitFor("was given ", 10, 10));
	EXPECT_GE(daemon.count("was given sdt0/"), 3U);
	EXPECT_GE(daemon.count("was given sdt1/"), 3U);
	EXPECT_EQ(store.summary().heldTotal, 0U);
	EXPECT_EQ(store.status().snapshot("s").state, "live");
	checkRanges();
	if (!latencies.empty())
		std::printf("%zu extensions, from wake-up to accepted: median %u us, most %u us\n",
			    latencies.size(), latencies[latencies.size() / 2], latencies.back());
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

TEST_F(TheDaemon, KilledAroundEventsLosesNothing)
{
	DaemonProcess daemon;
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	for (uint64_t i = 0; i < 4; i++) {
		rewrite(i * 32 * mib, (i + 1) * 32 * mib);
		usleep(static_cast<useconds_t>(i * 3000));
		daemon.stop(SIGKILL);
		daemon.start();
	}
	EXPECT_TRUE(store.waitFor([](const Summary &now) { return now.level == "ok"; }, 60000));
	EXPECT_EQ(store.status().snapshot("s").state, "live");
	checkRanges();

	// Started anew, it finds what is left: nothing is given twice, nothing is orphaned.
	daemon.stop(SIGKILL);
	daemon.start();
	rewrite(4 * 32 * mib, 5 * 32 * mib);
	EXPECT_TRUE(store.waitFor([](const Summary &now) { return now.level == "ok"; }, 60000));
	checkRanges();
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

} // namespace
} // namespace snapdiff::lab
