// SPDX-License-Identifier: GPL-2.0-or-later
//
// JSON: what verbs answer with --json.  The only file here that includes nlohmann-json.

#include "cli/json.h"

#include "model/fill.h"
#include "util/clock.h"
#include "util/units.h"

#include <nlohmann/json.hpp>

namespace snapdiff::cli {

using Json = nlohmann::ordered_json;

static Json toJson(const Node &node);

namespace {

struct Writer
{
	Json operator()(const Node::List &list) const
	{
		Json json = Json::array();
		for (const Node &item : list)
			json.push_back(toJson(item));
		return json;
	}
	Json operator()(const Node::Fields &fields) const
	{
		Json json = Json::object();
		for (const auto &[name, value] : fields)
			json[name] = toJson(value);
		return json;
	}
	template<class T>
	Json operator()(const T &value) const
	{
		return Json(value);
	}
};

} // namespace

static Json toJson(const Node &node)
{
	return std::visit(Writer(), node.value());
}

// Mount points may hold any bytes; what is no UTF-8 is replaced, never thrown.
static std::string written(Node::Fields fields, int indent)
{
	fields.insert(fields.begin(), {"schema", "snapdiff/1"});
	return toJson(Node(std::move(fields)))
		       .dump(indent, ' ', false, Json::error_handler_t::replace) +
	       "\n";
}

Node Node::listOf(const std::vector<std::string> &items)
{
	List list;
	for (const std::string &item : items)
		list.emplace_back(item);
	return list;
}

std::string document(Node::Fields fields)
{
	return written(std::move(fields), 2);
}

std::string documentLine(Node::Fields fields)
{
	return written(std::move(fields), -1);
}

static std::string_view word(ErrorKind kind)
{
	switch (kind) {
	case ErrorKind::Failed:
		return "failed";
	case ErrorKind::Usage:
		return "usage";
	case ErrorKind::NotFound:
		return "not-found";
	case ErrorKind::NotPermitted:
		return "not-permitted";
	case ErrorKind::Busy:
		return "busy";
	case ErrorKind::NoSpace:
		return "no-space";
	case ErrorKind::NoModule:
		return "no-module";
	case ErrorKind::TimedOut:
		return "timed-out";
	}
	return "failed";
}

std::string jsonError(const Error &error, Exit exit)
{
	return document({{"error", Node::Fields{{"kind", word(error.kind())},
						{"what", error.doing()},
						{"why", error.why()},
						{"next", error.next()},
						{"exit", static_cast<int>(exit)}}}});
}

Node nodeOf(const model::Range &range)
{
	const dm::RangeStatus &s = range.status;
	return Node::Fields{{"device", range.device},
			    {"number", s.dev.text()},
			    {"start_bytes", bytesOf(s.start)},
			    {"size_bytes", bytesOf(s.length)},
			    {"used_bytes", bytesOf(s.used)},
			    {"free_bytes", bytesOf(s.free)},
			    {"unusable_bytes", bytesOf(s.unusable)},
			    {"group", s.group.number},
			    {"last", s.group.last},
			    {"state", dm::word(s.state)},
			    {"shrink", dm::word(s.shrink)}};
}

Node nodeOf(const model::Origin &origin, const model::Store &store)
{
	const dm::OriginStatus &s = origin.status;
	return Node::Fields{{"name", s.name},
			    {"store", store.name},
			    {"device", origin.device},
			    {"underlying", origin.underlying},
			    {"size_bytes", bytesOf(s.size)},
			    {"state", dm::word(s.state)},
			    {"worst_case_bytes", bytesOf(origin.worstCase)},
			    {"unsafe_chunks", s.unsafeChunks},
			    {"bad_chunks", s.badChunks},
			    {"copied_chunks", s.copiedChunks},
			    {"read_waits", s.readWaits}};
}

Node nodeOf(const model::Image &image)
{
	return Node::Fields{{"path", image.path()},
			    {"origin", image.origin},
			    {"snapshot", image.snapshot},
			    {"state", dm::word(image.state)},
			    {"cause", dm::word(image.cause)},
			    {"open_count", image.openCount},
			    {"mounted_on", Node::listOf(image.mountedOn)}};
}

Node nodeOf(const model::Snapshot &snapshot, const model::Store &store)
{
	const dm::SnapshotStatus &s = snapshot.status;
	Node::List origins;
	for (const dm::SnapshotOrigin &origin : s.origins)
		origins.emplace_back(
			Node::Fields{{"name", origin.name}, {"size_bytes", bytesOf(origin.size)}});
	Node::List images;
	for (const model::Image &image : snapshot.images)
		images.push_back(nodeOf(image));
	return Node::Fields{{"name", s.name},
			    {"store", store.name},
			    {"time", formatUtc(static_cast<int64_t>(s.takenAt))},
			    {"own_bytes", bytesOf(s.own)},
			    {"state", dm::word(s.state)},
			    {"cause", dm::word(s.cause)},
			    {"origins", std::move(origins)},
			    {"images", std::move(images)}};
}

Node nodeOf(const model::Store &store)
{
	const dm::Summary &s = store.summary;
	const model::WorstCase worst = model::worstCase(store);
	const model::Judgement judgement = model::judge(store);
	Node::List ranges;
	Node::List origins;
	Node::List snapshots;
	for (const model::Range &range : store.ranges)
		ranges.push_back(nodeOf(range));
	for (const model::Origin &origin : store.origins)
		origins.push_back(nodeOf(origin, store));
	for (const model::Snapshot &snapshot : store.snapshots)
		snapshots.push_back(nodeOf(snapshot, store));
	return Node::Fields{{"name", store.name},
			    {"severity", model::word(judgement.severity)},
			    {"reason", judgement.reason},
			    {"mode", dm::word(s.mode)},
			    {"level", dm::word(s.level)},
			    {"sequence", s.seq},
			    {"capacity_bytes", bytesOf(s.capacity)},
			    {"used_bytes", bytesOf(s.used)},
			    {"free_bytes", bytesOf(s.free)},
			    {"unusable_bytes", bytesOf(s.unusable)},
			    {"low_water_bytes", bytesOf(s.lowWater)},
			    {"fill", model::fillOf(s)},
			    {"worst_case_bytes", bytesOf(worst.needed)},
			    {"cannot_overflow", worst.cannotOverflow},
			    {"held_writes", s.held},
			    {"held_ms", s.heldMs},
			    {"held_total", s.heldTotal},
			    {"buffered_bytes", bytesOf(store.buffered)},
			    {"buffer_limit_bytes", bytesOf(store.bufferLimit)},
			    {"memory_bytes", store.memoryBytes},
			    {"chunk_bytes", bytesOf(store.chunk)},
			    {"hold_ms", store.holdMs},
			    {"stall_ms", store.stallMs},
			    {"full", dm::word(store.full)},
			    {"discard", dm::word(store.discard)},
			    {"ranges", std::move(ranges)},
			    {"origins", std::move(origins)},
			    {"snapshots", std::move(snapshots)}};
}

} // namespace snapdiff::cli
