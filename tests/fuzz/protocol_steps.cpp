// SPDX-License-Identifier: GPL-2.0-or-later
// What each step of the protocol does to origin, storage and those who wait.
#include "protocol_steps.h"

#include <algorithm>

ProtocolSteps::ProtocolSteps() : map_(sd_map_create(chunks))
{
	const sd_range_id id = {.dev = 1, .start = 0, .len = places * 8, .group = 0, .last = false};
	sd_range **array = nullptr;

	sd_cells_init(&jobs_, 1);
	sd_cells_init(&reads_, 1);
	sd_space_init(&space_, 8);
	sd_space_grow(&space_, &array);
	sd_space_add(&space_, sd_range_alloc(&space_, &id), array);
}

ProtocolSteps::~ProtocolSteps()
{
	sd_map_destroy(map_);
	sd_space_exit(&space_);
}

void ProtocolSteps::enter(sd_cells &cells, Cell &cell, sd_cell_kind kind, u64 first, u64 last)
{
	cell.going = sd_cells_enter(&cells, &cell.cell, kind, first, last);
}

void ProtocolSteps::leave(sd_cells &cells, Cell &cell)
{
	list_head ready;
	sd_cell *woken, *after;

	INIT_LIST_HEAD(&ready);
	sd_cells_leave(&cells, &cell.cell, &ready);
	list_for_each_entry_safe(woken, after, &ready, ready) container_of(woken, Cell, cell)
		->going = true;
}

void ProtocolSteps::step(Input &in)
{
	const u8 what = in.below(32), choice = in.byte();

	if (what < 16) {
		Writer &w = writers_[what % writers_.size()];

		if (w.active)
			go(w, choice);
		else
			begin(w, choice, in.byte());
	} else if (what < 24) {
		go(readers_[what % readers_.size()], choice);
	} else if (what < 26) {
		closed_ = true;
	} else if (what < 28) {
		if (closed_ && !inside_)
			take();
	} else if (what == 28) {
		end(choice);
	} else if (what == 29) {
		reap();
	} else if (what == 30) {
		watch(choice);
	} else {
		noflush_ = choice % 2;
	}
}

void ProtocolSteps::begin(Writer &w, u8 first, u8 length)
{
	w = {};
	w.active = true;
	w.first = first % chunks;
	w.last = std::min<u64>(chunks - 1, w.first + length % 5);
	if (!closed_ && watched_ && sd_map_all_safe(map_, w.first, w.last)) {
		w.inside = true;
		w.next = w.first;
		inside_++;
		return;
	}
	sd_cow_step(&w.machine, SD_COW_START);
	REQUIRE(!w.monitor.refuse(SD_COW_LOCK));
}

bool ProtocolSteps::go(Writer &w, u8 choice)
{
	if (w.inside) {
		submit(w);
		return true;
	}
	const auto action = static_cast<sd_cow_action>(w.machine.action);
	const auto event = carryOut(w, choice);
	if (!event)
		return false;
	w.monitor.note(action, *event);
	const sd_cow_action next = sd_cow_step(&w.machine, *event);
	if (const char *why = w.monitor.refuse(next)) {
		std::fprintf(stderr, "%s: %s\n", sd_cow_action_name(next), why);
		std::abort();
	}
	if (next == SD_COW_SUBMIT) {
		w.inside = true;
		w.next = w.first;
	} else if (next == SD_COW_GIVE_BACK) {
		REQUIRE(!w.run.count && !w.reserved);
		w.active = false;
	}
	return true;
}

// Nothing: the answer is not there yet.
std::optional<sd_cow_event> ProtocolSteps::carryOut(Writer &w, u8 choice)
{
	switch (static_cast<sd_cow_action>(w.machine.action)) {
	case SD_COW_LOCK:
		if (!w.lock.cell.in)
			enter(jobs_, w.lock, SD_CELL_JOB, w.first, w.last);
		return w.lock.going ? std::optional(SD_COW_OK) : std::nullopt;
	case SD_COW_LOOKUP:
		return lookup(w);
	case SD_COW_TAKE:
		return noflush_ ? SD_COW_REQUEUE : takePlaces(w);
	case SD_COW_READ:
		if (w.data.empty())
			w.watch = watched_ ? watchNumber_ : ~0ULL;
		if (w.data.size() < w.count) {
			w.data.push_back(origin_[w.start + w.data.size()]);
			return std::nullopt;
		}
		w.bad = choice % 32 == 0;
		return w.bad ? SD_COW_FAIL : SD_COW_OK;
	case SD_COW_MARK_BAD:
		return SD_COW_OK;
	case SD_COW_PUBLISH:
		return publish(w);
	case SD_COW_DRAIN:
		if (!w.drain.cell.in)
			enter(reads_, w.drain, SD_CELL_DRAIN, w.start, w.start + w.count - 1);
		if (!w.drain.going)
			return std::nullopt;
		leave(reads_, w.drain);
		return SD_COW_OK;
	case SD_COW_MARK_SAFE:
		sd_map_mark_safe(map_, w.start, w.count);
		return SD_COW_OK;
	case SD_COW_DISCARD:
		discard(w);
		return SD_COW_OK;
	case SD_COW_UNLOCK:
		leave(jobs_, w.lock);
		return SD_COW_OK;
	case SD_COW_GATE:
		if (closed_)
			return SD_COW_CLOSED;
		inside_++;
		return SD_COW_OK;
	case SD_COW_CONFIRM:
		return sd_map_all_safe(map_, w.first, w.last) ? SD_COW_SAFE : SD_COW_RUN;
	case SD_COW_LEAVE:
		inside_--;
		return SD_COW_OK;
	case SD_COW_PARK:
		if (noflush_)
			return SD_COW_REQUEUE;
		return closed_ ? std::nullopt : std::optional(SD_COW_OK);
	default:
		std::abort();
	}
}

sd_cow_event ProtocolSteps::lookup(Writer &w)
{
	w.count = sd_map_unsafe_run(map_, w.first, w.last, 3, true, &w.start);
	w.noted = sd_map_newest(map_);
	return w.count ? SD_COW_RUN : SD_COW_SAFE;
}

sd_cow_event ProtocolSteps::takePlaces(Writer &w)
{
	void *spare = nullptr;

	w.data.clear();
	w.bad = false;
	if (!sd_space_take(&space_, w.count, &w.run)) {
		w.run.count = 0;
		end(0);
		reap();
		return SD_COW_ABANDON;
	}
	w.count = w.run.count;
	while (size_t bytes = sd_map_reserve(map_, w.start, w.count, &spare))
		spare = sd_map_alloc(bytes);
	sd_free(spare);
	w.reserved = true;
	return SD_COW_OK;
}

sd_cow_event ProtocolSteps::publish(Writer &w)
{
	if (sd_map_newest(map_) != w.noted || !watchedSince(w.watch))
		return SD_COW_ABANDON;
	for (u32 i = 0; i < w.count; i++) {
		const sd_place_t place = sd_place(w.run.slot, w.run.index + i);

		// cells and the look-up under them are there so that no chunk is copied twice
		REQUIRE(sd_map_publish(map_, w.start + i, w.bad ? SD_PLACE_BAD : place));
		if (w.bad)
			sd_space_give(&space_, w.run.slot, w.run.index + i, 1);
		else
			stored_[place] = w.data[i];
	}
	w.reserved = false;
	w.run.count = 0;
	return SD_COW_OK;
}

void ProtocolSteps::discard(Writer &w)
{
	if (w.reserved)
		sd_map_unreserve(map_, w.start, w.count);
	if (w.run.count)
		sd_space_give(&space_, w.run.slot, w.run.index, w.run.count);
	w.reserved = false;
	w.run.count = 0;
}

void ProtocolSteps::submit(Writer &w)
{
	if (w.next <= w.last) {
		origin_[w.next++] = ++version_;
		return;
	}
	inside_--;
	w.active = w.inside = false;
}

void ProtocolSteps::go(Reader &r, u8 choice)
{
	u32 run;

	switch (r.next) {
	case Reader::IDLE:
		if (live_.empty())
			return;
		r.s = std::next(live_.begin(), choice % live_.size())->first;
		r.chunk = choice / 4 % chunks;
		enter(reads_, r.cell, SD_CELL_READ, r.chunk, r.chunk);
		r.next = Reader::LOOKUP;
		break;
	case Reader::LOOKUP:
		r.next = Reader::IDLE;
		if (live_.count(r.s)) {
			r.kept = sd_map_lookup(map_, r.s, r.chunk, 1, &r.place, &run);
			r.watch = watched_ ? watchNumber_ : ~0ULL;
			r.next = Reader::READ;
		}
		if (r.next == Reader::IDLE || r.kept) // what the storage has needs no tracking
			leave(reads_, r.cell);
		break;
	case Reader::READ:
		if (r.kept && r.place == SD_PLACE_BAD)
			r.value = 0;
		else
			r.value = r.kept ? stored_[r.place] : origin_[r.chunk];
		r.next = Reader::JUDGE;
		break;
	case Reader::JUDGE:
		judge(r);
		if (!r.kept)
			leave(reads_, r.cell);
		r.next = Reader::IDLE;
		break;
	}
}

void ProtocolSteps::judge(const Reader &r) const
{
	const auto image = live_.find(r.s);

	if (image == live_.end() || (r.kept && r.place == SD_PLACE_BAD))
		return;
	if (!r.kept && !watchedSince(r.watch))
		return;
	REQUIRE(r.value == image->second[r.chunk]);
}

void ProtocolSteps::take()
{
	void *spare = nullptr;

	closed_ = false;
	if (live_.size() >= 5 || !watched_)
		return;
	REQUIRE(!sd_map_grow(map_, &spare));
	sd_map_take(map_, ++layer_, &spare);
	sd_free(spare);
	live_[layer_] = origin_;
}

void ProtocolSteps::end(u8 nth)
{
	if (live_.empty())
		return;
	const auto image = std::next(live_.begin(), nth % live_.size());
	sd_map_end(map_, image->first);
	live_.erase(image);
}

void ProtocolSteps::reap()
{
	sd_reap walk{};
	sd_place_t freed[3];
	bool done = false;
	u32 n;

	while (!done) {
		done = sd_map_reap(map_, &walk, 5, freed, 3, &n);
		for (u32 i = 0; i < n; i++)
			sd_space_give(&space_, sd_place_slot(freed[i]), sd_place_index(freed[i]),
				      1);
		while (void *piece = sd_map_retired(map_))
			sd_free(piece);
	}
}

// Postsuspend; a foreign table that lets a write pass; resume, after which nothing is known any
// more if there was a foreign one.
void ProtocolSteps::watch(u8 choice)
{
	if (watched_) {
		// a suspend waits for what is inside
		if (inside_)
			return;
		watched_ = false;
		watchNumber_++;
		closed_ = true;
		foreign_ = false;
	} else if (choice % 2) {
		foreign_ = true;
		origin_[choice / 2 % chunks] = ++version_;
	} else {
		while (foreign_ && !live_.empty())
			end(0);
		watched_ = true;
		closed_ = false;
	}
}

void ProtocolSteps::finish()
{
	noflush_ = false;
	if (!watched_)
		watch(0);
	closed_ = false;
	for (u32 round = 0; round < 4000; round++) {
		bool busy = false;

		for (Writer &w : writers_) {
			if (w.active)
				go(w, 1);
			busy |= w.active;
		}
		for (Reader &r : readers_) {
			if (r.next != Reader::IDLE)
				go(r, 1);
			busy |= r.next != Reader::IDLE;
		}
		if (!busy)
			break;
		REQUIRE(round < 3999);
	}
	REQUIRE(!inside_ && !jobs_.count && !reads_.count);
	reap();
	for (const auto &[s, contents] : live_) {
		for (u64 chunk = 0; chunk < chunks; chunk++) {
			Reader r;
			u32 run;

			r.s = s;
			r.chunk = chunk;
			r.watch = watchNumber_;
			r.kept = sd_map_lookup(map_, s, chunk, 1, &r.place, &run);
			if (!r.kept || r.place != SD_PLACE_BAD)
				r.value = r.kept ? stored_[r.place] : origin_[chunk];
			judge(r);
		}
	}
	REQUIRE(sd_map_check(map_));
	REQUIRE(sd_space_check(&space_));
	REQUIRE(space_.used == (sd_map_exceptions(map_) - sd_map_bad(map_)) * space_.chunk);
}
