// SPDX-License-Identifier: GPL-2.0-or-later
//
// Unread: devices that lvm must leave alone, the origins of snapdiff and what lies on them.

#include "lvm/unread.h"

#include "probe/probe.h"
#include "util/fd.h"
#include "util/text.h"

#include "dm-snapdiff.h"

#include <cctype>
#include <set>

namespace snapdiff::lvm {

std::vector<std::string> parseUdevLinks(std::string_view record)
{
	std::vector<std::string> links;
	for (const std::string &line : splitLines(record))
		if (line.starts_with("S:") && line.size() > 2)
			links.push_back("/dev/" + line.substr(2));
	return links;
}

static std::vector<std::string> namesOf(dm::DeviceNumber number)
{
	std::vector<std::string> names = {"/dev/block/" + number.text()};
	const Result<probe::BlockDevice> device = probe::blockDevice(number);
	// It went away meanwhile: nobody reads it.
	if (!device)
		return {};
	names.push_back("/dev/" + device->kernelName);
	if (!device->dmName.empty())
		names.push_back(dm::devicePath(device->dmName));
	// Without udev there are no more names than these.
	if (const Result<std::string> record = readFile("/run/udev/data/b" + number.text()))
		for (std::string &link : parseUdevLinks(*record))
			names.push_back(std::move(link));
	return names;
}

// What lies on a device: its partitions, what holds it, and loop devices on files of its file
// system.
static std::vector<dm::DeviceNumber> above(dm::DeviceNumber number,
					   const std::vector<probe::LoopDevice> &loops)
{
	std::vector<dm::DeviceNumber> found;
	for (const auto &some : {probe::holdersOf(number), probe::partitionsOf(number)})
		if (some)
			found.insert(found.end(), some->begin(), some->end());
	for (const probe::LoopDevice &loop : loops)
		if (loop.below == number)
			found.push_back(loop.number);
	return found;
}

Result<std::vector<std::string>> namesOnOrigins(dm::DeviceMapper &dm)
{
	const Result<std::vector<dm::Device>> origins =
		dm::devicesOfTarget(dm, SNAPDIFF_TARGET_ORIGIN);
	if (!origins)
		return origins.error();
	std::vector<dm::DeviceNumber> left;
	for (const dm::Device &origin : *origins)
		left.push_back(origin.number);

	std::vector<std::string> names;
	if (left.empty())
		return names;
	const std::vector<probe::LoopDevice> loops = probe::loopDevices();
	std::set<dm::DeviceNumber> seen;
	while (!left.empty()) {
		const dm::DeviceNumber number = left.back();
		left.pop_back();
		if (!seen.insert(number).second)
			continue;
		for (std::string &name : namesOf(number))
			names.push_back(std::move(name));
		const auto next = above(number, loops);
		left.insert(left.end(), next.begin(), next.end());
	}
	return names;
}

std::function<Result<std::vector<std::string>>()> unreadOrigins(dm::DeviceMapper &dm)
{
	return [&dm] { return namesOnOrigins(dm); };
}

// A regular expression of LVM's that matches this name only; or nearly: a backslash, as udev writes
// for unusual characters, would have to pass two unquotings, and any character does in its place.
static std::string literal(std::string_view name)
{
	std::string pattern;
	for (const char c : name) {
		if (c == '.' || c == '+')
			pattern += std::string("[") + c + "]";
		else if (isalnum(static_cast<unsigned char>(c)) ||
			 std::string_view("/_-:@=,#~").find(c) != std::string_view::npos)
			pattern += c;
		else
			pattern += '.';
	}
	return pattern;
}

std::string filterWithout(const std::vector<std::string> &names, std::string_view before)
{
	std::string filter = "[";
	for (const std::string &name : names)
		filter += "\"r|^" + literal(name) + "$|\",";
	std::string_view entries = trimmed(before.substr(before.find('=') + 1));
	if (entries.starts_with('[') && entries.ends_with(']'))
		entries = entries.substr(1, entries.size() - 2);
	return filter + std::string(entries) + "]";
}

} // namespace snapdiff::lvm
