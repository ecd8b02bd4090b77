// SPDX-License-Identifier: GPL-2.0-or-later
// Sectors that say what they are: which tag, which sector, which generation of writing.
#pragma once

#include "harness/block_device.h"

#include <cstdint>
#include <gtest/gtest.h>
#include <string>

namespace snapdiff::lab {

struct SectorLabel
{
	uint32_t tag = 0;	 // which device or writer
	uint64_t sector = 0;	 // where it was written to
	uint64_t generation = 0; // when: a number that the test counts up
	bool operator==(const SectorLabel &) const = default;
};

// Fills one sector; all of its 512 bytes depend on the label.
void fillSector(uint8_t *sector, const SectorLabel &label);
// Fills a buffer that is going to be written at firstSector.
void fillPattern(Buffer &buffer, uint32_t tag, uint64_t firstSector, uint64_t generation);

// What a sector says of itself; false if it is not whole, or not ours.
bool readLabel(const uint8_t *sector, SectorLabel &label);
bool isZero(const uint8_t *sector);
// What a sector holds, in words: "tag 1 sector 8 generation 3", "zeroes", "torn ...", "foreign
// data".
std::string describeSector(const uint8_t *sector);

// Succeeds if every sector is as fillPattern() would make it; names the first that differs.
testing::AssertionResult holdsPattern(const Buffer &buffer, uint32_t tag, uint64_t firstSector,
				      uint64_t generation);
testing::AssertionResult sectorIs(const uint8_t *sector, const SectorLabel &label);

} // namespace snapdiff::lab
