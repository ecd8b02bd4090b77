// SPDX-License-Identifier: GPL-2.0-or-later
//
// Step: in the product a boundary between two steps is nothing at all.

#include "ops/step.h"

namespace snapdiff::ops {

void step(const char *) noexcept
{
}

} // namespace snapdiff::ops
