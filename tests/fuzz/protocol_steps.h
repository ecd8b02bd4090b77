// SPDX-License-Identifier: GPL-2.0-or-later
// The protocol one step at a time, in the order in which a fuzzer wants them: writers, image reads,
// takes, ends, suspends and foreign tables over an origin and a diff storage in memory.
//
// Everything runs in one thread, so that an order that goes wrong is the same each time.  A take
// notes what the origin holds while the gate is closed; a read that its snapshot outlives must give
// that.
#pragma once

#include "cow_monitor.h"
#include "input.h"

#include <array>
#include <map>
#include <optional>
#include <vector>

class ProtocolSteps
{
public:
	ProtocolSteps();
	~ProtocolSteps();
	ProtocolSteps(const ProtocolSteps &) = delete;
	ProtocolSteps &operator=(const ProtocolSteps &) = delete;

	void step(Input &in);
	// Let all go on until nobody is under way; then look at everything.
	void finish();

private:
	static constexpr u64 chunks = 10;
	static constexpr u64 places = 24;
	using Contents = std::array<u64, chunks>;

	struct Cell
	{
		sd_cell cell{};
		bool going = false;
	};

	struct Writer
	{
		bool active = false, inside = false;
		Cell lock, drain;
		sd_cow machine{};
		Monitor monitor;
		u64 first = 0, last = 0, start = 0, next = 0;
		u32 count = 0, noted = 0;
		u64 watch = 0; // when its read of the origin began
		bool reserved = false, bad = false;
		sd_run run{};
		std::vector<u64> data;
	};

	struct Reader
	{
		enum { IDLE, LOOKUP, READ, JUDGE } next = IDLE;
		Cell cell;
		u32 s = 0;
		u64 chunk = 0, value = 0, watch = 0;
		sd_place_t place = 0;
		bool kept = false, believed = false;
	};

	void enter(sd_cells &cells, Cell &cell, sd_cell_kind kind, u64 first, u64 last);
	void leave(sd_cells &cells, Cell &cell);
	void begin(Writer &w, u8 first, u8 length);
	// False: it waits for somebody.
	bool go(Writer &w, u8 choice);
	std::optional<sd_cow_event> carryOut(Writer &w, u8 choice);
	sd_cow_event lookup(Writer &w);
	sd_cow_event takePlaces(Writer &w);
	sd_cow_event publish(Writer &w);
	void discard(Writer &w);
	void submit(Writer &w);
	void go(Reader &r, u8 choice);
	void judge(const Reader &r) const;
	void take();
	void end(u8 nth);
	void reap();
	void watch(u8 choice);
	bool watchedSince(u64 since) const { return watched_ && since == watchNumber_; }

	Contents origin_{};
	std::map<sd_place_t, u64> stored_;
	std::map<u32, Contents> live_; // what each live snapshot must show
	std::array<Writer, 4> writers_;
	std::array<Reader, 3> readers_;
	sd_cells jobs_{}, reads_{};
	sd_map *map_;
	sd_space space_{};
	u64 version_ = 0, watchNumber_ = 0;
	u32 layer_ = 0, inside_ = 0;
	bool closed_ = false, watched_ = true, foreign_ = false, noflush_ = false;
};
