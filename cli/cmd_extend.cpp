// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff extend: give a running store more space.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/verb.h"
#include "ops/inventory.h"
#include "ops/store.h"

#include <fmt/format.h>

#include <ostream>

#include <sys/stat.h>

namespace snapdiff::cli {

// "vg1/space" means the volume, as for origins.
static std::string asPath(const std::string &text)
{
	struct stat info = {};
	if (text.starts_with('/') || stat(("/dev/" + text).c_str(), &info) < 0)
		return text;
	return "/dev/" + text;
}

static void sayExtended(Session &session, const model::Store &store,
			const std::vector<ops::Extended> &given)
{
	if (session.arguments.json) {
		Node::List ranges;
		for (const ops::Extended &range : given)
			ranges.emplace_back(Node::Fields{{"device", range.device},
							 {"size_bytes", range.bytes},
							 {"already_there", range.alreadyThere}});
		session.out << document({{"store", store.name}, {"ranges", std::move(ranges)}});
		return;
	}
	for (const ops::Extended &range : given) {
		if (range.alreadyThere)
			session.out << range.device << " belongs to " << store.name << " already\n";
		else
			session.out << store.name << " extended by " << formatSize(range.bytes)
				    << ": " << range.device << "\n";
	}
}

Outcome runExtend(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	const auto store = ops::chooseStore(*inventory, args.store);
	if (!store)
		return store.error();

	ops::Supply supply;
	for (const std::string &text : args.objects)
		supply.devices.push_back(asPath(text));
	supply.vgs = args.vgs;
	supply.sizeBytes = args.sizeBytes.value_or(0);
	if (args.dryRun) {
		std::vector<std::string> lines;
		for (const std::string &vg : supply.vgs)
			lines.push_back(fmt::format("carve up to {} out of {}",
						    formatSize(supply.sizeBytes), vg));
		for (const std::string &device : supply.devices)
			lines.push_back(fmt::format("give {} to store {}", device, (*store)->name));
		sayPlan(session, lines);
		return Exit::Ok;
	}
	const auto given = ops::extendStore(session.context, **store, supply);
	if (!given)
		return given.error();
	sayExtended(session, **store, *given);
	return Exit::Ok;
}

} // namespace snapdiff::cli
