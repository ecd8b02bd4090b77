// SPDX-License-Identifier: GPL-2.0-or-later
//
// Boot attach: the origins of the configuration, attached while the system boots, before their
// file systems are mounted.
//
// A store does not outlive the kernel that it ran in.  So it is made here, without a range:
// the daemon sees that it is low and gives it one.  Whatever fails costs the snapshots of that
// origin and nothing else: its volume stays as it is, and is mounted.

#pragma once

#include "config.h"
#include "ops/context.h"

#include <functional>
#include <string>
#include <vector>

namespace snapdiff::daemon {

struct BootOrigin
{
	OriginConfig origin;
	std::string name; // dm name, when attached
	std::optional<Error> trouble;
};

// Told of each origin as soon as it is attached, or given up.
using BootTold = std::function<void(const BootOrigin &)>;

// Waits for volumes that are not there yet, for all of them together no longer than the
// configuration says.  True if all origins are attached.
bool attachAtBoot(ops::Context &context, const Config &config, const BootTold &told);

} // namespace snapdiff::daemon
