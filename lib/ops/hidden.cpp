// SPDX-License-Identifier: GPL-2.0-or-later
//
// Hidden: devices that show an origin's content a second time are kept from LVM.

#include "ops/hidden.h"

#include "probe/probe.h"

#include <cerrno>

namespace snapdiff::ops {

static constexpr const char *filterAdvice =
	"LVM scans all devices that its configuration does not exclude. Exclude those of snapdiff "
	"in section \"devices\" of /etc/lvm/lvm.conf:\n"
	R"(	global_filter = [ "r|^/dev/mapper/snapdiff-origin-|", "r|^/dev/mapper/[^/]*@|" ])";

Result<> checkUnseenByLvm(Context &context, const std::string &name)
{
	// What cannot be read holds no label that LVM could read.
	const Result<probe::Content> content = probe::contentOf(dm::devicePath(name));
	if (!content || content->type != "LVM2_member")
		return {};
	const Result<dm::DeviceInfo> info = context.dm.info(name);
	if (!info)
		return info.error();
	const Result<bool> seen = context.lvm.scans(info->number);
	if (!seen)
		return seen.error();
	if (!*seen)
		return {};
	return Error(ENOTUNIQ, "hide " + name + " from LVM",
		     "it holds a physical volume, which LVM would find twice")
		.advise(filterAdvice);
}

} // namespace snapdiff::ops
