// SPDX-License-Identifier: GPL-2.0-or-later
//
// Describe: stores, origins and snapshots in several lines for people.

#include "cli/describe.h"

#include "model/fill.h"
#include "util/clock.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace snapdiff::cli {

namespace {

// Collects "  label   text" lines with the texts under each other.
class Lines
{
public:
	void add(std::string_view label, const std::string &text)
	{
		text_ += fmt::format("  {:<12} {}\n", label, text);
	}
	void title(const std::string &text) { text_ += text + "\n"; }
	std::string take() { return std::move(text_); }

private:
	std::string text_;
};

std::string bar(const dm::Summary &summary)
{
	constexpr size_t cells = 30;

	const auto part = [&](uint64_t sectors) {
		return summary.capacity == 0 ? size_t{0}
					     : static_cast<size_t>(std::lround(
						       static_cast<double>(sectors) * cells /
						       static_cast<double>(summary.capacity)));
	};
	const size_t used = std::min(part(summary.used), cells);
	const size_t unusable = std::min(part(summary.unusable), cells - used);
	return "[" + std::string(used, '#') + std::string(cells - used - unusable, '.') +
	       std::string(unusable, 'x') + "]";
}

std::string plural(uint64_t count, std::string_view noun)
{
	return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

// A size with the unit's letter where the number alone would not say it.
std::string size(uint64_t sectors, UnitChoice units)
{
	return formatSize(bytesOf(sectors), units);
}

std::string worstText(const model::Store &store, UnitChoice units)
{
	const model::WorstCase worst = model::worstCase(store);
	if (worst.needed == 0)
		return "nothing can still come until the next take";
	return fmt::format("{} may still come, {} are free: {}", size(worst.needed, units),
			   size(store.summary.free, units),
			   worst.cannotOverflow ? "it cannot overflow any more"
						: "it may overflow unless it is extended");
}

void addSpace(Lines &lines, const model::Store &store, UnitChoice units)
{
	const dm::Summary &s = store.summary;
	lines.add("space", fmt::format("{} {:.0f}% used", bar(s), model::fillOf(s) * 100));
	lines.add("", fmt::format("{} used, {} free, {} unusable, of {}", size(s.used, units),
				  size(s.free, units), size(s.unusable, units),
				  size(s.capacity, units)));
	lines.add("worst case", worstText(store, units));
	if (s.held > 0)
		lines.add("held", fmt::format("{} for {}", plural(s.held, "write"),
					      formatDuration(s.heldMs)));
}

std::string stateOf(const dm::SnapshotStatus &snapshot)
{
	if (snapshot.cause == dm::Cause::None)
		return std::string(dm::word(snapshot.state));
	return fmt::format("{} ({})", dm::word(snapshot.state), dm::word(snapshot.cause));
}

std::string originsOf(const dm::SnapshotStatus &snapshot)
{
	std::string text;
	for (const dm::SnapshotOrigin &origin : snapshot.origins)
		text += (text.empty() ? "" : ", ") + origin.name;
	return text;
}

void addOriginLines(Lines &lines, const model::Store &store, UnitChoice units)
{
	for (const model::Origin &origin : store.origins)
		lines.add("origin", fmt::format("{}, {}, {}", origin.status.name,
						size(origin.status.size, units),
						dm::word(origin.status.state)));
}

void addSnapshotLines(Lines &lines, const model::Store &store, UnitChoice units)
{
	for (const model::Snapshot &snapshot : store.snapshots) {
		const dm::SnapshotStatus &s = snapshot.status;
		lines.add("snapshot", fmt::format("{}, {}, {}, {} its own, of {}", s.name,
						  formatUtc(static_cast<int64_t>(s.takenAt)),
						  stateOf(s), size(s.own, units), originsOf(s)));
	}
}

} // namespace

std::string describeStatus(const model::Store &store, UnitChoice units)
{
	const model::Judgement judgement = model::judge(store);
	Lines lines;
	lines.title(fmt::format("store {}: {}{}{}", store.name, model::word(judgement.severity),
				judgement.reason.empty() ? "" : ". ", judgement.reason));
	addSpace(lines, store, units);
	addOriginLines(lines, store, units);
	addSnapshotLines(lines, store, units);
	return lines.take();
}

static std::string_view shrinkText(dm::Shrink shrink)
{
	switch (shrink) {
	case dm::Shrink::None:
		break;
	case dm::Shrink::Moving:
		return ", being taken back";
	case dm::Shrink::Cancelled:
		return ", not taken back: cancelled";
	case dm::Shrink::NoSpace:
		return ", not taken back: no space elsewhere";
	}
	return "";
}

std::string describe(const model::Store &store, UnitChoice units)
{
	const model::Judgement judgement = model::judge(store);
	const dm::Summary &s = store.summary;
	Lines lines;
	lines.title("store " + store.name);
	lines.add("health", std::string(model::word(judgement.severity)) +
				    (judgement.reason.empty() ? "" : ": " + judgement.reason));
	lines.add("mode", std::string(dm::word(s.mode)));
	addSpace(lines, store, units);
	lines.add("low water",
		  fmt::format("{} free, level {}", size(s.lowWater, units), dm::word(s.level)));
	lines.add("chunk", size(store.chunk, units));
	lines.add("hold",
		  formatDuration(store.holdMs) + ", then " + std::string(dm::word(store.full)));
	lines.add("stall limit", formatDuration(store.stallMs));
	lines.add("discard", std::string(dm::word(store.discard)));
	lines.add("memory",
		  fmt::format("{}, {} of {} buffered", formatSize(store.memoryBytes, units),
			      size(store.buffered, units), size(store.bufferLimit, units)));
	for (const model::Range &range : store.ranges)
		lines.add("range",
			  fmt::format(
				  "{}, {}, {} used{}{}{}", range.device,
				  size(range.status.length, units), size(range.status.used, units),
				  range.status.group.last ? ", filled last" : "",
				  range.status.state == dm::RangeState::Failed ? ", FAILED" : "",
				  shrinkText(range.status.shrink)));
	addOriginLines(lines, store, units);
	addSnapshotLines(lines, store, units);
	return lines.take();
}

std::string describe(const model::Origin &origin, const model::Store &store, UnitChoice units)
{
	const dm::OriginStatus &s = origin.status;
	Lines lines;
	lines.title("origin " + s.name);
	lines.add("store", store.name);
	lines.add("device", origin.device.empty() ? "none" : "/dev/mapper/" + origin.device);
	lines.add("lies on", origin.underlying);
	lines.add("size", size(s.size, units));
	lines.add("state", std::string(dm::word(s.state)));
	lines.add("worst case", fmt::format("{} in {}", size(origin.worstCase, units),
					    plural(s.unsafeChunks, "unsafe chunk")));
	lines.add("copied", plural(s.copiedChunks, "chunk"));
	lines.add("read waits", fmt::format("{}", s.readWaits));
	if (s.badChunks > 0)
		lines.add("BAD",
			  plural(s.badChunks, "chunk") + " whose old data could not be read");
	for (const model::Snapshot &snapshot : store.snapshots) {
		const auto &parts = snapshot.status.origins;
		if (std::any_of(parts.begin(), parts.end(), [&](const dm::SnapshotOrigin &part) {
			    return part.name == s.name;
		    }))
			lines.add("snapshot", fmt::format("{}, {}", snapshot.status.name,
							  stateOf(snapshot.status)));
	}
	return lines.take();
}

std::string describe(const model::Snapshot &snapshot, const model::Store &store, UnitChoice units)
{
	const dm::SnapshotStatus &s = snapshot.status;
	Lines lines;
	lines.title("snapshot " + s.name);
	lines.add("store", store.name);
	lines.add("taken", formatUtc(static_cast<int64_t>(s.takenAt)));
	lines.add("state", stateOf(s));
	lines.add("own", size(s.own, units));
	for (const dm::SnapshotOrigin &origin : s.origins)
		lines.add("origin", fmt::format("{}, {}", origin.name, size(origin.size, units)));
	for (const model::Image &image : snapshot.images) {
		std::string text = image.path();
		for (const std::string &target : image.mountedOn)
			text += ", mounted on " + printable(target);
		lines.add("image", text);
	}
	return lines.take();
}

} // namespace snapdiff::cli
