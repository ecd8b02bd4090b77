// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names: how the dm devices that our tools make are called.

#include "dm/names.h"

#include "util/text.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <cerrno>

namespace snapdiff::dm {

static constexpr std::string_view underlyingPrefix = "snapdiff-origin-";

// Without the final zero of the kernel's DM_NAME_LEN and DM_UUID_LEN.
static constexpr size_t longestName = 127;
static constexpr size_t longestUuid = 128;

std::string storeUuid(std::string_view store)
{
	return fmt::format("{}STORE-{}", SNAPDIFF_UUID_PREFIX, store);
}

std::string imageName(std::string_view origin, std::string_view snapshot)
{
	return fmt::format("{}@{}", origin, snapshot);
}

std::string imageUuid(std::string_view origin, std::string_view snapshot)
{
	return fmt::format("{}IMAGE-{}@{}", SNAPDIFF_UUID_PREFIX, origin, snapshot);
}

std::string underlyingName(std::string_view origin)
{
	return fmt::format("{}{}", underlyingPrefix, origin);
}

std::string underlyingUuid(std::string_view origin)
{
	return fmt::format("{}ORIGIN-{}", SNAPDIFF_UUID_PREFIX, origin);
}

Result<> checkImageName(std::string_view origin, std::string_view snapshot)
{
	const std::string name = imageName(origin, snapshot);
	if (name.size() <= longestName && imageUuid(origin, snapshot).size() <= longestUuid)
		return {};
	return Error(ENAMETOOLONG, fmt::format("image {}", name),
		     "its name is too long for device-mapper")
		.advise("Choose a shorter name for the snapshot.");
}

Result<> checkStoreName(std::string_view store)
{
	const std::string doing = fmt::format("store \"{}\"", printable(store));
	if (!isName(store))
		return Error(EINVAL, doing,
			     "a name is 1 to 64 of A-Z a-z 0-9 _ . + : - and does not begin with -")
			.as(ErrorKind::Usage);
	if (store.starts_with(underlyingPrefix))
		return Error(EINVAL, doing,
			     fmt::format("names that begin with {} belong to attached origins",
					 underlyingPrefix))
			.as(ErrorKind::Usage);
	return {};
}

static std::string doubled(std::string_view text)
{
	std::string result;
	for (const char c : text)
		result.append(c == '-' ? 2 : 1, c);
	return result;
}

std::string lvDmName(std::string_view vg, std::string_view lv)
{
	return doubled(vg) + "-" + doubled(lv);
}

} // namespace snapdiff::dm
