// SPDX-License-Identifier: GPL-2.0-or-later
//
// Users: who uses a block device, as far as it can be seen without opening it.

#include "probe/users.h"

#include "probe/mounts.h"
#include "util/fd.h"
#include "util/text.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <sys/stat.h>

namespace snapdiff::probe {

namespace fs = std::filesystem;

namespace {

bool isDevice(const std::string &path, dm::DeviceNumber number)
{
	struct stat info = {};
	return stat(path.c_str(), &info) == 0 && S_ISBLK(info.st_mode) &&
	       dm::DeviceNumber::from(info.st_rdev) == number;
}

std::string nameOf(dm::DeviceNumber number)
{
	const Result<BlockDevice> device = blockDevice(number);
	if (!device)
		return number.text();
	return device->dmName.empty() ? device->kernelName : device->dmName;
}

// Mounts of other namespaces: one look into each, through any process that is there.
std::vector<std::string> mountsElsewhere(dm::DeviceNumber number)
{
	std::vector<std::string> found;
	std::error_code error;
	std::set<fs::path> seen = {fs::read_symlink("/proc/self/ns/mnt", error)};

	for (fs::directory_iterator entry("/proc", error);
	     !error && entry != fs::directory_iterator(); entry.increment(error)) {
		const std::string pid = entry->path().filename();
		std::error_code gone; // it may end while we look
		const fs::path space = fs::read_symlink(entry->path() / "ns" / "mnt", gone);
		if (!parseNumber(pid) || gone || !seen.insert(space).second)
			continue;
		const Result<std::string> text = readFile(entry->path() / "mountinfo");
		const auto mounted = text ? parseMountInfo(*text)
					  : Result<std::vector<Mount>>(std::vector<Mount>());
		if (!mounted)
			continue;
		for (const Mount &mount : *mounted)
			if (mount.number == number)
				found.push_back("is mounted on " + printable(mount.target) +
						" in the mount namespace of process " + pid);
	}
	return found;
}

Result<> addMounts(dm::DeviceNumber number, std::vector<std::string> &users)
{
	const Result<std::vector<Mount>> mounted = mounts();
	if (!mounted)
		return mounted.error();
	const size_t before = users.size();
	for (const Mount &mount : *mounted)
		if (mount.number == number)
			users.push_back("is mounted on " + printable(mount.target));
	if (users.size() == before)
		for (std::string &elsewhere : mountsElsewhere(number))
			users.push_back(std::move(elsewhere));
	return {};
}

void addPartitions(dm::DeviceNumber number, std::vector<std::string> &users)
{
	std::set<std::string> names;
	std::error_code error;
	for (fs::directory_iterator entry("/sys/dev/block/" + number.text() + "/", error);
	     !error && entry != fs::directory_iterator(); entry.increment(error)) {
		std::error_code none;
		if (fs::exists(entry->path() / "partition", none))
			names.insert(entry->path().filename());
	}
	std::string list;
	for (const std::string &name : names)
		list += (list.empty() ? "" : ", ") + name;
	if (!names.empty())
		users.push_back("has partitions (" + list + ")");
}

// Neither a holder nor a claim tells of them.
void addLoopDevices(dm::DeviceNumber number, std::vector<std::string> &users)
{
	std::error_code error;
	for (fs::directory_iterator entry("/sys/block", error);
	     !error && entry != fs::directory_iterator(); entry.increment(error)) {
		const Result<std::string> file =
			readFile(entry->path() / "loop" / "backing_file", 4096);
		if (file && isDevice(std::string(trimmed(*file)), number))
			users.push_back("is used by " + entry->path().filename().string());
	}
}

} // namespace

Result<std::vector<std::string>> usersOf(const BlockDevice &device)
{
	std::vector<std::string> users;

	if (Result<> done = addMounts(device.number, users); !done)
		return std::move(done).error();
	const Result<std::vector<std::string>> swapped = swaps();
	if (!swapped)
		return swapped.error();
	for (const std::string &path : *swapped)
		if (isDevice(path, device.number))
			users.emplace_back("is used as swap");
	addPartitions(device.number, users);
	const Result<std::vector<dm::DeviceNumber>> holders = holdersOf(device.number);
	if (!holders)
		return holders.error();
	for (const dm::DeviceNumber &holder : *holders)
		users.push_back("is used by " + nameOf(holder));
	addLoopDevices(device.number, users);
	return users;
}

} // namespace snapdiff::probe
