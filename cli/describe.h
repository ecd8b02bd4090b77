// SPDX-License-Identifier: GPL-2.0-or-later
//
// Describe: stores, origins and snapshots in several lines for people.

#pragma once

#include "model/store.h"
#include "util/units.h"

#include <string>

namespace snapdiff::cli {

// One paragraph: health, bar, worst case, what hangs on it.
std::string describeStatus(const model::Store &store, UnitChoice units);

std::string describe(const model::Store &store, UnitChoice units);
std::string describe(const model::Origin &origin, const model::Store &store, UnitChoice units);
std::string describe(const model::Snapshot &snapshot, const model::Store &store, UnitChoice units);

} // namespace snapdiff::cli
