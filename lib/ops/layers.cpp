// SPDX-License-Identifier: GPL-2.0-or-later
//
// Layers: which block device lies on which, as far as this machine can see.

#include "ops/layers.h"

#include "probe/probe.h"
#include "util/fd.h"
#include "util/text.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <sys/stat.h>

namespace snapdiff::ops {

namespace fs = std::filesystem;

static std::optional<dm::DeviceNumber> numberIn(const fs::path &file)
{
	const Result<std::string> text = readFile(file);
	return text ? dm::DeviceNumber::parse(trimmed(*text)) : std::nullopt;
}

// What the device in this sysfs folder lies on.
static Result<std::vector<dm::DeviceNumber>> below(const fs::path &folder, dm::DeviceNumber number)
{
	std::error_code error;
	if (fs::exists(folder / "partition", error)) {
		const auto disk = numberIn(folder.parent_path() / "dev");
		return disk ? std::vector{*disk} : std::vector<dm::DeviceNumber>();
	}
	const Result<std::string> file = readFile(folder / "loop" / "backing_file");
	struct stat info = {};
	if (file && stat(std::string(trimmed(*file)).c_str(), &info) == 0)
		return std::vector{
			dm::DeviceNumber::from(S_ISBLK(info.st_mode) ? info.st_rdev : info.st_dev)};
	return probe::slavesOf(number);
}

Result<LayerMap> readLayers()
{
	LayerMap layers;
	std::error_code error;
	fs::directory_iterator entry("/sys/class/block", error);
	for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
		std::error_code gone;
		const fs::path folder = fs::canonical(entry->path(), gone);
		const auto number = numberIn(folder / "dev");
		if (gone || !number)
			continue;
		Result<std::vector<dm::DeviceNumber>> devices = below(folder, *number);
		if (!devices)
			return std::move(devices).error();
		if (!devices->empty())
			layers[*number] = std::move(*devices);
	}
	if (error)
		return Error(error.value(), "read /sys/class/block");
	return layers;
}

Result<std::vector<probe::Mount>> readMountsOnDevices()
{
	Result<std::vector<probe::Mount>> mounts = probe::mounts();
	if (!mounts)
		return mounts;
	for (probe::Mount &mount : *mounts) {
		struct stat info = {};
		if (mount.number.major == 0 && mount.source.starts_with('/') &&
		    stat(mount.source.c_str(), &info) == 0 && S_ISBLK(info.st_mode))
			mount.number = dm::DeviceNumber::from(info.st_rdev);
	}
	return mounts;
}

static unsigned depthBelow(const LayerMap &layers, dm::DeviceNumber number, unsigned most)
{
	const auto found = layers.find(number);
	unsigned depth = 0;
	// A loop device may lie on itself by way of its file.
	if (found == layers.end() || most == 0)
		return 0;
	for (const dm::DeviceNumber &device : found->second)
		depth = std::max(depth, 1 + depthBelow(layers, device, most - 1));
	return depth;
}

unsigned depthOf(const LayerMap &layers, dm::DeviceNumber number)
{
	constexpr unsigned most = 32;
	return depthBelow(layers, number, most);
}

std::vector<std::string> upperFirst(const LayerMap &layers,
				    const std::map<dm::DeviceNumber, std::string> &devices)
{
	std::vector<std::pair<unsigned, std::string>> found;
	found.reserve(devices.size());
	for (const auto &[number, name] : devices)
		found.emplace_back(depthOf(layers, number), name);
	std::stable_sort(found.begin(), found.end(),
			 [](const auto &a, const auto &b) { return a.first > b.first; });
	std::vector<std::string> names;
	names.reserve(found.size());
	for (auto &[depth, name] : found)
		names.push_back(std::move(name));
	return names;
}

} // namespace snapdiff::ops
