// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff take: a snapshot of attached volumes at one instant.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/verb.h"
#include "ops/attach.h"
#include "ops/inventory.h"
#include "ops/snapshot.h"

#include <fmt/format.h>

#include <ostream>

namespace snapdiff::cli {

// The store that is named, or the one the origins are attached to, or the only one.
static Result<const model::Store *> storeOf(const model::Inventory &inventory,
					    const std::string &named,
					    const std::vector<std::string> &origins)
{
	if (named.empty() && !origins.empty()) {
		if (const model::Store *store = inventory.storeOfOrigin(origins.front()))
			return store;
		return Error(ENOENT, "origin " + origins.front(), "it is not attached")
			.advise(fmt::format("Attach it with \"snapdiff attach {}\".",
					    origins.front()));
	}
	return ops::chooseStore(inventory, named);
}

static void sayTaken(Session &session, const model::Store &store, const std::string &snapshot,
		     const ops::Taken &taken)
{
	if (!session.arguments.json) {
		session.out << snapshot << "\n";
		return;
	}
	session.out << document({{"store", store.name},
				 {"snapshot", snapshot},
				 {"origins", Node::listOf(taken.origins)},
				 {"frozen", Node::listOf(taken.frozen)},
				 {"frozen_us", taken.frozenUs},
				 {"take_us", taken.takeUs}});
}

Outcome runTake(Session &session)
{
	const Arguments &args = session.arguments;
	std::vector<std::string> origins;
	for (const std::string &text : args.objects) {
		Result<std::string> origin = ops::resolveOrigin(session.context, text);
		if (!origin)
			return std::move(origin).error();
		origins.push_back(std::move(*origin));
	}
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	const auto store = storeOf(*inventory, args.store, origins);
	if (!store)
		return store.error();

	const ops::TakeRequest request = takeRequest(session, origins);
	if (args.dryRun) {
		const std::string what =
			origins.empty() ? "all origins" : fmt::format("{} origins", origins.size());
		sayPlan(session,
			{fmt::format("take snapshot {} of {} of store {}{}", request.snapshot, what,
				     (*store)->name,
				     request.freeze ? ", holding mounted file systems" : "")});
		return Exit::Ok;
	}
	const auto taken = ops::take(session.context, **store, request);
	if (!taken)
		return taken.error();
	sayTaken(session, **store, request.snapshot, *taken);
	return Exit::Ok;
}

} // namespace snapdiff::cli
