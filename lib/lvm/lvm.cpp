// SPDX-License-Identifier: GPL-2.0-or-later
//
// Lvm: volume groups and volumes, through the lvm program in a child process.

#include "lvm/lvm.h"

#include "dm/names.h"
#include "lvm/host.h"
#include "lvm/unread.h"
#include "util/fd.h"
#include "util/text.h"
#include "util/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include <sys/stat.h>
#include <unistd.h>

namespace snapdiff::lvm {

static constexpr std::string_view volumePrefix = "snapdiff.";

// Nothing is written where an origin that holds its writers may lie: no metadata to
// /etc/lvm, no log, and nothing that waits for whoever writes the log.
static constexpr const char *quietConfig = "backup{backup=0 archive=0} "
					   "log{file=\"/dev/null\" syslog=0}";

// How long a report waits for locks before it does without.
static constexpr unsigned lockWaitMs = 15000;

static constexpr const char *volumeFields =
	"vg_name,lv_name,lv_size,lv_active,lv_kernel_major,lv_kernel_minor,lv_path,lv_dm_path,"
	"lv_tags,lv_health_status,devices";

bool Volume::hasTag(std::string_view tag) const
{
	return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

bool Volume::isOfAnother(std::string_view hostTag) const
{
	const auto namesHost = [](const std::string &tag) {
		return tag.starts_with(hostTagPrefix);
	};
	return !hasTag(hostTag) && std::any_of(tags.begin(), tags.end(), namesHost);
}

Lvm::Lvm(Runner &runner, unsigned timeoutMs, Unread unread)
	: runner_(runner), timeoutMs_(timeoutMs), unread_(std::move(unread)), hostTag_(hostTag())
{
}

Command Lvm::command(std::vector<std::string> argv, const std::string &moreConfig) const
{
	Command command;
	command.argv = std::move(argv);
	command.argv.insert(command.argv.begin(), "lvm");
	command.argv.insert(command.argv.begin() + 2, {"--config", quietConfig + moreConfig});
	command.environment = {"LVM_SUPPRESS_FD_WARNINGS=1"};
	command.timeoutMs = timeoutMs_;
	// LVM waits for a udevd that is not there.
	if (getenv("DM_DISABLE_UDEV") || access("/run/udev/control", F_OK) < 0)
		command.environment.emplace_back("DM_DISABLE_UDEV=1");
	return command;
}

// The last line of what LVM complained about that is no warning.
static std::string complaint(const Finished &finished)
{
	std::string last;
	for (const std::string &line : splitLines(finished.err)) {
		const std::string_view text = trimmed(line);
		if (!text.empty() && (last.empty() || !text.starts_with("WARNING")))
			last = printable(text);
	}
	return last.empty() ? fmt::format("exit code {}", finished.code) : last;
}

// The filter of lvm.conf, with the devices before it that are not to be read.
Result<std::string> Lvm::filterConfig()
{
	const Result<std::vector<std::string>> names =
		unread_ ? unread_() : std::vector<std::string>();
	if (!names)
		return names.error();
	if (names->empty())
		return std::string();
	if (filter_.empty()) {
		const Result<Finished> asked =
			runAsIs(command({"lvmconfig", "--type", "full", "devices/filter"}));
		if (!asked)
			return asked.error();
		if (!asked->ok())
			return Error(EIO, "lvm lvmconfig devices/filter", complaint(*asked));
		filter_ = asked->out;
	}
	return " devices{filter=" + filterWithout(*names, filter_) + "}";
}

Result<Finished> Lvm::run(std::vector<std::string> argv, Reads reads, unsigned timeoutMs)
{
	const Result<std::string> filter =
		reads == Reads::AllButUnread ? filterConfig() : std::string();
	if (!filter)
		return filter.error();
	Command command = this->command(std::move(argv), *filter);
	command.timeoutMs = timeoutMs;
	return runAsIs(command);
}

Result<Finished> Lvm::runAsIs(const Command &command) const
{
	Result<Finished> finished = runner_.run(command);
	if (!finished && finished.error().errnum() == ETIMEDOUT)
		return std::move(finished).error().advise(
			"See whether another lvm holds a lock, and whether all disks answer.");
	if (!finished && finished.error().errnum() == ENOENT)
		return std::move(finished)
			.error()
			.as(ErrorKind::Failed)
			.advise("Install LVM (package lvm2), or give devices instead of volume "
				"groups.");
	return finished;
}

Result<std::string> Lvm::report(std::vector<std::string> argv, Reads reads)
{
	const std::string verb = argv[0];
	argv.insert(argv.begin() + 1, {"--reportformat", "json", "--units", "b", "--nosuffix"});
	Result<Finished> finished = run(argv, reads, std::min(timeoutMs_, lockWaitMs));
	if (!finished && finished.error().errnum() == ETIMEDOUT) {
		// Somebody who hangs may hold the lock of any one volume group.  What is written
		// is replaced as a whole, so it may be read without.
		argv.insert(argv.begin() + 1, "--nolocking");
		finished = run(std::move(argv), reads, timeoutMs_);
	}
	if (!finished)
		return std::move(finished).error();
	if (!finished->ok()) {
		const std::string why = complaint(*finished);
		const bool unknown =
			why.find("not found") != why.npos || why.find("Failed to find") != why.npos;
		return Error(unknown ? ENOENT : EIO, "lvm " + verb, why);
	}
	return std::move(finished->out);
}

Result<std::vector<VolumeGroup>> Lvm::volumeGroups()
{
	Result<std::string> json =
		report({"vgs", "-o", "vg_name,vg_size,vg_free,vg_extent_size,vg_missing_pv_count"});
	if (!json)
		return std::move(json).error();
	return parseVolumeGroups(*json);
}

Result<VolumeGroup> Lvm::volumeGroup(const std::string &name)
{
	Result<std::vector<VolumeGroup>> all = volumeGroups();
	if (!all)
		return std::move(all).error();
	for (VolumeGroup &group : *all) {
		if (group.name == name)
			return std::move(group);
	}
	return Error(ENOENT, "volume group " + printable(name), "LVM knows no such volume group")
		.advise("\"vgs\" lists them.");
}

Result<std::vector<Volume>> Lvm::volumes()
{
	Result<std::string> json = report({"lvs", "-o", volumeFields, "-O", "vg_name,lv_name"});
	if (!json)
		return std::move(json).error();
	return parseVolumes(*json);
}

Result<Volume> Lvm::volume(const std::string &vg, const std::string &lv)
{
	Result<std::string> json = report({"lvs", "-o", volumeFields, vg + "/" + lv});
	if (!json)
		return std::move(json).error();
	Result<std::vector<Volume>> found = parseVolumes(*json);
	if (!found)
		return std::move(found).error();
	if (found->size() != 1)
		return Error(ENOENT, fmt::format("volume {}/{}", vg, lv),
			     "LVM knows no such volume");
	return std::move(found->front());
}

Result<std::vector<PhysicalVolume>> Lvm::physicalVolumes()
{
	Result<std::string> json = report({"pvs", "-o", "pv_name,vg_name,pv_size,pv_free"});
	if (!json)
		return std::move(json).error();
	return parsePhysicalVolumes(*json);
}

Result<bool> Lvm::scans(dm::DeviceNumber device)
{
	Result<std::string> json =
		report({"pvs", "--all", "-o", "pv_major,pv_minor"}, Reads::AsConfigured);
	if (!json)
		return std::move(json).error();
	const Result<std::vector<dm::DeviceNumber>> all = parseScannedDevices(*json);
	if (!all)
		return all.error();
	return std::find(all->begin(), all->end(), device) != all->end();
}

Result<std::vector<Volume>> Lvm::carvedVolumes()
{
	Result<std::string> json = report(
		{"lvs", "-o", volumeFields, "-O", "vg_name,lv_name", "@" + std::string(rangeTag)});
	if (!json)
		return std::move(json).error();
	Result<std::vector<Volume>> all = parseVolumes(*json);
	if (all)
		std::erase_if(*all, [this](const Volume &volume) {
			return volume.isOfAnother(hostTag_);
		});
	return all;
}

std::vector<std::string> Lvm::carveArguments(const CarveRequest &request,
					     const std::string &name) const
{
	std::vector<std::string> argv = {
		"lvcreate", "--yes",	"-Wy",
		"-Zy",	    "--addtag", std::string(rangeTag),
		"--addtag", hostTag_,	"--name",
		name,	    "--size",	fmt::format("{}b", request.sizeBytes)};
	for (const std::string &tag : request.extraTags) {
		argv.emplace_back("--addtag");
		argv.push_back(tag);
	}
	argv.push_back(request.vg);
	argv.insert(argv.end(), request.physicalVolumes.begin(), request.physicalVolumes.end());
	return argv;
}

std::string Lvm::carveCommandLine(const CarveRequest &request) const
{
	return commandLine(command(carveArguments(
		request, request.name.empty() ? std::string(volumePrefix) + "N" : request.name)));
}

// The lowest N for which the VG has no "snapdiff.N".
static std::string freeName(const std::vector<Volume> &volumes, const std::string &vg)
{
	std::set<uint64_t> taken;
	for (const Volume &volume : volumes) {
		if (volume.vg != vg || !volume.name.starts_with(volumePrefix))
			continue;
		const std::string_view digits =
			std::string_view(volume.name).substr(volumePrefix.size());
		if (const std::optional<uint64_t> number = parseNumber(digits))
			taken.insert(*number);
	}
	uint64_t number = 0;
	while (taken.contains(number))
		number++;
	return fmt::format("{}{}", volumePrefix, number);
}

static Error carveError(const CarveRequest &request, const Finished &finished)
{
	const std::string doing = fmt::format("carve {} out of volume group {}",
					      formatSize(request.sizeBytes), request.vg);
	const std::string why = complaint(finished);

	if (why.find("insufficient free space") != why.npos ||
	    why.find("Insufficient free space") != why.npos ||
	    why.find("Insufficient suitable") != why.npos)
		return Error(ENOSPC, doing, why)
			.advise("Give less with --size, another volume group with --vg, or a "
				"device.");
	if (why.find("not found") != why.npos)
		return Error(ENOENT, doing, why).advise("\"vgs\" lists the volume groups.");
	return Error(why.find("already exists") != why.npos ? EEXIST : EIO, doing, why);
}

// An active volume of these names, as its device node says it: one run of lvm less.
static std::optional<Volume> byNode(const CarveRequest &request, const std::string &name)
{
	Volume volume;
	volume.vg = request.vg;
	volume.name = name;
	volume.active = true;
	volume.path = fmt::format("/dev/{}/{}", request.vg, name);
	volume.dmPath = "/dev/mapper/" + dm::lvDmName(request.vg, name);

	struct stat info = {};
	if (stat(volume.dmPath.c_str(), &info) < 0 || !S_ISBLK(info.st_mode))
		return std::nullopt;
	volume.number = dm::DeviceNumber::from(info.st_rdev);
	const Result<std::string> size =
		readFile(fmt::format("/sys/dev/block/{}/size", volume.number->text()));
	const std::optional<uint64_t> sectors = size ? parseNumber(trimmed(*size)) : std::nullopt;
	if (!sectors)
		return std::nullopt;
	volume.sizeBytes = bytesOf(*sectors);
	return volume;
}

Result<std::string> Lvm::nameFor(const CarveRequest &request)
{
	if (!request.name.empty())
		return request.name;
	const Result<std::vector<Volume>> known = volumes();
	if (!known)
		return known.error();
	return freeName(*known, request.vg);
}

Result<Volume> Lvm::carve(const CarveRequest &request)
{
	constexpr int attempts = 5;

	for (int attempt = 1;; attempt++) {
		Result<std::string> name = nameFor(request);
		if (!name)
			return std::move(name).error();
		Result<Finished> finished =
			run(carveArguments(request, *name), Reads::AllButUnread, timeoutMs_);
		if (!finished)
			return std::move(finished).error();
		if (finished->ok()) {
			std::optional<Volume> made = byNode(request, *name);
			if (!made)
				return volume(request.vg, *name);
			made->tags = request.extraTags;
			made->tags.emplace_back(rangeTag);
			made->tags.push_back(hostTag_);
			return std::move(*made);
		}
		// Another one of us was faster with this name.
		Error error = carveError(request, *finished);
		if (error.errnum() != EEXIST || !request.name.empty() || attempt == attempts)
			return error;
	}
}

Result<> Lvm::remove(std::span<const Volume> volumes)
{
	constexpr unsigned moreMsPerVolume = 2000;

	if (volumes.empty())
		return {};
	std::vector<std::string> argv = {"lvremove", "--yes"};
	for (const Volume &volume : volumes) {
		if (!volume.hasTag(rangeTag))
			return Error(EPERM, "remove volume " + volume.fullName(),
				     "it has not the tag of those that were carved for a store")
				.as(ErrorKind::Failed);
		if (volume.isOfAnother(hostTag_))
			return Error(EPERM, "remove volume " + volume.fullName(),
				     "another machine carved it, by its tag")
				.as(ErrorKind::Failed)
				.advise("\"lvremove\" does it, if that machine is gone.");
		argv.push_back(volume.fullName());
	}
	const std::string doing =
		volumes.size() == 1
			? "remove volume " + volumes[0].fullName()
			: fmt::format("remove {} volumes from {} to {}", volumes.size(),
				      volumes.front().fullName(), volumes.back().fullName());
	const unsigned moreMs = moreMsPerVolume * static_cast<unsigned>(volumes.size() - 1);
	Result<Finished> finished = run(std::move(argv), Reads::AllButUnread, timeoutMs_ + moreMs);
	if (!finished)
		return std::move(finished).error();
	if (!finished->ok()) {
		const std::string why = complaint(*finished);
		const bool used = why.find("in use") != why.npos;
		return Error(used ? EBUSY : EIO, doing, why);
	}
	return {};
}

std::vector<Volume> unusedVolumes(const std::vector<Volume> &carved,
				  const std::function<bool(dm::DeviceNumber)> &isRange)
{
	std::vector<Volume> unused;
	for (const Volume &volume : carved) {
		if (!volume.number || !isRange(*volume.number))
			unused.push_back(volume);
	}
	return unused;
}

} // namespace snapdiff::lvm
