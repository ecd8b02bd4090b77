// SPDX-License-Identifier: GPL-2.0-or-later
//
// Layers: which block device lies on which, as far as this machine can see.

#pragma once

#include "dm/device_number.h"
#include "probe/mounts.h"
#include "util/result.h"

#include <map>
#include <string>
#include <vector>

namespace snapdiff::ops {

// For every block device that lies on others, those: slaves of dm and md, the disk
// of a partition, the device below a loop device's file.
using LayerMap = std::map<dm::DeviceNumber, std::vector<dm::DeviceNumber>>;

Result<LayerMap> readLayers();

// The mounts, btrfs's with the number of its device in place of an anonymous one.
Result<std::vector<probe::Mount>> readMountsOnDevices();

// Longest way down from a device; what lies higher has more.
unsigned depthOf(const LayerMap &layers, dm::DeviceNumber number);

// The values, those whose devices lie higher first.
std::vector<std::string> upperFirst(const LayerMap &layers,
				    const std::map<dm::DeviceNumber, std::string> &devices);

} // namespace snapdiff::ops
