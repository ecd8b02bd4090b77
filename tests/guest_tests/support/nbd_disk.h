// SPDX-License-Identifier: GPL-2.0-or-later
// A network block device that this process serves to the guest's own kernel: a disk in memory that
// fails exactly the I/O that a test names, or stops answering for a while.
#pragma once

#include "harness/block_device.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace snapdiff::lab {

class NbdDisk
{
public:
	enum class Kind { Read, Write, Flush };

	// Becomes /dev/nbdNUMBER; throws std::system_error if that cannot be had.
	NbdDisk(int number, uint64_t sectors, uint32_t blockSize = sectorSize);
	~NbdDisk();
	NbdDisk(const NbdDisk &) = delete;
	NbdDisk &operator=(const NbdDisk &) = delete;

	const std::string &path() const { return path_; }
	// "43:0", which a table can name.
	std::string number() const;
	uint64_t sectors() const { return memory_.sectors(); }

	// From now on the k-th I/O of this kind fails, once; k counts from 1.
	void failOnly(Kind kind, uint64_t k);
	void failNothing();
	// Whether the I/O named last has come, and failed.
	bool hasFailed() const { return failed_.load(); }

	// From now on nothing is answered, or no read only; then everything that came meanwhile,
	// too. What such a read shows is what the disk held when it came.
	void hang();
	void keepReads();
	void goOn();
	// How many reads are kept.
	size_t kept();
	// As if it was pulled out: what is under way fails, and all that comes later.
	void disconnect();

private:
	void serve();
	bool answer();
	bool shouldFail(Kind kind);
	void waitWhileHanging();
	bool keepRead(const char *handle, uint64_t from, uint32_t length);
	bool reply(const char *handle, int error, const uint8_t *data, size_t length);

	std::string path_;
	Buffer memory_;
	int device_ = -1;
	int ours_ = -1;
	int kernels_ = -1;
	std::mutex mutex_;
	std::condition_variable goesOn_;
	bool hanging_ = false;
	bool keepingReads_ = false;
	struct Kept
	{
		std::array<char, 8> handle;
		std::vector<uint8_t> data;
	};
	std::vector<Kept> kept_;
	std::mutex sending_;
	Kind failing_ = Kind::Read;
	uint64_t left_ = 0; // 0: nothing fails
	std::atomic<bool> failed_ = false;
	std::thread server_;
	std::thread queue_;
};

// Lines that the kernel logs about an NBD disk that fails.
constexpr const char *nbdErrors = "block nbd|nbd[0-9]+: |callbacks suppressed";

} // namespace snapdiff::lab
