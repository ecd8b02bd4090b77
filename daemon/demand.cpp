// SPDX-License-Identifier: GPL-2.0-or-later
//
// Refiller: how much has to be ready, and of which supplies.

#include "refiller.h"

#include <algorithm>

namespace snapdiff::daemon {

namespace {

bool names(const Demand &demand, const std::string &supply)
{
	return std::ranges::find(demand.supplies, supply) != demand.supplies.end();
}

} // namespace

// One for all stores, and one for each that has a list or a number of its own.  A range
// counts for all demands whose list its supply is in.  A device is carved by nobody.
std::vector<Demand> Refiller::demands() const
{
	std::vector<Demand> all = {{common_, wanted_}};

	for (const std::string &store : surroundings_.stores) {
		const auto *own = config_.ownSuppliesOf(store);
		const unsigned ranges = config_.reserveRangesOf(store);
		if (own || ranges > wanted_)
			all.push_back({own ? *own : common_, ranges});
	}
	std::erase_if(all, [](const Demand &demand) {
		return demand.ranges == 0 || std::ranges::all_of(demand.supplies, isDeviceSupply);
	});
	return all;
}

size_t Refiller::readyOf(const Demand &demand) const
{
	size_t count = 0;
	for (const ReadyRange &range : reserve_.ranges())
		count += range.state == ReadyRange::State::Ready && !range.isDevice() &&
			 names(demand, range.vg);
	return count;
}

std::vector<Demand> Refiller::unmetDemands() const
{
	std::vector<Demand> unmet = demands();

	std::erase_if(unmet,
		      [this](const Demand &demand) { return readyOf(demand) >= demand.ranges; });
	std::ranges::stable_sort(unmet, {},
				 [this](const Demand &demand) { return readyOf(demand); });
	return unmet;
}

// The reserve is short and there is nothing to fill it from.
bool Refiller::exhausted() const
{
	return isShort() && !nextPiece(INT64_MAX);
}

std::string Refiller::shortage() const
{
	std::string text = "there is nothing left to fill it from:";

	for (const Demand &demand : unmetDemands()) {
		std::string list;
		for (const std::string &supply : demand.supplies)
			list += (list.empty() ? "" : ", ") + supply;
		text += " " + std::to_string(readyOf(demand)) + " of " +
			std::to_string(demand.ranges) + " ranges from " + list + " are ready.";
	}
	return text + " Add a supply, or make space in one";
}

unsigned Refiller::wanted() const
{
	size_t most = 0;
	for (const Demand &demand : demands())
		most = std::max<size_t>(most, demand.ranges);
	return static_cast<unsigned>(most + static_cast<size_t>(std::ranges::count_if(
						    reserve_.ranges(), [](const ReadyRange &range) {
							    return range.isDevice() &&
								   range.state ==
									   ReadyRange::State::Ready;
						    })));
}

// Back to its volume group: what nobody may have, and what is beyond the maximum,
// unless it would be carved again at once.
bool Refiller::mayGo(const ReadyRange &range) const
{
	const std::vector<Demand> all = demands();
	size_t carved = 0;
	bool named = false;

	for (const Demand &demand : all) {
		if (!names(demand, range.vg))
			continue;
		named = true;
		if (readyOf(demand) <= demand.ranges)
			return false;
	}
	if (config_.supplies && !named)
		return true;
	for (const ReadyRange &other : reserve_.ranges())
		carved += other.state == ReadyRange::State::Ready && !other.isDevice();
	return carved > (all.empty() ? 0 : config_.reserveMaxRanges);
}

bool Refiller::anyGroup() const
{
	return !std::ranges::all_of(supplies_, isDeviceSupply, &Supply::vg);
}

size_t Refiller::rankOf(const std::string &supply) const
{
	return static_cast<size_t>(std::ranges::find(supplies_, supply, &Supply::vg) -
				   supplies_.begin());
}

// The place of the volume group from which the reserve gets something now; as long as
// that is to be looked up, that of the first one.  Beyond all: from none.
size_t Refiller::carveRank(int64_t nowNs) const
{
	const bool looks =
		resynced_ ? !suppliesKnown_ && nowNs >= suppliesDue_ : nowNs >= volumesDue_;
	if (looks)
		return static_cast<size_t>(
			std::ranges::find_if_not(supplies_, isDeviceSupply, &Supply::vg) -
			supplies_.begin());
	if (!resynced_ || !suppliesKnown_)
		return SIZE_MAX;
	const auto piece = nextPiece(nowNs);
	return piece ? piece->supply : SIZE_MAX;
}

uint64_t Refiller::carvableSectors(const SupplyOrder &order) const
{
	uint64_t sum = 0;
	for (const Supply &supply : supplies_)
		if (order.allows(supply.vg))
			sum += supply.carvable;
	return sum;
}

} // namespace snapdiff::daemon
