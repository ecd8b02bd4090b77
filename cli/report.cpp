// SPDX-License-Identifier: GPL-2.0-or-later
//
// Report: rows of typed values, written as a table or as JSON from the same data.

#include "cli/report.h"

#include "util/clock.h"
#include "util/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace snapdiff::cli {

namespace {

struct TextWriter
{
	UnitChoice units;

	std::string operator()(const std::string &text) const { return printable(text); }
	std::string operator()(uint64_t number) const { return fmt::format("{}", number); }
	std::string operator()(Bytes size) const { return formatSize(size.bytes, units); }
	std::string operator()(Time time) const { return formatUtc(time.seconds); }
	std::string operator()(Ratio ratio) const
	{
		return fmt::format("{:.1f}%", ratio.ratio * 100);
	}
	std::string operator()(const std::vector<std::string> &items) const
	{
		std::string text;
		for (const std::string &item : items)
			text += (text.empty() ? "" : ",") + printable(item);
		return text;
	}
};

struct NodeWriter
{
	Node operator()(const std::string &text) const { return text; }
	Node operator()(uint64_t number) const { return number; }
	Node operator()(Bytes size) const { return size.bytes; }
	Node operator()(Time time) const { return formatUtc(time.seconds); }
	Node operator()(Ratio ratio) const { return ratio.ratio; }
	Node operator()(const std::vector<std::string> &items) const { return Node::listOf(items); }
};

// Where numbers stand under each other they are read more easily.
bool rightAligned(const Value &value)
{
	return std::holds_alternative<uint64_t>(value) || std::holds_alternative<Bytes>(value) ||
	       std::holds_alternative<Ratio>(value);
}

// Columns on a terminal, near enough: characters of UTF-8.
size_t widthOf(const std::string &text)
{
	return static_cast<size_t>(
		std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

Result<std::vector<size_t>> chooseColumns(const Report &report, const ReportStyle &style,
					  bool allByDefault)
{
	std::vector<size_t> chosen;
	for (size_t i = 0; i < report.columns.size() && style.fields.empty(); i++) {
		if (report.columns[i].shown || allByDefault)
			chosen.push_back(i);
	}
	for (const std::string &field : style.fields) {
		const auto found = std::find_if(report.columns.begin(), report.columns.end(),
						[&](const Column &c) { return c.field == field; });
		if (found == report.columns.end())
			return Error(EINVAL, fmt::format("field \"{}\"", printable(field)),
				     fmt::format("{} have no such field", report.what))
				.as(ErrorKind::Usage)
				.advise("\"-o help\" lists them.");
		chosen.push_back(static_cast<size_t>(found - report.columns.begin()));
	}
	return chosen;
}

std::string padded(const std::string &text, size_t width, bool right)
{
	const std::string blanks(width - std::min(width, widthOf(text)), ' ');
	return right ? blanks + text : text + blanks;
}

} // namespace

std::string textOf(const Value &value, UnitChoice units)
{
	return std::visit(TextWriter{units}, value);
}

Result<std::string> formatTable(const Report &report, const ReportStyle &style)
{
	const Result<std::vector<size_t>> chosen = chooseColumns(report, style, false);
	if (!chosen)
		return chosen.error();

	std::vector<std::vector<std::string>> lines;
	std::vector<size_t> widths(chosen->size(), 0);
	if (style.headings) {
		lines.emplace_back();
		for (const size_t column : *chosen)
			lines.back().emplace_back(report.columns[column].heading);
	}
	for (const std::vector<Value> &row : report.rows) {
		lines.emplace_back();
		for (const size_t column : *chosen)
			lines.back().push_back(textOf(row[column], style.units));
	}
	for (const std::vector<std::string> &line : lines) {
		for (size_t i = 0; i < line.size(); i++)
			widths[i] = std::max(widths[i], widthOf(line[i]));
	}

	std::string text;
	for (const std::vector<std::string> &line : lines) {
		std::string row;
		for (size_t i = 0; i < line.size(); i++) {
			const bool right =
				!report.rows.empty() && rightAligned(report.rows[0][(*chosen)[i]]);
			row += (i ? "  " : "") + padded(line[i], widths[i], right);
		}
		row.erase(row.find_last_not_of(' ') + 1);
		text += row + "\n";
	}
	return text;
}

Result<std::string> formatJson(const Report &report, const ReportStyle &style)
{
	const Result<std::vector<size_t>> chosen = chooseColumns(report, style, true);
	if (!chosen)
		return chosen.error();

	Node::List rows;
	for (const std::vector<Value> &row : report.rows) {
		Node::Fields fields;
		for (const size_t column : *chosen) {
			std::string name = report.columns[column].field;
			if (std::holds_alternative<Bytes>(row[column]))
				name += "_bytes";
			fields.emplace_back(name, std::visit(NodeWriter(), row[column]));
		}
		rows.emplace_back(std::move(fields));
	}
	return document({{report.what, std::move(rows)}});
}

std::string describeFields(const Report &report)
{
	std::string text;
	for (const Column &column : report.columns)
		text += fmt::format("{:<14} {}{}\n", column.field, column.description,
				    column.shown ? "" : " (not shown by default)");
	return text;
}

} // namespace snapdiff::cli
