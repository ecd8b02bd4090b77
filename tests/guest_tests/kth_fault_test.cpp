// SPDX-License-Identifier: GPL-2.0-or-later
// S6: exactly the k-th I/O fails, of each kind, for every k. The origin, and the range where it is
// meant, are disks that this process serves itself. Whatever fails: no image shows wrong data, and
// no write fails but the one whose own I/O failed.

#include "harness/pattern.h"
#include "support/async_io.h"
#include "support/nbd_disk.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <cerrno>
#include <cstring>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
// More chunks than the largest k, so that the k-th I/O always comes.
constexpr uint64_t chunks = 56;
constexpr uint64_t originSectors = chunks * chunk;

uint64_t mostK()
{
	return fullCounts() ? 400 : 40;
}

// Ranges of one place each: every place is written, and read, by an I/O of its own.
std::vector<std::string> singlePlaces(const std::string &device, uint64_t count)
{
	std::vector<std::string> ranges;
	for (uint64_t i = 0; i < count; ++i)
		ranges.push_back(device + " " + std::to_string(i * chunk) + " " +
				 std::to_string(chunk) + " 0");
	return ranges;
}

class KthFault : public testing::Test
{
protected:
	// Which chunk a case begins with, so that k is not always the same chunk.
	uint64_t chunkAt(uint64_t i) const { return (i + begin_) % chunks; }

	// One sector in each chunk, all at once; returns how many failed.
	unsigned writeEachChunk(Volume &data)
	{
		AsyncIo io(chunks);
		for (uint64_t i = 0; i < chunks; ++i) {
			const uint64_t sector = chunkAt(i) * chunk + i % chunk;
			io.write(data.device().fd(), sector, data.change(sector, 1), 1, sector);
		}
		unsigned failures = 0;
		while (io.submit(), io.inFlight())
			for (const IoDone &done : io.wait()) {
				failures += done.error == EIO;
				EXPECT_TRUE(done.error == 0 || done.error == EIO) << done.error;
			}
		return failures;
	}

	// The same one after the other, each flushed, up to the k-th and a few more.
	unsigned writeAndFlush(Volume &data, uint64_t k)
	{
		unsigned failures = 0;
		for (uint64_t i = 0; i < k + 2; ++i) {
			EXPECT_EQ(data.write(chunkAt(i) * chunk + i % chunk, 1), 0);
			const int error = data.device().flush();
			failures += error == EIO;
			EXPECT_TRUE(error == 0 || error == EIO) << error;
		}
		return failures;
	}

	// Compares an image chunk by chunk; returns how many could not be read.
	static unsigned compareByChunk(const std::string &path, const Buffer &expected)
	{
		const BlockDevice device(path, BlockDevice::Mode::ReadOnly);
		Buffer memory(expected.sectors());
		AsyncIo io(chunks);
		for (uint64_t sector = 0; sector < expected.sectors(); sector += chunk)
			io.read(device.fd(), sector, memory.sector(sector), chunk, sector);
		unsigned failures = 0;
		while (io.submit(), io.inFlight())
			for (const IoDone &done : io.wait()) {
				failures += done.error != 0;
				if (done.error)
					continue;
				const uint8_t *held = memory.sector(done.cookie);
				EXPECT_EQ(memcmp(held, expected.sector(done.cookie),
						 chunk * sectorSize),
					  0)
					<< done.cookie << " holds " << describeSector(held);
			}
		return failures;
	}

	// A life: take, the k-th I/O of the origin's disk fails, and the image is as it was.
	void failOrigin(NbdDisk::Kind kind, unsigned failedWrites, uint64_t badChunks)
	{
		ExpectKernelLog errors(ioErrors);
		ExpectKernelLog disk(nbdErrors);
		NbdDisk below(0, originSectors);
		const Disk range(0, 8192);
		Store store({.chunk = chunk}, {rangeWords(range)});
		Origin origin(store, "a", below.number(), 0, originSectors);
		Volume data(origin.path(), originSectors, 1);
		for (uint64_t i = 0; i < mostK() && !HasFailure(); ++i) {
			SCOPED_TRACE("k is " + std::to_string(i % 40 + 1));
			begin_ = i * 7;
			const std::string name = "s" + std::to_string(i);
			store.take(name);
			data.fork(name);
			below.failOnly(kind, i % 40 + 1);
			EXPECT_EQ(kind == NbdDisk::Kind::Flush ? writeAndFlush(data, i % 40 + 1)
							       : writeEachChunk(data),
				  failedWrites);
			EXPECT_TRUE(below.hasFailed());
			below.failNothing();
			EXPECT_EQ(store.checked().origin("a").badChunks, badChunks);
			{
				Image image(store, name, origin);
				EXPECT_EQ(compareByChunk(image.path(), data.at(name)), badChunks);
			}
			EXPECT_TRUE(store.status().snapshot(name).live());
			store.drop(name);
			data.forget(name);
			// What a failed write has left is not known: write all of it again.
			if (failedWrites) {
				ASSERT_EQ(data.write(0, originSectors), 0);
			}
			EXPECT_TRUE(data.isIntact());
		}
	}

	uint64_t begin_ = 0;
};

} // namespace

TEST_F(KthFault, OfReadsOfTheOriginCostsOneChunkOfTheImage)
{
	failOrigin(NbdDisk::Kind::Read, 0, 1);
}

TEST_F(KthFault, OfWritesOfTheOriginFailsThatWriteAndNoImage)
{
	failOrigin(NbdDisk::Kind::Write, 1, 0);
}

TEST_F(KthFault, OfFlushesOfTheOriginFailsThatFlushAndNoImage)
{
	failOrigin(NbdDisk::Kind::Flush, 1, 0);
}

TEST_F(KthFault, OfReadsOfTheStoreFailsThatReadAndNoOther)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog disk(nbdErrors);
	const Disk below(0, originSectors);
	NbdDisk range(0, originSectors);
	Store store({.chunk = chunk}, singlePlaces(range.number(), chunks));
	Origin origin(store, "a", below);
	Volume data(origin.path(), originSectors, 1);
	store.take("s1");
	data.fork("s1");
	EXPECT_EQ(writeEachChunk(data), 0u);
	ASSERT_TRUE(store.waitUntilWritten());
	const Image image(store, "s1", origin);
	for (uint64_t i = 0; i < mostK() && !HasFailure(); ++i) {
		SCOPED_TRACE("k is " + std::to_string(i % 40 + 1));
		range.failOnly(NbdDisk::Kind::Read, i % 40 + 1);
		EXPECT_EQ(compareByChunk(image.path(), data.at("s1")), 1u);
		EXPECT_TRUE(range.hasFailed());
		range.failNothing();
		EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
	}
	EXPECT_TRUE(store.checked().snapshot("s1").live());
	EXPECT_TRUE(data.isIntact());
}

TEST_F(KthFault, OfWritesOfTheStoreCostsARangeAndNoImage)
{
	ExpectKernelLog errors(ioErrors);
	ExpectKernelLog disk(nbdErrors);
	ExpectKernelLog failed("device-mapper: snapdiff: range .* a write failed",
			       Appearance::Must);
	const Disk below(0, originSectors);
	NbdDisk range(0, 2 * originSectors);
	for (uint64_t i = 0; i < mostK() && !HasFailure(); ++i) {
		SCOPED_TRACE("k is " + std::to_string(i % 40 + 1));
		begin_ = i * 7;
		Store store({.chunk = chunk}, singlePlaces(range.number(), chunks + 4));
		Origin origin(store, "a", below);
		Volume data(origin.path(), originSectors, 1);
		store.take("s1");
		data.fork("s1");
		range.failOnly(NbdDisk::Kind::Write, i % 40 + 1);
		EXPECT_EQ(writeEachChunk(data), 0u);
		EXPECT_TRUE(store.waitUntilWritten());
		EXPECT_TRUE(range.hasFailed());
		range.failNothing();
		const StoreStatus now = store.checked();
		unsigned failedRanges = 0;
		for (const RangeStatus &one : now.ranges)
			failedRanges += one.state == "failed";
		EXPECT_EQ(failedRanges, 1u);
		EXPECT_TRUE(now.snapshot("s1").live());
		const Image image(store, "s1", origin);
		EXPECT_TRUE(deviceHolds(image.path(), data.at("s1")));
		EXPECT_TRUE(data.isIntact());
	}
}
