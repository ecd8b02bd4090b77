// SPDX-License-Identifier: GPL-2.0-or-later
//
// Host: which machine carved an LV.  Several machines may see one volume group (a shared disk, a
// guest's disk on its host), and what is no range here may be one there.

#pragma once

#include <string>
#include <string_view>

namespace snapdiff::lvm {

// What begins so names the machine.
constexpr std::string_view hostTagPrefix = "snapdiff-on-";

// Of this one: its machine-id(5), else its name.  Reads a file.
std::string hostTag();

} // namespace snapdiff::lvm
