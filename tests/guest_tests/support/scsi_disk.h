// SPDX-License-Identifier: GPL-2.0-or-later
// A disk of the kernel's own SCSI simulation: it can be pulled out, or become read-only, while it
// is in use.
#pragma once

#include <cstdint>
#include <string>

namespace snapdiff::lab {

class ScsiDisk
{
public:
	// False: this kernel has no such simulation, which is a reason to skip.
	static bool available();

	// One at a time; throws std::runtime_error if it cannot be had.
	explicit ScsiDisk(unsigned mebibytes);
	~ScsiDisk();
	ScsiDisk(const ScsiDisk &) = delete;
	ScsiDisk &operator=(const ScsiDisk &) = delete;

	const std::string &path() const { return path_; }
	// "8:0", which a table can name.
	const std::string &number() const { return number_; }

	void pullOut();
	void protectFromWriting(bool protect);

private:
	bool builtIn_;
	std::string path_;
	std::string number_;
	std::string device_; // its folder in /sys
};

// Lines that the kernel logs about such a disk.
constexpr const char *scsiErrors = "scsi|sd [0-9]+:|\\[sd[a-z]+\\]|critical (medium|target) error|"
				   "device offline error|callbacks suppressed";

} // namespace snapdiff::lab
