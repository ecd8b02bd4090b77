// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus objects: the manager and the stores as D-Bus sees them.  Only bus.cpp and the
// two files of these objects include this and, with it, sdbus-c++.

#pragma once

#include "history.h"
#include "picture.h"
#include "requests.h"

#include "snapdiff_adaptor.h" // made from org.snapdiff1.xml when building

#include <sdbus-c++/sdbus-c++.h>

#include <string>
#include <vector>

namespace snapdiff::daemon {

constexpr const char *managerPath = "/org/snapdiff1";

std::string storePath(const std::string &name);

class ManagerObject final : public sdbus::AdaptorInterfaces<org::snapdiff1::Manager_adaptor,
							    sdbus::ObjectManager_adaptor>
{
public:
	ManagerObject(sdbus::IConnection &connection, const ManagerPicture &picture,
		      const Ring<Event> &events, const Ring<Extension> &extensions,
		      Requests &requests);
	~ManagerObject();

	void update(const ManagerPicture &picture);

private:
	using EventStruct = sdbus::Struct<uint64_t, uint64_t, std::string, std::string, std::string,
					  std::string>;
	using ExtensionStruct = sdbus::Struct<uint64_t, uint64_t, std::string, std::string,
					      std::string, uint64_t, uint64_t>;
	using ReserveStruct = sdbus::Struct<std::string, std::string, uint64_t, uint32_t, bool>;
	using SupplyStruct =
		sdbus::Struct<std::string, std::string, uint64_t, uint64_t, std::string>;

	using Names = std::vector<std::string>;
	using Options = std::map<std::string, sdbus::Variant>;

	// In bus_methods.cpp: what changes something.
	void Attach(sdbus::Result<std::string, bool, Names> &&result, Names origins,
		    Options options) override;
	void Detach(sdbus::Result<> &&result, std::string origin, Options options) override;
	void Create(sdbus::Result<std::string, std::string, Names> &&result, Names origins,
		    Options options) override;
	void Reload(sdbus::Result<> &&result, Options options) override;

	std::vector<EventStruct> RecentEvents(const uint32_t &n) override;
	std::vector<ExtensionStruct> RecentExtensions(const uint32_t &n) override;

	std::string Version() override { return picture_.version; }
	bool ModuleLoaded() override { return picture_.moduleLoaded; }
	std::string ModuleVersion() override { return picture_.moduleVersion; }
	bool ModuleUsable() override { return picture_.moduleUsable; }
	uint64_t LastLook() override { return picture_.lastLook; }
	uint32_t ReserveRanges() override { return picture_.reserveRanges; }
	uint64_t ReserveSectors() override { return picture_.reserveSectors; }
	uint32_t ReserveWanted() override { return picture_.reserveWanted; }
	std::vector<ReserveStruct> Reserve() override;
	uint64_t CarvableSectors() override { return picture_.carvableSectors; }
	std::vector<SupplyStruct> Supplies() override;
	std::string Health() override { return picture_.health(); }
	std::vector<sdbus::Struct<std::string, std::string>> Problems() override;
	std::vector<sdbus::Struct<uint64_t, std::string>> LastErrors() override;
	uint64_t Extensions() override { return picture_.extensions; }

	ManagerPicture picture_;
	const Ring<Event> &events_;
	const Ring<Extension> &extensions_;
	Requests &requests_;
};

class StoreObject final : public sdbus::AdaptorInterfaces<org::snapdiff1::Store_adaptor,
							  sdbus::ManagedObject_adaptor>
{
public:
	StoreObject(sdbus::IConnection &connection, const StorePicture &picture,
		    Requests &requests);

	// Tells the object manager's listeners, as leave() does.
	~StoreObject();

	void update(const StorePicture &picture);

	// Says that the store is gone though the object stays, as it must while a call of
	// it is unanswered: the answer is checked against what the object declares.  It
	// says so again when it goes, for those who asked what there is in between.  And
	// that a store of this name is there again.
	void leave();
	void comeBack(const StorePicture &picture);

private:
	using RangeStruct = sdbus::Struct<std::string, std::string, uint64_t, uint64_t, uint32_t,
					  bool, std::string, uint64_t, uint64_t, uint64_t>;
	using OriginStruct =
		sdbus::Struct<std::string, std::string, std::string, uint64_t, std::string,
			      uint64_t, uint64_t, uint64_t, uint64_t, uint64_t>;
	using SnapshotOriginStruct = sdbus::Struct<std::string, uint64_t>;
	using SnapshotStruct = sdbus::Struct<std::string, uint64_t, std::string, std::string,
					     uint64_t, uint64_t, std::vector<SnapshotOriginStruct>>;

	using Names = std::vector<std::string>;
	using Options = std::map<std::string, sdbus::Variant>;
	using GivenStruct = sdbus::Struct<std::string, uint64_t, bool>;
	using MountedStruct = sdbus::Struct<std::string, std::string, std::string>;

	// In bus_methods.cpp: what changes something.
	void Take(sdbus::Result<std::string, Names, Names, uint64_t, uint64_t> &&result,
		  std::string snapshot, Names origins, Options options) override;
	void Delete(sdbus::Result<> &&result, std::string snapshot, Options options) override;
	void Extend(sdbus::Result<std::vector<GivenStruct>> &&result, Options options) override;
	void Mount(sdbus::Result<std::vector<MountedStruct>> &&result, std::string snapshot,
		   Options options) override;
	void Unmount(sdbus::Result<Names> &&result, std::string snapshot, Options options) override;
	void Remove(sdbus::Result<Names> &&result, Options options) override;

	std::string Name() override { return picture_.name; }
	std::string Device() override { return picture_.device(); }
	std::string Number() override { return picture_.number; }
	std::string Mode() override { return std::string(word(picture_.summary.mode)); }
	std::string Level() override { return std::string(word(picture_.summary.level)); }
	uint64_t ChunkSize() override { return picture_.chunkSize; }
	uint64_t LowWater() override { return picture_.summary.lowWater; }
	uint64_t HoldLimitMs() override { return picture_.holdLimitMs; }
	uint64_t StallLimitMs() override { return picture_.stallLimitMs; }
	uint64_t BufferLimit() override { return picture_.bufferLimit; }
	std::string FullPolicy() override { return picture_.fullPolicy; }
	std::string DiscardPolicy() override { return picture_.discardPolicy; }
	uint64_t Capacity() override { return picture_.summary.capacity; }
	uint64_t Used() override { return picture_.summary.used; }
	uint64_t Free() override { return picture_.summary.free; }
	uint64_t Unusable() override { return picture_.summary.unusable; }
	uint64_t Buffered() override { return picture_.buffered; }
	uint64_t MemoryBytes() override { return picture_.memoryBytes; }
	uint64_t ReserveSectors() override { return picture_.reserveSectors; }
	uint64_t CarvableSectors() override { return picture_.carvableSectors; }
	uint64_t Seq() override { return picture_.summary.seq; }
	uint64_t Held() override { return picture_.summary.held; }
	uint64_t HeldMs() override { return picture_.summary.heldMs; }
	uint64_t HeldTotal() override { return picture_.summary.heldTotal; }
	double FillRateShort() override { return picture_.fillRateShort; }
	double FillRateLong() override { return picture_.fillRateLong; }
	int64_t SecondsToFull() override { return picture_.secondsToFull; }
	int64_t SecondsToFullShort() override { return picture_.secondsToFullShort; }
	int64_t SecondsToFullLong() override { return picture_.secondsToFullLong; }
	int64_t SecondsToExhaustion() override { return picture_.secondsToExhaustion; }
	uint64_t WorstCase() override { return picture_.worstCase; }
	bool CannotOverflow() override { return picture_.cannotOverflow; }
	std::string Severity() override { return picture_.severity; }
	std::string Reason() override { return picture_.reason; }
	uint64_t Extensions() override { return picture_.extensions; }
	std::vector<RangeStruct> Ranges() override;
	std::vector<OriginStruct> Origins() override;
	std::vector<SnapshotStruct> Snapshots() override;

	StorePicture picture_;
	Requests &requests_;
};

} // namespace snapdiff::daemon
