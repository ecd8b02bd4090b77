// SPDX-License-Identifier: GPL-2.0-or-later
// A volume and what it must hold.

#include "support/shadow.h"

#include "harness/pattern.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <unistd.h>

namespace snapdiff::lab {

namespace {

constexpr uint64_t compareSectors = 2048;
constexpr unsigned compareDepth = 4;
constexpr uint64_t longestImageRead = 256;

testing::AssertionResult firstDifference(const std::string &what, uint64_t sector,
					 const uint8_t *held, const uint8_t *expected,
					 uint64_t count)
{
	for (uint64_t i = 0; i < count; ++i) {
		const uint8_t *a = held + i * sectorSize;
		const uint8_t *b = expected + i * sectorSize;
		if (memcmp(a, b, sectorSize) != 0)
			return testing::AssertionFailure()
			       << what << ": sector " << sector + i << " holds "
			       << describeSector(a) << ", not " << describeSector(b);
	}
	return testing::AssertionSuccess();
}

// What an image shows and a shadow must be the same; memcmp first, words only if it is not.
testing::AssertionResult compare(const std::string &what, uint64_t sector, const uint8_t *held,
				 const Buffer &expected, uint64_t count)
{
	const uint8_t *wanted = expected.sector(sector);
	if (memcmp(held, wanted, count * sectorSize) == 0)
		return testing::AssertionSuccess();
	return firstDifference(what, sector, held, wanted, count);
}

} // namespace

testing::AssertionResult deviceHolds(const std::string &path, const Buffer &expected)
{
	const BlockDevice device(path, BlockDevice::Mode::ReadOnly);
	if (device.sectors() != expected.sectors())
		return testing::AssertionFailure() << path << " has " << device.sectors()
						   << " sectors, not " << expected.sectors();
	AsyncIo io(compareDepth);
	std::vector<Buffer> memory;
	std::vector<unsigned> idle;
	for (unsigned i = 0; i < compareDepth; ++i) {
		memory.emplace_back(compareSectors);
		idle.push_back(i);
	}
	std::array<uint64_t, compareDepth> begin = {};
	uint64_t next = 0;
	while (next < expected.sectors() || io.inFlight()) {
		while (next < expected.sectors() && !idle.empty()) {
			const unsigned slot = idle.back();
			idle.pop_back();
			begin[slot] = next;
			const uint64_t count = std::min(compareSectors, expected.sectors() - next);
			io.read(device.fd(), next, memory[slot].data(), count, slot);
			next += count;
		}
		for (const IoDone &done : io.wait()) {
			const auto slot = static_cast<unsigned>(done.cookie);
			const uint64_t at = begin[slot];
			if (done.error)
				return testing::AssertionFailure()
				       << path << ": read at sector " << at << ": "
				       << strerror(done.error);
			auto result = compare(path, at, memory[slot].data(), expected,
					      std::min(compareSectors, expected.sectors() - at));
			if (!result)
				return result;
			idle.push_back(slot);
		}
	}
	return testing::AssertionSuccess();
}

Volume::Volume(const std::string &path, uint64_t sectors, uint32_t tag)
	: path_(path), device_(path), tag_(tag), now_(sectors)
{
	fillPattern(now_, tag_, 0, 0);
	if (const int error = device_.write(0, now_))
		throw std::system_error(error, std::generic_category(), "fill " + path);
}

Volume::Volume(const std::string &path, const Buffer &holds, uint32_t tag)
	: path_(path), device_(path), tag_(tag), now_(holds.sectors())
{
	memcpy(now_.data(), holds.data(), now_.bytes());
}

void Volume::fork(const std::string &snapshot)
{
	auto copy = std::make_unique<Buffer>(now_.sectors());
	memcpy(copy->data(), now_.data(), now_.bytes());
	past_[snapshot] = std::move(copy);
}

const uint8_t *Volume::change(uint64_t sector, uint64_t count)
{
	++generation_;
	for (uint64_t i = sector; i < sector + count; ++i)
		fillSector(now_.sector(i), {tag_, i, generation_});
	return now_.sector(sector);
}

namespace {

int writeOut(int fd, const uint8_t *memory, uint64_t sector, uint64_t count)
{
	const ssize_t put =
		pwrite(fd, memory, count * sectorSize, static_cast<off_t>(sector * sectorSize));
	if (put < 0)
		return errno;
	return static_cast<uint64_t>(put) == count * sectorSize ? 0 : EIO;
}

} // namespace

int Volume::write(uint64_t sector, uint64_t count)
{
	return writeOut(device_.fd(), change(sector, count), sector, count);
}

std::future<int> Volume::start(uint64_t sector, uint64_t count)
{
	const uint8_t *memory = change(sector, count);
	return std::async(std::launch::async, [fd = device_.fd(), memory, sector, count] {
		return writeOut(fd, memory, sector, count);
	});
}

testing::AssertionResult Volume::discard(uint64_t sector, uint64_t count)
{
	static const std::array<uint8_t, sectorSize> zeroes = {};
	if (const int error = device_.discard(sector, count))
		return testing::AssertionFailure() << "discard: " << strerror(error);
	Buffer after(count);
	if (const int error = device_.read(sector, after))
		return testing::AssertionFailure() << "read after discard: " << strerror(error);
	for (uint64_t i = 0; i < count; ++i) {
		uint8_t *before = now_.sector(sector + i);
		if (memcmp(after.sector(i), before, sectorSize) == 0)
			continue;
		if (memcmp(after.sector(i), zeroes.data(), sectorSize) != 0)
			return testing::AssertionFailure()
			       << "after a discard sector " << sector + i << " holds "
			       << describeSector(after.sector(i));
		memset(before, 0, sectorSize);
	}
	return testing::AssertionSuccess();
}

int Volume::writeZeroes(uint64_t sector, uint64_t count)
{
	memset(now_.sector(sector), 0, count * sectorSize);
	return device_.writeZeroes(sector, count);
}

RandomLoad::RandomLoad(Random &random, const Limits &limits)
	: random_(random), limits_(limits), io_(limits.depth), operations_(limits.depth)
{
	for (Operation &operation : operations_)
		operation.memory = std::make_unique<Buffer>(longestImageRead);
}

void RandomLoad::addImage(const std::string &path, const Buffer &expected)
{
	images_.push_back(
		{std::make_unique<BlockDevice>(path, BlockDevice::Mode::ReadOnly), &expected});
}

size_t RandomLoad::freeOperation()
{
	size_t index = 0;
	while (operations_[index].busy)
		++index;
	return index;
}

bool RandomLoad::overlapsAWrite(uint64_t sector, uint64_t count) const
{
	return std::any_of(operations_.begin(), operations_.end(), [&](const Operation &other) {
		return other.busy && !other.isRead && sector < other.sector + other.count &&
		       other.sector < sector + count;
	});
}

// Mostly small, some middle, a few long ones.
uint64_t RandomLoad::randomLength(uint64_t room)
{
	const uint64_t dice = random_.below(10);
	uint64_t most = dice < 7 ? 16 : dice < 9 ? 128 : limits_.longest;
	most = std::min({most, room, limits_.longest});
	return random_.between(1, most);
}

// The units that the stretch touches, as far as the device has them.
void RandomLoad::alignToUnit(uint64_t &sector, uint64_t &count, uint64_t sectors) const
{
	const uint64_t unit = limits_.unit;
	const uint64_t end = std::min((sector + count + unit - 1) / unit * unit, sectors);
	sector = sector / unit * unit;
	count = end - sector;
}

void RandomLoad::startWrite(Volume &volume)
{
	uint64_t sector = 0;
	uint64_t count = 0;
	unsigned tries = 0;
	do {
		// A small volume may be full of writes.
		if (++tries % 32 == 0)
			finish(1);
		sector = random_.below(volume.sectors());
		// Often where chunks begin, or just before.
		if (random_.oneIn(3))
			sector = sector / 8 * 8;
		count = randomLength(volume.sectors() - sector);
		alignToUnit(sector, count, volume.sectors());
	} while (overlapsAWrite(sector, count));
	const size_t index = freeOperation();
	Operation &operation = operations_[index];
	operation.busy = true;
	operation.isRead = false;
	operation.sector = sector;
	operation.count = count;
	const auto sync = random_.oneIn(32) ? AsyncIo::Sync::EachWrite : AsyncIo::Sync::No;
	io_.write(volume.device().fd(), sector, volume.change(sector, count), count, index, sync);
}

void RandomLoad::startRead()
{
	const size_t index = freeOperation();
	Operation &operation = operations_[index];
	operation.busy = true;
	operation.isRead = true;
	operation.image = random_.below(images_.size());
	const ImageUnderRead &image = images_[operation.image];
	operation.sector = random_.below(image.expected->sectors());
	operation.count =
		random_.between(1, std::min(longestImageRead - limits_.unit,
					    image.expected->sectors() - operation.sector));
	alignToUnit(operation.sector, operation.count, image.expected->sectors());
	io_.read(image.device->fd(), operation.sector, operation.memory->data(), operation.count,
		 index);
}

void RandomLoad::checkRead(const Operation &operation)
{
	EXPECT_TRUE(compare("an image read under load", operation.sector, operation.memory->data(),
			    *images_[operation.image].expected, operation.count));
	++readsDone_;
}

void RandomLoad::finish(unsigned least)
{
	for (const IoDone &done : io_.wait(least)) {
		Operation &operation = operations_[done.cookie];
		EXPECT_EQ(done.error, 0) << (operation.isRead ? "image read" : "write") << " of "
					 << operation.count << " sectors at " << operation.sector;
		if (operation.isRead && !done.error)
			checkRead(operation);
		writesDone_ += !operation.isRead;
		operation.busy = false;
	}
}

void RandomLoad::run(Volume &volume, uint64_t writes)
{
	while (writes && !testing::Test::HasFailure()) {
		while (writes && io_.hasRoom()) {
			if (!images_.empty() && random_.below(100) < limits_.imageReadsPerWrite) {
				startRead();
				continue;
			}
			startWrite(volume);
			--writes;
		}
		finish(1);
	}
	while (io_.inFlight())
		finish(io_.inFlight());
}

} // namespace snapdiff::lab
