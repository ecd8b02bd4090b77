// SPDX-License-Identifier: GPL-2.0-or-later
//
// Create: everything from a fresh volume to the path of an image, planned first and
// carried out then; a failure undoes what was done.

#pragma once

#include "model/store.h"
#include "ops/context.h"
#include "ops/snapshot.h"
#include "ops/store.h"

#include <optional>
#include <string>
#include <vector>

namespace snapdiff::ops {

struct AttachRequest
{
	std::vector<std::string> origins; // as people write them
	std::string store;		  // empty: snapdiff-VG of the first origin
	Supply supply;			  // for a new store; empty: the origin's VG
	dm::StoreTable settings;	  // for a new store
};

// What is to be done; nothing of it has happened.
struct AttachPlan
{
	std::string store;
	bool newStore = false;
	StoreRequest storeRequest;	   // when newStore
	std::vector<std::string> origins;  // dm names, all of the request
	std::vector<std::string> toAttach; // those that are not attached yet
};

// Finds out which store is meant, whether it is to be made and out of what.
Result<AttachPlan> planAttach(Context &context, const AttachRequest &request);

// Undone as a whole when a part fails.
Result<> attachAll(Context &context, const AttachPlan &plan);

struct Created
{
	std::string store;
	std::string snapshot;
	Taken taken;
	std::vector<model::Image> images;
};

// attachAll(), take, one image for each origin; undone as a whole when a part fails.
// request.origins of the take are ignored: they are the plan's.
Result<Created> create(Context &context, const AttachPlan &plan, const TakeRequest &request);

} // namespace snapdiff::ops
