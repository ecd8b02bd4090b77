// SPDX-License-Identifier: GPL-2.0-or-later
// The model's images: reads of what a snapshot shows, and an overlay that is written and read.
#include "model.h"

#include <thread>

std::optional<u32> Model::liveSnapshot(Random &random)
{
	std::lock_guard lock(mapLock_);

	if (live_.empty())
		return std::nullopt;
	return live_[random() % live_.size()];
}

void Model::judge(u32 s, u64 chunk, u64 value)
{
	const bool valid =
		mutant_ == Mutant::NO_VALIDITY || valid_[s].load(std::memory_order_acquire);

	if (!valid)
		return;
	counts.judged++;
	if (value != copies_[s][chunk])
		alarm_.complain("image " + std::to_string(s) + " shows " + std::to_string(value) +
				" at chunk " + std::to_string(chunk) + ", at its take was " +
				std::to_string(copies_[s][chunk]));
}

void Model::readImage(Random &random)
{
	const auto s = liveSnapshot(random);
	const u64 chunk = random() % chunks;
	const bool tracks = mutant_ != Mutant::NO_TRACKING;
	WaitingCells::Owner read;
	ModelStore::Found found;
	sd_place_t place = 0;
	u64 value = 0, watch;
	bool kept;
	u32 run;

	if (!s) {
		std::this_thread::yield();
		return;
	}
	counts.reads++;
	// registers before it looks up; the locks are the full barriers
	if (tracks && mutant_ != Mutant::TRACKS_LATE)
		reads_.enter(alarm_, read, SD_CELL_READ, chunk, chunk);
	{
		std::lock_guard lock(mapLock_);

		watch = watched_.load() ? watchNumber_.load() : ~0ULL;
		kept = valid_[*s].load() && sd_map_lookup(map_, *s, chunk, 1, &place, &run);
		if (kept && place != SD_PLACE_BAD)
			found = store_.find(place);
	}
	if (mutant_ == Mutant::TRACKS_LATE) {
		dawdleLong(random, 8);
		reads_.enter(alarm_, read, SD_CELL_READ, chunk, chunk);
	}
	// what the storage has is in the list no longer
	if (kept && tracks)
		reads_.leave(read);
	dawdleLong(random, 40);
	if (!kept) {
		value = origin_[chunk].load(std::memory_order_relaxed);
	} else if (place != SD_PLACE_BAD) {
		value = store_.read(found, random);
		store_.release(found);
	}
	dawdleLong(random, 40);
	if (!kept && !watchedSince(watch) && mutant_ != Mutant::READ_UNWATCHED)
		counts.unwatched++;
	else if (!kept || place != SD_PLACE_BAD)
		judge(*s, chunk, value);
	if (!kept && tracks)
		reads_.leave(read);
}

// ---- the overlay

Model::Overlay::Overlay() : map(sd_map_create(chunks))
{
	void *spare = nullptr;

	sd_map_grow(map, &spare);
	sd_map_take(map, 1, &spare);
	sd_free(spare);
}

Model::Overlay::~Overlay()
{
	sd_map_destroy(map);
}

std::shared_ptr<Model::Overlay> Model::overlay()
{
	std::lock_guard lock(overlayLock_);

	return overlay_;
}

void Model::endOverlay()
{
	const auto old = overlay();

	if (!old)
		return;
	{
		std::lock_guard lock(overlayLock_);

		overlay_.reset();
	}
	{
		std::lock_guard lock(old->lock);

		sd_map_end(old->map, 1);
	}
	reap(old->map, old->lock);
}

void Model::useOverlay(Random &random)
{
	const auto now = overlay();
	const u64 chunk = random() % 8; // few, so that writes meet moves

	dawdle(random);
	if (!now) {
		if (const auto s = liveSnapshot(random)) {
			auto fresh = std::make_shared<Overlay>();

			fresh->snapshot = *s;
			std::lock_guard lock(overlayLock_);
			overlay_ = std::move(fresh);
		}
		return;
	}
	if (!valid_[now->snapshot].load() || random() % 500 == 0)
		endOverlay();
	else if (random() % 2)
		writeOverlay(*now, chunk, random);
	else
		readOverlay(*now, chunk, random);
}

void Model::readOverlay(Overlay &o, u64 chunk, Random &random)
{
	ModelStore::Found found;
	sd_place_t place = 0;
	u32 run;

	{
		std::lock_guard lock(o.lock);

		if (!sd_map_lookup(o.map, 1, chunk, 1, &place, &run)) {
			if (o.expected[chunk])
				alarm_.complain("an overlay's chunk is gone");
			return;
		}
		found = store_.find(place);
	}
	const u64 value = store_.read(found, random);
	store_.release(found);
	counts.overlayReads++;
	if (value != o.expected[chunk])
		alarm_.complain("an overlay shows " + std::to_string(value) + ", written was " +
				std::to_string(o.expected[chunk]));
}

void Model::writeOverlay(Overlay &o, u64 chunk, Random &random)
{
	const u64 value = version_.fetch_add(1);
	WaitingCells::Owner cell;
	ModelStore::Found found;
	void *spare = nullptr;
	sd_place_t place = 0;
	bool kept, pinned = false;
	u32 run;

	o.cells.enter(alarm_, cell, SD_CELL_JOB, chunk, chunk);
	{
		std::lock_guard lock(o.lock);

		kept = sd_map_lookup(o.map, 1, chunk, 1, &place, &run);
	}
	if (kept) {
		// who finds its segment being written waits until it is gone
		alarm_.await([&] { return pinned = store_.pin(place, found); },
			     "a segment that is never written");
		dawdleLong(random, 8);
		if (pinned) {
			(found.segment ? found.segment->data[found.part]
				       : found.disk->data[found.index])
				.store(value, std::memory_order_relaxed);
			store_.unpin(found);
			o.expected[chunk] = value;
		}
	} else if (const auto segment = store_.tryTake(1)) {
		segment->data[0].store(value, std::memory_order_relaxed);
		std::unique_lock lock(o.lock);
		while (size_t bytes = sd_map_reserve(o.map, chunk, 1, &spare)) {
			lock.unlock();
			spare = sd_map_alloc(bytes);
			lock.lock();
		}
		sd_map_publish(o.map, chunk, sd_place(segment->run.slot, segment->run.index));
		lock.unlock();
		sd_free(spare);
		store_.ready(segment);
		o.expected[chunk] = value;
	}
	o.cells.leave(cell);
	counts.overlayWrites++;
}
