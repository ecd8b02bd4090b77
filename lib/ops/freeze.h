// SPDX-License-Identifier: GPL-2.0-or-later
//
// Freeze: hold file systems still around one action, and let them go on every way
// out, also after SIGKILL of anyone.
//
// The action runs in a child process that has everything prepared (descriptors,
// texts, memory locked): freeze all, act, thaw all.  A second child watches: when
// the first has not said within watchdogMs that all is thawed, it thaws.

#pragma once

#include "dm/device_number.h"
#include "ops/layers.h"
#include "probe/mounts.h"
#include "util/result.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace snapdiff::ops {

struct FreezeTarget
{
	std::string mountPoint;
	dm::DeviceNumber device; // of the file system
	std::string origin;	 // the one below it

	bool operator==(const FreezeTarget &) const = default;
};

// Chooses each writable file system on one of the origins (live device -> name) once,
// upper layers first.
std::vector<FreezeTarget> planFreeze(const std::vector<probe::Mount> &mounts,
				     const LayerMap &layers,
				     const std::map<dm::DeviceNumber, std::string> &origins);

struct FreezeOutcome
{
	int actionErrno = 0;	// what the action returned
	std::string actionText; // what it had to say (a reason, an answer)
	uint64_t frozenUs = 0;	// from the first freeze to the last thaw
	uint64_t actionUs = 0;
	bool thawedByWatchdog = false;
	// The child was killed while it acted: nobody knows what came of it.
	bool actionUnknown = false;
};

// Runs in the child: must not allocate, wait for a file system or print.  Returns 0
// or an errno and may put up to textSize - 1 characters into text.
using FrozenAction = std::function<int(char *text, size_t textSize)>;

// Errors: a file system could not be frozen (all are thawed, the action did not
// run), or a child could not be started or, EINTR, was killed before it acted.
Result<FreezeOutcome> whileFrozen(const std::vector<FreezeTarget> &targets,
				  const FrozenAction &action, unsigned watchdogMs = 5000);

} // namespace snapdiff::ops
