// SPDX-License-Identifier: GPL-2.0-or-later
// Slices of the guest's virtio disks.

#include "harness/disk.h"

#include "harness/block_device.h"

#include <map>
#include <stdexcept>
#include <sys/stat.h>

namespace snapdiff::lab {

namespace {

// Slices begin at multiples of this, so that alignment is never accidental.
constexpr uint64_t slotSectors = 2048;

// Taken slices per disk: start -> end.
std::map<int, std::map<uint64_t, uint64_t>> taken;

int nextDisk()
{
	static int next = 0;
	return next++ % diskCount();
}

uint64_t takeSectors(int disk, uint64_t sectors)
{
	const uint64_t size = BlockDevice(diskPath(disk), BlockDevice::Mode::ReadOnly).sectors();
	uint64_t start = 0;
	for (const auto &[takenStart, takenEnd] : taken[disk]) {
		if (takenStart >= start + sectors)
			break;
		start = (takenEnd + slotSectors - 1) / slotSectors * slotSectors;
	}
	if (start + sectors > size)
		throw std::runtime_error(diskPath(disk) + " has no room for " +
					 std::to_string(sectors) + " sectors");
	taken[disk][start] = start + sectors;
	return start;
}

std::string linearTable(int disk, uint64_t start, uint64_t sectors)
{
	return "0 " + std::to_string(sectors) + " linear " + diskPath(disk) + " " +
	       std::to_string(start);
}

} // namespace

std::string diskPath(int disk)
{
	return std::string("/dev/vd") + static_cast<char>('a' + disk);
}

int diskCount()
{
	static const int count = [] {
		int disks = 0;
		struct stat info;
		while (disks < 26 && stat(diskPath(disks).c_str(), &info) == 0)
			++disks;
		if (!disks)
			throw std::runtime_error("the guest has no virtio disk");
		return disks;
	}();
	return count;
}

Disk::Disk(uint64_t sectors) : Disk(nextDisk(), sectors)
{
}

Disk::Disk(int disk, uint64_t sectors)
	: disk_(disk), start_(takeSectors(disk, sectors)), sectors_(sectors),
	  device_("disk", linearTable(disk, start_, sectors))
{
}

Disk::Disk(Disk &&other) noexcept
	: disk_(other.disk_), start_(other.start_), sectors_(other.sectors_),
	  device_(std::move(other.device_))
{
	other.sectors_ = 0;
}

Disk::~Disk()
{
	if (sectors_)
		taken[disk_].erase(start_);
}

void Disk::zero() const
{
	if (const int error = BlockDevice(path()).writeZeroes(0, sectors_))
		throw DmError("zero " + path(), error);
}

} // namespace snapdiff::lab
