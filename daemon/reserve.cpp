// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reserve: ranges carved in advance.

#include "reserve.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fcntl.h>

namespace snapdiff::daemon {

void Disks::add(dm::DeviceNumber disk)
{
	for (const dm::DeviceNumber known : all())
		if (known == disk)
			return;
	if (count_ < most)
		disks_[count_++] = disk;
}

bool Disks::meets(const Disks &other) const
{
	for (const dm::DeviceNumber mine : all())
		for (const dm::DeviceNumber theirs : other.all())
			if (mine == theirs)
				return true;
	return false;
}

bool Disks::operator==(const Disks &other) const
{
	return std::ranges::equal(all(), other.all());
}

bool ReadyRange::claimAgain()
{
	if (!claimed || claim.valid())
		return true;
	// Not by its path, which may lead elsewhere by now.
	Result<Fd> again =
		Fd::open("/proc/self/fd/" + std::to_string(open.get()), O_RDONLY | O_EXCL);
	if (!again)
		return false;
	claim = std::move(*again);
	return true;
}

unsigned SupplyOrder::rankOf(const ReadyRange &range) const
{
	for (size_t i = 0; i < names.size(); i++)
		if (names[i] == range.vg)
			return listed ? static_cast<unsigned>(i) : never;
	return listed ? never : range.rank;
}

bool SupplyOrder::allows(std::string_view supply) const
{
	return (std::ranges::find(names, supply) != names.end()) == listed;
}

bool Reserve::add(ReadyRange range)
{
	if (ranges_.size() == most || has(range.number))
		return false;
	ranges_.push_back(std::move(range));
	return true;
}

ReadyRange *Reserve::choose(const Wish &wish)
{
	ReadyRange *best = nullptr;
	uint64_t bestCost = 0;

	for (ReadyRange &range : ranges_) {
		if (range.state != ReadyRange::State::Ready)
			continue;
		const unsigned rank = wish.supplies ? wish.supplies->rankOf(range) : range.rank;
		if (rank == SupplyOrder::never || (range.isDevice() && range.length > wish.room))
			continue;
		const bool shared = wish.avoid && range.disks.meets(*wish.avoid);
		const bool again = wish.hasLastGroup && range.group == wish.lastGroup;
		const uint64_t order = wish.spread ? uint64_t{again} : rank;
		const uint64_t cost = (uint64_t{shared} << 40) + order;
		if (!best || cost < bestCost) {
			best = &range;
			bestCost = cost;
		}
	}
	return best;
}

// Moves those to which it applies out, and keeps the order of the others.
template<class Predicate>
static std::vector<ReadyRange> takeIf(std::vector<ReadyRange> &ranges, Predicate applies)
{
	std::vector<ReadyRange> out;

	const auto first =
		std::stable_partition(ranges.begin(), ranges.end(),
				      [&](const ReadyRange &range) { return !applies(range); });
	std::move(first, ranges.end(), std::back_inserter(out));
	ranges.erase(first, ranges.end());
	return out;
}

std::vector<ReadyRange> Reserve::collect()
{
	for (ReadyRange &range : ranges_)
		if (range.state == ReadyRange::State::Ready && !range.claimAgain())
			range.state = ReadyRange::State::Refused;
	return takeIf(ranges_, [](const ReadyRange &range) {
		return range.state != ReadyRange::State::Ready;
	});
}

std::vector<ReadyRange> Reserve::takeOthers(const std::set<dm::DeviceNumber> &these)
{
	return takeWhere([&](const ReadyRange &range) {
		return !range.isDevice() && !these.contains(range.number);
	});
}

std::vector<ReadyRange> Reserve::takeWhere(const Condition &condition)
{
	return takeIf(ranges_, [&](const ReadyRange &range) {
		return range.state == ReadyRange::State::Ready && condition(range);
	});
}

bool Reserve::takeSurplus(ReadyRange &range, const Condition &mayGo)
{
	const auto merit = [](const ReadyRange &one) { return std::pair(one.rank, one.length); };
	size_t last = ranges_.size();

	for (size_t i = 0; i < ranges_.size(); i++) {
		if (ranges_[i].state != ReadyRange::State::Ready || ranges_[i].isDevice() ||
		    (mayGo && !mayGo(ranges_[i])))
			continue;
		if (last == ranges_.size() || merit(ranges_[i]) >= merit(ranges_[last]))
			last = i;
	}
	if (last == ranges_.size())
		return false;
	range = std::move(ranges_[last]);
	ranges_.erase(ranges_.begin() + static_cast<ptrdiff_t>(last));
	return true;
}

bool Reserve::has(dm::DeviceNumber number) const
{
	return std::ranges::any_of(ranges_,
				   [&](const ReadyRange &range) { return range.number == number; });
}

size_t Reserve::readyCount() const
{
	return static_cast<size_t>(std::ranges::count_if(ranges_, [](const ReadyRange &range) {
		return range.state == ReadyRange::State::Ready;
	}));
}

uint64_t Reserve::readySectors() const
{
	uint64_t sum = 0;
	for (const ReadyRange &range : ranges_)
		if (range.state == ReadyRange::State::Ready)
			sum += range.length;
	return sum;
}

uint64_t Reserve::readySectors(const SupplyOrder &supplies) const
{
	uint64_t sum = 0;
	for (const ReadyRange &range : ranges_)
		if (range.state == ReadyRange::State::Ready && supplies.allows(range.vg))
			sum += range.length;
	return sum;
}

void Reserve::rank(std::span<const std::string> supplies)
{
	for (ReadyRange &range : ranges_) {
		const auto place = std::ranges::find(supplies, range.vg);
		range.rank = static_cast<unsigned>(place - supplies.begin());
	}
}

} // namespace snapdiff::daemon
