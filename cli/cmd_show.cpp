// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff show: all about a store, origin or snapshot.

#include "cli/describe.h"
#include "cli/json.h"
#include "cli/verb.h"
#include "ops/attach.h"
#include "ops/inventory.h"
#include "util/text.h"

#include <algorithm>
#include <cerrno>
#include <ostream>

namespace snapdiff::cli {

namespace {

struct Found
{
	std::string text;
	Node::List stores;
	Node::List origins;
	Node::List snapshots;
};

// One name may be that of a store, an origin and a snapshot; all are shown.
size_t collect(const model::Inventory &inventory, const std::string &name, UnitChoice units,
	       Found &found)
{
	size_t count = 0;
	const auto add = [&](Node::List &list, Node node, const std::string &text) {
		found.text += (found.text.empty() ? "" : "\n") + text;
		list.push_back(std::move(node));
		count++;
	};

	for (const model::Store &store : inventory.stores) {
		if (store.name == name)
			add(found.stores, nodeOf(store), describe(store, units));
		if (const model::Origin *origin = store.origin(name))
			add(found.origins, nodeOf(*origin, store), describe(*origin, store, units));
		if (const model::Snapshot *snapshot = store.snapshot(name))
			add(found.snapshots, nodeOf(*snapshot, store),
			    describe(*snapshot, store, units));
	}
	return count;
}

// An origin may be named as a volume or a path; half-done work is told of here.
Result<std::string> asOrigin(Session &session, const std::string &name)
{
	Result<std::string> origin = ops::resolveOrigin(session.context, name);
	if (!origin)
		return Error(ENOENT, "show " + printable(name),
			     "there is no store, origin, snapshot or device of this name")
			.advise("\"snapdiff status\" shows all there is.");
	const auto now = ops::inspect(session.context, *origin);
	if (now && now->state != ops::AttachState::Attached)
		return Error(ENOENT, "show " + *origin, std::string(ops::word(now->state)))
			.advise("\"snapdiff attach\" attaches it, \"snapdiff detach\" clears away "
				"what is left of an attach.");
	return origin;
}

} // namespace

Outcome runShow(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();

	Found found;
	for (const std::string &name : args.objects) {
		if (collect(*inventory, name, args.units, found) > 0)
			continue;
		const Result<std::string> origin = asOrigin(session, name);
		if (!origin)
			return origin.error();
		if (collect(*inventory, *origin, args.units, found) == 0)
			return Error(ENOENT, "show " + printable(name), "its store is gone");
	}
	if (args.json)
		session.out << document({{"stores", std::move(found.stores)},
					 {"origins", std::move(found.origins)},
					 {"snapshots", std::move(found.snapshots)}});
	else
		session.out << found.text;
	return Exit::Ok;
}

} // namespace snapdiff::cli
