// SPDX-License-Identifier: GPL-2.0-or-later
//
// Stores: the last picture of the kernel's state.

#include "stores.h"

#include "carver.h"
#include "dm/table.h"
#include "history.h"
#include "ops/inventory.h"
#include "util/units.h"

#include "dm-snapdiff.h"

#include <algorithm>
#include <cerrno>

namespace snapdiff::daemon {

namespace {

uint64_t sumOf(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

std::string originKey(const std::string &store, const std::string &origin)
{
	return store + " " + origin;
}

int64_t secondsOf(std::optional<uint64_t> ms)
{
	return ms ? static_cast<int64_t>(*ms / 1000) : -1;
}

// "vg0" of "vg0/snapdiff.3"; a device that is no LV stands for itself.
std::string diskOf(const std::string &device)
{
	const size_t slash = device.find('/');
	return slash == device.npos || slash == 0 ? device : device.substr(0, slash);
}

} // namespace

Stores::Stores(ops::Context &context, Extender &extender, Notices &notices, Namer namer)
	: context_(context), extender_(extender), notices_(notices), namer_(std::move(namer)),
	  watch_(notices)
{
}

void Stores::configure(const Config &config)
{
	config_ = config;
	giveBack_.configure(config);
	for (auto &[name, known] : stores_)
		known.rate.remember(secondsToRemember(config));
}

void Stores::checkModule()
{
	ModuleState state;
	const auto version = context_.dm.targetVersion(SNAPDIFF_TARGET_STORE);

	if (version && *version) {
		const dm::TargetVersion &found = **version;
		state.loaded = true;
		state.usable = found.major == SNAPDIFF_VERSION_MAJOR;
		state.version = std::to_string(found.major) + "." + std::to_string(found.minor) +
				"." + std::to_string(found.patch);
	}
	module_ = state;
	if (state.loaded && !state.usable)
		notices_.wrong("kernel module",
			       "version " + state.version + " is not of this release");
	else if (!version)
		notices_.wrong("kernel module", version.error().message());
	else
		notices_.right("kernel module");
}

bool Stores::discover(int64_t nowNs)
{
	const auto devices = dm::devicesOfTarget(context_.dm, SNAPDIFF_TARGET_STORE);
	if (!devices) {
		notices_.wrong("device-mapper", devices.error().message());
		return false;
	}
	notices_.right("device-mapper");
	const bool changed = watchAll(*devices);
	readNames(nowNs);
	refresh(nowNs);
	findOriginDisks();
	first_ = false;
	return changed;
}

bool Stores::watchAll(const std::vector<dm::Device> &devices)
{
	std::set<std::string> names;
	std::set<dm::DeviceNumber> numbers;
	bool changed = false;

	for (const dm::Device &device : devices) {
		names.insert(device.name);
		numbers.insert(device.number);
		changed = watchOne(device) || changed;
	}
	for (auto known = stores_.begin(); known != stores_.end();) {
		if (names.contains(known->first)) {
			known++;
			continue;
		}
		changed = true;
		notices_.right("store " + known->first);
		notices_.right("watch store " + known->first);
		notices_.event(model::Severity::Ok, "store-removed", known->first,
			       "store " + known->first + " is gone");
		giveBack_.forget(known->first);
		known = stores_.erase(known);
	}
	std::vector<dm::DeviceNumber> gone;
	for (const WatchedStore &watched : extender_.stores())
		if (!numbers.contains(watched.number))
			gone.push_back(watched.number);
	for (const dm::DeviceNumber number : gone)
		extender_.forget(number);
	return changed;
}

// True: it is new, or another device than the one of this name before.
bool Stores::watchOne(const dm::Device &device)
{
	const auto [known, isNew] = stores_.try_emplace(device.name);
	Known &store = known->second;

	if (!isNew && store.store.number == device.number && extender_.find(device.number))
		return false;
	giveBack_.forget(device.name);
	store = Known();
	store.store.name = device.name;
	store.store.number = device.number;
	store.rate.remember(secondsToRemember(config_));
	WatchedStore *watched = extender_.watch(device.number, device.name);
	if (!watched) {
		notices_.wrong("watch store " + device.name, "there are too many stores");
		return isNew;
	}
	applySupplies(*watched, device.name);
	notices_.event(model::Severity::Ok, "store-added", device.name,
		       "store " + device.name + (first_ ? " is there" : " was made"));
	return true;
}

// One pass over all dm devices: who lies in front of an origin, what is a range called?
void Stores::readNames(int64_t nowNs)
{
	const auto inventory = ops::readInventory(context_);
	if (!inventory)
		return; // a store whose status is not understood is told by readOne()
	watch_.look(inventory->unwatched, nowNs);
	names_.clear();
	liveDevices_.clear();
	for (const model::Store &store : inventory->stores) {
		for (const model::Range &range : store.ranges)
			names_[range.status.dev] = range.device;
		for (const model::Origin &origin : store.origins) {
			names_[origin.status.dev] = origin.underlying;
			liveDevices_[originKey(store.name, origin.status.name)] = origin.device;
		}
	}
}

void Stores::refresh(int64_t nowNs)
{
	for (auto &[name, known] : stores_)
		readOne(known, nowNs);
	lastLookUs_ = wallMicroseconds();
}

void Stores::readOne(Known &known, int64_t nowNs)
{
	auto read = ops::readStore(context_, known.store.name);
	if (!read && read.error().errnum() == ENXIO)
		return; // going away: the next discovery tells
	if (!read) {
		notices_.wrong("store " + known.store.name, read.error().message());
		return;
	}
	notices_.right("store " + known.store.name);
	nameDevices(*read);
	if (known.read)
		tellChanges(known.store, *read, nowNs);
	known.store = std::move(*read);
	known.read = true;
	// What came in rather than what is used: a delete is no lull.
	const uint64_t inflow = known.inflow.add(known.store);
	known.forecast.add(nowNs, inflow);
	const dm::Summary &now = known.store.summary;
	known.rate.add(nowNs, inflow, now.held > 0 || now.mode != dm::StoreMode::Active);
	applyConfig(known);
}

void Stores::tellChanges(const model::Store &before, const model::Store &after, int64_t nowNs)
{
	for (const model::Event &change : model::changes(before, after)) {
		// What we gave was told when we gave it, with its latency.
		if (change.kind == model::EventKind::RangeGiven && given_.erase(change.object))
			continue;
		if (change.kind == model::EventKind::RangeShrinking && taken_.erase(change.object))
			continue;
		// Without a detach, or with one that is not done yet.
		if (change.kind == model::EventKind::OriginDetached && !after.origin(change.object))
			watch_.lost(change.object, nowNs);
		const Told told = tell(change, before);
		notices_.event(told.severity, told.kind, after.name, told.text);
	}
	const uint64_t held = after.summary.heldTotal - before.summary.heldTotal;
	if (held > 0 && after.summary.heldTotal > before.summary.heldTotal)
		notices_.event(model::Severity::Warning, "held", after.name,
			       std::to_string(held) + " writes had to wait for a free place");
}

void Stores::nameDevices(model::Store &store) const
{
	for (model::Range &range : store.ranges)
		range.device = nameOf(range.status.dev);
	for (model::Origin &origin : store.origins) {
		origin.underlying = nameOf(origin.status.dev);
		const auto live = liveDevices_.find(originKey(store.name, origin.status.name));
		if (live != liveDevices_.end())
			origin.device = live->second;
	}
}

std::string Stores::nameOf(dm::DeviceNumber number) const
{
	if (std::string name = namer_(number); !name.empty())
		return name;
	const auto known = names_.find(number);
	return known != names_.end() ? known->second : number.text();
}

void Stores::applySupplies(WatchedStore &watched, const std::string &name) const
{
	watched.maxSize = config_.maxSizeOf(name).value_or(UINT64_MAX);
	if (SupplyOrder order = orderFor(config_, name); order != watched.supplies)
		watched.supplies = std::move(order);
}

void Stores::applyConfig(Known &known)
{
	if (WatchedStore *watched = extender_.find(known.store.number))
		applySupplies(*watched, known.store.name);
	setLowWater(known);
}

PacedStore Stores::paced(const Known &known) const
{
	const uint64_t most = config_.maxSizeOf(known.store.name).value_or(UINT64_MAX);
	const uint64_t capacity = known.store.summary.capacity;

	return {known.rate.perSecond(), most > capacity ? most - capacity : 0};
}

// The kernel keeps the low-water mark; configuration and pace say what it is to be.
void Stores::setLowWater(Known &known)
{
	const std::string &name = known.store.name;
	const PacedStore alone = paced(known);
	const auto lowWater = known.mark.next(
		{known.store.summary.lowWater, config_.lowWaterOf(name), alone.rate, carving_,
		 paceOf(config_, {&alone, 1}, carving_).rangeSectors, config_.maxSizeOf(name),
		 sumOf(known.store.summary.free, std::min(shared_, alone.room))});

	if (!lowWater)
		return;
	const auto done = dm::storeMessage(context_.dm, name,
					   dm::setMessage("low_water", std::to_string(*lowWater)));
	if (!done) {
		notices_.wrong("low-water mark of " + name, done.error().message());
		return;
	}
	notices_.right("low-water mark of " + name);
	known.store.summary.lowWater = *lowWater;
	known.mark.wasSet(*lowWater);
	notices_.event(model::Severity::Ok, "level", name,
		       "low-water mark set to " + formatSize(bytesOf(*lowWater)));
}

std::vector<dm::DeviceNumber> Stores::giveBack(int64_t nowNs, const GiveBack::Ours &ours)
{
	std::vector<dm::DeviceNumber> free;

	for (auto &[name, known] : stores_) {
		if (!known.read)
			continue;
		const PacedStore alone = paced(known);
		const auto advice =
			giveBack_.look(nowNs,
				       {known.store, alone.rate,
					paceOf(config_, {&alone, 1}, carving_).rangeSectors},
				       ours);
		if (advice && !follow(known, *advice, nowNs))
			free.push_back(advice->range.status.dev);
	}
	return free;
}

// False: there is nothing more to do, the range is free.
bool Stores::follow(Known &known, const GiveBack::Advice &advice, int64_t nowNs)
{
	const std::string &store = known.store.name;
	const dm::RangeStatus &range = advice.range.status;
	const bool cancel = advice.kind == GiveBack::Advice::Kind::Cancel;

	if (advice.kind == GiveBack::Advice::Kind::Gone) {
		taken_.erase(advice.range.device);
		return false;
	}
	const auto done = dm::storeMessage(
		context_.dm, store,
		dm::shrinkMessage({range.dev.text(), range.start, range.length, {}}, cancel));
	if (!done && !cancel) {
		giveBack_.refused(nowNs, store);
		notices_.event(model::Severity::Notice, "shrink-undone", store,
			       "range " + advice.range.device +
				       " stays: " + done.error().message());
		return true;
	}
	if (!cancel) {
		taken_.insert(advice.range.device);
		notices_.event(model::Severity::Ok, "range-shrinking", store,
			       "taking " + advice.range.device + " (" +
				       formatSize(bytesOf(range.length)) +
				       ") back: it is not needed any more");
	}
	// What is known is from before the message.
	readOne(known, nowNs);
	return true;
}

void Stores::findOriginDisks()
{
	for (auto &[name, known] : stores_) {
		Disks disks;
		for (const model::Origin &origin : known.store.origins) {
			const Disks below = findDisks(origin.status.dev);
			for (const dm::DeviceNumber disk : below.all())
				disks.add(disk);
		}
		known.originDisks = disks;
		if (WatchedStore *watched = extender_.find(known.store.number))
			watched->originDisks = disks;
	}
}

Surroundings Stores::surroundings(int64_t nowNs, bool fresh)
{
	Surroundings around;

	if (fresh)
		refresh(nowNs);
	for (const auto &[name, known] : stores_) {
		around.stores.insert(name);
		for (const model::Range &range : known.store.ranges)
			around.ranges[range.status.dev] = name;
	}
	around.originDisks = originDisks();
	around.anyStore = !stores_.empty();
	around.starving = extender_.starving();
	std::vector<PacedStore> all;
	for (const auto &[name, known] : stores_)
		all.push_back(paced(known));
	around.pace = paceOf(config_, all, carving_);
	return around;
}

Disks Stores::originDisks() const
{
	Disks disks;
	for (const auto &[name, known] : stores_)
		for (const dm::DeviceNumber disk : known.originDisks.all())
			disks.add(disk);
	return disks;
}

std::vector<StorePicture> Stores::pictures(const Offers &offers) const
{
	std::vector<StorePicture> all;
	std::vector<model::Drawer> drawers;

	for (const auto &[name, known] : stores_)
		if (known.read)
			drawers.push_back(drawer(known));
	for (const auto &[name, known] : stores_) {
		if (!known.read)
			continue;
		const Offer offer = offers(orderFor(config_, name));
		all.push_back(picture(known, offer));
		foresee(all.back(), known, drawers, all.size() - 1,
			sumOf(offer.reserve, offer.carvable));
	}
	return all;
}

model::Drawer Stores::drawer(const Known &known) const
{
	return {known.store.summary.free, paced(known).room, model::worstCase(known.store).needed,
		known.forecast.rate()};
}

// What is shared by all stores is there for each only as far as the others leave it.
void Stores::foresee(StorePicture &shown, const Known &known, const std::vector<model::Drawer> &all,
		     size_t which, uint64_t shared) const
{
	const uint64_t left = model::leftFor(all, which, shared);
	const auto exhausted = model::exhaustionMs(all, which, shared);
	const uint64_t free = known.store.summary.free;

	shown.fillRateShort = known.forecast.shortRate().value_or(-1);
	shown.fillRateLong = known.forecast.longRate().value_or(-1);
	shown.secondsToFull = secondsOf(known.forecast.timeToFullMs(free));
	shown.secondsToFullShort = secondsOf(known.forecast.shortTimeToFullMs(free));
	shown.secondsToFullLong = secondsOf(known.forecast.longTimeToFullMs(free));
	shown.secondsToExhaustion = secondsOf(exhausted);
	const model::WorstCase worst = model::worstCase(known.store, left);
	shown.worstCase = worst.needed;
	shown.cannotOverflow = worst.cannotOverflow;
	// What we will give counts: a store that is extended in time is not in danger.
	const model::Judgement judgement = model::judge(known.store, exhausted, left);
	shown.severity = word(judgement.severity);
	shown.reason = judgement.reason;
}

StorePicture Stores::picture(const Known &known, const Offer &offer) const
{
	const model::Store &store = known.store;
	const uint64_t room = paced(known).room;
	StorePicture shown;

	shown.name = store.name;
	shown.number = store.number.text();
	shown.summary = store.summary;
	shown.chunkSize = store.chunk;
	shown.holdLimitMs = store.holdMs;
	shown.stallLimitMs = store.stallMs;
	shown.bufferLimit = store.bufferLimit;
	shown.fullPolicy = word(store.full);
	shown.discardPolicy = word(store.discard);
	shown.buffered = store.buffered;
	shown.memoryBytes = store.memoryBytes;
	shown.reserveSectors = std::min(offer.reserve, room);
	shown.carvableSectors = std::min(offer.carvable, room - shown.reserveSectors);
	if (WatchedStore *watched = extender_.find(store.number))
		shown.extensions = watched->extensions;
	for (const model::Range &range : store.ranges)
		shown.ranges.push_back({range.device, diskOf(range.device), range.status});
	shown.origins = store.origins;
	for (const model::Snapshot &snapshot : store.snapshots)
		shown.snapshots.push_back(snapshot.status);
	return shown;
}

} // namespace snapdiff::daemon
