// SPDX-License-Identifier: GPL-2.0-or-later
// Slices of the guest's virtio disks, handed out so that tests do not collide.
#pragma once

#include "harness/dm_device.h"

#include <cstdint>
#include <string>

namespace snapdiff::lab {

constexpr uint64_t mib = 2048; // sectors

// How many disks the guest has.
int diskCount();
// "/dev/vdb" for 1.
std::string diskPath(int disk);

// A dm-linear device over some sectors of one disk that nobody else has; given back at the end.
class Disk
{
public:
	// On the next disk in turn, so that two slices made in a row lie on different disks.
	explicit Disk(uint64_t sectors);
	// On this disk. Throws std::runtime_error if it has no such room left.
	Disk(int disk, uint64_t sectors);
	~Disk();
	Disk(Disk &&other) noexcept;
	Disk &operator=(Disk &&) = delete;

	const DmDevice &device() const { return device_; }
	std::string path() const { return device_.path(); }
	std::string number() const { return device_.number(); }
	uint64_t sectors() const { return sectors_; }
	// Which disk it lies on, and where.
	int disk() const { return disk_; }
	uint64_t start() const { return start_; }
	// Makes all of it read as zeroes (a slice holds what an earlier test left there).
	void zero() const;

private:
	int disk_;
	uint64_t start_;
	uint64_t sectors_;
	DmDevice device_;
};

} // namespace snapdiff::lab
