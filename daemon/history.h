// SPDX-License-Identifier: GPL-2.0-or-later
//
// History: the newest events and extensions of this run, numbered, in bounded memory.

#pragma once

#include "model/fill.h"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

struct Event
{
	uint64_t number = 0;
	uint64_t timeUs = 0; // since 1970
	model::Severity severity = model::Severity::Ok;
	std::string kind; // a word of org.snapdiff1.xml
	std::string store;
	std::string text;
};

struct Extension
{
	uint64_t number = 0;
	uint64_t timeUs = 0;
	std::string store;
	std::string device;
	std::string supply;
	uint64_t sectors = 0;
	uint64_t microseconds = 0;
};

template<class Entry>
class Ring
{
public:
	static constexpr size_t most = 512;

	const Entry &add(Entry entry)
	{
		entry.number = ++count_;
		entries_.push_back(std::move(entry));
		if (entries_.size() > most)
			entries_.pop_front();
		return entries_.back();
	}

	// The newest n (0: all), oldest first.
	std::vector<Entry> newest(size_t n) const
	{
		const size_t take = n == 0 || n > entries_.size() ? entries_.size() : n;
		return {entries_.end() - static_cast<ptrdiff_t>(take), entries_.end()};
	}

	uint64_t count() const { return count_; }

private:
	std::deque<Entry> entries_;
	uint64_t count_ = 0;
};

uint64_t wallMicroseconds();

} // namespace snapdiff::daemon
