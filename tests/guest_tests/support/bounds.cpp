// SPDX-License-Identifier: GPL-2.0-or-later
// What a volume may hold while many threads write to it, and what its images may show.

#include "support/bounds.h"

#include "harness/pattern.h"

namespace snapdiff::lab {

namespace {

// What seen_ holds: nothing yet, zeroes, or the number of a write.
constexpr uint64_t notSeen = ~uint64_t(0);
constexpr uint64_t zeroes = 0;

void copyNumbers(std::vector<uint64_t> &to, const std::vector<std::atomic<uint64_t>> &from)
{
	to.resize(from.size());
	for (size_t i = 0; i < from.size(); ++i)
		to[i] = from[i].load();
}

// The number in a sector; false if it holds neither a whole write of ours nor zeroes.
bool numberOf(const uint8_t *held, uint32_t tag, uint64_t sector, uint64_t &number)
{
	SectorLabel label;
	number = zeroes;
	if (isZero(held))
		return true;
	if (!readLabel(held, label) || label.tag != tag || label.sector != sector)
		return false;
	number = label.generation;
	return true;
}

bool fits(uint64_t number, const Bounds &bounds, uint64_t granule)
{
	if (number == zeroes)
		return bounds.zero[granule] >= bounds.low[granule];
	return number >= bounds.low[granule] && number <= bounds.high[granule];
}

std::string describe(uint64_t sector, const uint8_t *held, const Bounds &bounds, uint64_t granule)
{
	return "sector " + std::to_string(sector) + " holds " + describeSector(held) +
	       "; allowed: " + std::to_string(bounds.low[granule]) + " to " +
	       std::to_string(bounds.high[granule]) + ", last zeroing " +
	       std::to_string(bounds.zero[granule]);
}

} // namespace

LiveData::LiveData(uint32_t tag, uint64_t granules)
	: tag_(tag), completed_(granules), issued_(granules), zeroed_(granules), claimed_(granules)
{
}

uint64_t LiveData::nextNumber()
{
	static std::atomic<uint64_t> last = 0;
	return ++last;
}

void LiveData::set(Numbers &numbers, const Stretch &at, uint64_t number)
{
	for (uint64_t i = 0; i < at.count; ++i)
		numbers[at.first + i].store(number);
}

bool LiveData::claim(const Stretch &at)
{
	const std::lock_guard lock(claimLock_);
	for (uint64_t i = 0; i < at.count; ++i)
		if (claimed_[at.first + i])
			return false;
	for (uint64_t i = 0; i < at.count; ++i)
		claimed_[at.first + i] = true;
	return true;
}

void LiveData::release(const Stretch &at)
{
	const std::lock_guard lock(claimLock_);
	for (uint64_t i = 0; i < at.count; ++i)
		claimed_[at.first + i] = false;
}

uint64_t LiveData::issue(const Stretch &at)
{
	const uint64_t number = nextNumber();
	set(issued_, at, number);
	return number;
}

uint64_t LiveData::issueZero(const Stretch &at)
{
	const uint64_t number = issue(at);
	set(zeroed_, at, number);
	return number;
}

uint64_t LiveData::issueMaybeZero(const Stretch &at)
{
	const uint64_t number = nextNumber();
	set(zeroed_, at, number);
	return number;
}

void LiveData::complete(const Stretch &at, uint64_t number)
{
	set(completed_, at, number);
}

void LiveData::noteLow(Bounds &bounds) const
{
	copyNumbers(bounds.low, completed_);
}

void LiveData::noteHigh(Bounds &bounds) const
{
	copyNumbers(bounds.high, issued_);
	copyNumbers(bounds.zero, zeroed_);
}

Buffer LiveData::contents(const Stretch &at, uint64_t number) const
{
	Buffer buffer(at.count * granuleSectors);
	fillPattern(buffer, tag_, at.first * granuleSectors, number);
	return buffer;
}

std::string LiveData::fault(const Stretch &at, const uint8_t *held, const Bounds &bounds) const
{
	for (uint64_t i = 0; i < at.count * granuleSectors; ++i) {
		const uint64_t sector = at.first * granuleSectors + i;
		const uint64_t granule = sector / granuleSectors;
		uint64_t number = 0;
		if (!numberOf(held + i * sectorSize, tag_, sector, number) ||
		    !fits(number, bounds, granule))
			return describe(sector, held + i * sectorSize, bounds, granule);
	}
	return {};
}

PastData::PastData(uint32_t tag, uint64_t granules) : tag_(tag), seen_(granules)
{
	for (auto &number : seen_)
		number.store(notSeen);
}

std::string PastData::granuleFault(uint64_t granule, const uint8_t *held, uint64_t &number) const
{
	for (uint64_t i = 0; i < granuleSectors; ++i) {
		const uint8_t *sector = held + i * sectorSize;
		const uint64_t at = granule * granuleSectors + i;
		uint64_t found = 0;
		if (!numberOf(sector, tag_, at, found) || !fits(found, bounds_, granule))
			return describe(at, sector, bounds_, granule);
		if (!i)
			number = found;
		else if (found != number)
			return describe(at, sector, bounds_, granule) + ", but its first sector " +
			       std::to_string(number);
	}
	return {};
}

std::string PastData::changed(uint64_t granule, const uint8_t *held, uint64_t before) const
{
	return describe(granule * granuleSectors, held, bounds_, granule) + ", but was " +
	       std::to_string(before) + " earlier";
}

std::string PastData::fault(const Stretch &at, const uint8_t *held)
{
	for (uint64_t i = 0; i < at.count; ++i) {
		const uint64_t granule = at.first + i;
		const uint8_t *data = held + i * granuleSectors * sectorSize;
		uint64_t number = 0;
		uint64_t before = notSeen;
		const std::string fault = granuleFault(granule, data, number);
		if (!fault.empty())
			return fault;
		if (!seen_[granule].compare_exchange_strong(before, number) && before != number)
			return changed(granule, data, before);
	}
	return {};
}

std::string PastData::mismatch(const Stretch &at, const uint8_t *held) const
{
	for (uint64_t i = 0; i < at.count; ++i) {
		const uint64_t granule = at.first + i;
		const uint8_t *data = held + i * granuleSectors * sectorSize;
		uint64_t number = 0;
		const std::string fault = granuleFault(granule, data, number);
		if (!fault.empty())
			return fault;
		const uint64_t before = seen_[granule].load();
		if (before != notSeen && before != number)
			return changed(granule, data, before);
	}
	return {};
}

} // namespace snapdiff::lab
