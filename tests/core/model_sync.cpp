// SPDX-License-Identifier: GPL-2.0-or-later
#include "model_sync.h"

#include <thread>

void dawdle(ModelRandom &random)
{
	if (random() % 3 == 0)
		std::this_thread::yield();
}

void dawdleLong(ModelRandom &random, unsigned oneIn)
{
	if (random() % oneIn == 0)
		std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
	else
		dawdle(random);
}

void Alarm::complain(const std::string &what)
{
	std::lock_guard lock(mutex_);

	if (what_.empty())
		what_ = what;
	raised_.store(true);
}

std::string Alarm::complaint()
{
	std::lock_guard lock(mutex_);

	return what_;
}

void Gate::close(Alarm &alarm, bool drain)
{
	closed_.store(true);
	if (drain)
		alarm.await([&] { return !inside_.load(); }, "a gate that does not drain");
}

void WaitingCells::enter(Alarm &alarm, Owner &owner, sd_cell_kind kind, u64 first, u64 last)
{
	std::unique_lock lock(mutex_);

	owner.going = sd_cells_enter(&cells_, &owner.cell, kind, first, last);
	alarm.sleep(
		lock, turn_, [&] { return owner.going; }, "cells that nobody leaves");
}

bool WaitingCells::tryEnter(Owner &owner, sd_cell_kind kind, u64 first, u64 last)
{
	std::lock_guard lock(mutex_);

	owner.going = sd_cells_enter(&cells_, &owner.cell, kind, first, last);
	if (!owner.going)
		leaveLocked(owner);
	return owner.going;
}

void WaitingCells::leave(Owner &owner)
{
	std::lock_guard lock(mutex_);

	leaveLocked(owner);
}

void WaitingCells::leaveLocked(Owner &owner)
{
	list_head ready;
	sd_cell *cell, *after;

	INIT_LIST_HEAD(&ready);
	sd_cells_leave(&cells_, &owner.cell, &ready);
	list_for_each_entry_safe(cell, after, &ready, ready) container_of(cell, Owner, cell)
		->going = true;
	turn_.notify_all();
}
