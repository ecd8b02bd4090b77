// SPDX-License-Identifier: GPL-2.0-or-later
//
// Unread: devices that lvm must leave alone, the origins of snapdiff and what lies on them.
//
// lvm reads every device that may be a physical volume, past the page cache.  The kernel
// lets such a read wait until what the page cache has for the same sectors is written; of
// a mounted origin that holds its writers this is over when the store gets space, for
// which somebody waits for lvm.

#pragma once

#include "dm/device_mapper.h"
#include "util/result.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::lvm {

// All names below /dev of the origins and of every device that lies on one: on the device itself,
// on a partition, or as a loop device on a file of its file system.  May sleep (loopDevices()).
Result<std::vector<std::string>> namesOnOrigins(dm::DeviceMapper &dm);

// The same, asked each time: for Lvm.  dm must outlive it.
std::function<Result<std::vector<std::string>>()> unreadOrigins(dm::DeviceMapper &dm);

// Names that udev gives a device, out of its record of it ("S:disk/by-id/x" in
// /run/udev/data/b253:0), with "/dev/" before them.
std::vector<std::string> parseUdevLinks(std::string_view record);

// The value of LVM's devices/filter that rejects the names and then goes on as before:
// "filter=["a|.*|"]" is what "lvm lvmconfig --type full devices/filter" has printed.  A
// device is rejected when all its names are.
std::string filterWithout(const std::vector<std::string> &names, std::string_view before);

} // namespace snapdiff::lvm
