// SPDX-License-Identifier: GPL-2.0-or-later
//
// Reserve: ranges carved in advance, each ready to be given to any store by one
// message.
//
// Every range is a whole LV or device, held open so that the kernel's own open of it
// does no I/O, and claimed, so that nobody makes a file system on it meanwhile.  The
// kernel wants the claim for itself: letGo() right before the message is one close(),
// which does no I/O either because the other descriptor stays.
//
// choose(), letGo() and the two marks belong to the hot path and allocate nothing;
// all else is for the time between.  Once given, a range belongs to that store
// and is never chosen again.

#pragma once

#include "dm/device_number.h"
#include "util/fd.h"

#include <array>
#include <climits>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

// The disks below a device: few, and without allocation.
class Disks
{
public:
	static constexpr size_t most = 16;

	// What does not fit is left out: the hint "last" is best effort.
	void add(dm::DeviceNumber disk);
	bool meets(const Disks &other) const;
	size_t size() const { return count_; }
	std::span<const dm::DeviceNumber> all() const { return {disks_.data(), count_}; }

	bool operator==(const Disks &other) const;

private:
	std::array<dm::DeviceNumber, most> disks_ = {};
	size_t count_ = 0;
};

struct ReadyRange
{
	enum class State { Ready, Given, Refused };

	dm::DeviceNumber number;
	uint64_t length = 0;
	uint32_t group = 0;
	Disks disks;
	std::string vg;	   // the supply; of a device its path
	std::string lv;	   // empty: a device
	unsigned rank = 0; // place of the supply in the configured order
	Fd open;
	Fd claim; // O_EXCL
	bool claimed = false;
	State state = State::Ready;

	bool isDevice() const { return lv.empty(); }

	// "vg0/snapdiff.3", "/dev/sdc"
	std::string name() const { return isDevice() ? vg : vg + "/" + lv; }

	void letGo() { claim.reset(); }

	// After a message that failed.  False: somebody else has it now.
	bool claimAgain();
};

// Which supplies a store may have ranges from.
struct SupplyOrder
{
	static constexpr unsigned never = UINT_MAX;

	bool listed = false; // names: these only, in this order; otherwise all but these
	std::vector<std::string> names;

	unsigned rankOf(const ReadyRange &range) const;
	bool allows(std::string_view supply) const;

	bool operator==(const SupplyOrder &) const = default;
};

// What a store asks of a range.
struct Wish
{
	const Disks *avoid = nullptr;	       // its origins' disks
	const SupplyOrder *supplies = nullptr; // null: any
	uint64_t room = UINT64_MAX;	       // a device is not given beyond its maximum size
	bool spread = false;
	uint32_t lastGroup = 0; // spread: rather not this one again
	bool hasLastGroup = false;
};

class Reserve
{
public:
	static constexpr size_t most = 256;

	Reserve() { ranges_.reserve(most); }

	// False when it is full or has the device already.
	bool add(ReadyRange range);

	// The best ready range, or null.  Off the origins' disks first; then the
	// supply of the lowest rank (or, spread, another group than last time); then
	// the one that is here longest.
	ReadyRange *choose(const Wish &wish);

	// Takes out what is no longer ready, or is somebody else's now, and returns it.
	std::vector<ReadyRange> collect();

	using Condition = std::function<bool(const ReadyRange &)>;

	// Takes out the ready LVs that are none of these devices.
	std::vector<ReadyRange> takeOthers(const std::set<dm::DeviceNumber> &these);

	// Takes out the ready ranges of which this is true.
	std::vector<ReadyRange> takeWhere(const Condition &condition);

	// Takes out a ready LV, of those that may go: of the supply that comes last, the
	// longest.
	bool takeSurplus(ReadyRange &range, const Condition &mayGo = {});

	bool has(dm::DeviceNumber number) const;
	size_t readyCount() const;
	uint64_t readySectors() const;
	uint64_t readySectors(const SupplyOrder &supplies) const;
	std::span<const ReadyRange> ranges() const { return ranges_; }

	// The configured order changed.
	void rank(std::span<const std::string> supplies);

private:
	std::vector<ReadyRange> ranges_;
};

} // namespace snapdiff::daemon
