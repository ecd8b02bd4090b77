// SPDX-License-Identifier: GPL-2.0-or-later
// A volume group of LVM in a scope.
#include "support/volume_group.h"

#include "support/command.h"

#include <cstdlib>

namespace snapdiff::lab {

VolumeGroup::VolumeGroup(const std::string &name, const std::vector<int> &disks,
			 uint64_t sectorsOfEach, const std::string &extent)
	: name_(name)
{
	for (const int disk : disks) {
		before_.emplace_back(disk, mib);
		paths_ += " " + slices_.emplace_back(disk, sectorsOfEach).path();
	}
	make(extent);
}

VolumeGroup::VolumeGroup(const std::string &name, const std::string &path)
	: name_(name), paths_(" " + path)
{
	make("4m");
}

void VolumeGroup::make(const std::string &extent) const
{
	runCommand("pvcreate -q -ff -y" + paths_);
	runCommand("vgcreate -q -y -s " + extent + " " + name_ + paths_);
}

VolumeGroup::~VolumeGroup()
{
	runCommand("vgremove -q -ff -y " + name_);
	runCommand("pvremove -q -ff -y" + paths_);
}

uint64_t VolumeGroup::number(const std::string &field) const
{
	const std::string text =
		runCommand("vgs --noheadings --units s --nosuffix -o " + field + " " + name_);
	return std::strtoull(text.c_str(), nullptr, 10);
}

void VolumeGroup::carveReserve(unsigned ranges, const std::string &size) const
{
	std::string commands;
	for (unsigned i = 0; i < ranges; i++)
		commands +=
			"lvcreate -q -y -Wn -Zn --addtag snapdiff --addtag snapdiff-reserve -L " +
			size + " -n snapdiff." + std::to_string(i) + " " + name_ + "\\n";
	runCommand("printf '" + commands + "' | lvm");
}

} // namespace snapdiff::lab
