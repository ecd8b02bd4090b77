// SPDX-License-Identifier: GPL-2.0-or-later
//
// Probe: what is on a block device, and is it free?  The only file that includes libblkid.

#include "probe/probe.h"

#include "probe/users.h"
#include "util/fd.h"
#include "util/text.h"

#include <blkid/blkid.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <set>

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

namespace snapdiff::probe {

namespace fs = std::filesystem;

static fs::path sysfsOf(dm::DeviceNumber number)
{
	return fs::path("/sys/dev/block") / number.text();
}

static std::string readWord(const fs::path &path)
{
	const Result<std::string> text = readFile(path);
	return text ? std::string(trimmed(*text)) : std::string();
}

Result<BlockDevice> blockDevice(const std::string &path)
{
	const std::string doing = "look at " + printable(path);
	struct stat info = {};
	if (stat(path.c_str(), &info) < 0)
		return Error(errno, doing);
	if (!S_ISBLK(info.st_mode))
		return Error(ENOTBLK, doing, "not a block device");
	Result<BlockDevice> device = blockDevice(dm::DeviceNumber::from(info.st_rdev));
	if (device)
		device->path = path;
	return device;
}

Result<BlockDevice> blockDevice(dm::DeviceNumber number)
{
	const std::string doing = "look at device " + number.text();
	std::error_code error;
	const fs::path folder = fs::canonical(sysfsOf(number), error);
	if (error)
		return Error(ENXIO, doing, "no such device");

	BlockDevice device;
	device.number = number;
	device.kernelName = folder.filename();
	device.path = "/dev/" + device.kernelName;
	device.dmName = readWord(folder / "dm" / "name");
	device.readOnly = readWord(folder / "ro") == "1";
	const std::optional<uint64_t> sectors = parseNumber(readWord(folder / "size"));
	if (!sectors)
		return Error(EPROTO, doing, "sysfs does not say its size");
	device.sizeBytes = *sectors * 512;
	// A partition has its disk's queue.
	std::string block = readWord(folder / "queue" / "logical_block_size");
	if (block.empty())
		block = readWord(folder.parent_path() / "queue" / "logical_block_size");
	device.logicalBlockBytes = static_cast<unsigned>(parseNumber(block).value_or(512));
	return device;
}

static std::string valueOf(blkid_probe probe, const char *name)
{
	const char *value = nullptr;
	if (blkid_probe_lookup_value(probe, name, &value, nullptr) < 0 || !value)
		return {};
	return value;
}

struct EndProbe
{
	void operator()(blkid_probe probe) const { blkid_free_probe(probe); }
};

using Probe = std::unique_ptr<std::remove_pointer_t<blkid_probe>, EndProbe>;

Result<> wipeSignatures(int fd)
{
	constexpr int most = 64; // a device does not have more

	const Probe probe(blkid_new_probe());
	if (!probe || blkid_probe_set_device(probe.get(), fd, 0, 0) < 0)
		return Error(errno ? errno : ENOMEM, "look for signatures");
	blkid_probe_enable_superblocks(probe.get(), 1);
	blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_MAGIC | BLKID_SUBLKS_TYPE |
							       BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(probe.get(), 1);
	blkid_probe_set_partitions_flags(probe.get(), BLKID_PARTS_MAGIC);
	for (int i = 0; i < most && blkid_do_probe(probe.get()) == 0; i++) {
		errno = 0;
		if (blkid_do_wipe(probe.get(), 0) < 0)
			return Error(errno ? errno : EIO, "wipe signatures");
	}
	return {};
}

Result<Content> contentOf(const std::string &path)
{
	constexpr int ambiguous = -2;

	const std::string doing = "see what is on " + printable(path);
	Result<Fd> fd = Fd::open(path, O_RDONLY);
	if (!fd)
		return std::move(fd).error().within(doing);
	const Probe probe(blkid_new_probe());
	if (!probe || blkid_probe_set_device(probe.get(), fd->get(), 0, 0) < 0)
		return Error(errno ? errno : ENOMEM, doing);
	blkid_probe_enable_superblocks(probe.get(), 1);
	blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE |
							       BLKID_SUBLKS_LABEL |
							       BLKID_SUBLKS_UUID);
	blkid_probe_enable_partitions(probe.get(), 1);

	errno = 0;
	const int found = blkid_do_safeprobe(probe.get());
	if (found == ambiguous)
		return Error(EEXIST, doing, "it holds more than one thing");
	if (found < 0)
		return Error(errno ? errno : EIO, doing);
	Content content;
	if (found > 0)
		return content;
	content.usage = valueOf(probe.get(), "USAGE");
	content.type = valueOf(probe.get(), "TYPE");
	content.label = printable(valueOf(probe.get(), "LABEL"));
	content.uuid = valueOf(probe.get(), "UUID");
	if (content.type.empty()) {
		content.type = valueOf(probe.get(), "PTTYPE");
		content.usage = content.type.empty() ? "" : "other";
	}
	return content;
}

static Result<std::vector<dm::DeviceNumber>> numbersIn(dm::DeviceNumber number, const char *what)
{
	std::vector<dm::DeviceNumber> found;
	std::error_code error;
	fs::directory_iterator entry(sysfsOf(number) / what, error);
	// Partitions have no such folder on some kernels; a device that is gone neither.
	if (error == std::errc::no_such_file_or_directory)
		return found;
	for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
		const std::string text = readWord(entry->path() / "dev");
		if (const auto other = dm::DeviceNumber::parse(text))
			found.push_back(*other);
	}
	if (error)
		return Error(error.value(), fmt::format("read {} of {}", what, number.text()));
	std::sort(found.begin(), found.end());
	return found;
}

Result<std::vector<dm::DeviceNumber>> holdersOf(dm::DeviceNumber number)
{
	return numbersIn(number, "holders");
}

Result<std::vector<dm::DeviceNumber>> slavesOf(dm::DeviceNumber number)
{
	return numbersIn(number, "slaves");
}

Result<std::vector<dm::DeviceNumber>> partitionsOf(dm::DeviceNumber number)
{
	std::vector<dm::DeviceNumber> found;
	std::error_code error;
	fs::directory_iterator entry(sysfsOf(number), error);
	for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
		std::error_code none;
		if (!fs::exists(entry->path() / "partition", none))
			continue;
		if (const auto part = dm::DeviceNumber::parse(readWord(entry->path() / "dev")))
			found.push_back(*part);
	}
	// A device that is gone has none.
	if (error && error != std::errc::no_such_file_or_directory)
		return Error(error.value(), "read the partitions of " + number.text());
	std::sort(found.begin(), found.end());
	return found;
}

std::vector<LoopDevice> loopDevices()
{
	std::vector<LoopDevice> found;
	std::error_code error;
	fs::directory_iterator entry("/sys/block", error);
	for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
		std::error_code none;
		if (!fs::exists(entry->path() / "loop" / "backing_file", none))
			continue;
		const auto number = dm::DeviceNumber::parse(readWord(entry->path() / "dev"));
		const std::string path = "/dev/" + entry->path().filename().string();
		const Fd loop(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
		loop_info64 info = {};
		// Not set up any more, or not to be had: then lvm cannot read it either.
		if (!number || !loop.valid() || ioctl(loop.get(), LOOP_GET_STATUS64, &info) < 0)
			continue;
		found.push_back({*number, {major(info.lo_device), minor(info.lo_device)}});
	}
	return found;
}

// The disk of a partition, or the device itself.
static dm::DeviceNumber wholeDisk(dm::DeviceNumber number)
{
	std::error_code error;
	const fs::path folder = fs::canonical(sysfsOf(number), error);
	if (error || !fs::exists(folder / "partition", error))
		return number;
	return dm::DeviceNumber::parse(readWord(folder.parent_path() / "dev")).value_or(number);
}

static Result<> collectDisks(dm::DeviceNumber number, std::set<dm::DeviceNumber> &seen,
			     std::set<dm::DeviceNumber> &disks)
{
	if (!seen.insert(number).second)
		return {};
	const dm::DeviceNumber whole = wholeDisk(number);
	if (whole != number)
		return collectDisks(whole, seen, disks);
	const Result<std::vector<dm::DeviceNumber>> slaves = slavesOf(number);
	if (!slaves)
		return slaves.error();
	if (slaves->empty())
		disks.insert(number);
	for (const dm::DeviceNumber &slave : *slaves) {
		if (Result<> done = collectDisks(slave, seen, disks); !done)
			return done;
	}
	return {};
}

Result<std::vector<dm::DeviceNumber>> disksOf(dm::DeviceNumber number)
{
	std::set<dm::DeviceNumber> seen;
	std::set<dm::DeviceNumber> disks;
	if (Result<> done = collectDisks(number, seen, disks); !done)
		return std::move(done).error();
	return std::vector<dm::DeviceNumber>(disks.begin(), disks.end());
}

static std::string article(std::string_view word)
{
	constexpr std::string_view vowels = "aeioAEIO";
	return word.empty() || vowels.find(word[0]) == vowels.npos ? "a" : "an";
}

std::optional<std::string> describeContent(const std::string &path)
{
	const Result<Content> content = contentOf(path);
	if (!content)
		return "cannot be looked into: " + content.error().why();
	if (content->usage == "filesystem")
		return fmt::format("holds {} {} file system", article(content->type),
				   content->type);
	if (!content->empty())
		return fmt::format("holds {} signature", content->type);
	return std::nullopt;
}

Result<std::vector<std::string>> reasonsAgainstUse(const std::string &path)
{
	Result<BlockDevice> device = blockDevice(path);
	if (!device)
		return std::move(device).error();

	Result<std::vector<std::string>> used = usersOf(*device);
	if (!used)
		return used;
	std::vector<std::string> reasons = std::move(*used);
	if (device->readOnly)
		reasons.insert(reasons.begin(), "is read-only");
	// What is in use may not even be opened, and its content says nothing new.
	if (!reasons.empty())
		return reasons;
	// O_EXCL finds users that sysfs does not show (a loop device's, md's).
	if (const Result<Fd> exclusive = Fd::open(path, O_RDONLY | O_EXCL); !exclusive)
		reasons.push_back(exclusive.error().errnum() == EBUSY
					  ? "is in use"
					  : "cannot be opened: " + exclusive.error().why());
	else if (std::optional<std::string> content = describeContent(path))
		reasons.push_back(std::move(*content));
	return reasons;
}

} // namespace snapdiff::probe
