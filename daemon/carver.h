// SPDX-License-Identifier: GPL-2.0-or-later
//
// Carver: the cold path's hands.  Runs lvm, one request after the other, in a
// process of its own, so that an lvm that hangs holds up nobody who extends.
//
// Here are the requests and answers, their text form on the socket between the two
// processes, and the carver's own side.  carver_process.h is the daemon's side.

#pragma once

#include "dm/device_number.h"
#include "lvm/lvm.h"
#include "reserve.h"
#include "util/fd.h"
#include "util/result.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

// Besides the tag of every carved LV: this one belongs to the daemon's reserve.  The
// command line's LVs do not have it, so that an LV which it is about to give to a
// store is not taken from its hands.
constexpr std::string_view reserveTag = "snapdiff-reserve";

struct CarverRequest
{
	enum class Kind {
		Volumes,  // which LVs were carved?
		Supplies, // what is free in which VG and PV?
		Carve,	  // one LV for the reserve
		Remove,	  // one LV back to its VG
		Prove,	  // is this device unused?  Then it comes claimed
	};

	Kind kind = Kind::Volumes;
	std::string vg;
	std::string lv;
	uint64_t sectors = 0; // of Prove: it must have so many
	std::string pv;	      // carve only there; of Prove: the device's path

	bool operator==(const CarverRequest &) const = default;
};

struct CarvedVolume
{
	std::string vg;
	std::string lv;
	uint64_t sectors = 0;
	bool ours = false;			// has reserveTag
	std::optional<dm::DeviceNumber> number; // while active
	Disks disks;
	bool partial = false; // a PV below it is missing

	std::string name() const { return vg + "/" + lv; }
	bool operator==(const CarvedVolume &) const = default;
};

struct SupplyGroup
{
	std::string vg;
	uint64_t size = 0;   // sectors
	uint64_t free = 0;   // sectors
	uint64_t extent = 0; // sectors
	bool partial = false;

	bool operator==(const SupplyGroup &) const = default;
};

struct SupplyDisk
{
	std::string pv;
	std::string vg;
	uint64_t free = 0; // sectors
	Disks disks;

	bool operator==(const SupplyDisk &) const = default;
};

struct CarverReply
{
	int errnum = 0; // ENOSPC: there is no room for it
	std::string why;
	std::vector<CarvedVolume> volumes; // of Volumes, and the one of Carve or Prove
	std::vector<SupplyGroup> groups;
	std::vector<SupplyDisk> disks;

	bool ok() const { return errnum == 0; }
	bool operator==(const CarverReply &) const = default;
};

// One line.
std::string format(const CarverRequest &request);
Result<CarverRequest> parseRequest(std::string_view line);

// Several lines, of which the last one is "done" or "failed ...".
std::string format(const CarverReply &reply);

// Reads a reply line by line.
class ReplyReader
{
public:
	// The whole reply, when this line was its last.
	Result<std::optional<CarverReply>> line(std::string_view line);

private:
	CarverReply reply_;
};

// A device that was proven unused, as long as both are open.
struct ClaimedDevice
{
	Fd open;
	Fd claim;
};

// The daemon's side: one request at a time.
class Carver
{
public:
	virtual ~Carver() = default;

	virtual bool busy() const = 0;

	// Not while busy.  A failure to start comes as the answer.
	virtual void ask(const CarverRequest &request) = 0;

	virtual bool hasReply() const = 0;

	// The answer to the last request, once.
	virtual std::optional<CarverReply> takeReply() = 0;

	// What came with the answer to Prove, once.
	virtual ClaimedDevice takeClaimed() = 0;
};

// The disks below a device.
using DiskFinder = std::function<Disks(dm::DeviceNumber)>;
Disks findDisks(dm::DeviceNumber number);

// Does what is asked of LVM.
CarverReply carry(const CarverRequest &request, lvm::Lvm &lvm, const DiskFinder &disksOf);

// Prove: the device is named in the answer (vg: its path) even when it is refused, so
// that one which a store has already is known again.
CarverReply prove(const CarverRequest &request, ClaimedDevice &claimed);
CarverReply failure(const Error &error);
// How long the daemon waits for an answer; then the carver is no more.
int64_t requestLimitMs(unsigned lvmTimeoutMs);

// Our volumes that nobody has claimed, neither a store nor a reserve: what they were used
// for, or what lvm was killed before it wiped, must not be taken for a file system.
void wipeLeftovers(const CarverReply &volumes);

// The carver's process: serves the socket until the other side is gone.  Returns the
// exit status.
int runCarver(int socket, unsigned lvmTimeoutMs);

} // namespace snapdiff::daemon
