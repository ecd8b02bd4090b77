// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon and its carver killed at every step of their work on real LVM: between event, message,
// carve, tag, open, adopt, give back and remove. Started anew, the daemon converges: every volume
// that it ever carved is a range of the store or in reserve, and none is both or twice.
//
// Runs snapdiffd-killable, which is snapdiffd with a hook that counts steps down.
#include "daemon/killable.h"
#include "support/command.h"
#include "support/daemon_process.h"
#include "support/stack.h"
#include "support/volume_group.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace snapdiff::lab {
namespace {

using daemon::KillBoard;

constexpr const char *boardFile = "/dev/shm/snapdiffd-board";
constexpr size_t wanted = 2; // ranges in reserve

// Where the processes look how many steps they have left.
class Board
{
public:
	Board()
	{
		const int fd = open(boardFile, O_RDWR | O_CREAT | O_TRUNC, 0600);
		EXPECT_EQ(ftruncate(fd, sizeof(KillBoard)), 0);
		void *memory =
			mmap(nullptr, sizeof(KillBoard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		board_ = new (memory) KillBoard();
		setenv("SNAPDIFF_KILL_BOARD", boardFile, 1);
	}
	~Board()
	{
		munmap(board_, sizeof(KillBoard));
		unlink(boardFile);
		unsetenv("SNAPDIFF_KILL_BOARD");
	}
	Board(const Board &) = delete;
	Board &operator=(const Board &) = delete;

	KillBoard *operator->() { return board_; }

private:
	KillBoard *board_;
};

// "253:4" of each active LV that the daemon named.
std::map<std::string, std::string> activeVolumes()
{
	std::map<std::string, std::string> found;
	for (const auto &entry : std::filesystem::directory_iterator("/sys/block")) {
		std::string name;
		std::string number;
		std::ifstream(entry.path() / "dm" / "name") >> name;
		std::ifstream(entry.path() / "dev") >> number;
		if (name.find("-snapdiff.") != name.npos)
			found[number] = name;
	}
	return found;
}

class KilledDaemon : public testing::Test
{
protected:
	KilledDaemon()
	{
		spare.zero();
		daemon.configure(
			"return_after = 1\nsupplies = [\"sdt0\", \"" + spare.path() +
			"\"]\nrange_size = \"4MiB\"\nreserve_ranges = 2\ngive_back_after = 1\n"
			"reserve_max_ranges = 2\n");
		makeStore();
	}
	~KilledDaemon() override
	{
		board->left = 0;
		daemon.stop(SIGTERM);
		store.reset();
	}

	void makeStore() { store.emplace(StoreOptions{}, std::vector{rangeWords(base)}); }
	void start()
	{
		board->daemon = board->carver = 0;
		daemon.start();
	}

	std::set<std::string> ranges() const
	{
		std::set<std::string> found;
		if (!store)
			return found;
		for (const RangeStatus &range : store->status().ranges)
			EXPECT_TRUE(found.insert(range.device).second)
				<< range.device << " is a range twice";
		return found;
	}

	// What is wrong with the picture, or nothing.
	std::string unrest() const
	{
		const std::set<std::string> used = ranges();
		const std::set<std::string> held = daemon.openDevices();
		std::string text;
		size_t ready = 0;

		for (const auto &[number, name] : activeVolumes()) {
			const bool isRange = used.contains(number);
			const bool isHeld = held.contains(number);
			if (isRange == isHeld)
				text += name +
					(isRange ? " is a range and held; " : " is an orphan; ");
			ready += isHeld;
		}
		if (used.contains(spare.number()) == held.contains(spare.number()))
			text += "the device is an orphan or both; ";
		if (ready != wanted)
			text += std::to_string(ready) + " volumes are ready; ";
		if (store && store->summary().level != "ok")
			text += "the store is short; ";
		return text;
	}
	bool converges(const std::string &after)
	{
		std::string last;
		for (int i = 0; i < 600; i++) {
			last = unrest();
			if (last.empty())
				return true;
			if (daemon.ended())
				break;
			usleep(50'000);
		}
		ADD_FAILURE() << "after " << after << ": " << last << "\n" << daemon.log();
		return false;
	}

	// LVM knows no volume that is not active, untagged or of another name.
	void checkVolumes(const std::string &after)
	{
		std::istringstream lines(
			runCommand("lvs --noheadings -o lv_name,lv_tags,lv_active sdt0"));
		std::set<std::string> known;
		for (std::string line; std::getline(lines, line);) {
			std::istringstream words(line);
			std::string name;
			std::string tags;
			std::string active;
			words >> name >> tags >> active;
			if (name.empty())
				continue;
			known.insert("sdt0-" + name);
			EXPECT_TRUE(tags.starts_with("snapdiff,snapdiff-on-") &&
				    tags.ends_with(",snapdiff-reserve"))
				<< after << ": " << line;
			EXPECT_EQ(active, "active") << after << ": " << line;
		}
		std::set<std::string> active;
		for (const auto &[number, name] : activeVolumes())
			active.insert(name);
		EXPECT_EQ(known, active) << after;
	}

	void hungry(uint64_t ranges)
	{
		store->demand("set low_water " +
			      std::to_string(store->summary().free + (ranges - 1) * 4 * mib));
	}

	// Counts down from now on; false when the work was done before.
	bool diesWithin(int seconds)
	{
		for (int i = 0; i < seconds * 50; i++) {
			if (daemon.ended())
				return true;
			usleep(20'000);
		}
		return false;
	}

	// One kill at the step-th step of what begins with the action.
	template<class Action>
	bool killAt(const std::string &what, uint32_t step, Action action, int seconds)
	{
		const uint32_t before = board->killed;
		board->left = step;
		action();
		if (!diesWithin(seconds) && board->killed == before) {
			board->left = 0;
			return false;
		}
		const std::string after =
			what + ", step " + std::to_string(step) + ", " + board->where;
		kills++;
		where.insert(board->where);
		std::printf("%s\n", after.c_str());
		start();
		return converges(after);
	}

	// When one has been removed there are more to come: the daemon that is started anew goes
	// on.
	bool killBetweenRemovals(uint32_t step)
	{
		const size_t before = activeVolumes().size();
		for (int i = 0; i < 600 && activeVolumes().size() == before; i++)
			usleep(50'000);
		board->left = step;
		if (!diesWithin(20)) {
			ADD_FAILURE() << "no step " << step << " between removals\n"
				      << daemon.log();
			return false;
		}
		kills++;
		where.insert(board->where);
		std::printf("removal, step %u, %s\n", step, board->where);
		start();
		return true;
	}

	VolumeGroup group{"sdt0", {0}, 320 * mib};
	Disk spare{1, 24 * mib};
	Disk base{2, 8 * mib};
	Board board;
	DaemonProcess daemon{
		{.program =
			 std::filesystem::canonical("/proc/self/exe").parent_path().parent_path() /
			 "daemon" / "snapdiffd-killable"}};
	std::optional<Store> store;
	unsigned kills = 0;
	std::set<std::string> where;
};

TEST_F(KilledDaemon, AtAnyStepConvergesWhenItIsStartedAnew)
{
	// From nothing, and with a store that is short from the beginning.
	start();
	ASSERT_TRUE(converges("the first start"));
	for (uint32_t step = 1; step <= 14; step++) {
		daemon.stop(SIGKILL);
		hungry(1);
		ASSERT_TRUE(killAt(
			"start", step, [&] { start(); }, 20));
	}
	checkVolumes("kills at the start");

	// An event, the message, and a new range for the reserve.
	for (uint32_t step = 1; step <= 14; step++)
		ASSERT_TRUE(killAt(
			"extension", step, [&] { hungry(1); }, 20));
	checkVolumes("kills around extensions");

	// More than the carved ones: the device goes too.
	for (uint32_t step = 4; step <= 6; step++)
		ASSERT_TRUE(killAt(
			"storm", step, [&] { hungry(4); }, 20));

	// Everything comes back, and what is too much is removed one by one.
	store.reset();
	for (uint32_t step = 1; step <= 11; step++)
		ASSERT_TRUE(killBetweenRemovals(step));
	ASSERT_TRUE(converges("the return"));
	checkVolumes("kills around removals");
	EXPECT_EQ(activeVolumes().size(), wanted);
	EXPECT_GE(kills, 40U);
	EXPECT_GE(where.size(), 12U);
}

// The lvm program and its parents, all at once, in the middle of whatever it does.
TEST_F(KilledDaemon, WithItsLvmInTheMiddleOfACarveLosesNothing)
{
	start();
	ASSERT_TRUE(converges("the first start"));
	for (int i = 0; i < 6; i++) {
		hungry(1);
		std::string child;
		for (int waited = 0; waited < 200 && child.empty(); waited++) {
			usleep(10'000);
			const pid_t carver = board->carver;
			std::ifstream("/proc/" + std::to_string(carver) + "/task/" +
				      std::to_string(carver) + "/children") >>
				child;
		}
		usleep(static_cast<useconds_t>(i) * 60'000);
		const pid_t carver = board->carver;
		if (carver > 0)
			::kill(carver, SIGKILL);
		if (!child.empty())
			::kill(std::atoi(child.c_str()), SIGKILL);
		daemon.stop(SIGKILL);
		start();
		ASSERT_TRUE(converges("kill " + std::to_string(i)));
	}
	checkVolumes("kills of lvm");
}

} // namespace
} // namespace snapdiff::lab
