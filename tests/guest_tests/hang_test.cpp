// SPDX-License-Identifier: GPL-2.0-or-later
// A disk that does not answer holds up what wants something of it, and nothing else: not the
// writers of other origins, not the buffers that they need, not a status, a resume or a take.

#include "harness/patience.h"
#include "harness/pattern.h"
#include "support/async_io.h"
#include "support/nbd_disk.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <memory>
#include <string>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace snapdiff::lab;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t piece = 2048; // what one segment holds
constexpr uint64_t originSectors = 8 * piece;

// Origin a lies on a disk that is going to hang, origin b on one that is not.
struct Rig
{
	explicit Rig(uint32_t buffer, uint32_t stallMs = 600000)
		: store({.chunk = chunk, .stallMs = stallMs, .buffer = buffer},
			{rangeWords(space, 0, 32 * piece)}),
		  a(store, "a", doomed.path(), 0, originSectors), b(store, "b", belowB),
		  dataA(a.path(), originSectors, 1), dataB(b.path(), originSectors, 2)
	{
		store.take("s");
		dataA.fork("s");
		dataB.fork("s");
	}
	~Rig() { doomed.goOn(); }
	Rig(const Rig &) = delete;
	Rig &operator=(const Rig &) = delete;

	void expectGoesOn(std::future<int> &write)
	{
		if (write.wait_for(10s * patience()) != std::future_status::ready) {
			ADD_FAILURE() << store.device().status();
			doomed.goOn(); // nobody may wait for ever
		}
		EXPECT_EQ(write.get(), 0);
	}
	void expectImagesAreRight()
	{
		const Image imageA(store, "s", a);
		const Image imageB(store, "s", b);
		EXPECT_TRUE(deviceHolds(imageA.path(), dataA.at("s")));
		EXPECT_TRUE(deviceHolds(imageB.path(), dataB.at("s")));
		EXPECT_TRUE(store.checked().snapshot("s").live());
	}

	ExpectKernelLog log{nbdErrors};
	NbdDisk doomed{0, originSectors};
	Disk belowB{0, originSectors};
	Disk space{1, 32 * piece};
	Store store;
	Origin a;
	Origin b;
	Volume dataA;
	Volume dataB;
};

void expectAllEnd(AsyncIo &io)
{
	while (io.inFlight())
		for (const IoDone &one : io.wait())
			EXPECT_EQ(one.error, 0);
}

// The store's buffer, sectors.
class HangingOrigin : public testing::TestWithParam<uint32_t>
{
};

} // namespace

// More first writes than any queue of works, or of the disk, or the buffer, has room for.
TEST_P(HangingOrigin, StopsNoOtherOne)
{
	constexpr unsigned writes = 700;
	Rig rig(GetParam());
	const int fd = open(rig.a.path().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	Buffer contents(chunk * writes);
	fillPattern(contents, 9, 0, 77);
	AsyncIo io(writes);
	rig.doomed.hang();
	for (unsigned i = 0; i < writes; ++i)
		io.write(fd, i * chunk, contents.sector(i * chunk), chunk, i);
	io.submit();
	usleep(500000);
	// First writes, writes, and reads and writes of the past.
	auto first = rig.dataB.start(0, 3 * piece);
	rig.expectGoesOn(first);
	auto second = rig.dataB.start(3, 100);
	rig.expectGoesOn(second);
	{
		const Image image(rig.store, "s", rig.b, "rw");
		EXPECT_TRUE(deviceHolds(image.path(), rig.dataB.at("s")));
		Volume onImage(image.path(), rig.dataB.at("s"), 3);
		auto past = onImage.start(5, 300);
		rig.expectGoesOn(past);
		EXPECT_TRUE(onImage.isIntact());
	}
	rig.doomed.goOn();
	expectAllEnd(io);
	close(fd);
	rig.expectImagesAreRight();
	EXPECT_TRUE(rig.dataB.isIntact());
}

INSTANTIATE_TEST_SUITE_P(Buffer, HangingOrigin, testing::Values(2048U, 8192U, 131072U),
			 [](const auto &about) {
				 return std::to_string(about.param / 2048) + "MiB";
			 });

// A buffer that nobody else filled.
TEST(Hang, OfAnOriginWithASingleWritePinsNoBuffer)
{
	Rig rig(piece);
	rig.doomed.hang();
	auto stuck = rig.dataA.start(0, chunk);
	// Long enough for the buffer to be closed because of its age.
	std::this_thread::sleep_for(13s);
	auto others = rig.dataB.start(0, 3 * piece);
	rig.expectGoesOn(others);
	rig.doomed.goOn();
	rig.expectGoesOn(stuck);
	rig.expectImagesAreRight();
}

// Writes to its past, smaller than a chunk, read from its disk what is around them.
TEST(Hang, OfAnOriginWhoseImageIsWrittenToStopsNoOtherOne)
{
	constexpr unsigned writes = 400;
	Rig rig(piece);
	const Image image(rig.store, "s", rig.a, "rw");
	const int fd = open(image.path().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	Buffer contents(writes);
	fillPattern(contents, 9, 0, 77);
	AsyncIo io(writes);
	rig.doomed.hang();
	for (unsigned i = 0; i < writes; ++i)
		io.write(fd, i * chunk + 1, contents.sector(i), 1, i);
	io.submit();
	usleep(500000);
	auto others = rig.dataB.start(0, 3 * piece);
	rig.expectGoesOn(others);
	rig.doomed.goOn();
	expectAllEnd(io);
	const BlockDevice past(image.path());
	Buffer read(writes * chunk);
	EXPECT_EQ(past.read(0, read), 0);
	for (unsigned i = 0; i < writes; ++i) {
		EXPECT_EQ(memcmp(read.sector(i * chunk + 1), contents.sector(i), sectorSize), 0);
		EXPECT_EQ(memcmp(read.sector(i * chunk + 2),
				 rig.dataA.at("s").sector(i * chunk + 2), sectorSize),
			  0);
	}
	close(fd);
}

// Its writers wait for it, not for buffers: an end of their snapshots would not help them.
TEST(Hang, OfAnOriginForLongerThanTheStallLimitCostsNoSnapshot)
{
	constexpr unsigned writes = 700;
	Rig rig(2 * piece, 1000);
	std::vector<std::future<int>> stuck;
	rig.doomed.hang();
	for (unsigned i = 0; i < 8; ++i)
		stuck.push_back(rig.dataA.start(i * writes, writes));
	for (uint64_t i = 0; i < 4; ++i) {
		std::this_thread::sleep_for(1s);
		auto others = rig.dataB.start(i * piece, piece);
		rig.expectGoesOn(others);
	}
	std::this_thread::sleep_for(3s);
	for (const auto &write : stuck)
		EXPECT_EQ(write.wait_for(0s), std::future_status::timeout);
	rig.doomed.goOn();
	for (auto &write : stuck)
		rig.expectGoesOn(write);
	rig.expectImagesAreRight();
	EXPECT_TRUE(rig.dataA.isIntact());
}

// A single write that wants the whole buffer.
TEST(Hang, OfAnOriginsLargeWriteLeavesOthersTheirShare)
{
	Rig rig(piece);
	rig.doomed.hang();
	auto stuck = rig.dataA.start(0, piece);
	usleep(200000);
	auto others = rig.dataB.start(0, 3 * piece);
	rig.expectGoesOn(others);
	rig.doomed.goOn();
	rig.expectGoesOn(stuck);
	rig.expectImagesAreRight();
	EXPECT_TRUE(rig.dataA.isIntact());
	EXPECT_TRUE(rig.dataB.isIntact());
}

// One chunk of the origin that hangs lies in more buffers than the store has.
TEST(Hang, OfAnOriginsReadsPinsNoBuffersOfOthers)
{
	constexpr unsigned buffers = 4;
	constexpr uint64_t rounds = originSectors / piece;
	Rig rig(buffers * piece);
	std::vector<std::future<int>> stuck;
	rig.doomed.hang();
	for (uint64_t i = 0; i < rounds; ++i) {
		stuck.push_back(rig.dataA.start(i * chunk, chunk));
		// It has its part of an open buffer before the others fill that.
		usleep(200000);
		auto others = rig.dataB.start(i * piece + chunk, piece - chunk);
		rig.expectGoesOn(others);
	}
	for (uint64_t i = 0; i < rounds; ++i) {
		auto more = rig.dataB.start(i * piece, chunk);
		rig.expectGoesOn(more);
	}
	for (const auto &write : stuck)
		EXPECT_EQ(write.wait_for(0s), std::future_status::timeout);
	// What was ready is readable, in memory or not.
	{
		const Image image(rig.store, "s", rig.b);
		EXPECT_TRUE(deviceHolds(image.path(), rig.dataB.at("s")));
	}
	EXPECT_EQ(rig.store.checked().origin("a").state, "watched");
	rig.doomed.goOn();
	for (auto &write : stuck)
		rig.expectGoesOn(write);
	EXPECT_TRUE(rig.store.waitUntilWritten());
	rig.expectImagesAreRight();
	EXPECT_TRUE(rig.dataA.isIntact());
	EXPECT_TRUE(rig.dataB.isIntact());
}

// An extend opens its device; somebody who reads a partition table there keeps it from that.
TEST(Hang, OfADeviceThatAnExtendOpensStopsNothingElse)
{
	const ExpectKernelLog log(nbdErrors);
	const ExpectKernelLog errors("Buffer I/O error|unable to read partition table| nbd1:");
	NbdDisk doomed(1, 4 * piece);
	Rig rig(131072);
	const int fd = open(doomed.path().c_str(), O_RDONLY | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	doomed.hang();
	auto scan = std::async(std::launch::async, [&] { return ioctl(fd, BLKRRPART); });
	EXPECT_EQ(scan.wait_for(500ms), std::future_status::timeout);
	auto extend = std::async(std::launch::async, [&] {
		return rig.store.send("extend " + doomed.number() + " 0 " + std::to_string(piece));
	});
	EXPECT_EQ(extend.wait_for(500ms), std::future_status::timeout)
		<< "the device could be opened: this test proves nothing";
	auto others = std::async(std::launch::async, [&] {
		EXPECT_EQ(rig.store.checked().ranges.size(), 1u);
		rig.store.take("during");
		EXPECT_EQ(rig.b.device().suspend(), 0);
		EXPECT_EQ(rig.b.device().resume(), 0);
		rig.store.drop("during");
		const Image image(rig.store, "s", rig.b);
		return rig.dataB.write(0, piece);
	});
	// Whatever goes wrong, nobody may wait for ever.
	const bool inTime = others.wait_for(10s * patience()) == std::future_status::ready;
	doomed.goOn();
	EXPECT_TRUE(inTime);
	EXPECT_EQ(others.get(), 0);
	scan.get();
	close(fd);
	const DmAnswer answer = extend.get();
	EXPECT_EQ(answer.error, 0);
	EXPECT_EQ(rig.store.checked().ranges.size(), 2u);
	rig.expectImagesAreRight();
}

// Reads that are smaller than a block of their range block a work each.
TEST(Hang, OfARangeStopsOnlyTheImageThatReadsIt)
{
	constexpr unsigned reads = 400;
	const ExpectKernelLog log(nbdErrors);
	NbdDisk doomed(1, 4 * piece, 4096);
	Disk belowA(0, originSectors);
	Disk belowB(2, originSectors);
	Disk safe(1, 8 * piece);
	Store store({.chunk = chunk, .stallMs = 600000},
		    {doomed.number() + " 0 " + std::to_string(4 * piece) + " 0"});
	Origin a(store, "a", belowA);
	Origin b(store, "b", belowB);
	Volume dataA(a.path(), originSectors, 1);
	Volume dataB(b.path(), originSectors, 2);
	store.take("s");
	dataA.fork("s");
	dataB.fork("s");
	EXPECT_EQ(dataA.write(0, 2 * piece), 0);
	ASSERT_TRUE(store.waitUntilWritten());
	store.extend(rangeWords(safe, 0, 8 * piece, "1"));
	const Image imageA(store, "s", a);
	const Image imageB(store, "s", b, "rw");
	const int fd = open(imageA.path().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
	ASSERT_GE(fd, 0);
	{
		Buffer memory(reads);
		AsyncIo io(reads);
		doomed.hang();
		for (unsigned i = 0; i < reads; ++i)
			io.read(fd, i * chunk + 1, memory.sector(i), 1, i);
		io.submit();
		usleep(500000);
		Volume onImage(imageB.path(), dataB.at("s"), 3);
		auto write = onImage.start(5, 100);
		const bool inTime = write.wait_for(10s * patience()) == std::future_status::ready;
		doomed.goOn();
		EXPECT_TRUE(inTime) << store.device().status();
		EXPECT_EQ(write.get(), 0);
		expectAllEnd(io);
		for (unsigned i = 0; i < reads; ++i)
			EXPECT_EQ(memcmp(memory.sector(i), dataA.at("s").sector(i * chunk + 1),
					 sectorSize),
				  0);
		EXPECT_TRUE(onImage.isIntact());
	}
	close(fd);
	EXPECT_TRUE(deviceHolds(imageA.path(), dataA.at("s")));
}
