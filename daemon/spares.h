// SPDX-License-Identifier: GPL-2.0-or-later
//
// Spares: the devices among the supplies.  Each is used whole, as one range.
//
// A spare becomes reserve when the carver has proven that nobody uses it; from then on
// it is claimed.  A range of a store it is as long as the kernel says so, whoever gave
// it.  Back from a store it has to be proven unused again: what the store wrote may
// look like a file system, and then it is reported and left alone.

#pragma once

#include "carver.h"
#include "notices.h"
#include "reserve.h"
#include "supply.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace snapdiff::daemon {

class Spares
{
public:
	Spares(Reserve &reserve, Notices &notices) : reserve_(reserve), notices_(notices) {}

	// Devices that are no longer named leave the reserve.
	void choose(const std::vector<Supply> &supplies);

	// sectors: a smaller device is refused.  returnAfter: so long one that a store
	// gave up is left to whoever may want it (ns).
	void setLimits(uint64_t sectors, int64_t returnAfterNs);

	// Who has which of them?
	void look(int64_t nowNs, const Surroundings &surroundings);

	std::optional<CarverRequest> decide(int64_t nowNs) const;

	// When decide() finds something, by itself.
	int64_t nextStep() const;

	// True: it is reserve now.
	bool take(const CarverRequest &asked, const CarverReply &reply, ClaimedDevice claimed,
		  int64_t nowNs);

	// Given, or refused by the kernel.
	void left(const ReadyRange &range, int64_t nowNs);

	// State, size and problem of a supply that is a device.
	void describe(Supply &supply) const;

private:
	struct Spare
	{
		enum class State { Unknown, Ready, InStore, Refused };

		std::string path;
		State state = State::Unknown;
		std::optional<dm::DeviceNumber> number;
		uint64_t sectors = 0;
		std::string problem;
		unsigned failures = 0; // in a row
		int64_t notBefore = 0;
		unsigned rank = 0;

		bool waits() const { return state == State::Unknown || state == State::Refused; }
	};

	Spare *find(const std::string &path);
	void refuse(Spare &spare, std::string why, int errnum, int64_t nowNs);
	void release(Spare &spare, int64_t notBefore);
	void dropVanished(int64_t nowNs);

	Reserve &reserve_;
	Notices &notices_;
	std::vector<Spare> spares_;
	std::map<dm::DeviceNumber, std::string> ranges_; // device of a range -> its store
	uint64_t minSectors_ = 0;
	int64_t returnAfterNs_ = 0;
};

} // namespace snapdiff::daemon
