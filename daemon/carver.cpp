// SPDX-License-Identifier: GPL-2.0-or-later
//
// Carver: the process that runs lvm.

#include "carver.h"

#include "lvm/unread.h"
#include "ops/step.h"
#include "probe/probe.h"
#include "util/units.h"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <unistd.h>

namespace snapdiff::daemon {

Disks findDisks(dm::DeviceNumber number)
{
	Disks disks;
	if (const auto found = probe::disksOf(number))
		for (const dm::DeviceNumber disk : *found)
			disks.add(disk);
	return disks;
}

CarverReply failure(const Error &error)
{
	CarverReply reply;
	reply.errnum = error.kind() == ErrorKind::NoSpace ? ENOSPC : error.errnum();
	if (!reply.errnum)
		reply.errnum = EIO;
	reply.why = error.message();
	if (!error.next().empty())
		reply.why += ". " + error.next();
	return reply;
}

namespace {

CarvedVolume carvedVolume(const lvm::Volume &volume, const DiskFinder &disksOf)
{
	CarvedVolume carved;

	carved.vg = volume.vg;
	carved.lv = volume.name;
	carved.sectors = volume.sizeBytes / sectorSize;
	carved.ours = volume.hasTag(reserveTag);
	carved.partial = volume.partial;
	carved.number = volume.active ? volume.number : std::nullopt;
	if (carved.number)
		carved.disks = disksOf(*carved.number);
	return carved;
}

CarverReply listVolumes(lvm::Lvm &lvm, const DiskFinder &disksOf)
{
	const auto volumes = lvm.carvedVolumes();
	if (!volumes)
		return failure(volumes.error());
	CarverReply reply;
	for (const lvm::Volume &volume : *volumes)
		reply.volumes.push_back(carvedVolume(volume, disksOf));
	return reply;
}

CarverReply listSupplies(lvm::Lvm &lvm, const DiskFinder &disksOf)
{
	const auto groups = lvm.volumeGroups();
	if (!groups)
		return failure(groups.error());
	const auto pvs = lvm.physicalVolumes();
	if (!pvs)
		return failure(pvs.error());
	CarverReply reply;
	for (const lvm::VolumeGroup &group : *groups)
		reply.groups.push_back({group.name, group.sizeBytes / sectorSize,
					group.freeBytes / sectorSize,
					group.extentBytes / sectorSize, group.partial});
	for (const lvm::PhysicalVolume &pv : *pvs) {
		SupplyDisk disk = {pv.device, pv.vg, pv.freeBytes / sectorSize, {}};
		if (const auto device = probe::blockDevice(pv.device))
			disk.disks = disksOf(device->number);
		reply.disks.push_back(std::move(disk));
	}
	return reply;
}

CarverReply carve(const CarverRequest &request, lvm::Lvm &lvm, const DiskFinder &disksOf)
{
	lvm::CarveRequest wish;

	wish.vg = request.vg;
	wish.sizeBytes = bytesOf(request.sectors);
	if (!request.pv.empty())
		wish.physicalVolumes = {request.pv};
	wish.extraTags = {std::string(reserveTag)};
	wish.name = request.lv;
	auto volume = lvm.carve(wish);
	if (!volume && volume.error().kind() == ErrorKind::Busy) {
		// Somebody else took the name: LVM itself finds one that is free.
		wish.name.clear();
		volume = lvm.carve(wish);
	}
	if (!volume)
		return failure(volume.error());
	CarverReply reply;
	reply.volumes.push_back(carvedVolume(*volume, disksOf));
	return reply;
}

CarverReply remove(const CarverRequest &request, lvm::Lvm &lvm)
{
	// Asked again right before: the tag decides, not what somebody remembers.
	const auto volume = lvm.volume(request.vg, request.lv);
	if (!volume)
		return failure(volume.error());
	const auto removed = lvm.remove({&*volume, 1});
	return removed ? CarverReply() : failure(removed.error());
}

// The first byte takes the descriptors along.
ssize_t sendFirst(int socket, std::string_view text, const ClaimedDevice &claimed)
{
	const int fds[] = {claimed.open.get(), claimed.claim.get()};
	alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fds))] = {};
	iovec piece = {const_cast<char *>(text.data()), 1};
	msghdr message = {};

	message.msg_iov = &piece;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fds));
	std::memcpy(CMSG_DATA(header), fds, sizeof(fds));
	return sendmsg(socket, &message, MSG_NOSIGNAL);
}

class SteppedRunner final : public SystemRunner
{
public:
	Result<Finished> run(const Command &command) override
	{
		ops::step("before lvm");
		Result<Finished> finished = SystemRunner::run(command);
		ops::step("after lvm");
		return finished;
	}
};

bool sendAll(int socket, std::string_view text, const ClaimedDevice &claimed)
{
	if (claimed.claim.valid()) {
		ssize_t sent;
		while ((sent = sendFirst(socket, text, claimed)) < 0 && errno == EINTR)
			;
		if (sent != 1)
			return false;
		text.remove_prefix(1);
	}
	while (!text.empty()) {
		const ssize_t sent = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		text.remove_prefix(static_cast<size_t>(sent));
	}
	return true;
}

// One request, without its line end; nothing when the daemon is gone.
std::optional<std::string> nextLine(int socket, std::string &buffer)
{
	constexpr size_t longestRequest = 64U << 10;

	for (;;) {
		if (const size_t end = buffer.find('\n'); end != buffer.npos) {
			std::string line = buffer.substr(0, end);
			buffer.erase(0, end + 1);
			return line;
		}
		char piece[4096];
		const ssize_t got = read(socket, piece, sizeof(piece));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || buffer.size() > longestRequest)
			return {};
		buffer.append(piece, static_cast<size_t>(got));
	}
}

} // namespace

CarverReply carry(const CarverRequest &request, lvm::Lvm &lvm, const DiskFinder &disksOf)
{
	switch (request.kind) {
	case CarverRequest::Kind::Volumes:
		return listVolumes(lvm, disksOf);
	case CarverRequest::Kind::Supplies:
		return listSupplies(lvm, disksOf);
	case CarverRequest::Kind::Carve:
		return carve(request, lvm, disksOf);
	case CarverRequest::Kind::Remove:
		return remove(request, lvm);
	case CarverRequest::Kind::Prove:
		break;
	}
	return failure(Error(EINVAL, "carry out a request", "unknown"));
}

int64_t requestLimitMs(unsigned lvmTimeoutMs)
{
	// A request runs lvm at most so often.
	constexpr unsigned runsPerRequest = 5;
	constexpr int64_t slackMs = 5000;

	return int64_t{lvmTimeoutMs} * runsPerRequest + slackMs;
}

int runCarver(int socket, unsigned lvmTimeoutMs)
{
	SteppedRunner runner;
	dm::LibDeviceMapper dm;
	lvm::Lvm lvm(runner, lvmTimeoutMs, lvm::unreadOrigins(dm));
	std::string buffer;

	while (const auto line = nextLine(socket, buffer)) {
		// Who waits too long for us has turned away: what hangs must not go on later,
		// beside the carver that does the next request.
		alarm(static_cast<unsigned>(requestLimitMs(lvmTimeoutMs) / 1000 + 1));
		const auto request = parseRequest(*line);
		ops::step("request read");
		ClaimedDevice claimed;
		CarverReply reply;
		if (!request)
			reply = failure(request.error());
		else if (request->kind == CarverRequest::Kind::Prove)
			reply = prove(*request, claimed);
		else
			reply = carry(*request, lvm, findDisks);
		if (request && request->kind == CarverRequest::Kind::Volumes)
			wipeLeftovers(reply);
		ops::step("request carried out");
		if (!sendAll(socket, format(reply), claimed))
			return 1;
		ops::step("answer sent");
		alarm(0);
	}
	return 0;
}

} // namespace snapdiff::daemon
