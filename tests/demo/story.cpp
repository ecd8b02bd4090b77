// SPDX-License-Identifier: GPL-2.0-or-later
#include "story.h"

#include "console.h"
#include "dm/device_mapper.h"
#include "trouble.h"
#include "util/units.h"

#include "dm-snapdiff.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <sstream>
#include <thread>
#include <utility>

#include <sys/mount.h>

namespace snapdiff::demo {

namespace {

constexpr const char *store = "demo";
constexpr const char *snapshot = "monday";
constexpr const char *recordFile = "records";
constexpr uint64_t oldBytes = 64U << 20; // of files on each volume, before the take

// What issue and README promise.
constexpr uint64_t wantedStart = 32U << 20;
constexpr uint64_t wantedCopies = 512U << 20;
constexpr uint64_t wantedExtensions = 10;
constexpr uint64_t wantedPerGroup = 3;
constexpr size_t wantedChecks = 24;

std::string milliseconds(uint64_t microseconds)
{
	char text[32];
	std::snprintf(text, sizeof(text), "%.1f ms", static_cast<double>(microseconds) / 1000);
	return text;
}

std::string listed(const std::vector<std::string> &lines)
{
	if (lines.empty())
		return "nothing";
	return counted(lines.size(), "line") + ", the first: " + lines.front();
}

std::string seen(const FileFindings &found)
{
	std::string text = std::to_string(found.matching) + " of " + counted(found.files, "file") +
			   ", " + mib(found.bytes);
	if (!found.firstWrong.empty())
		text += "; " + found.firstWrong;
	return text;
}

std::string recordsOn(const Volume &volume)
{
	return volume.mountPoint + "/" + recordFile;
}

std::string times(const std::vector<Extension> &extensions)
{
	std::vector<uint64_t> sorted;
	for (const Extension &extension : extensions)
		sorted.push_back(extension.microseconds);
	if (sorted.empty())
		return "none";
	std::sort(sorted.begin(), sorted.end());
	return "median " + milliseconds(sorted[sorted.size() / 2]) + ", longest " +
	       milliseconds(sorted.back());
}

} // namespace

int Story::tell()
{
	std::string trouble;
	try {
		makeMachine();
		startService();
		use();
		attachLive();
		writeBefore();
		take();
		mountImages();
		lookAtRecords();
		lookAtImages("right after the take");
		rewriteAll();
		lookAtImages("after everything was rewritten");
		lookAtLive();
		takeApart();
		judgeLeftovers();
		endService();
		judgeKernelLog();
	} catch (const std::exception &problem) {
		trouble = problem.what();
	}
	return verdict_.conclude(wantedChecks, trouble, results_ + "/verdict");
}

void Story::makeMachine()
{
	heading("Three disks, two volume groups, two volumes");
	volumes_ = makeVolumes();
}

void Story::startService()
{
	heading("snapdiffd, and the desktop monitor with nothing attached");
	service_ = std::make_unique<Service>(results_);
	say("snapdiffd answers on D-Bus");
	beginPicture("1-before.png");
}

void Story::beginPicture(const std::string &name)
{
	picture_ = std::make_unique<Picture>(results_, name);
}

// No picture was begun: that is wrong, too.
void Story::judgePicture(const std::string &name)
{
	const std::string wrong = picture_ ? picture_->finish() : "the time for it never came";
	verdict_.check(wrong.empty(), "snapdiff-gui shows it (" + name + ")",
		       wrong.empty() ? "written" : wrong);
	picture_.reset();
}

void Story::use()
{
	heading("Both are mounted and in use");
	mountVolumes(volumes_);
	writer_ = std::make_unique<RecordWriter>(recordsOn(volumes_[0]), recordsOn(volumes_[1]));
	say("a writer appends records: odd numbers to " + recordsOn(volumes_[0]) +
	    ", even ones to " + recordsOn(volumes_[1]));
	say("each is fsynced before the next, on the other volume, is written");
	judgePicture("1-before.png");
}

void Story::attachLive()
{
	heading("Attach both, mounted as they are");
	const uint64_t recordsBefore = writer_->acknowledged();
	show({"snapdiff", "attach", "--store", store, "--vg", volumes_[0].vg, "--size", "32MiB",
	      volumes_[0].fullName(), volumes_[1].fullName()});
	const uint64_t between = writer_->acknowledged() - recordsBefore;

	verdict_.check(isMounted(volumes_[0]) && isMounted(volumes_[1]) && between > 0,
		       "attached without unmounting, the writer went on",
		       counted(between, "record") + " meanwhile");
	const StoreView view = viewOf(store);
	verdict_.check(view.capacityBytes == wantedStart, "the store begins with 32 MiB",
		       mib(view.capacityBytes));
}

void Story::writeBefore()
{
	heading("Files are written and hashed");
	const auto onSecond = [&] {
		return writeFiles(volumes_[1].mountPoint, "files", oldBytes, 2);
	};
	std::future<KnownFiles> second = std::async(std::launch::async, onSecond);
	before_[0] = writeFiles(volumes_[0].mountPoint, "files", oldBytes, 1);
	before_[1] = second.get();
	for (size_t i = 0; i < volumes_.size(); i++) {
		say(volumes_[i].fullName() + ": " + counted(before_[i].size(), "file") + ", " +
		    mib(bytesIn(before_[i])));
	}
	const Reserve reserve = service_->waitForReserve();
	say("snapdiffd has " + counted(reserve.ranges, "range") + " in reserve, " +
	    mib(bytesOf(reserve.sectors)));
}

void Story::take()
{
	heading("One snapshot of both, while the writer appends");
	copiedBefore_ = viewOf(store).copiedBytes;
	takeBegan_ = nowNs();
	show({"snapdiff", "take", "--name", snapshot, volumes_[0].fullName(),
	      volumes_[1].fullName()});
	takeEnded_ = nowNs();
	monitor_ = std::make_unique<Monitor>(store);

	// It has to write on for a while, or nothing could be too new.
	const uint64_t newest = writer_->acknowledged();
	while (writer_->acknowledged() < newest + 20)
		std::this_thread::sleep_for(std::chrono::milliseconds(20));
	writer_->stop();
	say("the writer stops after " + counted(writer_->acknowledged(), "record"));
}

void Story::mountImages()
{
	std::istringstream output(show({"snapdiff", "mount", snapshot}));
	size_t mounted = 0;
	for (std::string line; std::getline(output, line);)
		for (size_t i = 0; i < volumes_.size(); i++)
			if (line.ends_with("/" + volumes_[i].dmName())) {
				images_[i] = line;
				mounted++;
			}
	if (mounted != volumes_.size())
		throw Trouble("snapdiff mount did not say where the two images are");
}

void Story::lookAtRecords()
{
	heading("What the images hold");
	const RecordFindings found =
		findRecords(writer_->times(), images_[0] + "/" + recordFile,
			    images_[1] + "/" + recordFile, takeBegan_, takeEnded_);

	say("records in the images: " + std::to_string(found.onA) + " and " +
	    std::to_string(found.onB) + ", the newest is number " + std::to_string(found.newest) +
	    "; " + counted(found.undecided, "record was", "records were") +
	    " under way during the command");
	verdict_.check(found.missing == 0 && found.malformed == 0 && found.acknowledgedBefore > 0,
		       "every record acknowledged before the take is there",
		       std::to_string(found.acknowledgedBefore - found.missing) + " of " +
			       std::to_string(found.acknowledgedBefore) + ", " +
			       std::to_string(found.malformed) + " malformed");
	verdict_.check(found.late == 0 && found.newest < writer_->times().size(),
		       "none issued after it is",
		       std::to_string(found.late) + " of " +
			       std::to_string(writer_->times().size() - found.newest) +
			       " written later");
	verdict_.check(found.torn == 0 && found.onA > 0 && found.onB > 0,
		       "no record without its predecessor on the other volume",
		       std::to_string(found.torn) + " (" + std::to_string(found.tornOnB) +
			       " of them on B)");
}

void Story::lookAtImages(const std::string &when)
{
	lookAtFiles(images_, before_, "image of ", " " + when);
}

void Story::rewriteAll()
{
	heading("Both volumes are rewritten completely");
	Rewrite first(volumes_[0].mountPoint, before_[0], 1000);
	Rewrite second(volumes_[1].mountPoint, before_[1], 2000);
	followRewrite(first, second);
	after_[0] = first.finish();
	after_[1] = second.finish();
	judgeRewrite();

	// Read anew, from the devices.
	show({"snapdiff", "umount", snapshot});
	mountImages();
}

void Story::followRewrite(Rewrite &first, Rewrite &second)
{
	double nextLine = 0;

	while (!first.done() || !second.done()) {
		const StoreView view = viewOf(store);
		const std::vector<Extension> extensions = service_->bus().extensions();
		for (; extensionsShown_ < extensions.size(); extensionsShown_++) {
			const Extension &extension = extensions[extensionsShown_];
			say("  + " + extension.device + ", " + mib(bytesOf(extension.sectors)) +
			    ", " + milliseconds(extension.microseconds) + " after the event");
		}
		if (elapsed() >= nextLine) {
			const Watched watched = monitor_->watched();
			say("written " + mib(first.writtenBytes() + second.writtenBytes()) +
			    ", copied " + mib(view.copiedBytes - copiedBefore_) + ", store " +
			    mib(view.usedBytes) + " of " + mib(view.capacityBytes) +
			    ", held writes " + std::to_string(watched.heldEver));
			nextLine = elapsed() + 3;
		}
		if (!picture_ && view.copiedBytes - copiedBefore_ > wantedCopies / 2)
			beginPicture("2-during.png");
		std::this_thread::sleep_for(std::chrono::milliseconds(500));
	}
	judgePicture("2-during.png");
}

void Story::judgeRewrite()
{
	monitor_->stop();
	const Watched watched = monitor_->watched();
	const StoreView view = viewOf(store);
	const uint64_t copied = view.copiedBytes - copiedBefore_;
	const std::vector<Extension> extensions = service_->bus().extensions();
	std::map<std::string, uint64_t> perGroup;
	uint64_t shortages = 0;

	for (const Extension &extension : extensions)
		perGroup[extension.supply]++;
	for (const DaemonEvent &event : service_->bus().events())
		shortages += event.kind == "held" || event.kind == "full";

	verdict_.check(copied >= wantedCopies, "at least 512 MiB were copied", mib(copied));
	// The first range was there from the beginning.
	verdict_.check(extensions.size() >= wantedExtensions && view.ranges > wantedExtensions,
		       "at least 10 extensions",
		       std::to_string(extensions.size()) + " by snapdiffd; the store has " +
			       counted(view.ranges, "range") + ", " + mib(view.capacityBytes));
	const uint64_t fewest = std::min(perGroup[volumes_[0].vg], perGroup[volumes_[1].vg]);
	verdict_.check(fewest >= wantedPerGroup, "at least 3 of them from each volume group",
		       std::to_string(perGroup[volumes_[0].vg]) + " from " + volumes_[0].vg + ", " +
			       std::to_string(perGroup[volumes_[1].vg]) + " from " +
			       volumes_[1].vg);
	say("event to extension, as snapdiffd measured it: " + times(extensions));
	verdict_.check(watched.heldEver == 0 && watched.otherModes == 0 && shortages == 0,
		       "no write was held",
		       std::to_string(watched.heldEver) + " held, the store active at " +
			       std::to_string(watched.looks - watched.otherModes) + " of " +
			       counted(watched.looks, "look") + ", never less than " +
			       mib(watched.leastFreeBytes) + " free");
	verdict_.check(view.liveSnapshots == 1 && view.invalidSnapshots == 0 && view.badChunks == 0,
		       "the snapshot lives",
		       std::to_string(view.liveSnapshots) + " live, " +
			       std::to_string(view.invalidSnapshots) + " invalid, " +
			       counted(view.badChunks, "bad chunk"));
}

void Story::lookAtFiles(const std::string (&roots)[2], const KnownFiles (&files)[2],
			const std::string &prefix, const std::string &suffix)
{
	std::future<FileFindings> looks[2];
	for (size_t i = 0; i < volumes_.size(); i++)
		looks[i] = std::async(std::launch::async,
				      [&, i] { return compareFiles(roots[i], files[i]); });
	for (size_t i = 0; i < volumes_.size(); i++) {
		const FileFindings found = looks[i].get();
		verdict_.check(found.matching == found.files && found.files > 0,
			       prefix + volumes_[i].fullName() + suffix, seen(found));
	}
}

void Story::lookAtLive()
{
	lookAtFiles({volumes_[0].mountPoint, volumes_[1].mountPoint}, after_, "",
		    " holds the new data");
	std::string wrong;
	for (const Volume &volume : volumes_)
		if (const std::string elsewhere = linkByUuid(volume); !elsewhere.empty())
			wrong += " " + volume.fullName() + " leads to " + elsewhere;
	verdict_.check(wrong.empty(), "links by UUID lead to the volumes, not to images",
		       wrong.empty() ? "2 of 2" : wrong);
}

void Story::takeApart()
{
	heading("Everything is taken apart again");
	show({"snapdiff", "umount", snapshot});
	show({"snapdiff", "delete", "--yes", snapshot});
	show({"snapdiff", "detach", volumes_[0].fullName(), volumes_[1].fullName()});
	show({"snapdiff", "delete", "--yes", "--remove-store", store});
	beginPicture("3-after.png");
}

void Story::endService()
{
	judgePicture("3-after.png");
	const int status = service_->end();
	verdict_.check(status == 0, "snapdiffd ends when asked to",
		       "status " + std::to_string(status));
}

void Story::judgeLeftovers()
{
	std::string different, stillMounted, unclean;
	for (const Volume &volume : volumes_) {
		if (tableOf(volume.dmName()) != volume.table)
			different += " " + volume.fullName();
		if (!isMounted(volume))
			stillMounted += " " + volume.fullName();
	}
	dm::LibDeviceMapper dm;
	uint64_t ours = 0;
	for (const char *target :
	     {SNAPDIFF_TARGET_STORE, SNAPDIFF_TARGET_ORIGIN, SNAPDIFF_TARGET_IMAGE}) {
		const Result<std::vector<dm::Device>> devices = dm::devicesOfTarget(dm, target);
		if (!devices)
			throw Trouble(devices.error().message());
		ours += devices->size();
	}
	verdict_.check(different.empty() && stillMounted.empty() && ours == 0,
		       "plain volumes again, mounted all the time",
		       different.empty() && stillMounted.empty()
			       ? "tables as before, " + counted(ours, "device") + " of ours left"
			       : "different:" + different + "; not mounted:" + stillMounted);
	writer_.reset(); // its files were open all the time
	unmountVolumes(volumes_);
	for (const Volume &volume : volumes_)
		if (const std::string wrong = checkFileSystem(volume); !wrong.empty())
			unclean += " " + volume.fullName() + ": " + wrong;
	verdict_.check(unclean.empty(), "e2fsck and xfs_repair find nothing wrong",
		       unclean.empty() ? "2 of 2 clean" : unclean);
}

void Story::judgeKernelLog()
{
	const std::vector<std::string> warnings = log_.warnings();
	for (const std::string &line : warnings)
		say("kernel: " + line);
	verdict_.check(warnings.empty(), "the kernel log holds no warning", listed(warnings));
}

void Story::prepare()
{
	makeMachine();
	service_ = std::make_unique<Service>(results_);
	mountVolumes(volumes_);
	for (size_t i = 0; i < volumes_.size(); i++)
		writeFiles(volumes_[i].mountPoint, "files", 16U << 20, i + 1);
	service_->release();
}

} // namespace snapdiff::demo
