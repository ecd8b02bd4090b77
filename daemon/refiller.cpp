// SPDX-License-Identifier: GPL-2.0-or-later
//
// Refiller: the cold path's head.

#include "refiller.h"

#include "ops/step.h"
#include "ops/store.h"
#include "util/units.h"

#include <algorithm>
#include <cerrno>
#include <tuple>
#include <utility>

namespace snapdiff::daemon {

namespace {

constexpr int64_t second = 1'000'000'000;

// LVM sends no events: what it says grows old.
constexpr int64_t lookEvery = 60 * second;
// While the reserve is short and nothing is left, space may come back any time.
constexpr int64_t lookEveryWhenShort = 10 * second;
// After a change among the dm devices: until then others of it have happened too.
constexpr int64_t lookAfterChange = 10 * second;

} // namespace

Refiller::Refiller(Carver &carver, Reserve &reserve, Notices &notices, Opener opener)
	: carver_(carver), reserve_(reserve), notices_(notices), opener_(std::move(opener)),
	  spares_(reserve, notices)
{
}

void Refiller::configure(const Config &config)
{
	config_ = config;
	spares_.setLimits(config.minRangeSize, int64_t{config.returnAfterMs} * 1'000'000);
	chooseSupplies();
	volumesDue_ = suppliesDue_ = 0;
}

bool Refiller::step(int64_t nowNs, const Surroundings &surroundings)
{
	bool more = false;

	surroundings_ = surroundings;
	spares_.look(nowNs, surroundings);
	if (!surroundings_.pace.rangeSectors)
		surroundings_.pace = paceOf(config_, {}, carving_.slow());
	if (const auto reply = carver_.takeReply(); reply && asked_) {
		more = take(*reply, nowNs);
		ops::step("answer taken");
	}
	if (carver_.busy())
		return more;

	chooseSupplies();
	// Nobody said where to carve from and there is nobody to carve for.
	const bool idle = !config_.supplies && !surroundings_.anyStore;
	wanted_ = idle || common_.empty() ? 0 : rangesFor(common_);
	for (Supply &supply : supplies_)
		spares_.describe(supply);
	weighSurplus(nowNs);
	tellShortage();
	asked_ = decide(nowNs);
	askedNs_ = nowNs;
	if (asked_) {
		ops::step("about to ask");
		carver_.ask(*asked_);
	}
	return more;
}

// Exactly when decide() would find something: the loop sleeps until then.
int64_t Refiller::nextStep() const
{
	if (carver_.busy())
		return INT64_MAX;
	int64_t next = std::min(volumesDue_, spares_.nextStep());
	if (anyGroup() && resynced_)
		next = std::min(next, suppliesDue_);
	if (resynced_ && suppliesKnown_)
		for (const Demand &demand : unmetDemands())
			for (const std::string &vg : demand.supplies)
				if (const auto piece = pieceFrom(vg, INT64_MAX))
					next = std::min(next, supplies_[piece->supply].notBefore);
	return next;
}

void Refiller::lookSoon(int64_t nowNs)
{
	volumesDue_ = std::min(volumesDue_, nowNs + lookAfterChange);
	suppliesDue_ = std::min(suppliesDue_, nowNs + lookAfterChange);
}

void Refiller::tookBack(dm::DeviceNumber number)
{
	tookBack_.insert(number);
	volumesDue_ = 0;
}

void Refiller::left(const std::vector<ReadyRange> &ranges, int64_t nowNs)
{
	for (const ReadyRange &range : ranges)
		if (range.isDevice())
			spares_.left(range, nowNs);
		else if (range.state == ReadyRange::State::Refused)
			unusedSince_[range.name()] = nowNs;
}

uint64_t Refiller::carvableSectors() const
{
	uint64_t sum = 0;
	for (const Supply &supply : supplies_)
		sum += supply.carvable;
	return sum;
}

std::string Refiller::volumeName(dm::DeviceNumber number) const
{
	const auto found = volumes_.find(number);
	return found == volumes_.end() ? std::string() : found->second.name();
}

bool Refiller::isOurs(dm::DeviceNumber number, uint64_t sectors) const
{
	const auto found = volumes_.find(number);
	return found != volumes_.end() && found->second.ours && found->second.sectors == sectors;
}

// The configured ones, or those that stores have ranges from; then those that stores
// have for themselves.
void Refiller::chooseSupplies()
{
	if (config_.supplies) {
		common_ = *config_.supplies;
	} else {
		std::set<std::string> used;
		for (const auto &[number, store] : surroundings_.ranges)
			if (const auto volume = volumes_.find(number);
			    volume != volumes_.end() && !config_.ownSuppliesOf(store))
				used.insert(volume->second.vg);
		common_.assign(used.begin(), used.end());
	}
	std::vector<std::string> names = common_;
	for (const std::string &store : surroundings_.stores)
		if (const auto *own = config_.ownSuppliesOf(store))
			for (const std::string &name : *own)
				if (std::ranges::find(names, name) == names.end())
					names.push_back(name);
	if (std::ranges::equal(names, supplies_, {}, {}, &Supply::vg))
		return;

	std::vector<Supply> chosen;
	for (std::string &name : names) {
		const auto known = std::ranges::find(supplies_, name, &Supply::vg);
		if (known != supplies_.end()) {
			chosen.push_back(*known);
			continue;
		}
		Supply supply;
		supply.vg = std::move(name);
		chosen.push_back(std::move(supply));
	}
	supplies_ = std::move(chosen);
	turn_ = 0;
	names.clear();
	for (const Supply &supply : supplies_)
		names.push_back(supply.vg);
	reserve_.rank(names);
	spares_.choose(supplies_);
	if (suppliesKnown_)
		judgeSupplies();
}

std::optional<CarverRequest> Refiller::decide(int64_t nowNs)
{
	CarverRequest request;

	// A proof is quick, but what stands before the device is to be given before it.
	if (auto proof = spares_.decide(nowNs); proof && rankOf(proof->pv) < carveRank(nowNs))
		return proof;
	if (!resynced_ && nowNs < volumesDue_)
		return {}; // without knowing the leftovers nothing is carved
	// What came back from a store is sooner ready than what would have to be carved.
	const bool lookFirst = !tookBack_.empty() && nowNs >= volumesDue_;
	if (resynced_ && suppliesKnown_ && isShort() && !lookFirst) {
		if (const auto piece = nextPiece(nowNs)) {
			request.kind = CarverRequest::Kind::Carve;
			request.vg = supplies_[piece->supply].vg;
			request.lv = freeName(request.vg);
			request.sectors = piece->sectors;
			request.pv = piece->pv;
			askedSupply_ = piece->supply;
			return request;
		}
	}
	if (nowNs >= volumesDue_) {
		request.kind = CarverRequest::Kind::Volumes;
		return request;
	}
	if (nowNs >= suppliesDue_ && anyGroup() && resynced_) {
		request.kind = CarverRequest::Kind::Supplies;
		return request;
	}
	return decideRemoval();
}

// Known here, so that LVM need not be asked before every carve.
std::string Refiller::freeName(const std::string &vg) const
{
	for (unsigned number = 0;; number++) {
		std::string lv = "snapdiff." + std::to_string(number);
		std::string name = vg;
		name.append("/").append(lv);
		if (!names_.contains(name))
			return lv;
	}
}

// Does the reserve hold too much, and has done so for long enough?
void Refiller::weighSurplus(int64_t nowNs)
{
	const Ready carved = readyCarved();
	uint64_t longest = UINT64_MAX;

	surplus_ = 0;
	if (wanted_)
		longest = longestSurplus(config_, surroundings_.pace, carved.count, carved.sectors);
	if (!resynced_ || surroundings_.starving || longest == 0 || carved.count == 0) {
		surplusSince_.reset();
		return;
	}
	if (!surplusSince_)
		surplusSince_ = nowNs;
	if (nowNs - *surplusSince_ >= int64_t{config_.giveBackAfterMs} * 1'000'000)
		surplus_ = longest;
}

std::optional<CarverRequest> Refiller::decideRemoval()
{
	CarverRequest request;

	request.kind = CarverRequest::Kind::Remove;
	if (!toRemove_.empty()) {
		request.vg = toRemove_.back().vg;
		request.lv = toRemove_.back().lv;
		toRemove_.pop_back();
		return request;
	}
	ReadyRange surplus;
	if (!resynced_ || surroundings_.starving ||
	    !reserve_.takeSurplus(surplus,
				  [this](const ReadyRange &range) { return mayGo(range); }))
		return {};
	ops::step("volume taken from the reserve");
	request.vg = surplus.vg;
	request.lv = surplus.lv;
	return request; // it is closed here, otherwise LVM could not remove it
}

// The demand that has least ready comes first, in the order of its own list.
std::optional<Refiller::Piece> Refiller::nextPiece(int64_t nowNs) const
{
	for (const Demand &demand : unmetDemands()) {
		const size_t count = demand.supplies.size();
		const size_t first = config_.policy == Policy::Spread ? turn_ % count : 0;

		for (size_t i = 0; i < count; i++) {
			if (auto piece = pieceFrom(demand.supplies[(first + i) % count], nowNs))
				return piece;
		}
	}
	return {};
}

std::optional<Refiller::Piece> Refiller::pieceFrom(std::string_view vg, int64_t nowNs) const
{
	const auto supply = std::ranges::find(supplies_, vg, &Supply::vg);

	if (supply == supplies_.end())
		return {};
	return pieceOf(static_cast<size_t>(supply - supplies_.begin()), nowNs);
}

// What can be carved from a supply: as large as the pace wants, or what is left, on one
// disk, and rather not on one that carries an origin.
std::optional<Refiller::Piece> Refiller::pieceOf(size_t index, int64_t nowNs) const
{
	const Supply &supply = supplies_[index];
	const auto group = groups_.find(supply.vg);

	if (group == groups_.end() || group->second.extent == 0 || supply.notBefore > nowNs ||
	    group->second.partial)
		return {};
	const uint64_t extent = group->second.extent;
	const uint64_t wanted = std::max(config_.rangeSize, surroundings_.pace.rangeSectors);
	const uint64_t size = (wanted + extent - 1) / extent * extent;
	const uint64_t free = group->second.free;
	const uint64_t spare = free - std::min(free, config_.leaveFreeOf(supply.vg));

	std::optional<Piece> best;
	std::tuple<bool, uint64_t, uint64_t> bestMerit;
	for (const SupplyDisk &disk : disks_) {
		if (disk.vg != supply.vg)
			continue;
		const uint64_t sectors = std::min({size, spare, disk.free}) / extent * extent;
		if (sectors == 0 || sectors < std::min(config_.minRangeSize, size))
			continue;
		const std::tuple merit(!disk.disks.meets(surroundings_.originDisks), sectors,
				       disk.free);
		if (!best || merit > bestMerit) {
			best = Piece{index, disk.pv, sectors};
			bestMerit = merit;
		}
	}
	return best;
}

bool Refiller::take(const CarverReply &reply, int64_t nowNs)
{
	bool more = false;

	switch (asked_->kind) {
	case CarverRequest::Kind::Volumes:
		more = takeVolumes(reply, nowNs);
		break;
	case CarverRequest::Kind::Supplies:
		takeSupplies(reply, nowNs);
		break;
	case CarverRequest::Kind::Carve:
		more = takeCarved(reply, nowNs);
		break;
	case CarverRequest::Kind::Remove:
		takeRemoved(reply, nowNs);
		break;
	case CarverRequest::Kind::Prove:
		more = spares_.take(*asked_, reply, carver_.takeClaimed(), nowNs);
		break;
	}
	asked_.reset();
	return more;
}

bool Refiller::takeVolumes(const CarverReply &reply, int64_t nowNs)
{
	if (!reply.ok()) {
		lookFailed(reply);
		volumesDue_ = nowNs + backOff(lookFailures_);
		return false;
	}
	notices_.right("lvm");
	lookFailures_ = 0;
	volumesDue_ = nowNs + lookEvery;
	volumes_.clear();
	const std::set<std::string> before = std::exchange(names_, {});
	toRemove_.clear();
	for (const CarvedVolume &volume : reply.volumes) {
		names_.insert(volume.name());
		if (volume.number)
			volumes_[*volume.number] = volume;
	}

	bool more = false;
	const bool first = !std::exchange(resynced_, true);
	dropPartial(reply);
	for (const CarvedVolume &volume : reply.volumes)
		more = settle(volume, first, nowNs) || more;
	// What LVM does not know will not come.
	std::erase_if(tookBack_,
		      [this](dm::DeviceNumber number) { return !volumes_.contains(number); });
	dropVanished(reply, before);
	return more;
}

// Whose is it?  True: it became reserve.
bool Refiller::settle(const CarvedVolume &volume, bool first, int64_t nowNs)
{
	const std::string name = volume.name();
	const bool isRange = volume.number && surroundings_.ranges.contains(*volume.number);

	if (isRange || (volume.number && reserve_.has(*volume.number))) {
		unusedSince_.erase(name);
		return false;
	}
	const bool cameBack = volume.number && tookBack_.erase(*volume.number);
	if (volume.partial)
		return false; // told by dropPartial()
	const int64_t since = unusedSince_.try_emplace(name, nowNs).first->second;
	const int64_t ripe = since + int64_t{config_.returnAfterMs} * 1'000'000;
	const bool atOnce = volume.ours && volume.number && (first || cameBack);
	if (nowNs < ripe && !atOnce) {
		volumesDue_ = std::min(volumesDue_, ripe);
		return false;
	}
	if (!volume.number) {
		// It is not active, so nobody here uses it; its space is worth more.
		toRemove_.push_back(volume);
		return false;
	}
	unusedSince_.erase(name);
	return adopt(volume);
}

bool Refiller::adopt(const CarvedVolume &volume)
{
	Result<ClaimedDevice> open = opener_(volume);
	if (!open) {
		notices_.wrong("range " + volume.name(), open.error().message());
		return false;
	}
	ops::step("volume claimed");
	notices_.right("range " + volume.name());

	ReadyRange range;
	const auto disks = volume.disks.all();
	range.number = *volume.number;
	range.length = volume.sectors;
	range.group = ops::groupNumber({disks.begin(), disks.end()});
	range.disks = volume.disks;
	range.vg = volume.vg;
	range.lv = volume.lv;
	range.open = std::move(open->open);
	range.claimed = open->claim.valid();
	range.claim = std::move(open->claim);
	range.rank = static_cast<unsigned>(std::ranges::find(supplies_, volume.vg, &Supply::vg) -
					   supplies_.begin());
	return reserve_.add(std::move(range));
}

// Ready ranges whose LV is gone although we hold it open: nothing to give.
void Refiller::dropVanished(const CarverReply &reply, const std::set<std::string> &before)
{
	std::set<dm::DeviceNumber> there;
	for (const CarvedVolume &volume : reply.volumes)
		if (volume.number)
			there.insert(*volume.number);
	for (const ReadyRange &gone : reserve_.takeOthers(there))
		notices_.event(model::Severity::Warning, "reserve", "",
			       gone.name() + " was in reserve and is no longer there");
	std::erase_if(unusedSince_,
		      [&](const auto &entry) { return !names_.contains(entry.first); });
	for (const std::string &name : before)
		if (!names_.contains(name))
			notices_.right("range " + name);
}

// A range on a disk that is not there would be of no use to a store.
void Refiller::dropPartial(const CarverReply &reply)
{
	for (const CarvedVolume &volume : reply.volumes) {
		if (!volume.partial || !volume.number ||
		    surroundings_.ranges.contains(*volume.number))
			continue;
		(void)reserve_.takeWhere(
			[&](const ReadyRange &range) { return range.number == *volume.number; });
		notices_.wrong("range " + volume.name(),
			       "a physical volume below it is missing: it is not given to a store");
	}
}

void Refiller::takeSupplies(const CarverReply &reply, int64_t nowNs)
{
	if (!reply.ok()) {
		lookFailed(reply);
		suppliesDue_ = nowNs + backOff(lookFailures_);
		return;
	}
	notices_.right("lvm");
	lookFailures_ = 0;
	suppliesKnown_ = true;
	groups_.clear();
	for (const SupplyGroup &group : reply.groups)
		groups_[group.vg] = group;
	disks_ = reply.disks;
	judgeSupplies();
	suppliesDue_ = nowNs + (exhausted() ? lookEveryWhenShort : lookEvery);
}

void Refiller::lookFailed(const CarverReply &reply)
{
	lookFailures_++;
	for (Supply &supply : supplies_)
		if (!isDeviceSupply(supply.vg))
			supply.carvable = 0; // until a look succeeds
	// Who has devices only, and no LVM, lacks nothing.
	if (reply.errnum == ENOENT && !anyGroup())
		notices_.right("lvm");
	else
		notices_.wrong("lvm", reply.why);
}

// The sum of all ranges that can be carved: rests of disks that are too small for one,
// and what is to be left free, are not there for anybody.
uint64_t Refiller::carvableOf(const SupplyGroup &group) const
{
	const uint64_t spare = group.free - std::min(group.free, config_.leaveFreeOf(group.vg));
	uint64_t sum = 0;

	for (const SupplyDisk &disk : disks_)
		if (disk.vg == group.vg && disk.free >= config_.minRangeSize)
			sum += disk.free;
	return std::min(sum, spare);
}

// State and carvable space of each supply, from what was looked up last.
void Refiller::judgeSupplies()
{
	for (size_t i = 0; i < supplies_.size(); i++) {
		Supply &supply = supplies_[i];
		const auto group = groups_.find(supply.vg);

		if (isDeviceSupply(supply.vg))
			continue;
		if (group == groups_.end() || group->second.partial) {
			supply.state = Supply::State::Failed;
			supply.size = supply.carvable = 0;
			supply.problem = group == groups_.end()
						 ? "there is no volume group of this name"
						 : "a physical volume of it is missing. Bring it "
						   "back, or run \"vgreduce --removemissing " +
							   supply.vg + "\"";
			notices_.wrong("supply " + supply.vg, supply.problem);
			continue;
		}
		const bool fits = pieceOf(i, INT64_MAX).has_value();
		supply.size = group->second.size;
		// What fails now must not be counted on.
		supply.carvable = fits && !supply.failures ? carvableOf(group->second) : 0;
		if (supply.failures && fits)
			continue; // until a carve works again
		supply.state = fits ? Supply::State::Ok : Supply::State::Full;
		supply.problem.clear();
		notices_.right("supply " + supply.vg);
	}
}

bool Refiller::takeCarved(const CarverReply &reply, int64_t nowNs)
{
	const auto supply = std::ranges::find(supplies_, asked_->vg, &Supply::vg);

	if (!reply.ok() || reply.volumes.size() != 1) {
		carving_.failed(nowNs - askedNs_);
		if (supply != supplies_.end())
			supplyFailed(*supply, reply, nowNs);
		return false;
	}
	carving_.succeeded(nowNs - askedNs_);
	if (supply != supplies_.end()) {
		supply->failures = 0;
		supply->notBefore = 0;
		supply->problem.clear();
		notices_.right("supply " + supply->vg);
		turn_ = static_cast<size_t>(supply - supplies_.begin() + 1) % supplies_.size();
	}

	// Worked out here rather than looked up: a look takes as long as a carve.
	const CarvedVolume &volume = reply.volumes.front();
	names_.insert(volume.name());
	SupplyGroup &group = groups_[asked_->vg];
	group.free -= std::min(group.free, volume.sectors);
	for (SupplyDisk &disk : disks_)
		if (disk.vg == asked_->vg && disk.pv == asked_->pv)
			disk.free -= std::min(disk.free, volume.sectors);
	judgeSupplies();
	if (exhausted())
		suppliesDue_ = std::min(suppliesDue_, nowNs + lookEveryWhenShort);

	if (!volume.number) {
		unusedSince_[volume.name()] = nowNs;
		notices_.wrong("range " + volume.name(), "it was carved but is not active");
		return false;
	}
	volumes_[*volume.number] = volume;
	const bool adopted = adopt(volume);
	if (adopted)
		notices_.event(model::Severity::Ok, "reserve", "",
			       "carved " + volume.name() + " (" +
				       formatSize(bytesOf(volume.sectors)) + ") for the reserve");
	return adopted;
}

void Refiller::supplyFailed(Supply &supply, const CarverReply &reply, int64_t nowNs)
{
	// What we believed about its space was wrong.
	suppliesDue_ = nowNs;
	supply.notBefore = nowNs + backOff(supply.failures);
	supply.failures++;
	supply.carvable = 0;
	supply.state = reply.errnum == ENOSPC ? Supply::State::Full : Supply::State::Failed;
	if (reply.errnum == ENOSPC)
		return; // the next one is asked at once, nextPiece() leaves this one out
	supply.problem = reply.why.empty() ? "the carver gave no volume" : reply.why;
	notices_.wrong("supply " + supply.vg, supply.problem);
}

void Refiller::takeRemoved(const CarverReply &reply, int64_t nowNs)
{
	const std::string name = asked_->vg + "/" + asked_->lv;

	unusedSince_.erase(name);
	suppliesDue_ = std::min(suppliesDue_, nowNs + lookAfterChange);
	if (reply.ok() || reply.errnum == ENOENT) {
		names_.erase(name);
		notices_.right("range " + name);
		std::erase_if(volumes_,
			      [&](const auto &entry) { return entry.second.name() == name; });
		notices_.event(model::Severity::Ok, "reserve", "",
			       "gave " + name + " back to its volume group");
		return;
	}
	notices_.wrong("range " + name, reply.why);
}

void Refiller::tellShortage()
{
	const bool known = suppliesKnown_ || !anyGroup();
	const bool nothingLeft = known && surroundings_.starving && !nextPiece(INT64_MAX);

	if (known && exhausted())
		notices_.wrong("reserve", shortage());
	else
		notices_.right("reserve");

	if (nothingLeft && !toldShortage_)
		notices_.event(model::Severity::Critical, "supply", "",
			       "a store is short of space, the reserve is empty and nothing is "
			       "left to carve");
	toldShortage_ = nothingLeft;
}

} // namespace snapdiff::daemon
