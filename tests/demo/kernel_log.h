// SPDX-License-Identifier: GPL-2.0-or-later
//
// KernelLog: lines of level warning or worse, from some moment on, without those
// that only say that the emulated machine is slow.

#pragma once

#include <string>
#include <vector>

namespace snapdiff::demo {

class KernelLog
{
public:
	KernelLog();

	// Since the object was made.
	std::vector<std::string> warnings() const;

private:
	std::vector<std::string> before_;
};

} // namespace snapdiff::demo
