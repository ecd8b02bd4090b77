// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff status: how full the stores are, what may still come, what is wrong.

#include "cli/describe.h"
#include "cli/json.h"
#include "cli/verb.h"
#include "ops/inventory.h"

#include <ostream>

namespace snapdiff::cli {

Outcome runStatus(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	std::vector<const model::Store *> stores;
	for (const std::string &name : args.objects) {
		const auto store = ops::chooseStore(*inventory, name);
		if (!store)
			return store.error();
		stores.push_back(*store);
	}
	for (const model::Store &store : inventory->stores) {
		if (args.objects.empty())
			stores.push_back(&store);
	}

	if (args.json) {
		Node::List list;
		for (const model::Store *store : stores)
			list.push_back(nodeOf(*store));
		session.out << document({{"stores", std::move(list)},
					 {"orphans", Node::listOf(inventory->orphans)},
					 {"unwatched", Node::listOf(inventory->unwatched)}});
		return Exit::Ok;
	}
	if (stores.empty())
		session.out << "No store yet; \"snapdiff create VG/LV\" makes one.\n";
	for (size_t i = 0; i < stores.size(); i++)
		session.out << (i ? "\n" : "") << describeStatus(*stores[i], args.units);
	for (const std::string &orphan : inventory->orphans)
		session.out << "device " << orphan << " belongs to a store that is gone\n";
	for (const std::string &origin : inventory->unwatched)
		session.out << "origin " << origin << ": " << model::whyUnwatched(origin) << "\n";
	return Exit::Ok;
}

} // namespace snapdiff::cli
