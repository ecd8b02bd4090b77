// SPDX-License-Identifier: GPL-2.0-or-later
// The world's reads and writes.

#include "life/life.h"

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
	EXPECT_EQ(origin.data.fault(at, held, bounds), "") << "origin " << origin.word;
	return true;
}

// One that is there, if the dice find it.
LifeImage &Life::someImage(Random &dice)
{
	for (size_t tries = 0; tries < images_.size(); ++tries) {
		LifeImage &image = anyImage(dice);
		const std::shared_lock lock(image.device.use);
		if (image.device.exists)
			return image;
	}
	return anyImage(dice);
}

bool Life::readImage(Random &dice)
{
	LifeImage &image = someImage(dice);
	const Opened device(image.device, O_RDONLY);
	if (!device)
		return false;
	// A reload may change what it shows while the read is under way.
	std::vector<std::shared_ptr<LifeFork>> forks;
	bool reloading = false;
	bool invalid = false;
	const auto note = [&] {
		const std::lock_guard lock(image.lock);
		for (const auto &fork : {image.fork, image.coming})
			if (fork)
				forks.push_back(fork);
		reloading = reloading || image.coming;
	};
	note();
	const size_t before = forks.size();
	invalid = before && forks.front()->knownInvalid.load();
	const Stretch at = anyStretch(dice, origins_.front()->data.granules());
	Buffer held(at.count * granuleSectors);
	const int error = get(device.fd(), at, held);
	note();
	const bool same = !reloading && forks.size() > before && forks.front() == forks.back();
	judgeImageRead(image, at, held, error, forks, invalid && same);
	return !error;
}

void Life::judgeImageRead(LifeImage &image, const Stretch &at, const Buffer &held, int error,
			  const std::vector<std::shared_ptr<LifeFork>> &forks, bool mustFail)
{
	size_t origin = 0;
	{
		const std::lock_guard lock(image.lock);
		origin = image.origin;
	}
	if (error) {
		bool live = error != EIO;
		for (const auto &fork : forks)
			live = live || isLive(origins_[origin]->store, *fork);
		// Of two snapshots the reload leads to, one may be the reason.
		if (live && forks.size() == 2 && forks.front() == forks.back())
			ADD_FAILURE() << "read of a live image of " << forks.front()->name << ": "
				      << strerror(error);
		return;
	}
	EXPECT_FALSE(mustFail) << "read of an invalid image of " << forks.front()->name;
	std::string fault;
	for (const auto &fork : forks) {
		fault = fork->past.at(origin)->fault(at, held);
		if (fault.empty())
			return;
	}
	ADD_FAILURE() << "image of " << origins_[origin]->word << " at "
		      << (forks.empty() ? "?" : forks.front()->name) << ": " << fault;
}

void Life::compareAll()
{
	const Stretch all = {0, origins_.front()->data.granules()};
	Buffer held(all.count * granuleSectors);
	for (auto &image : images_) {
		const Opened device(image->device, O_RDONLY);
		if (!device)
			continue;
		const int error = get(device.fd(), all, held);
		judgeImageRead(*image, all, held, error, {image->fork, image->fork}, false);
	}
	for (auto &origin : origins_) {
		const Opened device(origin->device, O_RDONLY);
		Bounds bounds;
		origin->data.noteLow(bounds);
		origin->data.noteHigh(bounds);
		if (!device)
			continue;
		EXPECT_EQ(get(device.fd(), all, held), 0) << origin->word;
		EXPECT_EQ(origin->data.fault(all, held, bounds), "") << origin->word;
	}
}

} // namespace snapdiff::lab
