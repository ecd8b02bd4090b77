// SPDX-License-Identifier: GPL-2.0-or-later
//
// Bus objects: pictures turned into what D-Bus carries.

#include "bus_objects.h"

#include <functional>
#include <memory>
#include <tuple>

#include <cstdlib>
#include <systemd/sd-bus.h>

namespace snapdiff::daemon {

namespace {

// A property and the part of the picture that decides whether it changed.
template<class Part>
struct Watched
{
	const char *property;
	Part part;
};

template<class Part>
Watched(const char *, Part) -> Watched<Part>;

template<class Picture, class... Parts>
std::vector<std::string> differences(const Picture &was, const Picture &is,
				     const Watched<Parts> &...watched)
{
	std::vector<std::string> names;
	const auto compare = [&](const auto &one) {
		if (!(std::invoke(one.part, was) == std::invoke(one.part, is)))
			names.emplace_back(one.property);
	};
	(compare(watched), ...);
	return names;
}

std::vector<std::string> differences(const ManagerPicture &was, const ManagerPicture &is)
{
	using P = ManagerPicture;
	return differences(
		was, is, Watched{"ModuleLoaded", &P::moduleLoaded},
		Watched{"ModuleVersion", &P::moduleVersion},
		Watched{"ModuleUsable", &P::moduleUsable},
		Watched{"ReserveRanges", &P::reserveRanges},
		Watched{"ReserveSectors", &P::reserveSectors},
		Watched{"ReserveWanted", &P::reserveWanted}, Watched{"Reserve", &P::reserve},
		Watched{"CarvableSectors", &P::carvableSectors}, Watched{"Supplies", &P::supplies},
		Watched{"Health", &P::health}, Watched{"Problems", &P::problems},
		Watched{"LastErrors", &P::lastErrors}, Watched{"Extensions", &P::extensions});
}

// A number of the summary, which is a part of the picture.
template<class Number>
auto inSummary(Number dm::Summary::*member)
{
	return [member](const StorePicture &picture) { return picture.summary.*member; };
}

std::vector<std::string> differences(const StorePicture &was, const StorePicture &is)
{
	using P = StorePicture;
	using S = dm::Summary;
	return differences(
		was, is, Watched{"Number", &P::number}, Watched{"Mode", inSummary(&S::mode)},
		Watched{"Level", inSummary(&S::level)}, Watched{"ChunkSize", &P::chunkSize},
		Watched{"LowWater", inSummary(&S::lowWater)},
		Watched{"HoldLimitMs", &P::holdLimitMs}, Watched{"StallLimitMs", &P::stallLimitMs},
		Watched{"BufferLimit", &P::bufferLimit}, Watched{"FullPolicy", &P::fullPolicy},
		Watched{"DiscardPolicy", &P::discardPolicy},
		Watched{"Capacity", inSummary(&S::capacity)}, Watched{"Used", inSummary(&S::used)},
		Watched{"Free", inSummary(&S::free)}, Watched{"Unusable", inSummary(&S::unusable)},
		Watched{"Buffered", &P::buffered}, Watched{"MemoryBytes", &P::memoryBytes},
		Watched{"ReserveSectors", &P::reserveSectors},
		Watched{"CarvableSectors", &P::carvableSectors}, Watched{"Seq", inSummary(&S::seq)},
		Watched{"Held", inSummary(&S::held)}, Watched{"HeldMs", inSummary(&S::heldMs)},
		Watched{"HeldTotal", inSummary(&S::heldTotal)},
		Watched{"FillRateShort", &P::fillRateShort},
		Watched{"FillRateLong", &P::fillRateLong},
		Watched{"SecondsToFull", &P::secondsToFull},
		Watched{"SecondsToFullShort", &P::secondsToFullShort},
		Watched{"SecondsToFullLong", &P::secondsToFullLong},
		Watched{"SecondsToExhaustion", &P::secondsToExhaustion},
		Watched{"WorstCase", &P::worstCase}, Watched{"CannotOverflow", &P::cannotOverflow},
		Watched{"Severity", &P::severity}, Watched{"Reason", &P::reason},
		Watched{"Extensions", &P::extensions}, Watched{"Ranges", &P::ranges},
		Watched{"Origins", &P::origins}, Watched{"Snapshots", &P::snapshots});
}

} // namespace

std::string storePath(const std::string &name)
{
	char *path = nullptr;
	if (sd_bus_path_encode("/org/snapdiff1/store", name.c_str(), &path) < 0)
		return {};
	const std::unique_ptr<char, decltype(&std::free)> owned(path, &std::free);
	return path;
}

ManagerObject::ManagerObject(sdbus::IConnection &connection, const ManagerPicture &picture,
			     const Ring<Event> &events, const Ring<Extension> &extensions,
			     Requests &requests)
	: AdaptorInterfaces(connection, managerPath), picture_(picture), events_(events),
	  extensions_(extensions), requests_(requests)
{
	registerAdaptor();
}

ManagerObject::~ManagerObject()
{
	unregisterAdaptor();
}

void ManagerObject::update(const ManagerPicture &picture)
{
	const std::vector<std::string> changed = differences(picture_, picture);

	picture_ = picture;
	if (!changed.empty())
		getObject().emitPropertiesChangedSignal(Manager_adaptor::INTERFACE_NAME, changed);
}

std::vector<ManagerObject::EventStruct> ManagerObject::RecentEvents(const uint32_t &n)
{
	std::vector<EventStruct> list;
	for (const Event &event : events_.newest(n))
		list.push_back(EventStruct{event.number, event.timeUs,
					   std::string(word(event.severity)), event.kind,
					   event.store, event.text});
	return list;
}

std::vector<ManagerObject::ExtensionStruct> ManagerObject::RecentExtensions(const uint32_t &n)
{
	std::vector<ExtensionStruct> list;
	for (const Extension &one : extensions_.newest(n))
		list.push_back(ExtensionStruct{one.number, one.timeUs, one.store, one.device,
					       one.supply, one.sectors, one.microseconds});
	return list;
}

std::vector<ManagerObject::ReserveStruct> ManagerObject::Reserve()
{
	std::vector<ReserveStruct> list;
	for (const ReservePicture &range : picture_.reserve)
		list.push_back(ReserveStruct{range.device, range.supply, range.length, range.group,
					     range.last});
	return list;
}

std::vector<ManagerObject::SupplyStruct> ManagerObject::Supplies()
{
	std::vector<SupplyStruct> list;
	for (const SupplyPicture &supply : picture_.supplies)
		list.push_back(SupplyStruct{supply.name, supply.state, supply.size, supply.carvable,
					    supply.problem});
	return list;
}

std::vector<sdbus::Struct<std::string, std::string>> ManagerObject::Problems()
{
	std::vector<sdbus::Struct<std::string, std::string>> list;
	for (const auto &[subject, sentence] : picture_.problems)
		list.emplace_back(subject, sentence);
	return list;
}

std::vector<sdbus::Struct<uint64_t, std::string>> ManagerObject::LastErrors()
{
	std::vector<sdbus::Struct<uint64_t, std::string>> list;
	for (const TimedText &error : picture_.lastErrors)
		list.emplace_back(error.timeUs, error.text);
	return list;
}

StoreObject::StoreObject(sdbus::IConnection &connection, const StorePicture &picture,
			 Requests &requests)
	: AdaptorInterfaces(connection, storePath(picture.name)), picture_(picture),
	  requests_(requests)
{
	registerAdaptor();
	emitInterfacesAddedSignal({Store_adaptor::INTERFACE_NAME});
}

StoreObject::~StoreObject()
{
	try {
		leave();
	} catch (const sdbus::Error &) {
		// Nobody is there to hear it: the connection is lost.
	}
	unregisterAdaptor();
}

void StoreObject::leave()
{
	emitInterfacesRemovedSignal({Store_adaptor::INTERFACE_NAME});
}

void StoreObject::comeBack(const StorePicture &picture)
{
	picture_ = picture;
	emitInterfacesAddedSignal({Store_adaptor::INTERFACE_NAME});
}

void StoreObject::update(const StorePicture &picture)
{
	const std::vector<std::string> changed = differences(picture_, picture);

	picture_ = picture;
	if (!changed.empty())
		getObject().emitPropertiesChangedSignal(Store_adaptor::INTERFACE_NAME, changed);
}

std::vector<StoreObject::RangeStruct> StoreObject::Ranges()
{
	std::vector<RangeStruct> list;
	for (const RangePicture &range : picture_.ranges) {
		const dm::RangeStatus &status = range.status;
		list.push_back(RangeStruct{range.device, range.disk, status.start, status.length,
					   status.group.number, status.group.last,
					   std::string(word(status.state)), status.used,
					   status.free, status.unusable});
	}
	return list;
}

std::vector<StoreObject::OriginStruct> StoreObject::Origins()
{
	std::vector<OriginStruct> list;
	for (const model::Origin &origin : picture_.origins) {
		const dm::OriginStatus &status = origin.status;
		list.push_back(OriginStruct{
			status.name, origin.device, origin.underlying, status.size,
			std::string(word(status.state)), status.unsafeChunks, status.badChunks,
			status.copiedChunks, status.readWaits, origin.worstCase});
	}
	return list;
}

std::vector<StoreObject::SnapshotStruct> StoreObject::Snapshots()
{
	std::vector<SnapshotStruct> list;
	for (const dm::SnapshotStatus &status : picture_.snapshots) {
		std::vector<SnapshotOriginStruct> origins;
		for (const dm::SnapshotOrigin &origin : status.origins)
			origins.emplace_back(origin.name, origin.size);
		list.push_back(SnapshotStruct{status.name, status.takenAt * 1'000'000,
					      std::string(word(status.state)),
					      std::string(word(status.cause)), status.own,
					      status.images, std::move(origins)});
	}
	return list;
}

} // namespace snapdiff::daemon
