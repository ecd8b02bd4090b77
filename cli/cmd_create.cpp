// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff create: from a fresh volume to the path of an image.

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/verb.h"
#include "ops/create.h"

#include <fmt/format.h>

#include <ostream>

namespace snapdiff::cli {

static void sayCreated(Session &session, const ops::Created &created)
{
	if (!session.arguments.json) {
		for (const model::Image &image : created.images)
			session.out << image.path() << "\n";
		return;
	}
	Node::List images;
	for (const model::Image &image : created.images)
		images.push_back(nodeOf(image));
	session.out << document({{"store", created.store},
				 {"snapshot", created.snapshot},
				 {"origins", Node::listOf(created.taken.origins)},
				 {"frozen", Node::listOf(created.taken.frozen)},
				 {"frozen_us", created.taken.frozenUs},
				 {"take_us", created.taken.takeUs},
				 {"images", std::move(images)}});
}

Outcome runCreate(Session &session)
{
	const auto plan = ops::planAttach(session.context, attachRequest(session.arguments));
	if (!plan)
		return plan.error();
	const ops::TakeRequest request = takeRequest(session, plan->origins);
	if (session.arguments.dryRun) {
		std::vector<std::string> lines = describePlan(session, *plan);
		lines.push_back(
			fmt::format("take snapshot {}{}", request.snapshot,
				    request.freeze ? ", holding mounted file systems" : ""));
		for (const std::string &origin : plan->origins)
			lines.push_back(
				fmt::format("create image {}@{}", origin, request.snapshot));
		sayPlan(session, lines);
		return Exit::Ok;
	}
	const auto created = ops::create(session.context, *plan, request);
	if (!created)
		return created.error();
	sayCreated(session, *created);
	return Exit::Ok;
}

} // namespace snapdiff::cli
