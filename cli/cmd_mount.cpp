// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff mount: mount the images of a snapshot.

#include "cli/images.h"
#include "cli/json.h"
#include "cli/plan.h"
#include "cli/several.h"
#include "cli/verb.h"
#include "ops/inventory.h"
#include "ops/mount.h"
#include "ops/snapshot.h"

#include <fmt/format.h>

#include <cerrno>
#include <ostream>

namespace snapdiff::cli {

// An image that was made only for this and could not be mounted goes again.
static Result<Node> mountOne(Session &session, const Choice &choice, const std::string &origin,
			     const std::string &target)
{
	const size_t before = choice.snapshot->images.size();
	Result<model::Image> image = ops::createImage(session.context, *choice.store,
						      choice.snapshot->status.name, origin);
	if (!image)
		return std::move(image).error();
	bool isNew = true;
	for (size_t i = 0; i < before; i++)
		isNew = isNew && choice.snapshot->images[i].origin != origin;

	Result<ops::Mounted> mounted = ops::mountImage(session.context, *image, target);
	if (!mounted) {
		if (isNew)
			(void)ops::removeImage(session.context, *image).has_value();
		return std::move(mounted).error();
	}
	if (!session.arguments.json)
		session.out << mounted->target << "\n";
	return Node(Node::Fields{{"origin", origin},
				 {"image", image->path()},
				 {"target", mounted->target},
				 {"type", mounted->type},
				 {"options", mounted->options}});
}

Outcome runMount(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	const Result<Choice> choice = chooseImages(session, *inventory);
	if (!choice)
		return choice.error();
	const std::string &snapshot = choice->snapshot->status.name;
	if (!args.on.empty() && choice->origins.size() > 1)
		return Error(EINVAL, "mount " + snapshot,
			     "it contains several origins, --on names one directory")
			.as(ErrorKind::Usage)
			.advise("Choose one with --origin, or leave --on out.");
	const auto targetOf = [&](const std::string &origin) {
		return args.on.empty() ? ops::defaultMountPoint(snapshot, origin) : args.on;
	};
	if (args.dryRun) {
		std::vector<std::string> lines;
		for (const std::string &origin : choice->origins)
			lines.push_back(fmt::format("mount {}@{} on {}", origin, snapshot,
						    targetOf(origin)));
		sayPlan(session, lines);
		return Exit::Ok;
	}

	Node::List mounted;
	Outcome outcome =
		forEach(session, choice->origins, [&](const std::string &origin) -> Result<> {
			Result<Node> node = mountOne(session, *choice, origin, targetOf(origin));
			if (!node)
				return std::move(node).error();
			mounted.push_back(std::move(*node));
			return {};
		});
	if (outcome && args.json)
		session.out << document({{"snapshot", snapshot}, {"mounted", std::move(mounted)}});
	return outcome;
}

} // namespace snapdiff::cli
