// SPDX-License-Identifier: GPL-2.0-or-later
//
// Text: strict words and numbers, the rule for names, and words for messages.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff {

// Decimal, unsigned, the whole text, no sign, no blanks, no leading zeros; nothing
// otherwise.
std::optional<uint64_t> parseNumber(std::string_view text);

// A name of a store, snapshot or origin: 1 to 64 of A-Z a-z 0-9 _ . + : -, not
// beginning with '-'.
bool isName(std::string_view text);

// Words between blanks, tabs and line ends; no empty ones.
std::vector<std::string_view> splitWords(std::string_view text);

std::vector<std::string> splitLines(std::string_view text);

// The text without blanks and line ends at both ends.
std::string_view trimmed(std::string_view text);

// Control characters and bytes that are no UTF-8 become '?': for text that came
// from outside and goes to a terminal or a log.
std::string printable(std::string_view text);

} // namespace snapdiff
