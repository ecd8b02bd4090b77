// SPDX-License-Identifier: GPL-2.0-or-later
// A file as a block device, with sectors of a size of its own.
#pragma once

#include <cstdint>
#include <string>

namespace snapdiff::lab {

class LoopDevice
{
public:
	// A sparse file; throws std::runtime_error if there is no such device to be had.
	explicit LoopDevice(uint64_t bytes = 4 << 20, unsigned sectorBytes = 4096);
	~LoopDevice();
	LoopDevice(const LoopDevice &) = delete;
	LoopDevice &operator=(const LoopDevice &) = delete;

	const std::string &path() const { return path_; }

private:
	std::string file_;
	std::string path_;
};

} // namespace snapdiff::lab
