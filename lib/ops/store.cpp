// SPDX-License-Identifier: GPL-2.0-or-later
//
// Store operations: make a diff storage, give it ranges, take it away.

#include "ops/store.h"

#include "dm/names.h"
#include "ops/step.h"
#include "probe/probe.h"
#include "util/text.h"
#include "util/units.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include <sys/sysmacros.h>

namespace snapdiff::ops {

namespace {

constexpr uint64_t mib = uint64_t{1} << 20;

// A range that can be given, and the LV to remove again if it is not.
struct Offer
{
	dm::RangeSpec range;
	std::string name;
	std::optional<lvm::Volume> carved;
};

std::string joined(const std::vector<std::string> &items, std::string_view glue)
{
	std::string text;
	for (const std::string &item : items)
		text += (text.empty() ? "" : std::string(glue)) + item;
	return text;
}

// The live devices that are origins now, so that no range ends up on one of them.
Result<std::set<dm::DeviceNumber>> liveOrigins(dm::DeviceMapper &dm)
{
	Result<std::vector<dm::Device>> devices = dm::devicesOfTarget(dm, SNAPDIFF_TARGET_ORIGIN);
	if (!devices)
		return std::move(devices).error();
	std::set<dm::DeviceNumber> numbers;
	for (const dm::Device &device : *devices)
		numbers.insert(device.number);
	return numbers;
}

// COW of an origin that ends up on the origin itself would wait for itself.
Result<> checkBelow(dm::DeviceNumber number, const std::set<dm::DeviceNumber> &origins,
		    const std::string &name)
{
	if (origins.contains(number))
		return Error(EBUSY, "give " + name + " to a store",
			     "it is or lies on an attached origin");
	const Result<std::vector<dm::DeviceNumber>> slaves = probe::slavesOf(number);
	if (!slaves)
		return slaves.error();
	for (const dm::DeviceNumber &slave : *slaves) {
		if (Result<> done = checkBelow(slave, origins, name); !done)
			return done;
	}
	return {};
}

void giveBack(Context &context, const std::vector<Offer> &offers)
{
	std::vector<lvm::Volume> carved;
	for (const Offer &offer : offers) {
		if (offer.carved)
			carved.push_back(*offer.carved);
	}
	(void)context.lvm.remove(carved).has_value();
}

class Gatherer
{
public:
	Gatherer(Context &context, std::set<dm::DeviceNumber> avoid)
		: context_(context), avoid_(std::move(avoid))
	{
	}

	// known: the range on this device that the store has already, if it has one.
	Result<Offer> device(const std::string &path, const model::Range *known);
	Result<std::vector<Offer>> carve(const Supply &supply);

private:
	Result<Offer> offer(const probe::BlockDevice &device, const std::string &name);
	Result<> checkFree(const Supply &supply);
	Result<Offer> carveOne(const std::string &vg, uint64_t bytes);

	Context &context_;
	std::set<dm::DeviceNumber> avoid_; // disks of the origins
};

Result<Offer> Gatherer::offer(const probe::BlockDevice &device, const std::string &name)
{
	if (Result<> done = checkNotOnOrigin(context_.dm, device.number, name); !done)
		return std::move(done).error();
	const Result<std::vector<dm::DeviceNumber>> disks = probe::disksOf(device.number);
	if (!disks)
		return disks.error();

	Offer offer;
	offer.name = device.dmName.empty() ? name : device.dmName;
	offer.range.device = device.number.text();
	offer.range.length = device.sizeBytes / sectorSize;
	offer.range.group.number = groupNumber(*disks);
	offer.range.group.last =
		std::any_of(disks->begin(), disks->end(),
			    [&](const dm::DeviceNumber &disk) { return avoid_.contains(disk); });
	return offer;
}

Result<Offer> Gatherer::device(const std::string &path, const model::Range *known)
{
	const std::string doing = "give " + printable(path) + " to a store";
	Result<probe::BlockDevice> device = probe::blockDevice(path);
	if (!device)
		return std::move(device).error();
	if (!known) {
		const Result<std::vector<std::string>> reasons = probe::reasonsAgainstUse(path);
		if (!reasons)
			return reasons.error();
		if (!reasons->empty()) {
			// Not where it would destroy what is in use.
			const bool onlyContent =
				std::all_of(reasons->begin(), reasons->end(), [](auto &reason) {
					return reason.starts_with("holds ");
				});
			return Error(EBUSY, doing, "it " + joined(*reasons, " and "))
				.advise(onlyContent ? "Give a device that holds nothing; if nobody "
						      "needs "
						      "what is there, \"wipefs -a\" clears it."
						    : "Give a device that nothing uses.");
		}
	}
	Result<Offer> made = offer(*device, path);
	// The kernel wants the same words to know a range again, and the origins that decide
	// about the hint may be others than those of the first time.
	if (made && known)
		made->range.group = known->status.group;
	return made;
}

Result<Offer> Gatherer::carveOne(const std::string &vg, uint64_t bytes)
{
	context_.say(fmt::format("carving {} out of {}", formatSize(bytes), vg));
	Result<lvm::Volume> volume = context_.lvm.carve({vg, bytes, {}, {}, {}});
	if (!volume)
		return std::move(volume).error();
	step("LV carved");

	Result<Offer> made = [&]() -> Result<Offer> {
		if (!volume->number)
			return Error(ENXIO, "carve " + volume->fullName(), "it is not active");
		Result<probe::BlockDevice> device = probe::blockDevice(*volume->number);
		if (!device)
			return std::move(device).error();
		return offer(*device, volume->fullName());
	}();
	if (!made) {
		(void)context_.lvm.remove({&*volume, 1}).has_value();
		return made;
	}
	made->carved = std::move(*volume);
	return made;
}

Error tooLittle(const Supply &supply, uint64_t missing)
{
	return Error(ENOSPC,
		     fmt::format("carve {} out of {}", formatSize(supply.sizeBytes),
				 joined(supply.vgs, ", ")),
		     fmt::format("{} are missing", formatSize(missing)))
		.advise("Ask for less with --size, add a volume group with --vg, or give a "
			"device.");
}

// Said before anything is carved that would have to be removed again.
Result<> Gatherer::checkFree(const Supply &supply)
{
	uint64_t free = 0;
	const Result<std::vector<lvm::VolumeGroup>> groups = context_.lvm.volumeGroups();
	if (!groups)
		return groups.error();
	for (const lvm::VolumeGroup &group : *groups) {
		if (std::find(supply.vgs.begin(), supply.vgs.end(), group.name) != supply.vgs.end())
			free += group.freeBytes;
	}
	if (free < supply.sizeBytes)
		return tooLittle(supply, supply.sizeBytes - free);
	return {};
}

Result<std::vector<Offer>> Gatherer::carve(const Supply &supply)
{
	std::vector<Offer> offers;
	uint64_t missing = supply.sizeBytes;

	const auto undo = [&](Error error) {
		giveBack(context_, offers);
		return error;
	};
	if (supply.vgs.empty())
		return offers;
	if (Result<> done = checkFree(supply); !done)
		return std::move(done).error();
	for (const std::string &name : supply.vgs) {
		if (missing == 0)
			break;
		Result<lvm::VolumeGroup> vg = context_.lvm.volumeGroup(name);
		if (!vg)
			return undo(std::move(vg).error());
		const uint64_t part = std::min(missing, vg->freeBytes);
		if (part == 0)
			continue;
		Result<Offer> offer = carveOne(name, part);
		if (!offer)
			return undo(std::move(offer).error());
		missing -= std::min(missing, bytesOf(offer->range.length));
		offers.push_back(std::move(*offer));
	}
	if (missing > 0)
		return undo(tooLittle(supply, missing));
	return offers;
}

Result<std::set<dm::DeviceNumber>> disksBelow(const std::vector<dm::DeviceNumber> &devices)
{
	std::set<dm::DeviceNumber> disks;
	for (const dm::DeviceNumber &device : devices) {
		const Result<std::vector<dm::DeviceNumber>> below = probe::disksOf(device);
		if (!below)
			return below.error();
		disks.insert(below->begin(), below->end());
	}
	return disks;
}

Result<Gatherer> gathererFor(Context &context, const std::vector<dm::DeviceNumber> &origins)
{
	Result<std::set<dm::DeviceNumber>> disks = disksBelow(origins);
	if (!disks)
		return std::move(disks).error();
	return Gatherer(context, std::move(*disks));
}

// The name is free, or what is left of a create that was killed is cleared away.
Result<> makeRoom(Context &context, const std::string &name)
{
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info)
		return info.error().errnum() == ENXIO ? Result<>() : Result<>(info.error());
	if (info->uuid == dm::storeUuid(name) && !info->liveTable)
		return context.dm.remove(name);
	return Error(EEXIST, "create store " + name, "a device-mapper device has this name already")
		.advise("Choose another name with --store NAME.");
}

} // namespace

uint64_t defaultStoreBytes(uint64_t originBytes, uint64_t freeBytes)
{
	return std::min(freeBytes, std::max(originBytes / 5, 256 * mib));
}

Result<> checkNotOnOrigin(dm::DeviceMapper &dm, dm::DeviceNumber number, const std::string &name)
{
	const Result<std::set<dm::DeviceNumber>> origins = liveOrigins(dm);
	return origins ? checkBelow(number, *origins, name) : Result<>(origins.error());
}

uint32_t groupNumber(const std::vector<dm::DeviceNumber> &disks)
{
	constexpr uint32_t minorBits = 20; // as the kernel packs a dev_t

	if (disks.empty())
		return 0;
	const dm::DeviceNumber first = *std::min_element(disks.begin(), disks.end());
	return first.major << minorBits | first.minor;
}

Result<> createStore(Context &context, const StoreRequest &request)
{
	if (Result<> done = dm::checkStoreName(request.name); !done)
		return done;
	if (Result<> done = dm::requireModule(context.dm); !done)
		return done;
	if (Result<> done = makeRoom(context, request.name); !done)
		return done;

	std::vector<dm::DeviceNumber> origins;
	for (const std::string &name : request.origins) {
		const Result<dm::DeviceInfo> info = context.dm.info(name);
		if (!info)
			return info.error();
		origins.push_back(info->number);
	}
	Result<Gatherer> gatherer = gathererFor(context, origins);
	if (!gatherer)
		return std::move(gatherer).error();
	std::vector<Offer> offers;
	for (const std::string &path : request.supply.devices) {
		Result<Offer> offer = gatherer->device(path, nullptr);
		if (!offer)
			return std::move(offer).error();
		offers.push_back(std::move(*offer));
	}
	Result<std::vector<Offer>> carved = gatherer->carve(request.supply);
	if (!carved)
		return std::move(carved).error();
	offers.insert(offers.end(), carved->begin(), carved->end());

	dm::StoreTable table = request.settings;
	table.ranges.clear();
	uint64_t capacity = 0;
	for (const Offer &offer : offers) {
		table.ranges.push_back(offer.range);
		capacity += offer.range.length;
	}
	table.lowWater = request.lowWater.value_or(capacity / 5);
	context.say("creating store " + request.name);
	Result<> done = context.dm.create({request.name,
					   dm::storeUuid(request.name),
					   {{0, 1, SNAPDIFF_TARGET_STORE, dm::format(table)}},
					   false,
					   dm::Visibility::Hidden});
	if (!done) {
		giveBack(context, offers);
		return std::move(done).error().within("create store " + request.name);
	}
	step("store created");
	return {};
}

static const model::Range *rangeOn(const model::Store &store, dm::DeviceNumber device)
{
	const auto found = std::find_if(store.ranges.begin(), store.ranges.end(),
					[&](auto &range) { return range.status.dev == device; });
	return found == store.ranges.end() ? nullptr : &*found;
}

static Result<Extended> giveRange(Context &context, const model::Store &store, const Offer &offer)
{
	context.say(fmt::format("giving {} to store {}", offer.name, store.name));
	Result<std::string> answer =
		dm::storeMessage(context.dm, store.name, dm::extendMessage(offer.range));
	if (!answer)
		return std::move(answer).error().within(
			fmt::format("extend {} by {}", store.name, offer.name));
	step("range given");
	return Extended{offer.name, bytesOf(offer.range.length),
			answer->find("already there") != answer->npos};
}

Result<std::vector<Extended>> extendStore(Context &context, const model::Store &store,
					  const Supply &supply)
{
	std::vector<dm::DeviceNumber> origins;
	for (const model::Origin &origin : store.origins)
		origins.push_back(origin.status.dev);
	Result<Gatherer> gatherer = gathererFor(context, origins);
	if (!gatherer)
		return std::move(gatherer).error();

	// Everything that can be refused without touching the store is looked at first.
	std::vector<Offer> offers;
	for (const std::string &path : supply.devices) {
		const Result<probe::BlockDevice> device = probe::blockDevice(path);
		Result<Offer> offer =
			gatherer->device(path, device ? rangeOn(store, device->number) : nullptr);
		if (!offer)
			return std::move(offer).error();
		offers.push_back(std::move(*offer));
	}
	Result<std::vector<Offer>> carved = gatherer->carve(supply);
	if (!carved)
		return std::move(carved).error();
	offers.insert(offers.end(), carved->begin(), carved->end());

	std::vector<Extended> given;
	for (size_t i = 0; i < offers.size(); i++) {
		Result<Extended> done = giveRange(context, store, offers[i]);
		if (done) {
			given.push_back(std::move(*done));
			continue;
		}
		giveBack(context, {offers.begin() + static_cast<ptrdiff_t>(i), offers.end()});
		Error error = std::move(done).error();
		if (!given.empty())
			return std::move(error).within(
				fmt::format("{} of {} ranges given", given.size(), offers.size()));
		return error;
	}
	return given;
}

Result<std::vector<std::string>> removeStore(Context &context, const model::Store &store)
{
	const std::string doing = "remove store " + store.name;
	if (!store.snapshots.empty())
		return Error(EBUSY, doing, "it has snapshots")
			.advise("Delete them first with \"snapdiff delete\".");
	const bool attached = std::any_of(store.origins.begin(), store.origins.end(), [](auto &o) {
		return o.status.state != dm::OriginState::Detached;
	});
	if (attached)
		return Error(EBUSY, doing, "origins are attached to it")
			.advise("Detach them first with \"snapdiff detach\".");

	std::set<dm::DeviceNumber> ranges;
	bool onLvm = false;
	for (const model::Range &range : store.ranges) {
		const Result<dm::DeviceInfo> info = context.dm.info(range.status.dev);
		onLvm = onLvm || (info && info->uuid.starts_with("LVM-"));
		ranges.insert(range.status.dev);
	}
	if (Result<> done = context.dm.remove(store.name); !done)
		return std::move(done).error();
	step("store removed");

	std::vector<std::string> removed;
	if (!onLvm)
		return removed;
	const Result<std::vector<lvm::Volume>> carved = context.lvm.carvedVolumes();
	if (!carved)
		return carved.error();
	std::vector<lvm::Volume> ours;
	for (const lvm::Volume &volume : *carved) {
		if (!volume.number || !ranges.contains(*volume.number))
			continue;
		context.say("removing " + volume.fullName());
		removed.push_back(volume.fullName());
		ours.push_back(volume);
	}
	if (Result<> done = context.lvm.remove(ours); !done)
		return std::move(done).error();
	step("LVs removed");
	return removed;
}

} // namespace snapdiff::ops
