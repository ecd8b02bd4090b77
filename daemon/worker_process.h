// SPDX-License-Identifier: GPL-2.0-or-later
//
// WorkerProcess: the daemon's side of the worker.  Starts a process for each
// operation and fetches its outcome when the socket is readable.
//
// One that does not answer in time, ends without an answer or says what is none is
// killed, and the operation has failed.  Only the process itself is killed: those
// that hold file systems frozen for it thaw them, and an lvm comes to its end.

#pragma once

#include "util/fd.h"
#include "worker.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace snapdiff::daemon {

class WorkerProcess final : public Worker
{
public:
	// program: the daemon's own file.
	WorkerProcess(std::string program, unsigned lvmTimeoutMs);

	// What is at work goes on to its end.
	~WorkerProcess() override = default;

	bool busy() const override { return socket_.valid(); }
	void start(const Operation &operation) override;
	std::optional<Outcome> takeOutcome() override;

	// For the loop: what to poll (-1: nothing), and what to call then.
	int fd() const { return socket_.get(); }
	void readable();

	// When checkDeadline() is due (monotonic ns).
	std::optional<int64_t> deadline() const;
	void checkDeadline();

	// From the next start on.
	void setLvmTimeout(unsigned ms) { lvmTimeoutMs_ = ms; }

	// How long an operation may take: LVM's time-outs, the take, and some more.
	void setSlack(unsigned ms) { slackMs_ = ms; }

private:
	void finish(Outcome outcome);
	void fail(int errnum, std::string why);
	void reap();

	std::string program_;
	unsigned lvmTimeoutMs_;
	unsigned slackMs_ = 30000;
	Fd socket_;
	pid_t pid_ = -1;
	std::vector<pid_t> ended_; // not yet waited for
	std::string doing_;
	std::string buffer_;
	int64_t deadlineNs_ = 0;
	std::optional<Outcome> outcome_;
};

} // namespace snapdiff::daemon
