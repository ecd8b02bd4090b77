// SPDX-License-Identifier: GPL-2.0-or-later
// A volume group in a scope.

#include "fill/lvm_group.h"

#include "support/command.h"

namespace snapdiff::lab {

LvmGroup::LvmGroup(const std::string &name, const std::vector<int> &disks, uint64_t sectorsOnEach)
	: name_(name)
{
	for (const int disk : disks) {
		slices_.emplace_back(disk, mib);
		slices_.emplace_back(disk, sectorsOnEach);
		paths_ += " " + slices_.back().path();
	}
	runCommand("pvcreate -q -ff -y" + paths_);
	runCommand("vgcreate -q -y -s 1m " + name_ + paths_);
}

void LvmGroup::carveReserve(unsigned ranges, const std::string &size) const
{
	std::string commands;
	for (unsigned i = 0; i < ranges; i++)
		commands +=
			"lvcreate -q -y -Wn -Zn --addtag snapdiff --addtag snapdiff-reserve -L " +
			size + " -n snapdiff." + std::to_string(i) + " " + name_ + "\\n";
	runCommand("printf '" + commands + "' | lvm");
}

LvmGroup::~LvmGroup()
{
	runCommand("vgremove -q -ff -y " + name_);
	runCommand("pvremove -q -ff -y" + paths_);
}

} // namespace snapdiff::lab
