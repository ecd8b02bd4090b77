// SPDX-License-Identifier: GPL-2.0-or-later
// What the model's threads wait at: the gate and the cells. Waits end when something is wrong.
#pragma once

#include "core.h"
#include "model_mutant.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <string>

using ModelRandom = std::minstd_rand;

// Races want to be found on few processors too.
void dawdle(ModelRandom &random);
// A slow disk, one time in @oneIn.
void dawdleLong(ModelRandom &random, unsigned oneIn);

// The first thing that is wrong; and how long anybody is waited for.
class Alarm
{
public:
	explicit Alarm(std::chrono::milliseconds patience) : patience_(patience) {}

	void complain(const std::string &what);
	std::string complaint();
	bool raised() const { return raised_.load(); }

	// Yields until @done; false if the alarm was raised or time is over, which raises it.
	template<class Done>
	bool await(Done done, const char *what)
	{
		const auto end = std::chrono::steady_clock::now() + patience_;

		while (!done()) {
			if (raised())
				return false;
			if (std::chrono::steady_clock::now() > end) {
				complain(std::string("waits without end: ") + what);
				return false;
			}
			std::this_thread::yield();
		}
		return true;
	}

	// The same at a condition; @lock is held before and after.
	template<class Done>
	bool sleep(std::unique_lock<std::mutex> &lock, std::condition_variable &turn, Done done,
		   const char *what)
	{
		const auto end = std::chrono::steady_clock::now() + patience_;

		while (!turn.wait_for(lock, std::chrono::milliseconds(50), done)) {
			if (raised())
				return false;
			if (std::chrono::steady_clock::now() > end) {
				complain(std::string("waits without end: ") + what);
				return false;
			}
		}
		return true;
	}

private:
	std::chrono::milliseconds patience_;
	std::mutex mutex_;
	std::string what_;
	std::atomic<bool> raised_{false};
};

// What a write to the origin passes. Entering takes no lock.
class Gate
{
public:
	bool enter(bool whateverItIs)
	{
		inside_.fetch_add(1);
		if (!closed_.load() || whateverItIs)
			return true;
		leave();
		return false;
	}
	void leave() { inside_.fetch_sub(1); }
	void close(Alarm &alarm, bool drain);
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

	WaitingCells() { sd_cells_init(&cells_, 1); }
	void enter(Alarm &alarm, Owner &owner, sd_cell_kind kind, u64 first, u64 last);
	// False, and not in, if it would have to wait.
	bool tryEnter(Owner &owner, sd_cell_kind kind, u64 first, u64 last);
	void leave(Owner &owner);

private:
	void leaveLocked(Owner &owner);

	std::mutex mutex_;
	std::condition_variable turn_;
	sd_cells cells_{};
};
