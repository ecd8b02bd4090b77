// SPDX-License-Identifier: GPL-2.0-or-later
//
// Told: keeps what the parts of the daemon say.

#pragma once

#include "notices.h"

#include <map>
#include <string>
#include <vector>

namespace snapdiff::daemon {

class ToldNotices final : public Notices
{
public:
	struct Line
	{
		model::Severity severity;
		std::string kind;
		std::string store;
		std::string text;
	};

	void event(model::Severity severity, std::string_view kind, std::string_view store,
		   std::string text) override
	{
		events.push_back(
			{severity, std::string(kind), std::string(store), std::move(text)});
	}
	void wrong(std::string_view subject, std::string text) override
	{
		problems[std::string(subject)] = std::move(text);
	}
	void right(std::string_view subject) override { problems.erase(std::string(subject)); }

	size_t count(std::string_view kind) const
	{
		size_t number = 0;
		for (const Line &line : events)
			number += line.kind == kind;
		return number;
	}

	std::vector<Line> events;
	std::map<std::string, std::string> problems;
};

} // namespace snapdiff::daemon
