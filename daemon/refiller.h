// SPDX-License-Identifier: GPL-2.0-or-later
//
// Refiller: the cold path's head.  Decides what the carver does next, so that the
// reserve is never empty while any supply has space.  Devices among the supplies are
// the work of spares.h.
//
// It remembers nothing that it could not find out again: what LVs there are is asked
// of LVM, who uses them of the kernel.  An LV with the tag that is no range of a
// store is reserve; one of ours (reserveTag) is taken over at once at the start,
// any other after it was seen unused for some time, because somebody may be about
// to give it to a store, or to remove it.

#pragma once

#include "carver.h"
#include "config.h"
#include "notices.h"
#include "pace.h"
#include "reserve.h"
#include "spares.h"
#include "supply.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace snapdiff::daemon {

// A list of supplies, and how many carved ranges of it are kept ready.
struct Demand
{
	std::vector<std::string> supplies;
	unsigned ranges = 0;
	unsigned least = 0; // never fewer of them, whatever is too much for the others
};

class Refiller
{
public:
	// Opens and claims the device of an LV that becomes reserve.
	using Opener = std::function<Result<ClaimedDevice>(const CarvedVolume &)>;

	Refiller(Carver &carver, Reserve &reserve, Notices &notices, Opener opener);

	void configure(const Config &config);

	// Takes the carver's answer, if there is one, and asks the next thing, if there
	// is need.  True: the reserve has more than before.
	bool step(int64_t nowNs, const Surroundings &surroundings);

	// When step() is due without any other cause.
	int64_t nextStep() const;

	// Something changed among the dm devices: look again, soon.
	void lookSoon(int64_t nowNs);

	// We took this range back from its store: its LV is nobody else's.
	void tookBack(dm::DeviceNumber number);

	// Ranges that the reserve gave or that were refused.
	void left(const std::vector<ReadyRange> &ranges, int64_t nowNs);

	const std::vector<Supply> &supplies() const { return supplies_; }
	uint64_t carvableSectors() const;
	uint64_t carvableSectors(const SupplyOrder &order) const;

	// The ranges that are to be ready, with the devices that are.
	unsigned wanted() const;

	// The LVs have been asked for, so that leftovers are known.
	bool resynced() const { return resynced_; }

	// "vg0/snapdiff.3" for a device that is a carved LV; empty otherwise.
	std::string volumeName(dm::DeviceNumber number) const;

	// An LV that we carved, with exactly so many sectors.
	bool isOurs(dm::DeviceNumber number, uint64_t sectors) const;

	double carvingSeconds() const { return carving_.slow(); }

private:
	struct Piece
	{
		size_t supply = 0;
		std::string pv;
		uint64_t sectors = 0;
	};

	std::optional<CarverRequest> decide(int64_t nowNs);
	std::optional<CarverRequest> decideRemoval();
	void weighSurplus(int64_t nowNs);
	std::optional<Piece> nextPiece(int64_t nowNs) const;
	std::optional<Piece> pieceFrom(std::string_view vg, int64_t nowNs) const;
	std::optional<Piece> pieceOf(size_t supply, int64_t nowNs) const;
	uint64_t carvableOf(const SupplyGroup &group) const;
	std::string freeName(const std::string &vg) const;
	bool exhausted() const;
	std::vector<Demand> demands() const;
	// Carved ranges that are ready; devices are not carved.
	struct Ready
	{
		size_t count = 0;
		uint64_t sectors = 0;
	};
	Ready readyIf(const std::function<bool(const ReadyRange &)> &condition) const;
	Ready readyCarved() const;
	Ready readyFrom(const std::vector<std::string> &supplies) const;
	size_t readyOf(const Demand &demand) const { return readyFrom(demand.supplies).count; }
	unsigned rangesFor(const std::vector<std::string> &supplies) const;
	std::vector<Demand> unmetDemands() const;
	bool isShort() const { return !unmetDemands().empty(); }
	bool mayGo(const ReadyRange &range) const;
	bool anyGroup() const;
	size_t rankOf(const std::string &supply) const;
	size_t carveRank(int64_t nowNs) const;
	bool take(const CarverReply &reply, int64_t nowNs);
	bool takeVolumes(const CarverReply &reply, int64_t nowNs);
	void takeSupplies(const CarverReply &reply, int64_t nowNs);
	bool takeCarved(const CarverReply &reply, int64_t nowNs);
	void takeRemoved(const CarverReply &reply, int64_t nowNs);
	bool settle(const CarvedVolume &volume, bool first, int64_t nowNs);
	void dropVanished(const CarverReply &reply, const std::set<std::string> &before);
	void dropPartial(const CarverReply &reply);
	bool adopt(const CarvedVolume &volume);
	void lookFailed(const CarverReply &reply);
	void supplyFailed(Supply &supply, const CarverReply &reply, int64_t nowNs);
	void chooseSupplies();
	void judgeSupplies();
	void tellShortage();
	std::string shortage() const;

	Carver &carver_;
	Reserve &reserve_;
	Notices &notices_;
	Opener opener_;
	Config config_;

	Surroundings surroundings_;
	std::optional<CarverRequest> asked_;
	size_t askedSupply_ = 0;
	int64_t askedNs_ = 0;
	CarvingTime carving_;

	std::vector<Supply> supplies_;
	std::vector<std::string>
		common_; // of them, those for all stores without a list of their own
	Spares spares_;
	std::map<std::string, SupplyGroup, std::less<>> groups_;
	std::vector<SupplyDisk> disks_;
	std::map<dm::DeviceNumber, CarvedVolume> volumes_;
	std::set<std::string> names_;		     // of all carved LVs, "vg0/snapdiff.3"
	std::map<std::string, int64_t> unusedSince_; // LV -> when it was first seen so
	std::vector<CarvedVolume> toRemove_;
	std::set<dm::DeviceNumber> tookBack_;
	std::optional<int64_t> surplusSince_; // the reserve holds too much
	uint64_t surplus_ = 0;		      // for so long that a range of this size may go

	bool resynced_ = false;
	bool suppliesKnown_ = false;
	bool toldShortage_ = false;
	unsigned wanted_ = 0;
	size_t turn_ = 0; // spread: the supply that is next
	unsigned lookFailures_ = 0;
	int64_t volumesDue_ = 0;
	int64_t suppliesDue_ = 0;
};

} // namespace snapdiff::daemon
