// SPDX-License-Identifier: GPL-2.0-or-later
//
// Snapshot operations: take, delete, and the images of a snapshot.

#pragma once

#include "model/store.h"
#include "ops/context.h"
#include "ops/freeze.h"

#include <string>
#include <vector>

namespace snapdiff::ops {

struct TakeRequest
{
	std::string snapshot;
	std::vector<std::string> origins; // names in the store; empty: all that are attached
	unsigned timeoutMs = 2000;	  // for the kernel to bring writes in flight to an end
	bool freeze = true;		  // mounted file systems, around the take
};

struct Taken
{
	std::vector<std::string> origins;
	std::vector<std::string> frozen; // mount points
	uint64_t frozenUs = 0;
	uint64_t takeUs = 0;
};

// Stacked origins are given to the kernel upper ones first.
Result<Taken> take(Context &context, const model::Store &store, const TakeRequest &request);

// Its images are removed first; one that is open makes it EBUSY, and nothing is removed.
Result<> deleteSnapshot(Context &context, const model::Store &store, const std::string &snapshot);

// The image of one origin as of the snapshot; the one that exists already, if it does.
Result<model::Image> createImage(Context &context, const model::Store &store,
				 const std::string &snapshot, const std::string &origin);

Result<> removeImage(Context &context, const model::Image &image);

} // namespace snapdiff::ops
