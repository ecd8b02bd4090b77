// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inventory: reads all stores, origins, snapshots and images from the kernel.

#pragma once

#include "model/store.h"
#include "ops/context.h"

#include <string>

namespace snapdiff::ops {

// Devices that vanish while we look are left out, not reported.
Result<model::Inventory> readInventory(Context &context);

// One store, without names of its ranges' devices and without images: two ioctls.
Result<model::Store> readStore(Context &context, const std::string &name);

// The one store meant: by name, or the only one there is (empty name).  NotFound
// and the next step otherwise.
Result<const model::Store *> chooseStore(const model::Inventory &inventory,
					 const std::string &name);

} // namespace snapdiff::ops
