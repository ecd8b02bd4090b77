// SPDX-License-Identifier: GPL-2.0-or-later
// A disk in memory, served by this process over a pair of sockets.

#include "support/nbd_disk.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <endian.h>
#include <fcntl.h>
#include <fstream>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <system_error>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

[[noreturn]] void fail(const std::string &what)
{
	throw std::system_error(errno, std::generic_category(), what);
}

bool readAll(int fd, void *memory, size_t bytes)
{
	auto *at = static_cast<uint8_t *>(memory);
	while (bytes) {
		const ssize_t got = ::read(fd, at, bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		bytes -= static_cast<size_t>(got);
	}
	return true;
}

bool writeAll(int fd, const void *memory, size_t bytes)
{
	const auto *at = static_cast<const uint8_t *>(memory);
	while (bytes) {
		const ssize_t put = ::send(fd, at, bytes, MSG_NOSIGNAL);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		at += put;
		bytes -= static_cast<size_t>(put);
	}
	return true;
}

} // namespace

NbdDisk::NbdDisk(int number, uint64_t sectors, uint32_t blockSize)
	: path_("/dev/nbd" + std::to_string(number)), memory_(sectors)
{
	if (access(path_.c_str(), F_OK) && system("modprobe nbd"))
		fail("modprobe nbd");
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fail("socketpair");
	kernels_ = pair[0];
	ours_ = pair[1];
	device_ = open(path_.c_str(), O_RDWR | O_CLOEXEC);
	if (device_ < 0)
		fail("open " + path_);
	const unsigned long flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH;
	if (ioctl(device_, NBD_SET_BLKSIZE, static_cast<unsigned long>(blockSize)) ||
	    ioctl(device_, NBD_SET_SIZE_BLOCKS,
		  static_cast<unsigned long>(sectors * sectorSize / blockSize)) ||
	    ioctl(device_, NBD_SET_FLAGS, flags) || ioctl(device_, NBD_SET_SOCK, kernels_))
		fail("set up " + path_);
	// A merged request that fails would fail many I/Os.
	std::ofstream("/sys/block/nbd" + std::to_string(number) + "/queue/nomerges") << 2;
	server_ = std::thread([this] { serve(); });
	// Returns when the disk is disconnected.
	queue_ = std::thread([this] { ioctl(device_, NBD_DO_IT); });
	// The size is visible only once the queue runs.
	for (int waited = 0; waited < 5000; waited += 5) {
		if (BlockDevice(path_, BlockDevice::Mode::ReadOnly).sectors() == sectors)
			return;
		usleep(5000);
	}
	errno = ETIMEDOUT;
	fail("start " + path_);
}

NbdDisk::~NbdDisk()
{
	goOn();
	ioctl(device_, NBD_DISCONNECT);
	queue_.join();
	ioctl(device_, NBD_CLEAR_SOCK);
	shutdown(ours_, SHUT_RDWR);
	server_.join();
	close(ours_);
	close(kernels_);
	close(device_);
}

std::string NbdDisk::number() const
{
	struct stat about = {};
	if (stat(path_.c_str(), &about))
		fail("stat " + path_);
	return std::to_string(major(about.st_rdev)) + ":" + std::to_string(minor(about.st_rdev));
}

void NbdDisk::failOnly(Kind kind, uint64_t k)
{
	const std::lock_guard lock(mutex_);
	failing_ = kind;
	left_ = k;
	failed_.store(false);
}

void NbdDisk::failNothing()
{
	const std::lock_guard lock(mutex_);
	left_ = 0;
}

void NbdDisk::hang()
{
	const std::lock_guard lock(mutex_);
	hanging_ = true;
}

void NbdDisk::keepReads()
{
	const std::lock_guard lock(mutex_);
	keepingReads_ = true;
}

size_t NbdDisk::kept()
{
	const std::lock_guard lock(mutex_);
	return kept_.size();
}

void NbdDisk::goOn()
{
	std::vector<Kept> kept;
	{
		const std::lock_guard lock(mutex_);
		hanging_ = false;
		keepingReads_ = false;
		kept.swap(kept_);
		goesOn_.notify_all();
	}
	for (const Kept &one : kept)
		reply(one.handle.data(), 0, one.data.data(), one.data.size());
}

// True if it is answered later.
bool NbdDisk::keepRead(const char *handle, uint64_t from, uint32_t length)
{
	const std::lock_guard lock(mutex_);
	if (!keepingReads_)
		return false;
	Kept &one = kept_.emplace_back();
	memcpy(one.handle.data(), handle, one.handle.size());
	one.data.assign(memory_.data() + from, memory_.data() + from + length);
	return true;
}

void NbdDisk::waitWhileHanging()
{
	std::unique_lock lock(mutex_);
	goesOn_.wait(lock, [this] { return !hanging_; });
}

void NbdDisk::disconnect()
{
	shutdown(ours_, SHUT_RDWR);
}

bool NbdDisk::shouldFail(Kind kind)
{
	const std::lock_guard lock(mutex_);
	if (kind != failing_ || !left_ || --left_)
		return false;
	failed_.store(true);
	return true;
}

void NbdDisk::serve()
{
	while (answer())
		;
	// Else the kernel would wait for an answer for as long as the pair is open.
	shutdown(ours_, SHUT_RDWR);
}

// One request. False: the connection is over.
bool NbdDisk::answer()
{
	nbd_request request = {};
	if (!readAll(ours_, &request, sizeof(request)))
		return false;
	const uint32_t command = be32toh(request.type) & 0xffff;
	const uint64_t from = be64toh(request.from);
	const uint32_t length = be32toh(request.len);
	bool fails = false;
	switch (command) {
	case NBD_CMD_READ:
		if (keepRead(request.handle, from, length))
			return true;
		fails = shouldFail(Kind::Read);
		break;
	case NBD_CMD_WRITE: {
		fails = shouldFail(Kind::Write);
		// What a failed write leaves on the disk is not defined; here: nothing.
		Buffer unwanted(fails ? length / sectorSize : 1);
		if (!readAll(ours_, fails ? unwanted.data() : memory_.data() + from, length))
			return false;
		break;
	}
	case NBD_CMD_FLUSH:
		fails = shouldFail(Kind::Flush);
		break;
	default: // disconnect
		return false;
	}
	waitWhileHanging();
	const bool hasData = command == NBD_CMD_READ && !fails;
	return reply(request.handle, fails ? EIO : 0, memory_.data() + from, hasData ? length : 0);
}

bool NbdDisk::reply(const char *handle, int error, const uint8_t *data, size_t length)
{
	nbd_reply head = {};
	head.magic = htobe32(NBD_REPLY_MAGIC);
	memcpy(&head.handle, handle, sizeof(head.handle));
	head.error = htobe32(static_cast<uint32_t>(error));
	const std::lock_guard lock(sending_);
	return writeAll(ours_, &head, sizeof(head)) && writeAll(ours_, data, length);
}

} // namespace snapdiff::lab
