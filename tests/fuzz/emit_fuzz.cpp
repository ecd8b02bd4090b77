// SPDX-License-Identifier: GPL-2.0-or-later
// A status that the kernel writes, read by the library: every field must come back, and a buffer
// that is too small must be cut inside and say so.
#include "core.h"
#include "dm/status.h"
#include "input.h"

#include <deque>
#include <memory>

using namespace snapdiff;

namespace {

// A whole status, with the names that its parts point to.
struct Status
{
	sd_status_head head{};
	std::vector<sd_status_range> ranges;
	std::vector<sd_status_origin> origins;
	std::vector<sd_status_snapshot> snapshots;
	std::vector<std::vector<std::pair<const char *, u64>>> shown;
	std::deque<std::string> names;

	explicit Status(Input &in)
	{
		sd_summary &s = head.sum;

		s.mode = static_cast<sd_mode>(in.below(4));
		s.low = in.flag();
		for (u64 *field :
		     {&s.capacity, &s.used, &s.free, &s.unusable, &s.low_water, &s.seq, &s.held_ms,
		      &s.held_total, &head.buffered, &head.buffer, &head.memory})
			*field = in.number<u64>();
		s.held = in.number<u32>();
		// the kernel's own promise, which the library asks for
		s.used >>= 2;
		s.free >>= 2;
		s.unusable >>= 2;
		s.capacity = s.used + s.free + s.unusable;
		head.ranges = in.below(4);
		head.origins = in.below(4);
		head.snapshots = in.below(4);
		for (u32 i = 0; i < head.ranges; i++)
			addRange(in);
		for (u32 i = 0; i < head.origins; i++)
			addOrigin(in);
		for (u32 i = 0; i < head.snapshots; i++)
			addSnapshot(in);
	}

	const char *name(Input &in) { return names.emplace_back(in.name()).c_str(); }

	void addRange(Input &in)
	{
		sd_status_range r{};

		r.major = in.number<u32>() & 0xfff;
		r.minor = in.number<u32>() & 0xfffff;
		r.group = in.number<u32>();
		r.last = in.flag();
		r.failed = in.flag();
		r.shrink = static_cast<sd_shrink>(in.below(4));
		for (u64 *field : {&r.start, &r.len, &r.used, &r.free, &r.unusable})
			*field = in.number<u64>();
		ranges.push_back(r);
	}

	void addOrigin(Input &in)
	{
		sd_status_origin o{};

		o.name = name(in);
		o.major = in.number<u32>() & 0xfff;
		o.minor = in.number<u32>() & 0xfffff;
		o.watch = static_cast<sd_watch>(in.below(3));
		for (u64 *field : {&o.start, &o.size, &o.unsafe, &o.bad, &o.copied, &o.read_waits})
			*field = in.number<u64>();
		origins.push_back(o);
	}

	void addSnapshot(Input &in)
	{
		sd_status_snapshot s{};

		s.name = name(in);
		for (u64 *field : {&s.time_s, &s.own, &s.overlay, &s.to_come})
			*field = in.number<u64>();
		s.time_s >>= 1; // programs count seconds with a sign
		s.cause = static_cast<sd_cause>(in.below(8));
		s.images = in.number<u32>();
		s.origins = in.below(3);
		shown.emplace_back();
		for (u32 i = 0; i < s.origins; i++) {
			const char *origin = name(in);
			shown.back().emplace_back(origin, in.number<u64>());
		}
		snapshots.push_back(s);
	}

	void emit(sd_text *text) const
	{
		sd_emit_head(text, &head);
		for (const auto &r : ranges)
			sd_emit_range(text, &r);
		for (const auto &o : origins)
			sd_emit_origin(text, &o);
		for (size_t i = 0; i < snapshots.size(); i++) {
			sd_emit_snapshot(text, &snapshots[i]);
			for (const auto &[origin, size] : shown[i]) {
				sd_emit_word(text, origin);
				sd_emit_u64(text, size);
			}
		}
	}
};

void compareHead(const Status &w, const dm::StoreStatus &got)
{
	const sd_summary &s = w.head.sum;
	const dm::Summary &g = got.summary;

	REQUIRE(dm::word(g.mode) == sd_mode_name(s.mode));
	REQUIRE(g.capacity == s.capacity && g.used == s.used && g.free == s.free);
	REQUIRE(g.unusable == s.unusable && g.lowWater == s.low_water && g.seq == s.seq);
	REQUIRE((g.level == dm::Level::Low) == s.low);
	REQUIRE(g.held == s.held && g.heldMs == s.held_ms && g.heldTotal == s.held_total);
	REQUIRE(got.buffered == w.head.buffered && got.bufferLimit == w.head.buffer);
	REQUIRE(got.memoryBytes == w.head.memory);
}

void compareRange(const sd_status_range &r, const dm::RangeStatus &g)
{
	REQUIRE(g.dev.text() == std::to_string(r.major) + ":" + std::to_string(r.minor));
	REQUIRE(g.start == r.start && g.length == r.len && g.used == r.used);
	REQUIRE(g.free == r.free && g.unusable == r.unusable);
	REQUIRE(g.group.number == r.group && g.group.last == r.last);
	REQUIRE((g.state == dm::RangeState::Failed) == r.failed);
	REQUIRE(dm::word(g.shrink) == sd_shrink_name(r.shrink));
}

void compareOrigin(const sd_status_origin &o, const dm::OriginStatus &g)
{
	REQUIRE(g.name == o.name && g.start == o.start && g.size == o.size);
	REQUIRE(dm::word(g.state) == sd_watch_name(o.watch));
	REQUIRE(g.unsafeChunks == o.unsafe && g.badChunks == o.bad);
	REQUIRE(g.copiedChunks == o.copied && g.readWaits == o.read_waits);
}

void compareSnapshot(const sd_status_snapshot &s, const dm::SnapshotStatus &g)
{
	REQUIRE(g.name == s.name && g.takenAt == s.time_s && g.own == s.own);
	REQUIRE((g.state == dm::SnapshotState::Live) == (s.cause == SD_CAUSE_NONE));
	REQUIRE(dm::word(g.cause) == sd_cause_name(s.cause));
	REQUIRE(g.images == s.images && g.overlay == s.overlay && g.toCome == s.to_come);
}

// Into a buffer of exactly this size, so that a step too far is found.
std::string emitInto(const Status &status, size_t size, bool *overflow)
{
	std::unique_ptr<char[]> buffer(new char[size]);
	sd_text text;

	sd_text_init(&text, buffer.get(), size);
	status.emit(&text);
	*overflow = text.overflow;
	return buffer.get();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	Input in(bytes, size);
	const size_t room = 1 + in.byte() * 16u + in.byte() % 16u;
	const Status status(in);
	bool overflow = false;
	const std::string whole = emitInto(status, 16384, &overflow);

	REQUIRE(!overflow);
	const auto parsed = dm::parseStoreStatus(whole);
	REQUIRE(parsed);
	REQUIRE(dm::format(*parsed) == whole);
	compareHead(status, *parsed);
	REQUIRE(parsed->ranges.size() == status.ranges.size());
	for (size_t i = 0; i < status.ranges.size(); i++)
		compareRange(status.ranges[i], parsed->ranges[i]);
	REQUIRE(parsed->origins.size() == status.origins.size());
	for (size_t i = 0; i < status.origins.size(); i++)
		compareOrigin(status.origins[i], parsed->origins[i]);
	REQUIRE(parsed->snapshots.size() == status.snapshots.size());
	for (size_t i = 0; i < status.snapshots.size(); i++)
		compareSnapshot(status.snapshots[i], parsed->snapshots[i]);

	std::string cut = emitInto(status, room, &overflow);
	REQUIRE(overflow == (whole.size() >= room));
	// device-mapper asks again only if the buffer is full; a word is there whole or not at all
	REQUIRE(cut.size() == (overflow ? room - 1 : whole.size()));
	cut.erase(cut.find_last_not_of(' ') + 1);
	REQUIRE(whole.starts_with(cut));
	REQUIRE(cut.empty() || cut.size() == whole.size() || whole[cut.size()] == ' ');
	return 0;
}
