// SPDX-License-Identifier: GPL-2.0-or-later
//
// Killable: what the test and the processes of snapdiffd-killable share, in a file that
// all of them map (its path: SNAPDIFF_KILL_BOARD).

#pragma once

#include <atomic>
#include <cstdint>

#include <sys/types.h>

namespace snapdiff::daemon {

struct KillBoard
{
	std::atomic<uint32_t> left;   // boundaries until the end; 0: nobody is killed
	std::atomic<uint32_t> killed; // how often it has happened
	std::atomic<pid_t> daemon;    // 0: none yet
	std::atomic<pid_t> carver;
	char where[64]; // the last boundary at which it happened
};

} // namespace snapdiff::daemon
