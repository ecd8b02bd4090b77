// SPDX-License-Identifier: GPL-2.0-or-later
//
// Spares: the devices among the supplies.

#include "spares.h"

#include "config.h"
#include "ops/step.h"
#include "ops/store.h"
#include "util/units.h"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

namespace snapdiff::daemon {

namespace {

constexpr int64_t second = 1'000'000'000;

// The carver is stuck in a look at such a device for as long as it is allowed to.
constexpr int64_t afterHanging = 600 * second;

std::string subject(const std::string &path)
{
	return "supply " + path;
}

} // namespace

Spares::Spare *Spares::find(const std::string &path)
{
	const auto found = std::ranges::find(spares_, path, &Spare::path);
	return found == spares_.end() ? nullptr : &*found;
}

void Spares::choose(const std::vector<Supply> &supplies)
{
	std::vector<Spare> chosen;

	for (size_t i = 0; i < supplies.size(); i++) {
		if (!isDeviceSupply(supplies[i].vg))
			continue;
		const Spare *known = find(supplies[i].vg);
		Spare spare = known ? *known : Spare();
		spare.path = supplies[i].vg;
		spare.rank = static_cast<unsigned>(i);
		chosen.push_back(std::move(spare));
	}
	std::swap(spares_, chosen);
	for (const Spare &before : chosen)
		if (!find(before.path))
			notices_.right(subject(before.path));
	(void)reserve_.takeWhere(
		[this](const ReadyRange &range) { return range.isDevice() && !find(range.vg); });
}

void Spares::setLimits(uint64_t sectors, int64_t returnAfterNs)
{
	minSectors_ = sectors;
	returnAfterNs_ = returnAfterNs;
}

void Spares::look(int64_t nowNs, const Surroundings &surroundings)
{
	ranges_ = surroundings.ranges;
	for (Spare &spare : spares_) {
		const bool inStore = spare.number && ranges_.contains(*spare.number);
		if (inStore && spare.state != Spare::State::InStore) {
			spare.state = Spare::State::InStore;
			spare.failures = 0;
			notices_.right(subject(spare.path));
		} else if (!inStore && spare.state == Spare::State::InStore) {
			release(spare, std::max(spare.notBefore, nowNs + returnAfterNs_));
		}
	}
	dropVanished(nowNs);
}

void Spares::release(Spare &spare, int64_t notBefore)
{
	spare.state = Spare::State::Unknown;
	spare.failures = 0;
	spare.notBefore = notBefore;
}

// Held open, a device that was pulled out keeps its number; sysfs forgets it.
void Spares::dropVanished(int64_t nowNs)
{
	const auto gone = reserve_.takeWhere([](const ReadyRange &range) {
		const std::string folder = "/sys/dev/block/" + range.number.text();
		return range.isDevice() && range.open.valid() && access(folder.c_str(), F_OK) < 0;
	});
	for (const ReadyRange &range : gone)
		if (Spare *spare = find(range.vg))
			refuse(*spare, "it was in reserve and is no longer there", ENXIO, nowNs);
}

std::optional<CarverRequest> Spares::decide(int64_t nowNs) const
{
	CarverRequest request;

	for (const Spare &spare : spares_) {
		if (!spare.waits() || spare.notBefore > nowNs)
			continue;
		request.kind = CarverRequest::Kind::Prove;
		request.pv = spare.path;
		request.sectors = minSectors_;
		return request;
	}
	return {};
}

int64_t Spares::nextStep() const
{
	int64_t next = INT64_MAX;
	for (const Spare &spare : spares_)
		if (spare.waits())
			next = std::min(next, spare.notBefore);
	return next;
}

bool Spares::take(const CarverRequest &asked, const CarverReply &reply, ClaimedDevice claimed,
		  int64_t nowNs)
{
	Spare *spare = find(asked.pv);
	if (!spare)
		return false; // no longer a supply: the claim ends here

	const CarvedVolume *device = reply.volumes.empty() ? nullptr : &reply.volumes.front();
	if (device && device->number) {
		spare->number = device->number;
		spare->sectors = device->sectors;
	}
	if (device && device->number && ranges_.contains(*device->number))
		return false; // look() sees whose it is
	if (!reply.ok() || !device || !device->number) {
		const bool twice = device && device->number && reserve_.has(*device->number);
		refuse(*spare,
		       twice ? "it is in reserve already, under another of its names" : reply.why,
		       reply.errnum, nowNs);
		return false;
	}

	ReadyRange range;
	const auto disks = device->disks.all();
	range.number = *device->number;
	range.length = device->sectors;
	range.group = ops::groupNumber({disks.begin(), disks.end()});
	range.disks = device->disks;
	range.vg = spare->path;
	range.rank = spare->rank;
	range.open = std::move(claimed.open);
	range.claimed = claimed.claim.valid();
	range.claim = std::move(claimed.claim);
	ops::step("device taken");
	if (!reserve_.add(std::move(range))) {
		refuse(*spare, "the reserve has no room for it", EAGAIN, nowNs);
		return false;
	}
	spare->state = Spare::State::Ready;
	spare->failures = 0;
	spare->problem.clear();
	notices_.right(subject(spare->path));
	notices_.event(model::Severity::Ok, "reserve", "",
		       spare->path + " (" + formatSize(bytesOf(spare->sectors)) +
			       ") is unused and in reserve");
	return true;
}

void Spares::refuse(Spare &spare, std::string why, int errnum, int64_t nowNs)
{
	spare.state = Spare::State::Refused;
	spare.notBefore = nowNs + (errnum == ETIMEDOUT ? afterHanging : backOff(spare.failures));
	spare.failures++;
	spare.problem = std::move(why);
	notices_.wrong(subject(spare.path), spare.problem);
}

void Spares::left(const ReadyRange &range, int64_t nowNs)
{
	Spare *spare = find(range.vg);
	if (!spare || !range.isDevice())
		return;
	if (range.state == ReadyRange::State::Given) {
		// look() may have older news of the stores for a moment.
		spare->state = Spare::State::InStore;
		spare->notBefore = nowNs + returnAfterNs_;
	} else {
		refuse(*spare, "the kernel refused it, or somebody took it", EBUSY, nowNs);
	}
}

void Spares::describe(Supply &supply) const
{
	const auto spare = std::ranges::find(spares_, supply.vg, &Spare::path);

	if (spare == spares_.end())
		return;
	supply.size = spare->sectors;
	supply.problem.clear();
	switch (spare->state) {
	case Spare::State::Unknown:
		supply.state = Supply::State::Unknown;
		break;
	case Spare::State::Ready:
		supply.state = Supply::State::Ok;
		break;
	case Spare::State::InStore:
		supply.state = Supply::State::Full;
		break;
	case Spare::State::Refused:
		supply.state = Supply::State::Failed;
		supply.problem = spare->problem;
		break;
	}
}

} // namespace snapdiff::daemon
