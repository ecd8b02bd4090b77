// SPDX-License-Identifier: GPL-2.0-or-later
//
// Words: takes one field after the other off a line of the kernel's grammar, for
// the codecs of this folder.  The first thing that does not fit is remembered with
// the name of its field; everything after it is skipped, so that a parser reads
// straight down and asks once at the end.

#pragma once

#include "dm/device_number.h"
#include "dm/status.h"
#include "util/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace snapdiff::dm {

template<class Enum, size_t n>
using WordTable = std::array<std::pair<Enum, std::string_view>, n>;

// One table for the codecs of tables and of status.
inline constexpr WordTable<Access, 2> accesses = {{
	{Access::ReadOnly, "ro"},
	{Access::ReadWrite, "rw"},
}};

class Words
{
public:
	explicit Words(std::string_view line) : rest_(line) {}

	// Fields are named as the grammar names them.  After a failure these return
	// something harmless.
	std::string_view word(const char *field);
	uint64_t number(const char *field, uint64_t highest = UINT64_MAX);
	std::string_view name(const char *field);
	DeviceNumber device(const char *field);
	Group group(const char *field);
	void literal(std::string_view expected);

	// A count of things of which each needs at least so many characters: a lying
	// count is refused before anything is allocated for it.
	size_t count(const char *field, size_t charactersEach);

	template<class Enum, size_t n>
	Enum choice(const char *field, const WordTable<Enum, n> &table)
	{
		const std::string_view text = word(field);
		for (const auto &[value, name] : table) {
			if (name == text)
				return value;
		}
		fail(field, text, "not one of its words");
		return table[0].first;
	}

	void fail(const char *field, std::string_view text, const char *why);
	bool good() const { return !field_; }

	// Nothing may be left over.
	void end();

	// Only when not good().
	Error error(const char *what) const;

private:
	std::string_view rest_;
	bool first_ = true;
	const char *field_ = nullptr;
	const char *why_ = nullptr;
	std::string_view text_;
};

} // namespace snapdiff::dm
