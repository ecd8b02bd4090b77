// SPDX-License-Identifier: GPL-2.0-or-later
//
// DeviceNumber: MAJOR:MINOR of a block device.

#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/types.h>

namespace snapdiff::dm {

struct DeviceNumber
{
	uint32_t major = 0;
	uint32_t minor = 0;

	auto operator<=>(const DeviceNumber &) const = default;

	// "253:4"
	std::string text() const;
	dev_t dev() const;

	static DeviceNumber from(dev_t dev);

	// Strictly "MAJOR:MINOR", nothing otherwise.
	static std::optional<DeviceNumber> parse(std::string_view text);
};

} // namespace snapdiff::dm
