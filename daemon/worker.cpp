// SPDX-License-Identifier: GPL-2.0-or-later
//
// Worker: the process that carries out what methods of org.snapdiff1 ask for.

#include "worker.h"

#include "lvm/unread.h"
#include "ops/attach.h"
#include "ops/create.h"
#include "ops/inventory.h"
#include "ops/mount.h"
#include "util/fd.h"
#include "util/units.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::daemon {

namespace {

Result<std::vector<std::string>> resolve(ops::Context &context,
					 const std::vector<std::string> &names)
{
	std::vector<std::string> origins;
	for (const std::string &name : names) {
		Result<std::string> origin = ops::resolveOrigin(context, name);
		if (!origin)
			return std::move(origin).error();
		origins.push_back(std::move(*origin));
	}
	return origins;
}

ops::Supply supplyOf(const Operation &operation)
{
	return {operation.devices, operation.vgs, bytesOf(operation.size)};
}

ops::AttachRequest attachRequest(const Operation &operation)
{
	ops::AttachRequest request;
	request.origins = operation.origins;
	request.store = operation.store;
	request.supply = supplyOf(operation);
	if (operation.chunk)
		request.settings.chunk = operation.chunk;
	return request;
}

ops::TakeRequest takeRequest(const Operation &operation, const ops::Context &context)
{
	ops::TakeRequest request;
	request.snapshot = operation.snapshot.empty() ? formatStamp(context.clock.wallSeconds())
						      : operation.snapshot;
	request.timeoutMs = operation.timeoutMs;
	request.freeze = operation.freeze;
	return request;
}

Outcome taken(const std::string &store, const std::string &snapshot, ops::Taken taken)
{
	Outcome outcome;
	outcome.store = store;
	outcome.snapshot = snapshot;
	outcome.origins = std::move(taken.origins);
	outcome.frozen = std::move(taken.frozen);
	outcome.frozenUs = taken.frozenUs;
	outcome.takeUs = taken.takeUs;
	return outcome;
}

Outcome attach(const Operation &operation, ops::Context &context)
{
	const auto plan = ops::planAttach(context, attachRequest(operation));
	if (!plan)
		return failed(plan.error());
	if (Result<> done = ops::attachAll(context, *plan); !done)
		return failed(done.error());
	Outcome outcome;
	outcome.store = plan->store;
	outcome.newStore = plan->newStore;
	outcome.names = plan->toAttach;
	return outcome;
}

Outcome create(const Operation &operation, ops::Context &context)
{
	const auto plan = ops::planAttach(context, attachRequest(operation));
	if (!plan)
		return failed(plan.error());
	const auto created = ops::create(context, *plan, takeRequest(operation, context));
	if (!created)
		return failed(created.error());
	Outcome outcome = taken(created->store, created->snapshot, created->taken);
	for (const model::Image &image : created->images)
		outcome.names.push_back(image.path());
	return outcome;
}

Outcome detach(const Operation &operation, ops::Context &context)
{
	const auto origins = resolve(context, operation.origins);
	if (!origins)
		return failed(origins.error());
	for (const std::string &origin : *origins) {
		if (Result<> done = ops::detach(context, origin, operation.force); !done)
			return failed(done.error());
	}
	return {};
}

// The verbs of a store that is there.

Outcome take(const Operation &operation, ops::Context &context, const model::Store &store)
{
	const auto origins = resolve(context, operation.origins);
	if (!origins)
		return failed(origins.error());
	ops::TakeRequest request = takeRequest(operation, context);
	request.origins = *origins;
	Result<ops::Taken> done = ops::take(context, store, request);
	if (!done)
		return failed(done.error());
	return taken(store.name, request.snapshot, std::move(*done));
}

Outcome extend(const Operation &operation, ops::Context &context, const model::Store &store)
{
	const auto given = ops::extendStore(context, store, supplyOf(operation));
	if (!given)
		return failed(given.error());
	Outcome outcome;
	for (const ops::Extended &range : *given)
		outcome.ranges.push_back(
			{range.device, range.bytes / sectorSize, range.alreadyThere});
	return outcome;
}

Outcome remove(ops::Context &context, const model::Store &store)
{
	auto removed = ops::removeStore(context, store);
	if (!removed)
		return failed(removed.error());
	Outcome outcome;
	outcome.names = std::move(*removed);
	return outcome;
}

Result<const model::Snapshot *> snapshotOf(const Operation &operation, const model::Store &store)
{
	if (const model::Snapshot *snapshot = store.snapshot(operation.snapshot))
		return snapshot;
	return Error(ENOENT, "snapshot " + operation.snapshot,
		     "store " + store.name + " has no such snapshot")
		.advise("The property Snapshots names them.");
}

// The origins of a snapshot that are meant: the one that is named, or all.
std::vector<std::string> chosenOrigins(const Operation &operation, const model::Snapshot &snapshot)
{
	if (!operation.origins.empty())
		return operation.origins;
	std::vector<std::string> all;
	for (const dm::SnapshotOrigin &origin : snapshot.status.origins)
		all.push_back(origin.name);
	return all;
}

const model::Image *imageOf(const model::Snapshot &snapshot, const std::string &origin)
{
	const auto found =
		std::find_if(snapshot.images.begin(), snapshot.images.end(),
			     [&](const model::Image &image) { return image.origin == origin; });
	return found == snapshot.images.end() ? nullptr : &*found;
}

// Mounts all or none: what was mounted or made for this goes again.
class Mounter
{
public:
	Mounter(ops::Context &context, const model::Store &store, const model::Snapshot &snapshot)
		: context_(context), store_(store), snapshot_(snapshot)
	{
	}

	Result<MountedImage> mount(const std::string &origin)
	{
		const std::string &name = snapshot_.status.name;
		const std::string target = ops::defaultMountPoint(name, origin);
		const model::Image *there = imageOf(snapshot_, origin);
		if (there && std::find(there->mountedOn.begin(), there->mountedOn.end(), target) !=
				     there->mountedOn.end())
			return MountedImage{origin, there->path(), target};
		Result<model::Image> image = ops::createImage(context_, store_, name, origin);
		if (!image)
			return std::move(image).error();
		Result<ops::Mounted> mounted = ops::mountImage(context_, *image, target);
		if (mounted)
			mounted_.push_back(*image);
		if (!there)
			made_.push_back(*image);
		if (!mounted)
			return std::move(mounted).error();
		return MountedImage{origin, image->path(), mounted->target};
	}
	void undo()
	{
		// An image that somebody uses already stays.
		for (const model::Image &image : mounted_)
			(void)ops::unmountImage(context_, image).has_value();
		for (const model::Image &image : made_)
			(void)ops::removeImage(context_, image).has_value();
	}

private:
	ops::Context &context_;
	const model::Store &store_;
	const model::Snapshot &snapshot_;
	std::vector<model::Image> mounted_;
	std::vector<model::Image> made_;
};

Outcome mount(const Operation &operation, ops::Context &context, const model::Store &store)
{
	const auto snapshot = snapshotOf(operation, store);
	if (!snapshot)
		return failed(snapshot.error());
	Mounter mounter(context, store, **snapshot);
	Outcome outcome;
	for (const std::string &origin : chosenOrigins(operation, **snapshot)) {
		Result<MountedImage> mounted = mounter.mount(origin);
		if (!mounted) {
			mounter.undo();
			return failed(mounted.error());
		}
		outcome.mounted.push_back(std::move(*mounted));
	}
	return outcome;
}

Outcome unmount(const Operation &operation, ops::Context &context, const model::Store &store)
{
	const auto snapshot = snapshotOf(operation, store);
	if (!snapshot)
		return failed(snapshot.error());
	Outcome outcome;
	for (const std::string &origin : chosenOrigins(operation, **snapshot)) {
		const model::Image *image = imageOf(**snapshot, origin);
		if (!image)
			continue;
		const auto unmounted = ops::unmountImage(context, *image);
		if (!unmounted)
			return failed(unmounted.error());
		outcome.names.insert(outcome.names.end(), unmounted->begin(), unmounted->end());
		if (operation.keepImages)
			continue;
		if (Result<> done = ops::removeImage(context, *image); !done)
			return failed(done.error());
	}
	return outcome;
}

Outcome onStore(const Operation &operation, ops::Context &context)
{
	using enum Operation::Verb;

	const auto inventory = ops::readInventory(context);
	if (!inventory)
		return failed(inventory.error());
	const auto store = ops::chooseStore(*inventory, operation.store);
	if (!store)
		return failed(store.error());
	switch (operation.verb) {
	case Take:
		return take(operation, context, **store);
	case Delete: {
		Result<> done = ops::deleteSnapshot(context, **store, operation.snapshot);
		return done ? Outcome() : failed(done.error());
	}
	case Extend:
		return extend(operation, context, **store);
	case Remove:
		return remove(context, **store);
	case Mount:
		return mount(operation, context, **store);
	case Unmount:
		return unmount(operation, context, **store);
	default:
		return failed(Error(EINVAL, describe(operation), "it is nothing for the worker"));
	}
}

// The unit gives the daemon a view of the file systems of its own: what is mounted
// there would be seen by nobody, and a folder that it hides could not be frozen.
Result<> enterTheMachinesMounts()
{
	const std::string doing = "see the machine's mounts";
	struct stat ours = {};
	struct stat theirs = {};

	if (stat("/proc/self/ns/mnt", &ours) < 0)
		return Error(errno, doing);
	if (stat("/proc/1/ns/mnt", &theirs) < 0)
		return Error(errno, doing)
			.advise("snapdiffd needs CAP_SYS_PTRACE and CAP_SYS_CHROOT for it.");
	if (ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev)
		return {};
	const Result<Fd> mounts = Fd::open("/proc/1/ns/mnt", O_RDONLY);
	if (!mounts)
		return mounts.error();
	if (setns(mounts->get(), CLONE_NEWNS) < 0)
		return Error(errno, doing)
			.advise("snapdiffd needs CAP_SYS_ADMIN and CAP_SYS_CHROOT for it.");
	return {};
}

// The request: all up to the line end; nothing when the daemon is gone before.
std::optional<std::string> readLine(int socket)
{
	constexpr size_t longest = 256U << 10;
	std::string text;

	while (!text.ends_with('\n')) {
		char piece[4096];
		const ssize_t got = read(socket, piece, sizeof(piece));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || text.size() > longest)
			return std::nullopt;
		text.append(piece, static_cast<size_t>(got));
	}
	return text;
}

void sendAll(int socket, std::string_view text)
{
	while (!text.empty()) {
		const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return; // the daemon is gone; what was done is in the kernel
		text.remove_prefix(static_cast<size_t>(sent));
	}
}

} // namespace

Outcome carryOut(const Operation &operation, ops::Context &context)
{
	using enum Operation::Verb;

	if (Result<> done = dm::requireModule(context.dm); !done)
		return failed(done.error());
	switch (operation.verb) {
	case Attach:
		return attach(operation, context);
	case Create:
		return create(operation, context);
	case Detach:
		return detach(operation, context);
	default:
		return onStore(operation, context);
	}
}

int runWorker(int socket, unsigned lvmTimeoutMs)
{
	const std::optional<std::string> line = readLine(socket);
	if (!line)
		return 1;
	const Result<Operation> operation = parseOperation(*line);
	if (!operation) {
		sendAll(socket, format(failed(operation.error())));
		return 1;
	}
	// The daemon waits no longer than that, and does not see whom systemd started for it.
	constexpr int64_t slackMs = 60000;
	alarm(static_cast<unsigned>((timeLimitMs(*operation, lvmTimeoutMs) + slackMs) / 1000));
	// Mount points are made for everybody, whatever the daemon's own mask.
	umask(022);
	if (Result<> done = enterTheMachinesMounts(); !done) {
		sendAll(socket, format(failed(done.error())));
		return 1;
	}
	dm::LibDeviceMapper dm;
	SystemRunner runner;
	lvm::Lvm lvm(runner, lvmTimeoutMs, lvm::unreadOrigins(dm));
	SystemClock clock;
	ops::Context context = {dm, lvm, runner, clock, {}};
	const Outcome outcome = carryOut(*operation, context);
	sendAll(socket, format(outcome));
	return outcome.error ? 1 : 0;
}

} // namespace snapdiff::daemon
