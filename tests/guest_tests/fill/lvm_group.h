// SPDX-License-Identifier: GPL-2.0-or-later
// A volume group in a scope.
#pragma once

#include "harness/disk.h"

#include <cstdint>
#include <string>
#include <vector>

namespace snapdiff::lab {

// On a slice of each of these disks; never at a disk's beginning, where LVM would find it twice.
class LvmGroup
{
public:
	LvmGroup(const std::string &name, const std::vector<int> &disks, uint64_t sectorsOnEach);
	~LvmGroup();
	LvmGroup(const LvmGroup &) = delete;
	LvmGroup &operator=(const LvmGroup &) = delete;

	// Ranges as the daemon carves them, by one run of lvm: it takes them over when it starts.
	void carveReserve(unsigned ranges, const std::string &size) const;

	const std::string &name() const { return name_; }
	// The physical volume on the n-th of its disks.
	std::string pv(size_t n) const { return slices_.at(2 * n + 1).path(); }

private:
	std::string name_;
	std::vector<Disk> slices_; // what is left out, and then what is used, of each disk
	std::string paths_;
};

} // namespace snapdiff::lab
