// SPDX-License-Identifier: GPL-2.0-or-later
// The model's evacuation, in the steps of evacuate.c: find, read, take and write elsewhere, switch
// what still has the old place, wait for those who read it, give it back.
#include "model.h"

#include <algorithm>
#include <thread>

namespace {

constexpr u32 batch = 4;

} // namespace

void Model::move(Random &random)
{
	const u32 slot = store_.shrinking();

	if (slot == SD_NO_SLOT) {
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
		return;
	}
	moveAll(map_, mapLock_, nullptr, slot, random);
	if (const auto o = overlay())
		moveAll(o->map, o->lock, o.get(), slot, random);
	store_.leaveIfEmpty(slot);
}

// What is in a buffer still is left to a later pass.
u32 Model::keepMovable(sd_moving *found, u32 n)
{
	if (mutant_ == Mutant::MOVES_BUFFERED)
		return n;
	return std::remove_if(found, found + n,
			      [&](const sd_moving &m) { return store_.inBuffer(m.place); }) -
	       found;
}

void Model::moveAll(sd_map *map, std::mutex &lock, Overlay *o, u32 slot, Random &random)
{
	sd_map_cursor cursor{};
	sd_moving found[batch];
	bool over = false;
	u32 n;

	while (!over && !alarm_.raised()) {
		{
			std::lock_guard held(lock);

			over = sd_map_in_range(map, &cursor, slot, 16, found, o ? 1 : batch, &n);
			n = keepMovable(found, n);
		}
		if (!n)
			continue;
		// a chunk of an overlay changes in place: locked, or left to a later pass
		WaitingCells::Owner cell;
		const bool locks = o && mutant_ != Mutant::OVERLAY_NOT_LOCKED;
		if (locks && !o->cells.tryEnter(cell, SD_CELL_JOB, found[0].chunk, found[0].chunk))
			continue;
		const bool goOn = moveSome(map, lock, slot, found, n, random);
		if (locks)
			o->cells.leave(cell);
		if (!goOn)
			return;
	}
}

bool Model::moveSome(sd_map *map, std::mutex &lock, u32 slot, const sd_moving *found, u32 n,
		     Random &random)
{
	std::array<u64, batch> data{};
	std::array<bool, batch> moved{};
	sd_run run{};

	for (u32 i = 0; i < n; i++)
		data[i] = store_.readDisk(found[i].place, random);
	dawdleLong(random, 2);
	if (!store_.takeTarget(slot, n, &run))
		return false;
	const auto writeAll = [&] {
		for (u32 i = 0; i < run.count; i++)
			store_.writeDisk(sd_place(run.slot, run.index + i), data[i], random);
	};
	if (mutant_ != Mutant::SWITCHED_BEFORE_WRITTEN)
		writeAll();
	{
		std::lock_guard held(lock);

		for (u32 i = 0; i < run.count; i++)
			moved[i] =
				sd_map_replace(map, found[i].chunk, found[i].layer, found[i].place,
					       sd_place(run.slot, run.index + i));
	}
	if (mutant_ == Mutant::SWITCHED_BEFORE_WRITTEN)
		writeAll();
	if (mutant_ != Mutant::MOVED_UNDER_READERS)
		store_.waitForReaders(slot);
	for (u32 i = 0; i < run.count; i++) {
		if (moved[i] || mutant_ == Mutant::MOVED_UNASKED)
			store_.free(found[i].place);
		if (!moved[i])
			store_.giveTarget(run, i);
		store_.counts.moved += moved[i];
	}
	return true;
}
