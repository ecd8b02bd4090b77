// SPDX-License-Identifier: GPL-2.0-or-later
// A take freezes file systems: nobody of ours needs one meanwhile, and however its processes are
// killed, none stays frozen.
#include "dm/device_mapper.h"
#include "harness/disk.h"
#include "harness/kernel_log.h"
#include "harness/random.h"
#include "lvm/lvm.h"
#include "ops/freeze.h"
#include "ops/inventory.h"
#include "ops/snapshot.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/tracer.h"
#include "support/volume_group.h"
#include "util/clock.h"
#include "util/run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// An ext4 on an origin, mounted.
class MountedOrigin
{
public:
	MountedOrigin(Store &store, const std::string &name, int disk)
		: below_(disk, 48 * mib), origin_(store, name, below_),
		  folder_("/run/frozen-" + name)
	{
		mkdir(folder_.c_str(), 0755);
		runCommand("mkfs.ext4 -q " + origin_.path() + " && mount " + origin_.path() + " " +
			   folder_);
	}
	~MountedOrigin()
	{
		thaw(); // or nothing of the test would ever end
		EXPECT_EQ(umount(folder_.c_str()), 0) << errno;
	}
	MountedOrigin(const MountedOrigin &) = delete;
	MountedOrigin &operator=(const MountedOrigin &) = delete;

	const std::string &folder() const { return folder_; }
	Origin &origin() { return origin_; }
	dev_t device() const
	{
		struct stat info = {};
		stat(folder_.c_str(), &info);
		return info.st_dev;
	}
	// Seconds until a new file was on the disk; nothing if that took too long.
	std::optional<double> writable(double limit) const
	{
		const auto start = Clock::now();
		const pid_t pid = fork();
		if (pid == 0) {
			const int fd = open((folder_ + "/probe").c_str(),
					    O_WRONLY | O_CREAT | O_TRUNC, 0600);
			_exit(write(fd, "x", 1) == 1 && fsync(fd) == 0 ? 0 : 1);
		}
		int status = 0;
		while (waitpid(pid, &status, WNOHANG) != pid) {
			if (Seconds(Clock::now() - start).count() > limit) {
				thaw();
				waitpid(pid, &status, 0);
				return std::nullopt;
			}
			usleep(2000);
		}
		EXPECT_EQ(status, 0) << folder_;
		return Seconds(Clock::now() - start).count();
	}

private:
	void thaw() const
	{
		const int fd = open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
		ioctl(fd, FITHAW, 0);
		close(fd);
	}

	Disk below_;
	Origin origin_;
	std::string folder_;
};

// Dirties a file system all the time, so that freezing has something to do.
class Dirtier
{
public:
	explicit Dirtier(std::string folder)
		: folder_(std::move(folder)), thread_([this] { run(); })
	{
	}
	~Dirtier()
	{
		stop_ = true;
		thread_.join();
	}
	Dirtier(const Dirtier &) = delete;
	Dirtier &operator=(const Dirtier &) = delete;

private:
	void run()
	{
		for (int i = 0; !stop_; i++) {
			std::ofstream(folder_ + "/dirt" + std::to_string(i % 8))
				<< std::string(200'000, static_cast<char>('a' + i % 26));
			usleep(3000);
		}
	}

	std::string folder_;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
};

class Freezing : public testing::Test
{
protected:
	Disk range{1, 64 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	MountedOrigin first{store, "first", 2};
	MountedOrigin second{store, "second", 3};
};

// The product's own take, in a process of its own that can be killed.
class TakingProcess
{
public:
	TakingProcess(const std::string &store, const std::string &snapshot) : pid_(fork())
	{
		if (pid_ == 0)
			_exit(take(store, snapshot) ? 0 : 1);
	}
	pid_t pid() const { return pid_; }
	bool succeeds() const
	{
		int status = 0;
		return waitpid(pid_, &status, 0) == pid_ && status == 0;
	}

	// The watchdog and the one that freezes, in this order, as far as they are there.
	std::vector<pid_t> children() const
	{
		std::vector<pid_t> found;
		const std::string id = std::to_string(pid_);
		std::ifstream list("/proc/" + id + "/task/" + id + "/children");
		for (pid_t child = 0; list >> child;)
			found.push_back(child);
		return found;
	}

private:
	static bool take(const std::string &name, const std::string &snapshot)
	{
		dm::LibDeviceMapper dm;
		SystemRunner runner;
		lvm::Lvm lvm(runner);
		SystemClock clock;
		ops::Context context = {dm, lvm, runner, clock, {}};
		const auto inventory = ops::readInventory(context);
		const model::Store *store = inventory ? inventory->store(name) : nullptr;
		ops::TakeRequest request;
		request.snapshot = snapshot;
		return store && ops::take(context, *store, request).has_value();
	}

	pid_t pid_;
};

// Whoever the killed leave behind is ours to wait for. False: somebody is still there.
bool collectEverybody(double limit)
{
	const auto start = Clock::now();
	for (;;) {
		const pid_t pid = waitpid(-1, nullptr, WNOHANG);
		if (pid < 0)
			return true;
		if (pid == 0 && Seconds(Clock::now() - start).count() > limit)
			return false;
		if (pid == 0)
			usleep(1000);
	}
}

TEST_F(Freezing, NothingStaysFrozenWhoeverIsKilledAndWhenever)
{
	constexpr double watchdog = 5;
	constexpr double slack = 10; // of a machine that is slow
	const int times = fullCounts() ? 200 : 40;
	int killed[3] = {};
	double longest = 0;
	Random random;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	std::printf("seed %lu\n", static_cast<unsigned long>(runSeed()));
	for (int i = 0; i < times && !HasFailure(); i++) {
		SCOPED_TRACE("kill " + std::to_string(i));
		const std::string snapshot = "k" + std::to_string(i);
		std::optional<Dirtier> dirtier(std::in_place, first.folder());
		const TakingProcess taking(store.device().name(), snapshot);
		// Two of three times once both children are there, else at any time.
		const bool late = !random.oneIn(3);
		for (int wait = 0; late && wait < 5000 && taking.children().size() < 2; wait++)
			usleep(200);
		usleep(static_cast<useconds_t>(random.below(late ? 25'000 : 60'000)));
		std::vector<pid_t> all = taking.children();
		all.insert(all.begin(), taking.pid());
		// One or two of them, never all three.
		std::vector<size_t> order = {0, 1, 2};
		std::shuffle(order.begin(), order.end(), random.engine());
		order.resize(random.between(1, 2));
		for (const size_t victim : order) {
			if (victim >= all.size())
				continue;
			kill(all[victim], SIGKILL);
			killed[victim]++;
		}
		for (const MountedOrigin *mounted : {&first, &second}) {
			const std::optional<double> took = mounted->writable(watchdog + slack);
			EXPECT_TRUE(took) << mounted->folder() << " stayed frozen";
			longest = std::max(longest, took.value_or(watchdog + slack));
		}
		dirtier.reset();
		EXPECT_TRUE(collectEverybody(watchdog + slack));
		if (store.status().hasSnapshot(snapshot))
			store.drop(snapshot);
	}
	std::printf("killed: %d times who asked, %d the watchdog, %d who froze; longest until "
		    "writable %.2f s\n",
		    killed[0], killed[1], killed[2], longest);
	EXPECT_GT(std::min({killed[0], killed[1], killed[2]}), 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

// A write that lasts until somebody fills the other end of a pipe: freezing waits for its end.
class EndlessWrite
{
public:
	explicit EndlessWrite(const std::string &file)
	{
		if (pipe2(ends_, O_CLOEXEC) < 0)
			throw std::runtime_error("no pipe");
		thread_ = std::thread([this, file] {
			const int to = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
			splice(ends_[0], nullptr, to, nullptr, 4096, 0);
			close(to);
		});
	}
	~EndlessWrite()
	{
		close(ends_[1]);
		thread_.join();
		close(ends_[0]);
	}
	EndlessWrite(const EndlessWrite &) = delete;
	EndlessWrite &operator=(const EndlessWrite &) = delete;

private:
	int ends_[2];
	std::thread thread_;
};

// Whether who asked is killed meanwhile or not.
TEST_F(Freezing, NothingStaysFrozenThatIsFrozenWhenItsTimeIsOver)
{
	for (const bool killed : {false, true}) {
		SCOPED_TRACE(killed ? "killed" : "alive");
		const TakingProcess taking(store.device().name(), killed ? "k" : "a");
		std::optional<EndlessWrite> write(std::in_place, first.folder() + "/endless");
		for (int wait = 0; wait < 5000 && taking.children().size() < 2; wait++)
			usleep(200);
		const std::vector<pid_t> children = taking.children();
		ASSERT_EQ(children.size(), 2U);
		sleep(7); // the watchdog gives it five seconds
		if (taking.children().size() < 2)
			GTEST_SKIP() << "splice() lets this kernel freeze";
		if (killed)
			kill(children[1], SIGKILL);
		write.reset();
		EXPECT_FALSE(taking.succeeds());
		for (const MountedOrigin *mounted : {&first, &second})
			EXPECT_TRUE(mounted->writable(10)) << mounted->folder() << " stayed frozen";
	}
	EXPECT_TRUE(store.status().snapshots.empty());
}

// Whoever cannot tell whether a snapshot is his own leaves it alone.
TEST_F(Freezing, SomebodyElsesSnapshotOfThatNameStaysWhenWhoFrozeIsKilled)
{
	const ExpectKernelLog refused(refusedMessage);
	Random random;
	int times = 0;

	std::printf("seed %lu\n", static_cast<unsigned long>(runSeed()));
	for (int i = 0; i < 100 && times < 5 && !HasFailure(); i++) {
		const std::string snapshot = "e" + std::to_string(i);
		const TakingProcess taking(store.device().name(), snapshot);
		for (int wait = 0; wait < 50000 && taking.children().size() < 2; wait++)
			usleep(100);
		usleep(static_cast<useconds_t>(random.below(3000)));
		const std::vector<pid_t> children = taking.children();
		if (children.size() < 2) {
			(void)taking.succeeds();
			continue;
		}
		kill(children[1], SIGSTOP);
		// Refused if his is there already: the next one is stopped earlier.
		const bool ours = store.send("take " + snapshot + " 5000 *").ok();
		kill(children[1], SIGKILL);
		const bool done = taking.succeeds();
		EXPECT_FALSE(ours && done) << snapshot;
		EXPECT_TRUE(store.status().hasSnapshot(snapshot)) << snapshot << ", ours: " << ours;
		times += ours ? 1 : 0;
		store.drop(snapshot);
	}
	EXPECT_EQ(times, 5);
}

bool isFreeze(const SystemCall &call)
{
	return call.number == SYS_ioctl && call.arguments[1] == FIFREEZE;
}

bool isThaw(const SystemCall &call)
{
	return call.number == SYS_ioctl && call.arguments[1] == FITHAW;
}

// Of the process that froze.
bool mayFreezer(const SystemCall &call)
{
	return isFreeze(call) || isThaw(call) || call.number == SYS_clock_gettime ||
	       (call.number == SYS_ioctl && call.text.starts_with("take "));
}

// Of its watchdog and of who asked: waiting, and what a process does at its beginning.
bool mayOthers(const SystemCall &call)
{
	constexpr uint64_t calls[] = {SYS_wait4,	  SYS_poll,   SYS_ppoll,
				      SYS_read,		  SYS_setsid, SYS_mlockall,
				      SYS_rt_sigprocmask, SYS_close,  SYS_set_robust_list,
				      SYS_clone,	  SYS_getpid, SYS_restart_syscall};
	return std::ranges::find(calls, call.number) != std::end(calls);
}

TEST_F(Freezing, NobodyTouchesAFileALogOrABusMeanwhile)
{
	// What it says goes to a file system that is frozen at that moment.
	const std::string said = first.folder() + "/said";
	const std::string tool = SNAPDIFF_TOOL;
	int status = -1;
	const std::vector<SystemCall> calls =
		traceProgram({"/bin/sh", "-c",
			      "exec " + tool + " take --store " + store.device().name() +
				      " --name t > " + said + " 2>&1"},
			     status);
	EXPECT_EQ(status, 0);
	std::string answer;
	std::ifstream(said) >> answer;
	EXPECT_EQ(answer, "t");

	const auto freeze = std::ranges::find_if(calls, isFreeze);
	const auto thaw = std::find_if(calls.rbegin(), calls.rend(), isThaw);
	ASSERT_TRUE(freeze != calls.end() && thaw != calls.rend());
	EXPECT_EQ(std::ranges::count_if(calls, isFreeze), 2);
	EXPECT_GE(std::ranges::count_if(calls, isThaw), 2);
	int takes = 0;
	for (const SystemCall &call : calls) {
		if (call.end < freeze->began || call.began > thaw->end)
			continue;
		const bool freezer = call.pid == freeze->pid;
		EXPECT_TRUE(freezer ? mayFreezer(call) : mayOthers(call)) << call.describe();
		takes += call.text.starts_with("take ") ? 1 : 0;
	}
	EXPECT_EQ(takes, 1);
	store.drop("t");
}

TEST_F(Freezing, TheDaemonGoesOnWhileItsOwnLogIsFrozen)
{
	const VolumeGroup group("sdf0", {0}, 64 * mib);
	DaemonProcess daemon({.config = "supplies = [\"sdf0\"]\n"
					"range_size = \"8MiB\"\n"
					"reserve_ranges = 3\n",
			      .log = first.folder() + "/log"});
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 3, 100));
	const uint64_t before = store.summary().capacity;

	const auto done = ops::whileFrozen(
		{{first.folder(), dm::DeviceNumber::from(first.device()), "first"}},
		[&](char *, size_t) {
			// More than a pipe or a buffer would take up for it.
			for (int i = 0; i < 3; i++) {
				const Summary now = store.summary();
				store.demand("set low_water " + std::to_string(now.free));
				// Less than the watchdog's time for all of them.
				if (!store.waitExactly(
					    [&](const Summary &then) {
						    return then.capacity > now.capacity;
					    },
					    1200))
					return ETIMEDOUT;
			}
			return 0;
		});
	ASSERT_TRUE(done);
	EXPECT_EQ(done->actionErrno, 0) << "no range came while its log was frozen";
	EXPECT_FALSE(done->thawedByWatchdog);
	EXPECT_GE(store.summary().capacity, before + 24 * mib);
	EXPECT_TRUE(daemon.waitFor("was given ", 3, 30));
	store.demand("set low_water 0");
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();

	// The volume group goes before the store.
	const std::vector<RangeStatus> given = store.status().ranges;
	for (size_t i = 1; i < given.size(); i++)
		store.demand("shrink " + given[i].device + " " + std::to_string(given[i].start) +
			     " " + std::to_string(given[i].length));
	const auto small = [&](const Summary &now) { return now.capacity == before; };
	EXPECT_TRUE(store.waitFor(small, 20000));
}

} // namespace
} // namespace snapdiff::lab
