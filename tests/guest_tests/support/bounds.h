// SPDX-License-Identifier: GPL-2.0-or-later
// What a volume may hold while many threads write to it, and what its images may show.
//
// Every write has a number of its own, larger than all before it, and writes it into its sectors.
// Per granule of 4 KiB the last number that was issued and the last that was completed are known,
// so that a reader can tell what it may find without anybody standing still: nothing older than
// what was complete when it began, nothing newer than what was issued when it ended. The same
// holds for a take; and a granule of an image must show the same for ever.
#pragma once

#include "harness/block_device.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace snapdiff::lab {

constexpr uint64_t granuleSectors = 8;

// A stretch of granules.
struct Stretch
{
	uint64_t first = 0;
	uint64_t count = 0;
};

// Between which numbers the content of each granule lies.
struct Bounds
{
	std::vector<uint64_t> low;
	std::vector<uint64_t> high;
	// Last number of a write-zeroes or discard that was issued.
	std::vector<uint64_t> zero;
};

class LiveData
{
public:
	LiveData(uint32_t tag, uint64_t granules);

	uint32_t tag() const { return tag_; }
	uint64_t granules() const { return completed_.size(); }
	uint64_t sectors() const { return granules() * granuleSectors; }

	// Two writers never write to the same granule at once; false if somebody does already.
	bool claim(const Stretch &at);
	void release(const Stretch &at);

	// A write begins: its number. Zeroing: zeroes instead of data; maybe: like a discard, it
	// may also leave things as they are.
	uint64_t issue(const Stretch &at);
	uint64_t issueZero(const Stretch &at);
	uint64_t issueMaybeZero(const Stretch &at);
	void complete(const Stretch &at, uint64_t number);

	// Before and after the reading, or the take, in this order.
	void noteLow(Bounds &bounds) const;
	void noteHigh(Bounds &bounds) const;

	// What to write at a place.
	Buffer contents(const Stretch &at, uint64_t number) const;
	// Empty, or what is wrong with what was read from the live volume. From sector to sector,
	// as a write may be under way.
	std::string fault(const Stretch &at, const uint8_t *held, const Bounds &bounds) const;

private:
	using Numbers = std::vector<std::atomic<uint64_t>>;

	uint64_t nextNumber();
	static void set(Numbers &numbers, const Stretch &at, uint64_t number);

	uint32_t tag_;
	Numbers completed_;
	Numbers issued_;
	Numbers zeroed_;
	std::mutex claimLock_;
	std::vector<bool> claimed_;
};

// One volume as one snapshot shows it.
class PastData
{
public:
	PastData(uint32_t tag, uint64_t granules);

	Bounds &bounds() { return bounds_; }
	// Empty, or what is wrong with what was read from an image. Remembers what it saw, for the
	// next time.
	std::string fault(const Stretch &at, const uint8_t *held);
	// The same for what was perhaps read from an image of another snapshot: remembers nothing.
	std::string mismatch(const Stretch &at, const uint8_t *held) const;

private:
	// Empty, and the number that the granule holds; or what is wrong.
	std::string granuleFault(uint64_t granule, const uint8_t *held, uint64_t &number) const;
	std::string changed(uint64_t granule, const uint8_t *held, uint64_t before) const;

	uint32_t tag_;
	Bounds bounds_;
	std::vector<std::atomic<uint64_t>> seen_;
};

} // namespace snapdiff::lab
