// SPDX-License-Identifier: GPL-2.0-or-later
//
// Words: takes one field after the other off a line of the kernel's grammar.

#include "dm/words.h"

#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace snapdiff::dm {

void Words::fail(const char *field, std::string_view text, const char *why)
{
	if (!good())
		return;
	field_ = field;
	text_ = text;
	why_ = why;
	rest_ = {};
}

std::string_view Words::word(const char *field)
{
	if (!good())
		return {};
	if (!first_) {
		if (rest_.empty()) {
			fail(field, {}, "missing");
			return {};
		}
		rest_.remove_prefix(1); // the single blank that ended the word before
	}
	first_ = false;
	const size_t length = std::min(rest_.find(' '), rest_.size());
	const std::string_view text = rest_.substr(0, length);
	if (text.empty()) {
		fail(field, {}, rest_.empty() ? "missing" : "empty");
		return {};
	}
	rest_.remove_prefix(length);
	return text;
}

uint64_t Words::number(const char *field, uint64_t highest)
{
	const std::string_view text = word(field);
	const std::optional<uint64_t> value = parseNumber(text);
	if (!value) {
		fail(field, text, "not a number");
		return 0;
	}
	if (*value > highest) {
		fail(field, text, "too large");
		return 0;
	}
	return *value;
}

size_t Words::count(const char *field, size_t charactersEach)
{
	const std::string_view text = word(field);
	const std::optional<uint64_t> value = parseNumber(text);
	if (!value)
		fail(field, text, "not a number");
	else if (*value > rest_.size() / charactersEach)
		fail(field, text, "more than the line holds");
	return good() ? static_cast<size_t>(*value) : 0;
}

std::string_view Words::name(const char *field)
{
	const std::string_view text = word(field);
	if (!isName(text))
		fail(field, text, "not a name");
	return text;
}

DeviceNumber Words::device(const char *field)
{
	const std::string_view text = word(field);
	const std::optional<DeviceNumber> number = DeviceNumber::parse(text);
	if (!number)
		fail(field, text, "not MAJOR:MINOR");
	return number.value_or(DeviceNumber{});
}

Group Words::group(const char *field)
{
	constexpr std::string_view lastWord = ",last";

	const std::string_view text = word(field);
	Group group;
	std::string_view digits = text;
	if (digits.ends_with(lastWord)) {
		group.last = true;
		digits.remove_suffix(lastWord.size());
	}
	const std::optional<uint64_t> value = parseNumber(digits);
	if (!value || *value > UINT32_MAX)
		fail(field, text, "not a group");
	else
		group.number = static_cast<uint32_t>(*value);
	return group;
}

void Words::literal(std::string_view expected)
{
	const std::string_view text = word(expected.data());
	if (good() && text != expected)
		fail(expected.data(), text, "another word was expected here");
}

void Words::end()
{
	if (good() && !rest_.empty())
		fail("end of line", rest_, "more than the grammar says");
}

Error Words::error(const char *what) const
{
	constexpr size_t longest = 80;

	const std::string doing = fmt::format("{}: {}", what, field_);
	if (text_.empty())
		return {EINVAL, doing, why_};
	return {EINVAL, doing,
		fmt::format("\"{}\": {}", printable(text_.substr(0, longest)), why_)};
}

} // namespace snapdiff::dm
