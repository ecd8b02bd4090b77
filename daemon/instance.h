// SPDX-License-Identifier: GPL-2.0-or-later
//
// Instance: there is at most one snapdiffd; two would carve and give against each other.

#pragma once

#include "util/fd.h"

namespace snapdiff::daemon {

// EBUSY: another one runs.  Held as long as the descriptor is open, also by what
// SIGKILL leaves behind: nothing.
Result<Fd> claimInstance();

} // namespace snapdiff::daemon
