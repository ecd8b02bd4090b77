// SPDX-License-Identifier: GPL-2.0-or-later
//
// Mount: mounts images read-only, without devices, programs and recovery.

#include "ops/mount.h"

#include "probe/mounts.h"
#include "probe/probe.h"
#include "util/text.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <sys/mount.h>
#include <unistd.h>

namespace snapdiff::ops {

static constexpr std::string_view ownFolder = "/run/snapdiff";

Result<std::string> imageMountOptions(std::string_view type)
{
	// An image cannot be written, so a journal can be neither replayed nor needed:
	// the take froze the file system.  xfs refuses a UUID that is mounted already.
	constexpr std::array<std::pair<std::string_view, std::string_view>, 13> known = {{
		{"ext2", ""},
		{"ext3", "noload"},
		{"ext4", "noload"},
		{"xfs", "norecovery,nouuid"},
		{"f2fs", "norecovery"},
		{"jfs", ""},
		{"vfat", ""},
		{"exfat", ""},
		{"ntfs3", ""},
		{"iso9660", ""},
		{"squashfs", ""},
		{"erofs", ""},
		{"udf", ""},
	}};

	const std::string doing = fmt::format("mount {}", printable(type));
	for (const auto &[name, options] : known) {
		if (name == type)
			return std::string(options);
	}
	if (type == "btrfs")
		return Error(ENOTSUP, doing,
			     "btrfs cannot tell an image from its origin, both have one UUID")
			.advise("Read the image's block device, or look at it in a virtual "
				"machine.");
	return Error(ENOTSUP, doing, "nobody has tried this kind of file system on an image")
		.advise("Mount the image's block device by hand, with ro,nosuid,nodev,noexec and "
			"no "
			"recovery.");
}

std::string defaultMountPoint(std::string_view snapshot, std::string_view origin)
{
	return fmt::format("{}/{}/{}", ownFolder, snapshot, origin);
}

static Result<std::string> fileSystemOf(const model::Image &image)
{
	const std::string doing = "mount " + image.path();
	Result<probe::Content> content = probe::contentOf(image.path());
	if (!content)
		return std::move(content).error().within(doing);
	if (content->usage == "filesystem")
		return content->type;
	if (content->empty())
		return Error(EINVAL, doing, "it holds no file system");
	Error error(EINVAL, doing, fmt::format("it holds no file system but {}", content->type));
	if (content->type == "gpt" || content->type == "dos")
		return std::move(error).advise(
			fmt::format("It is a whole disk: \"kpartx -ar {}\" shows its partitions.",
				    image.path()));
	return error;
}

Result<Mounted> mountImage(Context &context, const model::Image &image, const std::string &target)
{
	constexpr unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	const std::string doing = fmt::format("mount {} on {}", image.path(), printable(target));
	if (image.state == dm::SnapshotState::Invalid)
		return Error(EIO, doing,
			     fmt::format("the snapshot is invalid ({})", dm::word(image.cause)))
			.advise("Its data is lost; delete it and take a new one.");
	Result<std::string> type = fileSystemOf(image);
	if (!type)
		return std::move(type).error();
	Result<std::string> options = imageMountOptions(*type);
	if (!options)
		return std::move(options).error().within(doing);

	std::error_code error;
	std::filesystem::create_directories(target, error);
	if (error)
		return Error(error.value(), "make the directory " + printable(target));
	context.say(doing);
	if (mount(image.path().c_str(), target.c_str(), type->c_str(), flags, options->c_str()) < 0)
		return Error(errno, doing)
			.advise("The kernel log (dmesg) says more. A snapshot taken with "
				"--no-freeze may need recovery, which an image does not allow.");
	Mounted mounted;
	mounted.target = target;
	mounted.type = *type;
	mounted.options = "ro,nosuid,nodev,noexec" + (options->empty() ? "" : "," + *options);
	return mounted;
}

Result<std::vector<std::string>> unmountImage(Context &context, const model::Image &image)
{
	Result<std::vector<probe::Mount>> mounts = probe::mounts();
	if (!mounts)
		return std::move(mounts).error();

	std::vector<std::string> unmounted;
	for (auto mount = mounts->rbegin(); mount != mounts->rend(); ++mount) {
		if (mount->number != image.number)
			continue;
		context.say("unmounting " + mount->target);
		if (umount2(mount->target.c_str(), UMOUNT_NOFOLLOW) < 0)
			return Error(errno, "unmount " + printable(mount->target))
				.advise(fmt::format("\"fuser -vm {}\" shows who uses it.",
						    printable(mount->target)));
		// Only directories that mountImage() made by default, and only empty ones.
		if (mount->target.starts_with(std::string(ownFolder) + "/")) {
			(void)rmdir(mount->target.c_str());
			const std::filesystem::path path(mount->target);
			(void)rmdir(path.parent_path().c_str());
		}
		unmounted.push_back(mount->target);
	}
	return unmounted;
}

} // namespace snapdiff::ops
