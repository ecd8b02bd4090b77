// SPDX-License-Identifier: GPL-2.0-or-later
//
// Console: what the person in front of ./demo reads.  Callable from any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace snapdiff::demo {

// Seconds since the program began.
double elapsed();

// "[ 12 s] 3. Attach, without unmounting"
void heading(std::string_view text);

void say(std::string_view text);

// Every line of it, further to the right.
void quote(std::string_view text);

// "12.5 MiB"
std::string mib(uint64_t bytes);

// "1 file", "3 files"
std::string counted(uint64_t number, std::string_view one, std::string_view many = {});

} // namespace snapdiff::demo
