// SPDX-License-Identifier: GPL-2.0-or-later
//
// Text: strict words and numbers, the rule for names, and words for messages.

#include "util/text.h"

#include "dm-snapdiff.h"

#include <algorithm>
#include <charconv>

namespace snapdiff {

std::optional<uint64_t> parseNumber(std::string_view text)
{
	uint64_t value = 0;
	const char *end = text.data() + text.size();
	const auto [stop, error] = std::from_chars(text.data(), end, value);
	if (text.empty() || error != std::errc() || stop != end ||
	    (text.size() > 1 && text[0] == '0'))
		return std::nullopt;
	return value;
}

bool isName(std::string_view text)
{
	const auto legal = [](char c) {
		return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		       c == '_' || c == '.' || c == '+' || c == ':' || c == '-';
	};

	return !text.empty() && text.size() <= SNAPDIFF_NAME_MAX && text[0] != '-' && text != "." &&
	       text != ".." && std::all_of(text.begin(), text.end(), legal);
}

static constexpr std::string_view blanks = " \t\r\n";

std::vector<std::string_view> splitWords(std::string_view text)
{
	std::vector<std::string_view> words;
	for (size_t at = text.find_first_not_of(blanks); at != text.npos;) {
		const size_t end = std::min(text.find_first_of(blanks, at), text.size());
		words.push_back(text.substr(at, end - at));
		at = text.find_first_not_of(blanks, end);
	}
	return words;
}

std::vector<std::string> splitLines(std::string_view text)
{
	std::vector<std::string> lines;
	while (!text.empty()) {
		const size_t end = std::min(text.find('\n'), text.size());
		lines.emplace_back(text.substr(0, end));
		text.remove_prefix(std::min(end + 1, text.size()));
	}
	return lines;
}

std::string_view trimmed(std::string_view text)
{
	const size_t first = text.find_first_not_of(blanks);
	if (first == text.npos)
		return {};
	return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

// Length of the UTF-8 character at the beginning, 0 when it is none.
static size_t utf8Length(std::string_view text)
{
	const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
	const unsigned char lead = byte(0);
	const size_t length = lead < 0x80		    ? 1
			      : lead >= 0xc2 && lead < 0xe0 ? 2
			      : (lead & 0xf0) == 0xe0	    ? 3
			      : lead >= 0xf0 && lead < 0xf5 ? 4
							    : 0;

	if (length > text.size())
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((byte(i) & 0xc0) != 0x80)
			return 0;
	}
	// Over-long forms, surrogates, beyond U+10FFFF.
	if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f) ||
	    (lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f))
		return 0;
	// The C1 controls.
	if (lead == 0xc2 && byte(1) < 0xa0)
		return 0;
	return length;
}

std::string printable(std::string_view text)
{
	std::string clean;
	clean.reserve(text.size());
	while (!text.empty()) {
		const size_t length = utf8Length(text);
		const auto first = static_cast<unsigned char>(text[0]);
		if (length == 0 || first < 0x20 || first == 0x7f)
			clean += '?';
		else
			clean += text.substr(0, length);
		text.remove_prefix(std::max<size_t>(length, 1));
	}
	return clean;
}

} // namespace snapdiff
