// SPDX-License-Identifier: GPL-2.0-or-later
//
// Attach and detach: put a snapdiff-origin in front of a live device-mapper
// device, mounted or not, and take it away again.
//
// The device's own table is copied to a hidden device; a table with the one line
// "snapdiff-origin" becomes its inactive table; one resume swaps it in.  Killed at
// any point nothing stays suspended, and doing it again finishes the job.

#pragma once

#include "dm/device_mapper.h"
#include "ops/context.h"

#include <optional>
#include <string>
#include <string_view>

namespace snapdiff::ops {

// What a person wrote (vg0/home, /dev/vg0/home, /dev/mapper/vg0-home, vg0-home,
// /dev/dm-3) -> the dm name.  A device that is no device-mapper device: EMEDIUMTYPE
// and the next step.
Result<std::string> resolveOrigin(Context &context, std::string_view text);

enum class AttachState {
	Plain,	      // no trace of us
	HalfAttached, // the hidden device is there, but nothing uses it: an attach or detach
		      // did not finish, or someone (LVM) put the device's own table back
	Attached,
	HalfDetached, // detached in the store, the target still in place
};

std::string_view word(AttachState state);

struct AttachSituation
{
	AttachState state = AttachState::Plain;
	std::string origin;
	std::string store; // dm name, when attached; empty when the store is gone
	dm::DeviceInfo device;
	std::optional<dm::DeviceInfo> underlying; // the hidden device
	dm::Table table;			  // of the origin's device
};

Result<AttachSituation> inspect(Context &context, const std::string &origin);

// Attached to this store already: success.
Result<> attach(Context &context, const std::string &origin, const std::string &store);

// force: live snapshots that contain it become invalid.  Not attached: success, after
// half-done work was cleared away.
Result<> detach(Context &context, const std::string &origin, bool force);

} // namespace snapdiff::ops
