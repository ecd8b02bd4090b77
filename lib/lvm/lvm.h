// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lvm: volume groups and volumes, through the lvm program in a child process.
//
// Every call is bounded by a time-out and writes nothing to a file system (backup
// and archive are off), so that it may run while an origin holds its writers.

#pragma once

#include "dm/device_number.h"
#include "util/run.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::lvm {

// The tag of every LV that was carved for a store.
constexpr std::string_view rangeTag = "snapdiff";

struct VolumeGroup
{
	std::string name;
	uint64_t sizeBytes = 0;
	uint64_t freeBytes = 0;
	uint64_t extentBytes = 0;
	bool partial = false; // a PV is missing
};

struct Volume
{
	std::string vg;
	std::string name;
	uint64_t sizeBytes = 0;
	bool active = false;
	bool partial = false;			// a PV below it is missing
	std::optional<dm::DeviceNumber> number; // while active
	std::string path;			// /dev/VG/LV
	std::string dmPath;			// /dev/mapper/VG-LV
	std::vector<std::string> tags;
	std::vector<std::string> devices; // PVs that it lies on, each once

	bool hasTag(std::string_view tag) const;

	// Carved by another machine than the one of this tag (lvm/host.h).
	bool isOfAnother(std::string_view hostTag) const;

	// "vg0/home"
	std::string fullName() const { return vg + "/" + name; }
};

struct PhysicalVolume
{
	std::string device;
	std::string vg; // empty: in none
	uint64_t sizeBytes = 0;
	uint64_t freeBytes = 0;
};

// Parsers of what `lvm ... --reportformat json --units b --nosuffix` prints.
Result<std::vector<VolumeGroup>> parseVolumeGroups(std::string_view json);
Result<std::vector<Volume>> parseVolumes(std::string_view json);
Result<std::vector<PhysicalVolume>> parsePhysicalVolumes(std::string_view json);
Result<std::vector<dm::DeviceNumber>> parseScannedDevices(std::string_view json);

struct CarveRequest
{
	std::string vg;
	uint64_t sizeBytes = 0;			  // rounded up to whole extents
	std::vector<std::string> physicalVolumes; // only on these; empty: anywhere
	std::vector<std::string> extraTags;

	// Empty: "snapdiff.N", N the lowest free number, which costs a report first.
	std::string name;
};

class Lvm
{
public:
	// Names of devices that no run of lvm reads, except for scans(): see lvm/unread.h.
	using Unread = std::function<Result<std::vector<std::string>>()>;

	static constexpr unsigned defaultTimeoutMs = 45000;

	// timeoutMs bounds each run of the program.
	explicit Lvm(Runner &runner, unsigned timeoutMs = defaultTimeoutMs, Unread unread = {});

	Result<std::vector<VolumeGroup>> volumeGroups();
	Result<VolumeGroup> volumeGroup(const std::string &name);
	Result<std::vector<Volume>> volumes();
	Result<Volume> volume(const std::string &vg, const std::string &lv);
	Result<std::vector<PhysicalVolume>> physicalVolumes();

	// Does LVM look for a physical volume on this device, as it is configured?
	Result<bool> scans(dm::DeviceNumber device);

	// Volumes with the tag, of all VGs; none that another machine carved.
	Result<std::vector<Volume>> carvedVolumes();

	// A new active LV with the tag, and with this machine's; old signatures are wiped.  It is
	// one dm device however many pieces it has.  Its devices are not looked up.  Kind NoSpace
	// when the VG has too little, Busy when the name that was asked for is taken.
	// Killed on the way, it leaves either nothing or a whole tagged LV.
	Result<Volume> carve(const CarveRequest &request);

	// All of them with one run of the program; refuses all if one has not the tag, or is
	// another machine's.
	Result<> remove(std::span<const Volume> volumes);

	// What carve() would run: for --dry-run.
	std::string carveCommandLine(const CarveRequest &request) const;

private:
	enum class Reads { AllButUnread, AsConfigured };
	Result<std::string> report(std::vector<std::string> argv,
				   Reads reads = Reads::AllButUnread);
	Result<Finished> run(std::vector<std::string> argv, Reads reads, unsigned timeoutMs);
	Result<Finished> runAsIs(const Command &command) const;
	Result<std::string> filterConfig();
	Command command(std::vector<std::string> argv, const std::string &moreConfig = {}) const;
	Result<std::string> nameFor(const CarveRequest &request);
	std::vector<std::string> carveArguments(const CarveRequest &request,
						const std::string &name) const;

	Runner &runner_;
	unsigned timeoutMs_;
	Unread unread_;
	std::string hostTag_;
	std::string filter_; // what lvm.conf says, asked for when it is needed first
};

// Carved volumes that no range of any store uses: reserve of a daemon, or left
// over by one that was killed.
std::vector<Volume> unusedVolumes(const std::vector<Volume> &carved,
				  const std::function<bool(dm::DeviceNumber)> &isRange);

} // namespace snapdiff::lvm
