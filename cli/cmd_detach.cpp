// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff detach: make volumes plain again.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/several.h"
#include "cli/verb.h"
#include "ops/attach.h"

#include <fmt/format.h>

#include <ostream>

namespace snapdiff::cli {

static Result<> planDetach(Session &session, const std::string &origin,
			   std::vector<std::string> &lines)
{
	const auto now = ops::inspect(session.context, origin);
	if (!now)
		return now.error();
	if (now->state == ops::AttachState::Plain)
		return {};
	if (now->state == ops::AttachState::HalfAttached)
		lines.push_back(fmt::format("clear away what is left of an attach of {}", origin));
	else
		lines.push_back(fmt::format("detach {} from store {}", origin, now->store));
	return {};
}

Outcome runDetach(Session &session)
{
	const Arguments &args = session.arguments;
	std::vector<std::string> origins;
	for (const std::string &text : args.objects) {
		Result<std::string> origin = ops::resolveOrigin(session.context, text);
		if (!origin)
			return std::move(origin).error();
		origins.push_back(std::move(*origin));
	}
	if (args.force) {
		Result<> sure = confirm(session, "detach by force (live snapshots become invalid)");
		if (!sure)
			return std::move(sure).error();
	}
	if (args.dryRun) {
		std::vector<std::string> lines;
		for (const std::string &origin : origins) {
			if (Result<> done = planDetach(session, origin, lines); !done)
				return std::move(done).error();
		}
		sayPlan(session, lines);
		return Exit::Ok;
	}

	std::vector<std::string> detached;
	Outcome outcome = forEach(session, origins, [&](const std::string &origin) {
		Result<> done = ops::detach(session.context, origin, args.force);
		if (done)
			detached.push_back(origin);
		return done;
	});
	if (!outcome)
		return outcome;
	if (args.json)
		session.out << document({{"detached", Node::listOf(detached)}});
	for (const std::string &origin : detached) {
		if (!args.json)
			session.out << origin << " is a plain device\n";
	}
	return outcome;
}

} // namespace snapdiff::cli
