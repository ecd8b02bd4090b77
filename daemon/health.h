// SPDX-License-Identifier: GPL-2.0-or-later
//
// Health: what is wrong now, and the newest errors that were met.

#pragma once

#include "picture.h"

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace snapdiff::daemon {

class Health
{
public:
	// True when that is news: a subject that was right, or another sentence.
	bool wrong(std::string_view subject, std::string sentence, uint64_t timeUs);

	// True when the subject was wrong.
	bool right(std::string_view subject);

	std::vector<std::pair<std::string, std::string>> problems() const;
	std::vector<TimedText> lastErrors() const; // newest first

private:
	static constexpr size_t mostErrors = 16;

	std::map<std::string, std::string, std::less<>> wrong_;
	std::deque<TimedText> errors_;
};

} // namespace snapdiff::daemon
