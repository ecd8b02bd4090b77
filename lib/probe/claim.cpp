// SPDX-License-Identifier: GPL-2.0-or-later
//
// Claim: takes a whole device for ourselves if it is proven that nobody uses it.

#include "probe/claim.h"

#include "probe/users.h"
#include "util/text.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

namespace snapdiff::probe {

namespace {

std::string joined(const std::vector<std::string> &reasons)
{
	std::string text;
	for (const std::string &reason : reasons)
		text += (text.empty() ? "it " : " and ") + reason;
	return text;
}

Error refusal(const std::string &doing, const std::vector<std::string> &reasons)
{
	return Error(EBUSY, doing, joined(reasons)).advise("Name a device that nothing uses.");
}

Result<> sameDevice(const Fd &fd, const BlockDevice &device, const std::string &doing)
{
	struct stat info = {};
	if (fstat(fd.get(), &info) < 0)
		return Error(errno, doing);
	if (!S_ISBLK(info.st_mode) || dm::DeviceNumber::from(info.st_rdev) != device.number)
		return Error(ESTALE, doing, "another device has its name now");
	return {};
}

// In use: by whom, as far as that can be seen.
Error inUse(const std::string &doing, const BlockDevice &device)
{
	const Result<std::vector<std::string>> users = usersOf(device);
	if (users && !users->empty())
		return refusal(doing, *users);
	return refusal(doing, {"is in use"});
}

} // namespace

Result<Claimed> claimUnused(const std::string &path)
{
	const std::string doing = "take " + printable(path) + " as a spare device";
	Result<BlockDevice> device = blockDevice(path);
	if (!device)
		return std::move(device).error();
	if (device->readOnly)
		return refusal(doing, {"is read-only"});

	Result<Fd> open = Fd::open(path, O_RDONLY);
	if (!open)
		return std::move(open).error().within(doing);
	const std::string same = "/proc/self/fd/" + std::to_string(open->get());
	Result<Fd> claim = Fd::open(same, O_RDONLY | O_EXCL);
	if (!claim && claim.error().errnum() == EBUSY)
		return inUse(doing, *device);
	if (!claim)
		return std::move(claim).error().within(doing);
	if (Result<> done = sameDevice(*claim, *device, doing); !done)
		return std::move(done).error();

	const Result<std::vector<std::string>> users = usersOf(*device);
	if (!users)
		return users.error();
	if (!users->empty())
		return refusal(doing, *users);
	if (const auto content = describeContent(same))
		return Error(EBUSY, doing, "it " + *content)
			.advise("If nobody needs what is there, \"wipefs -a " + printable(path) +
				"\" clears it.");
	return Claimed{std::move(*device), std::move(*open), std::move(*claim)};
}

} // namespace snapdiff::probe
