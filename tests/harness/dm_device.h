// SPDX-License-Identifier: GPL-2.0-or-later
// A device-mapper device that lives in a scope, driven by libdevmapper inside this process
// (starting dmsetup costs 0.4 s in an emulated guest).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace snapdiff::lab {

// A request of ours failed; carries the errno.
class DmError : public std::runtime_error
{
public:
	DmError(const std::string &what, int error);
	int error() const { return error_; }

private:
	int error_;
};

// What a message returned: an errno (0 if it was accepted) and the answer's text, if any.
struct DmAnswer
{
	int error = 0;
	std::string text;
	bool ok() const { return error == 0; }
};

struct DmInfo
{
	bool exists = false;
	bool suspended = false;
	bool liveTable = false;
	bool inactiveTable = false;
	bool readOnly = false;
	int openCount = 0;
	uint32_t eventNumber = 0;
	uint32_t major = 0;
	uint32_t minor = 0;
};

class DmDevice
{
public:
	enum class Suspend { Flush, NoFlush, NoLockFs };

	// Creates the device with this table (lines "start length target arguments"), or throws
	// DmError. Its name begins with the purpose and is unique; it is removed with the object.
	DmDevice(const std::string &purpose, const std::string &table,
		 const std::string &uuid = {});
	// With flags as of dmsetup create --readonly.
	static DmDevice readOnly(const std::string &purpose, const std::string &table);
	~DmDevice();
	DmDevice(DmDevice &&other) noexcept;
	DmDevice &operator=(DmDevice &&other) noexcept;

	// Tries to create such a device and removes it again: 0, or why it is refused (errno).
	static int tryCreate(const std::string &table);

	const std::string &name() const { return name_; }
	std::string path() const { return "/dev/mapper/" + name_; }
	// "254:3", which needs no node and no path walk.
	std::string number() const;
	uint64_t sectors() const;

	// One line per target, as dmsetup prints it without the device's name.
	std::string status(bool noFlush = false) const;
	std::string table() const;
	DmInfo info() const;

	DmAnswer message(const std::string &text, uint64_t sector = 0) const;
	// These return 0 or an errno.
	int load(const std::string &table) const;
	int suspend(Suspend how = Suspend::Flush) const;
	int resume() const;
	int clear() const;
	int rename(const std::string &newName);
	// Waits until the event number differs from the one given; returns 0, or EINTR.
	int waitEvent(uint32_t eventNumber) const;
	// Removes it before the end of its scope. EBUSY means that somebody has it open.
	int remove();
	// The device stays when this object ends (somebody else removed it, for example).
	void forget() { name_.clear(); }

	// Load and resume; throws DmError if one of them fails.
	void reload(const std::string &table) const;

private:
	DmDevice(const std::string &purpose, const std::string &table, const std::string &uuid,
		 bool readOnly);
	void removeOrComplain() noexcept;

	std::string name_;
};

// Name of all devices of device-mapper that exist now.
std::vector<std::string> dmDeviceNames();
// What libdevmapper said last about a failure.
std::string lastDmComplaint();
// True if the running kernel has this target; loads nothing.
bool hasDmTarget(const std::string &target);

} // namespace snapdiff::lab
