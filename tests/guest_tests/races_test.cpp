// SPDX-License-Identifier: GPL-2.0-or-later
// Image reads that race with the first write to the same chunk must see old data.
//
// Below the origin lies dm-delay, which holds up reads but not writes: an image read that went to
// the origin before the copy was published would find new data there if the write did not wait for
// it (tests/guest/mutants/no-drain.mutant is a module that does not).

#include "harness/pattern.h"
#include "support/async_io.h"
#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>

using namespace snapdiff::lab;

namespace {

constexpr uint64_t chunk = 8;
constexpr uint64_t chunks = 64;
constexpr unsigned readDepth = 256;
constexpr uint64_t longestRead = 4;
constexpr uint32_t tag = 5;

using Clock = std::chrono::steady_clock;

struct Result
{
	uint64_t races = 0;
	uint64_t wrong = 0;
	std::string firstWrong;
};

// When each chunk's first write began and ended; 0: not yet.
struct WriteTimes
{
	std::array<std::atomic<int64_t>, chunks> begun = {};
	std::array<std::atomic<int64_t>, chunks> ended = {};
};

int64_t now()
{
	return Clock::now().time_since_epoch().count();
}

// Reads random stretches of an image, many at once, until told to stop; all must be old.
class ImageReader
{
public:
	ImageReader(const std::string &image, const Buffer &expected, const WriteTimes &times,
		    uint64_t seed)
		: device_(image, BlockDevice::Mode::ReadOnly), expected_(expected), times_(times),
		  engine_(seed), io_(readDepth), reads_(readDepth)
	{
		for (Read &read : reads_) {
			read.memory = std::make_unique<Buffer>(longestRead);
			idle_.push_back(static_cast<size_t>(&read - reads_.data()));
		}
	}

	void run(const std::atomic<bool> &stop)
	{
		while (!stop.load()) {
			while (!idle_.empty())
				start();
			finish(1);
		}
		while (io_.inFlight())
			finish(io_.inFlight());
	}

	const Result &result() const { return result_; }

private:
	struct Read
	{
		std::unique_ptr<Buffer> memory;
		uint64_t sector = 0;
		uint64_t count = 0;
		int64_t begun = 0;
	};

	void start()
	{
		const size_t index = idle_.front();
		idle_.pop_front();
		Read &read = reads_[index];
		// Where the first write is still to come or under way.
		uint64_t at = engine_() % chunks;
		for (int tries = 0; tries < 16 && times_.ended[at].load(); ++tries)
			at = engine_() % chunks;
		read.sector = at * chunk + engine_() % chunk;
		read.count = 1 + engine_() % longestRead;
		read.count = std::min(read.count, chunks * chunk - read.sector);
		read.begun = now();
		io_.read(device_.fd(), read.sector, read.memory->data(), read.count, index);
	}

	void finish(unsigned least)
	{
		for (const IoDone &done : io_.wait(least)) {
			Read &read = reads_[done.cookie];
			judge(read, done.error);
			idle_.push_back(done.cookie);
		}
	}

	// A race: the first write to a chunk of the read began before the read ended, and ended
	// after the read began.
	bool raced(const Read &read, int64_t ended) const
	{
		for (uint64_t c = read.sector / chunk; c <= (read.sector + read.count - 1) / chunk;
		     ++c) {
			const int64_t writeBegun = times_.begun[c].load();
			const int64_t writeEnded = times_.ended[c].load();
			if (writeBegun && writeBegun < ended &&
			    (!writeEnded || writeEnded > read.begun))
				return true;
		}
		return false;
	}

	void judge(const Read &read, int error)
	{
		result_.races += raced(read, now());
		if (error)
			wrong(read, "error " + std::to_string(error));
		for (uint64_t i = 0; i < read.count && !error; ++i) {
			const uint8_t *sector = read.memory->sector(i);
			if (memcmp(sector, expected_.sector(read.sector + i), sectorSize) != 0)
				return wrong(read, describeSector(sector));
		}
	}

	void wrong(const Read &read, const std::string &held)
	{
		if (!result_.wrong++)
			result_.firstWrong = "read of " + std::to_string(read.count) +
					     " sectors at " + std::to_string(read.sector) + ": " +
					     held;
	}

	BlockDevice device_;
	const Buffer &expected_;
	const WriteTimes &times_;
	std::mt19937_64 engine_;
	AsyncIo io_;
	std::vector<Read> reads_;
	std::deque<size_t> idle_;
	Result result_;
};

class Races : public testing::Test
{
protected:
	Races()
		: slow_("slow", "0 " + std::to_string(chunks * chunk) + " delay " +
					below_.number() + " 0 6 " + below_.number() + " 0 0"),
		  store_({.chunk = chunk}, {rangeWords(range_)}),
		  origin_(store_, "racer", slow_.number(), 0, chunks * chunk),
		  live_(origin_.path()), data_(chunks * chunk), old_(chunks * chunk)
	{
		fillPattern(data_, tag, 0, 0);
		EXPECT_EQ(live_.write(0, data_), 0);
	}

	// Each chunk's first write since the take, a few at once, in random order.
	void writeAll(uint64_t generation, WriteTimes &times)
	{
		fillPattern(data_, tag, 0, generation);
		std::array<uint64_t, chunks> order = {};
		for (uint64_t i = 0; i < chunks; ++i)
			order[i] = i;
		std::shuffle(order.begin(), order.end(), random_.engine());
		AsyncIo io(atOnce);
		for (uint64_t i = 0; i < chunks || io.inFlight();) {
			for (; i < chunks && io.hasRoom(); ++i) {
				const uint64_t at = order[i];
				times.begun[at].store(now());
				io.write(live_.fd(), at * chunk, data_.sector(at * chunk), chunk,
					 at);
			}
			for (const IoDone &done : io.wait()) {
				EXPECT_EQ(done.error, 0);
				times.ended[done.cookie].store(now());
			}
		}
	}

	void round(uint64_t number)
	{
		const std::string name = "s" + std::to_string(number);
		store_.take(name);
		if (image_)
			image_->show(name);
		else
			image_.emplace(store_, name, origin_);
		if (number > 1)
			store_.drop("s" + std::to_string(number - 1));
		memcpy(old_.data(), data_.data(), old_.bytes());
		WriteTimes times;
		ImageReader reader(image_->path(), old_, times, random_());
		std::atomic<bool> stop = false;
		std::thread thread([&] { reader.run(stop); });
		std::this_thread::sleep_for(std::chrono::milliseconds(2));
		writeAll(number, times);
		stop.store(true);
		thread.join();
		total_.races += reader.result().races;
		if (reader.result().wrong && !total_.wrong)
			total_.firstWrong = reader.result().firstWrong;
		total_.wrong += reader.result().wrong;
	}

	static constexpr unsigned atOnce = 16;
	Disk below_{0, chunks *chunk};
	Disk range_{1, 16384};
	DmDevice slow_;
	Store store_;
	Origin origin_;
	BlockDevice live_;
	Buffer data_;
	Buffer old_;
	std::optional<Image> image_;
	Random random_;
	Result total_;
};

} // namespace

TEST_F(Races, ImageReadsThatRaceWithFirstWritesSeeOldData)
{
	const uint64_t wanted = fullCounts() ? 1000000 : 100000;
	const auto begun = Clock::now();
	uint64_t rounds = 0;
	while (total_.races < wanted && !total_.wrong && !HasFailure())
		round(++rounds);
	const uint64_t waits = origin_.status().readWaits;
	std::cout << total_.races << " races in " << rounds << " rounds, " << waits
		  << " reads were waited for, "
		  << std::chrono::duration<double>(Clock::now() - begun).count() << " s"
		  << std::endl;
	EXPECT_EQ(total_.wrong, 0u) << total_.firstWrong;
	EXPECT_GE(waits, 1000u);
}

// Below the origin reads are slow, so that many writers wait for the first one's copy.
TEST_F(Races, WritersThatMeetInAChunkCopyItOnce)
{
	for (uint64_t number = 1; number <= 10 && !HasFailure(); ++number) {
		const std::string name = "s" + std::to_string(number);
		store_.take(name);
		memcpy(old_.data(), data_.data(), old_.bytes());
		fillPattern(data_, tag, 0, number);
		const uint64_t copied = origin_.status().copiedChunks;
		std::array<uint64_t, chunks *chunk> order = {};
		for (uint64_t i = 0; i < order.size(); ++i)
			order[i] = i / chunk * chunk + (i * 5 + number) % chunk;
		AsyncIo io(order.size());
		for (const uint64_t sector : order)
			io.write(live_.fd(), sector, data_.sector(sector), 1, sector);
		while (io.submit(), io.inFlight())
			for (const IoDone &done : io.wait())
				EXPECT_EQ(done.error, 0);
		EXPECT_EQ(origin_.status().copiedChunks - copied, chunks) << "round " << number;
		{
			const Image image(store_, name, origin_);
			EXPECT_TRUE(deviceHolds(image.path(), old_)) << "round " << number;
		}
		store_.drop(name);
	}
}
