// SPDX-License-Identifier: GPL-2.0-or-later
// A disk of the kernel's own SCSI simulation.

#include "support/scsi_disk.h"

#include "harness/patience.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <stdexcept>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr const char *driver = "/sys/bus/pseudo/drivers/scsi_debug";
constexpr const char *parameters = "/sys/module/scsi_debug/parameters/";

void put(const std::string &path, const std::string &text)
{
	std::ofstream file(path);
	file << text << std::flush;
	if (!file)
		throw std::runtime_error("cannot write to " + path);
}

// A kernel that has the simulation built in cannot unload it, but can add hosts and remove them.
bool isBuiltIn()
{
	std::ifstream modules("/proc/modules");
	std::string line;
	while (std::getline(modules, line))
		if (line.rfind("scsi_debug ", 0) == 0)
			return false;
	return std::filesystem::exists(driver);
}

// The folder of the newest host's disk; empty if there is none (yet).
std::filesystem::path findBlockDevice()
{
	namespace fs = std::filesystem;
	std::error_code none;
	int newest = -1;
	for (const auto &entry : fs::directory_iterator(driver, none)) {
		int number = 0;
		if (sscanf(entry.path().filename().c_str(), "adapter%d", &number) == 1)
			newest = std::max(newest, number);
	}
	const std::string host = "/adapter" + std::to_string(newest) + "/";
	for (const auto &entry : fs::directory_iterator("/sys/block", none)) {
		const fs::path real = fs::canonical(entry.path(), none);
		if (real.string().find(host) != std::string::npos)
			return real;
	}
	return {};
}

} // namespace

bool ScsiDisk::available()
{
	return isBuiltIn() || system("modprobe -n -q scsi_debug && modprobe -q sd_mod") == 0;
}

ScsiDisk::ScsiDisk(unsigned mebibytes) : builtIn_(isBuiltIn())
{
	const std::string command = "modprobe sd_mod && modprobe scsi_debug delay=0 dev_size_mb=" +
				    std::to_string(mebibytes);
	if (builtIn_)
		put(std::string(driver) + "/add_host", "1");
	else if (system(command.c_str()))
		throw std::runtime_error(command);
	std::filesystem::path found;
	uint64_t sectors = 0;
	for (int waited = 0; waited < 10000 * patience(); waited += 10) {
		found = findBlockDevice();
		if (!found.empty() && std::ifstream(found / "size") >> sectors && sectors &&
		    std::filesystem::exists("/dev/" + found.filename().string()))
			break;
		usleep(10000);
	}
	if (found.empty())
		throw std::runtime_error(std::string("no disk appears below ") + driver);
	if (sectors != uint64_t{mebibytes} * 2048)
		throw std::runtime_error("the simulated disk has another size");
	path_ = "/dev/" + found.filename().string();
	device_ = (found / "device").string();
	std::ifstream(found / "dev") >> number_;
}

// Whoever had it open must be gone.
ScsiDisk::~ScsiDisk()
{
	if (builtIn_) {
		put(std::string(driver) + "/add_host", "-1");
		return;
	}
	for (int tries = 0; tries < 100 * patience(); ++tries) {
		if (system("rmmod scsi_debug 2>/dev/null") == 0)
			return;
		usleep(50000);
	}
	ADD_FAILURE() << "the simulated disk stays in use";
}

void ScsiDisk::pullOut()
{
	put(device_ + "/delete", "1");
}

void ScsiDisk::protectFromWriting(bool protect)
{
	put(std::string(parameters) + "wp", protect ? "Y" : "N");
}

} // namespace snapdiff::lab
