// SPDX-License-Identifier: GPL-2.0-or-later
//
// Images: which images of a snapshot mount and umount are about.

#include "cli/images.h"

#include "ops/attach.h"
#include "ops/inventory.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace snapdiff::cli {

// As the snapshot knows it, or as people write volumes.
static Result<std::string> originNamed(Session &session, const dm::SnapshotStatus &snapshot)
{
	const std::string &text = session.arguments.origin;
	const auto contains = [&](const std::string &name) {
		return std::any_of(snapshot.origins.begin(), snapshot.origins.end(),
				   [&](const dm::SnapshotOrigin &o) { return o.name == name; });
	};
	if (contains(text))
		return text;
	const Result<std::string> resolved = ops::resolveOrigin(session.context, text);
	if (resolved && contains(*resolved))
		return *resolved;
	return Error(ENOENT, "origin " + printable(text),
		     fmt::format("snapshot {} does not contain it", snapshot.name))
		.advise(fmt::format("\"snapdiff show {}\" says what it contains.", snapshot.name));
}

Result<Choice> chooseImages(Session &session, const model::Inventory &inventory)
{
	const Arguments &args = session.arguments;
	const std::string &name = args.objects.at(0);
	std::vector<const model::Store *> stores = inventory.storesOfSnapshot(name);
	std::erase_if(stores, [&](const model::Store *store) {
		return !args.store.empty() && store->name != args.store;
	});
	if (stores.empty())
		return Error(ENOENT, "snapshot " + printable(name), "there is no such snapshot")
			.advise("\"snapdiff list\" names them.");
	if (stores.size() > 1)
		return Error(EINVAL, "snapshot " + name, "several stores have one of this name")
			.as(ErrorKind::Usage)
			.advise("Say which one with --store NAME.");

	Choice choice{stores.front(), stores.front()->snapshot(name), {}};
	if (!args.origin.empty()) {
		Result<std::string> origin = originNamed(session, choice.snapshot->status);
		if (!origin)
			return std::move(origin).error();
		choice.origins.push_back(std::move(*origin));
		return choice;
	}
	for (const dm::SnapshotOrigin &origin : choice.snapshot->status.origins)
		choice.origins.push_back(origin.name);
	return choice;
}

} // namespace snapdiff::cli
