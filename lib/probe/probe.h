// SPDX-License-Identifier: GPL-2.0-or-later
//
// Probe: what is on a block device, and is it free to be given to a store?

#pragma once

#include "dm/device_number.h"
#include "util/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace snapdiff::probe {

struct Content
{
	std::string usage; // "filesystem", "raid", "crypto", "other"; empty: nothing known
	std::string type;  // "ext4", "xfs", "LVM2_member", "gpt", "swap"; empty: nothing known
	std::string label;
	std::string uuid;

	bool empty() const { return type.empty(); }
};

struct BlockDevice
{
	std::string path; // as asked
	dm::DeviceNumber number;
	uint64_t sizeBytes = 0;
	unsigned logicalBlockBytes = 512;
	bool readOnly = false;
	std::string kernelName; // "dm-3", "sda1"
	std::string dmName;	// empty: no device-mapper device
};

// Looks a device up by path ("/dev/vg0/home"); ENOENT, or ENOTBLK when it is
// something else.
Result<BlockDevice> blockDevice(const std::string &path);
Result<BlockDevice> blockDevice(dm::DeviceNumber number);

// What libblkid finds: file systems, raid and LVM members, partition tables.
// Nothing found: an empty Content.  Several things found: EEXIST.
Result<Content> contentOf(const std::string &path);

// "holds an ext4 file system"; nothing: nothing is known to be there.
std::optional<std::string> describeContent(const std::string &path);

// Makes everything that libblkid finds there unknown, as wipefs does.  fd: open for
// reading and writing; whose it is, the caller knows, and claims.
Result<> wipeSignatures(int fd);

// Devices that lie on this one (sysfs holders), and that this one lies on (slaves).
Result<std::vector<dm::DeviceNumber>> holdersOf(dm::DeviceNumber number);
Result<std::vector<dm::DeviceNumber>> slavesOf(dm::DeviceNumber number);

// The partitions of a disk; none if it has none.
Result<std::vector<dm::DeviceNumber>> partitionsOf(dm::DeviceNumber number);

// Loop devices in use, each with the device that its file's file system lies on, as stat(2) says
// it: a file system with a number of its own (btrfs) is not found by its disk.  Opens and closes
// the loop devices: may sleep, and waits for writes to one that nobody else has open, so it is not
// for the hot path.
struct LoopDevice
{
	dm::DeviceNumber number;
	dm::DeviceNumber below;
};
std::vector<LoopDevice> loopDevices();

// Every device below this one that lies on nothing else (the disks), itself if it
// lies on nothing.
Result<std::vector<dm::DeviceNumber>> disksOf(dm::DeviceNumber number);

// Everything that keeps this device from being given to a store, in words ("is
// mounted on /srv", "holds an ext4 file system", "is used by dm-4").  Empty: free.
// A tagged LV of ours is asked the same questions.
Result<std::vector<std::string>> reasonsAgainstUse(const std::string &path);

} // namespace snapdiff::probe
