// SPDX-License-Identifier: GPL-2.0-or-later
//
// LVM reports: JSON of lvs, vgs and pvs -> values.  In LVM 2.03.16 every number is
// a string; newer versions may write numbers, and both are read.

#include "lvm/lvm.h"

#include "util/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>

namespace snapdiff::lvm {

namespace {

using Json = nlohmann::json;

// Reads the fields of one row; remembers the first that does not fit.
class Row
{
public:
	Row(const Json &row, const char *kind) : row_(row), kind_(kind) {}

	std::string text(const char *field)
	{
		const auto found = row_.find(field);
		if (found != row_.end() && found->is_string())
			return found->get<std::string>();
		if (found != row_.end() && found->is_number_integer())
			return found->dump();
		fail(field, "missing or no text");
		return {};
	}

	// Empty if it is not there.
	std::string optionalText(const char *field)
	{
		return row_.contains(field) ? text(field) : std::string();
	}

	uint64_t number(const char *field)
	{
		const std::string digits = text(field);
		const std::optional<uint64_t> value = parseNumber(digits);
		if (!value)
			fail(field, "not a number");
		return value.value_or(0);
	}

	// "-1" of an LV that is not active: nothing.
	std::optional<uint32_t> deviceNumberPart(const char *field)
	{
		const std::string digits = text(field);
		if (digits == "-1" || digits.empty())
			return std::nullopt;
		const std::optional<uint64_t> value = parseNumber(digits);
		if (!value || *value > UINT32_MAX) {
			fail(field, "not a device number");
			return std::nullopt;
		}
		return static_cast<uint32_t>(*value);
	}

	// "a,b"; empty: none.
	std::vector<std::string> list(const char *field)
	{
		std::vector<std::string> items;
		const std::string joined = text(field);
		std::string_view rest = joined;
		while (!rest.empty()) {
			const size_t comma = std::min(rest.find(','), rest.size());
			items.emplace_back(trimmed(rest.substr(0, comma)));
			rest.remove_prefix(std::min(comma + 1, rest.size()));
		}
		return items;
	}

	const std::optional<Error> &error() const { return error_; }

private:
	void fail(const char *field, const char *why)
	{
		if (!error_)
			error_ = Error(EPROTO, fmt::format("report of LVM: {}.{}", kind_, field),
				       why);
	}

	const Json &row_;
	const char *kind_;
	std::optional<Error> error_;
};

// The rows of {"report":[{"KIND":[{...},...]}]}.
Result<std::vector<Json>> rowsOf(std::string_view text, const char *kind)
{
	const Error malformed(EPROTO, "report of LVM", fmt::format("no list \"{}\" in it", kind));

	Json json = Json::parse(text, nullptr, false);
	if (json.is_discarded())
		return Error(EPROTO, "report of LVM", "not JSON");
	if (!json.is_object() || !json.contains("report") || !json["report"].is_array())
		return malformed;

	std::vector<Json> rows;
	for (const Json &part : json["report"]) {
		if (!part.is_object() || !part.contains(kind) || !part[kind].is_array())
			return malformed;
		for (const Json &row : part[kind]) {
			if (!row.is_object())
				return malformed;
			rows.push_back(row);
		}
	}
	return rows;
}

// "/dev/vdb(12)" -> "/dev/vdb"
std::string withoutExtent(const std::string &device)
{
	return device.substr(0, device.find('('));
}

} // namespace

Result<std::vector<VolumeGroup>> parseVolumeGroups(std::string_view text)
{
	Result<std::vector<Json>> rows = rowsOf(text, "vg");
	if (!rows)
		return std::move(rows).error();

	std::vector<VolumeGroup> groups;
	for (const Json &json : *rows) {
		Row row(json, "vg");
		VolumeGroup group;
		group.name = row.text("vg_name");
		group.sizeBytes = row.number("vg_size");
		group.freeBytes = row.number("vg_free");
		group.extentBytes = row.number("vg_extent_size");
		group.partial = row.number("vg_missing_pv_count") > 0;
		if (row.error())
			return *row.error();
		groups.push_back(std::move(group));
	}
	return groups;
}

Result<std::vector<Volume>> parseVolumes(std::string_view text)
{
	Result<std::vector<Json>> rows = rowsOf(text, "lv");
	if (!rows)
		return std::move(rows).error();

	std::vector<Volume> volumes;
	for (const Json &json : *rows) {
		Row row(json, "lv");
		Volume volume;
		volume.vg = row.text("vg_name");
		volume.name = row.text("lv_name");
		volume.sizeBytes = row.number("lv_size");
		volume.active = row.text("lv_active") == "active";
		volume.partial = row.optionalText("lv_health_status") == "partial";
		volume.path = row.text("lv_path");
		volume.dmPath = row.text("lv_dm_path");
		volume.tags = row.list("lv_tags");
		const std::optional<uint32_t> high = row.deviceNumberPart("lv_kernel_major");
		const std::optional<uint32_t> low = row.deviceNumberPart("lv_kernel_minor");
		if (high && low)
			volume.number = dm::DeviceNumber{*high, *low};
		std::vector<std::string> devices = row.list("devices");
		if (row.error())
			return *row.error();

		// One row for each segment of an LV.
		if (volumes.empty() || volumes.back().vg != volume.vg ||
		    volumes.back().name != volume.name)
			volumes.push_back(std::move(volume));
		std::vector<std::string> &known = volumes.back().devices;
		for (const std::string &device : devices) {
			std::string path = withoutExtent(device);
			if (std::find(known.begin(), known.end(), path) == known.end())
				known.push_back(std::move(path));
		}
	}
	return volumes;
}

Result<std::vector<PhysicalVolume>> parsePhysicalVolumes(std::string_view text)
{
	Result<std::vector<Json>> rows = rowsOf(text, "pv");
	if (!rows)
		return std::move(rows).error();

	std::vector<PhysicalVolume> volumes;
	for (const Json &json : *rows) {
		Row row(json, "pv");
		PhysicalVolume volume;
		volume.device = row.text("pv_name");
		volume.vg = row.text("vg_name");
		volume.sizeBytes = row.number("pv_size");
		volume.freeBytes = row.number("pv_free");
		if (row.error())
			return *row.error();
		volumes.push_back(std::move(volume));
	}
	return volumes;
}

Result<std::vector<dm::DeviceNumber>> parseScannedDevices(std::string_view text)
{
	Result<std::vector<Json>> rows = rowsOf(text, "pv");
	if (!rows)
		return std::move(rows).error();

	std::vector<dm::DeviceNumber> devices;
	for (const Json &json : *rows) {
		Row row(json, "pv");
		const std::optional<uint32_t> high = row.deviceNumberPart("pv_major");
		const std::optional<uint32_t> low = row.deviceNumberPart("pv_minor");
		if (row.error())
			return *row.error();
		// One that is missing has no numbers.
		if (high && low)
			devices.push_back({*high, *low});
	}
	return devices;
}

} // namespace snapdiff::lvm
