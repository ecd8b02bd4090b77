// SPDX-License-Identifier: GPL-2.0-or-later
// A device-mapper device that lives in a scope, driven by libdevmapper inside this process.

#include "harness/dm_device.h"

#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <libdevmapper.h>
#include <memory>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <utility>

namespace snapdiff::lab {

namespace {

// udev must not scan, link or activate what tests make.
constexpr uint16_t udevFlags = DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
			       DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_OTHER_RULES_FLAG;

thread_local std::string complaint;

[[gnu::format(printf, 5, 6)]] void keepComplaint(int level, const char *, int, int,
						 const char *format, ...)
{
	// Bits above the level are libdevmapper's own flags.
	if ((level & 7) > 3)
		return;
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	complaint = text;
}

// One request to the kernel.
class Task
{
public:
	Task(int type, const std::string &name) : task_(start(type), dm_task_destroy)
	{
		if (!task_)
			throw DmError("libdevmapper cannot make a task", ENOMEM);
		if (!name.empty() && !dm_task_set_name(task_.get(), name.c_str()))
			throw DmError("libdevmapper refuses the name " + name, EINVAL);
	}

	dm_task *get() { return task_.get(); }

	// 0, or the kernel's errno.
	int run()
	{
		if (dm_task_run(task_.get()))
			return 0;
		const int error = dm_task_get_errno(task_.get());
		return error ? error : EIO;
	}

	// The same for resume, rename and remove: waits until udev, or libdevmapper instead of
	// it, has made the nodes.
	int runWithNodes()
	{
		uint32_t cookie = 0;
		if (!dm_task_set_cookie(task_.get(), &cookie, udevFlags))
			throw DmError("libdevmapper cannot make a cookie: " + complaint, EINVAL);
		const int error = run();
		dm_udev_wait(cookie);
		// Node operations are only queued until somebody asks for them.
		dm_task_update_nodes();
		return error;
	}

private:
	static dm_task *start(int type)
	{
		static const bool prepared = [] {
			dm_log_with_errno_init(keepComplaint);
			return true;
		}();
		static_cast<void>(prepared);
		complaint.clear();
		return dm_task_create(type);
	}

	std::unique_ptr<dm_task, decltype(&dm_task_destroy)> task_;
};

void addTable(Task &task, const std::string &table)
{
	std::istringstream lines(table);
	for (std::string line; std::getline(lines, line);) {
		if (line.empty())
			continue;
		std::istringstream words(line);
		uint64_t start = 0;
		uint64_t length = 0;
		std::string target;
		if (!(words >> start >> length >> target))
			throw DmError("not a table line: " + line, EINVAL);
		std::string arguments;
		std::getline(words >> std::ws, arguments);
		if (!dm_task_add_target(task.get(), start, length, target.c_str(),
					arguments.c_str()))
			throw DmError("libdevmapper refuses the table line: " + line, EINVAL);
	}
	// Reloading the same table is a case to test, not one to leave out.
	dm_task_no_open_count(task.get());
}

int loadTable(const std::string &name, const std::string &table, bool readOnly)
{
	Task task(DM_DEVICE_RELOAD, name);
	addTable(task, table);
	if (readOnly)
		dm_task_set_ro(task.get());
	return task.run();
}

int removeByName(const std::string &name)
{
	return Task(DM_DEVICE_REMOVE, name).runWithNodes();
}

// udevd and its like may have the device open for a moment.
int removeWithPatience(const std::string &name)
{
	int error = removeByName(name);
	for (int attempt = 0; attempt < 20 && error == EBUSY; ++attempt) {
		std::this_thread::sleep_for(std::chrono::milliseconds(100));
		error = removeByName(name);
	}
	return error;
}

int resumeByName(const std::string &name)
{
	return Task(DM_DEVICE_RESUME, name).runWithNodes();
}

// Create, load, resume; on failure the device is gone again. Returns 0 or an errno.
int createByName(const std::string &name, const std::string &table, const std::string &uuid,
		 bool readOnly)
{
	Task create(DM_DEVICE_CREATE, name);
	if (!uuid.empty() && !dm_task_set_uuid(create.get(), uuid.c_str()))
		return EINVAL;
	if (const int error = create.run())
		return error;
	int error = loadTable(name, table, readOnly);
	if (!error)
		error = resumeByName(name);
	if (error) {
		const std::string reason = complaint;
		removeByName(name);
		complaint = reason;
	}
	return error;
}

std::string uniqueName(const std::string &purpose)
{
	static int number = 0;
	return purpose + "-" + std::to_string(getpid()) + "-" + std::to_string(++number);
}

// The targets' texts of a status or table request, one line each.
std::string targetLines(Task &task)
{
	std::string text;
	void *next = nullptr;
	do {
		uint64_t start = 0;
		uint64_t length = 0;
		char *target = nullptr;
		char *arguments = nullptr;
		next = dm_get_next_target(task.get(), next, &start, &length, &target, &arguments);
		if (!target)
			continue;
		if (!text.empty())
			text += '\n';
		text += std::to_string(start) + " " + std::to_string(length) + " " + target;
		if (arguments && *arguments)
			text += std::string(" ") + arguments;
	} while (next);
	return text;
}

} // namespace

DmError::DmError(const std::string &what, int error)
	: std::runtime_error(what + ": " + strerror(error)), error_(error)
{
}

DmDevice::DmDevice(const std::string &purpose, const std::string &table, const std::string &uuid)
	: DmDevice(purpose, table, uuid, false)
{
}

DmDevice::DmDevice(const std::string &purpose, const std::string &table, const std::string &uuid,
		   bool readOnly)
	: name_(uniqueName(purpose))
{
	if (const int error = createByName(name_, table, uuid, readOnly))
		throw DmError("create " + name_ + " (" + table + ")", error);
}

DmDevice DmDevice::readOnly(const std::string &purpose, const std::string &table)
{
	return {purpose, table, {}, true};
}

DmDevice::~DmDevice()
{
	removeOrComplain();
}

DmDevice::DmDevice(DmDevice &&other) noexcept : name_(std::exchange(other.name_, {}))
{
}

DmDevice &DmDevice::operator=(DmDevice &&other) noexcept
{
	if (this != &other) {
		removeOrComplain();
		name_ = std::exchange(other.name_, {});
	}
	return *this;
}

int DmDevice::tryCreate(const std::string &table)
{
	const std::string name = uniqueName("try");
	const int error = createByName(name, table, {}, false);
	if (!error)
		removeByName(name);
	return error;
}

std::string DmDevice::number() const
{
	const DmInfo now = info();
	return std::to_string(now.major) + ":" + std::to_string(now.minor);
}

uint64_t DmDevice::sectors() const
{
	std::istringstream lines(table());
	uint64_t end = 0;
	for (std::string line; std::getline(lines, line);) {
		uint64_t start = 0;
		uint64_t length = 0;
		std::istringstream(line) >> start >> length;
		end = start + length;
	}
	return end;
}

std::string DmDevice::status(bool noFlush) const
{
	Task task(DM_DEVICE_STATUS, name_);
	if (noFlush)
		dm_task_no_flush(task.get());
	if (const int error = task.run())
		throw DmError("status of " + name_, error);
	return targetLines(task);
}

std::string DmDevice::table() const
{
	Task task(DM_DEVICE_TABLE, name_);
	if (const int error = task.run())
		throw DmError("table of " + name_, error);
	return targetLines(task);
}

DmInfo DmDevice::info() const
{
	Task task(DM_DEVICE_INFO, name_);
	if (const int error = task.run())
		throw DmError("info of " + name_, error);
	dm_info raw;
	memset(&raw, 0, sizeof(raw));
	dm_task_get_info(task.get(), &raw);
	return {.exists = raw.exists != 0,
		.suspended = raw.suspended != 0,
		.liveTable = raw.live_table != 0,
		.inactiveTable = raw.inactive_table != 0,
		.readOnly = raw.read_only != 0,
		.openCount = raw.open_count,
		.eventNumber = raw.event_nr,
		.major = raw.major,
		.minor = raw.minor};
}

DmAnswer DmDevice::message(const std::string &text, uint64_t sector) const
{
	Task task(DM_DEVICE_TARGET_MSG, name_);
	if (!dm_task_set_sector(task.get(), sector) ||
	    !dm_task_set_message(task.get(), text.c_str()))
		return {.error = EINVAL, .text = "libdevmapper refuses the message"};
	const int error = task.run();
	const char *answer = error ? nullptr : dm_task_get_message_response(task.get());
	return {.error = error, .text = answer ? answer : ""};
}

int DmDevice::load(const std::string &table) const
{
	return loadTable(name_, table, false);
}

int DmDevice::suspend(Suspend how) const
{
	Task task(DM_DEVICE_SUSPEND, name_);
	if (how == Suspend::NoFlush)
		dm_task_no_flush(task.get());
	if (how != Suspend::Flush)
		dm_task_skip_lockfs(task.get());
	return task.run();
}

int DmDevice::resume() const
{
	return resumeByName(name_);
}

int DmDevice::clear() const
{
	return Task(DM_DEVICE_CLEAR, name_).run();
}

int DmDevice::rename(const std::string &newName)
{
	Task task(DM_DEVICE_RENAME, name_);
	if (!dm_task_set_newname(task.get(), newName.c_str()))
		return EINVAL;
	const int error = task.runWithNodes();
	if (!error)
		name_ = newName;
	return error;
}

int DmDevice::waitEvent(uint32_t eventNumber) const
{
	Task task(DM_DEVICE_WAITEVENT, name_);
	dm_task_set_event_nr(task.get(), eventNumber);
	return task.run();
}

int DmDevice::remove()
{
	const int error = removeByName(name_);
	if (!error)
		name_.clear();
	return error;
}

void DmDevice::reload(const std::string &table) const
{
	if (const int error = load(table))
		throw DmError("load " + name_ + " (" + table + ")", error);
	if (const int error = resume())
		throw DmError("resume " + name_, error);
}

void DmDevice::removeOrComplain() noexcept
{
	if (name_.empty())
		return;
	try {
		if (const int error = removeWithPatience(name_))
			ADD_FAILURE() << "cannot remove " << name_ << ": " << strerror(error);
	} catch (const DmError &problem) {
		ADD_FAILURE() << "cannot remove " << name_ << ": " << problem.what();
	}
	name_.clear();
}

std::vector<std::string> dmDeviceNames()
{
	Task task(DM_DEVICE_LIST, {});
	if (const int error = task.run())
		throw DmError("list of devices", error);
	std::vector<std::string> names;
	const dm_names *entry = dm_task_get_names(task.get());
	if (!entry || !entry->dev)
		return names;
	for (;;) {
		names.emplace_back(entry->name);
		if (!entry->next)
			return names;
		entry = reinterpret_cast<const dm_names *>(reinterpret_cast<const char *>(entry) +
							   entry->next);
	}
}

std::string lastDmComplaint()
{
	return complaint;
}

bool hasDmTarget(const std::string &target)
{
	Task task(DM_DEVICE_LIST_VERSIONS, {});
	if (const int error = task.run())
		throw DmError("list of targets", error);
	const dm_versions *entry = dm_task_get_versions(task.get());
	for (;;) {
		if (target == entry->name)
			return true;
		if (!entry->next)
			return false;
		entry = reinterpret_cast<const dm_versions *>(
			reinterpret_cast<const char *>(entry) + entry->next);
	}
}

} // namespace snapdiff::lab
