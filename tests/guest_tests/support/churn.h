// SPDX-License-Identifier: GPL-2.0-or-later
// Writers and image readers that go on in threads of their own while a test does something.
#pragma once

#include "harness/block_device.h"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace snapdiff::lab {

// Writes random stretches of a device, several at once, each as the given contents say. Contents
// must differ from what the device held before at every sector, so that old and new can be told
// apart.
class Writer
{
public:
	Writer(const std::string &path, const Buffer &contents, uint64_t seed, unsigned depth = 8);
	~Writer() { stop(); }
	Writer(const Writer &) = delete;
	Writer &operator=(const Writer &) = delete;

	void stop();
	uint64_t done() const { return done_.load(); }
	// Of all failed writes the last one's errno; 0: none failed.
	int error() const { return error_.load(); }

private:
	void run(uint64_t seed, unsigned depth);

	BlockDevice device_;
	const Buffer &contents_;
	std::atomic<bool> stop_ = false;
	std::atomic<uint64_t> done_ = 0;
	std::atomic<int> error_ = 0;
	std::thread thread_;
};

// Reads random stretches of an image; each must be as the contents say, or fail.
class Reader
{
public:
	Reader(const std::string &path, const Buffer &contents, uint64_t seed, unsigned depth = 8);
	~Reader() { stop(); }
	Reader(const Reader &) = delete;
	Reader &operator=(const Reader &) = delete;

	void stop();
	uint64_t right() const { return right_.load(); }
	uint64_t failed() const { return failed_.load(); }
	uint64_t wrong() const { return wrong_.load(); }
	// What the first wrong read held; after stop().
	const std::string &firstWrong() const { return firstWrong_; }

private:
	void run(uint64_t seed, unsigned depth);
	void judge(const Buffer &memory, uint64_t sector, uint64_t count);

	BlockDevice device_;
	const Buffer &contents_;
	std::string firstWrong_;
	std::atomic<bool> stop_ = false;
	std::atomic<uint64_t> right_ = 0;
	std::atomic<uint64_t> failed_ = 0;
	std::atomic<uint64_t> wrong_ = 0;
	std::thread thread_;
};

// Whether every read of the whole image fails with EIO, in pieces of several sizes.
bool everyReadFails(const std::string &path);

} // namespace snapdiff::lab
