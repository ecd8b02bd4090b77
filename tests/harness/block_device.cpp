// SPDX-License-Identifier: GPL-2.0-or-later
// Direct I/O on a block device, in sectors.

#include "harness/block_device.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/fs.h>
#include <new>
#include <sys/ioctl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace snapdiff::lab {

namespace {

constexpr size_t pageSize = 4096;

uint8_t *allocate(size_t bytes)
{
	const size_t rounded = (bytes + pageSize - 1) / pageSize * pageSize;
	void *memory = std::aligned_alloc(pageSize, rounded);
	if (!memory)
		throw std::bad_alloc();
	return static_cast<uint8_t *>(memory);
}

int rangeIoctl(int fd, unsigned long request, uint64_t sector, uint64_t count)
{
	uint64_t range[2] = {sector * sectorSize, count * sectorSize};
	return ioctl(fd, request, range) ? errno : 0;
}

} // namespace

void Buffer::Free::operator()(uint8_t *memory) const
{
	std::free(memory);
}

Buffer::Buffer(uint64_t sectors, uint8_t fill)
	: sectors_(sectors), memory_(allocate(sectors * sectorSize))
{
	memset(data(), fill, bytes());
}

bool Buffer::operator==(const Buffer &other) const
{
	return sectors_ == other.sectors_ && memcmp(data(), other.data(), bytes()) == 0;
}

BlockDevice::BlockDevice(const std::string &path, Mode mode)
	: fd_(open(path.c_str(),
		   (mode == Mode::ReadWrite ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC))
{
	if (fd_ < 0)
		throw std::system_error(errno, std::generic_category(), "open " + path);
}

BlockDevice::~BlockDevice()
{
	if (fd_ >= 0)
		close(fd_);
}

BlockDevice::BlockDevice(BlockDevice &&other) noexcept : fd_(std::exchange(other.fd_, -1))
{
}

uint64_t BlockDevice::sectors() const
{
	uint64_t bytes = 0;
	if (ioctl(fd_, BLKGETSIZE64, &bytes))
		throw std::system_error(errno, std::generic_category(), "size of a block device");
	return bytes / sectorSize;
}

int BlockDevice::read(uint64_t sector, Buffer &buffer) const
{
	const ssize_t got =
		pread(fd_, buffer.data(), buffer.bytes(), static_cast<off_t>(sector * sectorSize));
	if (got < 0)
		return errno;
	return static_cast<size_t>(got) == buffer.bytes() ? 0 : EIO;
}

int BlockDevice::write(uint64_t sector, const Buffer &buffer) const
{
	const ssize_t put =
		pwrite(fd_, buffer.data(), buffer.bytes(), static_cast<off_t>(sector * sectorSize));
	if (put < 0)
		return errno;
	return static_cast<size_t>(put) == buffer.bytes() ? 0 : EIO;
}

int BlockDevice::flush() const
{
	return fdatasync(fd_) ? errno : 0;
}

int BlockDevice::discard(uint64_t sector, uint64_t count) const
{
	return rangeIoctl(fd_, BLKDISCARD, sector, count);
}

int BlockDevice::writeZeroes(uint64_t sector, uint64_t count) const
{
	return rangeIoctl(fd_, BLKZEROOUT, sector, count);
}

} // namespace snapdiff::lab
