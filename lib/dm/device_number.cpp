// SPDX-License-Identifier: GPL-2.0-or-later
//
// DeviceNumber: MAJOR:MINOR of a block device.

#include "dm/device_number.h"

#include "util/text.h"

#include <sys/sysmacros.h>

namespace snapdiff::dm {

std::string DeviceNumber::text() const
{
	return std::to_string(major) + ":" + std::to_string(minor);
}

dev_t DeviceNumber::dev() const
{
	return makedev(major, minor);
}

DeviceNumber DeviceNumber::from(dev_t dev)
{
	return {gnu_dev_major(dev), gnu_dev_minor(dev)};
}

std::optional<DeviceNumber> DeviceNumber::parse(std::string_view text)
{
	const size_t colon = text.find(':');
	if (colon == text.npos)
		return std::nullopt;
	const std::optional<uint64_t> high = parseNumber(text.substr(0, colon));
	const std::optional<uint64_t> low = parseNumber(text.substr(colon + 1));
	if (!high || !low || *high > UINT32_MAX || *low > UINT32_MAX)
		return std::nullopt;
	return DeviceNumber{static_cast<uint32_t>(*high), static_cast<uint32_t>(*low)};
}

} // namespace snapdiff::dm
