// SPDX-License-Identifier: GPL-2.0-or-later
//
// Plan: what --dry-run prints, and what several verbs work out from their arguments.

#include "cli/plan.h"

#include "cli/json.h"
#include "util/text.h"

#include <fmt/format.h>

#include <ostream>

namespace snapdiff::cli {

void sayPlan(Session &session, const std::vector<std::string> &lines)
{
	if (session.arguments.json) {
		session.out << document({{"plan", Node::listOf(lines)}});
		return;
	}
	for (const std::string &line : lines)
		session.out << "would " << printable(line) << "\n";
	if (lines.empty())
		session.out << "nothing to do\n";
}

ops::AttachRequest attachRequest(const Arguments &args)
{
	ops::AttachRequest request;
	request.origins = args.objects;
	request.store = args.store;
	request.supply.vgs = args.vgs;
	request.supply.devices = args.devices;
	request.supply.sizeBytes = args.sizeBytes.value_or(0);
	if (args.chunkSectors)
		request.settings.chunk = *args.chunkSectors;
	return request;
}

std::vector<std::string> describePlan(Session &session, const ops::AttachPlan &plan)
{
	const ops::Supply &supply = plan.storeRequest.supply;
	std::vector<std::string> lines;

	if (plan.newStore) {
		for (const std::string &vg : supply.vgs)
			lines.push_back(fmt::format("carve up to {} out of {}: {}",
						    formatSize(supply.sizeBytes), vg,
						    session.context.lvm.carveCommandLine(
							    {vg, supply.sizeBytes, {}, {}, {}})));
		for (const std::string &device : supply.devices)
			lines.push_back("give " + device + " to the store");
		lines.push_back(fmt::format("create store {} with chunks of {}", plan.store,
					    formatSize(bytesOf(plan.storeRequest.settings.chunk))));
	}
	for (const std::string &origin : plan.toAttach)
		lines.push_back(fmt::format("attach {} to store {}", origin, plan.store));
	return lines;
}

std::string snapshotName(Session &session)
{
	if (!session.arguments.name.empty())
		return session.arguments.name;
	return formatStamp(session.context.clock.wallSeconds());
}

ops::TakeRequest takeRequest(Session &session, std::vector<std::string> origins)
{
	ops::TakeRequest request;
	request.snapshot = snapshotName(session);
	request.origins = std::move(origins);
	request.timeoutMs = session.arguments.timeoutMs;
	request.freeze = !session.arguments.noFreeze;
	return request;
}

} // namespace snapdiff::cli
