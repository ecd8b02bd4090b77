// SPDX-License-Identifier: GPL-2.0-or-later
//
// Loop: one poll() for everything.

#include "loop.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace snapdiff::daemon {

int64_t monotonicNs()
{
	timespec now = {};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void Loop::run()
{
	// Nothing is allocated between a wake-up and the hot path: it is all here.
	polls_.reserve(sources_.size());
	deadlines_.reserve(sources_.size());
	while (!stopped_)
		round(settleNs_);
}

void Loop::round(int64_t untilNs)
{
	constexpr int64_t second = 1'000'000'000;

	int64_t until = untilNs;
	polls_.clear();
	deadlines_.clear();
	for (const Source *source : sources_) {
		const Source::Wanted wanted = source->wanted();
		polls_.push_back({wanted.fd, wanted.events, 0});
		deadlines_.push_back(wanted.untilNs);
		until = std::min(until, wanted.untilNs);
	}

	const int64_t wait = std::clamp<int64_t>(until - monotonicNs(), 0, 3600 * second);
	const timespec timeout = {static_cast<time_t>(wait / second),
				  static_cast<long>(wait % second)};
	const int count = ppoll(polls_.data(), polls_.size(), &timeout, nullptr);
	const int64_t woke = monotonicNs();
	for (size_t i = 0; i < sources_.size(); i++) {
		const short revents = count > 0 ? polls_[i].revents : short{0};
		if (revents || deadlines_[i] <= woke)
			sources_[i]->ready(revents, woke);
	}
	if (settle_)
		settleNs_ = settle_(monotonicNs());
}

} // namespace snapdiff::daemon
