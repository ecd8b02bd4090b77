// SPDX-License-Identifier: GPL-2.0-or-later
//
// snapdiff list: one line for each snapshot, image, origin, store or range.

#include "cli/report.h"
#include "cli/verb.h"
#include "model/fill.h"
#include "ops/inventory.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ostream>

namespace snapdiff::cli {

using Stores = std::vector<const model::Store *>;

static std::vector<std::string> namesOf(const std::vector<dm::SnapshotOrigin> &origins)
{
	std::vector<std::string> names;
	names.reserve(origins.size());
	for (const dm::SnapshotOrigin &origin : origins)
		names.push_back(origin.name);
	return names;
}

static Report listSnapshots(const Stores &stores)
{
	Report report{"snapshots",
		      {{"name", "NAME", "name of the snapshot"},
		       {"store", "STORE", "diff storage that holds it", false},
		       {"time", "TIME", "when it was taken, UTC"},
		       {"state", "STATE", "live or invalid"},
		       {"cause", "CAUSE", "why it is invalid"},
		       {"own", "OWN", "what deleting only it would free"},
		       {"origins", "ORIGINS", "of what"},
		       {"images", "IMAGES", "image devices that exist of it"}},
		      {}};
	for (const model::Store *store : stores) {
		for (const model::Snapshot &snapshot : store->snapshots) {
			const dm::SnapshotStatus &s = snapshot.status;
			report.rows.push_back(
				{s.name, store->name, Time{static_cast<int64_t>(s.takenAt)},
				 std::string(dm::word(s.state)), std::string(dm::word(s.cause)),
				 Bytes{bytesOf(s.own)}, namesOf(s.origins), s.images});
		}
	}
	return report;
}

static Report listImages(const Stores &stores)
{
	Report report{"images",
		      {{"path", "PATH", "the block device"},
		       {"snapshot", "SNAPSHOT", "as of which it shows its origin"},
		       {"origin", "ORIGIN", "what it shows"},
		       {"store", "STORE", "diff storage that holds the snapshot", false},
		       {"state", "STATE", "live or invalid"},
		       {"cause", "CAUSE", "why it is invalid", false},
		       {"open", "OPEN", "how often it is open"},
		       {"mounted", "MOUNTED", "where it is mounted"}},
		      {}};
	for (const model::Store *store : stores) {
		for (const model::Snapshot &snapshot : store->snapshots) {
			for (const model::Image &image : snapshot.images)
				report.rows.push_back(
					{image.path(), image.snapshot, image.origin, store->name,
					 std::string(dm::word(image.state)),
					 std::string(dm::word(image.cause)),
					 static_cast<uint64_t>(std::max(image.openCount, 0)),
					 image.mountedOn});
		}
	}
	return report;
}

static Report listOrigins(const Stores &stores)
{
	Report report{"origins",
		      {{"name", "NAME", "name of the origin"},
		       {"store", "STORE", "diff storage it is attached to"},
		       {"device", "DEVICE", "dm name of the live device", false},
		       {"underlying", "UNDERLYING", "device below it", false},
		       {"size", "SIZE", "its size"},
		       {"state", "STATE", "watched, unwatched (suspended) or detached"},
		       {"worst_case", "WORST", "what first writes to it may still take"},
		       {"bad_chunks", "BAD", "chunks whose old data could not be read"},
		       {"copied_chunks", "COPIED", "copies made since it was attached", false},
		       {"read_waits", "WAITS", "copies that waited for a read of an image", false}},
		      {}};
	for (const model::Store *store : stores) {
		for (const model::Origin &origin : store->origins) {
			const dm::OriginStatus &s = origin.status;
			report.rows.push_back({s.name, store->name, origin.device,
					       origin.underlying, Bytes{bytesOf(s.size)},
					       std::string(dm::word(s.state)),
					       Bytes{bytesOf(origin.worstCase)}, s.badChunks,
					       s.copiedChunks, s.readWaits});
		}
	}
	return report;
}

static Report listStores(const Stores &stores)
{
	Report report{
		"stores",
		{{"name", "NAME", "name of the diff storage"},
		 {"severity", "HEALTH", "ok, notice, warning or critical"},
		 {"mode", "MODE", "active, holding, full or dying"},
		 {"capacity", "CAPACITY", "all ranges together"},
		 {"used", "USED", "taken"},
		 {"free", "FREE", "to be given"},
		 {"unusable", "UNUSABLE", "tails, failed and shrinking ranges", false},
		 {"fill", "FILL", "used of capacity"},
		 {"low_water", "LOWWATER", "free space at or below which it asks for more", false},
		 {"level", "LEVEL", "ok or low"},
		 {"chunk", "CHUNK", "unit of copying", false},
		 {"held_writes", "HELD", "writes that wait for space", false},
		 {"ranges", "RANGES", "how many ranges", false},
		 {"origins", "ORIGINS", "how many origins"},
		 {"snapshots", "SNAPSHOTS", "how many snapshots"}},
		{}};
	for (const model::Store *store : stores) {
		const dm::Summary &s = store->summary;
		report.rows.push_back(
			{store->name, std::string(model::word(model::judge(*store).severity)),
			 std::string(dm::word(s.mode)), Bytes{bytesOf(s.capacity)},
			 Bytes{bytesOf(s.used)}, Bytes{bytesOf(s.free)}, Bytes{bytesOf(s.unusable)},
			 Ratio{model::fillOf(s)}, Bytes{bytesOf(s.lowWater)},
			 std::string(dm::word(s.level)), Bytes{bytesOf(store->chunk)}, s.held,
			 uint64_t{store->ranges.size()}, uint64_t{store->origins.size()},
			 uint64_t{store->snapshots.size()}});
	}
	return report;
}

static Report listRanges(const Stores &stores)
{
	Report report{"ranges",
		      {{"device", "DEVICE", "where it lies"},
		       {"store", "STORE", "whose it is"},
		       {"start", "START", "where it begins on the device", false},
		       {"size", "SIZE", "its length"},
		       {"used", "USED", "taken"},
		       {"free", "FREE", "to be given"},
		       {"unusable", "UNUSABLE",
			"its tail; what is not used if it failed or shrinks", false},
		       {"group", "GROUP",
			"the disk, as a number; \"last\": filled after all others", false},
		       {"state", "STATE", "ok or failed"},
		       {"shrink", "SHRINK",
			"moving: it is being taken back; cancelled, no-space: that was undone"}},
		      {}};
	for (const model::Store *store : stores) {
		for (const model::Range &range : store->ranges) {
			const dm::RangeStatus &s = range.status;
			report.rows.push_back({range.device, store->name, Bytes{bytesOf(s.start)},
					       Bytes{bytesOf(s.length)}, Bytes{bytesOf(s.used)},
					       Bytes{bytesOf(s.free)}, Bytes{bytesOf(s.unusable)},
					       s.group.text(), std::string(dm::word(s.state)),
					       std::string(dm::word(s.shrink))});
		}
	}
	return report;
}

struct ListKind
{
	std::string_view name;
	Report (*make)(const Stores &stores);
};

static constexpr std::array<ListKind, 5> kinds = {{
	{"snapshots", listSnapshots},
	{"images", listImages},
	{"origins", listOrigins},
	{"stores", listStores},
	{"ranges", listRanges},
}};

Outcome runList(Session &session)
{
	const Arguments &args = session.arguments;
	const std::string what = args.objects.empty() ? "snapshots" : args.objects[0];
	const auto kind = std::find_if(kinds.begin(), kinds.end(),
				       [&](const ListKind &k) { return k.name == what; });
	if (kind == kinds.end())
		return Error(EINVAL, fmt::format("list \"{}\"", printable(what)),
			     "not one of snapshots, images, origins, stores, ranges")
			.as(ErrorKind::Usage);
	if (args.fields.size() == 1 && args.fields[0] == "help") {
		session.out << describeFields(kind->make({}));
		return Exit::Ok;
	}

	const Result<model::Inventory> inventory = ops::readInventory(session.context);
	if (!inventory)
		return inventory.error();
	Stores stores;
	for (const model::Store &store : inventory->stores)
		stores.push_back(&store);
	if (!args.store.empty()) {
		const auto chosen = ops::chooseStore(*inventory, args.store);
		if (!chosen)
			return chosen.error();
		stores = {*chosen};
	}
	const Report report = kind->make(stores);
	const ReportStyle style{args.fields, !args.noHeadings, args.units};
	const Result<std::string> text =
		args.json ? formatJson(report, style) : formatTable(report, style);
	if (!text)
		return text.error();
	session.out << *text;
	return Exit::Ok;
}

} // namespace snapdiff::cli
