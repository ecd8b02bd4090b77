// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff delete: delete snapshots, or remove a store.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/several.h"
#include "cli/verb.h"
#include "ops/inventory.h"
#include "ops/snapshot.h"
#include "ops/store.h"
#include "util/text.h"

#include <fmt/format.h>

#include <cerrno>
#include <ostream>

namespace snapdiff::cli {

static Result<const model::Store *> holderOf(const model::Inventory &inventory,
					     const std::string &named, const std::string &snapshot)
{
	if (!named.empty())
		return ops::chooseStore(inventory, named);
	const auto stores = inventory.storesOfSnapshot(snapshot);
	if (stores.size() == 1)
		return stores.front();
	if (stores.empty())
		return Error(ENOENT, "delete " + printable(snapshot), "there is no such snapshot")
			.advise("\"snapdiff list\" names them.");
	return Error(EINVAL, "delete " + snapshot, "several stores have a snapshot of this name")
		.as(ErrorKind::Usage)
		.advise("Say which one with --store NAME.");
}

static Outcome removeStore(Session &session, const model::Inventory &inventory)
{
	const std::string &name = session.arguments.removeStore;
	const auto store = ops::chooseStore(inventory, name);
	if (!store)
		return store.error();
	if (session.arguments.dryRun) {
		sayPlan(session,
			{"remove store " + name, "remove the volumes that were carved for it"});
		return Exit::Ok;
	}
	Result<> sure = confirm(session, "remove store " + name);
	if (!sure)
		return std::move(sure).error();
	const auto removed = ops::removeStore(session.context, **store);
	if (!removed)
		return removed.error();
	if (session.arguments.json)
		session.out << document({{"store", name}, {"removed", Node::listOf(*removed)}});
	else
		session.out << "store " << name << " removed, " << removed->size()
			    << " carved volumes given back\n";
	return Exit::Ok;
}

Outcome runDelete(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	if (!args.removeStore.empty())
		return removeStore(session, *inventory);

	std::string names;
	std::vector<std::string> lines;
	for (const std::string &name : args.objects) {
		const auto store = holderOf(*inventory, args.store, name);
		if (!store)
			return store.error();
		names += (names.empty() ? "" : ", ") + name;
		lines.push_back(
			fmt::format("delete snapshot {} of store {}", name, (*store)->name));
	}
	if (args.dryRun) {
		sayPlan(session, lines);
		return Exit::Ok;
	}
	Result<> sure = confirm(session, "delete " + printable(names));
	if (!sure)
		return std::move(sure).error();

	std::vector<std::string> deleted;
	Outcome outcome = forEach(session, args.objects, [&](const std::string &name) -> Result<> {
		const auto store = holderOf(*inventory, args.store, name);
		if (!store)
			return store.error();
		Result<> done = ops::deleteSnapshot(session.context, **store, name);
		if (done)
			deleted.push_back(name);
		return done;
	});
	if (!outcome)
		return outcome;
	if (args.json)
		session.out << document({{"deleted", Node::listOf(deleted)}});
	for (const std::string &name : deleted) {
		if (!args.json)
			session.out << name << " deleted\n";
	}
	return outcome;
}

} // namespace snapdiff::cli
