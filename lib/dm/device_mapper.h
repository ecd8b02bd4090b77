// SPDX-License-Identifier: GPL-2.0-or-later
//
// DeviceMapper: the kernel's device-mapper, one call per ioctl.  LibDeviceMapper
// does it with libdevmapper; tests have one of their own.
//
// A device is named by its dm name ("vg0-home").  Errors say the dm name and the
// call; ENXIO means that there is no such device, EPERM that we are not root,
// and kind NoModule that device-mapper or the target is not in the kernel.

#pragma once

#include "dm/device_number.h"
#include "util/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snapdiff::dm {

struct TargetVersion
{
	std::string name;
	uint32_t major = 0;
	uint32_t minor = 0;
	uint32_t patch = 0;
};

struct Device
{
	std::string name;
	DeviceNumber number;
};

struct DeviceInfo
{
	std::string name;
	std::string uuid;
	DeviceNumber number;
	bool suspended = false;
	bool liveTable = false;
	bool inactiveTable = false;
	bool readOnly = false;
	int openCount = 0;
	uint32_t eventNr = 0;
};

// One line of a table, or of a status (then params is what the target says).
struct TargetLine
{
	uint64_t start = 0;
	uint64_t length = 0;
	std::string target;
	std::string params;

	bool operator==(const TargetLine &) const = default;
};

using Table = std::vector<TargetLine>;

// How udev is to treat a device.
enum class Visibility {
	Normal,
	Hidden, // no links from its content, not scanned, 0600 root: images and hidden devices
};

struct NewDevice
{
	std::string name;
	std::string uuid;
	Table table;
	bool readOnly = false;
	Visibility visibility = Visibility::Hidden;
};

class DeviceMapper
{
public:
	virtual ~DeviceMapper() = default;

	// Nothing: the kernel does not know the target, and found no module to load.
	virtual Result<std::optional<TargetVersion>> targetVersion(const std::string &target) = 0;

	virtual Result<std::vector<Device>> devices() = 0;
	virtual Result<DeviceInfo> info(const std::string &name) = 0;
	virtual Result<DeviceInfo> info(DeviceNumber number) = 0;

	// The active table (or the inactive one).  No table: empty.
	virtual Result<Table> table(const std::string &name, bool inactive = false) = 0;

	// Without flushing: never waits for I/O.
	virtual Result<Table> status(const std::string &name) = 0;

	virtual Result<std::vector<DeviceNumber>> dependencies(const std::string &name) = 0;

	// Creates, loads and resumes; on failure nothing is left.  Killed on the way
	// it leaves at most a device without an active table.
	virtual Result<> create(const NewDevice &device) = 0;

	// The table becomes the inactive one; the device goes on as it is.
	virtual Result<> load(const std::string &name, const Table &table, bool readOnly) = 0;

	// Throws the inactive table away.
	virtual Result<> clear(const std::string &name) = 0;

	// Swaps the inactive table in, if there is one (suspends and resumes inside
	// the one call, without freezing a file system), and lets I/O flow.
	virtual Result<> resume(const std::string &name, Visibility visibility) = 0;

	virtual Result<> remove(const std::string &name) = 0;

	// The answer, empty when there is none.
	virtual Result<std::string> message(const std::string &name, const std::string &text) = 0;

	// Waits until the device's event number is no longer lastEvent and returns
	// the new one.  A signal ends it with EINTR.
	virtual Result<uint32_t> wait(const std::string &name, uint32_t lastEvent) = 0;
};

class LibDeviceMapper : public DeviceMapper
{
public:
	// Checks nothing yet: the first call that needs the kernel says what is missing.
	LibDeviceMapper();

	Result<std::optional<TargetVersion>> targetVersion(const std::string &target) override;
	Result<std::vector<Device>> devices() override;
	Result<DeviceInfo> info(const std::string &name) override;
	Result<DeviceInfo> info(DeviceNumber number) override;
	Result<Table> table(const std::string &name, bool inactive = false) override;
	Result<Table> status(const std::string &name) override;
	Result<std::vector<DeviceNumber>> dependencies(const std::string &name) override;
	Result<> create(const NewDevice &device) override;
	Result<> load(const std::string &name, const Table &table, bool readOnly) override;
	Result<> clear(const std::string &name) override;
	Result<> resume(const std::string &name, Visibility visibility) override;
	Result<> remove(const std::string &name) override;
	Result<std::string> message(const std::string &name, const std::string &text) override;
	Result<uint32_t> wait(const std::string &name, uint32_t lastEvent) override;
};

// Sends a message to a store; when it is refused, asks for the reason (message
// "why") and puts it into the error.
Result<std::string> storeMessage(DeviceMapper &dm, const std::string &store,
				 const std::string &text);

// Names of the devices whose active table begins with this target type.
Result<std::vector<Device>> devicesOfTarget(DeviceMapper &dm, std::string_view target);

// The targets are loaded and speak our major version; kind NoModule and the next
// step otherwise.
Result<> requireModule(DeviceMapper &dm);

// "/dev/mapper/NAME"
std::string devicePath(std::string_view name);

} // namespace snapdiff::dm
