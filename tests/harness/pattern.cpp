// SPDX-License-Identifier: GPL-2.0-or-later
// Sectors that say what they are.

#include "harness/pattern.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace snapdiff::lab {

namespace {

constexpr uint64_t magic = 0x50414e5344494646; // "PANSDIFF" as a number: says that it is ours
constexpr size_t words = sectorSize / sizeof(uint64_t);
using Words = std::array<uint64_t, words>;

// splitmix64: cheap, and one changed bit of the label changes all words.
uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

Words makeSector(const SectorLabel &label)
{
	Words sector{magic, label.tag, label.sector, label.generation};
	uint64_t state = mix(label.tag) ^ mix(label.sector << 1) ^ mix(~label.generation);
	for (size_t i = 4; i < words; ++i)
		sector[i] = state = mix(state);
	return sector;
}

Words load(const uint8_t *sector)
{
	Words result;
	memcpy(result.data(), sector, sectorSize);
	return result;
}

std::string text(const SectorLabel &label)
{
	return "tag " + std::to_string(label.tag) + " sector " + std::to_string(label.sector) +
	       " generation " + std::to_string(label.generation);
}

} // namespace

void fillSector(uint8_t *sector, const SectorLabel &label)
{
	const Words made = makeSector(label);
	memcpy(sector, made.data(), sectorSize);
}

void fillPattern(Buffer &buffer, uint32_t tag, uint64_t firstSector, uint64_t generation)
{
	for (uint64_t i = 0; i < buffer.sectors(); ++i)
		fillSector(buffer.sector(i), {tag, firstSector + i, generation});
}

bool readLabel(const uint8_t *sector, SectorLabel &label)
{
	const Words held = load(sector);
	label = {static_cast<uint32_t>(held[1]), held[2], held[3]};
	return held == makeSector(label);
}

bool isZero(const uint8_t *sector)
{
	const Words held = load(sector);
	return std::all_of(held.begin(), held.end(), [](uint64_t word) { return word == 0; });
}

std::string describeSector(const uint8_t *sector)
{
	SectorLabel label;
	if (isZero(sector))
		return "zeroes";
	if (load(sector)[0] != magic)
		return "foreign data";
	const bool whole = readLabel(sector, label); // before the label is read
	return (whole ? "" : "torn ") + text(label);
}

testing::AssertionResult sectorIs(const uint8_t *sector, const SectorLabel &label)
{
	if (load(sector) == makeSector(label))
		return testing::AssertionSuccess();
	return testing::AssertionFailure() << "sector " << label.sector << " holds "
					   << describeSector(sector) << ", not " << text(label);
}

testing::AssertionResult holdsPattern(const Buffer &buffer, uint32_t tag, uint64_t firstSector,
				      uint64_t generation)
{
	for (uint64_t i = 0; i < buffer.sectors(); ++i) {
		testing::AssertionResult result =
			sectorIs(buffer.sector(i), {tag, firstSector + i, generation});
		if (!result)
			return result;
	}
	return testing::AssertionSuccess();
}

} // namespace snapdiff::lab
