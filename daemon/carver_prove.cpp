// SPDX-License-Identifier: GPL-2.0-or-later
//
// Carver: proves that a device is unused.  A disk that hangs, hangs here, where nobody
// who extends waits.

#include "carver.h"

#include "dm/device_mapper.h"
#include "dm/names.h"
#include "ops/step.h"
#include "ops/store.h"
#include "probe/claim.h"
#include "util/text.h"
#include "util/units.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

namespace snapdiff::daemon {

namespace {

CarvedVolume described(const CarverRequest &request, const probe::BlockDevice &device)
{
	CarvedVolume found;

	found.vg = request.pv;
	found.sectors = device.sizeBytes / sectorSize;
	found.number = device.number;
	found.disks = findDisks(device.number);
	return found;
}

// Only if nobody else has it and it is the one that LVM spoke of.
Result<Fd> claimLeftover(const CarvedVolume &volume)
{
	Result<Fd> fd =
		Fd::open(dm::devicePath(dm::lvDmName(volume.vg, volume.lv)), O_RDONLY | O_EXCL);
	struct stat info = {};
	if (fd && (fstat(fd->get(), &info) < 0 || !S_ISBLK(info.st_mode) ||
		   dm::DeviceNumber::from(info.st_rdev) != volume.number))
		return Error(ESTALE, "claim " + volume.name());
	return fd;
}

} // namespace

void wipeLeftovers(const CarverReply &volumes)
{
	for (const CarvedVolume &volume : volumes.volumes) {
		if (!volume.ours || !volume.number || volume.partial)
			continue;
		const Result<Fd> claim = claimLeftover(volume);
		if (!claim)
			continue; // a range, or in reserve
		ops::step("leftover claimed");
		// Opened for writing only where it has to be: udev looks at each such device.
		const std::string same = "/proc/self/fd/" + std::to_string(claim->get());
		if (!probe::describeContent(same))
			continue;
		// Best effort: to a store its content means nothing.
		if (const Result<Fd> fd = Fd::open(same, O_RDWR))
			(void)probe::wipeSignatures(fd->get()).has_value();
		ops::step("leftover wiped");
	}
}

CarverReply prove(const CarverRequest &request, ClaimedDevice &claimed)
{
	const auto device = probe::blockDevice(request.pv);
	if (!device)
		return failure(device.error());
	const auto refused = [&](const Error &error) {
		CarverReply reply = failure(error);
		reply.volumes = {described(request, *device)};
		return reply;
	};
	const std::string doing = "take " + printable(request.pv) + " as a spare device";
	if (device->sizeBytes / sectorSize < request.sectors)
		return refused(Error(EINVAL, doing,
				     "it has " + formatSize(device->sizeBytes) +
					     ", less than min_range_size (" +
					     formatSize(bytesOf(request.sectors)) + ")"));
	dm::LibDeviceMapper dm;
	if (const Result<> done = ops::checkNotOnOrigin(dm, device->number, request.pv); !done)
		return refused(done.error());
	auto taken = probe::claimUnused(request.pv);
	if (!taken)
		return refused(taken.error());
	ops::step("device claimed");
	CarverReply reply;
	reply.volumes = {described(request, taken->device)};
	claimed = {std::move(taken->open), std::move(taken->claim)};
	return reply;
}

} // namespace snapdiff::daemon
