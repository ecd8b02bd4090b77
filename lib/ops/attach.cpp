// SPDX-License-Identifier: GPL-2.0-or-later
//
// Attach and detach: put a snapdiff-origin in front of a live device-mapper device,
// and take it away again.

#include "ops/attach.h"

#include "dm/names.h"
#include "dm/status.h"
#include "dm/table.h"
#include "ops/hidden.h"
#include "ops/step.h"
#include "probe/probe.h"
#include "util/text.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>

namespace snapdiff::ops {

namespace {

Error notDeviceMapper(std::string_view text)
{
	return Error(EMEDIUMTYPE, "origin " + printable(text), "it is no device-mapper device")
		.advise("Only device-mapper devices can be attached while in use: move it onto "
			"LVM, "
			"or wrap it in a device-mapper device before it is mounted.");
}

Error notThere(std::string_view text)
{
	return Error(ENOENT, "origin " + printable(text), "there is no such device")
		.advise("\"lvs\" lists volumes, \"dmsetup ls\" device-mapper devices; an inactive "
			"volume is activated with \"lvchange -ay\".");
}

Result<bool> exists(Context &context, const std::string &name)
{
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (info)
		return true;
	if (info.error().errnum() == ENXIO && info.error().kind() == ErrorKind::NotFound)
		return false;
	return info.error();
}

Result<std::string> byPath(const std::string &path, std::string_view text)
{
	const Result<probe::BlockDevice> device = probe::blockDevice(path);
	if (!device && device.error().errnum() == ENOENT)
		return notThere(text);
	if (!device)
		return device.error();
	if (device->dmName.empty())
		return notDeviceMapper(text);
	return device->dmName;
}

uint64_t sizeOf(const dm::Table &table)
{
	return table.empty() ? 0 : table.back().start + table.back().length;
}

bool isOriginTable(const dm::Table &table)
{
	return table.size() == 1 && table.front().target == SNAPDIFF_TARGET_ORIGIN;
}

// Brings a device back to this table, whatever state a failed resume left it in.
Result<> restore(Context &context, const dm::DeviceInfo &device, const dm::Table &table)
{
	// With no inactive table this only lets the I/O flow again.
	(void)context.dm.clear(device.name).has_value();
	Result<> done = context.dm.resume(device.name, dm::Visibility::Normal);
	const Result<dm::Table> now = context.dm.table(device.name);
	if (done && now && *now == table)
		return {};
	if (Result<> loaded = context.dm.load(device.name, table, device.readOnly); !loaded)
		return loaded;
	return context.dm.resume(device.name, dm::Visibility::Normal);
}

// One resume swaps the table in.  Where it fails the device goes on with its old table.
Result<> swapTable(Context &context, const AttachSituation &now, const dm::Table &table)
{
	const std::string &name = now.origin;
	if (Result<> done = context.dm.load(name, table, now.device.readOnly); !done)
		return done;
	step("table loaded");
	Result<> done = context.dm.resume(name, dm::Visibility::Normal);
	if (done) {
		step("table swapped in");
		return {};
	}
	Error error = std::move(done).error();
	if (Result<> back = restore(context, now.device, now.table); !back)
		return std::move(error).advise(fmt::format(
			"Its old table did not come back either ({}); \"dmsetup resume {}\" is the "
			"next thing to try.",
			back.error().message(), name));
	return error;
}

// A table that an attach loaded before it was killed holds the hidden device open.
Result<> clearOurInactiveTable(Context &context, const AttachSituation &now)
{
	if (!now.device.inactiveTable)
		return {};
	const Result<dm::Table> inactive = context.dm.table(now.origin, true);
	if (!inactive)
		return inactive.error();
	if (!isOriginTable(*inactive))
		return Error(EBUSY, "change the table of " + now.origin,
			     "another program is changing it too")
			.advise(fmt::format("If none is, \"dmsetup clear {}\" helps.", now.origin));
	return context.dm.clear(now.origin);
}

// The hidden device with the origin's own table; one that is left over is replaced,
// as the origin's table may have changed since.
Result<dm::DeviceNumber> makeUnderlying(Context &context, const AttachSituation &now)
{
	const std::string name = dm::underlyingName(now.origin);
	if (now.underlying) {
		if (now.underlying->uuid != dm::underlyingUuid(now.origin))
			return Error(EEXIST, "create device " + name,
				     "a device that is not ours has this name");
		if (Result<> done = context.dm.remove(name); !done)
			return std::move(done).error().within(
				"clear away what an earlier attach left");
	}
	Result<> done = context.dm.create({name, dm::underlyingUuid(now.origin), now.table,
					   now.device.readOnly, dm::Visibility::Hidden});
	if (!done)
		return std::move(done).error();
	step("hidden device created");
	if (Result<> hidden = checkUnseenByLvm(context, name); !hidden) {
		(void)context.dm.remove(name).has_value();
		return std::move(hidden).error();
	}
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info) {
		(void)context.dm.remove(name).has_value();
		return info.error();
	}
	return info->number;
}

Result<> checkAttachable(const AttachSituation &now)
{
	// "LVM-" and two UUIDs; what is longer is a part of a volume (a thin pool's data).
	constexpr size_t longestVolumeUuid = 4 + 32 + 32;

	const std::string doing = "attach " + now.origin;
	if (!isName(now.origin))
		return Error(EINVAL, doing,
			     "its device-mapper name is no legal name of an origin (1 to 64 of "
			     "A-Z a-z 0-9 _ . + : -)")
			.advise("Rename the volume.");
	if (now.device.uuid.starts_with(SNAPDIFF_UUID_PREFIX))
		return Error(EINVAL, doing, "it is a device of snapdiff's own");
	if (now.device.uuid.starts_with("LVM-") && now.device.uuid.size() > longestVolumeUuid)
		return Error(EINVAL, doing, "it is an inner part of another LVM volume")
			.advise("Attach that volume instead.");
	if (now.table.empty())
		return Error(EINVAL, doing, "it has no table");
	if (now.device.suspended)
		return Error(EBUSY, doing, "it is suspended")
			.advise(fmt::format("Resume it first: \"dmsetup resume {}\".", now.origin));
	for (const dm::TargetLine &line : now.table) {
		if (line.target == SNAPDIFF_TARGET_STORE || line.target == SNAPDIFF_TARGET_IMAGE)
			return Error(EINVAL, doing, "it is a device of snapdiff's own");
	}
	return {};
}

} // namespace

Result<std::string> resolveOrigin(Context &context, std::string_view text)
{
	const std::string name(text);
	if (name.starts_with('/'))
		return byPath(name, text);

	const size_t slash = name.find('/');
	if (slash != name.npos) {
		struct stat info = {};
		if (stat(("/dev/" + name).c_str(), &info) == 0)
			return byPath("/dev/" + name, text);
		std::string dmName = dm::lvDmName(name.substr(0, slash), name.substr(slash + 1));
		const Result<bool> there = exists(context, dmName);
		if (!there)
			return there.error();
		if (!*there)
			return notThere(text);
		return dmName;
	}

	const Result<bool> there = exists(context, name);
	if (!there)
		return there.error();
	if (*there)
		return name;
	struct stat info = {};
	if (!name.empty() && stat(("/dev/" + name).c_str(), &info) == 0 && S_ISBLK(info.st_mode))
		return byPath("/dev/" + name, text);
	return notThere(text);
}

std::string_view word(AttachState state)
{
	switch (state) {
	case AttachState::Plain:
		return "not attached";
	case AttachState::HalfAttached:
		return "attach not finished";
	case AttachState::Attached:
		return "attached";
	case AttachState::HalfDetached:
		return "detach not finished";
	}
	return "?";
}

Result<AttachSituation> inspect(Context &context, const std::string &origin)
{
	AttachSituation now;
	now.origin = origin;
	Result<dm::DeviceInfo> device = context.dm.info(origin);
	if (!device)
		return std::move(device).error();
	now.device = std::move(*device);
	Result<dm::Table> table = context.dm.table(origin);
	if (!table)
		return std::move(table).error();
	now.table = std::move(*table);

	Result<dm::DeviceInfo> underlying = context.dm.info(dm::underlyingName(origin));
	if (underlying)
		now.underlying = std::move(*underlying);
	else if (underlying.error().errnum() != ENXIO)
		return std::move(underlying).error();

	if (!isOriginTable(now.table)) {
		now.state = now.underlying ? AttachState::HalfAttached : AttachState::Plain;
		return now;
	}
	const Result<dm::OriginTable> line = dm::parseOriginTable(now.table.front().params);
	if (!line)
		return line.error();
	if (const auto number = dm::DeviceNumber::parse(line->store)) {
		const Result<dm::DeviceInfo> store = context.dm.info(*number);
		now.store = store ? store->name : "";
	}
	const Result<dm::Table> status = context.dm.status(origin);
	if (!status)
		return status.error();
	const Result<dm::OriginLine> state =
		dm::parseOriginLine(status->empty() ? "" : status->front().params);
	if (!state)
		return state.error();
	now.state = state->state == dm::OriginState::Detached ? AttachState::HalfDetached
							      : AttachState::Attached;
	return now;
}

Result<> attach(Context &context, const std::string &origin, const std::string &store)
{
	const std::string doing = "attach " + origin;
	if (Result<> done = dm::requireModule(context.dm); !done)
		return done;
	Result<AttachSituation> now = inspect(context, origin);
	if (now && now->state == AttachState::HalfDetached) {
		if (Result<> done = detach(context, origin, false); !done)
			return std::move(done).error().within(doing);
		now = inspect(context, origin);
	}
	if (!now)
		return std::move(now).error().within(doing);
	if (now->state == AttachState::Attached) {
		if (now->store == store)
			return {};
		return Error(EBUSY, doing, "it is attached to store " + now->store)
			.advise("Detach it there first with \"snapdiff detach\".");
	}
	if (Result<> done = checkAttachable(*now); !done)
		return done;
	const Result<dm::DeviceInfo> storeInfo = context.dm.info(store);
	if (!storeInfo)
		return storeInfo.error();

	if (Result<> done = clearOurInactiveTable(context, *now); !done)
		return std::move(done).error().within(doing);

	context.say(doing);
	const Result<dm::DeviceNumber> underlying = makeUnderlying(context, *now);
	if (!underlying)
		return Error(underlying.error()).within(doing);
	const dm::OriginTable table{storeInfo->number.text(), origin, underlying->text(), 0};
	Result<> done =
		swapTable(context, *now,
			  {{0, sizeOf(now->table), SNAPDIFF_TARGET_ORIGIN, dm::format(table)}});
	if (!done) {
		(void)context.dm.clear(origin).has_value();
		(void)context.dm.remove(dm::underlyingName(origin)).has_value();
		return std::move(done).error().within(doing);
	}
	return {};
}

// The table that the origin's device had before, or, where somebody set the origin
// up by hand, a line that shows the device below it.
static Result<dm::Table> tableWithoutUs(Context &context, const AttachSituation &now)
{
	const Result<dm::OriginTable> line = dm::parseOriginTable(now.table.front().params);
	if (!line)
		return line.error();
	if (now.underlying && now.underlying->number.text() == line->device && line->start == 0)
		return context.dm.table(now.underlying->name);
	return dm::Table{
		{0, sizeOf(now.table), "linear", fmt::format("{} {}", line->device, line->start)}};
}

static Result<> removeUnderlying(Context &context, const AttachSituation &now)
{
	if (!now.underlying || now.underlying->uuid != dm::underlyingUuid(now.origin))
		return {};
	Result<> done = context.dm.remove(now.underlying->name);
	if (done)
		step("hidden device removed");
	return done;
}

Result<> detach(Context &context, const std::string &origin, bool force)
{
	const std::string doing = "detach " + origin;
	const Result<AttachSituation> now = inspect(context, origin);
	if (!now)
		return Error(now.error()).within(doing);

	if (now->state == AttachState::Plain || now->state == AttachState::HalfAttached) {
		if (Result<> done = clearOurInactiveTable(context, *now); !done)
			return std::move(done).error().within(doing);
		if (Result<> done = removeUnderlying(context, *now); !done)
			return std::move(done).error().within(doing);
		return {};
	}

	context.say(doing);
	if (now->state == AttachState::Attached) {
		Result<std::string> answer =
			dm::storeMessage(context.dm, now->store, dm::detachMessage(origin, force));
		if (!answer) {
			Error error = std::move(answer).error().within(doing);
			if (error.errnum() == EBUSY && !force)
				return std::move(error).advise(
					"Delete the snapshots that contain it first, or give "
					"--force to make them invalid.");
			return error;
		}
		step("detached in the store");
	}
	const Result<dm::Table> table = tableWithoutUs(context, *now);
	if (!table)
		return Error(table.error()).within(doing);
	if (Result<> done = swapTable(context, *now, *table); !done)
		return std::move(done).error().within(doing);
	if (Result<> done = removeUnderlying(context, *now); !done)
		return std::move(done).error().within(doing);
	return {};
}

} // namespace snapdiff::ops
