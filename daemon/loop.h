// SPDX-License-Identifier: GPL-2.0-or-later
//
// Loop: one poll() for everything.  Sources are served in the order in which they
// were added, so the first one is the hot path; then, once a round, settle().

#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <poll.h>

namespace snapdiff::daemon {

class Source
{
public:
	struct Wanted
	{
		int fd = -1; // -1: only the time
		short events = POLLIN;
		int64_t untilNs = INT64_MAX; // monotonic
	};

	virtual Wanted wanted() const = 0;

	// The descriptor is ready (revents), or the time has come (0).
	virtual void ready(short revents, int64_t wokeNs) = 0;

protected:
	~Source() = default;
};

class Loop
{
public:
	// Borrowed.
	void add(Source &source) { sources_.push_back(&source); }

	// After every round; returns when it wants to be called again at the latest.
	void onSettle(std::function<int64_t(int64_t nowNs)> settle) { settle_ = std::move(settle); }

	// Until stop().
	void run();
	void stop() { stopped_ = true; }

	// One round that waits no longer than that.
	void round(int64_t untilNs);

private:
	std::vector<Source *> sources_;
	std::vector<pollfd> polls_;
	std::vector<int64_t> deadlines_;
	std::function<int64_t(int64_t)> settle_;
	int64_t settleNs_ = 0;
	bool stopped_ = false;
};

int64_t monotonicNs();

} // namespace snapdiff::daemon
