// SPDX-License-Identifier: GPL-2.0-or-later
// The model's diff storage: ranges with disks in memory, segments with buffers that are written
// later, the hold, and what a shrink needs of them. The space and the policy are the core's.
#pragma once

#include "model_sync.h"

#include <array>
#include <list>
#include <memory>
#include <vector>

class ModelStore
{
public:
	// What is found where nothing was written, or any more.
	static constexpr u64 garbage = ~0ULL;
	static constexpr u64 mostPlaces = 160; // of a range

	struct Disk
	{
		// all have the same size: mutants go astray
		Disk() : data(mostPlaces) { wipe(); }
		void wipe()
		{
			for (auto &value : data)
				value.store(garbage, std::memory_order_relaxed);
		}

		std::vector<std::atomic<u64>> data;
		std::array<std::atomic<int>, 2> reads{};
		u32 phase = 0; // under the store's lock
		std::atomic<bool> closed{false};
	};

	struct Segment
	{
		explicit Segment(const sd_run &where)
			: run(where), data(where.count), dead(where.count)
		{
			for (auto &value : data)
				value.store(garbage, std::memory_order_relaxed);
		}

		const sd_run run;
		std::vector<std::atomic<u64>> data;
		// under the store's lock
		std::vector<bool> dead; // freed before it was written
		bool ready = false, writing = false;
		int refs = 1, pins = 0;
	};
	using SegmentRef = std::shared_ptr<Segment>;

	// Where a place was found: in a buffer, or on a disk.
	struct Found
	{
		SegmentRef segment;
		Disk *disk = nullptr;
		u32 part = 0, phase = 0;
		u64 index = 0;
	};

	ModelStore(Alarm &alarm, Mutant mutant);
	~ModelStore();
	ModelStore(const ModelStore &) = delete;
	ModelStore &operator=(const ModelStore &) = delete;

	// A segment of 1 to @want places; holds. Null: nobody needs it any more.
	SegmentRef take(u32 want, const std::function<bool()> &needed);
	SegmentRef tryTake(u32 want);
	// All parts that live are published: it may be written.
	void ready(const SegmentRef &segment);
	// Nothing of it is published.
	void discard(const SegmentRef &segment);
	void free(sd_place_t place);

	// Under the lock of the map in which the place was found.
	Found find(sd_place_t place);
	u64 read(const Found &found, ModelRandom &random) const;
	void release(Found &found);
	// To change the place where it lies; false: it is being written.
	bool pin(sd_place_t place, Found &found);
	void unpin(Found &found);

	// The disks: writes one segment, or none that is there just now.
	bool writeOne(ModelRandom &random);
	bool unwritten();

	void extend(u64 places);
	bool shrink(ModelRandom &random);
	void cancelShrink(ModelRandom &random);
	u32 ranges();

	// An evacuation's own.
	u32 shrinking();
	bool inBuffer(sd_place_t place);
	u64 readDisk(sd_place_t place, ModelRandom &random);
	void writeDisk(sd_place_t place, u64 value, ModelRandom &random);
	bool takeTarget(u32 slot, u32 want, sd_run *run);
	void giveTarget(const sd_run &run, u32 part);
	void waitForReaders(u32 slot);
	void leaveIfEmpty(u32 slot);

	// The hold's timer. True: snapshots are to be dropped, then dropped() called.
	bool timer();
	void dropped(bool nothingLeft);

	bool check();
	u64 used(); // places

	struct Counts
	{
		std::atomic<u64> written{0}, held{0}, drops{0}, extends{0}, shrinks{0}, moved{0},
			left{0};
	};
	Counts counts;

private:
	SegmentRef takeLocked(u32 want);
	SegmentRef at(sd_place_t place, u32 *part);
	void act(unsigned int actions);
	void spaceChanged(bool extended);
	void give(u32 slot, u64 index, u32 count);
	void drop(const SegmentRef &segment);
	static u64 now();

	Alarm &alarm_;
	const Mutant mutant_;
	std::mutex lock_;
	std::condition_variable released_;
	u64 releases_ = 0;
	sd_space space_{};
	sd_policy policy_{};
	std::vector<std::shared_ptr<Disk>>
		disks_;				 // by slot; of one that left until it is used again
	std::vector<std::shared_ptr<Disk>> all_; // who reads one that left must not fall over it
	std::list<SegmentRef> segments_;
	bool timerSet_ = false, dropWanted_ = false;
	u64 timerAt_ = 0, nextDev_ = 1;
};
