// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol in user space: an origin and a diff storage in memory, with threads that write, read
// images, take and delete. They run the core's own files; only locks, disks and the carrying out of
// a job's actions are the model's.
//
// The oracle is exact: a take copies the whole origin while the gate is closed; an image read whose
// snapshot is still live when it ends must give what is in that copy.
#pragma once

#include "core.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <vector>

// A step left out or done wrongly, to see whether the model finds it.
enum class Mutant {
	NONE,
	NO_DRAIN,	   // image reads are not waited for (rule 8)
	NO_LOOKUP,	   // what was to copy is not looked up again under the cells (rule 1)
	NO_CELLS,	   // jobs do not lock their chunks
	NO_CONFIRM,	   // the write goes without a last look-up in the gate (rule 10)
	NO_GATE_DRAIN,	   // a take does not wait for writes in flight
	PUBLISH_ABANDONED, // a copy is published though its snapshot ended (rule 4)
	NO_VALIDITY, // an image read does not ask at its end whether its snapshot lives (rule 2)
	NO_TRACKING, // image reads do not register (rule 8)
};

// What a write to the origin passes. Entering takes no lock.
class Gate
{
public:
	bool enter()
	{
		inside_.fetch_add(1);
		if (!closed_.load())
			return true;
		leave();
		return false;
	}
	void leave() { inside_.fetch_sub(1); }
	void close(bool drain);
	void open() { closed_.store(false); }
	bool closed() const { return closed_.load(); }

private:
	std::atomic<int> inside_{0};
	std::atomic<bool> closed_{false};
};

// Cells whose owners sleep until it is their turn.
class WaitingCells
{
public:
	struct Owner
	{
		sd_cell cell{};
		bool going = false;
	};

	WaitingCells() { sd_cells_init(&cells_); }
	void enter(Owner &owner, sd_cell_kind kind, u64 first, u64 last);
	void leave(Owner &owner);

private:
	std::mutex mutex_;
	std::condition_variable turn_;
	sd_cells cells_{};
};

class Model
{
public:
	static constexpr u64 chunks = 48;
	static constexpr u64 places = 400;
	static constexpr u32 snapshots = 20000; // in one run at most

	explicit Model(Mutant mutant = Mutant::NONE);
	~Model();
	Model(const Model &) = delete;
	Model &operator=(const Model &) = delete;

	// One act of a thread, with its own random numbers.
	using Random = std::minstd_rand;
	void write(Random &random);
	void readImage(Random &random);
	void administer(Random &random);

	// To be called when no thread runs: why something is wrong, or "".
	std::string verdict();
	std::string complaint();
	bool failed() const { return failed_.load(); }

	struct Counts
	{
		std::atomic<u64> writes{0}, jobs{0}, copies{0}, abandoned{0}, repeats{0}, reads{0},
			judged{0}, takes{0}, ends{0}, freed{0};
	};
	Counts counts;

private:
	struct Job;

	void complain(const std::string &what);
	void change(u64 first, u64 last, Random &random);
	sd_cow_event carryOut(sd_cow_action action, Job &job, Random &random);
	sd_cow_event lookup(Job &job);
	sd_cow_event takePlaces(Job &job);
	sd_cow_event readOld(Job &job, Random &random);
	sd_cow_event publish(Job &job);
	void giveBack(Job &job);
	void take();
	bool end(u32 nth);
	void reap();
	std::optional<u32> liveSnapshot(Random &random);
	void judge(u32 s, u64 chunk, u64 value);

	const Mutant mutant_;
	std::array<std::atomic<u64>, chunks> origin_{};
	std::vector<std::atomic<u64>> stored_;	      // by index of the only range
	std::vector<std::array<u64, chunks>> copies_; // the oracle, by snapshot
	std::vector<std::atomic<bool>> valid_;
	std::atomic<u64> version_{1};

	Gate gate_;
	WaitingCells jobs_, reads_;
	std::mutex mapLock_, storeLock_, adminLock_, complaintLock_;
	sd_map *map_;
	sd_space space_{};
	std::vector<u32> live_; // under the map lock
	u32 newest_ = 0;
	std::string complaint_;
	std::atomic<bool> failed_{false};
};
