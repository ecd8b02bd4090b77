// SPDX-License-Identifier: GPL-2.0-or-later
#include "records.h"

#include "fingerprint.h"
#include "trouble.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

namespace snapdiff::demo {

namespace {

// "record 000000000042 <hash of what stands before>\n"
std::string recordText(uint64_t number)
{
	char text[64];
	Fingerprint fingerprint;

	int length = std::snprintf(text, sizeof(text), "record %012llu ",
				   static_cast<unsigned long long>(number));
	fingerprint.add(text, static_cast<size_t>(length));
	length += std::snprintf(text + length, sizeof(text) - static_cast<size_t>(length),
				"%016llx\n", static_cast<unsigned long long>(fingerprint.value()));
	return {text, static_cast<size_t>(length)};
}

// The numbers in one file; whatever is no record of this volume is malformed.
std::set<uint64_t> readNumbers(const std::string &file, uint64_t oddness, uint64_t &malformed)
{
	std::ifstream stream(file, std::ios::binary);
	if (!stream)
		throw Trouble("read " + file + ": it cannot be opened");
	const std::string text{std::istreambuf_iterator<char>(stream), {}};
	const size_t length = recordText(0).size();
	std::set<uint64_t> numbers;

	for (size_t at = 0; at < text.size(); at += length) {
		const std::string line = text.substr(at, length);
		unsigned long long number = 0;
		if (std::sscanf(line.c_str(), "record %12llu", &number) != 1 ||
		    line != recordText(number) || number % 2 != oddness ||
		    !numbers.insert(number).second)
			malformed++;
	}
	return numbers;
}

} // namespace

int64_t nowNs()
{
	timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

RecordWriter::RecordWriter(const std::string &fileA, const std::string &fileB)
{
	const std::string names[] = {fileA, fileB};
	for (int i = 0; i < 2; i++) {
		files_[i] = open(names[i].c_str(),
				 O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
		if (files_[i] < 0)
			throw systemTrouble("create " + names[i]);
	}
	times_.reserve(1U << 20);
	thread_ = std::thread([this] { work(); });
}

RecordWriter::~RecordWriter()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
	for (const int file : files_)
		if (file >= 0)
			close(file);
}

void RecordWriter::append(int file, uint64_t number)
{
	const std::string text = recordText(number);
	if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
	    fsync(file) != 0)
		throw systemTrouble("write record " + std::to_string(number));
}

void RecordWriter::work()
{
	try {
		for (uint64_t number = 1; !stop_; number++) {
			times_.push_back({nowNs(), 0});
			append(files_[number % 2 == 1 ? 0 : 1], number);
			times_.back().acknowledged = nowNs();
			acknowledged_ = number;
		}
	} catch (const Trouble &trouble) {
		failure_ = trouble.what();
	}
}

void RecordWriter::stop()
{
	stop_ = true;
	if (thread_.joinable())
		thread_.join();
	if (!failure_.empty())
		throw Trouble(failure_);
}

RecordFindings findRecords(const std::vector<RecordWriter::Times> &times, const std::string &fileA,
			   const std::string &fileB, int64_t begin, int64_t end)
{
	RecordFindings found;
	const std::set<uint64_t> onA = readNumbers(fileA, 1, found.malformed);
	const std::set<uint64_t> onB = readNumbers(fileB, 0, found.malformed);
	const auto present = [&](uint64_t n) { return (n % 2 == 1 ? onA : onB).contains(n); };

	found.onA = onA.size();
	found.onB = onB.size();
	for (const auto &numbers : {onA, onB})
		if (!numbers.empty())
			found.newest = std::max(found.newest, *numbers.rbegin());
	// One that was never issued would count as late.
	found.late += found.newest > times.size() ? found.newest - times.size() : 0;
	for (uint64_t n = 1; n <= times.size(); n++) {
		const RecordWriter::Times &time = times[n - 1];
		const bool before = time.acknowledged != 0 && time.acknowledged < begin;
		const bool after = time.issued > end;

		found.acknowledgedBefore += before;
		found.undecided += !before && !after;
		found.missing += before && !present(n);
		found.late += after && present(n);
		if (n > 1 && present(n) && !present(n - 1)) {
			found.torn++;
			found.tornOnB += n % 2 == 0;
		}
	}
	return found;
}

} // namespace snapdiff::demo
