// SPDX-License-Identifier: GPL-2.0-or-later
//
// Records: numbered lines, written in turn to a file on volume A (odd numbers) and
// one on volume B (even numbers).  Record n+1 is written only after record n was
// fsynced: each is the cause of the next.  What an image holds then tells whether
// it is of one instant.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

namespace snapdiff::demo {

// Nanoseconds of the monotonic clock.
int64_t nowNs();

class RecordWriter
{
public:
	// Makes the files and begins to write.
	RecordWriter(const std::string &fileA, const std::string &fileB);
	~RecordWriter();

	uint64_t acknowledged() const { return acknowledged_; }

	// Ends after the record under way.  Trouble if a write failed.
	void stop();

	struct Times
	{
		int64_t issued = 0;
		int64_t acknowledged = 0;
	};

	// After stop(): of record n, at [n - 1].
	const std::vector<Times> &times() const { return times_; }

private:
	void work();
	void append(int file, uint64_t number);

	int files_[2] = {-1, -1};
	std::atomic<bool> stop_ = false;
	std::atomic<uint64_t> acknowledged_ = 0;
	std::string failure_;
	std::vector<Times> times_;
	std::thread thread_;
};

// What the images of one snapshot hold.
struct RecordFindings
{
	uint64_t onA = 0;
	uint64_t onB = 0;
	uint64_t newest = 0;
	uint64_t malformed = 0; // lines that are no record, or of the wrong volume
	uint64_t missing = 0;	// acknowledged before the take, not there
	uint64_t late = 0;	// issued after the take, there
	uint64_t torn = 0;	// there without their predecessor
	uint64_t tornOnB = 0;	// of these, on B
	uint64_t acknowledgedBefore = 0;
	uint64_t undecided = 0; // under way while the take was: may be there or not
};

// The take happened between begin and end.
RecordFindings findRecords(const std::vector<RecordWriter::Times> &times, const std::string &fileA,
			   const std::string &fileB, int64_t begin, int64_t end);

} // namespace snapdiff::demo
