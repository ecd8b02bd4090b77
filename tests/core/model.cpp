// SPDX-License-Identifier: GPL-2.0-or-later
// The model's writers, and its verdict.
#include "model.h"

#include <algorithm>
#include <thread>

// A write on its way, as the module keeps one per bio.
struct Model::Job
{
	u64 first, last; // what it writes
	u64 start = 0;	 // the run being copied
	u32 count = 0, noted = 0;
	u64 watch = 0; // the watch over the origin in which its read began
	bool reserved = false, bad = false, looked = false;
	ModelStore::SegmentRef segment{};
	WaitingCells::Owner cell{};
};

Model::Model(Mutant mutant, std::chrono::milliseconds patience)
	: alarm_(patience), mutant_(mutant), copies_(snapshots), valid_(snapshots),
	  map_(sd_map_create(chunks)), store_(alarm_, mutant)
{
}

Model::~Model()
{
	sd_map_destroy(map_);
}

bool Model::allSafe(u64 first, u64 last) const
{
	if (mutant_ != Mutant::SAFE_FOR_NEWEST)
		return sd_map_all_safe(map_, first, last);
	for (u64 chunk = first; chunk <= last; chunk++)
		if (!believedSafe_[chunk].load() && !sd_map_all_safe(map_, chunk, chunk))
			return false;
	return true;
}

bool Model::watchedSince(u64 since) const
{
	return watched_.load() && watchNumber_.load() == since;
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

bool Model::passAtOnce(const Job &job, Random &random)
{
	const bool looked = mutant_ == Mutant::LOOKED_BEFORE_GATE && allSafe(job.first, job.last);

	if (looked)
		dawdleLong(random, 8); // only a take in between tells it
	if (!gate_.enter(false))
		return false;
	dawdle(random);
	const bool safe = looked || allSafe(job.first, job.last);
	if (safe)
		change(job.first, job.last, random);
	gate_.leave();
	return safe;
}

void Model::write(Random &random)
{
	constexpr u32 longestJob = 50000; // steps
	const u64 first = random() % chunks;
	auto job = std::make_unique<Job>(
		Job{.first = first, .last = std::min<u64>(chunks - 1, first + random() % 6)});
	sd_cow machine{};

	if (passAtOnce(*job, random))
		return;
	counts.jobs++;
	if (mutant_ == Mutant::NO_LOOKUP)
		lookup(*job); // too early: the cells are not locked
	sd_cow_action action = sd_cow_step(&machine, SD_COW_START);
	for (u32 steps = 0; action != SD_COW_SUBMIT && action != SD_COW_GIVE_BACK; steps++) {
		if (steps == longestJob)
			alarm_.complain("a write that never comes to its end");
		if (alarm_.raised())
			break;
		dawdle(random);
		action = sd_cow_step(&machine, carryOut(action, *job, random));
	}
	if (action == SD_COW_SUBMIT) {
		change(job->first, job->last, random);
		gate_.leave();
	} else if (action == SD_COW_GIVE_BACK) {
		counts.requeued++;
	}
	if (!job->cell.cell.in)
		return;
	std::lock_guard lock(leakLock_);
	leaked_.push_back(std::move(job)); // its cell is in the list for ever
}

sd_cow_event Model::carryOut(sd_cow_action action, Job &job, Random &random)
{
	switch (action) {
	case SD_COW_LOCK:
		if (mutant_ != Mutant::NO_CELLS && !job.cell.cell.in)
			jobs_.enter(alarm_, job.cell, SD_CELL_JOB, job.first, job.last);
		return SD_COW_OK;
	case SD_COW_LOOKUP:
		return lookup(job);
	case SD_COW_TAKE:
		if (noflush_.load())
			return SD_COW_REQUEUE;
		return takePlaces(job);
	case SD_COW_READ:
		return copy(job, random);
	case SD_COW_MARK_BAD:
		job.bad = mutant_ != Mutant::NO_MARK_BAD;
		return SD_COW_OK;
	case SD_COW_PUBLISH:
		return publish(job, random);
	case SD_COW_DRAIN:
		if (mutant_ != Mutant::NO_DRAIN && mutant_ != Mutant::DRAIN_EARLY)
			drain(job);
		return SD_COW_OK;
	case SD_COW_MARK_SAFE:
		if (mutant_ == Mutant::SAFE_FOR_NEWEST)
			dawdleLong(random, 2); // only a take in between tells it
		if (mutant_ != Mutant::NO_MARK_SAFE)
			markSafe(job);
		return SD_COW_OK;
	case SD_COW_DISCARD:
		if (mutant_ != Mutant::NO_DISCARD)
			discard(job);
		counts.abandoned++;
		return SD_COW_OK;
	case SD_COW_UNLOCK:
		if (mutant_ != Mutant::NO_CELLS && mutant_ != Mutant::NO_UNLOCK)
			jobs_.leave(job.cell);
		return SD_COW_OK;
	case SD_COW_GATE:
		return gate_.enter(mutant_ == Mutant::GATE_IGNORED) ? SD_COW_OK : SD_COW_CLOSED;
	case SD_COW_CONFIRM:
		if (mutant_ == Mutant::NO_CONFIRM || allSafe(job.first, job.last))
			return SD_COW_SAFE;
		counts.repeats++;
		return SD_COW_RUN;
	case SD_COW_LEAVE:
		if (mutant_ != Mutant::NO_LEAVE)
			gate_.leave();
		return SD_COW_OK;
	case SD_COW_PARK:
		alarm_.await([&] { return !gate_.closed() || noflush_.load(); },
			     "a gate that nobody opens");
		return gate_.closed() && noflush_.load() ? SD_COW_REQUEUE : SD_COW_OK;
	default:
		alarm_.complain("an action that has no place here");
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
	if (mutant_ == Mutant::SAFE_FOR_NEWEST && allSafe(job.first, job.last))
		return SD_COW_SAFE;
	job.count = sd_map_unsafe_run(map_, job.first, job.last, 4, true, &job.start);
	job.noted = sd_map_newest(map_);
	return job.count ? SD_COW_RUN : SD_COW_SAFE;
}

sd_cow_event Model::takePlaces(Job &job)
{
	void *spare = nullptr;

	job.bad = false;
	job.segment = store_.take(job.count, [&] { return sd_map_newest(map_) == job.noted; });
	if (!job.segment)
		return SD_COW_ABANDON;
	job.count = job.segment->run.count;
	if (mutant_ == Mutant::NO_RESERVE)
		return SD_COW_OK;
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

void Model::readOld(Job &job, Random &random)
{
	for (u32 i = 0; i < job.count; i++) {
		job.segment->data[i].store(origin_[job.start + i].load(std::memory_order_relaxed),
					   std::memory_order_relaxed);
		dawdle(random);
	}
	dawdleLong(random, 16);
}

sd_cow_event Model::copy(Job &job, Random &random)
{
	job.watch = watched_.load() ? watchNumber_.load() : ~0ULL;
	if (mutant_ == Mutant::DRAIN_EARLY)
		drain(job);
	if (mutant_ == Mutant::READ_LATE)
		return SD_COW_OK;
	readOld(job, random);
	if (random() % 40)
		return SD_COW_OK;
	job.segment->data[0].store(ModelStore::garbage, std::memory_order_relaxed);
	return SD_COW_FAIL;
}

sd_cow_event Model::publish(Job &job, Random &random)
{
	bool needed = mutant_ == Mutant::PUBLISH_ABANDONED;

	if (mutant_ == Mutant::PUBLISH_UNLOCKED) {
		needed = sd_map_newest(map_) == job.noted;
		dawdleLong(random, 2);
	}
	if (mutant_ == Mutant::NO_PUBLISH) {
		discard(job);
		return SD_COW_OK;
	}
	{
		std::lock_guard lock(mapLock_);

		if (mutant_ != Mutant::PUBLISH_UNLOCKED)
			needed |= sd_map_newest(map_) == job.noted;
		if (mutant_ != Mutant::PUBLISH_UNWATCHED)
			needed &= watchedSince(job.watch);
		if (!needed)
			return SD_COW_ABANDON;
		publishLocked(job);
	}
	if (mutant_ == Mutant::READ_LATE)
		readOld(job, random);
	store_.ready(job.segment);
	job.segment.reset();
	counts.copies += job.count;
	counts.bad += job.bad ? job.count : 0;
	return SD_COW_OK;
}

void Model::publishLocked(Job &job)
{
	const sd_run &run = job.segment->run;

	for (u32 i = 0; i < job.count; i++) {
		const sd_place_t place = sd_place(run.slot, run.index + i);
		const bool published =
			sd_map_publish(map_, job.start + i, job.bad ? SD_PLACE_BAD : place);

		// the map refuses a second copy: no harm is done, but cells and the look-up under
		// them are there so that none is made
		if (!published)
			alarm_.complain("a chunk was copied twice");
		if (!published || job.bad)
			store_.free(place);
	}
	job.reserved = false;
}

void Model::drain(const Job &job)
{
	WaitingCells::Owner owner;

	reads_.enter(alarm_, owner, SD_CELL_DRAIN, job.start, job.start + job.count - 1);
	reads_.leave(owner);
}

void Model::markSafe(const Job &job)
{
	std::lock_guard lock(mapLock_);

	sd_map_mark_safe(map_, job.start, job.count);
	for (u64 chunk = job.start; chunk < job.start + job.count; chunk++)
		believedSafe_[chunk].store(true);
}

void Model::discard(Job &job)
{
	if (job.reserved) {
		std::lock_guard lock(mapLock_);

		sd_map_unreserve(map_, job.start, job.count);
		job.reserved = false;
	}
	if (job.segment)
		store_.discard(job.segment);
	job.segment.reset();
}

std::string Model::verdict()
{
	Random random(1);

	// after a complaint jobs were left where they stood
	if (failed())
		return alarm_.complaint();
	endOverlay();
	reap(map_, mapLock_);
	while (store_.unwritten())
		store_.writeOne(random);
	for (u32 s : live_) {
		for (u64 chunk = 0; chunk < chunks; chunk++) {
			sd_place_t place;
			u32 run;

			if (!sd_map_lookup(map_, s, chunk, 1, &place, &run))
				judge(s, chunk, origin_[chunk]);
			else if (place != SD_PLACE_BAD)
				judge(s, chunk, store_.readDisk(place, random));
		}
	}
	if (!sd_map_check(map_))
		alarm_.complain("the map's counts are wrong");
	if (!store_.check())
		alarm_.complain("the space's counters are wrong");
	if (store_.used() != sd_map_exceptions(map_) - sd_map_bad(map_))
		alarm_.complain("places were lost or given twice");
	return alarm_.complaint();
}
