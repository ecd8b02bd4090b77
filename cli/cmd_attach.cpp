// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff attach: put live volumes under watch.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/verb.h"
#include "ops/create.h"

#include <algorithm>
#include <ostream>

namespace snapdiff::cli {

Outcome runAttach(Session &session)
{
	const auto plan = ops::planAttach(session.context, attachRequest(session.arguments));
	if (!plan)
		return plan.error();
	if (session.arguments.dryRun) {
		sayPlan(session, describePlan(session, *plan));
		return Exit::Ok;
	}
	if (Result<> done = ops::attachAll(session.context, *plan); !done)
		return std::move(done).error();

	if (session.arguments.json) {
		session.out << document({{"store", plan->store},
					 {"new_store", plan->newStore},
					 {"origins", Node::listOf(plan->origins)},
					 {"attached", Node::listOf(plan->toAttach)}});
		return Exit::Ok;
	}
	for (const std::string &origin : plan->origins) {
		const bool now = std::find(plan->toAttach.begin(), plan->toAttach.end(), origin) !=
				 plan->toAttach.end();
		session.out << origin << (now ? " attached to " : " was attached already to ")
			    << plan->store << "\n";
	}
	return Exit::Ok;
}

} // namespace snapdiff::cli
