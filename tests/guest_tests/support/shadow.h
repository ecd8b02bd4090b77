// SPDX-License-Identifier: GPL-2.0-or-later
// A volume and what it must hold: the shadow copy that every sector is compared with.
#pragma once

#include "harness/block_device.h"
#include "harness/random.h"
#include "support/async_io.h"

#include <cstdint>
#include <future>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace snapdiff::lab {

// Reads a whole device and compares it; names the first sector that differs, and what it holds.
testing::AssertionResult deviceHolds(const std::string &path, const Buffer &expected);

// A live volume with a copy in memory of what it holds now, and of what it held at each take.
class Volume
{
public:
	// Fills the device with a pattern of generation 0.
	Volume(const std::string &path, uint64_t sectors, uint32_t tag);
	// Takes the device as it is: it holds this.
	Volume(const std::string &path, const Buffer &holds, uint32_t tag);

	uint64_t sectors() const { return now_.sectors(); }
	const std::string &path() const { return path_; }
	const BlockDevice &device() const { return device_; }
	Buffer &now() { return now_; }

	void fork(const std::string &snapshot);
	void forget(const std::string &snapshot) { past_.erase(snapshot); }
	const Buffer &at(const std::string &snapshot) const { return *past_.at(snapshot); }

	// New contents for these sectors in the copy; returns the memory to be written there.
	const uint8_t *change(uint64_t sector, uint64_t count);
	// The same, written and waited for: 0 or an errno.
	int write(uint64_t sector, uint64_t count);
	// The same in a thread of its own: for writes that are going to wait.
	std::future<int> start(uint64_t sector, uint64_t count);
	// Discard is advice: each sector must hold what it held, or zeroes; which, is remembered.
	testing::AssertionResult discard(uint64_t sector, uint64_t count);
	int writeZeroes(uint64_t sector, uint64_t count);

	testing::AssertionResult isIntact() const { return deviceHolds(path_, now_); }

private:
	std::string path_;
	BlockDevice device_;
	uint32_t tag_;
	uint64_t generation_ = 0;
	Buffer now_;
	std::map<std::string, std::unique_ptr<Buffer>> past_;
};

// Random writes to volumes, many at once, with reads of images among them that are checked.
class RandomLoad
{
public:
	struct Limits
	{
		uint64_t longest = 1024; // sectors of one write
		unsigned depth = 24;
		uint64_t imageReadsPerWrite = 0; // in percent
		uint64_t unit = 1; // begin and length are multiples of so many sectors
	};

	RandomLoad(Random &random, const Limits &limits);

	// What the reads are made of: an image that must hold this.
	void addImage(const std::string &path, const Buffer &expected);
	void clearImages() { images_.clear(); }

	// So many writes; returns when all are complete. Failures are gtest failures.
	void run(Volume &volume, uint64_t writes);
	uint64_t writesDone() const { return writesDone_; }
	uint64_t readsDone() const { return readsDone_; }

private:
	struct Operation
	{
		bool busy = false;
		bool isRead = false;
		uint64_t sector = 0;
		uint64_t count = 0;
		size_t image = 0;
		std::unique_ptr<Buffer> memory;
	};
	struct ImageUnderRead
	{
		std::unique_ptr<BlockDevice> device;
		const Buffer *expected;
	};

	size_t freeOperation();
	bool overlapsAWrite(uint64_t sector, uint64_t count) const;
	uint64_t randomLength(uint64_t room);
	void alignToUnit(uint64_t &sector, uint64_t &count, uint64_t sectors) const;
	void startWrite(Volume &volume);
	void startRead();
	void finish(unsigned least);
	void checkRead(const Operation &operation);

	Random &random_;
	Limits limits_;
	AsyncIo io_;
	std::vector<Operation> operations_;
	std::vector<ImageUnderRead> images_;
	uint64_t writesDone_ = 0;
	uint64_t readsDone_ = 0;
};

} // namespace snapdiff::lab
