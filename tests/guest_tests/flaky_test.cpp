// SPDX-License-Identifier: GPL-2.0-or-later
// Disks that fail now and then (S6): while writers and readers go on, dm-flakey and dm-error are
// swapped in and out below a store's ranges, or below the origin. No image ever shows a wrong
// sector; a range's failures never reach the origin.

#include "harness/pattern.h"
#include "support/churn.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <chrono>
#include <cstring>
#include <gtest/gtest.h>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t piece = 2048;
constexpr uint64_t sectors = 3 * piece;
constexpr const char *rangeFailed = "device-mapper: snapdiff: range .* a write failed";

// A device over a slice of a disk whose table is changed while it is in use.
class Flaky
{
public:
	explicit Flaky(const Disk &disk) : disk_(disk), device_("flaky", line("linear")) {}

	std::string number() const { return device_.number(); }
	void heal() const { device_.reload(line("linear")); }

	// One of several ways to fail, for a moment or for good.
	void fail(uint64_t dice) const
	{
		switch (dice % 4) {
		case 0:
			device_.reload(line("flakey", " 0 3600 1 error_writes"));
			break;
		case 1: // a second of everything, a second of nothing
			device_.reload(line("flakey", " 1 1"));
			break;
		case 2:
			device_.reload("0 " + std::to_string(disk_.sectors()) + " error");
			break;
		default: { // the middle of it
			const std::string third = std::to_string(disk_.sectors() / 3 / 8 * 8);
			const std::string rest =
				std::to_string(disk_.sectors() - 2 * std::stoull(third));
			const std::string behind = std::to_string(2 * std::stoull(third));
			device_.reload("0 " + third + " linear " + disk_.number() + " 0\n" + third +
				       " " + third + " error\n" + behind + " " + rest + " linear " +
				       disk_.number() + " " + behind);
		}
		}
	}

private:
	std::string line(const std::string &target, const std::string &more = {}) const
	{
		return "0 " + std::to_string(disk_.sectors()) + " " + target + " " +
		       disk_.number() + " 0" + more;
	}

	const Disk &disk_;
	DmDevice device_;
};

class Flakiness : public testing::Test
{
protected:
	Flakiness() : old_(sectors), next_(sectors) { std::cout << "seed " << runSeed() << "\n"; }

	// The origin holds the old contents, and so does the snapshot.
	void begin(const Store &store, const Origin &origin, const std::string &snapshot)
	{
		fillPattern(old_, 3, 0, ++generation_);
		fillPattern(next_, 3, 0, generation_ + 1);
		ASSERT_EQ(BlockDevice(origin.path()).write(0, old_), 0);
		store.take(snapshot);
	}

	// Some faults under a load.
	void loadWithFaults(const Flaky &flaky, const Origin &origin, const Image &image,
			    bool originFails)
	{
		Writer writer(origin.path(), next_, random_());
		Reader reader(image.path(), old_, random_());
		for (uint64_t i = random_.between(1, 3); i; --i) {
			std::this_thread::sleep_for(std::chrono::milliseconds(random_.below(150)));
			flaky.fail(random_());
			++faults_;
			std::this_thread::sleep_for(std::chrono::milliseconds(random_.below(300)));
			if (random_.oneIn(2))
				flaky.heal();
		}
		writer.stop();
		reader.stop();
		flaky.heal();
		EXPECT_EQ(reader.wrong(), 0u) << reader.firstWrong();
		EXPECT_TRUE(originFails || writer.error() == 0) << strerror(writer.error());
		writes_ += writer.done();
		reads_ += reader.right();
		failedReads_ += reader.failed();
	}

	// Chunk by chunk; returns how many cannot be read.
	uint64_t unreadable(const std::string &path) const
	{
		const BlockDevice image(path, BlockDevice::Mode::ReadOnly);
		Buffer memory(chunk);
		uint64_t count = 0;
		for (uint64_t sector = 0; sector < sectors; sector += chunk) {
			if (image.read(sector, memory)) {
				++count;
				continue;
			}
			EXPECT_EQ(memcmp(memory.data(), old_.sector(sector), memory.bytes()), 0)
				<< sector << " holds " << describeSector(memory.data());
		}
		return count;
	}

	void tell() const
	{
		std::cout << faults_ << " faults, " << writes_ << " writes, " << reads_
			  << " image reads right, " << failedReads_ << " failed" << std::endl;
	}

	ExpectKernelLog errors_{ioErrors};
	ExpectKernelLog suppressed_{"callbacks suppressed"};
	Random random_;
	Buffer old_;
	Buffer next_;
	uint64_t generation_ = 0;
	uint64_t faults_ = 0;
	uint64_t writes_ = 0;
	uint64_t reads_ = 0;
	uint64_t failedReads_ = 0;
};

} // namespace

TEST_F(Flakiness, OfRangesNeverReachesTheOriginAndNoImageIsWrong)
{
	ExpectKernelLog failed(rangeFailed);
	const Disk below(0, sectors);
	const Disk disk(1, 8 * piece);
	const Disk good(2, 8 * piece);
	for (int round = 0; round < (fullCounts() ? 40 : 3) && !HasFailure(); ++round) {
		const Flaky flaky(disk);
		std::vector<std::string> ranges;
		for (uint64_t i = 0; i < 8; ++i)
			ranges.push_back(flaky.number() + " " + std::to_string(i * piece) + " " +
					 std::to_string(piece) + " " + std::to_string(i % 2));
		ranges.push_back(rangeWords(good, 0, good.sectors(), "2,last"));
		Store store({.chunk = chunk}, ranges);
		Origin origin(store, "a", below);
		for (int i = 0; i < 4 && !HasFailure(); ++i) {
			const std::string name = "s" + std::to_string(i);
			begin(store, origin, name);
			{
				const Image image(store, name, origin);
				loadWithFaults(flaky, origin, image, false);
				// Healed, everything is there again.
				EXPECT_TRUE(deviceHolds(image.path(), old_));
			}
			EXPECT_TRUE(store.checked().snapshot(name).live());
			store.drop(name);
		}
	}
	tell();
}

TEST_F(Flakiness, OfTheOriginsDiskCostsChunksAndNoImageIsWrong)
{
	const Disk disk(0, sectors);
	const Disk range(1, 8 * piece);
	const Flaky flaky(disk);
	Store store({.chunk = chunk}, {rangeWords(range)});
	Origin origin(store, "a", flaky.number(), 0, sectors);
	uint64_t bad = 0;
	for (int i = 0; i < (fullCounts() ? 150 : 10) && !HasFailure(); ++i) {
		const std::string name = "s" + std::to_string(i);
		begin(store, origin, name);
		{
			const Image image(store, name, origin);
			loadWithFaults(flaky, origin, image, true);
			const uint64_t lost = store.checked().origin("a").badChunks;
			EXPECT_EQ(unreadable(image.path()), lost);
			bad += lost;
		}
		EXPECT_TRUE(store.checked().snapshot(name).live());
		store.drop(name);
	}
	tell();
	std::cout << bad << " chunks became bad" << std::endl;
}
