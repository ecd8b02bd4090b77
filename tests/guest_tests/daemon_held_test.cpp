// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon, its libraries, lvm and /etc/lvm on a file system whose origin holds its writers: who
// needs one of them may read it, and must not need to write a byte there.
#include "harness/disk.h"
#include "support/busy_process.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/daemon_root.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr const char *config = "supplies = [\"sdr0\"]\n"
			       "range_size = \"16MiB\"\n"
			       "reserve_ranges = 1\n"
			       "low_water = \"4MiB\"\n";

// Fills the file system for as long as it goes on.
void fillTheRoot()
{
	const int fd = open((DaemonRoot::writable + "/tmp/filling").c_str(),
			    O_WRONLY | O_CREAT | O_TRUNC | O_SYNC, 0600);
	const std::string piece(256U << 10, 'x');
	for (int i = 0; i < 400 && fd >= 0; i++)
		if (write(fd, piece.data(), piece.size()) < 0)
			_exit(1);
	_exit(0);
}

class TheHeldRoot : public testing::Test
{
protected:
	// The store is full, writes to the root wait, nothing of the root is in memory.
	void holdAll()
	{
		EXPECT_TRUE(store.waitFor(
			[](const Summary &now) { return now.held > 0 && now.free == 0; }, 60000))
			<< "nobody is held";
		DaemonRoot::forget();
		makeDirectReadsWait();
	}
	// A page where lvm looks for its label is under way to the disk, as a file system's own
	// often are, and waits for a place: whoever reads there past the page cache waits too.
	void makeDirectReadsWait() const
	{
		constexpr off_t reserved =
			off_t{96} * 1024; // what ext4 keeps for growing: its own use is none
		char page[4096];
		const int fd = open(origin.path().c_str(), O_RDWR | O_CLOEXEC);
		EXPECT_EQ(pread(fd, page, sizeof(page), reserved), ssize_t{sizeof(page)});
		EXPECT_EQ(pwrite(fd, page, sizeof(page), reserved), ssize_t{sizeof(page)});
		EXPECT_EQ(sync_file_range(fd, reserved, sizeof(page), SYNC_FILE_RANGE_WRITE), 0);
		// The last one to close a device waits for its pages; the file system has it open.
		close(fd);
	}
	// Processes in the kernel that nothing interrupts, and where.
	static std::string whoWaits()
	{
		return runCommand("sh -c 'for p in /proc/[0-9]*; do "
				  "if grep -q ^State:.D $p/status; then "
				  "cat $p/comm $p/stack; fi; done; true'");
	}
	void expectGoesOn(int limitMs)
	{
		EXPECT_TRUE(
			store.waitFor([](const Summary &now) { return now.held == 0; }, limitMs))
			<< daemon.log() << whoWaits();
		EXPECT_EQ(store.status().snapshot("s").state, "live");
	}

	VolumeGroup group{"sdr0", {0}, 640 * mib};
	Disk range{1, 8 * mib};
	Disk below{2, 256 * mib};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "root", below};
	DaemonRoot root{origin.path(), DaemonRoot::Shown::ReadOnly};
	DaemonProcess daemon{{.config = config, .root = DaemonRoot::shown}};
};

TEST_F(TheHeldRoot, TheReserveIsGivenWhileItsOriginHolds)
{
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 1, 100));
	daemon.send(SIGSTOP);
	store.take("s");
	{
		const BusyProcess writer(fillTheRoot);
		holdAll();
		daemon.send(SIGCONT);
		expectGoesOn(5000);
	}
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

TEST_F(TheHeldRoot, ADaemonThatIsStartedThenCarvesAndGives)
{
	store.take("s");
	{
		const BusyProcess writer(fillTheRoot);
		holdAll();
		daemon.start();
		expectGoesOn(40000);
	}
	EXPECT_GE(daemon.count("carved "), 1U) << daemon.log();
	EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
}

} // namespace
} // namespace snapdiff::lab
