// SPDX-License-Identifier: GPL-2.0-or-later
// Many direct I/Os at once from one thread.

#include "support/async_io.h"

#include "harness/block_device.h"

#include <algorithm>
#include <cerrno>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

[[noreturn]] void fail(const char *what)
{
	throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

AsyncIo::AsyncIo(unsigned depth) : depth_(depth), slots_(depth)
{
	if (syscall(SYS_io_setup, depth, &context_))
		fail("io_setup");
	for (unsigned i = 0; i < depth; ++i)
		freeSlots_.push_back(i);
}

AsyncIo::~AsyncIo()
{
	// Waits for what is in flight: the kernel writes into memory of ours until then.
	syscall(SYS_io_destroy, context_);
}

void AsyncIo::queue(int fd, int operation, uint64_t sector, void *memory, uint64_t sectors,
		    uint64_t cookie, int flags)
{
	if (freeSlots_.empty())
		throw std::logic_error("more I/Os than the depth");
	const unsigned index = freeSlots_.back();
	freeSlots_.pop_back();
	Slot &slot = slots_[index];
	slot = {.request = {}, .cookie = cookie, .bytes = sectors * sectorSize};
	slot.request.aio_data = index;
	slot.request.aio_lio_opcode = static_cast<uint16_t>(operation);
	slot.request.aio_fildes = static_cast<uint32_t>(fd);
	slot.request.aio_buf = reinterpret_cast<uint64_t>(memory);
	slot.request.aio_nbytes = slot.bytes;
	slot.request.aio_offset = static_cast<int64_t>(sector * sectorSize);
	slot.request.aio_rw_flags = flags;
	queued_.push_back(&slot.request);
}

void AsyncIo::read(int fd, uint64_t sector, void *memory, uint64_t sectors, uint64_t cookie)
{
	queue(fd, IOCB_CMD_PREAD, sector, memory, sectors, cookie, 0);
}

void AsyncIo::write(int fd, uint64_t sector, const void *memory, uint64_t sectors, uint64_t cookie,
		    Sync sync)
{
	queue(fd, IOCB_CMD_PWRITE, sector, const_cast<void *>(memory), sectors, cookie,
	      sync == Sync::EachWrite ? RWF_DSYNC : 0);
}

void AsyncIo::submit()
{
	size_t done = 0;
	while (done < queued_.size()) {
		const long put = syscall(SYS_io_submit, context_, queued_.size() - done,
					 queued_.data() + done);
		if (put < 0 && errno != EAGAIN && errno != EINTR)
			fail("io_submit");
		if (put > 0)
			done += static_cast<size_t>(put);
	}
	inFlight_ += static_cast<unsigned>(done);
	queued_.clear();
}

std::vector<IoDone> AsyncIo::wait(unsigned least)
{
	submit();
	std::vector<IoDone> done;
	std::vector<io_event> events(depth_);
	least = std::min(least, inFlight_);
	if (!inFlight_)
		return done;
	long got = 0;
	do {
		got = syscall(SYS_io_getevents, context_, least, events.size(), events.data(),
			      nullptr);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		fail("io_getevents");
	for (long i = 0; i < got; ++i) {
		const io_event &event = events[static_cast<size_t>(i)];
		Slot &slot = slots_[event.data];
		int error = 0;
		if (event.res < 0)
			error = static_cast<int>(-event.res);
		else if (static_cast<uint64_t>(event.res) != slot.bytes)
			error = EIO;
		done.push_back({.cookie = slot.cookie, .error = error});
		freeSlots_.push_back(static_cast<unsigned>(event.data));
	}
	inFlight_ -= static_cast<unsigned>(got);
	return done;
}

} // namespace snapdiff::lab
