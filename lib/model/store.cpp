// SPDX-License-Identifier: GPL-2.0-or-later
//
// Model: stores, origins, snapshots and images as programs see them.

#include "model/store.h"

#include <algorithm>
#include <utility>

namespace snapdiff::model {

template<class List>
static auto findByName(const List &list, std::string_view name) -> decltype(list.data())
{
	for (const auto &item : list) {
		if (item.status.name == name)
			return &item;
	}
	return nullptr;
}

std::string Image::path() const
{
	return "/dev/mapper/" + name;
}

const Origin *Store::origin(std::string_view wanted) const
{
	return findByName(origins, wanted);
}

const Snapshot *Store::snapshot(std::string_view wanted) const
{
	return findByName(snapshots, wanted);
}

std::string whyUnwatched(std::string_view origin)
{
	std::string text = "its table was replaced, as lvextend, lvchange --refresh and pvmove do: "
			   "it is not watched, and snapshots of it are invalid; \"snapdiff attach ";
	text += origin;
	text += "\" watches it again";
	return text;
}

const Store *Inventory::store(std::string_view wanted) const
{
	const auto found = std::find_if(stores.begin(), stores.end(),
					[&](const Store &store) { return store.name == wanted; });
	return found == stores.end() ? nullptr : &*found;
}

const Store *Inventory::storeOfOrigin(std::string_view origin) const
{
	const auto attached = [&](const Store &store) {
		const Origin *found = store.origin(origin);
		return found && found->status.state != dm::OriginState::Detached;
	};
	const auto found = std::find_if(stores.begin(), stores.end(), attached);
	return found == stores.end() ? nullptr : &*found;
}

std::vector<const Store *> Inventory::storesOfSnapshot(std::string_view snapshot) const
{
	std::vector<const Store *> found;
	for (const Store &store : stores) {
		if (store.snapshot(snapshot))
			found.push_back(&store);
	}
	return found;
}

static uint64_t saturatingProduct(uint64_t a, uint64_t b)
{
	uint64_t product = 0;
	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

Store makeStore(std::string name, dm::DeviceNumber number, const dm::StoreStatus &status,
		const dm::StoreTable &table)
{
	Store store;
	store.name = std::move(name);
	store.number = number;
	store.summary = status.summary;
	store.buffered = status.buffered;
	store.memoryBytes = status.memoryBytes;
	store.chunk = table.chunk;
	store.holdMs = table.holdMs;
	store.stallMs = table.stallMs;
	store.bufferLimit = status.bufferLimit;
	store.full = table.full;
	store.discard = table.discard;
	for (const dm::RangeStatus &range : status.ranges)
		store.ranges.push_back({range, range.dev.text()});
	for (const dm::OriginStatus &origin : status.origins)
		store.origins.push_back(
			{origin, "", "", saturatingProduct(origin.unsafeChunks, table.chunk)});
	for (const dm::SnapshotStatus &snapshot : status.snapshots)
		store.snapshots.push_back(
			{snapshot, saturatingProduct(snapshot.toCome, table.chunk), {}});
	return store;
}

} // namespace snapdiff::model
