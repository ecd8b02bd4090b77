// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hidden: devices that show an origin's content a second time are kept from LVM.

#pragma once

#include "ops/context.h"
#include "util/result.h"

#include <string>

namespace snapdiff::ops {

// Fails if LVM finds a physical volume on this device of ours, which then is the
// second one with that identity; the error says what to tell LVM.
Result<> checkUnseenByLvm(Context &context, const std::string &name);

} // namespace snapdiff::ops
