// SPDX-License-Identifier: GPL-2.0-or-later
// A file system with all that the daemon needs: its program, lvm, their libraries, /etc/lvm.
#pragma once

#include <string>

namespace snapdiff::lab {

// Mounted twice: for those who write, and for the daemon to have as its root.
class DaemonRoot
{
public:
	// ReadOnly: as ProtectSystem= shows /usr and /etc to the daemon (a read would change the
	// times of access).
	enum class Shown { ReadOnly, Writable };

	DaemonRoot(const std::string &device, Shown how);
	~DaemonRoot();
	DaemonRoot(const DaemonRoot &) = delete;
	DaemonRoot &operator=(const DaemonRoot &) = delete;

	// Nothing of it is in memory: who needs a page reads it from the device.
	static void forget();

	static inline const std::string writable = "/tmp/daemon-root";
	static inline const std::string shown = "/tmp/daemon-root-shown";
};

} // namespace snapdiff::lab
