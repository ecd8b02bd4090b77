// SPDX-License-Identifier: GPL-2.0-or-later
//
// LibDeviceMapper: device-mapper through libdevmapper; the only file that includes it.

#include "dm/device_mapper.h"

#include "util/clock.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>
#include <libdevmapper.h>

#include <cerrno>
#include <memory>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace snapdiff::dm {

namespace {

// libdevmapper prints unless told otherwise; what it has to say is the errno that
// it also returns.
__attribute__((format(printf, 5, 6))) void swallow(int, const char *, int, int, const char *, ...)
{
}

struct TaskEnd
{
	void operator()(dm_task *task) const { dm_task_destroy(task); }
};

Error notReady(std::string doing)
{
	if (geteuid() != 0)
		return Error(EPERM, std::move(doing), "only root may use device-mapper")
			.advise("Run this as root, for example with sudo.");
	return Error(ENODEV, std::move(doing), "device-mapper does not answer")
		.as(ErrorKind::NoModule)
		.advise("Load it with \"modprobe dm-mod\".");
}

// One ioctl.
class Task
{
public:
	Task(int type, const char *verb, std::string_view object)
		: doing_(object.empty() ? verb : fmt::format("{} {}", verb, object)),
		  task_(dm_task_create(type))
	{
		if (task_ && !object.empty() &&
		    !dm_task_set_name(task_.get(), std::string(object).c_str()))
			setFailed_ = true;
	}

	explicit operator bool() const { return task_ != nullptr; }
	dm_task *get() { return task_.get(); }

	// What libdevmapper does not accept is a name or text too long, or no memory.
	void need(int done) { setFailed_ = setFailed_ || !done; }

	Result<> run()
	{
		if (!task_)
			return notReady(doing_);
		if (setFailed_)
			return Error(EINVAL, doing_, "device-mapper cannot take these words");
		if (dm_task_run(task_.get()))
			return {};
		const int error = dm_task_get_errno(task_.get());
		if (error == EACCES || error == EPERM)
			return notReady(doing_);
		return Error(error ? error : EIO, doing_);
	}

	// Runs a call that makes a uevent, and waits until udev has dealt with it.
	Result<> runWithUdev(uint16_t flags);

private:
	std::string doing_;
	std::unique_ptr<dm_task, TaskEnd> task_;
	bool setFailed_ = false;
};

// dm_udev_wait() waits for ever when udevd dies at the wrong moment.
void waitForUdev(uint32_t cookie)
{
	constexpr int64_t limitNs = 30'000'000'000;
	constexpr unsigned longestNapMs = 20;

	SystemClock clock;
	const int64_t start = clock.monotonicNs();
	unsigned nap = 1;
	int ready = 0;
	while (dm_udev_wait_immediate(cookie, &ready) && !ready) {
		if (clock.monotonicNs() - start > limitNs) {
			dm_udev_complete(cookie);
			return;
		}
		clock.sleepMs(nap);
		nap = nap * 2 > longestNapMs ? longestNapMs : nap * 2;
	}
}

Result<> Task::runWithUdev(uint16_t flags)
{
	if (!task_)
		return notReady(doing_);
	uint32_t cookie = 0;
	need(dm_task_set_cookie(task_.get(), &cookie, flags));
	Result<> done = run();
	if (cookie)
		waitForUdev(cookie);
	else
		dm_task_update_nodes();
	return done;
}

uint16_t udevFlags(Visibility visibility)
{
	if (visibility == Visibility::Normal)
		return 0;
	return DM_UDEV_DISABLE_DISK_RULES_FLAG | DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
	       DM_UDEV_DISABLE_OTHER_RULES_FLAG | DM_UDEV_LOW_PRIORITY_FLAG;
}

void addTable(Task &task, const Table &table)
{
	for (const TargetLine &line : table)
		task.need(dm_task_add_target(task.get(), line.start, line.length,
					     line.target.c_str(), line.params.c_str()));
}

Table readLines(Task &task)
{
	Table lines;
	void *next = nullptr;
	do {
		uint64_t start = 0;
		uint64_t length = 0;
		char *target = nullptr;
		char *params = nullptr;
		next = dm_get_next_target(task.get(), next, &start, &length, &target, &params);
		if (target)
			lines.push_back({start, length, target, params ? params : ""});
	} while (next);
	return lines;
}

Result<DeviceInfo> readInfo(Task &task, const std::string &object)
{
	if (Result<> done = task.run(); !done)
		return std::move(done).error();
	dm_info info = {};
	if (!dm_task_get_info(task.get(), &info))
		return Error(EIO, "look at " + object);
	if (!info.exists)
		return Error(ENXIO, "look at " + object, "no such device-mapper device");

	DeviceInfo device;
	device.name = dm_task_get_name(task.get());
	device.uuid = dm_task_get_uuid(task.get());
	device.number = {info.major, info.minor};
	device.suspended = info.suspended;
	device.liveTable = info.live_table;
	device.inactiveTable = info.inactive_table;
	device.readOnly = info.read_only;
	device.openCount = info.open_count;
	device.eventNr = info.event_nr;
	return device;
}

} // namespace

LibDeviceMapper::LibDeviceMapper()
{
	dm_log_with_errno_init(swallow);
	// Names are what the kernel says, not hex escapes of it.
	dm_set_name_mangling_mode(DM_STRING_MANGLING_NONE);
	// Nobody would ever answer the cookies; libdevmapper makes the nodes then.
	if (access("/run/udev/control", F_OK) < 0)
		dm_udev_set_sync_support(0);
}

Result<std::optional<TargetVersion>> LibDeviceMapper::targetVersion(const std::string &target)
{
	Task task(DM_DEVICE_GET_TARGET_VERSION, "ask for the version of target", target);
	Result<> done = task.run();
	if (!done) {
		const int error = done.error().errnum();
		if (error == ENXIO || error == EINVAL)
			return std::optional<TargetVersion>();
		return std::move(done).error();
	}
	const dm_versions *version = dm_task_get_versions(task.get());
	if (!version)
		return std::optional<TargetVersion>();
	return std::optional(TargetVersion{version->name, version->version[0], version->version[1],
					   version->version[2]});
}

Result<std::vector<Device>> LibDeviceMapper::devices()
{
	Task task(DM_DEVICE_LIST, "list device-mapper devices", {});
	if (Result<> done = task.run(); !done)
		return std::move(done).error();

	std::vector<Device> found;
	const dm_names *names = dm_task_get_names(task.get());
	if (!names || names->dev == 0)
		return found;
	for (uint32_t next = 0;;) {
		names = reinterpret_cast<const dm_names *>(reinterpret_cast<const char *>(names) +
							   next);
		found.push_back({names->name, DeviceNumber::from(names->dev)});
		next = names->next;
		if (next == 0)
			return found;
	}
}

Result<DeviceInfo> LibDeviceMapper::info(const std::string &name)
{
	Task task(DM_DEVICE_INFO, "look at", name);
	return readInfo(task, name);
}

Result<DeviceInfo> LibDeviceMapper::info(DeviceNumber number)
{
	Task task(DM_DEVICE_INFO, "look at a device", {});
	if (task) {
		task.need(dm_task_set_major(task.get(), static_cast<int>(number.major)));
		task.need(dm_task_set_minor(task.get(), static_cast<int>(number.minor)));
	}
	return readInfo(task, number.text());
}

Result<Table> LibDeviceMapper::table(const std::string &name, bool inactive)
{
	Task task(DM_DEVICE_TABLE, "read the table of", name);
	if (task && inactive)
		task.need(dm_task_query_inactive_table(task.get()));
	// A table is asked for without flushing either.
	if (task)
		task.need(dm_task_no_flush(task.get()));
	if (Result<> done = task.run(); !done)
		return std::move(done).error();
	return readLines(task);
}

Result<Table> LibDeviceMapper::status(const std::string &name)
{
	Task task(DM_DEVICE_STATUS, "read the status of", name);
	if (task)
		task.need(dm_task_no_flush(task.get()));
	if (Result<> done = task.run(); !done)
		return std::move(done).error();
	return readLines(task);
}

Result<std::vector<DeviceNumber>> LibDeviceMapper::dependencies(const std::string &name)
{
	Task task(DM_DEVICE_DEPS, "read what lies below", name);
	if (Result<> done = task.run(); !done)
		return std::move(done).error();

	std::vector<DeviceNumber> found;
	if (const dm_deps *deps = dm_task_get_deps(task.get())) {
		for (uint32_t i = 0; i < deps->count; i++)
			found.push_back(DeviceNumber::from(deps->device[i]));
	}
	return found;
}

Result<> LibDeviceMapper::create(const NewDevice &device)
{
	constexpr mode_t rootOnly = 0600;

	Task task(DM_DEVICE_CREATE, "create device", device.name);
	if (task) {
		task.need(dm_task_set_uuid(task.get(), device.uuid.c_str()));
		if (device.readOnly)
			task.need(dm_task_set_ro(task.get()));
		if (device.visibility == Visibility::Hidden) {
			task.need(dm_task_set_uid(task.get(), 0));
			task.need(dm_task_set_gid(task.get(), 0));
			task.need(dm_task_set_mode(task.get(), rootOnly));
		}
		addTable(task, device.table);
	}
	if (Result<> done = task.runWithUdev(udevFlags(device.visibility)); !done)
		return done;

	// udev's own rules give every block device to the group disk; an image shows
	// other people's deleted files.
	const std::string path = devicePath(device.name);
	if (device.visibility == Visibility::Hidden &&
	    (chown(path.c_str(), 0, 0) < 0 || chmod(path.c_str(), rootOnly) < 0)) {
		const Error error(errno, "make " + path + " private to root");
		(void)remove(device.name).has_value();
		return error;
	}
	return {};
}

Result<> LibDeviceMapper::load(const std::string &name, const Table &table, bool readOnly)
{
	Task task(DM_DEVICE_RELOAD, "load a table into", name);
	if (task) {
		if (readOnly)
			task.need(dm_task_set_ro(task.get()));
		addTable(task, table);
	}
	return task.run();
}

Result<> LibDeviceMapper::clear(const std::string &name)
{
	Task task(DM_DEVICE_CLEAR, "clear the inactive table of", name);
	return task.run();
}

Result<> LibDeviceMapper::resume(const std::string &name, Visibility visibility)
{
	Task task(DM_DEVICE_RESUME, "resume", name);
	// The swap loses no write; freezing the file system would only make it wait.
	if (task)
		task.need(dm_task_skip_lockfs(task.get()));
	return task.runWithUdev(udevFlags(visibility));
}

Result<> LibDeviceMapper::remove(const std::string &name)
{
	constexpr int attempts = 10;
	constexpr unsigned napMs = 100;

	// udev may look into a device for a moment.
	for (int attempt = 1;; attempt++) {
		Task task(DM_DEVICE_REMOVE, "remove", name);
		Result<> done = task.runWithUdev(0);
		if (done || done.error().errnum() != EBUSY || attempt == attempts)
			return done;
		SystemClock().sleepMs(napMs);
	}
}

Result<std::string> LibDeviceMapper::message(const std::string &name, const std::string &text)
{
	Task task(DM_DEVICE_TARGET_MSG, "message to", name);
	if (task) {
		task.need(dm_task_set_sector(task.get(), 0));
		task.need(dm_task_set_message(task.get(), text.c_str()));
	}
	if (Result<> done = task.run(); !done)
		return std::move(done).error();
	const char *answer = dm_task_get_message_response(task.get());
	return std::string(answer ? answer : "");
}

Result<uint32_t> LibDeviceMapper::wait(const std::string &name, uint32_t lastEvent)
{
	Task task(DM_DEVICE_WAITEVENT, "wait for an event of", name);
	if (task)
		task.need(dm_task_set_event_nr(task.get(), lastEvent));
	if (Result<> done = task.run(); !done)
		return std::move(done).error();
	dm_info info = {};
	if (!dm_task_get_info(task.get(), &info))
		return Error(EIO, "wait for an event of " + name);
	return info.event_nr;
}

} // namespace snapdiff::dm
