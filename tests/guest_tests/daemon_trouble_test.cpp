// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon feeds a store on a machine on which something else goes wrong.
#include "harness/disk.h"
#include "support/daemon_process.h"
#include "support/daemon_root.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

constexpr const char *config = "supplies = [\"sdx0\"]\n"
			       "range_size = \"16MiB\"\n"
			       "reserve_ranges = 12\n"
			       "low_water = \"12MiB\"\n"
			       "metrics_file = \"/tmp/snapdiff.prom\"\n";

class InTrouble : public testing::Test
{
protected:
	static constexpr uint64_t piece = 48 * mib;
	static constexpr uint64_t pieces = 4;

	void expectFed(DaemonProcess &daemon)
	{
		EXPECT_TRUE(daemon.waitFor("was given ", pieces * piece / (16 * mib) / 2, 10));
		EXPECT_EQ(store.summary().heldTotal, 0U);
		EXPECT_EQ(store.status().snapshot("s").state, "live");
		EXPECT_EQ(daemon.stop(SIGTERM), 0) << daemon.log();
		origin.letGo();
	}

	VolumeGroup group{"sdx0", {0}, 448 * mib};
	Disk range{1, 32 * mib};
	Disk below{2, pieces *piece};
	Store store{{.chunk = 128}, {rangeWords(range)}};
	Origin origin{store, "home", below};
};

timespec now(clockid_t clock)
{
	timespec time = {};
	clock_gettime(clock, &time);
	return time;
}

// The machine's idea of the date, while this lives: wrong by so many seconds.
class WrongDate
{
public:
	explicit WrongDate(time_t seconds) : seconds_(seconds) { shift(seconds); }
	~WrongDate() { shift(-seconds_); }
	WrongDate(const WrongDate &) = delete;
	WrongDate &operator=(const WrongDate &) = delete;

private:
	static void shift(time_t seconds)
	{
		timespec time = now(CLOCK_REALTIME);
		time.tv_sec += seconds;
		EXPECT_EQ(clock_settime(CLOCK_REALTIME, &time), 0) << errno;
	}

	time_t seconds_;
};

TEST_F(InTrouble, OfAClockThatJumpsItFeedsOn)
{
	constexpr time_t day = time_t{24} * 60 * 60;
	constexpr time_t jumps[pieces] = {400 * day, -400 * day, 3, -day};
	DaemonProcess daemon({config});
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	for (uint64_t i = 0; i < pieces && !HasFailure(); i++) {
		const WrongDate wrong(jumps[i]);
		changeSlowly(origin.path(), i * piece, (i + 1) * piece);
	}
	expectFed(daemon);
}

// Not one byte more is to be had on a file system.
void useUp(const std::string &folder)
{
	const std::string file = folder + "/everything-else";
	const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_GE(fd, 0) << file << ": " << errno;
	const std::string much(1 << 20, 'x');
	for (size_t size = much.size(); size > 0;)
		if (write(fd, much.data(), size) < 0)
			size /= 2;
	EXPECT_EQ(errno, ENOSPC);
	close(fd);
}

TEST_F(InTrouble, OfARootThatIsFullItFeedsOnAndSaysWhatItCannotWrite)
{
	const Disk disk(3, 384 * mib);
	const DaemonRoot root(disk.path(), DaemonRoot::Shown::Writable);
	useUp(DaemonRoot::writable);
	DaemonProcess daemon({.config = config, .root = DaemonRoot::shown});
	daemon.start();
	ASSERT_TRUE(daemon.waitFor("carved ", 12, 100));
	store.take("s");
	changeSlowly(origin.path(), 0, pieces * piece);
	EXPECT_TRUE(daemon.waitFor("No space left on device", 1, 20));
	expectFed(daemon);
}

} // namespace
} // namespace snapdiff::lab
