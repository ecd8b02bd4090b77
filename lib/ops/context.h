// SPDX-License-Identifier: GPL-2.0-or-later
//
// Context: what operations act with.  Borrowed; must outlive the call.

#pragma once

#include "dm/device_mapper.h"
#include "lvm/lvm.h"
#include "util/clock.h"
#include "util/run.h"

#include <functional>
#include <string_view>

namespace snapdiff::ops {

struct Context
{
	dm::DeviceMapper &dm;
	lvm::Lvm &lvm;
	Runner &runner;
	Clock &clock;

	// Told what is being done, a short phrase per step; may be empty.
	std::function<void(std::string_view)> progress;

	void say(std::string_view what) const
	{
		if (progress)
			progress(what);
	}
};

} // namespace snapdiff::ops
