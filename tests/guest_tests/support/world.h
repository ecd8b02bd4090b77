// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that a refused request must leave as it was.
#pragma once

#include "harness/dm_device.h"

#include <string>
#include <vector>

namespace snapdiff::lab {

// Tables, status, event numbers, open counts and dependencies of some devices, as text.
std::string worldOf(const std::vector<const DmDevice *> &devices);

// The same, once it does not change any more: events of earlier work come a moment late.
std::string settledWorldOf(const std::vector<const DmDevice *> &devices);

} // namespace snapdiff::lab
