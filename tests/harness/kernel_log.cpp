// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel log as part of a test's verdict: reading /dev/kmsg, expectations, gtest listener.

#include "harness/kernel_log.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr int warningLevel = 4;
constexpr int kernelFacility = 0;
// What a process writes to /dev/kmsg without a facility of its own counts as a line of the test.
constexpr int userFacility = 1;

std::vector<ExpectKernelLog *> expectations;
std::unique_ptr<KernelLogWatch> currentWatch;

std::vector<std::regex> readPatterns(const std::string &path)
{
	std::vector<std::regex> result;
	std::ifstream file(path);
	for (std::string line; std::getline(file, line);)
		if (!line.empty() && line.front() != '#')
			result.emplace_back(line);
	return result;
}

// Where the tree is: a guest with a root of its own has it below another folder.
std::string labFolder()
{
	const char *tree = std::getenv("SNAPDIFF_LAB_TREE");
	return (tree ? tree : "") + std::string(LAB_FOLDER);
}

const std::vector<std::regex> &badPatterns()
{
	static const std::vector<std::regex> patterns =
		readPatterns(labFolder() + "/kernel-log.patterns");
	return patterns;
}

const std::vector<std::regex> &noisePatterns()
{
	static const std::vector<std::regex> patterns =
		readPatterns(labFolder() + "/kernel-log.noise");
	return patterns;
}

bool matchesAny(const std::vector<std::regex> &patterns, const std::string &text)
{
	return std::any_of(patterns.begin(), patterns.end(), [&](const std::regex &pattern) {
		return std::regex_search(text, pattern);
	});
}

bool isExpected(const std::string &text)
{
	// Every expectation that fits counts the line, hence no short cut.
	bool expected = false;
	for (ExpectKernelLog *expectation : expectations)
		expected = expectation->matches(text) || expected;
	return expected;
}

class Listener : public testing::EmptyTestEventListener
{
	void OnTestStart(const testing::TestInfo &test) override
	{
		currentWatch = std::make_unique<KernelLogWatch>();
		writeKernelLog(std::string("lab: begin ") + test.test_suite_name() + "." +
			       test.name());
	}

	void OnTestEnd(const testing::TestInfo &test) override
	{
		writeKernelLog(std::string("lab: end ") + test.test_suite_name() + "." +
			       test.name());
		currentWatch->collect();
		for (const std::string &line : currentWatch->takeBadLines())
			ADD_FAILURE() << "unexpected line in the kernel log: " << line;
		currentWatch.reset();
	}
};

} // namespace

LogLine parseLogRecord(const std::string &record)
{
	LogLine line;
	int priority = 6;
	try {
		priority = std::stoi(record);
	} catch (const std::exception &) {
		// A record without a number is shown as it is.
	}
	line.level = priority & 7;
	line.facility = priority >> 3;
	const size_t semicolon = record.find(';');
	const size_t begin = semicolon == std::string::npos ? 0 : semicolon + 1;
	// Lines after the first are the record's dictionary, not text.
	line.text = record.substr(begin, record.find('\n', begin) - begin);
	return line;
}

bool isBadLine(const LogLine &line)
{
	if (line.facility != kernelFacility && line.facility != userFacility)
		return false;
	if (matchesAny(badPatterns(), line.text))
		return true;
	return line.level <= warningLevel && !matchesAny(noisePatterns(), line.text);
}

bool RaceReports::swallow(const LogLine &line)
{
	const bool begins = line.text.find("BUG: KCSAN: ") != std::string::npos;
	if (begins) {
		inside_ = true;
		ours_ = false;
		first_ = line.text;
	}
	const bool ruler = line.text.starts_with("==========");
	if (!inside_)
		return ruler; // a report, of this kind or another, begins below it
	ours_ = ours_ || line.text.find("[dm_snapdiff]") != std::string::npos;
	if (ruler) {
		inside_ = false;
		if (ours_)
			found_.push_back(first_);
		return true;
	}
	// Another CPU's line may stand between those of a report.
	return begins || !matchesAny(badPatterns(), line.text);
}

std::vector<std::string> RaceReports::takeOurs()
{
	std::vector<std::string> ours;
	ours.swap(found_);
	return ours;
}

ExpectKernelLog::ExpectKernelLog(const std::string &pattern, Appearance appearance)
	: pattern_(pattern), regex_(pattern), appearance_(appearance)
{
	// What was logged before does not belong to this expectation.
	if (currentWatch)
		currentWatch->collect();
	expectations.push_back(this);
}

ExpectKernelLog::~ExpectKernelLog()
{
	if (currentWatch)
		currentWatch->collect();
	std::erase(expectations, this);
	if (appearance_ == Appearance::Must && count_ == 0)
		ADD_FAILURE() << "no line in the kernel log matched: " << pattern_;
}

bool ExpectKernelLog::matches(const std::string &text)
{
	if (!std::regex_search(text, regex_))
		return false;
	++count_;
	return true;
}

int ExpectKernelLog::count()
{
	if (currentWatch)
		currentWatch->collect();
	return count_;
}

KernelLogWatch::KernelLogWatch() : fd_(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC))
{
	if (fd_ < 0)
		throw std::runtime_error(std::string("open /dev/kmsg: ") + strerror(errno));
	lseek(fd_, 0, SEEK_END);
}

KernelLogWatch::~KernelLogWatch()
{
	close(fd_);
}

void KernelLogWatch::collect()
{
	std::string buffer(8192, '\0');
	for (;;) {
		const ssize_t got = read(fd_, buffer.data(), buffer.size());
		if (got < 0 && errno == EPIPE) {
			bad_.emplace_back("(lines were lost: more was logged than the log holds)");
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		lines_.push_back(parseLogRecord(buffer.substr(0, static_cast<size_t>(got))));
		const LogLine &line = lines_.back();
		if (!races_.swallow(line) && !isExpected(line.text) && isBadLine(line))
			bad_.push_back(line.text);
		for (const std::string &race : races_.takeOurs())
			bad_.push_back(race);
	}
}

std::vector<std::string> KernelLogWatch::takeBadLines()
{
	std::vector<std::string> bad;
	bad.swap(bad_);
	return bad;
}

void writeKernelLog(const std::string &text, int level)
{
	// One write is one record.
	std::ofstream log("/dev/kmsg");
	log << "<" + std::to_string(level) + ">" + text + "\n" << std::flush;
}

void ignoreKernelLogSoFar()
{
	currentWatch->collect();
	currentWatch->takeBadLines();
}

void judgeKernelLogOfEachTest()
{
	if (badPatterns().empty() || noisePatterns().empty())
		throw std::runtime_error("no patterns of kernel log lines in " + labFolder());
	// gtest owns the listener.
	testing::UnitTest::GetInstance()->listeners().Append(new Listener);
}

} // namespace snapdiff::lab
