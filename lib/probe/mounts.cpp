// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mounts: the mounted file systems and swaps of this mount namespace.

#include "probe/mounts.h"

#include "util/fd.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace snapdiff::probe {

// The kernel writes blanks and the like as \040.
static std::string unescaped(std::string_view text)
{
	const auto octal = [](char c) { return c >= '0' && c <= '7'; };
	std::string plain;

	while (!text.empty()) {
		if (text.size() >= 4 && text[0] == '\\' && octal(text[1]) && octal(text[2]) &&
		    octal(text[3])) {
			const int value =
				(text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0';
			plain += static_cast<char>(value);
			text.remove_prefix(4);
		} else {
			plain += text[0];
			text.remove_prefix(1);
		}
	}
	return plain;
}

static bool hasOption(std::string_view options, std::string_view wanted)
{
	while (!options.empty()) {
		const size_t comma = std::min(options.find(','), options.size());
		if (options.substr(0, comma) == wanted)
			return true;
		options.remove_prefix(std::min(comma + 1, options.size()));
	}
	return false;
}

// ID PARENT MAJ:MIN ROOT TARGET OPTIONS [FIELD]... - TYPE SOURCE SUPER_OPTIONS
static Result<Mount> parseMount(std::string_view line)
{
	constexpr size_t fixedWords = 6;
	constexpr size_t wordsAfterDash = 4;

	const Error malformed(EPROTO, fmt::format("line of mountinfo \"{}\"", printable(line)),
			      "not as expected");
	const std::vector<std::string_view> words = splitWords(line);
	if (words.size() < fixedWords)
		return malformed;
	const auto dash = std::find(words.begin() + fixedWords, words.end(), "-");
	// An empty source leaves two blanks behind each other, and a word is missing.
	if (words.end() - dash < static_cast<ptrdiff_t>(wordsAfterDash) - 1)
		return malformed;
	const std::optional<dm::DeviceNumber> number = dm::DeviceNumber::parse(words[2]);
	if (!number)
		return malformed;

	Mount mount;
	mount.number = *number;
	mount.target = unescaped(words[4]);
	mount.type = unescaped(dash[1]);
	const bool hasSource = words.end() - dash >= static_cast<ptrdiff_t>(wordsAfterDash);
	mount.source = hasSource ? unescaped(dash[2]) : "";
	mount.options = words[5];
	// A read-only view of a file system that others can write is not read-only here.
	mount.readOnly = hasOption(words.back(), "ro");
	return mount;
}

Result<std::vector<Mount>> parseMountInfo(std::string_view text)
{
	std::vector<Mount> found;
	for (const std::string &line : splitLines(text)) {
		Result<Mount> mount = parseMount(line);
		if (!mount)
			return std::move(mount).error();
		found.push_back(std::move(*mount));
	}
	return found;
}

Result<std::vector<Mount>> mounts()
{
	Result<std::string> text = readFile("/proc/self/mountinfo");
	if (!text)
		return std::move(text).error();
	return parseMountInfo(*text);
}

Result<std::vector<std::string>> parseSwaps(std::string_view text)
{
	std::vector<std::string> found;
	const std::vector<std::string> lines = splitLines(text);
	for (size_t i = 1; i < lines.size(); i++) {
		const std::vector<std::string_view> words = splitWords(lines[i]);
		if (words.size() < 2)
			return Error(EPROTO, "read /proc/swaps", "a line is not as expected");
		found.push_back(unescaped(words[0]));
	}
	return found;
}

Result<std::vector<std::string>> swaps()
{
	Result<std::string> text = readFile("/proc/swaps");
	if (!text)
		return std::move(text).error();
	return parseSwaps(*text);
}

} // namespace snapdiff::probe
