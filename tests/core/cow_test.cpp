// SPDX-License-Identifier: GPL-2.0-or-later
// The order of steps of a COW job: every reachable state is visited, together with a monitor that
// knows only what is held; then the same with one transition changed, which the monitor must find.
#include "cow_monitor.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>

namespace {

using Step = std::function<sd_cow_action(sd_cow &, sd_cow_event)>;

struct State
{
	sd_cow job{};
	Monitor monitor;

	auto key() const { return std::tuple(job.action, job.requeue, monitor); }
	bool operator<(const State &other) const { return key() < other.key(); }
};

struct Verdict
{
	std::string complaint;
	std::set<std::pair<int, int>> steps; // (action, event) seen
	size_t states = 0;
};

// Visit every state that any sequence of allowed events can reach.
Verdict walk(const Step &step)
{
	Verdict verdict;
	std::map<State, std::vector<State>> before;
	std::set<State> seen;
	std::deque<State> open;
	std::vector<State> ends;
	State begin;

	begin.job.action = step(begin.job, SD_COW_START);
	seen.insert(begin);
	open.push_back(begin);
	while (!open.empty()) {
		State from = open.front();
		auto action = static_cast<sd_cow_action>(from.job.action);

		open.pop_front();
		if (action == SD_COW_SUBMIT || action == SD_COW_GIVE_BACK)
			ends.push_back(from);
		for (sd_cow_event event : answers(action)) {
			State to = from;

			verdict.steps.insert({action, event});
			to.monitor.note(action, event);
			sd_cow_action next = step(to.job, event);
			if (const char *why = to.monitor.refuse(next)) {
				verdict.complaint = why;
				return verdict;
			}
			before[to].push_back(from);
			if (seen.insert(to).second)
				open.push_back(to);
		}
	}
	verdict.states = seen.size();

	// from every state an end must be in reach
	std::set<State> good(ends.begin(), ends.end());
	std::vector<State> waiting = ends;
	while (!waiting.empty()) {
		State at = waiting.back();

		waiting.pop_back();
		for (const State &earlier : before[at])
			if (good.insert(earlier).second)
				waiting.push_back(earlier);
	}
	if (good.size() != seen.size())
		verdict.complaint = "a state from which no end can be reached";
	return verdict;
}

sd_cow_action real(sd_cow &job, sd_cow_event event)
{
	return sd_cow_step(&job, event);
}

struct Mutant
{
	sd_cow_action action;
	sd_cow_event event;
	sd_cow_action instead;
	const char *race;
};

const Mutant mutants[] = {
	{SD_COW_LOCK, SD_COW_OK, SD_COW_TAKE, "no look-up under the cells: new data copied as old"},
	{SD_COW_LOCK, SD_COW_OK, SD_COW_UNLOCK, "nothing is ever copied"},
	{SD_COW_LOOKUP, SD_COW_RUN, SD_COW_READ, "a copy without a place"},
	{SD_COW_LOOKUP, SD_COW_SAFE, SD_COW_GATE, "cells held at the gate"},
	{SD_COW_LOOKUP, SD_COW_SAFE, SD_COW_SUBMIT, "a write outside the gate"},
	{SD_COW_TAKE, SD_COW_OK, SD_COW_PUBLISH, "published without data"},
	{SD_COW_TAKE, SD_COW_ABANDON, SD_COW_LOOKUP, "places lost"},
	{SD_COW_TAKE, SD_COW_ABANDON, SD_COW_READ, "a copy without a place"},
	{SD_COW_TAKE, SD_COW_REQUEUE, SD_COW_UNLOCK, "places lost at a suspend"},
	{SD_COW_TAKE, SD_COW_REQUEUE, SD_COW_GIVE_BACK, "cells lost at a suspend"},
	{SD_COW_READ, SD_COW_OK, SD_COW_DRAIN, "drained before publishing"},
	{SD_COW_READ, SD_COW_OK, SD_COW_MARK_SAFE, "never published"},
	{SD_COW_READ, SD_COW_FAIL, SD_COW_PUBLISH, "garbage published"},
	{SD_COW_READ, SD_COW_ABANDON, SD_COW_PUBLISH, "an abandoned copy published"},
	{SD_COW_READ, SD_COW_ABANDON, SD_COW_LOOKUP, "places lost"},
	{SD_COW_MARK_BAD, SD_COW_OK, SD_COW_MARK_SAFE, "a bad chunk never published"},
	{SD_COW_PUBLISH, SD_COW_OK, SD_COW_MARK_SAFE, "image reads not waited for"},
	{SD_COW_PUBLISH, SD_COW_OK, SD_COW_UNLOCK, "image reads not waited for, cells open"},
	{SD_COW_PUBLISH, SD_COW_OK, SD_COW_DISCARD, "a published place given back"},
	{SD_COW_PUBLISH, SD_COW_ABANDON, SD_COW_DRAIN, "marked safe without an exception"},
	{SD_COW_PUBLISH, SD_COW_ABANDON, SD_COW_LOOKUP, "places lost"},
	{SD_COW_DRAIN, SD_COW_OK, SD_COW_LOOKUP, "never marked safe: copied for ever"},
	{SD_COW_DRAIN, SD_COW_OK, SD_COW_UNLOCK, "never marked safe"},
	{SD_COW_MARK_SAFE, SD_COW_OK, SD_COW_GATE, "cells held at the gate"},
	{SD_COW_MARK_SAFE, SD_COW_OK, SD_COW_SUBMIT, "a write outside the gate"},
	{SD_COW_DISCARD, SD_COW_OK, SD_COW_GIVE_BACK, "cells lost"},
	{SD_COW_DISCARD, SD_COW_OK, SD_COW_READ, "a read into pages given back"},
	{SD_COW_DISCARD, SD_COW_OK, SD_COW_LOOKUP, "a suspend forgotten"},
	{SD_COW_UNLOCK, SD_COW_OK, SD_COW_SUBMIT, "a write outside the gate"},
	{SD_COW_UNLOCK, SD_COW_OK, SD_COW_GATE, "a suspend forgotten"},
	{SD_COW_UNLOCK, SD_COW_OK, SD_COW_GIVE_BACK, "given back without a suspend: an I/O error"},
	{SD_COW_GATE, SD_COW_OK, SD_COW_SUBMIT, "a take came before the gate"},
	{SD_COW_GATE, SD_COW_OK, SD_COW_LOCK, "copies inside the gate stall a take"},
	{SD_COW_GATE, SD_COW_CLOSED, SD_COW_CONFIRM, "confirmed outside the gate"},
	{SD_COW_GATE, SD_COW_CLOSED, SD_COW_SUBMIT, "a write through a closed gate"},
	{SD_COW_CONFIRM, SD_COW_RUN, SD_COW_SUBMIT, "a write over data that a snapshot needs"},
	{SD_COW_CONFIRM, SD_COW_RUN, SD_COW_LOCK, "the gate kept: a take waits for ever"},
	{SD_COW_CONFIRM, SD_COW_SAFE, SD_COW_LEAVE, "never submitted"},
	{SD_COW_LEAVE, SD_COW_OK, SD_COW_SUBMIT, "a write outside the gate"},
	{SD_COW_LEAVE, SD_COW_OK, SD_COW_LOOKUP, "a look-up without cells"},
	{SD_COW_LEAVE, SD_COW_OK, SD_COW_GIVE_BACK, "given back without a suspend: an I/O error"},
	{SD_COW_PARK, SD_COW_OK, SD_COW_SUBMIT, "a take came while parked"},
	{SD_COW_PARK, SD_COW_OK, SD_COW_CONFIRM, "confirmed outside the gate"},
	{SD_COW_PARK, SD_COW_REQUEUE, SD_COW_GATE, "a suspend forgotten"},
};

} // namespace

TEST(Cow, EveryReachableOrderOfStepsIsSafe)
{
	Verdict verdict = walk(real);

	EXPECT_EQ(verdict.complaint, "");
	EXPECT_EQ(verdict.steps.size(), 25u) << "every answer of every step was tried";
	EXPECT_GT(verdict.states, 17u);
}

TEST(Cow, EveryMutantIsFound)
{
	for (const Mutant &m : mutants) {
		bool changed = false;
		Verdict verdict = walk([&](sd_cow &job, sd_cow_event event) {
			auto action = static_cast<sd_cow_action>(job.action);
			sd_cow_action next = sd_cow_step(&job, event);

			if (action == m.action && event == m.event && next != m.instead) {
				job.action = static_cast<u8>(m.instead);
				changed = true;
				return m.instead;
			}
			return next;
		});

		EXPECT_TRUE(changed) << sd_cow_action_name(m.action) << ": " << m.race;
		EXPECT_NE(verdict.complaint, "") << sd_cow_action_name(m.action) << " -> "
						 << sd_cow_action_name(m.instead) << ": " << m.race;
	}
}

// Every event that cannot come is warned of, nothing leads to SUBMIT, and what is held stays known.
TEST(Cow, ImpossibleEventsNeverSubmit)
{
	for (int a = SD_COW_LOCK; a <= SD_COW_NONE; a++) {
		for (int e = SD_COW_START; e <= SD_COW_REQUEUE; e++) {
			auto action = static_cast<sd_cow_action>(a);
			auto event = static_cast<sd_cow_event>(e);
			std::vector<sd_cow_event> allowed;

			if (action != SD_COW_NONE)
				allowed = answers(action);
			if (action == SD_COW_LOCK)
				allowed.push_back(SD_COW_START);
			if (std::count(allowed.begin(), allowed.end(), event))
				continue;
			if (action == SD_COW_NONE && event == SD_COW_START)
				continue;
			AllowWarnings warnings;
			sd_cow job{.action = static_cast<u8>(a), .requeue = false};
			sd_cow_action next = sd_cow_step(&job, event);

			EXPECT_EQ(warnings.count(), 1u) << sd_cow_action_name(action) << " " << e;
			EXPECT_NE(next, SD_COW_SUBMIT) << sd_cow_action_name(action) << " " << e;
			if (action == SD_COW_SUBMIT || action == SD_COW_GIVE_BACK) {
				EXPECT_EQ(next, SD_COW_NONE);
			}
		}
	}
}

TEST(Cow, AWriteWithoutTroubleTakesTheShortWay)
{
	sd_cow job{};
	std::string way;

	for (sd_cow_event e :
	     {SD_COW_START, SD_COW_OK, SD_COW_RUN, SD_COW_OK, SD_COW_OK, SD_COW_OK, SD_COW_OK,
	      SD_COW_OK, SD_COW_SAFE, SD_COW_OK, SD_COW_OK, SD_COW_SAFE})
		way += std::string(sd_cow_action_name(sd_cow_step(&job, e))) + " ";
	EXPECT_EQ(way, "lock lookup take read publish drain mark-safe lookup unlock gate confirm "
		       "submit ");
	EXPECT_EQ(sd_cow_step(&job, SD_COW_START), SD_COW_LOCK) << "the next window";
}

TEST(Cow, ActionsHaveNamesOfTheirOwn)
{
	std::set<std::string> names;

	for (int a = SD_COW_LOCK; a <= SD_COW_NONE; a++)
		names.insert(sd_cow_action_name(static_cast<sd_cow_action>(a)));
	EXPECT_EQ(names.size(), static_cast<size_t>(SD_COW_NONE) + 1);
	EXPECT_STREQ(sd_cow_action_name(static_cast<sd_cow_action>(99)), "?");
}
