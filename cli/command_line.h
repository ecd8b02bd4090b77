// SPDX-License-Identifier: GPL-2.0-or-later
//
// Command line: argv -> Arguments.  The .cpp is the only file that includes CLI11,
// which takes seconds to compile.

#pragma once

#include "cli/arguments.h"
#include "cli/verb.h"

#include <string>
#include <variant>
#include <vector>

namespace snapdiff::cli {

// Text to print and be done: help or version (exit 0), or what is wrong (exit 2).
struct Farewell
{
	std::string text;
	Exit exit = Exit::Ok;
};

using CommandLine = std::variant<Arguments, Farewell>;

// argv without the program's name.
CommandLine parseCommandLine(std::vector<std::string> argv);

} // namespace snapdiff::cli
