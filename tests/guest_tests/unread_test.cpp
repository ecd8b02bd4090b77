// SPDX-License-Identifier: GPL-2.0-or-later
// What lvm must leave alone: not only origins, also what lies on them in ways that sysfs does not
// show as holders.

#include "dm/device_mapper.h"
#include "lvm/unread.h"
#include "support/stack.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/blkpg.h>
#include <stdexcept>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

using namespace snapdiff;
using namespace snapdiff::lab;

namespace {

constexpr uint64_t mibSectors = 2048;

// The first line that a program prints; throws if it fails.
std::string lineOf(const std::string &command)
{
	std::array<char, 256> line = {};
	FILE *pipe = popen(command.c_str(), "r");
	if (!pipe)
		throw std::runtime_error(command);
	std::string text = fgets(line.data(), line.size(), pipe) ? line.data() : "";
	if (pclose(pipe))
		throw std::runtime_error(command + ": " + text);
	while (text.ends_with('\n'))
		text.pop_back();
	return text;
}

class LoopOnFile
{
public:
	explicit LoopOnFile(const std::string &file)
		: path_(lineOf("modprobe loop && truncate -s 8M " + file +
			       " && losetup -fP --show " + file))
	{
	}
	~LoopOnFile() { lineOf("losetup -d " + path_ + " && echo done"); }
	LoopOnFile(const LoopOnFile &) = delete;
	LoopOnFile &operator=(const LoopOnFile &) = delete;

	const std::string &path() const { return path_; }

private:
	std::string path_;
};

// A partition, without a table on the disk that says so.
void addPartition(const std::string &disk)
{
	blkpg_partition part = {};
	part.start = mibSectors * 512;
	part.length = mibSectors * 512;
	part.pno = 1;
	blkpg_ioctl_arg request = {BLKPG_ADD_PARTITION, 0, sizeof(part), &part};
	const int fd = open(disk.c_str(), O_RDONLY | O_CLOEXEC);
	const int failed = ioctl(fd, BLKPG, &request);
	close(fd);
	if (failed)
		throw std::runtime_error("no partition of " + disk);
}

class MountedAt
{
public:
	MountedAt(const std::string &device, std::string folder) : folder_(std::move(folder))
	{
		mkdir(folder_.c_str(), 0755);
		lineOf("mkfs.ext4 -q " + device + " && mount " + device + " " + folder_);
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
	const Disk below(0, 48 * mibSectors);
	const Disk range(1, 48 * mibSectors);
	Store store({.chunk = 8}, {rangeWords(range)});
	Origin origin(store, "a", below);
	const MountedAt mounted(origin.path(), "/run/on-origin");
	const LoopOnFile onOrigin(mounted.file("disk"));
	const LoopOnFile beside("/tmp/beside");
	addPartition(onOrigin.path());
	addPartition(beside.path());

	dm::LibDeviceMapper dm;
	const auto names = lvm::namesOnOrigins(dm);
	ASSERT_TRUE(names) << names.error().message();
	const auto isLeftAlone = [&](const std::string &name) {
		return std::ranges::find(*names, name) != names->end();
	};
	EXPECT_TRUE(isLeftAlone(origin.path()));
	EXPECT_TRUE(isLeftAlone(onOrigin.path()));
	EXPECT_TRUE(isLeftAlone(onOrigin.path() + "p1"));
	EXPECT_FALSE(isLeftAlone(beside.path()));
	EXPECT_FALSE(isLeftAlone(beside.path() + "p1"));
	EXPECT_FALSE(isLeftAlone(range.path()));
}
