// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model: stores, origins, snapshots and images as programs see them.  Everything
// here is a value made from what the kernel says; nothing is remembered.

#pragma once

#include "dm/device_number.h"
#include "dm/status.h"
#include "dm/table.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::model {

struct Range
{
	dm::RangeStatus status;
	std::string device; // "vg0/snapdiff.3", "/dev/nbd0", "253:9" when nobody knows a name

	bool operator==(const Range &) const = default;
};

struct Origin
{
	dm::OriginStatus status;
	std::string device;	// dm name of the live device; empty: there is none
	std::string underlying; // name of the device below it; empty when device is

	// Worst case still to come: sectors that first writes to all its unsafe
	// chunks would take from the store.
	uint64_t worstCase = 0;

	bool operator==(const Origin &) const = default;
};

struct Image
{
	std::string name; // dm name
	dm::DeviceNumber number;
	std::string snapshot;
	std::string origin;
	dm::SnapshotState state = dm::SnapshotState::Live;
	dm::Cause cause = dm::Cause::None;
	int openCount = 0;
	std::vector<std::string> mountedOn;

	// "/dev/mapper/vg0-home@monday"
	std::string path() const;

	bool operator==(const Image &) const = default;
};

struct Snapshot
{
	dm::SnapshotStatus status;

	// Sectors that writes to its writable images can still take.
	uint64_t worstCase = 0;
	std::vector<Image> images;

	bool operator==(const Snapshot &) const = default;
};

struct Store
{
	std::string name; // dm name
	dm::DeviceNumber number;
	uint32_t eventNr = 0;

	dm::Summary summary;
	uint64_t buffered = 0;
	uint64_t memoryBytes = 0;

	uint64_t chunk = 0;
	uint64_t holdMs = 0;
	uint64_t stallMs = 0;
	uint64_t bufferLimit = 0;
	dm::FullPolicy full = dm::FullPolicy::DropOldest;
	dm::DiscardPolicy discard = dm::DiscardPolicy::Ignore;

	std::vector<Range> ranges;
	std::vector<Origin> origins;
	std::vector<Snapshot> snapshots; // oldest first

	const Origin *origin(std::string_view name) const;
	const Snapshot *snapshot(std::string_view name) const;

	bool operator==(const Store &) const = default;
};

struct Inventory
{
	std::vector<Store> stores; // by name

	// Origins and images whose store is not there (any more).
	std::vector<std::string> orphans;

	// Volumes that were attached, but whose table is another now: LVM puts its own
	// back when it changes a volume.  Also one whose attach was interrupted.
	std::vector<std::string> unwatched;

	const Store *store(std::string_view name) const;

	// The store to which this origin is attached.
	const Store *storeOfOrigin(std::string_view origin) const;

	// The stores that have a snapshot of this name.
	std::vector<const Store *> storesOfSnapshot(std::string_view snapshot) const;
};

// A sentence about one of Inventory::unwatched, with the next step.
std::string whyUnwatched(std::string_view origin);

// Puts a store together from the two lines that the kernel says.  Names of
// devices and images are filled in by whoever knows them.
Store makeStore(std::string name, dm::DeviceNumber number, const dm::StoreStatus &status,
		const dm::StoreTable &table);

} // namespace snapdiff::model
