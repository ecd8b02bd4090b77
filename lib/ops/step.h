// SPDX-License-Identifier: GPL-2.0-or-later
//
// Step: marks the boundaries between the steps of an operation.  The product's
// step() does nothing.  The test program snapdiff-killable is linked with another
// one, which kills the process at the boundary that SNAPDIFF_KILL_AT names.

#pragma once

namespace snapdiff::ops {

void step(const char *name) noexcept;

} // namespace snapdiff::ops
