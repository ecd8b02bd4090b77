// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mounts: the mounted file systems and swaps of this mount namespace.

#pragma once

#include "dm/device_number.h"
#include "util/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::probe {

struct Mount
{
	dm::DeviceNumber number; // st_dev; of btrfs not that of its device
	std::string target;
	std::string type;
	std::string source;
	std::string options;
	bool readOnly = false;
};

// The text of /proc/self/mountinfo.
Result<std::vector<Mount>> parseMountInfo(std::string_view text);

// In the order in which they were mounted.
Result<std::vector<Mount>> mounts();

// Devices and files in use as swap.
Result<std::vector<std::string>> parseSwaps(std::string_view text);
Result<std::vector<std::string>> swaps();

} // namespace snapdiff::probe
