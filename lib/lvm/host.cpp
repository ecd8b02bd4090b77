// SPDX-License-Identifier: GPL-2.0-or-later
//
// Host: which machine carved an LV.

#include "lvm/host.h"

#include "util/fd.h"
#include "util/text.h"

#include <algorithm>

#include <sys/utsname.h>

namespace snapdiff::lvm {

static constexpr std::string_view unknown = "unknown";

// "uninitialized", or nothing, as long as there is none.
static bool isMachineId(std::string_view text)
{
	constexpr size_t digits = 32;

	return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string hostTag()
{
	const Result<std::string> id = readFile("/etc/machine-id");
	if (id && isMachineId(trimmed(*id)))
		return std::string(hostTagPrefix) + std::string(trimmed(*id));
	utsname names = {};
	std::string name(uname(&names) == 0 && names.nodename[0] ? names.nodename : unknown);
	// LVM takes more in a tag; a host's name has no more.
	std::ranges::replace_if(
		name, [](char c) { return !isalnum(static_cast<unsigned char>(c)) && c != '-'; },
		'_');
	return std::string(hostTagPrefix) + name;
}

} // namespace snapdiff::lvm
