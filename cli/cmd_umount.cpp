// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff umount: unmount the images of a snapshot and remove them.

#include "cli/images.h"
#include "cli/json.h"
#include "cli/plan.h"
#include "cli/several.h"
#include "cli/verb.h"
#include "ops/inventory.h"
#include "ops/mount.h"
#include "ops/snapshot.h"

#include <ostream>

namespace snapdiff::cli {

static const model::Image *imageOf(const Choice &choice, const std::string &origin)
{
	for (const model::Image &image : choice.snapshot->images) {
		if (image.origin == origin)
			return &image;
	}
	return nullptr;
}

Outcome runUmount(Session &session)
{
	const Arguments &args = session.arguments;
	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	const Result<Choice> choice = chooseImages(session, *inventory);
	if (!choice)
		return choice.error();
	if (args.dryRun) {
		std::vector<std::string> lines;
		for (const std::string &origin : choice->origins) {
			const model::Image *image = imageOf(*choice, origin);
			if (!image)
				continue;
			for (const std::string &target : image->mountedOn)
				lines.push_back("unmount " + target);
			if (!args.keepImages)
				lines.push_back("remove image " + image->name);
		}
		sayPlan(session, lines);
		return Exit::Ok;
	}

	std::vector<std::string> unmounted;
	Outcome outcome =
		forEach(session, choice->origins, [&](const std::string &origin) -> Result<> {
			const model::Image *image = imageOf(*choice, origin);
			if (!image)
				return {};
			Result<std::vector<std::string>> done =
				ops::unmountImage(session.context, *image);
			if (!done)
				return std::move(done).error();
			unmounted.insert(unmounted.end(), done->begin(), done->end());
			return args.keepImages ? Result<>()
					       : ops::removeImage(session.context, *image);
		});
	if (!outcome)
		return outcome;
	if (args.json)
		session.out << document(
			{{"snapshot", args.objects[0]}, {"unmounted", Node::listOf(unmounted)}});
	for (const std::string &target : unmounted) {
		if (!args.json)
			session.out << target << "\n";
	}
	return outcome;
}

} // namespace snapdiff::cli
