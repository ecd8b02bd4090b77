// SPDX-License-Identifier: GPL-2.0-or-later
//
// Kernel: the few calls to device-mapper that the hot path makes.  ControlKernel
// makes them on /dev/mapper/control; tests have a kernel of their own.
//
// Calls return 0 or an errno.  None allocates, logs, forks or touches a file.

#pragma once

#include "dm/control.h"
#include "dm/status.h"

#include <cstdint>
#include <string_view>

namespace snapdiff::daemon {

class DeviceVisitor
{
public:
	virtual void visit(std::string_view name, dm::DeviceNumber number, uint32_t eventNr) = 0;

protected:
	~DeviceVisitor() = default;
};

class Kernel
{
public:
	virtual ~Kernel() = default;

	// Readable when any dm device had an event since armPoll().
	virtual int fd() const = 0;
	virtual int armPoll() = 0;

	// EOVERFLOW: there are more devices than the buffer holds; see grow().
	virtual int visitDevices(DeviceVisitor &visitor) = 0;

	virtual int summary(dm::DeviceNumber store, dm::Summary &summary) = 0;
	virtual int message(dm::DeviceNumber store, std::string_view text) = 0;

	// Monotonic, nanoseconds.
	virtual int64_t now() const = 0;

	// Not for the hot path: makes room for more devices.
	virtual Result<> grow() = 0;
};

class ControlKernel : public Kernel
{
public:
	static Result<ControlKernel> open();

	int fd() const override { return control_.fd(); }
	int armPoll() override { return control_.armPoll(); }
	int visitDevices(DeviceVisitor &visitor) override;
	int summary(dm::DeviceNumber store, dm::Summary &summary) override;
	int message(dm::DeviceNumber store, std::string_view text) override;
	int64_t now() const override;
	Result<> grow() override;

private:
	ControlKernel(dm::Control control, size_t bytes)
		: control_(std::move(control)), bytes_(bytes)
	{
	}

	dm::Control control_;
	size_t bytes_;
};

} // namespace snapdiff::daemon
