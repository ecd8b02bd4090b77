// SPDX-License-Identifier: GPL-2.0-or-later
//
// Inventory: reads all stores, origins, snapshots and images from the kernel.

#include "ops/inventory.h"

#include "dm/names.h"
#include "dm/status.h"
#include "probe/mounts.h"
#include "probe/probe.h"
#include "util/text.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

namespace snapdiff::ops {

namespace {

// What one pass over all dm devices found.
struct Scan
{
	std::map<dm::DeviceNumber, std::string> names; // of every dm device
	std::vector<model::Store> stores;

	struct Attached
	{
		std::string device; // dm name
		dm::OriginTable table;
	};
	std::vector<Attached> origins;

	struct Shown
	{
		model::Image image;
		std::string store; // MAJOR:MINOR
	};
	std::vector<Shown> images;
};

bool vanished(const Error &error)
{
	return error.errnum() == ENXIO && error.kind() == ErrorKind::NotFound;
}

Result<dm::TargetLine> onlyLine(Result<dm::Table> table, const std::string &name)
{
	if (!table)
		return std::move(table).error();
	if (table->size() != 1)
		return Error(ENXIO, "look at " + name, "it has no table");
	return std::move(table->front());
}

Result<model::Store> readStoreLine(Context &context, const std::string &name,
				   const std::string &tableLine)
{
	Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info)
		return std::move(info).error();
	Result<dm::TargetLine> status = onlyLine(context.dm.status(name), name);
	if (!status)
		return std::move(status).error();
	Result<dm::StoreStatus> parsed = dm::parseStoreStatus(status->params);
	if (!parsed)
		return std::move(parsed).error().within(name);
	Result<dm::StoreTable> table = dm::parseStoreTable(tableLine);
	if (!table)
		return std::move(table).error().within(name);
	model::Store store = model::makeStore(name, info->number, *parsed, *table);
	store.eventNr = info->eventNr;
	return store;
}

Result<Scan::Shown> readImage(Context &context, const std::string &name,
			      const std::string &tableLine)
{
	Result<dm::ImageTable> table = dm::parseImageTable(tableLine);
	if (!table)
		return std::move(table).error().within(name);
	Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info)
		return std::move(info).error();
	Result<dm::TargetLine> status = onlyLine(context.dm.status(name), name);
	if (!status)
		return std::move(status).error();
	Result<dm::ImageLine> line = dm::parseImageLine(status->params);
	if (!line)
		return std::move(line).error().within(name);

	Scan::Shown shown;
	shown.image.name = name;
	shown.image.number = info->number;
	shown.image.snapshot = table->snapshot;
	shown.image.origin = table->origin;
	shown.image.state = line->state;
	shown.image.cause = line->cause;
	shown.image.openCount = info->openCount;
	shown.store = table->store;
	return shown;
}

Result<> scanDevice(Context &context, const std::string &name, Scan &scan)
{
	const Result<dm::Table> table = context.dm.table(name);
	if (!table)
		return table.error();
	if (table->size() != 1)
		return {};
	const dm::TargetLine &line = table->front();

	if (line.target == SNAPDIFF_TARGET_STORE) {
		Result<model::Store> store = readStoreLine(context, name, line.params);
		if (!store)
			return std::move(store).error();
		scan.stores.push_back(std::move(*store));
	} else if (line.target == SNAPDIFF_TARGET_ORIGIN) {
		Result<dm::OriginTable> origin = dm::parseOriginTable(line.params);
		if (!origin)
			return std::move(origin).error().within(name);
		scan.origins.push_back({name, std::move(*origin)});
	} else if (line.target == SNAPDIFF_TARGET_IMAGE) {
		Result<Scan::Shown> image = readImage(context, name, line.params);
		if (!image)
			return std::move(image).error();
		scan.images.push_back(std::move(*image));
	}
	return {};
}

Result<Scan> scanAll(Context &context)
{
	Scan scan;
	Result<std::vector<dm::Device>> devices = context.dm.devices();
	if (!devices)
		return std::move(devices).error();
	for (const dm::Device &device : *devices) {
		scan.names[device.number] = device.name;
		Result<> done = scanDevice(context, device.name, scan);
		if (!done && !vanished(done.error()))
			return std::move(done).error();
	}
	return scan;
}

std::string nameOf(const Scan &scan, dm::DeviceNumber number)
{
	const auto found = scan.names.find(number);
	if (found != scan.names.end())
		return found->second;
	const Result<probe::BlockDevice> device = probe::blockDevice(number);
	return device ? device->path : number.text();
}

std::string nameOfText(const Scan &scan, const std::string &text)
{
	const auto number = dm::DeviceNumber::parse(text);
	return number ? nameOf(scan, *number) : text;
}

void fillMounts(std::vector<Scan::Shown> &images)
{
	// Where images are mounted is nice to know, no more.
	const Result<std::vector<probe::Mount>> mounts = probe::mounts();
	if (!mounts)
		return;
	for (Scan::Shown &shown : images) {
		for (const probe::Mount &mount : *mounts) {
			if (mount.number == shown.image.number)
				shown.image.mountedOn.push_back(mount.target);
		}
	}
}

// The device that was to be hidden below an origin is there, and the origin is none.
std::vector<std::string> findUnwatched(const Scan &scan)
{
	const std::string prefix = dm::underlyingName("");
	std::set<std::string> names;
	std::set<std::string> attached;
	std::vector<std::string> unwatched;

	for (const auto &[number, name] : scan.names)
		names.insert(name);
	for (const Scan::Attached &origin : scan.origins)
		attached.insert(origin.device);
	for (const std::string &name : names) {
		if (!name.starts_with(prefix))
			continue;
		std::string origin = name.substr(prefix.size());
		if (names.contains(origin) && !attached.contains(origin))
			unwatched.push_back(std::move(origin));
	}
	return unwatched;
}

bool placeOrigin(Scan &scan, const Scan::Attached &attached)
{
	for (model::Store &store : scan.stores) {
		if (store.number.text() != attached.table.store)
			continue;
		for (model::Origin &origin : store.origins) {
			if (origin.status.name != attached.table.name)
				continue;
			origin.device = attached.device;
			origin.underlying = nameOfText(scan, attached.table.device);
		}
		return true;
	}
	return false;
}

bool placeImage(Scan &scan, const Scan::Shown &shown)
{
	for (model::Store &store : scan.stores) {
		if (store.number.text() != shown.store)
			continue;
		for (model::Snapshot &snapshot : store.snapshots) {
			if (snapshot.status.name == shown.image.snapshot) {
				snapshot.images.push_back(shown.image);
				return true;
			}
		}
	}
	return false;
}

} // namespace

Result<model::Inventory> readInventory(Context &context)
{
	Result<Scan> scanned = scanAll(context);
	if (!scanned)
		return std::move(scanned).error();
	Scan &scan = *scanned;
	fillMounts(scan.images);

	model::Inventory inventory;
	inventory.unwatched = findUnwatched(scan);
	for (model::Store &store : scan.stores) {
		for (model::Range &range : store.ranges)
			range.device = nameOf(scan, range.status.dev);
	}
	for (const Scan::Attached &attached : scan.origins) {
		if (!placeOrigin(scan, attached))
			inventory.orphans.push_back(attached.device);
	}
	for (const Scan::Shown &shown : scan.images) {
		if (!placeImage(scan, shown))
			inventory.orphans.push_back(shown.image.name);
	}
	inventory.stores = std::move(scan.stores);
	std::sort(inventory.stores.begin(), inventory.stores.end(),
		  [](const model::Store &a, const model::Store &b) { return a.name < b.name; });
	return inventory;
}

Result<model::Store> readStore(Context &context, const std::string &name)
{
	Result<dm::TargetLine> line = onlyLine(context.dm.table(name), name);
	if (!line)
		return std::move(line).error();
	if (line->target != SNAPDIFF_TARGET_STORE)
		return Error(ENOENT, "store " + printable(name), "this device is no store");
	return readStoreLine(context, name, line->params);
}

Result<const model::Store *> chooseStore(const model::Inventory &inventory, const std::string &name)
{
	if (!name.empty()) {
		if (const model::Store *store = inventory.store(name))
			return store;
		return Error(ENOENT, "store " + printable(name), "there is no such store")
			.advise("\"snapdiff list stores\" names them.");
	}
	if (inventory.stores.size() == 1)
		return &inventory.stores.front();
	if (inventory.stores.empty())
		return Error(ENOENT, "store", "there is none yet")
			.advise("\"snapdiff create VG/LV\" makes one.");
	return Error(EINVAL, "store", "there are several")
		.as(ErrorKind::Usage)
		.advise("Say which one with --store NAME.");
}

} // namespace snapdiff::ops
