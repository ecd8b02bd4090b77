// SPDX-License-Identifier: GPL-2.0-or-later
//
// CarverProcess: the daemon's side of the carver.  One request at a time; the answer
// is fetched when the socket is readable.
//
// The process is a helper (helper.h), started when it is first needed and again after it
// ended.  When it does not answer in time it is killed, or, where systemd started it, kills
// itself, and the request has failed; should it be stuck in the kernel, it is left behind.

#pragma once

#include "carver.h"
#include "util/fd.h"

#include <cstdint>
#include <optional>
#include <string>

#include <sys/socket.h>
#include <sys/types.h>

namespace snapdiff::daemon {

class CarverProcess : public Carver
{
public:
	// program: the daemon's own file.
	CarverProcess(std::string program, unsigned lvmTimeoutMs);

	// Lets a request in work come to its end for some seconds.
	~CarverProcess() override;

	bool busy() const override { return busy_; }
	void ask(const CarverRequest &request) override;
	bool hasReply() const override { return reply_.has_value(); }
	std::optional<CarverReply> takeReply() override;
	ClaimedDevice takeClaimed() override { return std::move(claimed_); }

	// For the loop: what to poll (-1: nothing), and what to call then.
	int fd() const { return socket_.get(); }
	void readable();

	// When the running request is given up (monotonic ns).
	std::optional<int64_t> deadline() const;
	void checkDeadline();

	// From the next start of the process on.
	void setLvmTimeout(unsigned ms) { lvmTimeoutMs_ = ms; }

private:
	Result<> start();
	Result<> sendRequest(const std::string &line);
	void takeDescriptors(msghdr &message);
	void fail(int errnum, std::string why);
	void end();
	void reap();

	std::string program_;
	unsigned lvmTimeoutMs_;
	Fd socket_;
	pid_t pid_ = -1;
	std::vector<pid_t> leftBehind_; // killed, not yet waited for
	std::string buffer_;
	ReplyReader reader_;
	bool busy_ = false;
	int64_t deadlineNs_ = 0;
	std::optional<CarverReply> reply_;
	ClaimedDevice claimed_;
};

} // namespace snapdiff::daemon
