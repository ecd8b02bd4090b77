// SPDX-License-Identifier: GPL-2.0-or-later
// Direct I/O on a block device, in sectors, with errors as errno values that a test can expect.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace snapdiff::lab {

constexpr uint64_t sectorSize = 512;

// Memory for direct I/O: whole sectors, aligned to a page.
class Buffer
{
public:
	explicit Buffer(uint64_t sectors, uint8_t fill = 0);

	uint8_t *data() { return memory_.get(); }
	const uint8_t *data() const { return memory_.get(); }
	uint64_t sectors() const { return sectors_; }
	size_t bytes() const { return sectors_ * sectorSize; }
	uint8_t *sector(uint64_t index) { return memory_.get() + index * sectorSize; }
	const uint8_t *sector(uint64_t index) const { return memory_.get() + index * sectorSize; }
	bool operator==(const Buffer &other) const;

private:
	struct Free
	{
		void operator()(uint8_t *memory) const;
	};

	uint64_t sectors_;
	std::unique_ptr<uint8_t, Free> memory_;
};

class BlockDevice
{
public:
	enum class Mode { ReadWrite, ReadOnly };

	// Opens with O_DIRECT; throws std::system_error.
	explicit BlockDevice(const std::string &path, Mode mode = Mode::ReadWrite);
	~BlockDevice();
	BlockDevice(BlockDevice &&other) noexcept;
	BlockDevice(const BlockDevice &) = delete;
	BlockDevice &operator=(const BlockDevice &) = delete;

	int fd() const { return fd_; }
	uint64_t sectors() const;

	// All of these return 0 or an errno; a short transfer is EIO.
	int read(uint64_t sector, Buffer &buffer) const;
	int write(uint64_t sector, const Buffer &buffer) const;
	int flush() const;
	int discard(uint64_t sector, uint64_t count) const;
	int writeZeroes(uint64_t sector, uint64_t count) const;

private:
	int fd_;
};

} // namespace snapdiff::lab
