// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that a refused request must leave as it was.

#include "support/world.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace snapdiff::lab {

namespace {

std::string listed(const std::string &folder)
{
	std::vector<std::string> names;
	for (const auto &entry : std::filesystem::directory_iterator(folder))
		names.push_back(entry.path().filename());
	std::sort(names.begin(), names.end());
	std::string text;
	for (const std::string &name : names)
		text += " " + name;
	return text;
}

} // namespace

std::string worldOf(const std::vector<const DmDevice *> &devices)
{
	std::string text;
	for (const DmDevice *device : devices) {
		const DmInfo info = device->info();
		const std::string folder = "/sys/block/dm-" + std::to_string(info.minor);
		text += device->name() + "\n table " + device->table() + "\n status " +
			device->status() + "\n event " + std::to_string(info.eventNumber) +
			" open " + std::to_string(info.openCount) + " suspended " +
			std::to_string(info.suspended) + " inactive " +
			std::to_string(info.inactiveTable) + "\n below" +
			listed(folder + "/slaves") + "\n above" + listed(folder + "/holders") +
			"\n";
	}
	return text;
}

std::string settledWorldOf(const std::vector<const DmDevice *> &devices)
{
	std::string now = worldOf(devices);
	for (std::string before; before != now;) {
		before = now;
		std::this_thread::sleep_for(std::chrono::milliseconds(50));
		now = worldOf(devices);
	}
	return now;
}

} // namespace snapdiff::lab
