// SPDX-License-Identifier: GPL-2.0-or-later
// What lvm must leave alone: not only origins, also what lies on them in ways that sysfs does not
// show as holders.

#include "dm/device_mapper.h"
#include "lvm/unread.h"
#include "support/command.h"
#include "support/loop_device.h"
#include "support/stack.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <vector>

using namespace snapdiff;
using namespace snapdiff::lab;

namespace {

class MountedAt
{
public:
	MountedAt(const std::string &device, std::string folder) : folder_(std::move(folder))
	{
		mkdir(folder_.c_str(), 0755);
		runCommand("mkfs.ext4 -q " + device + " && mount " + device + " " + folder_);
	}
	~MountedAt() { EXPECT_EQ(umount(folder_.c_str()), 0) << errno; }
	MountedAt(const MountedAt &) = delete;
	MountedAt &operator=(const MountedAt &) = delete;

	std::string file(const std::string &name) const { return folder_ + "/" + name; }

private:
	std::string folder_;
};

} // namespace

TEST(Unread, LoopDevicesOnFilesOfAnOriginAndTheirPartitionsAreLeftAlone)
{
	constexpr uint64_t bytes = 8 * mib * sectorSize;
	const Disk below(0, 48 * mib);
	const Disk range(1, 48 * mib);
	Store store({.chunk = 8}, {rangeWords(range)});
	Origin origin(store, "a", below);
	const MountedAt mounted(origin.path(), "/run/on-origin");
	const LoopDevice onOrigin(mounted.file("disk"), bytes, sectorSize);
	const LoopDevice beside(bytes, sectorSize);
	const std::string partOnOrigin = onOrigin.addPartition(mib, mib);
	const std::string partBeside = beside.addPartition(mib, mib);

	dm::LibDeviceMapper dm;
	const auto names = lvm::namesOnOrigins(dm);
	ASSERT_TRUE(names) << names.error().message();
	const auto isLeftAlone = [&](const std::string &name) {
		return std::ranges::find(*names, name) != names->end();
	};
	EXPECT_TRUE(isLeftAlone(origin.path()));
	EXPECT_TRUE(isLeftAlone(onOrigin.path()));
	EXPECT_TRUE(isLeftAlone(partOnOrigin));
	EXPECT_FALSE(isLeftAlone(beside.path()));
	EXPECT_FALSE(isLeftAlone(partBeside));
	EXPECT_FALSE(isLeftAlone(range.path()));
}
