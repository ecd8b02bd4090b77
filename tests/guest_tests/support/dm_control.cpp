// SPDX-License-Identifier: GPL-2.0-or-later
// Device-mapper's own ioctls without a library in between.

#include "support/dm_control.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <linux/dm-ioctl.h>
#include <sstream>
#include <stdexcept>
#include <sys/ioctl.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace snapdiff::lab {

namespace {

// One request: the header, and room behind it for what goes in or comes out.
class Request
{
public:
	explicit Request(const std::string &name, uint32_t flags = 0, size_t room = 4096)
		: memory_(sizeof(dm_ioctl) + room)
	{
		dm_ioctl &head = this->head();
		head.version[0] = 4;
		head.data_size = static_cast<uint32_t>(memory_.size());
		head.data_start = sizeof(dm_ioctl);
		head.flags = flags;
		if (name.size() >= sizeof(head.name))
			throw std::invalid_argument("too long for a device's name: " + name);
		memcpy(head.name, name.c_str(), name.size());
	}

	dm_ioctl &head() { return *reinterpret_cast<dm_ioctl *>(memory_.data()); }
	char *data() { return memory_.data() + head().data_start; }
	size_t room() const { return memory_.size() - sizeof(dm_ioctl); }
	int run(int fd, unsigned long command)
	{
		return ioctl(fd, command, memory_.data()) ? errno : 0;
	}

private:
	std::vector<char> memory_;
};

unsigned minorOf(uint64_t device)
{
	return static_cast<unsigned>((device & 0xff) | ((device >> 12) & 0xfff00));
}

} // namespace

DmControl::DmControl() : fd_(open("/dev/mapper/control", O_RDWR | O_CLOEXEC))
{
	if (fd_ < 0)
		throw std::system_error(errno, std::generic_category(), "/dev/mapper/control");
}

DmControl::~DmControl()
{
	close(fd_);
}

int DmControl::create(const std::string &name, unsigned &minor) const
{
	Request request(name);
	const int error = request.run(fd_, DM_DEV_CREATE);
	if (!error)
		minor = minorOf(request.head().dev);
	return error;
}

int DmControl::load(const std::string &name, const std::string &table) const
{
	std::istringstream words(table);
	dm_target_spec spec = {};
	std::string target;
	std::string arguments;
	words >> spec.sector_start >> spec.length >> target >> std::ws;
	std::getline(words, arguments);
	if (target.empty() || target.size() >= sizeof(spec.target_type))
		return EINVAL;
	memcpy(spec.target_type, target.c_str(), target.size());

	Request request(name, 0, sizeof(spec) + arguments.size() + 16);
	spec.next = static_cast<uint32_t>((sizeof(spec) + arguments.size() + 8) / 8 * 8);
	request.head().target_count = 1;
	memcpy(request.data(), &spec, sizeof(spec));
	memcpy(request.data() + sizeof(spec), arguments.c_str(), arguments.size());
	return request.run(fd_, DM_TABLE_LOAD);
}

int DmControl::clear(const std::string &name) const
{
	return Request(name).run(fd_, DM_TABLE_CLEAR);
}

int DmControl::suspend(const std::string &name, Flush flush) const
{
	// Nobody mounts what these devices hold, so no file system has to be frozen.
	uint32_t flags = DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG;
	if (flush == Flush::No)
		flags |= DM_NOFLUSH_FLAG;
	return Request(name, flags).run(fd_, DM_DEV_SUSPEND);
}

int DmControl::resume(const std::string &name) const
{
	return Request(name).run(fd_, DM_DEV_SUSPEND);
}

int DmControl::remove(const std::string &name) const
{
	return Request(name).run(fd_, DM_DEV_REMOVE);
}

int DmControl::read(const std::string &name, Text what, std::string &text) const
{
	Request request(name, what == Text::Table ? DM_STATUS_TABLE_FLAG : 0, 65536);
	if (const int error = request.run(fd_, DM_TABLE_STATUS))
		return error;
	if (request.head().flags & DM_BUFFER_FULL_FLAG)
		return ENOSPC;
	text.clear();
	if (!request.head().target_count)
		return 0;
	dm_target_spec spec;
	memcpy(&spec, request.data(), sizeof(spec));
	text = std::to_string(spec.sector_start) + " " + std::to_string(spec.length) + " " +
	       spec.target_type + " " + (request.data() + sizeof(spec));
	return 0;
}

DmAnswer DmControl::message(const std::string &name, const std::string &text) const
{
	Request request(name);
	dm_target_msg header = {};
	if (sizeof(header) + text.size() + 1 > request.room())
		return {.error = EINVAL, .text = {}};
	memcpy(request.data(), &header, sizeof(header));
	memcpy(request.data() + sizeof(header), text.c_str(), text.size() + 1);
	const int error = request.run(fd_, DM_TARGET_MSG);
	if (error || !(request.head().flags & DM_DATA_OUT_FLAG))
		return {.error = error, .text = {}};
	return {.error = 0, .text = request.data()};
}

int DmControl::make(const std::string &name, const std::string &table, unsigned &minor) const
{
	int error = create(name, minor);
	if (error)
		return error;
	error = load(name, table);
	if (!error)
		error = resume(name);
	if (error)
		remove(name);
	return error;
}

std::string dmNumber(unsigned minor)
{
	static const std::string major = [] {
		std::ifstream file("/proc/devices");
		for (std::string number, name; file >> number >> name;)
			if (name == "device-mapper")
				return number;
		throw std::runtime_error("/proc/devices has no device-mapper");
	}();
	return major + ":" + std::to_string(minor);
}

} // namespace snapdiff::lab
