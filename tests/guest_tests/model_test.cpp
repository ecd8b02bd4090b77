// SPDX-License-Identifier: GPL-2.0-or-later
// A random writer and a shadow copy: not one sector of an origin or image may differ.

#include "support/shadow.h"
#include "support/stack.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <iostream>
#include <memory>
#include <vector>

using namespace snapdiff::lab;

namespace {

struct Scale
{
	uint32_t chunk;
	uint64_t copies;
	uint64_t writesPerRound;
	const char *name;
};

constexpr size_t mostSnapshots = 3;

// One snapshot with its images of both volumes.
struct Take
{
	std::string name;
	std::vector<std::unique_ptr<Image>> images;
};

class Model : public testing::TestWithParam<Scale>
{
protected:
	Model()
		: disks_{Disk(0, 170003), Disk(1, 150011), Disk(2, 190027)}, below_{Disk(3, 60001),
										    Disk(2, 9501),
										    Disk(3, 24007),
										    Disk(1, 1031)},
		  store_({.chunk = GetParam().chunk, .buffer = 16384}, firstRanges()),
		  load_(random_, {.imageReadsPerWrite = 20})
	{
		// Of odd sizes, one that does not begin at its device's beginning, one tiny.
		addOrigin("big", below_[0], 0, 60001);
		addOrigin("small", below_[1], 333, 9001);
		addOrigin("middle", below_[2], 0, 24007);
		addOrigin("tiny", below_[3], 0, 1031);
	}

	void addOrigin(const std::string &name, const Disk &below, uint64_t start, uint64_t sectors)
	{
		origins_.push_back(
			std::make_unique<Origin>(store_, name, below.number(), start, sectors));
		volumes_.push_back(std::make_unique<Volume>(
			origins_.back()->path(), sectors, static_cast<uint32_t>(origins_.size())));
	}

	// Mostly the largest.
	Volume &someVolume() { return *volumes_[random_.oneIn(2) ? 0 : random_.below(4)]; }

	~Model() override
	{
		load_.clearImages();
		takes_.clear();
	}

	// Lengths and starts that are multiples of nothing nice.
	std::vector<std::string> firstRanges()
	{
		return {rangeWords(disks_[0], 0, 41007, "0"), rangeWords(disks_[1], 13, 30011, "1"),
			rangeWords(disks_[2], 1, 35001, "2,last")};
	}

	void extendSometimes()
	{
		static const struct
		{
			size_t disk;
			uint64_t start;
			uint64_t length;
		} more[] = {{0, 41007, 50003}, {1, 40001, 60001},  {2, 35002, 70001},
			    {0, 91011, 78901}, {1, 100003, 49999}, {2, 105005, 85001}};
		// Enough for everything that is still to be copied, and then some at random.
		uint64_t need = 8192;
		for (const OriginStatus &origin : status().origins)
			need += origin.unsafeChunks * GetParam().chunk;
		while (extends_ < std::size(more) &&
		       (store_.summary().free < need || random_.oneIn(4))) {
			const auto &range = more[extends_++];
			store_.extend(rangeWords(disks_[range.disk], range.start, range.length,
						 std::to_string(range.disk)));
		}
	}

	StoreStatus status() { return store_.checked(); }
	uint64_t copies()
	{
		uint64_t sum = 0;
		for (const OriginStatus &origin : status().origins)
			sum += origin.copiedChunks;
		return sum;
	}

	void take()
	{
		Take next;
		next.name = "take" + std::to_string(++taken_);
		store_.take(next.name);
		for (auto &volume : volumes_)
			volume->fork(next.name);
		for (const auto &origin : origins_)
			next.images.push_back(std::make_unique<Image>(store_, next.name, *origin));
		takes_.push_back(std::move(next));
		listImages();
	}

	void deleteOne(size_t which)
	{
		const std::string name = takes_[which].name;
		load_.clearImages();
		takes_.erase(takes_.begin() + static_cast<ptrdiff_t>(which));
		store_.drop(name);
		for (auto &volume : volumes_)
			volume->forget(name);
		listImages();
	}

	void listImages()
	{
		load_.clearImages();
		for (const Take &take : takes_)
			for (size_t i = 0; i < take.images.size(); ++i)
				load_.addImage(take.images[i]->path(), volumes_[i]->at(take.name));
	}

	void otherOperations(Volume &volume)
	{
		const uint64_t sector = random_.below(volume.sectors());
		const uint64_t count =
			random_.between(1, std::min<uint64_t>(5000, volume.sectors() - sector));
		switch (random_.below(4)) {
		case 0:
			EXPECT_EQ(volume.writeZeroes(sector, count), 0);
			break;
		case 1:
			EXPECT_EQ(volume.device().flush(), 0);
			break;
		default:
			EXPECT_TRUE(volume.discard(sector, count));
		}
	}

	void round()
	{
		store_.demand(random_.oneIn(2) ? "set discard copy" : "set discard ignore");
		const uint64_t pieces = 6;
		for (uint64_t i = 0; i < pieces && !HasFailure(); ++i) {
			Volume &volume = someVolume();
			load_.run(volume, GetParam().writesPerRound / pieces);
			otherOperations(volume);
		}
	}

	void compareAll()
	{
		for (auto &volume : volumes_)
			ASSERT_TRUE(volume->isIntact());
		for (const Take &take : takes_)
			for (size_t i = 0; i < take.images.size(); ++i)
				ASSERT_TRUE(deviceHolds(take.images[i]->path(),
							volumes_[i]->at(take.name)))
					<< take.name;
	}

	Random random_;
	std::array<Disk, 3> disks_;
	std::array<Disk, 4> below_;
	Store store_;
	std::vector<std::unique_ptr<Origin>> origins_;
	std::vector<std::unique_ptr<Volume>> volumes_;
	std::vector<Take> takes_;
	RandomLoad load_;
	size_t extends_ = 0;
	int taken_ = 0;
};

} // namespace

TEST_P(Model, EverySectorOfOriginsAndImagesIsAsTheShadowSays)
{
	std::cout << "seed " << runSeed() << std::endl;
	const uint64_t wanted = GetParam().copies * (fullCounts() ? 20 : 1);
	int rounds = 0;
	while (copies() < wanted && !HasFailure()) {
		if (takes_.size() == mostSnapshots)
			deleteOne(random_.below(takes_.size()));
		take();
		extendSometimes();
		round();
		compareAll();
		++rounds;
	}
	// In any order to the end: what remains must stay right, and all places come back.
	while (!takes_.empty() && !HasFailure()) {
		deleteOne(random_.below(takes_.size()));
		compareAll();
	}
	std::cout << copies() << " copies, " << load_.writesDone() << " writes, "
		  << load_.readsDone() << " checked image reads, " << rounds << " rounds, "
		  << status().ranges.size() << " ranges" << std::endl;
}

INSTANTIATE_TEST_SUITE_P(ChunkSize, Model,
			 testing::Values(Scale{8, 90000, 2600, "4K"}, Scale{32, 9000, 1200, "16K"},
					 Scale{128, 2500, 500, "64K"}, Scale{2048, 150, 150, "1M"}),
			 [](const auto &scale) { return std::string(scale.param.name); });
