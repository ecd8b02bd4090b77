// SPDX-License-Identifier: GPL-2.0-or-later
// The world's reads and writes.

#include "life/life.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <optional>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

// A device of the world, open; or not, if it is not there.
class Opened
{
public:
	Opened(LifeDevice &device, int mode)
	{
		const std::shared_lock lock(device.use);
		if (!device.exists)
			return;
		const std::string path = "/dev/dm-" + std::to_string(device.minor);
		fd_ = open(path.c_str(), mode | O_DIRECT | O_CLOEXEC);
		if (fd_ < 0 && errno != ENXIO && errno != EBUSY)
			ADD_FAILURE() << "open " << path << ": " << strerror(errno);
	}
	~Opened()
	{
		if (fd_ >= 0)
			close(fd_);
	}
	Opened(const Opened &) = delete;
	Opened &operator=(const Opened &) = delete;

	explicit operator bool() const { return fd_ >= 0; }
	int fd() const { return fd_; }

private:
	int fd_ = -1;
};

Stretch anyStretch(Random &dice, uint64_t granules)
{
	const uint64_t longest = dice.oneIn(12) ? 400 : dice.oneIn(3) ? 32 : 3;
	const uint64_t first = dice.below(granules);
	return {first, dice.between(1, std::min(longest, granules - first))};
}

off_t byteOf(const Stretch &at)
{
	return static_cast<off_t>(at.first * granuleSectors * sectorSize);
}

int put(int fd, const Stretch &at, const Buffer &buffer, int flags)
{
	const iovec part = {const_cast<uint8_t *>(buffer.data()), buffer.bytes()};
	const ssize_t done = pwritev2(fd, &part, 1, byteOf(at), flags);
	if (done < 0)
		return errno;
	return static_cast<size_t>(done) == buffer.bytes() ? 0 : EAGAIN;
}

int get(int fd, const Stretch &at, Buffer &buffer)
{
	const ssize_t done = pread(fd, buffer.data(), buffer.bytes(), byteOf(at));
	if (done < 0)
		return errno;
	return static_cast<size_t>(done) == buffer.bytes() ? 0 : EIO;
}

int rangeIoctl(int fd, unsigned long request, const Stretch &at)
{
	constexpr uint64_t bytes = granuleSectors * sectorSize;
	uint64_t range[2] = {at.first * bytes, at.count * bytes};
	return ioctl(fd, request, range) ? errno : 0;
}

// A stretch of an origin that nobody else writes to.
class Claim
{
public:
	Claim(LiveData &data, const Stretch &at) : data_(data), at_(at), held_(data.claim(at)) {}
	~Claim()
	{
		if (held_)
			data_.release(at_);
	}
	Claim(const Claim &) = delete;
	Claim &operator=(const Claim &) = delete;

	explicit operator bool() const { return held_; }

private:
	LiveData &data_;
	Stretch at_;
	bool held_;
};

} // namespace

bool Life::write(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const Opened device(origin.device, O_RDWR);
	const Stretch at = anyStretch(dice, origin.data.granules());
	const std::shared_lock calm(origin.calm);
	const Claim claim(origin.data, at);
	if (!device || !claim)
		return false;
	const uint64_t number = origin.data.issue(at);
	const bool nowait = dice.oneIn(8);
	const int flags = (nowait ? RWF_NOWAIT : 0) | (dice.oneIn(6) ? RWF_DSYNC : 0);
	const int error = put(device.fd(), at, origin.data.contents(at, number), flags);
	if (!error)
		origin.data.complete(at, number);
	else if (!nowait || error != EAGAIN)
		ADD_FAILURE() << "write to " << origin.word << ": " << strerror(error);
	return !error;
}

bool Life::zero(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const Opened device(origin.device, O_RDWR);
	const Stretch at = anyStretch(dice, origin.data.granules());
	const std::shared_lock calm(origin.calm);
	const Claim claim(origin.data, at);
	if (!device || !claim)
		return false;
	const uint64_t number = origin.data.issueZero(at);
	const int error = rangeIoctl(device.fd(), BLKZEROOUT, at);
	if (!error)
		origin.data.complete(at, number);
	else
		ADD_FAILURE() << "write zeroes to " << origin.word << ": " << strerror(error);
	return !error;
}

bool Life::discard(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const Opened device(origin.device, O_RDWR);
	const Stretch at = anyStretch(dice, origin.data.granules());
	const std::shared_lock calm(origin.calm);
	const Claim claim(origin.data, at);
	if (!device || !claim)
		return false;
	origin.data.issueMaybeZero(at);
	const int error = rangeIoctl(device.fd(), BLKDISCARD, at);
	EXPECT_EQ(error, 0) << "discard on " << origin.word << ": " << strerror(error);
	return !error;
}

bool Life::readOrigin(Random &dice)
{
	LifeOrigin &origin = anyOrigin(dice);
	const Opened device(origin.device, O_RDONLY);
	if (!device)
		return false;
	const Stretch at = anyStretch(dice, origin.data.granules());
	Buffer held(at.count * granuleSectors);
	Bounds bounds;
	origin.data.noteLow(bounds);
	const int error = get(device.fd(), at, held);
	origin.data.noteHigh(bounds);
	EXPECT_EQ(error, 0) << "read of " << origin.word << ": " << strerror(error);
	if (error)
		return false;
	EXPECT_EQ(origin.data.fault(at, held.data(), bounds), "") << "origin " << origin.word;
	return true;
}

// One that is there, if the dice find it.
LifeImage &Life::someImage(Random &dice, bool writable)
{
	for (size_t tries = 0; tries < 2 * images_.size(); ++tries) {
		LifeImage &image = anyImage(dice);
		const std::shared_lock lock(image.device.use);
		const std::lock_guard inner(image.lock);
		if (image.device.exists && (image.overlay || !writable))
			return image;
	}
	return anyImage(dice);
}

void Life::ImageRead::addForks(const LifeImage &image, size_t from)
{
	for (size_t i = from; i < image.shown.size(); ++i)
		if (std::ranges::find(forks, image.shown[i]) == forks.end())
			forks.push_back(image.shown[i]);
}

bool Life::readImage(Random &dice)
{
	LifeImage &image = someImage(dice);
	const Opened device(image.device, O_RDONLY);
	if (!device)
		return false;
	ImageRead read(anyStretch(dice, origins_.front()->data.granules()));
	std::unique_lock inner(image.lock);
	const size_t mayShow = image.mayShow;
	// Its last one, perhaps of a reload that fails yet.
	const std::shared_ptr<LifeFork> last = image.shown.back();
	const bool invalid = last->knownInvalid;
	read.origin = image.origin;
	read.overlay = image.overlay;
	inner.unlock();
	if (read.overlay)
		read.overlay->noteLow(read.written);
	read.error = get(device.fd(), read.at, read.held);
	if (read.overlay)
		read.overlay->noteHigh(read.written);
	inner.lock();
	read.addForks(image, mayShow);
	inner.unlock();
	read.mustFail = invalid && read.forks.size() == 1 && read.forks.front() == last;
	judgeImageRead(read);
	return !read.error;
}

// What was written to the image comes first. Where a write to it is under way, or has failed, a
// granule may be half of this and half of that.
std::string Life::imageFault(const ImageRead &read)
{
	PastData &past = *read.forks.front()->past.at(read.origin);
	if (!read.overlay)
		return past.fault(read.at, read.held.data());
	for (uint64_t i = 0; i < read.at.count; ++i) {
		const Stretch one = {read.at.first + i, 1};
		const uint8_t *held = read.held.sector(i * granuleSectors);
		const uint64_t low = read.written.low[one.first];
		if (low != read.written.high[one.first])
			continue;
		const std::string fault =
			low ? read.overlay->fault(one, held, read.written) : past.fault(one, held);
		if (!fault.empty())
			return fault + (low ? " (in the overlay)" : "");
	}
	return {};
}

// A reload came in between. The kernel cuts a read where the data lies in several places, and each
// part may still meet the old table or already the new one.
std::string Life::mixedFault(const ImageRead &read)
{
	for (uint64_t i = 0; i < read.at.count; ++i) {
		const Stretch one = {read.at.first + i, 1};
		std::string faults;
		for (const auto &fork : read.forks) {
			const std::string fault =
				fork->past.at(read.origin)
					->mismatch(one, read.held.sector(i * granuleSectors));
			if (fault.empty()) {
				faults.clear();
				break;
			}
			faults += (faults.empty() ? "" : ", or at ") + fork->name + ": " + fault;
		}
		if (!faults.empty())
			return "a read across a reload: " + faults;
	}
	return {};
}

void Life::judgeImageRead(const ImageRead &read)
{
	const LifeOrigin &origin = *origins_[read.origin];
	const std::string name = read.forks.front()->name;
	const bool one = read.forks.size() == 1;
	if (read.error) {
		// Of two snapshots, one may be the reason.
		if (one && (read.error != EIO || isLive(origin.store, *read.forks.front())))
			ADD_FAILURE() << "read of a live image of " << name << ": "
				      << strerror(read.error);
		return;
	}
	EXPECT_FALSE(read.mustFail) << "read of an invalid image of " << name;
	if (!one)
		++readsAcrossReloads_;
	const std::string fault = one ? imageFault(read) : mixedFault(read);
	EXPECT_EQ(fault, "") << "image of " << origin.word << " at " << name;
}

bool Life::writeImage(Random &dice)
{
	LifeImage &image = someImage(dice, true);
	const Opened device(image.device, O_RDWR);
	if (!device)
		return false;
	std::shared_ptr<LiveData> overlay;
	std::shared_ptr<LifeFork> fork;
	size_t store = 0;
	{
		const std::lock_guard lock(image.lock);
		overlay = image.overlay;
		fork = image.shown.back();
		store = origins_[image.origin]->store;
	}
	if (!overlay)
		return false;
	const Stretch at = anyStretch(dice, overlay->granules());
	const Claim claim(*overlay, at);
	if (!claim)
		return false;
	const uint64_t number = overlay->issue(at);
	const int error = put(device.fd(), at, overlay->contents(at, number), 0);
	if (!error)
		overlay->complete(at, number);
	else if (error != ENOSPC && (error != EIO || isLive(store, *fork)))
		ADD_FAILURE() << "write to an image of " << fork->name << ": " << strerror(error);
	return !error;
}

void Life::compareAll()
{
	const Stretch all = {0, origins_.front()->data.granules()};
	for (auto &image : images_) {
		const Opened device(image->device, O_RDONLY);
		if (!device)
			continue;
		ImageRead read(all);
		read.error = get(device.fd(), all, read.held);
		read.origin = image->origin;
		read.addForks(*image, image->mayShow);
		read.overlay = image->overlay;
		if (read.overlay) {
			read.overlay->noteLow(read.written);
			read.overlay->noteHigh(read.written);
		}
		judgeImageRead(read);
	}
	Buffer held(all.count * granuleSectors);
	for (auto &origin : origins_) {
		const Opened device(origin->device, O_RDONLY);
		Bounds bounds;
		origin->data.noteLow(bounds);
		origin->data.noteHigh(bounds);
		if (!device)
			continue;
		EXPECT_EQ(get(device.fd(), all, held), 0) << origin->word;
		EXPECT_EQ(origin->data.fault(all, held.data(), bounds), "") << origin->word;
	}
}

} // namespace snapdiff::lab
