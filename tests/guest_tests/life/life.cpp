// SPDX-License-Identifier: GPL-2.0-or-later
// The world as a whole: its beginning, its dice, its end.

#include "life/life.h"

#include <gtest/gtest.h>

namespace snapdiff::lab {

namespace {

constexpr uint64_t granules = 512;
constexpr size_t originsPerStore = 3;
constexpr size_t storeCount = 2;
constexpr size_t imageCount = 6;
constexpr uint64_t pieceSectors = 7000; // of nothing nice
constexpr uint64_t piecesPerDisk = 3;

// What a volume's slice holds before anybody writes to it.
void fill(LifeOrigin &origin)
{
	const Stretch all = {0, origin.data.granules()};
	const uint64_t number = origin.data.issue(all);
	EXPECT_EQ(BlockDevice(origin.below.path()).write(0, origin.data.contents(all, number)), 0);
	origin.data.complete(all, number);
}

std::unique_ptr<LifeStore> placeForStore(size_t index)
{
	auto store = std::make_unique<LifeStore>();
	for (int i = 0; i < 2; ++i)
		store->disks.emplace_back(static_cast<int>(index) + i,
					  pieceSectors * piecesPerDisk);
	for (uint64_t piece = 0; piece < piecesPerDisk; ++piece)
		for (const Disk &disk : store->disks)
			store->pieces.push_back(rangeWords(disk, piece * pieceSectors, pieceSectors,
							   std::to_string(disk.disk())));
	return store;
}

} // namespace

LifeOrigin::LifeOrigin(size_t storeIndex, uint32_t tag, int disk, uint64_t size)
	: store(storeIndex), word("o" + std::to_string(tag)), below(disk, size * granuleSectors),
	  data(tag, size)
{
}

Life::Life() : counts_(kinds().size())
{
	Random dice;
	for (size_t i = 0; i < storeCount; ++i)
		stores_.push_back(placeForStore(i));
	for (size_t i = 0; i < storeCount * originsPerStore; ++i) {
		const auto tag = static_cast<uint32_t>(i + 1);
		origins_.push_back(std::make_unique<LifeOrigin>(
			i / originsPerStore, tag, static_cast<int>(i) % diskCount(), granules));
		fill(*origins_.back());
	}
	for (size_t i = 0; i < imageCount; ++i)
		images_.push_back(std::make_unique<LifeImage>());
	for (auto &store : stores_)
		makeStore(*store, dice);
	for (auto &origin : origins_)
		EXPECT_TRUE(makeOrigin(*origin)) << origin->table;
}

const std::vector<Life::Kind> &Life::kinds()
{
	static const std::vector<Kind> all = {
		{"write", 240, &Life::write},
		{"write zeroes", 10, &Life::zero},
		{"discard", 12, &Life::discard},
		{"read origin", 50, &Life::readOrigin},
		{"read image", 200, &Life::readImage},
		{"write image", 60, &Life::writeImage},
		{"take", 50, &Life::take},
		{"delete", 30, &Life::deleteSnapshot},
		{"make image", 90, &Life::makeImage},
		{"remove image", 20, &Life::removeImage},
		{"reload image", 15, &Life::reloadImage},
		{"extend", 20, &Life::extend},
		{"extend badly", 12, &Life::extendBadly},
		{"set", 20, &Life::set},
		{"bad message", 10, &Life::badMessage},
		{"status or table", 60, &Life::look},
		{"reload store", 12, &Life::reloadStore},
		{"reload origin", 12, &Life::reloadOrigin},
		{"foreign table", 2, &Life::reloadForeign},
		{"suspend and resume", 18, &Life::suspendOne},
		{"remake origin", 3, &Life::remakeOrigin},
		{"remake store", 2, &Life::remakeStore},
	};
	return all;
}

void Life::step(Random &dice)
{
	static const uint64_t total = [] {
		uint64_t sum = 0;
		for (const Kind &kind : kinds())
			sum += kind.weight;
		return sum;
	}();
	uint64_t left = dice.below(total);
	size_t index = 0;
	for (; left >= kinds()[index].weight; ++index)
		left -= kinds()[index].weight;
	++counts_[index].tried;
	if ((this->*kinds()[index].step)(dice))
		++counts_[index].done;
}

// What the dice passed over.
void Life::tryTheRest(Random &dice)
{
	constexpr int attempts = 300;
	for (size_t i = 0; i < counts_.size(); ++i)
		for (int tries = 0; !counts_[i].done && tries < attempts; ++tries) {
			// Most of them need a snapshot, an image, an origin in peace.
			take(dice);
			makeImage(dice);
			++counts_[i].tried;
			if ((this->*kinds()[i].step)(dice))
				++counts_[i].done;
		}
}

void Life::takeDown()
{
	constexpr int attempts = 400;
	for (size_t i = 0; i < stores_.size(); ++i)
		EXPECT_TRUE(!stores_[i]->device.exists || removeStore(i, attempts))
			<< "store " << i << " stays in use";
	for (auto &origin : origins_) {
		const Stretch all = {0, origin->data.granules()};
		Buffer held(all.count * granuleSectors);
		Bounds bounds;
		origin->data.noteLow(bounds);
		origin->data.noteHigh(bounds);
		EXPECT_EQ(BlockDevice(origin->below.path()).read(0, held), 0);
		EXPECT_EQ(origin->data.fault(all, held.data(), bounds), "") << origin->word;
	}
}

std::string Life::tally() const
{
	std::string text;
	for (size_t i = 0; i < counts_.size(); ++i)
		text += std::string(i ? ", " : "") + kinds()[i].name + " " +
			std::to_string(counts_[i].done) + "/" + std::to_string(counts_[i].tried);
	text += "; reads across a reload: " + std::to_string(readsAcrossReloads_);
	return text;
}

std::set<std::string> Life::neverDone() const
{
	std::set<std::string> names;
	for (size_t i = 0; i < counts_.size(); ++i)
		if (!counts_[i].done)
			names.insert(kinds()[i].name);
	return names;
}

} // namespace snapdiff::lab
