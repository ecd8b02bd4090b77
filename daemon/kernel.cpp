// SPDX-License-Identifier: GPL-2.0-or-later
//
// ControlKernel: the hot path's calls, by raw ioctl.

#include "kernel.h"

#include <ctime>

namespace snapdiff::daemon {

static constexpr size_t firstBufferBytes = 256U << 10;

Result<ControlKernel> ControlKernel::open()
{
	Result<dm::Control> control = dm::Control::open(firstBufferBytes);
	if (!control)
		return std::move(control).error();
	return ControlKernel(std::move(*control), firstBufferBytes);
}

int ControlKernel::visitDevices(DeviceVisitor &visitor)
{
	dm::Control::Entries entries;
	if (const int error = control_.list(entries))
		return error;
	dm::Control::Entry entry;
	while (entries.next(entry))
		visitor.visit(entry.name, entry.number, entry.eventNr);
	return 0;
}

int ControlKernel::summary(dm::DeviceNumber store, dm::Summary &summary)
{
	return control_.summary(store, summary);
}

int ControlKernel::message(dm::DeviceNumber store, std::string_view text)
{
	// "already there" is the only answer that an extend ever gets, and a success.
	std::string_view reply;
	return control_.message(store, text, reply);
}

int64_t ControlKernel::now() const
{
	timespec now = {};
	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Result<> ControlKernel::grow()
{
	Result<dm::Control> larger = dm::Control::open(bytes_ * 2);
	if (!larger)
		return std::move(larger).error();
	control_ = std::move(*larger);
	bytes_ *= 2;
	return {};
}

} // namespace snapdiff::daemon
