// SPDX-License-Identifier: GPL-2.0-or-later
//
// Watch: notices volumes that are attached no longer although nobody detached them.

#include "watch.h"

#include "model/store.h"

#include <algorithm>

namespace snapdiff::daemon {

namespace {

constexpr int64_t second = 1'000'000'000;

// A detach at work is over by then.
constexpr int64_t ripeAfterLoss = second / 4;
// Nobody saw it go: an attach may be at work, which calls lvm.
constexpr int64_t ripeOtherwise = 10 * second;
constexpr int64_t rememberLoss = 60 * second;

} // namespace

void Watch::lost(const std::string &origin, int64_t nowNs)
{
	lost_[origin] = nowNs + rememberLoss;
	nextLook_ = nowNs;
}

void Watch::look(const std::vector<std::string> &unwatched, int64_t nowNs)
{
	nextLook_ = INT64_MAX;
	std::erase_if(lost_, [&](const auto &entry) { return entry.second < nowNs; });
	std::erase_if(seen_, [&](const auto &entry) {
		const bool gone = std::ranges::find(unwatched, entry.first) == unwatched.end();
		if (gone && entry.second.told)
			notices_.right("origin " + entry.first);
		return gone;
	});
	for (const std::string &origin : unwatched) {
		const int64_t rest = lost_.contains(origin) ? ripeAfterLoss : ripeOtherwise;
		Seen &seen = seen_.try_emplace(origin, Seen{nowNs + rest}).first->second;
		if (seen.told)
			continue;
		if (nowNs >= seen.ripeNs) {
			seen.told = true;
			notices_.wrong("origin " + origin, model::whyUnwatched(origin));
			continue;
		}
		nextLook_ = std::min(nextLook_, seen.ripeNs);
	}
}

} // namespace snapdiff::daemon
