// SPDX-License-Identifier: GPL-2.0-or-later
// Device-mapper's own ioctls without a library in between: many threads may use one of these at
// once, and nothing is put in order for them.
#pragma once

#include "harness/dm_device.h"

#include <cstdint>
#include <string>

namespace snapdiff::lab {

class DmControl
{
public:
	enum class Flush { Yes, No };
	enum class Text { Status, Table };

	// Throws std::system_error.
	DmControl();
	~DmControl();
	DmControl(const DmControl &) = delete;
	DmControl &operator=(const DmControl &) = delete;

	// All of these return 0 or an errno. The kernel makes the node /dev/dm-MINOR at the first
	// load.
	int create(const std::string &name, unsigned &minor) const;
	// One line: "start length target arguments".
	int load(const std::string &name, const std::string &table) const;
	int clear(const std::string &name) const;
	int suspend(const std::string &name, Flush flush = Flush::Yes) const;
	int resume(const std::string &name) const;
	int remove(const std::string &name) const;
	// The text of a device with one target: "start length target words"; empty without a table.
	int read(const std::string &name, Text what, std::string &text) const;
	DmAnswer message(const std::string &name, const std::string &text) const;

	// Create, load and resume; nothing is left if one of them fails.
	int make(const std::string &name, const std::string &table, unsigned &minor) const;

private:
	int fd_;
};

// "254:3", as tables want it.
std::string dmNumber(unsigned minor);

} // namespace snapdiff::lab
