// SPDX-License-Identifier: GPL-2.0-or-later
// A file as a block device.

#include "support/loop_device.h"

#include "harness/block_device.h"
#include "support/command.h"

#include <stdexcept>

#include <fcntl.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

std::string nextFile()
{
	static int made = 0;
	return "/tmp/loop-" + std::to_string(getpid()) + "-" + std::to_string(made++);
}

} // namespace

LoopDevice::LoopDevice(uint64_t bytes, unsigned sectorBytes)
	: LoopDevice(nextFile(), bytes, sectorBytes)
{
}

// -P: it may have partitions, and they go with it.
LoopDevice::LoopDevice(std::string file, uint64_t bytes, unsigned sectorBytes)
	: file_(std::move(file)),
	  path_(runCommand("modprobe loop && truncate -s " + std::to_string(bytes) + " " + file_ +
			   " && losetup -f -P --show -b " + std::to_string(sectorBytes) + " " +
			   file_))
{
	if (!path_.starts_with("/dev/"))
		throw std::runtime_error("no loop device on " + file_ + ": " + path_);
}

LoopDevice::~LoopDevice()
{
	runCommand("losetup -d " + path_);
	unlink(file_.c_str());
}

std::string LoopDevice::addPartition(uint64_t start, uint64_t sectors) const
{
	constexpr long long sectorBytes = sectorSize;
	blkpg_partition part = {};
	part.start = static_cast<long long>(start) * sectorBytes;
	part.length = static_cast<long long>(sectors) * sectorBytes;
	part.pno = 1;
	blkpg_ioctl_arg request = {BLKPG_ADD_PARTITION, 0, sizeof(part), &part};
	const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
	const int failed = ioctl(fd, BLKPG, &request);
	close(fd);
	if (failed)
		throw std::runtime_error("no partition of " + path_);
	return path_ + "p1";
}

} // namespace snapdiff::lab
