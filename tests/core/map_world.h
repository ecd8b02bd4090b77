// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk map and its shadow: writers, takes, ends and reaping in any order.
//
// The shadow has two halves. One knows contents: what each chunk holds, what each place holds, and
// a copy of all contents for each live snapshot, which its image must show. The other knows the
// exceptions of each chunk by layer, and finds by search who reads them.
#pragma once

#include "core.h"
#include "history.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

// The chunks that are looked at: around the borders of leaves and nodes, and the end.
constexpr u64 chunks = 33500;
struct Window
{
	u64 first, last;
};
constexpr Window windows[] = {{500, 530}, {32755, 32785}, {33480, 33499}};

struct Exception
{
	sd_place_t place;
	bool safe;
};

using Layers = std::map<u32, Exception>; // by layer
using Contents = std::map<u64, u32>;	 // by chunk

class Shadow
{
public:
	Shadow()
	{
		for (const Window &w : windows)
			for (u64 chunk = w.first; chunk <= w.last; chunk++)
				now[chunk] = 0;
	}

	u32 newest() const { return images.empty() ? 0 : images.rbegin()->first; }

	const Exception *shown(u32 s, u64 chunk) const
	{
		auto at = exceptions.find(chunk);

		if (at == exceptions.end())
			return nullptr;
		auto first = at->second.lower_bound(s);
		return first == at->second.end() ? nullptr : &first->second;
	}

	std::set<u32> readers(u64 chunk, u32 layer) const
	{
		std::set<u32> all;

		for (const auto &image : images)
			if (shown(image.first, chunk) == &exceptions.at(chunk).at(layer))
				all.insert(image.first);
		return all;
	}

	bool safe(u64 chunk) const
	{
		if (images.empty())
			return true;
		const Exception *e = shown(newest(), chunk);
		return e && e->safe;
	}

	// Call @see for each exception with its chunk, layer and readers.
	template<class See>
	void eachException(See see) const
	{
		for (const auto &[chunk, layers] : exceptions)
			for (const auto &[layer, e] : layers)
				see(chunk, layer, e, readers(chunk, layer));
	}

	Contents now;
	std::map<u32, Contents> images;	  // of the live snapshots
	std::map<sd_place_t, u32> places; // what each taken place holds
	std::map<u64, Layers> exceptions; // by chunk
};

// A writer between two of its steps.
struct Job
{
	u64 first, last;
	enum { LOOKUP, PUBLISH, MARK } next = LOOKUP;
	u64 start = 0;
	u32 count = 0, newest = 0;
};

class World
{
public:
	World() : map_(sd_map_create(chunks), sd_map_destroy) {}
	~World() { sd_free(spare_); }
	World(const World &) = delete;
	World &operator=(const World &) = delete;

	void step(History &h)
	{
		switch (h.below(26)) {
		case 0:
			if (shadow_.images.size() < 7)
				take(h);
			break;
		case 1:
			if (!shadow_.images.empty() && h.oneIn(2))
				end(h.below(shadow_.images.size()));
			break;
		case 2:
		case 3:
			reap(h.below(30), h.below(20));
			break;
		case 4:
			if (!shadow_.exceptions.empty())
				replace(h);
			break;
		case 5:
			lookup(h);
			break;
		case 6:
			free(sd_map_retired(map_.get()));
			break;
		case 24:
		case 25:
			evacuate(h);
			break;
		default:
			write(h);
		}
		checkFacts();
		checkSafeRuns(h);
	}

	// Finish everything; then each place that nobody needs must have come back.
	void finish()
	{
		while (!jobs_.empty())
			runJob(0, false);
		reapAll();
		checkAll();
		shadow_.eachException(
			[](u64, u32, const Exception &, const std::set<u32> &readers) {
				RC_ASSERT(!readers.empty());
			});
		while (!shadow_.images.empty())
			end(0);
		reapAll();
		RC_ASSERT(shadow_.places.empty());
		RC_ASSERT(sd_map_exceptions(map_.get()) == 0u);
		checkAll();
	}

	void checkAll()
	{
		RC_ASSERT(sd_map_check(map_.get()));
		checkOwn();
		for (const auto &image : shadow_.images)
			for (const Window &w : windows)
				checkImage(image.first, w);
	}

private:
	void take(History &h)
	{
		if (h.oneIn(3)) // may be repeated
			RC_ASSERT(!sd_map_grow(map_.get(), &live_));
		RC_ASSERT(!sd_map_grow(map_.get(), &live_));
		layer_ += h.between(1, 3);
		sd_map_take(map_.get(), layer_, &live_);
		sd_free(live_);
		live_ = nullptr;
		shadow_.images[layer_] = shadow_.now;
	}

	void end(u32 nth)
	{
		auto image = std::next(shadow_.images.begin(), nth);

		sd_map_end(map_.get(), image->first);
		shadow_.images.erase(image);
		walk_.cursor = 0;
	}

	bool reap(u32 budget, u32 max)
	{
		std::vector<sd_place_t> freed(max + 1);
		u32 n = 0;
		bool done = sd_map_reap(map_.get(), &walk_, budget, freed.data(), max, &n);

		RC_ASSERT(n <= max);
		forgetBad();
		for (u32 i = 0; i < n; i++)
			checkFreed(freed[i]);
		return done;
	}

	// Bad ones go without a word: which of several went can be told when all have.
	void forgetBad()
	{
		std::vector<std::pair<u64, u32>> dead;
		u64 needed = 0;

		shadow_.eachException([&](u64 chunk, u32 layer, const Exception &e,
					  const std::set<u32> &readers) {
			if (e.place != SD_PLACE_BAD)
				return;
			needed += !readers.empty();
			if (readers.empty())
				dead.emplace_back(chunk, layer);
		});
		RC_ASSERT(sd_map_bad(map_.get()) >= needed);
		if (sd_map_bad(map_.get()) > needed)
			return;
		for (const auto &[chunk, layer] : dead)
			forget(chunk, layer);
	}

	void checkFreed(sd_place_t place)
	{
		RC_ASSERT(shadow_.places.erase(place) == 1u); // never twice
		for (auto &[chunk, layers] : shadow_.exceptions) {
			for (const auto &[layer, e] : layers) {
				if (e.place != place)
					continue;
				RC_ASSERT(shadow_.readers(chunk, layer).empty());
				forget(chunk, layer);
				return;
			}
		}
		RC_FAIL("a place of no exception");
	}

	void forget(u64 chunk, u32 layer)
	{
		auto at = shadow_.exceptions.find(chunk);

		at->second.erase(layer);
		if (at->second.empty())
			shadow_.exceptions.erase(at);
	}

	void reapAll()
	{
		walk_.cursor = 0;
		while (!reap(7, 5))
			;
	}

	void replace(History &h)
	{
		auto at = std::next(shadow_.exceptions.begin(), h.below(shadow_.exceptions.size()));
		auto e = std::next(at->second.begin(), h.below(at->second.size()));
		sd_place_t from = e->second.place, to = newPlace(h.below(slots));

		RC_ASSERT(!sd_map_replace(map_.get(), at->first, e->first, from ^ 1, to));
		if (from == SD_PLACE_BAD)
			return;
		RC_ASSERT(sd_map_replace(map_.get(), at->first, e->first, from, to));
		moved(e->second, to);
	}

	sd_place_t newPlace(u32 slot) { return sd_place(slot, nextPlace_ += 2); }

	void moved(Exception &e, sd_place_t to)
	{
		if (to != SD_PLACE_BAD)
			shadow_.places[to] = shadow_.places[e.place];
		shadow_.places.erase(e.place);
		e.place = to;
	}

	// All that a walk has to find if nothing of it changes before the end.
	void beginWalk(u32 slot)
	{
		moving_ = {};
		slot_ = slot;
		unfound_.clear();
		shadow_.eachException([&](u64 chunk, u32 layer, const Exception &e,
					  const std::set<u32> &readers) {
			if (e.place != SD_PLACE_BAD && sd_place_slot(e.place) == slot &&
			    !readers.empty())
				unfound_[{chunk, layer}] = e.place;
		});
	}

	// One step of a walk over one range's exceptions; some of them move away, or are lost.
	void evacuate(History &h)
	{
		std::vector<sd_moving> found(h.between(1, 12));
		u32 n = 0;

		if (!walking_)
			beginWalk(h.below(slots));
		const bool over = sd_map_in_range(map_.get(), &moving_, slot_, h.between(1, 40),
						  found.data(), found.size(), &n);
		walking_ = !over;
		RC_ASSERT(n <= found.size());
		for (u32 i = 0; i < n; i++) {
			const sd_moving &m = found[i];
			Exception &e = shadow_.exceptions.at(m.chunk).at(m.layer);
			RC_ASSERT(e.place == m.place && sd_place_slot(m.place) == slot_);
			RC_ASSERT(!shadow_.readers(m.chunk, m.layer).empty());
			unfound_.erase({m.chunk, m.layer});
			if (h.oneIn(3))
				continue;
			const sd_place_t to =
				h.oneIn(10) ? SD_PLACE_BAD : newPlace((slot_ + 1) % slots);
			RC_ASSERT(sd_map_replace(map_.get(), m.chunk, m.layer, m.place, to));
			moved(e, to);
		}
		if (!over)
			return;
		for (const auto &[key, place] : unfound_) {
			auto at = shadow_.exceptions.find(key.first);
			const bool there = at != shadow_.exceptions.end() &&
					   at->second.count(key.second) &&
					   at->second.at(key.second).place == place &&
					   !shadow_.readers(key.first, key.second).empty();
			RC_ASSERT(!there);
		}
	}

	void lookup(History &h)
	{
		if (!shadow_.images.empty())
			checkImage(std::next(shadow_.images.begin(), h.below(shadow_.images.size()))
					   ->first,
				   windows[h.below(std::size(windows))]);
	}

	// Begin a job, or let one do its next step.
	void write(History &h)
	{
		u32 which = h.below(4);

		if (which < jobs_.size()) {
			runJob(which, h.oneIn(8));
			return;
		}
		const Window &w = windows[h.below(std::size(windows))];
		Job job{.first = h.between(w.first, w.last), .last = 0};
		job.last = std::min<u64>(w.last, job.first + h.below(12));
		for (const Job &other : jobs_)
			if (job.first <= other.last && other.first <= job.last)
				return; // its cells are locked
		jobs_.push_back(job);
	}

	void runJob(u32 which, bool bad)
	{
		Job &job = jobs_[which];

		switch (job.next) {
		case Job::LOOKUP:
			lookupJob(which);
			break;
		case Job::PUBLISH:
			publishJob(job, bad);
			break;
		case Job::MARK:
			sd_map_mark_safe(map_.get(), job.start, job.count);
			for (u64 chunk = job.start; chunk < job.start + job.count; chunk++)
				if (auto at = shadow_.exceptions.find(chunk);
				    at != shadow_.exceptions.end())
					for (auto &e : at->second)
						e.second.safe = true;
			job.next = Job::LOOKUP;
			break;
		}
	}

	void lookupJob(u32 which)
	{
		Job &job = jobs_[which];

		job.count = sd_map_unsafe_run(map_.get(), job.first, job.last, 9, true, &job.start);
		job.newest = sd_map_newest(map_.get());
		if (!job.count) {
			// all safe: the write passes the gate at once
			for (u64 chunk = job.first; chunk <= job.last; chunk++) {
				RC_ASSERT(shadow_.safe(chunk));
				shadow_.now[chunk] = ++version_;
			}
			jobs_.erase(jobs_.begin() + which);
			return;
		}
		for (u64 chunk = job.first; chunk < job.start; chunk++)
			RC_ASSERT(shadow_.safe(chunk));
		for (u64 chunk = job.start; chunk < job.start + job.count; chunk++)
			RC_ASSERT(!shadow_.safe(chunk));
		while (size_t bytes = sd_map_reserve(map_.get(), job.start, job.count, &spare_)) {
			RC_ASSERT(!spare_);
			spare_ = sd_map_alloc(bytes);
		}
		job.next = Job::PUBLISH;
	}

	void publishJob(Job &job, bool bad)
	{
		u32 newest = sd_map_newest(map_.get());

		job.next = Job::LOOKUP;
		if (newest != job.newest) {
			// rule 4: abandoned
			sd_map_unreserve(map_.get(), job.start, job.count);
			return;
		}
		nextPlace_ += 2;
		const u32 slot = nextPlace_ / 64 % slots;
		for (u64 chunk = job.start; chunk < job.start + job.count; chunk++) {
			sd_place_t place = bad ? SD_PLACE_BAD : sd_place(slot, nextPlace_++);
			const Exception *before = shadow_.shown(shadow_.newest(), chunk);

			RC_ASSERT(sd_map_publish(map_.get(), chunk, place) == !before);
			if (before)
				continue;
			shadow_.exceptions[chunk][layer_] = {place, false};
			if (!bad)
				shadow_.places[place] = shadow_.now[chunk];
		}
		job.next = Job::MARK;
	}

	// The image shows what was there at the take; runs are right.
	void checkImage(u32 s, const Window &w)
	{
		u64 chunk = w.first;

		while (chunk <= w.last) {
			sd_place_t place = 0;
			u32 run = 0;
			u32 max = w.last - chunk + 1;
			bool kept = sd_map_lookup(map_.get(), s, chunk, max, &place, &run);

			RC_ASSERT(run >= 1 && run <= max);
			for (u32 i = 0; i < run; i++, chunk++) {
				const Exception *e = shadow_.shown(s, chunk);
				u32 wanted = shadow_.images.at(s).at(chunk);

				RC_ASSERT(kept == !!e);
				if (!kept) {
					RC_ASSERT(shadow_.now.at(chunk) == wanted);
				} else if (place == SD_PLACE_BAD) {
					RC_ASSERT(e->place == SD_PLACE_BAD);
				} else {
					RC_ASSERT(e->place == place + i);
					RC_ASSERT(shadow_.places.at(place + i) == wanted);
				}
			}
		}
	}

	void checkFacts() const
	{
		u64 unsafe = 0;

		for (const auto &chunk : shadow_.now)
			unsafe += !shadow_.safe(chunk.first);
		if (!shadow_.images.empty())
			unsafe += chunks - shadow_.now.size();
		RC_ASSERT(sd_map_unsafe(map_.get()) == unsafe);
		RC_ASSERT(sd_map_newest(map_.get()) == shadow_.newest());
		RC_ASSERT(sd_map_current(map_.get()) == layer_);
	}

	// Without the lock: may say no too often, never yes.
	void checkSafeRuns(History &h) const
	{
		const Window &w = windows[h.below(std::size(windows))];
		u64 first = h.between(w.first, w.last), last = h.between(first, w.last);
		u64 run = sd_map_safe_run(map_.get(), first, last);

		RC_ASSERT(run <= last - first + 1);
		RC_ASSERT(sd_map_all_safe(map_.get(), first, last) == (run == last - first + 1));
		for (u64 chunk = first; chunk < first + run; chunk++)
			RC_ASSERT(shadow_.safe(chunk));
		// as long as the current layer's snapshot lives, it is exact
		if (run < last - first + 1 && shadow_.newest() == layer_)
			RC_ASSERT(!shadow_.safe(first + run));
	}

	void checkOwn() const
	{
		std::map<u32, u64> own, newest;

		shadow_.eachException(
			[&](u64, u32, const Exception &e, const std::set<u32> &readers) {
				if (e.place == SD_PLACE_BAD || readers.empty())
					return;
				if (readers.size() == 1)
					own[*readers.begin()]++;
				newest[*readers.rbegin()]++;
			});
		for (const auto &image : shadow_.images) {
			RC_ASSERT(sd_map_own(map_.get(), image.first) == own[image.first]);
			RC_ASSERT(sd_map_own_with_older(map_.get(), image.first) ==
				  newest[image.first]);
		}
	}

	std::unique_ptr<sd_map, decltype(&sd_map_destroy)> map_;
	Shadow shadow_;
	std::vector<Job> jobs_;
	static constexpr u32 slots = 3;
	sd_reap walk_{};
	sd_map_cursor moving_{};
	bool walking_ = false;
	u32 slot_ = 0;
	std::map<std::pair<u64, u32>, sd_place_t> unfound_; // by chunk and layer
	void *spare_ = nullptr, *live_ = nullptr;
	u32 layer_ = 0, version_ = 0;
	u64 nextPlace_ = 0;
};

inline void mapHistory(History h)
{
	World world;
	u32 steps = 0;

	while (h.step()) {
		world.step(h);
		if (++steps % 50 == 0)
			world.checkAll();
	}
	world.finish();
}
