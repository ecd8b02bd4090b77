// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol in user space: an origin and a diff storage in memory, with threads that write, read
// images, write to an image, take, delete, extend, shrink, suspend and load foreign tables. They
// run the core's own files; only locks, disks and the carrying out of a job's actions are the
// model's.
//
// The oracle is exact: a take copies the whole origin while the gate is closed; an image read whose
// snapshot is still live when it ends must give what is in that copy. What was written to an
// overlay must be read from it.
//
// model.cpp has the writers, model_images.cpp the readers and the overlay, model_admin.cpp takes,
// ends and suspends, model_move.cpp the evacuation, model_store.* the diff storage, model_sync.*
// what threads wait at.
#pragma once

#include "model_store.h"

#include <array>
#include <optional>

class Model
{
public:
	static constexpr u64 chunks = 48;
	static constexpr u32 snapshots = 20000; // in one round at most

	using Random = ModelRandom;

	// Nobody is waited for longer than @patience.
	explicit Model(Mutant mutant = Mutant::NONE,
		       std::chrono::milliseconds patience = std::chrono::seconds(30));
	~Model();
	Model(const Model &) = delete;
	Model &operator=(const Model &) = delete;

	// One act of a thread, with its own random numbers.
	void write(Random &random);
	void readImage(Random &random);
	void useOverlay(Random &random);
	void administer(Random &random);
	void keep(Random &random); // the disks, and the hold's timer
	void move(Random &random); // the evacuation

	// To be called when no thread runs: why something is wrong, or "".
	std::string verdict();
	bool failed() const { return alarm_.raised(); }

	struct Counts
	{
		std::atomic<u64> writes{0}, jobs{0}, copies{0}, bad{0}, abandoned{0}, repeats{0},
			requeued{0}, reads{0}, judged{0}, unwatched{0}, takes{0}, ends{0}, freed{0},
			overlayWrites{0}, overlayReads{0}, foreign{0};
	};
	Counts counts;
	ModelStore::Counts &storeCounts() { return store_.counts; }

private:
	struct Job;
	struct Overlay;

	// model.cpp
	bool allSafe(u64 first, u64 last) const;
	void change(u64 first, u64 last, Random &random);
	bool passAtOnce(const Job &job, Random &random);
	sd_cow_event carryOut(sd_cow_action action, Job &job, Random &random);
	sd_cow_event lookup(Job &job);
	sd_cow_event takePlaces(Job &job);
	void readOld(Job &job, Random &random);
	sd_cow_event copy(Job &job, Random &random);
	sd_cow_event publish(Job &job, Random &random);
	void publishLocked(Job &job);
	void drain(const Job &job);
	void markSafe(const Job &job);
	void discard(Job &job);
	bool watchedSince(u64 since) const;

	// model_images.cpp
	std::optional<u32> liveSnapshot(Random &random);
	void judge(u32 s, u64 chunk, u64 value);
	void endOverlay();
	void writeOverlay(Overlay &overlay, u64 chunk, Random &random);
	void readOverlay(Overlay &overlay, u64 chunk, Random &random);
	std::shared_ptr<Overlay> overlay();

	// model_admin.cpp
	void take(Random &random);
	void end(u32 nth);
	u64 reap(sd_map *map, std::mutex &lock);
	void foreignTable(Random &random);
	void dropOldest();

	// model_move.cpp
	void moveAll(sd_map *map, std::mutex &lock, Overlay *overlay, u32 slot, Random &random);
	u32 keepMovable(sd_moving *found, u32 n);
	bool moveSome(sd_map *map, std::mutex &lock, u32 slot, const sd_moving *found, u32 n,
		      Random &random);

	Alarm alarm_;
	const Mutant mutant_;
	std::array<std::atomic<u64>, chunks> origin_{};
	std::array<std::atomic<bool>, chunks> believedSafe_{}; // of the mutant SAFE_FOR_NEWEST
	std::vector<std::array<u64, chunks>> copies_;	       // the oracle, by snapshot
	std::vector<std::atomic<bool>> valid_;
	std::atomic<u64> version_{1};

	Gate gate_;
	WaitingCells jobs_, reads_;
	std::mutex mapLock_, adminLock_, overlayLock_, leakLock_;
	sd_map *map_;
	ModelStore store_;
	std::vector<u32> live_; // under the map lock
	u32 newest_ = 0;
	std::shared_ptr<Overlay> overlay_; // under its lock
	std::atomic<bool> watched_{true}, noflush_{false};
	std::atomic<u64> watchNumber_{0};
	std::vector<std::unique_ptr<Job>> leaked_; // jobs of mutants that never let go
};

// A writable image's own chunks. One thread uses it; the evacuation comes in between.
struct Model::Overlay
{
	Overlay();
	~Overlay();
	Overlay(const Overlay &) = delete;
	Overlay &operator=(const Overlay &) = delete;

	u32 snapshot = 0;
	std::mutex lock;
	sd_map *map;
	WaitingCells cells;
	std::array<u64, chunks> expected{}; // 0: not written yet
};
