// SPDX-License-Identifier: GPL-2.0-or-later
//
// WorkerProcess: starts, asks and, if need be, kills the worker.

#include "worker_process.h"

#include "util/clock.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace snapdiff::daemon {

namespace {

// The worker's standard input is its socket.
constexpr int workerSocket = STDIN_FILENO;

constexpr size_t longestAnswer = 1U << 20;
constexpr int64_t reapAfterNs = 1'000'000'000;

int64_t nowNs()
{
	return SystemClock().monotonicNs();
}

Result<pid_t> spawn(const std::string &program, unsigned lvmTimeoutMs, int socket)
{
	std::string name = "snapdiffd";
	std::string option = "--worker=" + std::to_string(lvmTimeoutMs);
	char *const argv[] = {name.data(), option.data(), nullptr};

	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&files, socket, workerSocket);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);

	// The daemon's blocked signals are not the worker's; its own group keeps a ^C at
	// a terminal away from what has begun.
	sigset_t none;
	sigemptyset(&none);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

	pid_t pid = -1;
	const int error = posix_spawn(&pid, program.c_str(), &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	if (error)
		return Error(error, "start the worker");
	return pid;
}

// An operation runs lvm at most so often: for its space, and for each origin.
unsigned lvmRuns(const Operation &operation)
{
	constexpr size_t ofSpace = 6;
	constexpr size_t perObject = 3;

	return static_cast<unsigned>(ofSpace +
				     perObject * (operation.origins.size() + operation.vgs.size()));
}

} // namespace

WorkerProcess::WorkerProcess(std::string program, unsigned lvmTimeoutMs)
	: program_(std::move(program)), lvmTimeoutMs_(lvmTimeoutMs)
{
}

void WorkerProcess::start(const Operation &operation)
{
	reap();
	outcome_.reset();
	buffer_.clear();
	doing_ = describe(operation);
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		fail(errno, "no socket to the worker");
		return;
	}
	socket_ = Fd(ends[0]);
	const Fd theirs(ends[1]);
	const Result<pid_t> pid = spawn(program_, lvmTimeoutMs_, theirs.get());
	if (!pid) {
		fail(pid.error().errnum(), pid.error().message());
		return;
	}
	pid_ = *pid;
	const int64_t limitMs =
		int64_t{lvmTimeoutMs_} * lvmRuns(operation) + operation.timeoutMs + slackMs_;
	deadlineNs_ = nowNs() + limitMs * 1'000'000;
	// A fresh socket takes a line at once; anything else is a fault.
	const std::string line = format(operation);
	const ssize_t sent =
		send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent != static_cast<ssize_t>(line.size()))
		fail(sent < 0 ? errno : EIO, "the worker does not take the request");
}

std::optional<Outcome> WorkerProcess::takeOutcome()
{
	return std::exchange(outcome_, std::nullopt);
}

void WorkerProcess::readable()
{
	char piece[16384];
	const ssize_t got = recv(socket_.get(), piece, sizeof(piece), MSG_DONTWAIT);

	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		fail(EPIPE, "the worker ended in the middle of it");
		return;
	}
	buffer_.append(piece, static_cast<size_t>(got));
	if (const size_t end = buffer_.find('\n'); end != buffer_.npos) {
		auto outcome = parseOutcome(std::string_view(buffer_).substr(0, end));
		if (outcome)
			finish(std::move(*outcome));
		else
			fail(EPROTO, "the worker's answer is not understood");
	} else if (buffer_.size() > longestAnswer) {
		fail(EPROTO, "the worker's answer is endless");
	}
}

std::optional<int64_t> WorkerProcess::deadline() const
{
	if (busy())
		return deadlineNs_;
	return ended_.empty() ? std::nullopt : std::optional(nowNs() + reapAfterNs);
}

void WorkerProcess::checkDeadline()
{
	reap();
	if (busy() && nowNs() >= deadlineNs_)
		fail(ETIMEDOUT, "the worker did not come to its end in time and was killed");
}

void WorkerProcess::finish(Outcome outcome)
{
	socket_.reset();
	buffer_.clear();
	outcome_ = std::move(outcome);
	if (pid_ < 0)
		return;
	// After its answer it has nothing left to do.
	kill(pid_, SIGKILL);
	ended_.push_back(std::exchange(pid_, -1));
	reap();
}

void WorkerProcess::fail(int errnum, std::string why)
{
	finish(failed(Error(errnum, doing_, std::move(why))
			      .advise("How far it came, \"snapdiff status\" and \"snapdiff list\" "
				      "say; doing it again finishes it.")));
}

void WorkerProcess::reap()
{
	std::erase_if(ended_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

} // namespace snapdiff::daemon
