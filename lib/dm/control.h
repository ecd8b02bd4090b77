// SPDX-License-Identifier: GPL-2.0-or-later
//
// Control: /dev/mapper/control by raw ioctl on a buffer allocated once, for the
// daemon's hot path.  (libdevmapper allocates per call and hides its descriptor,
// but DM_DEV_ARM_POLL is per open file.)
//
// After open() no call here allocates, logs, forks or touches a file.  Calls
// return 0 or an errno; texts that they hand out live in the buffer and are valid
// until the next call.  One thread at a time.

#pragma once

#include "dm/device_number.h"
#include "dm/status.h"
#include "util/fd.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

struct dm_ioctl;

namespace snapdiff::dm {

class Control
{
public:
	struct Entry
	{
		std::string_view name;
		DeviceNumber number;
		uint32_t eventNr = 0;
	};

	// The answer to list(); walks the buffer.
	class Entries
	{
	public:
		bool next(Entry &entry);

	private:
		friend class Control;
		const char *at_ = nullptr;
		const char *end_ = nullptr;
	};

	// Opens the control device and allocates and prefaults the buffer.
	static Result<Control> open(size_t bufferBytes = 256U << 10);

	// Becomes readable (POLLIN) when any dm device had an event since armPoll().
	int fd() const { return fd_.get(); }

	int armPoll();

	// Every dm device with its event number.  EOVERFLOW: the buffer is too small;
	// open another Control with a larger one.
	int list(Entries &entries);

	// A message to sector 0 of a device; reply is empty when there is none.
	int message(DeviceNumber device, std::string_view text, std::string_view &reply);

	// The store's one-line summary.  EPROTO when the line is not of the grammar.
	int summary(DeviceNumber store, Summary &summary);

	// The first line of the status, without flushing.
	int status(DeviceNumber device, std::string_view &line);

private:
	struct Free
	{
		void operator()(void *memory) const;
	};

	Control(Fd fd, std::unique_ptr<char, Free> buffer, size_t size);

	dm_ioctl *prepare(size_t size, DeviceNumber device = {}, uint32_t flags = 0);
	int call(unsigned long request);

	Fd fd_;
	std::unique_ptr<char, Free> buffer_;
	size_t size_;
};

} // namespace snapdiff::dm
