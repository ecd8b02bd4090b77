// SPDX-License-Identifier: GPL-2.0-or-later
//
// Carver: proves that a device is unused.  A disk that hangs, hangs here, where nobody
// who extends waits.

#include "carver.h"

#include "dm/device_mapper.h"
#include "ops/step.h"
#include "ops/store.h"
#include "probe/claim.h"
#include "util/text.h"
#include "util/units.h"

#include <cerrno>

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

} // namespace

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
