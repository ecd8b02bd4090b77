// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeKernel: stores in memory.

#include "fake_kernel.h"

#include "dm/table.h"
#include "util/text.h"

#include <algorithm>
#include <cerrno>

namespace snapdiff::daemon {

FakeStore &FakeKernel::addStore(dm::DeviceNumber number, const std::string &name, uint64_t capacity,
				uint64_t lowWater)
{
	FakeStore &store = stores[number];

	store.name = name;
	store.status.summary.lowWater = lowWater;
	store.status.bufferLimit = 131072;
	dm::RangeStatus range;
	range.dev = {8, 16};
	range.length = capacity;
	range.free = capacity;
	store.status.ranges.push_back(range);
	settle(store);
	return store;
}

void FakeKernel::removeStore(dm::DeviceNumber number)
{
	stores.erase(number);
}

void FakeKernel::fill(dm::DeviceNumber number, uint64_t sectors)
{
	FakeStore &store = stores.at(number);

	sectors = place(store, sectors);
	for (dm::RangeStatus &range : store.status.ranges) {
		if (!sectors || range.shrink != dm::Shrink::Moving)
			continue;
		range.shrink = dm::Shrink::NoSpace;
		range.free = std::exchange(range.unusable, 0);
		sectors = place(store, sectors);
	}
	store.status.summary.held += sectors;
	store.status.summary.heldTotal += sectors;
	settle(store);
}

// Returns what did not fit.
uint64_t FakeKernel::place(FakeStore &store, uint64_t sectors)
{
	for (dm::RangeStatus &range : store.status.ranges) {
		const uint64_t taken = std::min(sectors, range.free);
		range.free -= taken;
		range.used += taken;
		sectors -= taken;
	}
	return sectors;
}

void FakeKernel::release(dm::DeviceNumber number, uint64_t sectors)
{
	FakeStore &store = stores.at(number);

	for (dm::RangeStatus &range : store.status.ranges) {
		const uint64_t freed = std::min(sectors, range.used);
		const bool moving = range.shrink == dm::Shrink::Moving;
		(moving ? range.unusable : range.free) += freed;
		range.used -= freed;
		sectors -= freed;
	}
	settle(store);
}

int FakeKernel::shrink(FakeStore &store, std::string_view text)
{
	const auto words = splitWords(text);
	const auto device = words.size() >= 3 ? dm::DeviceNumber::parse(words[0]) : std::nullopt;
	const bool cancel = words.size() == 4 && words[3] == "cancel";
	const auto range = std::ranges::find_if(store.status.ranges, [&](const auto &one) {
		return device && one.dev == *device && std::to_string(one.start) == words[1] &&
		       std::to_string(one.length) == words[2];
	});

	if (range == store.status.ranges.end())
		return ENOENT;
	if (cancel == (range->shrink != dm::Shrink::Moving))
		return 0;
	if (cancel) {
		range->shrink = dm::Shrink::Cancelled;
		range->free = std::exchange(range->unusable, 0);
	} else {
		if (store.summary().free - range->free < range->used)
			return ENOSPC;
		range->shrink = dm::Shrink::Moving;
		range->unusable = std::exchange(range->free, 0);
	}
	settle(store);
	return 0;
}

void FakeKernel::evacuate(dm::DeviceNumber number, uint64_t sectors)
{
	FakeStore &store = stores.at(number);

	for (dm::RangeStatus &range : store.status.ranges) {
		if (range.shrink != dm::Shrink::Moving)
			continue;
		const uint64_t wanted = std::min(sectors, range.used);
		const uint64_t moved = wanted - place(store, wanted);
		range.used -= moved;
		range.unusable += moved;
		sectors -= moved;
	}
	std::erase_if(store.status.ranges, [](const dm::RangeStatus &range) {
		return range.shrink == dm::Shrink::Moving && range.used == 0;
	});
	settle(store);
}

void FakeKernel::setLowWater(FakeStore &store, uint64_t sectors)
{
	store.status.summary.lowWater = sectors;
	settle(store);
}

void FakeKernel::called()
{
	if (onCall)
		onCall();
}

int FakeKernel::armPoll()
{
	called();
	arms++;
	return 0;
}

int FakeKernel::visitDevices(DeviceVisitor &visitor)
{
	called();
	if (listError)
		return listError;
	for (const auto &[number, store] : stores)
		visitor.visit(store.name, number, store.eventNr);
	for (const auto &[number, name] : otherDevices)
		visitor.visit(name, number, 0);
	return 0;
}

int FakeKernel::summary(dm::DeviceNumber number, dm::Summary &summary)
{
	called();
	summaries++;
	const auto store = stores.find(number);
	if (store == stores.end())
		return ENXIO;
	summary = store->second.summary();
	return 0;
}

int FakeKernel::message(dm::DeviceNumber number, std::string_view text)
{
	called();
	const auto store = stores.find(number);
	if (store == stores.end())
		return ENXIO;
	store->second.messages.emplace_back(text);
	nowNs += extendNs;
	const int error =
		text.starts_with("extend ") ? extend(store->second, text.substr(7)) : EINVAL;
	called(); // the kernel did it, and the answer is lost
	return error;
}

int FakeKernel::extend(FakeStore &store, std::string_view text)
{
	if (!extendErrors.empty()) {
		const int error = extendErrors.front();
		extendErrors.pop_front();
		if (error)
			return error;
	}
	const auto words = splitWords(text);
	const auto device = words.size() == 4 ? dm::DeviceNumber::parse(words[0]) : std::nullopt;
	const auto start = words.size() == 4 ? parseNumber(words[1]) : std::nullopt;
	const auto length = words.size() == 4 ? parseNumber(words[2]) : std::nullopt;
	if (!device || !start || !length || *length == 0)
		return EINVAL;
	if (missingDevices.contains(*device))
		return ENODEV;

	dm::RangeStatus range;
	range.dev = *device;
	range.length = *length;
	range.free = *length;
	const std::string_view group = words[3];
	range.group.last = group.ends_with(",last");
	range.group.number =
		static_cast<uint32_t>(parseNumber(group.substr(0, group.find(','))).value_or(0));
	for (auto &[number, other] : stores)
		for (const dm::RangeStatus &known : other.status.ranges)
			if (known.dev == range.dev)
				return &other == &store && known.length == range.length ? 0
											: EEXIST;
	store.status.ranges.push_back(range);
	const uint64_t held = std::exchange(store.status.summary.held, 0);
	dm::RangeStatus &given = store.status.ranges.back();
	given.used = std::min(held, given.free);
	given.free -= given.used;
	store.status.summary.held = held - given.used;
	settle(store);
	return 0;
}

// Works the level out again; every change is an event.
void FakeKernel::settle(FakeStore &store)
{
	dm::Summary &summary = store.status.summary;

	summary.capacity = summary.used = summary.free = summary.unusable = 0;
	for (const dm::RangeStatus &range : store.status.ranges) {
		summary.capacity += range.length;
		summary.used += range.used;
		summary.free += range.free;
		summary.unusable += range.unusable;
	}
	const bool low = summary.lowWater > 0 && summary.free <= summary.lowWater;
	summary.level = low ? dm::Level::Low : dm::Level::Ok;
	summary.mode = summary.held ? dm::StoreMode::Holding : dm::StoreMode::Active;
	summary.seq++;
	store.eventNr++;
}

Result<> FakeKernel::grow()
{
	grown++;
	listError = 0;
	return {};
}

FakeStore *FakeDeviceMapper::find(const std::string &name)
{
	for (auto &[number, store] : kernel_.stores)
		if (store.name == name)
			return &store;
	return nullptr;
}

static Error absent(const std::string &name)
{
	return {ENXIO, name};
}

static Error notHere()
{
	return {ENOTSUP, "fake device-mapper"};
}

Result<std::optional<dm::TargetVersion>> FakeDeviceMapper::targetVersion(const std::string &target)
{
	if (!moduleLoaded)
		return std::optional<dm::TargetVersion>();
	return std::optional(dm::TargetVersion{target, moduleMajor, 0, 0});
}

Result<std::vector<dm::Device>> FakeDeviceMapper::devices()
{
	std::vector<dm::Device> all;
	for (const auto &[number, store] : kernel_.stores)
		all.push_back({store.name, number});
	return all;
}

Result<dm::DeviceInfo> FakeDeviceMapper::info(const std::string &name)
{
	for (const auto &[number, store] : kernel_.stores)
		if (store.name == name)
			return info(number);
	return absent(name);
}

Result<dm::DeviceInfo> FakeDeviceMapper::info(dm::DeviceNumber number)
{
	const auto store = kernel_.stores.find(number);
	if (store == kernel_.stores.end())
		return absent(number.text());
	dm::DeviceInfo info;
	info.name = store->second.name;
	info.number = number;
	info.liveTable = true;
	info.eventNr = store->second.eventNr;
	return info;
}

Result<dm::Table> FakeDeviceMapper::table(const std::string &name, bool)
{
	const FakeStore *store = find(name);
	if (!store)
		return absent(name);
	dm::StoreTable table;
	table.lowWater = store->summary().lowWater;
	for (const dm::RangeStatus &range : store->status.ranges)
		table.ranges.push_back({range.dev.text(), range.start, range.length, range.group});
	return dm::Table{{0, 1, "snapdiff-store", dm::format(table)}};
}

Result<dm::Table> FakeDeviceMapper::status(const std::string &name)
{
	const FakeStore *store = find(name);
	if (!store)
		return absent(name);
	return dm::Table{{0, 1, "snapdiff-store", dm::format(store->status)}};
}

Result<std::vector<dm::DeviceNumber>> FakeDeviceMapper::dependencies(const std::string &)
{
	return notHere();
}

Result<> FakeDeviceMapper::create(const dm::NewDevice &)
{
	return notHere();
}

Result<> FakeDeviceMapper::load(const std::string &, const dm::Table &, bool)
{
	return notHere();
}

Result<> FakeDeviceMapper::clear(const std::string &)
{
	return notHere();
}

Result<> FakeDeviceMapper::resume(const std::string &, dm::Visibility)
{
	return notHere();
}

Result<> FakeDeviceMapper::remove(const std::string &)
{
	return notHere();
}

Result<std::string> FakeDeviceMapper::message(const std::string &name, const std::string &text)
{
	FakeStore *store = find(name);
	if (!store)
		return absent(name);
	store->messages.push_back(text);
	const auto words = splitWords(text);
	if (words.size() == 3 && words[0] == "set" && words[1] == "low_water")
		kernel_.setLowWater(*store, parseNumber(words[2]).value_or(0));
	if (text.starts_with("shrink ")) {
		const int error =
			shrinkError ? shrinkError : kernel_.shrink(*store, text.substr(7));
		if (error)
			return Error(error, "shrink " + name);
	}
	return std::string();
}

Result<uint32_t> FakeDeviceMapper::wait(const std::string &, uint32_t)
{
	return notHere();
}

} // namespace snapdiff::daemon
