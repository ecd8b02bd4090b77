// SPDX-License-Identifier: GPL-2.0-or-later
// A volume group of LVM in a scope.
#pragma once

#include "harness/disk.h"

#include <cstdint>
#include <string>
#include <vector>

namespace snapdiff::lab {

// Each function but name() and slice() runs lvm and waits for it; the running test fails if lvm
// does.
class VolumeGroup
{
public:
	// On a slice of each of these disks, so many sectors of each; not at a disk's beginning,
	// where LVM would find it twice. Extents are as LVM makes them, or as long as said ("1m").
	VolumeGroup(const std::string &name, const std::vector<int> &disks, uint64_t sectorsOfEach,
		    const std::string &extent = "4m");
	// On this device.
	VolumeGroup(const std::string &name, const std::string &path);
	// Removes its volumes too. None may be in use.
	~VolumeGroup();
	VolumeGroup(const VolumeGroup &) = delete;
	VolumeGroup &operator=(const VolumeGroup &) = delete;

	const std::string &name() const { return name_; }
	// What it has on the n-th of its disks.
	const Disk &slice(size_t n) const { return slices_.at(n); }
	// Sectors that no volume has, and that it has in all.
	uint64_t free() const { return number("vg_free"); }
	uint64_t size() const { return number("vg_size"); }

	// Ranges of this size ("16MiB") as the daemon carves them, by one run of lvm: it takes them
	// over when it starts.
	void carveReserve(unsigned ranges, const std::string &size) const;

private:
	void make(const std::string &extent) const;
	uint64_t number(const std::string &field) const;

	std::string name_;
	std::vector<Disk> before_; // what is left out of each disk
	std::vector<Disk> slices_;
	std::string paths_; // of its physical volumes, a space before each
};

} // namespace snapdiff::lab
