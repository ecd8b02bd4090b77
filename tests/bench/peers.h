// SPDX-License-Identifier: GPL-2.0-or-later
// The peers: dm-snapshot and dm-thin under LVM, extended by dmeventd at a threshold of 70 %, as
// lvm.conf(5) and lvmthin(7) describe it.
#pragma once

#include "extensions.h"
#include "support/volume_group.h"

#include <string>

namespace snapdiff::bench {

// LVM's configuration says monitoring, threshold 70 and percent 20 while this lives; dmeventd,
// which LVM starts by itself, ends with it.
class Dmeventd
{
public:
	Dmeventd();
	~Dmeventd();
	Dmeventd(const Dmeventd &) = delete;
	Dmeventd &operator=(const Dmeventd &) = delete;
};

constexpr unsigned threshold = 70;

// An origin of a volume group's first disk, its snapshot (persistent, 4 KiB chunks) on the second.
class LvmSnapshot
{
public:
	LvmSnapshot(const lab::VolumeGroup &group, unsigned originMib, unsigned snapshotMib,
		    unsigned chunkKib = 4);
	~LvmSnapshot();
	LvmSnapshot(const LvmSnapshot &) = delete;
	LvmSnapshot &operator=(const LvmSnapshot &) = delete;

	std::string path() const { return "/dev/" + group_ + "/base"; }
	Space space() const;

private:
	std::string group_;
};

// A thin volume, and the pool that it fills.
class LvmThin
{
public:
	LvmThin(const lab::VolumeGroup &group, unsigned volumeMib, unsigned poolMib);
	~LvmThin();
	LvmThin(const LvmThin &) = delete;
	LvmThin &operator=(const LvmThin &) = delete;

	std::string path() const { return "/dev/" + group_ + "/thin"; }
	// Sectors that one write takes from the pool.
	static constexpr uint64_t chunk = 128;
	Space space() const;

private:
	std::string group_;
};

} // namespace snapdiff::bench
