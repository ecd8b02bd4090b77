// SPDX-License-Identifier: GPL-2.0-or-later
#include "machine.h"

#include "command.h"
#include "console.h"
#include "probe/mounts.h"
#include "trouble.h"

#include <cstdlib>
#include <filesystem>

#include <sys/mount.h>
#include <sys/stat.h>

namespace snapdiff::demo {

namespace {

std::string firstLine(const std::string &text)
{
	return text.substr(0, text.find('\n'));
}

void makeFileSystem(Volume &volume)
{
	run({"lvcreate", "--yes", "-q", "--wipesignatures", "y", "-L", volume.size, "-n", volume.lv,
	     volume.vg});
	if (volume.type == "ext4")
		// Nothing is left to be initialised behind our back later.
		run({"mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0",
		     volume.device()});
	else
		run({"mkfs.xfs", "-q", volume.device()});
	volume.uuid = firstLine(run({"blkid", "-p", "-o", "value", "-s", "UUID", volume.device()}));
	volume.table = tableOf(volume.dmName());
}

std::string trueName(const std::string &path)
{
	char *resolved = realpath(path.c_str(), nullptr);
	const std::string name = resolved ? resolved : "";
	std::free(resolved);
	return name;
}

} // namespace

Volumes makeVolumes()
{
	Volumes volumes = {{
		{"vg0", "home", "ext4", "344M", "/srv/home"},
		{"vg1", "db", "xfs", "344M", "/srv/db"},
	}};

	run({"vgcreate", "--yes", "-q", "vg0", "/dev/vda", "/dev/vdc"});
	run({"vgcreate", "--yes", "-q", "vg1", "/dev/vdb"});
	say("vg0 on vda and vdc, vg1 on vdb");
	for (Volume &volume : volumes) {
		makeFileSystem(volume);
		say(volume.fullName() + ": " + volume.size + ", " + volume.type);
	}
	return volumes;
}

void mountVolumes(const Volumes &volumes)
{
	for (const Volume &volume : volumes) {
		std::filesystem::create_directories(volume.mountPoint);
		// The guest's mount(8) would read the host's fstab.
		if (mount(volume.device().c_str(), volume.mountPoint.c_str(), volume.type.c_str(),
			  0, nullptr) != 0)
			throw systemTrouble("mount " + volume.device());
	}
}

bool isMounted(const Volume &volume)
{
	const Result<std::vector<probe::Mount>> mounts = probe::mounts();
	if (!mounts)
		throw Trouble(mounts.error().message());
	for (const probe::Mount &mount : *mounts)
		if (mount.target == volume.mountPoint)
			return true;
	return false;
}

void unmountVolumes(const Volumes &volumes)
{
	for (const Volume &volume : volumes)
		if (umount(volume.mountPoint.c_str()) != 0)
			throw systemTrouble("unmount " + volume.mountPoint);
}

std::string tableOf(const std::string &dmName)
{
	return run({"dmsetup", "table", dmName});
}

std::string checkFileSystem(const Volume &volume)
{
	try {
		if (volume.type == "ext4")
			run({"e2fsck", "-f", "-n", volume.device()});
		else
			run({"xfs_repair", "-n", volume.device()});
		return {};
	} catch (const Trouble &trouble) {
		return firstLine(trouble.what());
	}
}

std::string linkByUuid(const Volume &volume)
{
	const std::string leadsTo = trueName("/dev/disk/by-uuid/" + volume.uuid);
	if (leadsTo == trueName(volume.device()))
		return {};
	return leadsTo.empty() ? "nowhere" : leadsTo;
}

} // namespace snapdiff::demo
