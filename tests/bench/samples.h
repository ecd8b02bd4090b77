// SPDX-License-Identifier: GPL-2.0-or-later
// Measured times and what is said of them; tables for the terminal and for files.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace snapdiff::bench {

using Clock = std::chrono::steady_clock;

double msBetween(Clock::time_point from, Clock::time_point to);

// Milliseconds.
class Samples
{
public:
	void add(double ms) { values_.push_back(ms); }
	void add(const Samples &other);
	size_t count() const { return values_.size(); }
	// 0.5 is the median; 0 without a sample.
	double quantile(double part) const;
	double most() const { return quantile(1); }
	// "0.52", or "-" without a sample.
	std::string say(double part) const;

private:
	std::vector<double> values_;
};

double medianOf(std::vector<double> values);

std::string number(double value, int decimals = 2);

// Rows of words under a heading; the first row names the columns.
class Table
{
public:
	explicit Table(std::vector<std::string> columns) { rows_.push_back(std::move(columns)); }
	void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

	// Aligned for the terminal, and for docs/benchmarks as they want it.
	std::string text() const;
	std::string markdown() const;

private:
	std::vector<std::vector<std::string>> rows_;
};

// A count that ./bench may make smaller.
unsigned fromEnvironment(const char *name, unsigned otherwise);

// A line for whoever waits, with the seconds since the beginning.
void progress(const std::string &text);

// Prints a text under a heading and adds it to the file of this name in the results folder.
void tell(const std::string &file, const std::string &heading, const std::string &text);
void tell(const std::string &file, const std::string &heading, const Table &table);

} // namespace snapdiff::bench
