// SPDX-License-Identifier: GPL-2.0-or-later
//
// Units: sectors of 512 bytes inside, bytes and words for people outside.

#include "util/units.h"

#include "util/text.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace snapdiff {

// The multiplier of a suffix ("", "g", "GiB", "GB" all mean powers of 1024), 0 if
// it is none.
static uint64_t multiplier(std::string_view suffix)
{
	constexpr std::string_view letters = "kmgtpe";

	if (suffix.empty())
		return 1;
	const char letter = static_cast<char>(suffix[0] | 0x20);
	const std::string_view rest = suffix.substr(1);
	if (letter == 'b' || letter == 's')
		return !rest.empty() ? 0 : letter == 'b' ? 1 : sectorSize;
	const size_t power = letters.find(letter);
	if (power == letters.npos)
		return 0;
	if (!rest.empty() && rest != "B" && rest != "b" && rest != "iB" && rest != "ib")
		return 0;
	return uint64_t{1} << (10 * (power + 1));
}

// Scale times 0.FRACTION, rounded down.
static uint64_t fractionOf(uint64_t scale, std::string_view digits)
{
	__extension__ typedef unsigned __int128 Wide;
	Wide value = 0;
	Wide divisor = 1;

	for (const char digit : digits.substr(0, 18)) {
		value = value * 10 + static_cast<unsigned>(digit - '0');
		divisor *= 10;
	}
	return static_cast<uint64_t>(value * scale / divisor);
}

Result<uint64_t> parseSize(std::string_view text)
{
	constexpr std::string_view digits = "0123456789";
	const std::string doing = fmt::format("size \"{}\"", printable(text));
	const Error malformed(EINVAL, doing, "not a size; write it like 512M, 1.5G or 4096s");

	const size_t point = std::min(text.find_first_not_of(digits), text.size());
	std::string_view whole = text.substr(0, point);
	std::string_view rest = text.substr(point);
	std::string_view fraction;
	if (!rest.empty() && rest[0] == '.') {
		rest.remove_prefix(1);
		const size_t end = std::min(rest.find_first_not_of(digits), rest.size());
		fraction = rest.substr(0, end);
		rest.remove_prefix(end);
		if (fraction.empty())
			return malformed;
	}
	const uint64_t scale = multiplier(rest);
	if (whole.empty() || scale == 0 || (!fraction.empty() && scale == 1))
		return malformed;

	whole.remove_prefix(std::min(whole.find_first_not_of('0'), whole.size() - 1));
	const std::optional<uint64_t> number = parseNumber(whole);
	uint64_t bytes = 0;
	if (!number || __builtin_mul_overflow(*number, scale, &bytes) ||
	    __builtin_add_overflow(bytes, fractionOf(scale, fraction), &bytes))
		return Error(ERANGE, doing, "too large");
	return bytes;
}

Result<UnitChoice> parseUnits(std::string_view text)
{
	constexpr std::array<std::pair<char, UnitChoice>, 11> letters = {{
		{'h', UnitChoice::Human},
		{'b', UnitChoice::Bytes},
		{'s', UnitChoice::Sectors},
		{'k', UnitChoice::Kib},
		{'m', UnitChoice::Mib},
		{'g', UnitChoice::Gib},
		{'t', UnitChoice::Tib},
		{'K', UnitChoice::Kilo},
		{'M', UnitChoice::Mega},
		{'G', UnitChoice::Giga},
		{'T', UnitChoice::Tera},
	}};

	for (const auto &[letter, choice] : letters) {
		if (text.size() == 1 && text[0] == letter)
			return choice;
	}
	return Error(EINVAL, fmt::format("units \"{}\"", printable(text)),
		     "not one of h b s k m g t K M G T")
		.as(ErrorKind::Usage);
}

static std::string human(uint64_t bytes)
{
	constexpr std::array<const char *, 6> names = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

	if (bytes < 1024)
		return fmt::format("{} B", bytes);
	double value = static_cast<double>(bytes);
	size_t unit = 0;
	// 1023.996 would be written as 1024.00.
	for (value /= 1024; value >= 1023.995 && unit + 1 < names.size(); unit++)
		value /= 1024;
	return fmt::format("{:.2f} {}", value, names[unit]);
}

std::string formatSize(uint64_t bytes, UnitChoice units)
{
	double divisor = 1;

	switch (units) {
	case UnitChoice::Human:
		return human(bytes);
	case UnitChoice::Bytes:
		return fmt::format("{}", bytes);
	case UnitChoice::Sectors:
		return fmt::format("{}", sectorsOf(bytes));
	case UnitChoice::Kib:
		divisor = 1024.0;
		break;
	case UnitChoice::Mib:
		divisor = 1048576.0;
		break;
	case UnitChoice::Gib:
		divisor = 1073741824.0;
		break;
	case UnitChoice::Tib:
		divisor = 1099511627776.0;
		break;
	case UnitChoice::Kilo:
		divisor = 1e3;
		break;
	case UnitChoice::Mega:
		divisor = 1e6;
		break;
	case UnitChoice::Giga:
		divisor = 1e9;
		break;
	case UnitChoice::Tera:
		divisor = 1e12;
		break;
	}
	return fmt::format("{:.2f}", static_cast<double>(bytes) / divisor);
}

std::string formatDuration(uint64_t ms)
{
	const uint64_t seconds = ms / 1000;
	const uint64_t minutes = seconds / 60;
	const uint64_t hours = minutes / 60;
	const uint64_t days = hours / 24;

	if (seconds == 0)
		return ms == 0 ? "0 s" : "less than 1 s";
	if (minutes == 0)
		return fmt::format("{} s", seconds);
	if (hours == 0 && minutes < 10 && seconds % 60 != 0)
		return fmt::format("{} min {} s", minutes, seconds % 60);
	if (hours == 0)
		return fmt::format("{} min", minutes);
	if (days == 0 && minutes % 60 != 0)
		return fmt::format("{} h {} min", hours, minutes % 60);
	if (days == 0)
		return fmt::format("{} h", hours);
	if (days < 10 && hours % 24 != 0)
		return fmt::format("{} {} {} h", days, days == 1 ? "day" : "days", hours % 24);
	return fmt::format("{} {}", days, days == 1 ? "day" : "days");
}

} // namespace snapdiff
