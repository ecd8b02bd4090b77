// SPDX-License-Identifier: GPL-2.0-or-later
//
// Freeze: hold file systems still around one action, and let them go on every way out.
//
// Three processes know what is frozen, through one page of shared memory: the one
// that freezes, a watchdog that sees it end (its end of a pipe closes) or run out
// of time, and the caller, which looks when both are gone.

#include "ops/freeze.h"

#include "util/clock.h"
#include "util/fd.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <new>
#include <set>

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::ops {

namespace {

constexpr size_t mostTargets = 256;
constexpr size_t textSize = 512;

enum class Acting : uint32_t { NotYet, Begun, Ended };

// Shared by the three processes.
struct Board
{
	std::atomic<uint32_t> frozen[mostTargets]; // may be frozen by us: to be thawed
	std::atomic<uint32_t> expired;		   // the watchdog has let go
	std::atomic<Acting> acting;		   // how far the action is
	std::atomic<uint32_t> done;		   // the freezer came to its end
	int failedTarget;			   // index, or -1
	int freezeErrno;
	int actionErrno;
	int64_t startNs;
	uint64_t frozenUs;
	uint64_t actionUs;
	char text[textSize];
};

static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(std::atomic<Acting>::is_always_lock_free);

struct Unmap
{
	void operator()(Board *board) const { munmap(board, sizeof(Board)); }
};

using SharedBoard = std::unique_ptr<Board, Unmap>;

Result<SharedBoard> makeBoard()
{
	void *memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return Error(errno, "prepare to freeze file systems");
	SharedBoard board(new (memory) Board{});
	board->failedTarget = -1;
	return board;
}

void thawAll(Board &board, const std::vector<Fd> &files)
{
	for (size_t i = files.size(); i-- > 0;) {
		if (board.frozen[i].load() == 0)
			continue;
		// EINVAL: it is not frozen.  But it may come to be: FIFREEZE waits for whoever
		// is in the middle of a write, however long, and freezes then.  So the note
		// stays for the next one who thaws, and the last one comes after the freezer.
		if (ioctl(files[i].get(), FITHAW, 0) == 0)
			board.frozen[i].store(0);
	}
}

// 0, or the errno with which one target refused.  The note is made before the
// freeze: whoever is killed in between leaves nothing frozen unnoticed.
int freezeAll(Board &board, const std::vector<Fd> &files)
{
	for (size_t i = 0; i < files.size(); i++) {
		board.frozen[i].store(1);
		if (ioctl(files[i].get(), FIFREEZE, 0) == 0) {
			if (board.expired.load())
				return ETIMEDOUT;
			continue;
		}
		const int error = errno;
		board.frozen[i].store(0);
		// EBUSY: somebody else holds it still already; it is his to thaw.
		// EOPNOTSUPP: this kind of file system cannot be frozen.
		if (error == EBUSY || error == EOPNOTSUPP)
			continue;
		board.failedTarget = static_cast<int>(i);
		return error;
	}
	return 0;
}

// The freezer's whole life.  Nothing here allocates, prints or waits for a file.
[[noreturn]] void freezer(Board &board, const std::vector<Fd> &files, const FrozenAction &action,
			  int leash)
{
	const SystemClock clock;
	sigset_t all;

	// Ctrl-C goes to all of us; what has begun is brought to its end.
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, nullptr);
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	// What is dirty is written now, so that freezing is short.
	for (const Fd &file : files)
		(void)syncfs(file.get());
	if (write(leash, "f", 1) != 1) {
		board.freezeErrno = EPIPE;
		board.done.store(1);
		_exit(0);
	}
	board.startNs = clock.monotonicNs();
	board.freezeErrno = freezeAll(board, files);
	if (board.freezeErrno == 0 && board.expired.load())
		board.freezeErrno = ETIMEDOUT;
	if (board.freezeErrno == 0) {
		const int64_t begun = clock.monotonicNs();
		board.acting.store(Acting::Begun);
		board.actionErrno = action(board.text, textSize);
		board.actionUs = static_cast<uint64_t>(clock.monotonicNs() - begun) / 1000;
		board.acting.store(Acting::Ended); // all of the outcome is there
	}
	thawAll(board, files);
	board.frozenUs = static_cast<uint64_t>(clock.monotonicNs() - board.startNs) / 1000;
	board.done.store(1);
	_exit(0);
}

[[noreturn]] void watchdog(Board &board, const std::vector<Fd> &files, int leash, unsigned limitMs)
{
	sigset_t all;
	char byte = 0;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, nullptr);
	setsid();
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	// The byte says that freezing begins, the end of the pipe that the freezer is gone.
	if (read(leash, &byte, 1) == 1) {
		pollfd end = {leash, POLLIN, 0};
		if (poll(&end, 1, static_cast<int>(limitMs)) == 0) {
			board.expired.store(1);
			thawAll(board, files);
			(void)poll(&end, 1, -1);
		}
	}
	thawAll(board, files);
	_exit(0);
}

int waitFor(pid_t pid)
{
	int status = 0;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return status;
}

Result<std::vector<Fd>> openTargets(const std::vector<FreezeTarget> &targets)
{
	std::vector<Fd> files;
	for (const FreezeTarget &target : targets) {
		Result<Fd> file = Fd::open(target.mountPoint, O_RDONLY | O_DIRECTORY);
		if (!file)
			return std::move(file).error().within("freeze " + target.mountPoint);
		struct stat info = {};
		// Anonymous numbers (major 0) are btrfs's; they differ per subvolume.
		if (fstat(file->get(), &info) == 0 &&
		    dm::DeviceNumber::from(info.st_dev) != target.device &&
		    dm::DeviceNumber::from(info.st_dev).major != 0)
			return Error(EBUSY, "freeze " + target.mountPoint,
				     "another file system is mounted over it")
				.advise("Unmount that, or take with --no-freeze.");
		files.push_back(std::move(*file));
	}
	return files;
}

Result<FreezeOutcome> outcomeOf(const Board &board, const std::vector<FreezeTarget> &targets)
{
	const bool killed = !board.done.load();
	if (killed && board.acting.load() == Acting::NotYet)
		return Error(EINTR, "freeze file systems",
			     "the process that held them was killed; they were thawed");
	if (board.freezeErrno != 0) {
		const auto failed = static_cast<size_t>(board.failedTarget);
		const std::string where =
			board.failedTarget >= 0 ? targets[failed].mountPoint : "file systems";
		return Error(board.freezeErrno, "freeze " + printable(where))
			.advise("Nothing was taken and nothing is frozen. Try again, or take with "
				"--no-freeze.");
	}
	FreezeOutcome outcome;
	outcome.actionErrno = board.actionErrno;
	outcome.actionText.assign(board.text, strnlen(board.text, textSize));
	// Who was killed after the action was over has done all that counts.
	outcome.actionUnknown = killed && board.acting.load() == Acting::Begun;
	outcome.frozenUs =
		killed ? static_cast<uint64_t>(SystemClock().monotonicNs() - board.startNs) / 1000
		       : board.frozenUs;
	outcome.actionUs = board.actionUs;
	outcome.thawedByWatchdog = board.expired.load() != 0;
	return outcome;
}

// The origin that a device is or lies on; empty: none.
std::string originBelow(dm::DeviceNumber number, const LayerMap &layers,
			const std::map<dm::DeviceNumber, std::string> &origins,
			std::set<dm::DeviceNumber> &seen)
{
	if (!seen.insert(number).second)
		return {};
	if (const auto origin = origins.find(number); origin != origins.end())
		return origin->second;
	const auto below = layers.find(number);
	if (below == layers.end())
		return {};
	for (const dm::DeviceNumber &device : below->second) {
		std::string found = originBelow(device, layers, origins, seen);
		if (!found.empty())
			return found;
	}
	return {};
}

} // namespace

std::vector<FreezeTarget> planFreeze(const std::vector<probe::Mount> &mounts,
				     const LayerMap &layers,
				     const std::map<dm::DeviceNumber, std::string> &origins)
{
	std::vector<FreezeTarget> targets;
	std::set<dm::DeviceNumber> chosen;

	// The latest mount of a file system is the one most likely not hidden by another.
	for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
		if (mount->readOnly || chosen.contains(mount->number))
			continue;
		std::set<dm::DeviceNumber> seen;
		std::string origin = originBelow(mount->number, layers, origins, seen);
		if (origin.empty())
			continue;
		chosen.insert(mount->number);
		targets.push_back({mount->target, mount->number, std::move(origin)});
	}
	const auto higher = [&](const FreezeTarget &a, const FreezeTarget &b) {
		return depthOf(layers, a.device) > depthOf(layers, b.device);
	};
	std::stable_sort(targets.begin(), targets.end(), higher);
	return targets;
}

Result<FreezeOutcome> whileFrozen(const std::vector<FreezeTarget> &targets,
				  const FrozenAction &action, unsigned watchdogMs)
{
	const std::string doing = "freeze file systems";
	if (targets.size() > mostTargets)
		return Error(E2BIG, doing, fmt::format("more than {} of them", mostTargets));
	Result<std::vector<Fd>> files = openTargets(targets);
	if (!files)
		return std::move(files).error();
	Result<SharedBoard> board = makeBoard();
	if (!board)
		return std::move(board).error();
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return Error(errno, doing);
	Fd readEnd(ends[0]);
	Fd writeEnd(ends[1]);

	const pid_t dog = fork();
	if (dog < 0)
		return Error(errno, doing, "no process for the watchdog");
	if (dog == 0) {
		writeEnd.reset();
		watchdog(**board, *files, readEnd.get(), watchdogMs);
	}
	const pid_t child = fork();
	if (child == 0) {
		readEnd.reset();
		freezer(**board, *files, action, writeEnd.get());
	}
	const int forkError = errno;
	// The watchdog sees the end of the freezer only if nobody else holds its end.
	writeEnd.reset();
	if (child > 0)
		(void)waitFor(child);
	(void)waitFor(dog);
	thawAll(**board, *files);
	if (child < 0)
		return Error(forkError, doing, "no process to hold them");
	return outcomeOf(**board, targets);
}

} // namespace snapdiff::ops
