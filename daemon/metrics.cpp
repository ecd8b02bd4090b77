// SPDX-License-Identifier: GPL-2.0-or-later
//
// Metrics: a table of names, and the lines of each.

#include "metrics.h"

#include "util/units.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

namespace snapdiff::daemon {

namespace {

constexpr std::array metrics = {
	Metric{"snapdiff_info", "gauge",
	       "Always 1; the labels say which snapdiffd and which kernel module."},
	Metric{"snapdiff_written_timestamp_seconds", "gauge",
	       "When this file was made, seconds since 1970."},
	Metric{"snapdiff_module_usable", "gauge",
	       "1 if the kernel module is loaded and fits the daemon."},
	Metric{"snapdiff_problems", "gauge",
	       "Things that are wrong now; snapdiff status names them."},
	Metric{"snapdiff_extensions_total", "counter",
	       "Ranges given to stores since the daemon started."},
	Metric{"snapdiff_reserve_ranges", "gauge", "Ranges that are ready to be given."},
	Metric{"snapdiff_reserve_wanted_ranges", "gauge", "Ranges that the reserve is to hold."},
	Metric{"snapdiff_reserve_bytes", "gauge", "Size of the ranges that are ready to be given."},
	Metric{"snapdiff_carvable_bytes", "gauge",
	       "Space in all supplies that can still be carved."},
	Metric{"snapdiff_supply_size_bytes", "gauge", "Size of a volume group that is a supply."},
	Metric{"snapdiff_supply_carvable_bytes", "gauge",
	       "Space of a supply that can still be carved."},
	Metric{"snapdiff_supply_usable", "gauge", "1 if nothing is wrong with the supply."},
	Metric{"snapdiff_store_capacity_bytes", "gauge", "All ranges of the store together."},
	Metric{"snapdiff_store_used_bytes", "gauge", "Space of the store that holds data."},
	Metric{"snapdiff_store_free_bytes", "gauge", "Space of the store that is free."},
	Metric{"snapdiff_store_unusable_bytes", "gauge",
	       "Space of the store that takes no data: tails, failed and shrinking ranges."},
	Metric{"snapdiff_store_low_water_bytes", "gauge",
	       "The store asks for more when so much or less is free."},
	Metric{"snapdiff_store_low", "gauge", "1 if the store asks for more space."},
	Metric{"snapdiff_store_mode", "gauge",
	       "1 for the mode that the store is in, 0 for the others."},
	Metric{"snapdiff_store_buffered_bytes", "gauge",
	       "Data that is in memory and not yet on a range."},
	Metric{"snapdiff_store_memory_bytes", "gauge", "Memory that the store uses in the kernel."},
	Metric{"snapdiff_store_held_writes", "gauge", "Writes that wait for space now."},
	Metric{"snapdiff_store_held_seconds", "gauge", "For how long the oldest of them waits."},
	Metric{"snapdiff_store_held_writes_total", "counter",
	       "Writes that ever had to wait for space."},
	Metric{"snapdiff_store_failed_ranges", "gauge", "Ranges to which a write failed."},
	Metric{"snapdiff_store_extensions_total", "counter",
	       "Ranges given to the store since the daemon started."},
	Metric{"snapdiff_store_fill_rate_bytes_per_second", "gauge",
	       "How fast the store fills, over a short and a long window."},
	Metric{"snapdiff_store_time_to_full_seconds", "gauge",
	       "Time until the store is full at the present rate; absent if it does not fill."},
	Metric{"snapdiff_store_time_to_exhaustion_seconds", "gauge",
	       "Time until store, reserve and supplies are full; absent if they do not fill."},
	Metric{"snapdiff_store_worst_case_bytes", "gauge",
	       "Space that copies can still take if everything is written."},
	Metric{"snapdiff_store_cannot_overflow", "gauge",
	       "1 if the store has room for the worst case."},
	Metric{"snapdiff_origin_size_bytes", "gauge", "Size of the origin."},
	Metric{"snapdiff_origin_watched", "gauge", "1 if writes to the origin are watched."},
	Metric{"snapdiff_origin_unsafe_chunks", "gauge",
	       "Chunks that a first write would still copy."},
	Metric{"snapdiff_origin_bad_chunks", "gauge", "Chunks whose old data could not be read."},
	Metric{"snapdiff_origin_copied_chunks_total", "counter",
	       "Chunks whose old data was copied."},
	Metric{"snapdiff_snapshot_taken_timestamp_seconds", "gauge",
	       "When the snapshot was taken, seconds since 1970."},
	Metric{"snapdiff_snapshot_valid", "gauge",
	       "1 if the snapshot is live, 0 if it is invalid."},
	Metric{"snapdiff_snapshot_own_bytes", "gauge",
	       "Space that deleting only this snapshot would free."},
	Metric{"snapdiff_snapshot_images", "gauge", "Images that show the snapshot."},
	Metric{"snapdiff_snapshot_overlay_bytes", "gauge",
	       "Space that writes to its writable images take."},
};

using Labels = std::vector<std::pair<std::string_view, std::string>>;
using Store = StorePicture;
using Origin = model::Origin;
using Snapshot = dm::SnapshotStatus;

std::string escaped(std::string_view value)
{
	std::string text;
	for (const char letter : value) {
		if (letter == '\\' || letter == '"')
			text += '\\';
		if (letter == '\n')
			text += "\\n";
		else
			text += letter;
	}
	return text;
}

// Writes metric after metric; a metric without a sample is left out.
class Writer
{
public:
	explicit Writer(const Picture &picture) : picture_(picture) {}

	void begin(std::string_view name)
	{
		metric_ = std::find_if(metrics.begin(), metrics.end(),
				       [&](const Metric &known) { return known.name == name; });
		begun_ = false;
	}
	void sample(const Labels &labels, double value);

	void one(std::string_view name, double value)
	{
		begin(name);
		sample({}, value);
	}
	template<class Value>
	void stores(std::string_view name, Value value)
	{
		begin(name);
		for (const Store &store : picture_.stores)
			sample({{"store", store.name}}, static_cast<double>(value(store)));
	}
	template<class Value>
	void origins(std::string_view name, Value value)
	{
		begin(name);
		for (const Store &store : picture_.stores)
			for (const Origin &origin : store.origins)
				sample({{"store", store.name}, {"origin", origin.status.name}},
				       static_cast<double>(value(origin.status)));
	}
	template<class Value>
	void snapshots(std::string_view name, Value value)
	{
		begin(name);
		for (const Store &store : picture_.stores)
			for (const Snapshot &snapshot : store.snapshots)
				sample({{"store", store.name}, {"snapshot", snapshot.name}},
				       static_cast<double>(value(snapshot)));
	}
	template<class Value>
	void supplies(std::string_view name, Value value)
	{
		begin(name);
		for (const SupplyPicture &supply : picture_.manager.supplies)
			sample({{"supply", supply.name}}, static_cast<double>(value(supply)));
	}
	const Picture &picture() const { return picture_; }
	std::string take() { return std::move(text_); }

private:
	const Picture &picture_;
	const Metric *metric_ = nullptr;
	bool begun_ = false;
	std::string text_;
};

void Writer::sample(const Labels &labels, double value)
{
	const std::string name(metric_->name);
	if (!begun_) {
		text_ += "# HELP " + name + " " + std::string(metric_->help) + "\n";
		text_ += "# TYPE " + name + " " + std::string(metric_->type) + "\n";
	}
	begun_ = true;

	text_ += name;
	const char *before = "{";
	for (const auto &[label, content] : labels) {
		text_ += before;
		text_ += label;
		text_ += "=\"" + escaped(content) + "\"";
		before = ",";
	}
	// Whole numbers stay whole.
	char number[40];
	std::snprintf(number, sizeof(number), "%s%.17g\n", labels.empty() ? " " : "} ", value);
	text_ += number;
}

void writeManager(Writer &out, int64_t wallSeconds)
{
	const ManagerPicture &manager = out.picture().manager;

	out.begin("snapdiff_info");
	out.sample({{"version", manager.version}, {"module", manager.moduleVersion}}, 1);
	out.one("snapdiff_written_timestamp_seconds", static_cast<double>(wallSeconds));
	out.one("snapdiff_module_usable", manager.moduleUsable ? 1 : 0);
	out.one("snapdiff_problems", static_cast<double>(manager.problems.size()));
	out.one("snapdiff_extensions_total", static_cast<double>(manager.extensions));
	out.one("snapdiff_reserve_ranges", manager.reserveRanges);
	out.one("snapdiff_reserve_wanted_ranges", manager.reserveWanted);
	out.one("snapdiff_reserve_bytes", static_cast<double>(bytesOf(manager.reserveSectors)));
	out.one("snapdiff_carvable_bytes", static_cast<double>(bytesOf(manager.carvableSectors)));
	out.supplies("snapdiff_supply_size_bytes", [](auto &s) { return bytesOf(s.size); });
	out.supplies("snapdiff_supply_carvable_bytes", [](auto &s) { return bytesOf(s.carvable); });
	out.supplies("snapdiff_supply_usable", [](auto &s) { return s.problem.empty(); });
}

void writeSpace(Writer &out)
{
	out.stores("snapdiff_store_capacity_bytes",
		   [](auto &s) { return bytesOf(s.summary.capacity); });
	out.stores("snapdiff_store_used_bytes", [](auto &s) { return bytesOf(s.summary.used); });
	out.stores("snapdiff_store_free_bytes", [](auto &s) { return bytesOf(s.summary.free); });
	out.stores("snapdiff_store_unusable_bytes",
		   [](auto &s) { return bytesOf(s.summary.unusable); });
	out.stores("snapdiff_store_low_water_bytes",
		   [](auto &s) { return bytesOf(s.summary.lowWater); });
	out.stores("snapdiff_store_low", [](auto &s) { return s.summary.level == dm::Level::Low; });
	out.stores("snapdiff_store_buffered_bytes", [](auto &s) { return bytesOf(s.buffered); });
	out.stores("snapdiff_store_memory_bytes", [](auto &s) { return s.memoryBytes; });
	out.stores("snapdiff_store_worst_case_bytes", [](auto &s) { return bytesOf(s.worstCase); });
	out.stores("snapdiff_store_cannot_overflow", [](auto &s) { return s.cannotOverflow; });
	out.stores("snapdiff_store_failed_ranges", [](auto &s) {
		return std::count_if(s.ranges.begin(), s.ranges.end(), [](auto &range) {
			return range.status.state == dm::RangeState::Failed;
		});
	});
}

void writeStores(Writer &out)
{
	const auto modes = {dm::StoreMode::Active, dm::StoreMode::Holding, dm::StoreMode::Full,
			    dm::StoreMode::Dying};

	writeSpace(out);
	out.stores("snapdiff_store_held_writes", [](auto &s) { return s.summary.held; });
	out.stores("snapdiff_store_held_seconds",
		   [](auto &s) { return static_cast<double>(s.summary.heldMs) / 1000; });
	out.stores("snapdiff_store_held_writes_total", [](auto &s) { return s.summary.heldTotal; });
	out.stores("snapdiff_store_extensions_total", [](auto &s) { return s.extensions; });
	out.begin("snapdiff_store_mode");
	for (const Store &store : out.picture().stores)
		for (const dm::StoreMode mode : modes)
			out.sample({{"store", store.name}, {"mode", std::string(dm::word(mode))}},
				   store.summary.mode == mode ? 1 : 0);

	// What is not known, or does not come, is no number.
	const auto known = [&](const Store &store, Labels labels, double value) {
		labels.insert(labels.begin(), {"store", store.name});
		if (value >= 0)
			out.sample(labels, value);
	};
	out.begin("snapdiff_store_fill_rate_bytes_per_second");
	for (const Store &store : out.picture().stores) {
		known(store, {{"window", "short"}}, store.fillRateShort * sectorSize);
		known(store, {{"window", "long"}}, store.fillRateLong * sectorSize);
	}
	out.begin("snapdiff_store_time_to_full_seconds");
	for (const Store &store : out.picture().stores)
		known(store, {}, static_cast<double>(store.secondsToFull));
	out.begin("snapdiff_store_time_to_exhaustion_seconds");
	for (const Store &store : out.picture().stores)
		known(store, {}, static_cast<double>(store.secondsToExhaustion));
}

void writeOrigins(Writer &out)
{
	out.origins("snapdiff_origin_size_bytes", [](auto &o) { return bytesOf(o.size); });
	out.origins("snapdiff_origin_watched",
		    [](auto &o) { return o.state == dm::OriginState::Watched; });
	out.origins("snapdiff_origin_unsafe_chunks", [](auto &o) { return o.unsafeChunks; });
	out.origins("snapdiff_origin_bad_chunks", [](auto &o) { return o.badChunks; });
	out.origins("snapdiff_origin_copied_chunks_total", [](auto &o) { return o.copiedChunks; });
}

void writeSnapshots(Writer &out)
{
	out.snapshots("snapdiff_snapshot_taken_timestamp_seconds",
		      [](auto &s) { return s.takenAt; });
	out.snapshots("snapdiff_snapshot_valid",
		      [](auto &s) { return s.state == dm::SnapshotState::Live; });
	out.snapshots("snapdiff_snapshot_own_bytes", [](auto &s) { return bytesOf(s.own); });
	out.snapshots("snapdiff_snapshot_images", [](auto &s) { return s.images; });
	out.snapshots("snapdiff_snapshot_overlay_bytes",
		      [](auto &s) { return bytesOf(s.overlay); });
}

} // namespace

std::span<const Metric> knownMetrics()
{
	return metrics;
}

std::string metricsText(const Picture &picture, int64_t wallSeconds)
{
	Writer out(picture);

	writeManager(out, wallSeconds);
	writeStores(out);
	writeOrigins(out);
	writeSnapshots(out);
	return out.take();
}

} // namespace snapdiff::daemon
