// SPDX-License-Identifier: GPL-2.0-or-later
// The hot path of the real daemon, from the event to the message: which system calls it makes,
// whether it allocates, and how long it takes when the processors are busy and the machine swaps.
#include "harness/block_device.h"
#include "harness/disk.h"
#include "support/busy_process.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/hot_watch.h"
#include "support/stack.h"
#include "support/tracer.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include <linux/dm-ioctl.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr unsigned ranges = 8;

constexpr const char *config = "supplies = [\"sdh0\"]\n"
			       "range_size = \"4MiB\"\n"
			       "reserve_ranges = 8\n";

int64_t monotonicNs()
{
	timespec now = {};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void spin()
{
	for (unsigned i = 0; i < 1'000'000; i++)
		asm volatile("" : : : "memory");
}

// "name: N kB" of /proc/meminfo or /proc/PID/status, in bytes.
uint64_t bytesOf(const std::string &file, const std::string &name)
{
	std::ifstream lines(file);
	for (std::string line; std::getline(lines, line);)
		if (line.starts_with(name + ":"))
			return std::strtoull(line.c_str() + name.size() + 1, nullptr, 10) * 1024;
	return 0;
}

uint64_t swappedInPages()
{
	std::ifstream words("/proc/vmstat");
	std::string name;
	uint64_t value = 0;
	while (words >> name >> value)
		if (name == "pswpin")
			return value;
	return 0;
}

// Swap on a plain disk, and more memory in use than there is.
class Swapping
{
public:
	Swapping() : disk_(3, 700 * mib)
	{
		runCommand("mkswap " + disk_.path());
		if (swapon(disk_.path().c_str(), 0) < 0)
			ADD_FAILURE() << "cannot swap to " << disk_.path();
		const uint64_t available = bytesOf("/proc/meminfo", "MemAvailable");
		hog_ = std::make_unique<BusyProcess>(
			[available] { touchAtRandom(available - moving + missing, moving); });
		for (int i = 0; i < 6000 && swappedInPages() < 1000; i++)
			usleep(10'000);
		EXPECT_GE(swappedInPages(), 1000U) << "nothing was swapped";
	}
	~Swapping()
	{
		hog_.reset();
		if (swapoff(disk_.path().c_str()) < 0)
			ADD_FAILURE() << "cannot end swapping to " << disk_.path();
	}
	Swapping(const Swapping &) = delete;
	Swapping &operator=(const Swapping &) = delete;

private:
	static constexpr uint64_t moving = 400ULL << 20;
	static constexpr uint64_t missing = 160ULL << 20;

	static volatile uint64_t *allocate(uint64_t size)
	{
		return static_cast<uint64_t *>(mmap(nullptr, size, PROT_READ | PROT_WRITE,
						    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	}
	// The whole life of the process: takes most of the memory for good, and touches the rest,
	// which is more than there is, here and there.
	static void touchAtRandom(uint64_t fixed, uint64_t rest)
	{
		constexpr uint64_t page = 4096;

		std::ofstream("/proc/self/oom_score_adj") << 1000;
		auto *taken = const_cast<uint64_t *>(allocate(fixed));
		madvise(taken, fixed, MADV_HUGEPAGE);
		mlock(taken, fixed);
		volatile uint64_t *memory = allocate(rest);
		for (uint64_t random = 1;; random = random * 6364136223846793005U + 1)
			memory[(random >> 16) % (rest / page) * (page / 8)] = random;
	}

	Disk disk_;
	std::unique_ptr<BusyProcess> hog_;
};

// Major faults of one thread so far: it had to wait for a page from a disk.
uint64_t majorFaults(pid_t thread)
{
	std::ifstream file("/proc/" + std::to_string(thread) + "/task/" + std::to_string(thread) +
			   "/stat");
	std::string line;
	std::getline(file, line);
	std::istringstream words(line.substr(line.rfind(')') + 2));
	std::string word;
	for (int field = 3; field <= 12 && words >> word; field++)
		;
	return std::strtoull(word.c_str(), nullptr, 10);
}

class TheHotPath : public testing::Test
{
protected:
	// The daemon is up and the reserve as large as it is to be.
	void startDaemon()
	{
		daemon.start();
		ASSERT_TRUE(daemon.waitForReserve(ranges, 30));
	}
	// The store is low from this moment on, and not before.  When that was.
	int64_t makeLow() const
	{
		const uint64_t free = store.summary().free;
		const int64_t now = monotonicNs();
		store.demand("set low_water " + std::to_string(free));
		return now;
	}
	// How long the daemon took to answer, in nanoseconds.  A range that it gives just when the
	// mark is set leaves the store above the mark, and nothing to answer: then once more.
	int64_t answer() const
	{
		for (int i = 0; i < 10; i++) {
			const uint64_t before = watch.count();
			const int64_t low = makeLow();
			const bool given = watch.waitForCount(before + 1, 10);
			EXPECT_TRUE(given || store.summary().level == "ok")
				<< "low, and no range came\n"
				<< daemon.log();
			const int64_t took = watch.extension(before).acceptedNs - low;
			if (given && took > 0)
				return took;
		}
		ADD_FAILURE() << "ten times no range was needed\n" << daemon.log();
		return 0;
	}
	// One event after the other, each answered before the next; nanoseconds each.
	std::vector<int64_t> answers(unsigned number) const
	{
		std::vector<int64_t> took;
		for (unsigned i = 0; i < number; i++) {
			// After what the last one left it to do, as a rule.
			usleep(400'000);
			took.push_back(answer());
		}
		std::sort(took.begin(), took.end());
		return took;
	}
	static void print(const char *when, const std::vector<int64_t> &sorted)
	{
		std::printf("low water to range accepted, %s: %zu times, p50 %.2f ms, p99 %.2f ms, "
			    "most %.2f ms\n",
			    when, sorted.size(), double(sorted[sorted.size() / 2]) / 1e6,
			    double(sorted[(sorted.size() * 99 + 99) / 100 - 1]) / 1e6,
			    double(sorted.back()) / 1e6);
	}
	// Empties the store of what it was given; the daemon, started anew, has it in reserve.
	void giveBack()
	{
		daemon.stop(SIGKILL);
		store.demand("set low_water 0");
		const std::vector<RangeStatus> given = store.status().ranges;
		for (size_t i = 1; i < given.size(); i++)
			store.demand("shrink " + given[i].device + " " +
				     std::to_string(given[i].start) + " " +
				     std::to_string(given[i].length));
		EXPECT_TRUE(
			store.waitFor([](const Summary &now) { return now.capacity == 32 * mib; }));
	}

	VolumeGroup group{"sdh0", {0}, 160 * mib};
	Disk range{1, 32 * mib};
	Disk below{2, 64 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "home", below};
	HotWatch watch;
	DaemonProcess daemon{{.config = config, .environment = HotWatch::environment()}};
};

// The calls from the return of each poll() that the control device ended to the last range that
// was accepted before the next poll().
std::vector<std::vector<SystemCall>> windowsOf(const std::vector<SystemCall> &calls)
{
	std::vector<std::vector<SystemCall>> windows;
	std::vector<SystemCall> window;
	bool open = false;
	size_t extends = 0;

	for (const SystemCall &call : calls) {
		const bool polls = call.number == SYS_ppoll || call.number == SYS_poll;
		if (!polls) {
			if (open)
				window.push_back(call);
			if (open && call.text.starts_with("extend "))
				extends = window.size();
			continue;
		}
		if (extends) {
			window.resize(extends);
			windows.push_back(window);
		}
		window.clear();
		extends = 0;
		open = call.text == "first";
	}
	return windows;
}

TEST_F(TheHotPath, AsksNothingButTheControlDeviceBetweenTheEventAndTheMessage)
{
	constexpr size_t times = ranges;

	startDaemon();
	std::vector<SystemCall> calls;
	{
		Tracer tracer(daemon.pid());
		answers(times);
		tracer.stop();
		calls = tracer.calls();
	}
	const auto windows = windowsOf(calls);
	std::string polls;
	for (const SystemCall &call : calls)
		if (call.number == SYS_ppoll || call.number == SYS_poll ||
		    call.text.starts_with("extend "))
			polls += call.describe() + " " + call.text + "\n";
	EXPECT_GE(windows.size(), times / 2) << polls;
	for (const std::vector<SystemCall> &window : windows) {
		const uint64_t control = window.back().arguments[0];
		size_t closes = 0;
		size_t extends = 0;
		for (const SystemCall &call : window) {
			const bool asks = call.number == SYS_ioctl && call.arguments[0] == control;
			// The claim on the range ends; it is open a second time, so this is quick.
			const bool unclaims =
				call.number == SYS_close && call.arguments[0] != control;
			EXPECT_TRUE(asks || unclaims || call.number == SYS_clock_gettime)
				<< call.describe();
			closes += unclaims;
			extends += call.text.starts_with("extend ");
		}
		EXPECT_EQ(closes, extends) << "one claim a range";
	}
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

TEST_F(TheHotPath, AllocatesNothingAndIsQuickWhenTheProcessorsAreBusyAndTheMachineSwaps)
{
	if (!fullCounts())
		GTEST_SKIP() << "it measures for minutes: only in ./check --full";
	startDaemon();
	print("idle", answers(ranges));
	giveBack();
	{
		const BusyProcess one(spin);
		const BusyProcess two(spin);
		startDaemon();
		print("both processors busy", answers(ranges));
		giveBack();
	}
	{
		startDaemon();
		const BusyProcess one(spin);
		const BusyProcess two(spin);
		const Swapping swapping;
		const uint64_t faults = majorFaults(daemon.pid());
		const uint64_t swapped = swappedInPages();
		print("busy and swapping", answers(ranges));
		std::printf("%lu pages were read from swap meanwhile\n",
			    static_cast<unsigned long>(swappedInPages() - swapped));
		EXPECT_EQ(majorFaults(daemon.pid()), faults) << "the loop waited for memory";
	}
	EXPECT_GE(watch.count(), ranges);
	for (uint64_t i = 0; i < watch.count(); i++)
		EXPECT_EQ(watch.extension(i).allocations, 0U) << "extension " << i;
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
	origin.letGo();
}

} // namespace
} // namespace snapdiff::lab
