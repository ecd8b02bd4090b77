// SPDX-License-Identifier: GPL-2.0-or-later
//
// Watch: notices volumes that are attached no longer although nobody detached them.
//
// LVM puts its own table back when it changes a volume (lvextend, lvchange --refresh,
// pvmove).  The kernel ends the snapshots then; what is left to us is to say so, and
// what to do next.  An attach or detach at work looks the same for a moment, so what is
// seen is told when it is still so a little later.

#pragma once

#include "notices.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace snapdiff::daemon {

class Watch
{
public:
	explicit Watch(Notices &notices) : notices_(notices) {}

	// An origin went away without having been detached.
	void lost(const std::string &origin, int64_t nowNs);

	// The volumes that look so now (model::Inventory::unwatched).
	void look(const std::vector<std::string> &unwatched, int64_t nowNs);

	// When look() is wanted again; INT64_MAX: for no reason of ours.
	int64_t nextLook() const { return nextLook_; }

private:
	struct Seen
	{
		int64_t ripeNs = 0; // told from then on
		bool told = false;
	};

	Notices &notices_;
	std::map<std::string, Seen> seen_;
	std::map<std::string, int64_t> lost_; // until when we remember it
	int64_t nextLook_ = INT64_MAX;
};

} // namespace snapdiff::daemon
