// SPDX-License-Identifier: GPL-2.0-or-later
// Many direct I/Os at once from one thread: the kernel's own AIO calls, no library.
#pragma once

#include <cstdint>
#include <linux/aio_abi.h>
#include <vector>

namespace snapdiff::lab {

struct IoDone
{
	uint64_t cookie = 0;
	// 0 or an errno; a short transfer is EIO.
	int error = 0;
};

class AsyncIo
{
public:
	enum class Sync { No, EachWrite };

	explicit AsyncIo(unsigned depth);
	~AsyncIo();
	AsyncIo(const AsyncIo &) = delete;
	AsyncIo &operator=(const AsyncIo &) = delete;

	// Queued until submit(); memory must be aligned to a sector and live until it is done.
	void read(int fd, uint64_t sector, void *memory, uint64_t sectors, uint64_t cookie);
	void write(int fd, uint64_t sector, const void *memory, uint64_t sectors, uint64_t cookie,
		   Sync sync = Sync::No);
	void submit();

	unsigned inFlight() const { return inFlight_; }
	bool hasRoom() const { return inFlight_ + queued_.size() < depth_; }
	// Submits what is queued and waits for at least this many (never more than are in flight).
	std::vector<IoDone> wait(unsigned least = 1);

private:
	struct Slot
	{
		iocb request;
		uint64_t cookie;
		uint64_t bytes;
	};

	void queue(int fd, int operation, uint64_t sector, void *memory, uint64_t sectors,
		   uint64_t cookie, int flags);

	unsigned depth_;
	aio_context_t context_ = 0;
	std::vector<Slot> slots_;
	std::vector<unsigned> freeSlots_;
	std::vector<iocb *> queued_;
	unsigned inFlight_ = 0;
};

} // namespace snapdiff::lab
