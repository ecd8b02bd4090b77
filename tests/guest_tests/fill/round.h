// SPDX-License-Identifier: GPL-2.0-or-later
// Fills of small stores that the daemon has to feed, several at once, and what became of them.
#pragma once

#include "fill/filler.h"
#include "harness/disk.h"
#include "support/stack.h"

#include <functional>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace snapdiff::lab {

// What happened at one rate in many fills.
struct RateRow
{
	unsigned stages = 0;
	unsigned measured = 0;	 // of them, those that were long enough
	double reachedLeast = 0; // bytes a second, of these
	double reachedMost = 0;
	uint64_t held = 0;
	unsigned stagesWithHold = 0;
	uint64_t longestHoldMs = 0;
	double longestWriteMs = 0;
	unsigned lost = 0;
};

class Rates
{
public:
	void add(const std::vector<Stage> &stages);

	// The wanted rate in bytes a second, and what happened at it.
	const std::map<uint64_t, RateRow> &rows() const { return rows_; }
	// The highest wanted rate up to which no write was held, and what was reached at it; 0 if
	// there is none.
	uint64_t highestWithoutHold() const;
	double fastestWithoutHold() const { return fastestWithoutHold_; }
	unsigned fills() const { return fills_; }
	unsigned lost() const { return lost_; }

	// As a table, a line a rate.
	std::string text() const;

private:
	std::map<uint64_t, RateRow> rows_;
	double fastestWithoutHold_ = 0;
	unsigned fills_ = 0;
	unsigned lost_ = 0;
};

// Where a store of 8 MiB and its origin lie; used again for every round.
class Field
{
public:
	Field(int originDisk, int rangeDisk, uint64_t originSectors);

	const Disk &below() const { return below_; }
	const Disk &range() const { return range_; }

private:
	Disk range_;
	Disk below_;
};

// What a round's side shows may do meanwhile: kill the daemon, for example. It is called again and
// again with the stores' summaries until all fills are over.
using Meanwhile = std::function<void(const std::vector<Summary> &)>;

struct RoundPlan
{
	FillPlan fill;
	uint64_t lowWater = 0; // in the table; the daemon may set another one
	uint32_t holdMs = 60000;
	Meanwhile meanwhile = {};
	// Looks at each store when its fill is over.
	std::function<void(const StoreStatus &)> after = {};
};

// A store on each field, a snapshot in each, all filled at once.
void runRound(const std::list<Field> &fields, const RoundPlan &plan, Rates &rates);

} // namespace snapdiff::lab
