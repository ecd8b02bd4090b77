// SPDX-License-Identifier: GPL-2.0-or-later
//
// Control: /dev/mapper/control by raw ioctl on a buffer allocated once.

#include "dm/control.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <sys/ioctl.h>

namespace snapdiff::dm {

static constexpr const char *controlPath = "/dev/mapper/control";

// Where the kernel's answer and our message begin: behind the header, aligned.
static constexpr size_t dataStart = (sizeof(struct dm_ioctl) + 7) & ~size_t{7};

// Holds every message and its answer.
static constexpr size_t smallest = 16384;

void Control::Free::operator()(void *memory) const
{
	std::free(memory);
}

Control::Control(Fd fd, std::unique_ptr<char, Free> buffer, size_t size)
	: fd_(std::move(fd)), buffer_(std::move(buffer)), size_(size)
{
}

Result<Control> Control::open(size_t bufferBytes)
{
	Result<Fd> fd = Fd::open(controlPath, O_RDWR);
	if (!fd)
		return std::move(fd).error();
	const size_t size = std::max(bufferBytes, smallest);
	std::unique_ptr<char, Free> buffer(static_cast<char *>(std::malloc(size)));
	if (!buffer)
		return Error(ENOMEM, "allocate the buffer for device-mapper calls");
	std::memset(buffer.get(), 0, size); // brings the pages in
	Control control(std::move(*fd), std::move(buffer), size);
	control.prepare(dataStart);
	if (const int error = control.call(DM_VERSION))
		return Error(error, std::string("ask ") + controlPath + " for its version");
	return control;
}

// The kernel allocates and copies as much as we say: no more than the call needs.
dm_ioctl *Control::prepare(size_t size, DeviceNumber device, uint32_t flags)
{
	auto *header = reinterpret_cast<dm_ioctl *>(buffer_.get());

	std::memset(header, 0, dataStart);
	header->version[0] = DM_VERSION_MAJOR;
	header->version[1] = 0; // the kernel accepts any minor up to its own
	header->version[2] = 0;
	header->data_size = static_cast<uint32_t>(size);
	header->data_start = dataStart;
	header->flags = flags;
	if (device != DeviceNumber{})
		header->dev = static_cast<uint64_t>(device.dev());
	return header;
}

int Control::call(unsigned long request)
{
	if (ioctl(fd_.get(), request, buffer_.get()) < 0)
		return errno;
	return 0;
}

int Control::armPoll()
{
	prepare(dataStart);
	return call(DM_DEV_ARM_POLL);
}

int Control::list(Entries &entries)
{
	entries.at_ = entries.end_ = nullptr;
	dm_ioctl *header = prepare(size_);
	if (const int error = call(DM_LIST_DEVICES))
		return error;
	if (header->flags & DM_BUFFER_FULL_FLAG)
		return EOVERFLOW;

	const size_t start = header->data_start;
	const size_t end = std::min<size_t>(header->data_size, size_);
	if (start + sizeof(dm_name_list) > end)
		return 0;
	const auto *first = reinterpret_cast<const dm_name_list *>(buffer_.get() + start);
	if (first->dev == 0)
		return 0; // no device at all
	entries.at_ = buffer_.get() + start;
	entries.end_ = buffer_.get() + end;
	return 0;
}

bool Control::Entries::next(Entry &entry)
{
	if (!at_)
		return false;

	// The structure ends with the name's first byte; the event number follows the
	// name's zero, aligned to eight bytes.
	const auto *list = reinterpret_cast<const dm_name_list *>(at_);
	const char *name = at_ + offsetof(dm_name_list, name);
	const size_t length = strnlen(name, static_cast<size_t>(end_ - name));
	const size_t eventAt = (offsetof(dm_name_list, name) + length + 1 + 7) & ~size_t{7};
	if (at_ + eventAt + sizeof(uint32_t) > end_) {
		at_ = nullptr;
		return false;
	}
	entry.name = {name, length};
	entry.number = DeviceNumber::from(static_cast<dev_t>(list->dev));
	std::memcpy(&entry.eventNr, at_ + eventAt, sizeof(entry.eventNr));
	at_ = list->next && list->next < static_cast<size_t>(end_ - at_) - sizeof(dm_name_list)
		      ? at_ + list->next
		      : nullptr;
	return true;
}

int Control::message(DeviceNumber device, std::string_view text, std::string_view &reply)
{
	reply = {};
	dm_ioctl *header = prepare(smallest, device);
	if (dataStart + sizeof(dm_target_msg) + text.size() + 1 > smallest)
		return EMSGSIZE;
	const dm_target_msg message = {};
	char *at = buffer_.get() + dataStart;
	std::memcpy(at, &message, sizeof(message));
	at += offsetof(dm_target_msg, message);
	std::memcpy(at, text.data(), text.size());
	at[text.size()] = '\0';
	if (const int error = call(DM_TARGET_MSG))
		return error;
	if (header->flags & DM_DATA_OUT_FLAG) {
		const char *answer = buffer_.get() + header->data_start;
		reply = {answer, strnlen(answer, smallest - header->data_start)};
	}
	return 0;
}

int Control::summary(DeviceNumber store, Summary &summary)
{
	std::string_view line;
	if (const int error = message(store, "summary", line))
		return error;
	const Result<Summary> parsed = parseSummary(line);
	if (!parsed)
		return EPROTO;
	summary = *parsed;
	return 0;
}

int Control::status(DeviceNumber device, std::string_view &line)
{
	line = {};
	dm_ioctl *header = prepare(size_, device, DM_NOFLUSH_FLAG);
	if (const int error = call(DM_TABLE_STATUS))
		return error;
	if (header->flags & DM_BUFFER_FULL_FLAG)
		return EOVERFLOW;
	if (header->target_count == 0)
		return ENODATA;
	const size_t at = header->data_start + sizeof(dm_target_spec);
	if (at >= size_)
		return EPROTO;
	line = {buffer_.get() + at, strnlen(buffer_.get() + at, size_ - at)};
	return 0;
}

} // namespace snapdiff::dm
