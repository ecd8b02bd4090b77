// SPDX-License-Identifier: GPL-2.0-or-later
//
// FakeCarver: volume groups and volumes in memory.

#include "fake_carver.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <utility>

namespace snapdiff::daemon {

void FakeLvm::addGroup(const std::string &vg, uint64_t sectors, dm::DeviceNumber disk)
{
	groups[vg] = {sectors, sectors, disk, false};
}

CarvedVolume &FakeLvm::addVolume(const std::string &vg, uint64_t sectors, bool ours)
{
	Group &group = groups.at(vg);
	CarvedVolume volume;

	volume.vg = vg;
	volume.lv = "snapdiff." + std::to_string(nextName++);
	volume.sectors = sectors;
	volume.ours = ours;
	volume.number = dm::DeviceNumber{253, nextMinor++};
	volume.disks.add(group.disk);
	group.free -= sectors;
	return volumes.emplace_back(std::move(volume));
}

bool FakeLvm::has(const std::string &name) const
{
	return std::ranges::any_of(
		volumes, [&](const CarvedVolume &volume) { return volume.name() == name; });
}

void FakeCarver::ask(const CarverRequest &request)
{
	if (busy_)
		throw std::logic_error("the carver was asked while it was busy");
	busy_ = true;
	request_ = request;
	requests.push_back(request);
}

std::optional<CarverReply> FakeCarver::takeReply()
{
	return std::exchange(reply_, std::nullopt);
}

void FakeCarver::work()
{
	if (!busy_)
		return;
	if (onWork)
		onWork();
	CarverReply reply = carry(request_);
	if (onWork)
		onWork();
	busy_ = false;
	reply_ = std::move(reply);
}

CarverReply FakeCarver::carry(const CarverRequest &request)
{
	std::deque<int> &planned = errors[request.kind];
	if (!planned.empty()) {
		CarverReply reply;
		reply.errnum = planned.front();
		reply.why = "planned failure";
		planned.pop_front();
		if (reply.errnum)
			return reply;
	}
	switch (request.kind) {
	case CarverRequest::Kind::Carve:
		return carve(request);
	case CarverRequest::Kind::Remove:
		return remove(request);
	case CarverRequest::Kind::Prove:
		return prove(request);
	default:
		return list(request);
	}
}

CarverReply FakeCarver::carve(const CarverRequest &request)
{
	CarverReply reply;

	if (const auto broken = brokenGroups.find(request.vg); broken != brokenGroups.end())
		reply.errnum = broken->second;
	else if (!lvm_.groups.contains(request.vg))
		reply.errnum = ENOENT;
	else if (lvm_.groups[request.vg].free < request.sectors)
		reply.errnum = ENOSPC;
	if (!reply.ok()) {
		reply.why = "cannot carve from " + request.vg;
		return reply;
	}
	reply.volumes.push_back(lvm_.addVolume(request.vg, request.sectors, true));
	return reply;
}

CarverReply FakeCarver::remove(const CarverRequest &request)
{
	const std::string name = request.vg + "/" + request.lv;
	CarverReply reply;

	const auto volume = std::ranges::find(lvm_.volumes, name, &CarvedVolume::name);
	if (volume == lvm_.volumes.end()) {
		reply.errnum = ENOENT;
		return reply;
	}
	lvm_.groups[request.vg].free += volume->sectors;
	lvm_.volumes.erase(volume);
	return reply;
}

CarverReply FakeCarver::prove(const CarverRequest &request) const
{
	const auto found = lvm_.devices.find(request.pv);
	CarverReply reply;

	if (found == lvm_.devices.end()) {
		reply.errnum = ENOENT;
		reply.why = "there is no " + request.pv;
		return reply;
	}
	const FakeLvm::Device &device = found->second;
	CarvedVolume &volume = reply.volumes.emplace_back();
	volume.vg = request.pv;
	volume.sectors = device.sectors;
	volume.number = device.number;
	volume.disks.add(device.disk);
	if (!device.refusal.empty() || device.sectors < request.sectors) {
		reply.errnum = EBUSY;
		reply.why = device.refusal.empty() ? "it is too small" : device.refusal;
	}
	return reply;
}

CarverReply FakeCarver::list(const CarverRequest &request) const
{
	CarverReply reply;

	if (request.kind == CarverRequest::Kind::Volumes) {
		reply.volumes = lvm_.volumes;
		return reply;
	}
	for (const auto &[vg, group] : lvm_.groups) {
		Disks disks;
		disks.add(group.disk);
		const auto rest = lvm_.restOf.find(vg);
		const uint64_t second = rest == lvm_.restOf.end() ? 0 : rest->second;
		reply.groups.push_back(
			{vg, group.size, group.free + second, FakeLvm::extent, group.partial});
		reply.disks.push_back({"/dev/" + vg + "-pv", vg, group.free, disks});
		if (second)
			reply.disks.push_back({"/dev/" + vg + "-pv2", vg, second, disks});
	}
	return reply;
}

} // namespace snapdiff::daemon
