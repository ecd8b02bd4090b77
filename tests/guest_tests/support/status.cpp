// SPDX-License-Identifier: GPL-2.0-or-later
// A store's status and summary as the tests read them.

#include "support/status.h"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <stdexcept>

namespace snapdiff::lab {

namespace {

// Words of a line, taken one after the other; throws at the first that is not as expected.
class Words
{
public:
	explicit Words(const std::string &text) : text_(text), stream_(text) {}

	std::string word()
	{
		std::string next;
		if (!(stream_ >> next))
			fail("ends too early");
		return next;
	}

	uint64_t number()
	{
		const std::string digits = word();
		if (digits.size() > 20 || !std::all_of(digits.begin(), digits.end(), ::isdigit))
			fail("has '" + digits + "' for a number");
		return std::stoull(digits);
	}

	std::string oneOf(std::initializer_list<const char *> choices)
	{
		const std::string next = word();
		if (std::find(choices.begin(), choices.end(), next) == choices.end())
			fail("has the unknown word '" + next + "'");
		return next;
	}

	void end()
	{
		std::string rest;
		if (stream_ >> rest)
			fail("goes on with '" + rest + "'");
	}

private:
	[[noreturn]] void fail(const std::string &problem) const
	{
		throw std::runtime_error("status " + problem + ": " + text_);
	}

	std::string text_;
	std::istringstream stream_;
};

Summary takeSummary(Words &words)
{
	Summary s;
	s.mode = words.oneOf({"active", "holding", "full", "dying"});
	s.capacity = words.number();
	s.used = words.number();
	s.free = words.number();
	s.unusable = words.number();
	s.lowWater = words.number();
	s.level = words.oneOf({"ok", "low"});
	s.seq = words.number();
	s.held = words.number();
	s.heldMs = words.number();
	s.heldTotal = words.number();
	return s;
}

RangeStatus takeRange(Words &words)
{
	words.oneOf({"range"});
	RangeStatus r;
	r.device = words.word();
	r.start = words.number();
	r.length = words.number();
	r.group = words.word();
	r.state = words.oneOf({"ok", "failed"});
	r.shrink = words.oneOf({"-", "moving", "cancelled", "no-space"});
	r.used = words.number();
	r.free = words.number();
	r.unusable = words.number();
	return r;
}

OriginStatus takeOrigin(Words &words)
{
	words.oneOf({"origin"});
	OriginStatus o;
	o.name = words.word();
	o.device = words.word();
	o.start = words.number();
	o.size = words.number();
	o.state = words.oneOf({"watched", "unwatched", "detached"});
	o.unsafeChunks = words.number();
	o.badChunks = words.number();
	o.copiedChunks = words.number();
	o.readWaits = words.number();
	return o;
}

SnapshotStatus takeSnapshot(Words &words)
{
	words.oneOf({"snapshot"});
	SnapshotStatus s;
	s.name = words.word();
	s.time = words.number();
	s.own = words.number();
	s.state = words.oneOf({"live", "invalid"});
	s.cause = words.oneOf({"-", "overflow", "origin-gone", "origin-forced", "store-write",
			       "no-memory", "stall", "store-gone"});
	s.images = words.number();
	s.overlay = words.number();
	s.toCome = words.number();
	for (uint64_t left = words.number(); left; --left) {
		const std::string name = words.word();
		s.origins.emplace_back(name, words.number());
	}
	return s;
}

template<class List>
const auto &byName(const List &list, const std::string &name)
{
	for (const auto &entry : list)
		if (entry.name == name)
			return entry;
	throw std::out_of_range("the status names no " + name);
}

} // namespace

const OriginStatus &StoreStatus::origin(const std::string &name) const
{
	return byName(origins, name);
}

const SnapshotStatus &StoreStatus::snapshot(const std::string &name) const
{
	return byName(snapshots, name);
}

bool StoreStatus::hasSnapshot(const std::string &name) const
{
	return std::any_of(snapshots.begin(), snapshots.end(),
			   [&](const SnapshotStatus &s) { return s.name == name; });
}

Summary parseSummary(const std::string &text)
{
	Words words(text);
	const Summary summary = takeSummary(words);
	words.end();
	return summary;
}

StoreStatus parseStatus(const std::string &line)
{
	Words words(line);
	words.oneOf({"0"});
	words.oneOf({"1"});
	words.oneOf({"snapdiff-store"});
	StoreStatus s;
	s.summary = takeSummary(words);
	s.buffered = words.number();
	s.buffer = words.number();
	s.memory = words.number();
	const uint64_t ranges = words.number();
	const uint64_t origins = words.number();
	const uint64_t snapshots = words.number();
	for (uint64_t i = 0; i < ranges; ++i)
		s.ranges.push_back(takeRange(words));
	for (uint64_t i = 0; i < origins; ++i)
		s.origins.push_back(takeOrigin(words));
	for (uint64_t i = 0; i < snapshots; ++i)
		s.snapshots.push_back(takeSnapshot(words));
	words.end();
	return s;
}

namespace {

bool addsUp(uint64_t capacity, uint64_t used, uint64_t free, uint64_t unusable)
{
	return used <= capacity && free <= capacity && unusable <= capacity &&
	       capacity == used + free + unusable;
}

} // namespace

std::string accountingFault(const StoreStatus &status)
{
	const Summary &s = status.summary;
	uint64_t length = 0;
	if (!addsUp(s.capacity, s.used, s.free, s.unusable))
		return "capacity is not used + free + unusable";
	for (const RangeStatus &r : status.ranges) {
		if (!addsUp(r.length, r.used, r.free, r.unusable))
			return "range " + r.device + ": length is not used + free + unusable";
		if (r.state == "failed" && r.free)
			return "range " + r.device + ": failed, yet it has free sectors";
		if (r.shrink == "moving" && r.free)
			return "range " + r.device + ": shrinking, yet it has free sectors";
		length += r.length;
	}
	if (length != s.capacity)
		return "the ranges' lengths do not sum up to the capacity";
	const bool low = s.lowWater > 0 && s.free <= s.lowWater;
	if (low != (s.level == "low"))
		return "the level is not what low water and free say";
	if ((s.held == 0) != (s.heldMs == 0))
		return "held and its age contradict each other";
	return {};
}

} // namespace snapdiff::lab
