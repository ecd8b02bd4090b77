// SPDX-License-Identifier: GPL-2.0-or-later
//
// Report: rows of typed values, written as a table or as JSON from the same data.

#pragma once

#include "cli/json.h"
#include "util/result.h"
#include "util/units.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace snapdiff::cli {

struct Bytes
{
	uint64_t bytes;
};

// Seconds since 1970.
struct Time
{
	int64_t seconds;
};

// 0 to 1; a percentage for people.
struct Ratio
{
	double ratio;
};

using Value = std::variant<std::string, uint64_t, Bytes, Time, Ratio, std::vector<std::string>>;

struct Column
{
	const char *field; // as -o and JSON name it, without "_bytes"
	const char *heading;
	const char *description;
	bool shown = true; // when nobody says -o
};

struct Report
{
	const char *what; // "snapshots"
	std::vector<Column> columns;
	std::vector<std::vector<Value>> rows; // as many values as columns
};

struct ReportStyle
{
	std::vector<std::string> fields; // empty: those that are shown by default
	bool headings = true;
	UnitChoice units = UnitChoice::Human;
};

// Unknown fields are a Usage error that lists the known ones.
Result<std::string> formatTable(const Report &report, const ReportStyle &style);
Result<std::string> formatJson(const Report &report, const ReportStyle &style);

// What "-o help" prints.
std::string describeFields(const Report &report);

// One value for people.
std::string textOf(const Value &value, UnitChoice units);

} // namespace snapdiff::cli
