// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log as part of a test's verdict.
//
// main() watches the log during each case. A line of level warning or worse fails the case, and so
// does a line that matches tests/guest/kernel-log.patterns, unless an ExpectKernelLog that lives at
// that moment allows it. What an emulated machine says about itself (kernel-log.noise) is ignored.
#pragma once

#include <regex>
#include <string>
#include <vector>

namespace snapdiff::lab {

struct LogLine
{
	int level = 6;	  // as in the kernel: 4 is a warning, smaller is worse
	int facility = 0; // 0 is the kernel itself
	std::string text;
};

// Reads one record of /dev/kmsg ("6,1234,5678,-;text").
LogLine parseLogRecord(const std::string &record);

// True if this line fails a test that does not expect it.
bool isBadLine(const LogLine &line);

// Reports of data races (KCSAN) are of many lines, and most are the kernel's own: only those in
// which our module has a part count.
class RaceReports
{
public:
	// True if the line belongs to a report and says nothing by itself.
	bool swallow(const LogLine &line);
	// The first lines of reports that are ours, since the last call.
	std::vector<std::string> takeOurs();

private:
	bool inside_ = false;
	bool ours_ = false;
	std::string first_;
	std::vector<std::string> found_;
};

enum class Appearance { May, Must };

// Allows lines that match, from here to the end of the scope.
class ExpectKernelLog
{
public:
	explicit ExpectKernelLog(const std::string &pattern,
				 Appearance appearance = Appearance::May);
	~ExpectKernelLog();
	ExpectKernelLog(const ExpectKernelLog &) = delete;
	ExpectKernelLog &operator=(const ExpectKernelLog &) = delete;

	bool matches(const std::string &text);
	// How many lines matched up to now; reads what is new in the log first.
	int count();

private:
	std::string pattern_;
	std::regex regex_;
	Appearance appearance_;
	int count_ = 0;
};

// Everything that was logged after it was made.
class KernelLogWatch
{
public:
	KernelLogWatch();
	~KernelLogWatch();
	KernelLogWatch(const KernelLogWatch &) = delete;
	KernelLogWatch &operator=(const KernelLogWatch &) = delete;

	// Reads what is new and sorts it: expected lines are counted, bad ones kept.
	void collect();
	// The bad lines since the last call.
	std::vector<std::string> takeBadLines();
	// All lines since the watch was made, whatever their level.
	const std::vector<LogLine> &lines() const { return lines_; }

private:
	int fd_;
	RaceReports races_;
	std::vector<LogLine> lines_;
	std::vector<std::string> bad_;
};

// Writes a line into the kernel log (level 6 unless told otherwise).
void writeKernelLog(const std::string &text, int level = 6);

// Drops what the running case has collected; for tests of this very thing.
void ignoreKernelLogSoFar();

// Makes every case's verdict include its part of the kernel log; called by main().
void judgeKernelLogOfEachTest();

} // namespace snapdiff::lab
