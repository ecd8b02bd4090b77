// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mount: mounts images read-only, without devices, programs and recovery.

#pragma once

#include "model/store.h"
#include "ops/context.h"

#include <string>
#include <string_view>

namespace snapdiff::ops {

// Options besides ro,nosuid,nodev,noexec that let a file system of this type be
// mounted from a read-only image next to its origin: "noload", "norecovery,nouuid".
// ENOTSUP for those that cannot be (btrfs: its own UUID twice confuses it).
Result<std::string> imageMountOptions(std::string_view type);

// "/run/snapdiff/monday/vg0-home"
std::string defaultMountPoint(std::string_view snapshot, std::string_view origin);

struct Mounted
{
	std::string target;
	std::string type;
	std::string options;
};

// The directory is made if it is not there.
Result<Mounted> mountImage(Context &context, const model::Image &image, const std::string &target);

// Everywhere where it is mounted; directories under /run/snapdiff are removed.
Result<std::vector<std::string>> unmountImage(Context &context, const model::Image &image);

} // namespace snapdiff::ops
