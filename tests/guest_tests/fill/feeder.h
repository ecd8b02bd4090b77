// SPDX-License-Identifier: GPL-2.0-or-later
// What fills need around them: volume groups to carve from, fields, and the daemon.
#pragma once

#include "fill/round.h"
#include "support/daemon_process.h"
#include "support/volume_group.h"

#include <list>
#include <string>

namespace snapdiff::lab {

struct FeederPlan
{
	size_t fields = 4;
	uint64_t originSectors = 64 * mib;
	uint64_t groupSectors = 640 * mib; // of each of the two volume groups
	const char *rangeSize = "16MiB";
	unsigned reserveRanges = 4;
	unsigned reserveMaxRanges = 64;
	const char *lowWater = "6MiB";
};

// Origins on the disks 0 and 1; volume groups and the stores' first ranges on 2 and 3.
class Feeder
{
public:
	explicit Feeder(const FeederPlan &plan);

	DaemonProcess &daemon() { return daemon_; }
	const std::list<Field> &fields() const { return fields_; }

	// The configuration that it began with; then with other lines at its end.
	static std::string configuration(const FeederPlan &plan);

	// Waits until the reserve is as full as configured. A failure of the test, and false, if it
	// takes longer than so many seconds of a quiet machine.
	bool ready(int seconds = 30) const;
	// Makes the daemon look at LVM now, and waits until what rounds gave back is reserve again.
	bool takeBack(int seconds = 30) const;

private:
	// Volumes that were carved from its groups and are active.
	static size_t carved();

	FeederPlan plan_;
	VolumeGroup first_;
	VolumeGroup second_;
	std::list<Field> fields_;
	DaemonProcess daemon_;
};

// A side show for rounds: whenever a store falls to its mark or nearly, the daemon is stopped or
// killed for some time. Not again before it has answered all that it missed: nobody can feed a
// store who is killed anew before LVM has told it what it has.
class Tormentor
{
public:
	enum class Way { Stop, Kill };

	Tormentor(DaemonProcess &daemon, Way way, unsigned outageMs);

	void look(const std::vector<Summary> &stores);
	// Ends an outage that is under way.
	void finish();
	unsigned outages() const { return outages_; }

private:
	bool isWorstMoment(const std::vector<Summary> &stores) const;

	DaemonProcess &daemon_;
	Way way_;
	unsigned outageMs_;
	unsigned outages_ = 0;
	bool armed_ = true;
	bool away_ = false;
	long long backAtMs_ = 0;
};

} // namespace snapdiff::lab
