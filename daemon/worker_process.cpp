// SPDX-License-Identifier: GPL-2.0-or-later
//
// WorkerProcess: starts, asks and, if need be, kills the worker.

#include "worker_process.h"

#include "helper.h"
#include "util/clock.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {

namespace {

constexpr size_t longestAnswer = 1U << 20;
constexpr int64_t reapAfterNs = 1'000'000'000;

int64_t nowNs()
{
	return SystemClock().monotonicNs();
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
	Result<Helper> helper = startHelper(program_, workerRole, std::to_string(lvmTimeoutMs_));
	if (!helper) {
		const Error error = std::move(helper).error().within("start the worker");
		fail(error.errnum(), error.message());
		return;
	}
	socket_ = std::move(helper->socket);
	pid_ = helper->pid;
	const int64_t limitMs = timeLimitMs(operation, lvmTimeoutMs_) + slackMs_;
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
