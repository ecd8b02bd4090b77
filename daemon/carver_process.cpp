// SPDX-License-Identifier: GPL-2.0-or-later
//
// CarverProcess: starts, asks and, if need be, kills the carver.

#include "carver_process.h"

#include "helper.h"
#include "ops/step.h"
#include "util/clock.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace snapdiff::daemon {

namespace {

// A look at a device runs no program; a disk that hangs must not keep LVM waiting.
constexpr int64_t proveMs = 10000;

// How long the end of the daemon waits for a request in work.
constexpr int lastWaitMs = 5000;

int64_t nowNs()
{
	return SystemClock().monotonicNs();
}

} // namespace

CarverProcess::CarverProcess(std::string program, unsigned lvmTimeoutMs)
	: program_(std::move(program)), lvmTimeoutMs_(lvmTimeoutMs)
{
}

CarverProcess::~CarverProcess()
{
	if (busy_ && socket_.valid()) {
		shutdown(socket_.get(), SHUT_WR);
		for (const int64_t end = nowNs() + lastWaitMs * 1'000'000LL;
		     busy_ && nowNs() < end;) {
			pollfd wait = {socket_.get(), POLLIN, 0};
			if (poll(&wait, 1, 100) > 0)
				readable();
		}
	}
	end();
	reap();
}

Result<> CarverProcess::start()
{
	Result<Helper> helper = startHelper(program_, carverRole, std::to_string(lvmTimeoutMs_));
	if (!helper)
		return std::move(helper).error().within("start the process that runs lvm");
	pid_ = helper->pid;
	ops::step("carver started");
	socket_ = std::move(helper->socket);
	buffer_.clear();
	reader_ = ReplyReader();
	return {};
}

Result<> CarverProcess::sendRequest(const std::string &line)
{
	// A fresh or idle socket takes a line at once; anything else is a fault.
	const ssize_t sent =
		send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent != static_cast<ssize_t>(line.size()))
		return Error(sent < 0 ? errno : EIO, "talk to the process that runs lvm");
	return {};
}

void CarverProcess::ask(const CarverRequest &request)
{
	reap();
	busy_ = true;
	const bool proves = request.kind == CarverRequest::Kind::Prove;
	deadlineNs_ = nowNs() + (proves ? proveMs : requestLimitMs(lvmTimeoutMs_)) * 1'000'000;
	claimed_ = ClaimedDevice();
	const std::string line = format(request);
	// It may have been killed while it was idle: then a new one gets the request.
	for (bool fresh = false;; fresh = true) {
		fresh = fresh || !socket_.valid();
		Result<> done = socket_.valid() ? Result<>() : start();
		if (done)
			done = sendRequest(line);
		if (done) {
			ops::step("request sent");
			return;
		}
		end();
		if (fresh) {
			fail(done.error().errnum(), done.error().message());
			return;
		}
	}
}

std::optional<CarverReply> CarverProcess::takeReply()
{
	return std::exchange(reply_, std::nullopt);
}

void CarverProcess::readable()
{
	char piece[16384];
	iovec vector = {piece, sizeof(piece)};
	alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))];
	msghdr message = {};
	message.msg_iov = &vector;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	const ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got > 0)
		takeDescriptors(message);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		end();
		fail(EPIPE, "the process that runs lvm ended");
		return;
	}
	buffer_.append(piece, static_cast<size_t>(got));
	for (size_t newline; (newline = buffer_.find('\n')) != buffer_.npos;) {
		auto reply = reader_.line(std::string_view(buffer_).substr(0, newline));
		buffer_.erase(0, newline + 1);
		if (!reply) {
			end();
			fail(EPROTO, reply.error().message());
			return;
		}
		if (*reply && busy_) {
			busy_ = false;
			reply_ = std::move(**reply);
		}
	}
}

void CarverProcess::takeDescriptors(msghdr &message)
{
	const cmsghdr *header = CMSG_FIRSTHDR(&message);
	int fds[2];

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(fds)))
		return;
	std::memcpy(fds, CMSG_DATA(header), sizeof(fds));
	claimed_ = {Fd(fds[0]), Fd(fds[1])};
}

std::optional<int64_t> CarverProcess::deadline() const
{
	return busy_ ? std::optional(deadlineNs_) : std::nullopt;
}

void CarverProcess::checkDeadline()
{
	if (!busy_ || nowNs() < deadlineNs_)
		return;
	end();
	fail(ETIMEDOUT, "the process that runs lvm and looks at devices did not answer in time "
			"and was killed. Does a disk hang, or does somebody hold a lock of LVM?");
}

void CarverProcess::fail(int errnum, std::string why)
{
	if (!busy_)
		return; // it ended while nothing was asked of it
	busy_ = false;
	reply_ = CarverReply();
	reply_->errnum = errnum;
	reply_->why = std::move(why);
}

void CarverProcess::end()
{
	socket_.reset();
	if (pid_ < 0)
		return;
	// Without a request in work it ends by itself when the socket is closed.
	if (busy_)
		kill(pid_, SIGKILL);
	leftBehind_.push_back(std::exchange(pid_, -1));
}

void CarverProcess::reap()
{
	std::erase_if(leftBehind_, [](pid_t pid) { return waitpid(pid, nullptr, WNOHANG) != 0; });
}

} // namespace snapdiff::daemon
