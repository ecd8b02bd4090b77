// SPDX-License-Identifier: GPL-2.0-or-later
//
// DeviceMapper: what is built from its calls, whoever carries them out.

#include "dm/device_mapper.h"

#include "dm-snapdiff.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

namespace snapdiff::dm {

Result<std::string> storeMessage(DeviceMapper &dm, const std::string &store,
				 const std::string &text)
{
	Result<std::string> answer = dm.message(store, text);
	if (answer)
		return answer;

	Error error = std::move(answer).error();
	// Without a device there is nobody to ask, and the question would be refused too.
	if (error.kind() == ErrorKind::NoModule || error.kind() == ErrorKind::NotPermitted)
		return error;
	const Result<std::string> reason = dm.message(store, "why");
	if (!reason || reason->empty() || *reason == "-")
		return error;
	return Error(error.errnum(), error.doing(), *reason).advise(error.next());
}

Result<std::vector<Device>> devicesOfTarget(DeviceMapper &dm, std::string_view target)
{
	Result<std::vector<Device>> all = dm.devices();
	if (!all)
		return all;

	std::vector<Device> found;
	for (Device &device : *all) {
		const Result<Table> table = dm.table(device.name);
		// It went away meanwhile; that is no failure of ours.
		if (!table && table.error().errnum() == ENXIO)
			continue;
		if (!table)
			return table.error();
		if (!table->empty() && table->front().target == target)
			found.push_back(std::move(device));
	}
	return found;
}

Result<> requireModule(DeviceMapper &dm)
{
	constexpr std::array<const char *, 3> targets = {
		SNAPDIFF_TARGET_STORE, SNAPDIFF_TARGET_ORIGIN, SNAPDIFF_TARGET_IMAGE};
	const std::string doing = "kernel module dm-snapdiff";

	for (const char *target : targets) {
		Result<std::optional<TargetVersion>> version = dm.targetVersion(target);
		if (!version)
			return std::move(version).error();
		if (!*version)
			return Error(ENODEV, doing, "not loaded")
				.as(ErrorKind::NoModule)
				.advise("Load it with \"modprobe dm-snapdiff\".");
		if ((*version)->major != SNAPDIFF_VERSION_MAJOR)
			return Error(EPROTO, doing,
				     fmt::format("its target {} has version {}.{}.{}, this program "
						 "needs {}.x",
						 target, (*version)->major, (*version)->minor,
						 (*version)->patch, SNAPDIFF_VERSION_MAJOR))
				.as(ErrorKind::NoModule)
				.advise("Install the module and the programs of one release, then "
					"load the module anew.");
	}
	return {};
}

std::string devicePath(std::string_view name)
{
	return fmt::format("/dev/mapper/{}", name);
}

} // namespace snapdiff::dm
