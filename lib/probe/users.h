// SPDX-License-Identifier: GPL-2.0-or-later
//
// Users: who uses a block device, as far as it can be seen without opening it.

#pragma once

#include "probe/probe.h"

#include <string>
#include <vector>

namespace snapdiff::probe {

// In words: "is mounted on /srv" (of other mount namespaces too, where a process that
// we may look at is in them), "is used as swap", "has partitions (sdc1, sdc2)", "is used
// by dm-4" (holders in sysfs, which all dm tables are, stores too), "is used by loop0".
// Empty: nobody, but only an exclusive claim proves it.
Result<std::vector<std::string>> usersOf(const BlockDevice &device);

} // namespace snapdiff::probe
