// SPDX-License-Identifier: GPL-2.0-or-later
// What a test of the product under systemd asks the machine.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace snapdiff::lab {

// Of a unit of systemd; a time is in microseconds of the monotonic clock.
std::string property(const std::string &unit, const std::string &name);
uint64_t timeOf(const std::string &unit, const std::string &name);

std::string readAll(const std::string &path);
bool contains(const std::string &text, const std::string &words);

// Waits for what comes by itself; false if it did not for two minutes.
bool comes(const std::function<bool()> &condition);

} // namespace snapdiff::lab
