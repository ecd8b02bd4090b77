// SPDX-License-Identifier: GPL-2.0-or-later
//
// Create: everything from a fresh volume to the path of an image.

#include "ops/create.h"

#include "ops/attach.h"
#include "ops/inventory.h"
#include "probe/probe.h"
#include "util/text.h"
#include "util/units.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <functional>

namespace snapdiff::ops {

namespace {

constexpr uint64_t smallestStoreBytes = uint64_t{16} << 20;

// What to do, last first, if the rest fails.
class Undo
{
public:
	Undo() = default;
	~Undo()
	{
		for (auto action = actions_.rbegin(); action != actions_.rend(); ++action)
			(*action)();
	}
	Undo(const Undo &) = delete;
	Undo &operator=(const Undo &) = delete;

	void add(std::function<void()> action) { actions_.push_back(std::move(action)); }
	void forget() { actions_.clear(); }

private:
	std::vector<std::function<void()>> actions_;
};

struct OriginFacts
{
	dm::DeviceInfo info;
	uint64_t bytes = 0;
	bool isVolume = false;
};

Result<OriginFacts> factsOf(Context &context, const std::string &origin)
{
	OriginFacts facts;
	Result<dm::DeviceInfo> info = context.dm.info(origin);
	if (!info)
		return std::move(info).error();
	const Result<dm::Table> table = context.dm.table(origin);
	if (!table)
		return table.error();
	for (const dm::TargetLine &line : *table)
		facts.bytes += bytesOf(line.length);
	facts.isVolume = info->uuid.starts_with("LVM-");
	facts.info = std::move(*info);
	return facts;
}

// The VG of a volume, as LVM says it: a dm name cannot be taken apart for sure.
Result<std::string> groupOf(Context &context, const std::string &origin, dm::DeviceNumber number)
{
	const Result<std::vector<lvm::Volume>> volumes = context.lvm.volumes();
	if (!volumes)
		return volumes.error();
	for (const lvm::Volume &volume : *volumes) {
		if (volume.number == number)
			return volume.vg;
	}
	return Error(ENOENT, "origin " + origin, "LVM does not know it");
}

// The store that all origins that are attached already are attached to; empty: none is.
Result<std::string> commonStore(const model::Inventory &inventory,
				const std::vector<std::string> &origins)
{
	std::string common;
	for (const std::string &origin : origins) {
		const model::Store *store = inventory.storeOfOrigin(origin);
		if (!store)
			continue;
		if (!common.empty() && common != store->name)
			return Error(EBUSY, "origin " + origin,
				     fmt::format("it is attached to store {}, others to {}",
						 store->name, common))
				.advise("One take is for origins of one store.");
		common = store->name;
	}
	return common;
}

// Where the ranges of a new store come from, and how much.
Result<> planSupply(Context &context, AttachPlan &plan, const AttachRequest &request,
		    const std::string &vg)
{
	Supply &supply = plan.storeRequest.supply;
	supply = request.supply;
	if (supply.vgs.empty() && supply.devices.empty() && !vg.empty())
		supply.vgs.push_back(vg);
	if (supply.vgs.empty() && supply.devices.empty())
		return Error(EINVAL, "create store " + plan.store,
			     "the origin is no LVM volume, so nothing says where its space is to "
			     "come from")
			.as(ErrorKind::Usage)
			.advise("Give --vg VG or --device PATH.");
	if (supply.vgs.empty()) {
		supply.sizeBytes = 0;
		return {};
	}

	uint64_t free = 0;
	for (const std::string &name : supply.vgs) {
		const Result<lvm::VolumeGroup> group = context.lvm.volumeGroup(name);
		if (!group)
			return group.error();
		free += group->freeBytes;
	}
	uint64_t origins = 0;
	for (const std::string &origin : plan.origins) {
		const Result<OriginFacts> facts = factsOf(context, origin);
		if (!facts)
			return facts.error();
		origins += facts->bytes;
	}
	if (supply.sizeBytes == 0)
		supply.sizeBytes = defaultStoreBytes(origins, free);
	if (supply.sizeBytes > free || supply.sizeBytes < smallestStoreBytes)
		return Error(ENOSPC, "create store " + plan.store,
			     fmt::format(
				     "{} of free space, {} are needed", formatSize(free),
				     formatSize(std::max(supply.sizeBytes, smallestStoreBytes))))
			.advise("Free space in the volume group, add another with --vg, or give a "
				"--device.");
	return {};
}

Result<> planStore(Context &context, AttachPlan &plan, const AttachRequest &request,
		   const model::Inventory &inventory)
{
	Result<std::string> common = commonStore(inventory, plan.origins);
	if (!common)
		return std::move(common).error();
	if (!common->empty() && !request.store.empty() && *common != request.store)
		return Error(EBUSY, "use store " + request.store,
			     "an origin is attached to store " + *common);
	plan.store = common->empty() ? request.store : *common;

	std::string vg;
	if (plan.store.empty() || (!inventory.store(plan.store) && request.supply.vgs.empty() &&
				   request.supply.devices.empty())) {
		const Result<OriginFacts> facts = factsOf(context, plan.origins.front());
		if (!facts)
			return facts.error();
		if (facts->isVolume) {
			Result<std::string> group =
				groupOf(context, plan.origins.front(), facts->info.number);
			if (!group)
				return std::move(group).error();
			vg = *group;
		}
	}
	if (plan.store.empty() && vg.empty()) {
		// No volume, so no name: the one store there is, if there is one.
		Result<const model::Store *> only = chooseStore(inventory, "");
		if (!only)
			return std::move(only).error().advise(
				"Name a new store with --store, and give it space with --vg or "
				"--device.");
		plan.store = (*only)->name;
	}
	if (plan.store.empty())
		plan.store = "snapdiff-" + vg;
	plan.newStore = inventory.store(plan.store) == nullptr;
	if (!plan.newStore)
		return {};
	plan.storeRequest.name = plan.store;
	plan.storeRequest.settings = request.settings;
	plan.storeRequest.origins = plan.origins;
	return planSupply(context, plan, request, vg);
}

// Attaches and notes how to undo it.
Result<> attachWithUndo(Context &context, const AttachPlan &plan, Undo &undo)
{
	if (plan.newStore) {
		if (Result<> done = createStore(context, plan.storeRequest); !done)
			return done;
		undo.add([&context, &plan] {
			const Result<model::Store> store = readStore(context, plan.store);
			if (store)
				(void)removeStore(context, *store).has_value();
		});
	}
	for (const std::string &origin : plan.toAttach) {
		if (Result<> done = attach(context, origin, plan.store); !done)
			return done;
		undo.add([&context, &origin] { (void)detach(context, origin, false).has_value(); });
	}
	return {};
}

} // namespace

Result<AttachPlan> planAttach(Context &context, const AttachRequest &request)
{
	if (Result<> done = dm::requireModule(context.dm); !done)
		return std::move(done).error();
	AttachPlan plan;
	for (const std::string &text : request.origins) {
		Result<std::string> origin = resolveOrigin(context, text);
		if (!origin)
			return std::move(origin).error();
		if (std::find(plan.origins.begin(), plan.origins.end(), *origin) ==
		    plan.origins.end())
			plan.origins.push_back(std::move(*origin));
	}
	const Result<model::Inventory> inventory = readInventory(context);
	if (!inventory)
		return inventory.error();
	if (Result<> done = planStore(context, plan, request, *inventory); !done)
		return std::move(done).error();
	for (const std::string &origin : plan.origins) {
		const Result<AttachSituation> now = inspect(context, origin);
		if (!now)
			return now.error();
		if (now->state != AttachState::Attached)
			plan.toAttach.push_back(origin);
	}
	return plan;
}

Result<> attachAll(Context &context, const AttachPlan &plan)
{
	Undo undo;
	if (Result<> done = attachWithUndo(context, plan, undo); !done)
		return done;
	undo.forget();
	return {};
}

Result<Created> create(Context &context, const AttachPlan &plan, const TakeRequest &request)
{
	Undo undo;
	if (Result<> done = attachWithUndo(context, plan, undo); !done)
		return std::move(done).error();

	const auto inventory = readInventory(context);
	if (!inventory)
		return inventory.error();
	const Result<const model::Store *> store = chooseStore(*inventory, plan.store);
	if (!store)
		return store.error();
	TakeRequest takeRequest = request;
	takeRequest.origins = plan.origins;
	Created created;
	created.store = plan.store;
	created.snapshot = request.snapshot;
	Result<Taken> taken = take(context, **store, takeRequest);
	if (!taken)
		return std::move(taken).error();
	created.taken = std::move(*taken);
	undo.add([&context, &plan, &request] {
		const Result<model::Store> now = readStore(context, plan.store);
		if (now)
			(void)deleteSnapshot(context, *now, request.snapshot).has_value();
	});

	const Result<model::Store> after = readStore(context, plan.store);
	if (!after)
		return after.error();
	for (const std::string &origin : plan.origins) {
		Result<model::Image> image = createImage(context, *after, request.snapshot, origin);
		if (!image)
			return std::move(image).error();
		undo.add([&context, image = *image] {
			(void)removeImage(context, image).has_value();
		});
		created.images.push_back(std::move(*image));
	}
	undo.forget();
	return created;
}

} // namespace snapdiff::ops
