// SPDX-License-Identifier: GPL-2.0-or-later
//
// Machine: the guest's three disks as an administrator would have set them up: two
// volume groups, a volume in each, ext4 on one and XFS on the other.

#pragma once

#include <array>
#include <string>

namespace snapdiff::demo {

struct Volume
{
	std::string vg;
	std::string lv;
	std::string type; // of the file system
	std::string size; // as lvcreate wants it
	std::string mountPoint;
	std::string uuid = {};
	std::string table = {}; // before anything of ours

	std::string fullName() const { return vg + "/" + lv; } // vg0/home
	std::string dmName() const { return vg + "-" + lv; }   // vg0-home
	std::string device() const { return "/dev/" + fullName(); }
};

using Volumes = std::array<Volume, 2>;

// Makes them, mounts nothing.  The guest's disks hold nothing before.
Volumes makeVolumes();

void mountVolumes(const Volumes &volumes);
bool isMounted(const Volume &volume);
void unmountVolumes(const Volumes &volumes);

// "0 655360 linear 254:0 2048"
std::string tableOf(const std::string &dmName);

// Empty, or what the file system's own checker complains of.  Unmounted only.
std::string checkFileSystem(const Volume &volume);

// Does the link by UUID lead to the volume itself?  Where to, if not.
std::string linkByUuid(const Volume &volume);

} // namespace snapdiff::demo
