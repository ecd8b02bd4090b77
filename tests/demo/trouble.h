// SPDX-License-Identifier: GPL-2.0-or-later
//
// Trouble: why the demo cannot go on.  Thrown, because every scope on the way out
// has something to put back.

#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace snapdiff::demo {

class Trouble : public std::runtime_error
{
public:
	using std::runtime_error::runtime_error;
};

inline Trouble systemTrouble(const std::string &doing)
{
	return Trouble(doing + ": " + std::strerror(errno));
}

} // namespace snapdiff::demo
