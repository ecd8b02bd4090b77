// SPDX-License-Identifier: GPL-2.0-or-later
#include "model_store.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace {

constexpr u32 chunk = 8;
constexpr u32 holdMs = 15;

} // namespace

ModelStore::ModelStore(Alarm &alarm, Mutant mutant) : alarm_(alarm), mutant_(mutant)
{
	sd_space_init(&space_, chunk);
	sd_policy_init(&policy_);
	policy_.hold_ms = holdMs;
	sd_policy_set_low_water(&policy_, chunk * 8, 0);
	extend(mostPlaces);
	extend(mostPlaces);
}

ModelStore::~ModelStore()
{
	sd_space_exit(&space_);
}

u64 ModelStore::now()
{
	return std::chrono::duration_cast<std::chrono::milliseconds>(
		       std::chrono::steady_clock::now().time_since_epoch())
		.count();
}

// ---- the hold; all under the lock

void ModelStore::act(unsigned int actions)
{
	if (actions & SD_POLICY_RELEASE) {
		releases_++;
		released_.notify_all();
	}
	if (actions & SD_POLICY_ARM) {
		timerSet_ = true;
		timerAt_ = policy_.hold_end;
	}
	if (actions & SD_POLICY_DROP) {
		// whatever was told to the policy: this is what a drop is for
		if (space_.free)
			alarm_.complain("snapshots are to be dropped while places are free");
		dropWanted_ = true;
	}
}

void ModelStore::spaceChanged(bool extended)
{
	if (extended && mutant_ == Mutant::EXTEND_UNTOLD)
		return;
	act(sd_policy_space(&policy_, space_.free, extended));
}

bool ModelStore::timer()
{
	std::lock_guard lock(lock_);

	// a level, worked out again after every change: whatever changed it has said so
	if (policy_.free != space_.free)
		alarm_.complain("the policy was not told how much is free");
	if (timerSet_ && now() >= timerAt_) {
		timerSet_ = false;
		act(sd_policy_timer(&policy_, now()));
	}
	return std::exchange(dropWanted_, false);
}

void ModelStore::dropped(bool nothingLeft)
{
	std::lock_guard lock(lock_);

	counts.drops++;
	act(sd_policy_dropped(&policy_, space_.free, nothingLeft));
}

// ---- segments

ModelStore::SegmentRef ModelStore::takeLocked(u32 want)
{
	sd_run run{};

	if (!sd_space_take(&space_, want, &run))
		return nullptr;
	spaceChanged(false);
	return segments_.emplace_back(std::make_shared<Segment>(run));
}

ModelStore::SegmentRef ModelStore::tryTake(u32 want)
{
	std::lock_guard lock(lock_);

	return takeLocked(want);
}

ModelStore::SegmentRef ModelStore::take(u32 want, const std::function<bool()> &needed)
{
	std::unique_lock lock(lock_);
	bool waited = false;

	for (;;) {
		if (SegmentRef segment = takeLocked(want))
			return segment;
		if (waited && !needed())
			return nullptr;
		// a shrink costs no hold
		if (const u32 slot = sd_space_yields(&space_); slot != SD_NO_SLOT) {
			sd_space_unshrink(&space_, slot, SD_SHRINK_NO_SPACE);
			spaceChanged(false);
			continue;
		}
		const u64 before = releases_;
		counts.held++;
		act(sd_policy_held(&policy_, now()));
		alarm_.sleep(
			lock, released_, [&] { return releases_ != before; },
			"a held writer that nobody releases");
		act(sd_policy_unheld(&policy_, 1, now()));
		waited = true;
		if (alarm_.raised())
			return nullptr;
	}
}

// A free place may hold anything: it may be discarded, or be written by its next owner.
void ModelStore::give(u32 slot, u64 index, u32 count)
{
	Disk *disk = disks_[slot].get();

	// who gives what is not his is told so by the space
	for (u64 i = index; disk && i < index + count && i < disk->data.size(); i++)
		disk->data[i].store(garbage, std::memory_order_relaxed);
	sd_space_give(&space_, slot, index, count);
}

void ModelStore::ready(const SegmentRef &segment)
{
	std::lock_guard lock(lock_);

	segment->ready = true;
}

void ModelStore::discard(const SegmentRef &segment)
{
	std::lock_guard lock(lock_);

	segments_.remove(segment);
	give(segment->run.slot, segment->run.index, segment->run.count);
	drop(segment);
	spaceChanged(false);
}

void ModelStore::free(sd_place_t place)
{
	std::lock_guard lock(lock_);
	u32 part = 0;

	const SegmentRef segment = at(place, &part);
	if (segment && mutant_ != Mutant::FREED_WHILE_WRITTEN) {
		segment->dead[part] = true; // given back when it is written
		return;
	}
	give(sd_place_slot(place), sd_place_index(place), 1);
	spaceChanged(false);
}

// The buffer's pages are somebody else's when the last reference is gone.
void ModelStore::drop(const SegmentRef &segment)
{
	if (--segment->refs)
		return;
	for (auto &value : segment->data)
		value.store(garbage, std::memory_order_relaxed);
}

ModelStore::SegmentRef ModelStore::at(sd_place_t place, u32 *part)
{
	const u64 index = sd_place_index(place);

	for (const SegmentRef &segment : segments_) {
		const sd_run &run = segment->run;

		if (run.slot == sd_place_slot(place) && index >= run.index &&
		    index - run.index < run.count) {
			*part = index - run.index;
			return segment;
		}
	}
	return nullptr;
}

bool ModelStore::writeOne(ModelRandom &random)
{
	SegmentRef segment;
	Disk *disk;
	{
		std::lock_guard lock(lock_);

		for (const SegmentRef &each : segments_)
			if (each->ready && !each->writing && !each->pins && random() % 2)
				segment = each;
		if (!segment)
			return false;
		segment->writing = true;
		disk = disks_[segment->run.slot].get();
		if (mutant_ == Mutant::GONE_BEFORE_WRITTEN)
			segments_.remove(segment);
	}
	if (disk->closed.load())
		alarm_.complain("a buffer is to be written to a range that left");
	for (u32 i = 0; i < segment->run.count; i++) {
		dawdleLong(random, 24);
		disk->data[segment->run.index + i].store(
			segment->data[i].load(std::memory_order_relaxed),
			std::memory_order_relaxed);
	}
	dawdleLong(random, 4);
	std::lock_guard lock(lock_);
	segments_.remove(segment);
	for (u32 i = 0; i < segment->run.count; i++)
		if (segment->dead[i])
			give(segment->run.slot, segment->run.index + i, 1);
	drop(segment);
	spaceChanged(false);
	counts.written++;
	return true;
}

bool ModelStore::unwritten()
{
	std::lock_guard lock(lock_);

	return std::any_of(segments_.begin(), segments_.end(),
			   [](const SegmentRef &each) { return each->ready; });
}

// ---- reading a place

ModelStore::Found ModelStore::find(sd_place_t place)
{
	std::lock_guard lock(lock_);
	Found found;

	found.index = sd_place_index(place);
	found.segment = at(place, &found.part);
	if (found.segment) {
		found.segment->refs += mutant_ != Mutant::READ_UNREFERRED;
		return found;
	}
	found.disk = disks_[sd_place_slot(place)].get();
	found.phase = found.disk->phase;
	found.disk->reads[found.phase]++;
	return found;
}

u64 ModelStore::read(const Found &found, ModelRandom &random) const
{
	// long enough for a range to be emptied and to leave
	if (found.disk && random() % 64 == 0)
		std::this_thread::sleep_for(std::chrono::milliseconds(2));
	dawdleLong(random, 24);
	return found.segment ? found.segment->data[found.part].load(std::memory_order_relaxed)
			     : found.disk->data[found.index].load(std::memory_order_relaxed);
}

void ModelStore::release(Found &found)
{
	if (found.disk) {
		if (found.disk->closed.load())
			alarm_.complain("a range was closed while it was read");
		found.disk->reads[found.phase]--;
		return;
	}
	std::lock_guard lock(lock_);
	if (mutant_ != Mutant::READ_UNREFERRED)
		drop(found.segment);
}

bool ModelStore::pin(sd_place_t place, Found &found)
{
	std::lock_guard lock(lock_);

	found = {};
	found.index = sd_place_index(place);
	found.segment = at(place, &found.part);
	if (!found.segment) {
		found.disk = disks_[sd_place_slot(place)].get();
		return true;
	}
	if (found.segment->writing && mutant_ != Mutant::OVERLAY_CHANGES_WRITTEN)
		return false;
	found.segment->pins++;
	return true;
}

void ModelStore::unpin(Found &found)
{
	std::lock_guard lock(lock_);

	if (found.segment)
		found.segment->pins--;
}

bool ModelStore::check()
{
	std::lock_guard lock(lock_);

	return sd_space_check(&space_);
}

u64 ModelStore::used()
{
	std::lock_guard lock(lock_);

	return space_.used / chunk;
}

// ---- ranges

void ModelStore::extend(u64 places)
{
	std::lock_guard lock(lock_);
	const sd_range_id id = {.dev = nextDev_++,
				.start = 0,
				.len = places * chunk,
				.group = static_cast<u32>(nextDev_ % 3),
				.last = false};
	sd_range **array = nullptr;

	sd_space_grow(&space_, &array);
	const u32 slot = sd_space_next(&space_);
	sd_free(sd_space_add(&space_, sd_range_alloc(&space_, &id), array));
	if (slot == disks_.size())
		disks_.emplace_back();
	disks_[slot] = all_.emplace_back(std::make_shared<Disk>());
	counts.extends++;
	spaceChanged(true);
}

u32 ModelStore::ranges()
{
	std::lock_guard lock(lock_);

	return space_.filled;
}

bool ModelStore::shrink(ModelRandom &random)
{
	std::lock_guard lock(lock_);
	const u32 slot = random() % space_.count;
	const char *why;

	if (space_.filled < 2 || !space_.ranges[slot] || sd_space_shrink(&space_, slot, &why))
		return false;
	counts.shrinks++;
	spaceChanged(false);
	return true;
}

void ModelStore::cancelShrink(ModelRandom &random)
{
	std::lock_guard lock(lock_);
	const u32 slot = random() % space_.count;

	if (space_.ranges[slot] && sd_space_unshrink(&space_, slot, SD_SHRINK_CANCELLED))
		spaceChanged(false);
}

u32 ModelStore::shrinking()
{
	std::lock_guard lock(lock_);

	return sd_space_shrinking(&space_, SD_NO_SLOT);
}

bool ModelStore::inBuffer(sd_place_t place)
{
	std::lock_guard lock(lock_);
	u32 part;

	return at(place, &part) != nullptr;
}

// Disks of a range that shrinks stay: only the evacuation itself lets it leave.
u64 ModelStore::readDisk(sd_place_t place, ModelRandom &random)
{
	Disk *disk;
	{
		std::lock_guard lock(lock_);

		disk = disks_[sd_place_slot(place)].get();
	}
	dawdleLong(random, 16);
	return disk->data[sd_place_index(place)].load(std::memory_order_relaxed);
}

void ModelStore::writeDisk(sd_place_t place, u64 value, ModelRandom &random)
{
	Disk *disk;
	{
		std::lock_guard lock(lock_);

		disk = disks_[sd_place_slot(place)].get();
	}
	dawdleLong(random, 8);
	disk->data[sd_place_index(place)].store(value, std::memory_order_relaxed);
}

bool ModelStore::takeTarget(u32 slot, u32 want, sd_run *run)
{
	std::lock_guard lock(lock_);
	const sd_range *range = space_.ranges[slot];

	if (!range || range->shrink != SD_SHRINK_MOVING)
		return false;
	const bool taken = sd_space_take(&space_, want, run);
	if (!taken)
		sd_space_unshrink(&space_, slot, SD_SHRINK_NO_SPACE);
	spaceChanged(false);
	return taken;
}

void ModelStore::giveTarget(const sd_run &run, u32 part)
{
	std::lock_guard lock(lock_);

	give(run.slot, run.index + part, 1);
	spaceChanged(false);
}

void ModelStore::waitForReaders(u32 slot)
{
	Disk *disk;
	u32 old;
	{
		std::lock_guard lock(lock_);

		disk = disks_[slot].get();
		old = disk->phase;
		disk->phase = !old; // which has no reads: the last change waited for them
	}
	alarm_.await([&] { return !disk->reads[old].load(); }, "readers of a place that was moved");
}

void ModelStore::leaveIfEmpty(u32 slot)
{
	std::lock_guard lock(lock_);
	Disk &disk = *disks_[slot];
	const bool read = mutant_ != Mutant::LEFT_UNDER_READERS &&
			  (disk.reads[0].load() || disk.reads[1].load());

	if (read || !space_.ranges[slot] || !sd_space_leave(&space_, slot))
		return;
	sd_range_free(sd_space_remove(&space_, slot));
	// whoever reads it still gets what another owner of the disk wrote
	disk.wipe();
	disk.closed.store(true);
	counts.left++;
}
