// SPDX-License-Identifier: GPL-2.0-or-later
//
// Store operations: make a diff storage, give it ranges, take it away.

#pragma once

#include "dm/table.h"
#include "model/store.h"
#include "ops/context.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace snapdiff::ops {

// Where new ranges come from: whole devices that are free, or LVs carved from VGs,
// tried in order until sizeBytes are together.
struct Supply
{
	std::vector<std::string> devices;
	std::vector<std::string> vgs;
	uint64_t sizeBytes = 0; // to carve; 0: nothing
};

struct StoreRequest
{
	std::string name;
	dm::StoreTable settings;	  // its ranges are ignored
	std::optional<uint64_t> lowWater; // sectors; default: a fifth of the first capacity
	Supply supply;
	std::vector<std::string> origins; // dm names: their disks are used last
};

// Nothing is left behind on failure: LVs carved for it are removed again.
Result<> createStore(Context &context, const StoreRequest &request);

struct Extended
{
	std::string device; // dm name ("vg0-snapdiff.4"), or the path that was given
	uint64_t bytes = 0;
	bool alreadyThere = false;
};

// Each range is given whole or not at all; an LV whose range was refused is
// removed again.  When one of several fails, those before it stay and the error
// says so.
Result<std::vector<Extended>> extendStore(Context &context, const model::Store &store,
					  const Supply &supply);

// A store without origins and snapshots; the LVs that were carved for it go back
// to their VGs.  The LVs removed are returned.
Result<std::vector<std::string>> removeStore(Context &context, const model::Store &store);

// First capacity of a store for origins of this many bytes in a VG with so much
// free: a fifth of the origins, at least 256 MiB, at most what is free.
uint64_t defaultStoreBytes(uint64_t originBytes, uint64_t freeBytes);

// COW that ends up on an origin would wait for itself: fails if this device is or lies on
// an attached origin, whatever is between them.
Result<> checkNotOnOrigin(dm::DeviceMapper &dm, dm::DeviceNumber number, const std::string &name);

// The number that stands for the disks below a device (the smallest of them).
uint32_t groupNumber(const std::vector<dm::DeviceNumber> &disks);

} // namespace snapdiff::ops
