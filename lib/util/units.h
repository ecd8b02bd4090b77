// SPDX-License-Identifier: GPL-2.0-or-later
//
// Units: sectors of 512 bytes inside, bytes and words for people outside.

#pragma once

#include "util/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace snapdiff {

constexpr uint64_t sectorSize = 512;

// Bytes that sectors hold; UINT64_MAX when they do not fit.
constexpr uint64_t bytesOf(uint64_t sectors)
{
	return sectors > UINT64_MAX / sectorSize ? UINT64_MAX : sectors * sectorSize;
}

// Whole sectors that hold bytes, rounded up.
constexpr uint64_t sectorsOf(uint64_t bytes)
{
	return bytes / sectorSize + (bytes % sectorSize != 0);
}

// A size as people write it, in bytes: a number, perhaps with a fraction, and a
// suffix: b s k m g t p e (case does not matter; powers of 1024; s = 512), with
// "iB" or "B" after it if one likes: 512MiB, 1.5G.  Without a suffix it is bytes.
// EINVAL when it is no size, ERANGE when it does not fit 64 bits.
Result<uint64_t> parseSize(std::string_view text);

enum class UnitChoice { Human, Bytes, Sectors, Kib, Mib, Gib, Tib, Kilo, Mega, Giga, Tera };

// LVM's letters: h b s k m g t; K M G T for powers of 1000.
Result<UnitChoice> parseUnits(std::string_view text);

// "1.50 GiB", "0 B"; with a fixed unit a number with two digits after the point
// and without the unit's name ("1536.00"), bytes and sectors as whole numbers.
std::string formatSize(uint64_t bytes, UnitChoice units = UnitChoice::Human);

// "3 days", "2 h 5 min", "12 min", "40 s", "less than 1 s": two parts at most.
std::string formatDuration(uint64_t ms);

} // namespace snapdiff
