// SPDX-License-Identifier: GPL-2.0-or-later
//
// Refiller: how much has to be ready, and of which supplies.

#include "refiller.h"

#include <algorithm>

namespace snapdiff::daemon {

namespace {

bool names(const std::vector<std::string> &supplies, const std::string &supply)
{
	return std::ranges::find(supplies, supply) != supplies.end();
}

} // namespace

// One for all stores, and one for each that has a list or a number of its own.  A range
// counts for all demands whose list its supply is in.  A device is carved by nobody.
std::vector<Demand> Refiller::demands() const
{
	std::vector<Demand> all = {{common_, wanted_, 0}};

	for (const std::string &store : surroundings_.stores) {
		const auto *own = config_.ownSuppliesOf(store);
		const unsigned least = config_.reserveRangesOf(store);
		unsigned ranges = least;
		if (own && !surroundings_.pace.calm)
			ranges = std::max(ranges, rangesFor(*own));
		if (own || ranges > wanted_)
			all.push_back({own ? *own : common_, ranges, least});
	}
	std::erase_if(all, [](const Demand &demand) {
		return demand.ranges == 0 || std::ranges::all_of(demand.supplies, isDeviceSupply);
	});
	return all;
}

Refiller::Ready Refiller::readyIf(const std::function<bool(const ReadyRange &)> &condition) const
{
	Ready ready;

	for (const ReadyRange &range : reserve_.ranges()) {
		if (range.state != ReadyRange::State::Ready || range.isDevice() ||
		    !condition(range))
			continue;
		ready.count++;
		ready.sectors += range.length;
	}
	return ready;
}

Refiller::Ready Refiller::readyCarved() const
{
	return readyIf([](const ReadyRange &) { return true; });
}

Refiller::Ready Refiller::readyFrom(const std::vector<std::string> &supplies) const
{
	return readyIf([&](const ReadyRange &range) { return names(supplies, range.vg); });
}

// As many as configured, and more while they hold too little for the pace.
unsigned Refiller::rangesFor(const std::vector<std::string> &supplies) const
{
	const Ready ready = readyFrom(supplies);
	return rangesWanted(config_, surroundings_.pace, ready.count, ready.sectors);
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

// Back to its volume group: what nobody may have, and what is too much (weighSurplus()),
// unless a store is to keep it for itself.
bool Refiller::mayGo(const ReadyRange &range) const
{
	bool named = false;

	for (const Demand &demand : demands()) {
		if (!names(demand.supplies, range.vg))
			continue;
		named = true;
		if (demand.least && readyOf(demand) <= demand.least)
			return false;
	}
	if (config_.supplies && !named)
		return true;
	return range.length <= surplus_;
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
