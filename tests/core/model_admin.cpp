// SPDX-License-Identifier: GPL-2.0-or-later
// The model's administration: takes, ends, drops, extends, shrinks, and tables that are not ours.
#include "model.h"

#include <thread>

void Model::take(Random &random)
{
	void *spare = nullptr;

	if (newest_ + 1 >= snapshots)
		return;
	sd_map_grow(map_, &spare);
	gate_.close(alarm_, mutant_ != Mutant::NO_GATE_DRAIN);
	{
		std::lock_guard lock(mapLock_);

		newest_++;
		for (u64 chunk = 0; chunk < chunks; chunk++) {
			copies_[newest_][chunk] = origin_[chunk].load(std::memory_order_relaxed);
			believedSafe_[chunk].store(false);
		}
		dawdleLong(random, 8);
		valid_[newest_].store(true);
		sd_map_take(map_, newest_, &spare);
		live_.push_back(newest_);
	}
	gate_.open();
	sd_free(spare);
	counts.takes++;
}

void Model::end(u32 nth)
{
	std::unique_lock lock(mapLock_);

	if (live_.empty())
		return;
	const u32 s = live_[nth % live_.size()];
	// first invalid, then anything that follows from it
	if (mutant_ != Mutant::VALID_TOO_LONG)
		valid_[s].store(false, std::memory_order_release);
	sd_map_end(map_, s);
	if (mutant_ == Mutant::VALID_TOO_LONG) {
		lock.unlock();
		reap(map_, mapLock_);
		std::this_thread::sleep_for(std::chrono::microseconds(500));
		lock.lock();
		valid_[s].store(false);
	}
	std::erase(live_, s);
	counts.ends++;
}

// Returns how many places were freed.
u64 Model::reap(sd_map *map, std::mutex &lock)
{
	sd_reap walk{};
	sd_place_t freed[8];
	bool done = false;
	u64 all = 0;
	u32 n;

	while (!done) {
		void *piece;
		{
			std::lock_guard held(lock);

			done = sd_map_reap(map, &walk, 16, freed, 8, &n);
			piece = sd_map_retired(map);
		}
		sd_free(piece);
		for (u32 i = 0; i < n; i++)
			store_.free(freed[i]);
		all += n;
	}
	counts.freed += all;
	return all;
}

// Postsuspend, a foreign table that lets writes pass, its end: nothing is known any more. Without
// the foreign table nothing is lost.
void Model::foreignTable(Random &random)
{
	gate_.close(alarm_, true);
	noflush_.store(random() % 2);
	{
		std::lock_guard lock(mapLock_);

		watched_.store(false);
		watchNumber_++;
	}
	std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
	if (random() % 3) {
		for (u32 i = random() % 60; i; i--) {
			origin_[random() % chunks].store(version_.fetch_add(1));
			dawdleLong(random, 8);
		}
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 600));
		u32 live;
		{
			std::lock_guard lock(mapLock_);

			live = live_.size();
		}
		while (live--)
			end(0);
		counts.foreign++;
	}
	{
		std::lock_guard lock(mapLock_);

		watched_.store(true);
	}
	noflush_.store(false);
	gate_.open();
}

void Model::administer(Random &random)
{
	// writers and readers get some time with each set of snapshots
	std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
	std::lock_guard lock(adminLock_);
	u32 live;
	{
		std::lock_guard mapLock(mapLock_);

		live = live_.size();
	}
	if (random() % 8 == 0) {
		foreignTable(random);
	} else if (random() % 4 == 0) {
		if (random() % 4 == 0)
			store_.cancelShrink(random);
		else if (store_.ranges() > 2)
			store_.shrink(random);
		if (store_.ranges() < 4 && random() % 2)
			store_.extend(40 + random() % 100);
	} else if (live && random() % 3 == 0) {
		// the newest ends, writers pass for a moment, and the next is taken
		end(random() % 4 ? live - 1 : random());
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
		take(random);
	} else if (live < 2 || (live < 7 && random() % 2)) {
		take(random);
	} else {
		const u32 ends = random() % 8 ? 1 : live;

		for (u32 i = 0; i < ends; i++)
			end(random());
		// a range that is empty now leaves at once
		if (ends == live && store_.ranges() > 2)
			store_.shrink(random);
	}
	reap(map_, mapLock_);
}

void Model::dropOldest()
{
	std::lock_guard lock(adminLock_);

	end(0);
	reap(map_, mapLock_);
	bool nothingLeft;
	{
		std::lock_guard mapLock(mapLock_);

		nothingLeft = live_.empty();
	}
	store_.dropped(nothingLeft);
}

void Model::keep(Random &random)
{
	if (store_.timer())
		dropOldest();
	if (!store_.writeOne(random))
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
}
