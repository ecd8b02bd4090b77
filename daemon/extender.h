// SPDX-License-Identifier: GPL-2.0-or-later
//
// Extender: the hot path.  Gives reserve ranges to stores that are short of space.
//
// It acts on what the kernel says now (a level), never on the fact that something
// happened (an edge): an event only says which store to look at first, and sweep()
// looks at all of them.  So a lost event, a restart or a lost answer costs time,
// not a snapshot.
//
// wake(), sweep() and retry() allocate nothing, write nothing and wait for nothing
// but the kernel's answer to a message.  What they did stands in records(), to be
// told afterwards.

#pragma once

#include "kernel.h"
#include "reserve.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace snapdiff::daemon {

// A name in the fixed memory of the hot path.
template<size_t size>
class FixedText
{
public:
	template<class... Parts>
	void set(const Parts &...parts)
	{
		length_ = 0;
		(append(parts), ...);
	}
	std::string_view view() const { return {text_.data(), length_}; }

private:
	void append(std::string_view part)
	{
		length_ += part.copy(text_.data() + length_, size - length_);
	}

	std::array<char, size> text_ = {};
	size_t length_ = 0;
};

// What the hot path did, or could not do.
struct Record
{
	enum class Kind {
		Given,	   // range accepted
		Refused,   // range refused for a reason that lies in the range
		Postponed, // the message failed for a reason that will pass; tried again
		Empty,	   // the store is short and nothing in reserve is for it
		AtLimit,   // the store is short and has its maximum size, or (with an
			   // errnum) as many ranges as it can have
		Mute,	   // the store did not answer as the grammar says
	};

	Kind kind = Kind::Given;
	dm::DeviceNumber store;
	FixedText<128> storeName;
	dm::DeviceNumber range;
	FixedText<256> rangeName;
	FixedText<128> supply;
	uint64_t sectors = 0;
	int64_t microseconds = 0; // from the wake-up
	int errnum = 0;
};

// A store as the hot path knows it.
struct WatchedStore
{
	dm::DeviceNumber number;
	FixedText<128> name;
	uint32_t eventNr = 0;
	dm::Summary summary;
	bool answers = false; // summary is from the kernel
	bool look = true;     // to be looked at and served
	bool seen = false;    // in the kernel's list; of the last wake-up
	uint64_t maxSize = UINT64_MAX;
	SupplyOrder supplies;
	Disks originDisks;
	uint32_t lastGroup = 0;
	bool hasLastGroup = false;
	uint64_t extensions = 0;

	// Told once per shortage, not on every look.
	bool toldEmpty = false;
	bool toldLimit = false;
	bool toldMute = false;

	unsigned refusals = 0; // in a row
	int64_t notBefore = 0; // after refusals or a postponement

	bool isShort() const;
};

class Extender
{
public:
	static constexpr size_t mostStores = 1024;
	static constexpr size_t mostRecords = 256;
	static constexpr size_t spareRecords = 8; // one step writes fewer

	Extender(Kernel &kernel, Reserve &reserve);

	// After a wake-up: arms again, finds the stores with a new event number, serves.
	void wake(int64_t wokeNs);

	// Looks at every store and serves.
	void sweep(int64_t wokeNs);

	// Serves those whose time to try again has come, or that were left when the
	// records were full.
	void retry(int64_t wokeNs);

	// When retry() has to be called, if at all (monotonic ns).
	std::optional<int64_t> nextRetry() const;

	// Gives one range whatever the level, because somebody asked for it.  False: none
	// was accepted; records() says why.
	bool give(dm::DeviceNumber store, int64_t wokeNs);

	// Devices appeared, vanished or changed their name since this was last asked.
	bool takeDevicesChanged();

	// The kernel's list did not fit: Kernel::grow() is needed.
	bool takeListOverflow();

	// Some store is short and finds nothing in reserve.
	bool starving() const;

	std::span<const Record> records() const { return {records_.data(), recordCount_}; }
	void clearRecords() { recordCount_ = 0; }

	// Not hot: which stores there are.  Null when there are too many.
	WatchedStore *watch(dm::DeviceNumber number, std::string_view name);
	void forget(dm::DeviceNumber number);
	WatchedStore *find(dm::DeviceNumber number);
	std::span<const WatchedStore> stores() const { return stores_; }
	void setSpread(bool spread) { spread_ = spread; }

private:
	class Comparison;

	void compare();
	void serve(int64_t wokeNs);
	void serveRound(bool urgentOnly, int64_t wokeNs);
	void look(WatchedStore &store);
	Wish wishOf(const WatchedStore &store) const;
	bool giveOne(WatchedStore &store, int64_t wokeNs);
	bool settle(WatchedStore &store, ReadyRange &range, int errnum, int64_t wokeNs);
	int sendExtend(const WatchedStore &store, const ReadyRange &range);
	Record &record(Record::Kind kind, const WatchedStore &store);
	void tell(bool &told, Record::Kind kind, const WatchedStore &store);
	bool recordsFull() const { return recordCount_ + spareRecords > mostRecords; }

	Kernel &kernel_;
	Reserve &reserve_;
	std::vector<WatchedStore> stores_; // by number
	std::vector<Record> records_;
	size_t recordCount_ = 0;
	bool spread_ = false;
	bool devicesChanged_ = true;
	bool listOverflow_ = false;
	uint64_t devicesDigest_ = 0; // of the numbers and names of all dm devices
};

} // namespace snapdiff::daemon
