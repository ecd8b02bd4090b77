// SPDX-License-Identifier: GPL-2.0-or-later
//
// Snapshot operations: take, delete, and the images of a snapshot.

#include "ops/snapshot.h"

#include "dm/control.h"
#include "dm/names.h"
#include "dm/table.h"
#include "ops/hidden.h"
#include "ops/layers.h"
#include "ops/step.h"
#include "probe/mounts.h"
#include "util/text.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

namespace snapdiff::ops {

namespace {

std::string joined(const std::vector<std::string> &items)
{
	std::string text;
	for (const std::string &item : items)
		text += (text.empty() ? "" : ", ") + item;
	return text;
}

// The origins to take, each with its live device.
Result<std::vector<const model::Origin *>> chooseOrigins(const model::Store &store,
							 const TakeRequest &request)
{
	const std::string doing = "take " + request.snapshot;
	std::vector<const model::Origin *> chosen;

	for (const model::Origin &origin : store.origins) {
		const bool wanted = request.origins.empty() ||
				    std::find(request.origins.begin(), request.origins.end(),
					      origin.status.name) != request.origins.end();
		if (wanted && origin.status.state != dm::OriginState::Detached)
			chosen.push_back(&origin);
	}
	for (const std::string &name : request.origins) {
		const auto same = [&](const model::Origin *o) { return o->status.name == name; };
		if (std::none_of(chosen.begin(), chosen.end(), same))
			return Error(ENOENT, doing,
				     fmt::format("origin {} is not attached to store {}",
						 printable(name), store.name))
				.advise(fmt::format("Attach it with \"snapdiff attach {}\".",
						    printable(name)));
	}
	if (chosen.empty())
		return Error(ENOENT, doing, "no origin is attached to store " + store.name)
			.advise("Attach one with \"snapdiff attach\".");
	return chosen;
}

Result<> checkTake(const model::Store &store, const TakeRequest &request,
		   const std::vector<const model::Origin *> &origins)
{
	const std::string doing = "take " + printable(request.snapshot);
	if (!isName(request.snapshot))
		return Error(EINVAL, doing,
			     "a name is 1 to 64 of A-Z a-z 0-9 _ . + : - and does not begin with -")
			.as(ErrorKind::Usage);
	if (store.snapshot(request.snapshot))
		return Error(EEXIST, doing, "there is a snapshot of this name")
			.advise("Give another name with --name.");
	for (const model::Origin *origin : origins) {
		if (Result<> done = dm::checkImageName(origin->status.name, request.snapshot);
		    !done)
			return std::move(done).error().within(doing);
	}
	return {};
}

// Sends the message from inside the frozen time: nothing here may allocate.
int sendTake(dm::Control &control, dm::DeviceNumber store, const std::string &message, char *text,
	     size_t textSize)
{
	std::string_view reply;
	const int error = control.message(store, message, reply);
	if (error && control.message(store, "why", reply) == 0 && reply != "-") {
		const size_t length = std::min(reply.size(), textSize - 1);
		std::memcpy(text, reply.data(), length);
		text[length] = '\0';
	}
	return error;
}

// What the watchdog let go of in the middle is no consistent state of anything.
Error withdraw(Context &context, const model::Store &store, const std::string &snapshot)
{
	const std::string why = "the file systems could not be held still long enough";
	const Result<std::string> gone =
		dm::storeMessage(context.dm, store.name, dm::deleteMessage(snapshot));
	if (!gone)
		return Error(ETIMEDOUT, "take " + snapshot,
			     why + "; what was taken is worth nothing, and is there still: " +
				     gone.error().message())
			.advise(fmt::format("Delete it: \"snapdiff delete {}\".", snapshot));
	return Error(ETIMEDOUT, "take " + snapshot, why + "; nothing was taken")
		.advise("Try again when less is being written, or take with --no-freeze.");
}

Error refused(const std::string &snapshot, const FreezeOutcome &outcome)
{
	const std::string doing = "take " + snapshot;
	Error error = outcome.actionText.empty()
			      ? Error(outcome.actionErrno, doing)
			      : Error(outcome.actionErrno, doing, outcome.actionText);
	if (outcome.actionErrno == ENOSPC)
		return std::move(error).advise("Extend the store with \"snapdiff extend\" first.");
	if (outcome.actionErrno == ETIMEDOUT)
		return std::move(error).advise("Writes in flight took too long; try a longer "
					       "--timeout.");
	return error;
}

// Images of a snapshot that nobody has open are removed; one that is open stops it.
Result<> removeImages(Context &context, const model::Snapshot &snapshot)
{
	const std::string doing = "delete " + snapshot.status.name;
	for (const model::Image &image : snapshot.images) {
		const Result<dm::DeviceInfo> info = context.dm.info(image.name);
		if (!info && info.error().errnum() == ENXIO)
			continue;
		if (!info)
			return info.error();
		if (!image.mountedOn.empty())
			return Error(EBUSY, doing,
				     fmt::format("its image {} is mounted on {}", image.path(),
						 printable(joined(image.mountedOn))))
				.advise(fmt::format("Unmount it with \"snapdiff umount {}\".",
						    snapshot.status.name));
		if (info->openCount > 0)
			return Error(EBUSY, doing,
				     fmt::format("its image {} is open", image.path()))
				.advise("Close what uses it; \"lsblk\" or \"fuser\" show it.");
	}
	for (const model::Image &image : snapshot.images) {
		if (Result<> done = removeImage(context, image); !done)
			return std::move(done).error().within(doing);
	}
	return {};
}

} // namespace

Result<Taken> take(Context &context, const model::Store &store, const TakeRequest &request)
{
	const std::string doing = "take " + printable(request.snapshot);
	Result<std::vector<const model::Origin *>> chosen = chooseOrigins(store, request);
	if (!chosen)
		return std::move(chosen).error();
	if (Result<> done = checkTake(store, request, *chosen); !done)
		return std::move(done).error();

	Result<LayerMap> layers = readLayers();
	if (!layers)
		return std::move(layers).error().within(doing);
	std::map<dm::DeviceNumber, std::string> live;
	for (const model::Origin *origin : *chosen) {
		if (origin->device.empty())
			return Error(
				ENXIO, doing,
				fmt::format("origin {} has no live device", origin->status.name));
		const Result<dm::DeviceInfo> info = context.dm.info(origin->device);
		if (!info)
			return info.error();
		live[info->number] = origin->status.name;
	}
	Taken taken;
	taken.origins = upperFirst(*layers, live);

	std::vector<FreezeTarget> targets;
	if (request.freeze) {
		Result<std::vector<probe::Mount>> mounts = readMountsOnDevices();
		if (!mounts)
			return std::move(mounts).error().within(doing);
		targets = planFreeze(*mounts, *layers, live);
	}
	for (const FreezeTarget &target : targets)
		taken.frozen.push_back(target.mountPoint);

	Result<dm::Control> control = dm::Control::open();
	if (!control)
		return std::move(control).error().within(doing);
	const std::string message =
		dm::takeMessage(request.snapshot, request.timeoutMs, taken.origins);
	context.say(targets.empty() ? doing : doing + ", holding " + joined(taken.frozen));
	step("before the take");
	Result<FreezeOutcome> outcome = whileFrozen(targets, [&](char *text, size_t size) {
		return sendTake(*control, store.number, message, text, size);
	});
	if (!outcome)
		return std::move(outcome).error().within(doing);
	// Not to be deleted by its name: it may be another one, for which ours was refused.
	if (outcome->actionUnknown)
		return Error(EINTR, doing,
			     "the process that sent it to the kernel was killed: whether the "
			     "snapshot was taken is not known")
			.advise("\"snapdiff list\" shows it if it was. Delete it if it is not "
				"wanted.");
	if (outcome->actionErrno)
		return refused(request.snapshot, *outcome);
	if (outcome->thawedByWatchdog)
		return withdraw(context, store, request.snapshot);
	step("taken");
	taken.frozenUs = targets.empty() ? 0 : outcome->frozenUs;
	taken.takeUs = outcome->actionUs;
	return taken;
}

Result<> deleteSnapshot(Context &context, const model::Store &store, const std::string &name)
{
	const std::string doing = "delete " + printable(name);
	const model::Snapshot *snapshot = store.snapshot(name);
	if (!snapshot)
		return Error(ENOENT, doing,
			     fmt::format("store {} has no such snapshot", store.name))
			.advise("\"snapdiff list\" names them.");
	if (Result<> done = removeImages(context, *snapshot); !done)
		return done;
	step("images removed");
	context.say(doing);
	Result<std::string> answer =
		dm::storeMessage(context.dm, store.name, dm::deleteMessage(name));
	if (!answer)
		return std::move(answer).error().within(doing);
	step("deleted");
	return {};
}

Result<model::Image> createImage(Context &context, const model::Store &store,
				 const std::string &snapshotName, const std::string &origin)
{
	const std::string name = dm::imageName(origin, snapshotName);
	const std::string doing = "image " + printable(name);
	const model::Snapshot *snapshot = store.snapshot(snapshotName);
	if (!snapshot)
		return Error(ENOENT, doing,
			     fmt::format("store {} has no such snapshot", store.name))
			.advise("\"snapdiff list\" names them.");
	for (const model::Image &image : snapshot->images) {
		if (image.origin == origin)
			return image;
	}
	const auto &origins = snapshot->status.origins;
	const auto part = std::find_if(origins.begin(), origins.end(),
				       [&](auto &item) { return item.name == origin; });
	if (part == origins.end())
		return Error(ENOENT, doing,
			     fmt::format("snapshot {} does not contain {}", snapshotName,
					 printable(origin)));
	if (Result<> done = dm::checkImageName(origin, snapshotName); !done)
		return std::move(done).error();

	// One without a table is what a create that was killed leaves.
	const Result<dm::DeviceInfo> old = context.dm.info(name);
	if (old && !old->liveTable && old->uuid == dm::imageUuid(origin, snapshotName)) {
		if (Result<> done = context.dm.remove(name); !done)
			return std::move(done).error().within(doing);
	}
	context.say("creating " + doing);
	const dm::ImageTable table{store.number.text(), snapshotName, origin, dm::Access::ReadOnly};
	Result<> done =
		context.dm.create({name,
				   dm::imageUuid(origin, snapshotName),
				   {{0, part->size, SNAPDIFF_TARGET_IMAGE, dm::format(table)}},
				   true,
				   dm::Visibility::Hidden});
	if (!done)
		return std::move(done).error().within(doing);
	step("image created");
	if (Result<> hidden = checkUnseenByLvm(context, name); !hidden) {
		(void)context.dm.remove(name).has_value();
		return std::move(hidden).error().within(doing);
	}
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info)
		return info.error();
	model::Image image;
	image.name = name;
	image.number = info->number;
	image.snapshot = snapshotName;
	image.origin = origin;
	image.state = snapshot->status.state;
	image.cause = snapshot->status.cause;
	return image;
}

Result<> removeImage(Context &context, const model::Image &image)
{
	context.say("removing image " + image.name);
	Result<> done = context.dm.remove(image.name);
	if (!done && done.error().errnum() == ENXIO)
		return {};
	if (done)
		step("image removed");
	return done;
}

} // namespace snapdiff::ops
