// SPDX-License-Identifier: GPL-2.0-or-later
// Fills of small stores that the daemon has to feed.

#include "fill/round.h"

#include "support/dm_control.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <thread>

namespace snapdiff::lab {

namespace {

constexpr uint64_t storeSectors = 8 * mib;
constexpr uint32_t chunkSectors = 128;

double inMib(double bytes)
{
	return bytes / (1U << 20);
}

// A store in use; not of a thread's own but for summary(), which each thread asks by itself.
struct Filled
{
	Filled(const Field &field, const RoundPlan &plan, size_t number)
		: store({.chunk = chunkSectors, .lowWater = plan.lowWater, .holdMs = plan.holdMs},
			{rangeWords(field.range())}),
		  origin(store, "home" + std::to_string(number), field.below())
	{
		store.take("s");
	}

	Summary summary(const DmControl &control) const
	{
		const DmAnswer answer = control.message(store.device().name(), "summary");
		if (!answer.ok())
			throw DmError("summary of " + store.device().name(), answer.error);
		return parseSummary(answer.text);
	}
	FillState state(const DmControl &control) const
	{
		const Summary now = summary(control);
		// Full: the hold is spent, and what is dropped then is our only snapshot.
		return {now.heldTotal, now.heldMs, now.mode == "full"};
	}

	Store store;
	Origin origin;
};

std::vector<Stage> fillOne(const Filled &filled, const FillPlan &plan)
{
	const DmControl control;
	const std::function<FillState()> state = [&] { return filled.state(control); };
	return fill(filled.origin.path(), plan, state);
}

bool done(const std::future<std::vector<Stage>> &running)
{
	return running.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

} // namespace

void Rates::add(const std::vector<Stage> &stages)
{
	bool anyHold = false;
	bool anyLost = false;
	for (const Stage &stage : stages) {
		RateRow &row = rows_[stage.rate];
		row.stages++;
		if (stage.measured()) {
			row.reachedLeast = row.measured++
						   ? std::min(row.reachedLeast, stage.reached())
						   : stage.reached();
			row.reachedMost = std::max(row.reachedMost, stage.reached());
		}
		row.held += stage.held;
		row.stagesWithHold += stage.waited();
		row.longestHoldMs = std::max(row.longestHoldMs, stage.longestHoldMs);
		row.longestWriteMs = std::max(row.longestWriteMs, stage.longestWriteMs);
		row.lost += stage.lost;
		anyLost = anyLost || stage.lost;
		anyHold = anyHold || stage.waited();
		if (!anyHold && !anyLost && stage.measured())
			fastestWithoutHold_ = std::max(fastestWithoutHold_, stage.reached());
	}
	fills_++;
	lost_ += anyLost;
}

uint64_t Rates::highestWithoutHold() const
{
	uint64_t highest = 0;
	for (const auto &[rate, row] : rows_) {
		if (row.stagesWithHold || row.lost)
			break;
		highest = rate;
	}
	return highest;
}

std::string Rates::text() const
{
	std::string table =
		"  wanted MiB/s  stages     reached MiB/s  held writes  stages with hold"
		"  longest hold  longest write  lost\n";
	for (const auto &[rate, row] : rows_) {
		char reached[32] = "too short to say";
		if (row.measured)
			std::snprintf(reached, sizeof(reached), "%6.2f to %6.2f",
				      inMib(row.reachedLeast), inMib(row.reachedMost));
		char line[160];
		std::snprintf(line, sizeof(line),
			      "  %12.2f  %6u  %16s  %11llu  %16u  %9llu ms  %10.0f ms  %4u\n",
			      inMib(static_cast<double>(rate)), row.stages, reached,
			      static_cast<unsigned long long>(row.held), row.stagesWithHold,
			      static_cast<unsigned long long>(row.longestHoldMs),
			      row.longestWriteMs, row.lost);
		table += line;
	}
	char line[160];
	std::snprintf(line, sizeof(line),
		      "  %u fills, %u snapshots lost; no write held up to %.2f MiB/s wanted, %.2f "
		      "reached\n",
		      fills_, lost_, inMib(static_cast<double>(highestWithoutHold())),
		      inMib(fastestWithoutHold_));
	return table + line;
}

Field::Field(int originDisk, int rangeDisk, uint64_t originSectors)
	: range_(rangeDisk, storeSectors), below_(originDisk, originSectors)
{
}

void runRound(const std::list<Field> &fields, const RoundPlan &plan, Rates &rates)
{
	std::list<Filled> stores;
	std::vector<std::future<std::vector<Stage>>> fills;

	for (const Field &field : fields)
		stores.emplace_back(field, plan, stores.size());
	for (const Filled &filled : stores)
		fills.push_back(
			std::async(std::launch::async, [&] { return fillOne(filled, plan.fill); }));
	const DmControl control;
	while (plan.meanwhile && !std::all_of(fills.begin(), fills.end(), done)) {
		std::vector<Summary> now;
		for (const Filled &filled : stores)
			now.push_back(filled.summary(control));
		plan.meanwhile(now);
	}

	auto filled = stores.begin();
	for (std::future<std::vector<Stage>> &running : fills) {
		std::vector<Stage> stages = running.get();
		const StoreStatus status = (filled++)->store.checked();
		if (!stages.empty() && status.snapshot("s").state != "live")
			stages.back().lost = true;
		rates.add(stages);
		if (plan.after)
			plan.after(status);
	}
	for (Filled &over : stores)
		over.origin.letGo();
}

} // namespace snapdiff::lab
