// SPDX-License-Identifier: GPL-2.0-or-later
// Commands that a test gives a shell. Each waits for the command's end, however long that takes,
// and so for whatever it left in the background with its output.
#pragma once

#include <string>

namespace snapdiff::lab {

// It must succeed, else the running test fails. What it printed, errors too, without the last
// newlines, as of $(...).
std::string runCommand(const std::string &command);

// Its exit status is the answer; -1 if it did not end by itself. What it printed is not kept.
int statusOf(const std::string &command);

// What it printed, as of runCommand(), whether it succeeded or not.
std::string outputOf(const std::string &command);

} // namespace snapdiff::lab
