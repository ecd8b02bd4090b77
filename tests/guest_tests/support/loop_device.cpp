// SPDX-License-Identifier: GPL-2.0-or-later
// A file as a block device.

#include "support/loop_device.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <stdexcept>
#include <unistd.h>

namespace snapdiff::lab {

LoopDevice::LoopDevice(uint64_t bytes, unsigned sectorBytes)
{
	static int made = 0;
	file_ = "/tmp/loop-" + std::to_string(getpid()) + "-" + std::to_string(made++);
	const std::string command = "modprobe loop && truncate -s " + std::to_string(bytes) + " " +
				    file_ + " && losetup -f --show -b " +
				    std::to_string(sectorBytes) + " " + file_;
	FILE *pipe = popen(command.c_str(), "r");
	std::array<char, 64> line = {};
	if (pipe && fgets(line.data(), line.size(), pipe))
		path_ = line.data();
	if (pipe)
		pclose(pipe);
	while (!path_.empty() && path_.back() == '\n')
		path_.pop_back();
	if (path_.empty())
		throw std::runtime_error("no loop device: " + command);
}

LoopDevice::~LoopDevice()
{
	if (system(("losetup -d " + path_).c_str()))
		ADD_FAILURE() << "cannot remove " << path_;
	unlink(file_.c_str());
}

} // namespace snapdiff::lab
