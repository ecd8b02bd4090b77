// SPDX-License-Identifier: GPL-2.0-or-later
// A file as a block device, with sectors of a size of its own.
#pragma once

#include <cstdint>
#include <string>

namespace snapdiff::lab {

// Its file goes with it.
class LoopDevice
{
public:
	// On a sparse file below /tmp. Throws std::runtime_error if there is no such device to be
	// had, and the running test fails.
	explicit LoopDevice(uint64_t bytes = 4 << 20, unsigned sectorBytes = 4096);
	// On one at this path.
	LoopDevice(std::string file, uint64_t bytes, unsigned sectorBytes);
	~LoopDevice();
	LoopDevice(const LoopDevice &) = delete;
	LoopDevice &operator=(const LoopDevice &) = delete;

	const std::string &path() const { return path_; }
	// Its partition 1, without a table in the file that says so: the path. In sectors of 512
	// bytes. Throws std::runtime_error if the kernel refuses.
	std::string addPartition(uint64_t start, uint64_t sectors) const;

private:
	std::string file_;
	std::string path_;
};

} // namespace snapdiff::lab
