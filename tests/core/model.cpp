// SPDX-License-Identifier: GPL-2.0-or-later
#include "model.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace {

// Races want to be found on few processors too.
void dawdle(Model::Random &random)
{
	if (random() % 3 == 0)
		std::this_thread::yield();
}

} // namespace

void Gate::close(bool drain)
{
	closed_.store(true);
	while (drain && inside_.load())
		std::this_thread::yield();
}

void WaitingCells::enter(Owner &owner, sd_cell_kind kind, u64 first, u64 last)
{
	std::unique_lock lock(mutex_);

	owner.going = sd_cells_enter(&cells_, &owner.cell, kind, first, last);
	turn_.wait(lock, [&] { return owner.going; });
}

void WaitingCells::leave(Owner &owner)
{
	std::lock_guard lock(mutex_);
	list_head ready;
	sd_cell *cell, *after;

	INIT_LIST_HEAD(&ready);
	sd_cells_leave(&cells_, &owner.cell, &ready);
	list_for_each_entry_safe(cell, after, &ready, ready) container_of(cell, Owner, cell)
		->going = true;
	turn_.notify_all();
}

// A write on its way, as the module keeps one per bio.
struct Model::Job
{
	u64 first, last; // what it writes
	u64 start = 0;	 // the run being copied
	u32 count = 0, noted = 0;
	bool reserved = false, bad = false, looked = false;
	sd_run run{}; // places, if run.count
	std::vector<u64> data{};
	WaitingCells::Owner cell{};
};

Model::Model(Mutant mutant)
	: mutant_(mutant), stored_(places), copies_(snapshots), valid_(snapshots),
	  map_(sd_map_create(chunks))
{
	sd_range_id id = {.dev = 1, .start = 0, .len = places * 8, .group = 0, .last = false};
	sd_range **array = nullptr;

	sd_space_init(&space_, 8);
	sd_space_grow(&space_, &array);
	sd_space_add(&space_, sd_range_alloc(&space_, &id), array);
}

Model::~Model()
{
	sd_map_destroy(map_);
	sd_space_exit(&space_);
}

void Model::complain(const std::string &what)
{
	std::lock_guard lock(complaintLock_);

	if (complaint_.empty())
		complaint_ = what;
	failed_.store(true);
}

std::string Model::complaint()
{
	std::lock_guard lock(complaintLock_);

	return complaint_;
}

// The write itself, inside the gate.
void Model::change(u64 first, u64 last, Random &random)
{
	for (u64 chunk = first; chunk <= last; chunk++) {
		origin_[chunk].store(version_.fetch_add(1), std::memory_order_relaxed);
		dawdle(random);
	}
	counts.writes++;
}

void Model::write(Random &random)
{
	u64 first = random() % chunks;
	Job job{.first = first, .last = std::min<u64>(chunks - 1, first + random() % 6)};
	sd_cow machine{};

	if (gate_.enter()) {
		dawdle(random);
		bool safe = sd_map_all_safe(map_, job.first, job.last);
		if (safe)
			change(job.first, job.last, random);
		gate_.leave();
		if (safe)
			return;
	}
	counts.jobs++;
	if (mutant_ == Mutant::NO_LOOKUP)
		lookup(job); // too early: the cells are not locked
	sd_cow_action action = sd_cow_step(&machine, SD_COW_START);
	while (action != SD_COW_SUBMIT) {
		dawdle(random);
		action = sd_cow_step(&machine, carryOut(action, job, random));
	}
	change(job.first, job.last, random);
	gate_.leave();
}

sd_cow_event Model::carryOut(sd_cow_action action, Job &job, Random &random)
{
	switch (action) {
	case SD_COW_LOCK:
		if (mutant_ != Mutant::NO_CELLS)
			jobs_.enter(job.cell, SD_CELL_JOB, job.first, job.last);
		return SD_COW_OK;
	case SD_COW_LOOKUP:
		return lookup(job);
	case SD_COW_TAKE:
		return takePlaces(job);
	case SD_COW_READ:
		return readOld(job, random);
	case SD_COW_MARK_BAD:
		job.bad = true;
		return SD_COW_OK;
	case SD_COW_PUBLISH:
		return publish(job);
	case SD_COW_DRAIN:
		if (mutant_ != Mutant::NO_DRAIN) {
			WaitingCells::Owner drain;

			reads_.enter(drain, SD_CELL_DRAIN, job.start, job.start + job.count - 1);
			reads_.leave(drain);
		}
		return SD_COW_OK;
	case SD_COW_MARK_SAFE: {
		std::lock_guard lock(mapLock_);

		sd_map_mark_safe(map_, job.start, job.count);
		return SD_COW_OK;
	}
	case SD_COW_DISCARD:
		giveBack(job);
		counts.abandoned++;
		return SD_COW_OK;
	case SD_COW_UNLOCK:
		if (mutant_ != Mutant::NO_CELLS)
			jobs_.leave(job.cell);
		return SD_COW_OK;
	case SD_COW_GATE:
		return gate_.enter() ? SD_COW_OK : SD_COW_CLOSED;
	case SD_COW_CONFIRM:
		if (mutant_ == Mutant::NO_CONFIRM || sd_map_all_safe(map_, job.first, job.last))
			return SD_COW_SAFE;
		counts.repeats++;
		return SD_COW_RUN;
	case SD_COW_LEAVE:
		gate_.leave();
		return SD_COW_OK;
	case SD_COW_PARK:
		while (gate_.closed())
			std::this_thread::yield();
		return SD_COW_OK;
	default:
		complain("an action that has no place here");
		return SD_COW_OK;
	}
}

sd_cow_event Model::lookup(Job &job)
{
	std::lock_guard lock(mapLock_);

	if (mutant_ == Mutant::NO_LOOKUP && job.count && !job.looked) {
		job.looked = true; // believe what was found before the cells were locked
		return SD_COW_RUN;
	}
	job.count = sd_map_unsafe_run(map_, job.first, job.last, 4, true, &job.start);
	job.noted = sd_map_newest(map_);
	return job.count ? SD_COW_RUN : SD_COW_SAFE;
}

sd_cow_event Model::takePlaces(Job &job)
{
	void *spare = nullptr;
	bool taken;

	job.bad = false;
	{
		std::lock_guard lock(storeLock_);

		taken = sd_space_take(&space_, job.count, &job.run);
	}
	if (!taken) {
		job.run.count = 0;
		// overflow: the origin goes first
		std::lock_guard lock(adminLock_);
		end(0);
		reap();
		return SD_COW_ABANDON;
	}
	job.count = job.run.count;
	std::unique_lock lock(mapLock_);
	while (size_t bytes = sd_map_reserve(map_, job.start, job.count, &spare)) {
		lock.unlock();
		spare = sd_map_alloc(bytes);
		lock.lock();
	}
	lock.unlock();
	sd_free(spare);
	job.reserved = true;
	return SD_COW_OK;
}

sd_cow_event Model::readOld(Job &job, Random &random)
{
	job.data.clear();
	for (u64 chunk = job.start; chunk < job.start + job.count; chunk++) {
		job.data.push_back(origin_[chunk].load(std::memory_order_relaxed));
		dawdle(random);
	}
	if (random() % 16 == 0) // a slow disk
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
	return random() % 200 ? SD_COW_OK : SD_COW_FAIL;
}

sd_cow_event Model::publish(Job &job)
{
	std::vector<u64> unused;
	u64 place = job.run.index;

	for (u32 i = 0; i < job.count; i++)
		stored_[place + i].store(job.data[i], std::memory_order_relaxed);
	{
		std::lock_guard lock(mapLock_);

		if (sd_map_newest(map_) != job.noted && mutant_ != Mutant::PUBLISH_ABANDONED)
			return SD_COW_ABANDON;
		for (u32 i = 0; i < job.count; i++) {
			sd_place_t p = job.bad ? SD_PLACE_BAD : sd_place(0, place + i);

			bool published = sd_map_publish(map_, job.start + i, p);

			// the map refuses a second copy: no harm is done, but cells and the
			// look-up under them are there so that none is made
			if (!published)
				complain("a chunk was copied twice");
			if (!published || job.bad)
				unused.push_back(place + i);
		}
		job.reserved = false;
	}
	std::lock_guard lock(storeLock_);
	for (u64 index : unused)
		sd_space_give(&space_, 0, index, 1);
	job.run.count = 0;
	counts.copies += job.count;
	return SD_COW_OK;
}

void Model::giveBack(Job &job)
{
	if (job.reserved) {
		std::lock_guard lock(mapLock_);

		sd_map_unreserve(map_, job.start, job.count);
		job.reserved = false;
	}
	std::lock_guard lock(storeLock_);
	sd_space_give(&space_, 0, job.run.index, job.run.count);
	job.run.count = 0;
}

std::optional<u32> Model::liveSnapshot(Random &random)
{
	std::lock_guard lock(mapLock_);

	if (live_.empty())
		return std::nullopt;
	return live_[random() % live_.size()];
}

void Model::judge(u32 s, u64 chunk, u64 value)
{
	bool valid = mutant_ == Mutant::NO_VALIDITY || valid_[s].load(std::memory_order_acquire);

	if (!valid)
		return;
	counts.judged++;
	if (value != copies_[s][chunk])
		complain("image " + std::to_string(s) + " shows " + std::to_string(value) +
			 " at chunk " + std::to_string(chunk) + ", at its take was " +
			 std::to_string(copies_[s][chunk]));
}

void Model::readImage(Random &random)
{
	auto s = liveSnapshot(random);
	u64 chunk = random() % chunks, value;
	WaitingCells::Owner read;
	sd_place_t place = 0;
	bool kept;
	u32 run;

	if (!s) {
		std::this_thread::yield();
		return;
	}
	counts.reads++;
	// registers before it looks up; the locks are the full barriers
	if (mutant_ != Mutant::NO_TRACKING)
		reads_.enter(read, SD_CELL_READ, chunk, chunk);
	{
		std::lock_guard lock(mapLock_);

		kept = sd_map_lookup(map_, *s, chunk, 1, &place, &run);
	}
	dawdle(random);
	if (kept)
		value = place == SD_PLACE_BAD
				? 0
				: stored_[sd_place_index(place)].load(std::memory_order_relaxed);
	else
		value = origin_[chunk].load(std::memory_order_relaxed);
	dawdle(random);
	if (!kept || place != SD_PLACE_BAD)
		judge(*s, chunk, value);
	if (mutant_ != Mutant::NO_TRACKING)
		reads_.leave(read);
}

void Model::take()
{
	void *spare = nullptr;

	if (newest_ + 1 >= snapshots)
		return;
	sd_map_grow(map_, &spare);
	gate_.close(mutant_ != Mutant::NO_GATE_DRAIN);
	{
		std::lock_guard lock(mapLock_);

		newest_++;
		for (u64 chunk = 0; chunk < chunks; chunk++)
			copies_[newest_][chunk] = origin_[chunk].load(std::memory_order_relaxed);
		valid_[newest_].store(true);
		sd_map_take(map_, newest_, &spare);
		live_.push_back(newest_);
	}
	gate_.open();
	sd_free(spare);
	counts.takes++;
}

bool Model::end(u32 nth)
{
	std::lock_guard lock(mapLock_);

	if (live_.empty())
		return false;
	u32 s = live_[nth % live_.size()];
	// first invalid, then anything that follows from it
	valid_[s].store(false, std::memory_order_release);
	sd_map_end(map_, s);
	live_.erase(live_.begin() + nth % live_.size());
	counts.ends++;
	return true;
}

void Model::reap()
{
	sd_reap walk{};
	sd_place_t freed[8];
	bool done = false;
	u32 n;

	while (!done) {
		void *piece;
		{
			std::lock_guard lock(mapLock_);

			done = sd_map_reap(map_, &walk, 16, freed, 8, &n);
			piece = sd_map_retired(map_);
		}
		sd_free(piece);
		counts.freed += n;
		std::lock_guard lock(storeLock_);
		for (u32 i = 0; i < n; i++)
			sd_space_give(&space_, 0, sd_place_index(freed[i]), 1);
	}
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
	if (live && random() % 3 == 0) {
		// the newest ends, writers pass for a moment, and the next is taken
		end(random() % 4 ? live - 1 : random());
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 100));
		take();
	} else if (live < 2 || (live < 6 && random() % 2)) {
		take();
	} else {
		for (u32 ends = random() % 8 ? 1 : live; ends; ends--)
			end(random());
	}
	reap();
}

std::string Model::verdict()
{
	u64 held = sd_map_exceptions(map_) - sd_map_bad(map_);

	for (u32 s : live_) {
		for (u64 chunk = 0; chunk < chunks; chunk++) {
			sd_place_t place;
			u32 run;

			if (!sd_map_lookup(map_, s, chunk, 1, &place, &run))
				judge(s, chunk, origin_[chunk]);
			else if (place != SD_PLACE_BAD)
				judge(s, chunk, stored_[sd_place_index(place)]);
		}
	}
	if (!sd_map_check(map_))
		complain("the map's counts are wrong");
	if (!sd_space_check(&space_))
		complain("the space's counters are wrong");
	if (space_.used != held * space_.chunk)
		complain("places were lost or given twice");
	return complaint();
}
