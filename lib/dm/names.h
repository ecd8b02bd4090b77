// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names: how the dm devices that our tools make are called.
//
//	store              what the user says; snapdiff-VG by default
//	                   UUID SNAPDIFF-STORE-<store>
//	image              <origin>@<snapshot>, for example vg0-home@monday
//	                   UUID SNAPDIFF-IMAGE-<origin>@<snapshot>
//	underlying device  snapdiff-origin-<origin>: has the origin's own table while
//	                   it is attached
//	                   UUID SNAPDIFF-ORIGIN-<origin>
//
// '@' is legal in a dm name and not in a name of ours, so no two of them meet.
// Programs recognise devices by their target type; the UUID only says whose they are.

#pragma once

#include "util/result.h"

#include <string>
#include <string_view>

namespace snapdiff::dm {

std::string storeUuid(std::string_view store);
std::string imageName(std::string_view origin, std::string_view snapshot);
std::string imageUuid(std::string_view origin, std::string_view snapshot);
std::string underlyingName(std::string_view origin);
std::string underlyingUuid(std::string_view origin);

// The names fit device-mapper's limits (127 characters for a name, 128 for a UUID).
Result<> checkImageName(std::string_view origin, std::string_view snapshot);

// A legal name for a store that is not one of the schemes above.
Result<> checkStoreName(std::string_view store);

// VG and LV as LVM joins them in a dm name: '-' doubled, then "VG-LV".
std::string lvDmName(std::string_view vg, std::string_view lv);

} // namespace snapdiff::dm
