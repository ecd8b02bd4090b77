// SPDX-License-Identifier: GPL-2.0-or-later
// Measured times and what is said of them.

#include "samples.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace snapdiff::bench {

double msBetween(Clock::time_point from, Clock::time_point to)
{
	return std::chrono::duration<double, std::milli>(to - from).count();
}

void Samples::add(const Samples &other)
{
	values_.insert(values_.end(), other.values_.begin(), other.values_.end());
}

double Samples::quantile(double part) const
{
	if (values_.empty())
		return 0;
	std::vector<double> sorted = values_;
	std::sort(sorted.begin(), sorted.end());
	const double rank = std::ceil(part * static_cast<double>(sorted.size()));
	return sorted[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

std::string Samples::say(double part) const
{
	return values_.empty() ? "-" : number(quantile(part));
}

double medianOf(std::vector<double> values)
{
	Samples samples;
	for (const double value : values)
		samples.add(value);
	return samples.quantile(0.5);
}

std::string number(double value, int decimals)
{
	char text[32];
	std::snprintf(text, sizeof(text), "%.*f", decimals, value);
	return text;
}

std::string Table::text() const
{
	std::string text;
	for (const auto &row : rows_) {
		for (size_t i = 0; i < row.size(); i++) {
			size_t width = 0;
			for (const auto &other : rows_)
				width = std::max(width, i < other.size() ? other[i].size() : 0);
			// Names to the left, numbers to the right.
			const std::string pad(width - row[i].size(), ' ');
			text += "  " + (i == 0 ? row[i] + pad : pad + row[i]);
		}
		text += "\n";
	}
	return text;
}

std::string Table::markdown() const
{
	std::string text;
	for (size_t i = 0; i < rows_.size(); i++) {
		text += "|";
		for (const std::string &word : rows_[i])
			text += " " + word + " |";
		text += "\n";
		if (i > 0)
			continue;
		text += "|";
		for (size_t n = 0; n < rows_[i].size(); n++)
			text += n ? "---:|" : "---|";
		text += "\n";
	}
	return text;
}

unsigned fromEnvironment(const char *name, unsigned otherwise)
{
	const char *value = std::getenv(name);
	return value ? static_cast<unsigned>(std::strtoul(value, nullptr, 10)) : otherwise;
}

void progress(const std::string &text)
{
	static const Clock::time_point began = Clock::now();
	std::printf("%6.0f s  %s\n", msBetween(began, Clock::now()) / 1000, text.c_str());
	std::fflush(stdout);
}

namespace {

void append(const std::string &file, const std::string &text)
{
	const char *folder = std::getenv("SNAPDIFF_RESULTS");
	if (folder)
		std::ofstream(std::string(folder) + "/" + file, std::ios::app) << text;
}

} // namespace

void tell(const std::string &file, const std::string &heading, const std::string &text)
{
	std::printf("\n%s\n%s", heading.c_str(), text.c_str());
	std::fflush(stdout);
	append(file, "\n## " + heading + "\n\n```\n" + text + "```\n");
}

void tell(const std::string &file, const std::string &heading, const Table &table)
{
	std::printf("\n%s\n%s", heading.c_str(), table.text().c_str());
	std::fflush(stdout);
	append(file, "\n## " + heading + "\n\n" + table.markdown());
}

} // namespace snapdiff::bench
