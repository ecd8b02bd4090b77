// SPDX-License-Identifier: GPL-2.0-or-later
// What may come in which order in a COW job, told from what it holds only.
#pragma once

#include "core.h"

#include <map>
#include <tuple>
#include <vector>

// The events that cow.h allows as answers.
inline const std::vector<sd_cow_event> &answers(sd_cow_action action)
{
	static const std::map<sd_cow_action, std::vector<sd_cow_event>> table = {
		{SD_COW_LOCK, {SD_COW_OK}},
		{SD_COW_LOOKUP, {SD_COW_RUN, SD_COW_SAFE}},
		{SD_COW_TAKE, {SD_COW_OK, SD_COW_ABANDON, SD_COW_REQUEUE}},
		{SD_COW_READ, {SD_COW_OK, SD_COW_FAIL, SD_COW_ABANDON}},
		{SD_COW_MARK_BAD, {SD_COW_OK}},
		{SD_COW_PUBLISH, {SD_COW_OK, SD_COW_ABANDON}},
		{SD_COW_DRAIN, {SD_COW_OK}},
		{SD_COW_MARK_SAFE, {SD_COW_OK}},
		{SD_COW_DISCARD, {SD_COW_OK}},
		{SD_COW_UNLOCK, {SD_COW_OK}},
		{SD_COW_GATE, {SD_COW_OK, SD_COW_CLOSED}},
		{SD_COW_CONFIRM, {SD_COW_SAFE, SD_COW_RUN}},
		{SD_COW_LEAVE, {SD_COW_OK}},
		{SD_COW_PARK, {SD_COW_OK, SD_COW_REQUEUE}},
		{SD_COW_SUBMIT, {SD_COW_START}},
		{SD_COW_GIVE_BACK, {SD_COW_START}},
	};

	return table.at(action);
}

// Knows what the job holds and what it has done, and which step may come then.
struct Monitor
{
	bool cells = false, gate = false;
	bool run = false;    // LOOKUP said that something is to be copied
	bool copied = false; // LOOKUP said that nothing is left to be copied
	bool taken = false;  // places and room are held (or partly)
	bool whole = false;  // TAKE answered OK
	bool data = false;   // the old data is there, or known to be bad
	bool published = false, drained = false, confirmed = false, requeue = false;

	auto key() const
	{
		return std::tie(cells, gate, run, copied, taken, whole, data, published, drained,
				confirmed, requeue);
	}
	bool operator<(const Monitor &other) const { return key() < other.key(); }

	// Why this step may not come now, or nullptr.
	const char *refuse(sd_cow_action next) const
	{
		bool copying = cells && !gate;

		switch (next) {
		case SD_COW_LOCK:
			return cells || gate || taken ? "LOCK while something is held" : nullptr;
		case SD_COW_LOOKUP:
			return !copying || taken || requeue ? "LOOKUP out of place" : nullptr;
		case SD_COW_TAKE:
			return !copying || taken || !run ? "TAKE out of place" : nullptr;
		case SD_COW_READ:
			return !whole || data ? "READ without places" : nullptr;
		case SD_COW_MARK_BAD:
			return !whole || data ? "MARK_BAD without places" : nullptr;
		case SD_COW_PUBLISH:
			return !whole || !data || published ? "PUBLISH without data" : nullptr;
		case SD_COW_DRAIN:
			return !published ? "DRAIN before PUBLISH" : nullptr;
		case SD_COW_MARK_SAFE:
			return !published || !drained ? "MARK_SAFE before DRAIN" : nullptr;
		case SD_COW_DISCARD:
			return !taken || published ? "DISCARD of nothing or of what is published"
						   : nullptr;
		case SD_COW_UNLOCK:
			return !cells || taken || !(copied || requeue) ? "UNLOCK out of place"
								       : nullptr;
		case SD_COW_GATE:
			return cells || gate || taken || requeue ? "GATE while something is held"
								 : nullptr;
		case SD_COW_CONFIRM:
			return !gate ? "CONFIRM outside the gate" : nullptr;
		case SD_COW_LEAVE:
			return !gate || confirmed ? "LEAVE out of place" : nullptr;
		case SD_COW_PARK:
			return cells || gate || taken ? "PARK while something is held" : nullptr;
		case SD_COW_SUBMIT:
			return !gate || !confirmed || cells || taken || requeue
				       ? "SUBMIT without CONFIRM"
				       : nullptr;
		case SD_COW_GIVE_BACK:
			return cells || gate || taken || !requeue ? "GIVE_BACK out of place"
								  : nullptr;
		case SD_COW_NONE:
			break;
		}
		return "no step at all";
	}

	// The step was done, with this answer.
	void note(sd_cow_action action, sd_cow_event event)
	{
		bool ok = event == SD_COW_OK;

		confirmed = false;
		switch (action) {
		case SD_COW_LOCK:
			cells = true;
			break;
		case SD_COW_LOOKUP:
			run = event == SD_COW_RUN;
			copied = event == SD_COW_SAFE;
			break;
		case SD_COW_TAKE:
			run = false;
			taken = true;
			whole = ok;
			requeue = event == SD_COW_REQUEUE;
			break;
		case SD_COW_READ:
			data = ok;
			whole = event != SD_COW_ABANDON;
			break;
		case SD_COW_MARK_BAD:
			data = true;
			break;
		case SD_COW_PUBLISH:
			published = ok;
			whole = ok;
			break;
		case SD_COW_DRAIN:
			drained = true;
			break;
		case SD_COW_MARK_SAFE:
		case SD_COW_DISCARD:
			taken = whole = data = published = drained = false;
			break;
		case SD_COW_UNLOCK:
			cells = copied = false;
			break;
		case SD_COW_GATE:
			gate = ok;
			break;
		case SD_COW_CONFIRM:
			confirmed = event == SD_COW_SAFE;
			break;
		case SD_COW_LEAVE:
		case SD_COW_SUBMIT: // left when the write has completed
			gate = false;
			break;
		case SD_COW_PARK:
			requeue = event == SD_COW_REQUEUE;
			break;
		case SD_COW_GIVE_BACK:
			requeue = false;
			break;
		case SD_COW_NONE:
			break;
		}
	}
};
