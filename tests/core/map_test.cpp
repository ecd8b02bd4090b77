// SPDX-License-Identifier: GPL-2.0-or-later
// The chunk map: single promises.
#include "core.h"

#include <gtest/gtest.h>
#include <memory>
#include <vector>

namespace {

struct Destroy
{
	void operator()(sd_map *m) const { sd_map_destroy(m); }
};

class Map
{
public:
	explicit Map(u64 chunks) : map_(sd_map_create(chunks)) {}

	sd_map *get() const { return map_.get(); }
	void take(u32 s)
	{
		void *spare = nullptr;

		ASSERT_EQ(sd_map_grow(get(), &spare), 0);
		sd_map_take(get(), s, &spare);
		sd_free(spare);
	}
	// Returns how many pieces of memory it took.
	int reserve(u64 first, u32 count)
	{
		void *spare = nullptr;
		int pieces = 0;

		while (size_t bytes = sd_map_reserve(get(), first, count, &spare)) {
			EXPECT_EQ(spare, nullptr);
			spare = sd_map_alloc(bytes);
			pieces++;
		}
		sd_free(spare);
		return pieces;
	}
	void copy(u64 first, u32 count, sd_place_t place)
	{
		reserve(first, count);
		for (u32 i = 0; i < count; i++)
			EXPECT_TRUE(sd_map_publish(get(), first + i, place + i)) << first + i;
		sd_map_mark_safe(get(), first, count);
		EXPECT_TRUE(sd_map_check(get()));
	}
	// "12+3" for three places from 12 on, "origin+3", "bad+3".
	std::string shows(u32 s, u64 chunk, u32 max)
	{
		sd_place_t place = 0;
		u32 run = 0;
		std::string what = "origin";

		if (sd_map_lookup(get(), s, chunk, max, &place, &run))
			what = place == SD_PLACE_BAD ? "bad" : std::to_string(place);
		return what + "+" + std::to_string(run);
	}
	// "5+3" for three unsafe chunks from 5 on, "safe".
	std::string unsafe(u64 first, u64 last, u32 max = 1000, bool exclusive = true)
	{
		u64 start = 0;
		u32 run = sd_map_unsafe_run(get(), first, last, max, exclusive, &start);

		return run ? std::to_string(start) + "+" + std::to_string(run) : "safe";
	}
	std::vector<sd_place_t> reap()
	{
		std::vector<sd_place_t> all;
		sd_reap r{};
		sd_place_t freed[7];
		bool done = false;

		while (!done) {
			u32 n = 0;

			done = sd_map_reap(get(), &r, 5, freed, 7, &n);
			all.insert(all.end(), freed, freed + n);
		}
		EXPECT_TRUE(sd_map_check(get()));
		return all;
	}

private:
	std::unique_ptr<sd_map, Destroy> map_;
};

} // namespace

TEST(Map, WithoutASnapshotEverythingIsSafeAndFromTheOrigin)
{
	Map m(1000);

	EXPECT_TRUE(sd_map_all_safe(m.get(), 0, 999));
	EXPECT_EQ(sd_map_safe_run(m.get(), 10, 19), 10u);
	EXPECT_EQ(m.unsafe(0, 999), "safe");
	EXPECT_EQ(sd_map_unsafe(m.get()), 0u);
	EXPECT_EQ(sd_map_newest(m.get()), 0u);
	EXPECT_EQ(sd_map_current(m.get()), 0u);
}

TEST(Map, ATakeMakesAllChunksUnsafeAndACopyMakesItsOwnSafe)
{
	Map m(1000);

	m.take(1);
	EXPECT_EQ(sd_map_unsafe(m.get()), 1000u);
	EXPECT_FALSE(sd_map_all_safe(m.get(), 999, 999));
	m.copy(500, 30, 7000);
	EXPECT_EQ(sd_map_unsafe(m.get()), 970u);
	EXPECT_TRUE(sd_map_all_safe(m.get(), 500, 529));
	EXPECT_FALSE(sd_map_all_safe(m.get(), 499, 529));
	EXPECT_FALSE(sd_map_all_safe(m.get(), 500, 530));
	EXPECT_EQ(sd_map_safe_run(m.get(), 505, 999), 25u);
	EXPECT_EQ(sd_map_safe_run(m.get(), 499, 999), 0u);
	EXPECT_EQ(m.unsafe(490, 999), "490+10");
	EXPECT_EQ(m.unsafe(500, 999, 7), "530+7");
	EXPECT_EQ(m.shows(1, 495, 100), "origin+5");
	EXPECT_EQ(m.shows(1, 500, 100), "7000+30");
	EXPECT_EQ(m.shows(1, 520, 4), "7020+4");
	EXPECT_EQ(m.shows(1, 530, 1000), "origin+470");
	m.take(5);
	EXPECT_EQ(sd_map_current(m.get()), 5u);
	EXPECT_EQ(m.unsafe(500, 529), "500+30");
	EXPECT_EQ(sd_map_safe_run(m.get(), 500, 529), 0u);
}

TEST(Map, PublishedIsNotYetSafe)
{
	Map m(1000);

	m.take(1);
	m.reserve(3, 1);
	ASSERT_TRUE(sd_map_publish(m.get(), 3, 77));
	EXPECT_EQ(m.shows(1, 3, 1), "77+1");
	EXPECT_EQ(m.unsafe(3, 3), "3+1");
	EXPECT_EQ(sd_map_unsafe(m.get()), 1000u);
	EXPECT_FALSE(sd_map_all_safe(m.get(), 3, 3));
	sd_map_mark_safe(m.get(), 3, 1);
	EXPECT_EQ(m.unsafe(3, 3), "safe");
	EXPECT_TRUE(sd_map_all_safe(m.get(), 3, 3));
}

TEST(Map, AMarkThatComesAfterTheNextTakeIsForTheOldLayer)
{
	Map m(1000);

	m.take(1);
	m.reserve(3, 1);
	ASSERT_TRUE(sd_map_publish(m.get(), 3, 77));
	m.take(2);
	sd_map_mark_safe(m.get(), 3, 1);
	EXPECT_FALSE(sd_map_all_safe(m.get(), 3, 3));
	EXPECT_EQ(m.unsafe(3, 3), "3+1");
	EXPECT_EQ(sd_map_unsafe(m.get()), 1000u);
	sd_map_end(m.get(), 2);
	EXPECT_EQ(m.unsafe(3, 3), "safe") << "for snapshot 1 it is kept";
	EXPECT_EQ(sd_map_unsafe(m.get()), 999u);
	EXPECT_TRUE(sd_map_all_safe(m.get(), 3, 3)) << "the look-up has set the quick bit";
	EXPECT_TRUE(sd_map_check(m.get()));
}

TEST(Map, ALookUpWithoutTheCellsSetsNoQuickBit)
{
	Map m(1000);

	m.take(1);
	m.copy(3, 1, 77);
	m.take(2);
	sd_map_end(m.get(), 2);
	EXPECT_EQ(m.unsafe(3, 3, 1, false), "safe");
	EXPECT_FALSE(sd_map_all_safe(m.get(), 3, 3));
}

TEST(Map, WhatNobodyNeedsIsNotPublished)
{
	Map m(1000);

	m.reserve(0, 4);
	EXPECT_FALSE(sd_map_publish(m.get(), 0, 1)) << "no snapshot";
	m.take(1);
	EXPECT_TRUE(sd_map_publish(m.get(), 0, 1));
	EXPECT_FALSE(sd_map_publish(m.get(), 0, 2)) << "twice in a layer";
	sd_map_mark_safe(m.get(), 0, 1);
	m.take(2);
	sd_map_end(m.get(), 2);
	EXPECT_FALSE(sd_map_publish(m.get(), 0, 3)) << "the newest live one has it";
	EXPECT_EQ(sd_map_exceptions(m.get()), 1u);
	EXPECT_TRUE(sd_map_check(m.get()));
}

TEST(Map, EachSnapshotShowsTheOldestExceptionNotBelowIt)
{
	Map m(100);

	for (u32 s = 1; s <= 5; s++) {
		m.take(s);
		if (s == 2 || s == 4)
			m.copy(10, 1, 100 * s);
	}
	EXPECT_EQ(m.shows(1, 10, 1), "200+1");
	EXPECT_EQ(m.shows(2, 10, 1), "200+1");
	EXPECT_EQ(m.shows(3, 10, 1), "400+1");
	EXPECT_EQ(m.shows(4, 10, 1), "400+1");
	EXPECT_EQ(m.shows(5, 10, 5), "origin+5");
	EXPECT_EQ(sd_map_own(m.get(), 1), 0u);
	EXPECT_EQ(sd_map_own_with_older(m.get(), 2), 1u);
	EXPECT_EQ(sd_map_own_with_older(m.get(), 3), 0u);
	EXPECT_EQ(sd_map_own_with_older(m.get(), 4), 1u);
	sd_map_end(m.get(), 1);
	EXPECT_EQ(sd_map_own(m.get(), 2), 1u);
	EXPECT_EQ(m.reap(), std::vector<sd_place_t>{});
	sd_map_end(m.get(), 2);
	EXPECT_EQ(m.reap(), std::vector<sd_place_t>{200});
	sd_map_end(m.get(), 4);
	EXPECT_EQ(sd_map_own(m.get(), 3), 1u);
	sd_map_end(m.get(), 3);
	sd_map_end(m.get(), 3);
	EXPECT_EQ(m.reap(), std::vector<sd_place_t>{400});
	EXPECT_EQ(sd_map_exceptions(m.get()), 0u);
}

TEST(Map, BadChunksAreShownAndCountedAndNeverFreedAsPlaces)
{
	Map m(100);

	m.take(1);
	m.reserve(4, 5);
	for (u64 chunk = 4; chunk < 9; chunk++)
		ASSERT_TRUE(sd_map_publish(m.get(), chunk, chunk < 7 ? SD_PLACE_BAD : chunk));
	sd_map_mark_safe(m.get(), 4, 5);
	EXPECT_EQ(m.shows(1, 4, 50), "bad+3");
	EXPECT_EQ(m.shows(1, 7, 50), "7+2");
	EXPECT_EQ(sd_map_bad(m.get()), 3u);
	EXPECT_EQ(sd_map_own(m.get(), 1), 2u);
	EXPECT_EQ(sd_map_unsafe(m.get()), 95u);
	EXPECT_TRUE(sd_map_check(m.get()));
	sd_map_end(m.get(), 1);
	EXPECT_EQ(m.reap(), (std::vector<sd_place_t>{7, 8}));
	EXPECT_EQ(sd_map_bad(m.get()), 0u);
}

TEST(Map, APlaceIsReplacedOnlyIfItIsStillTheOldOne)
{
	Map m(100);

	m.take(1);
	m.copy(4, 2, 50);
	EXPECT_FALSE(sd_map_replace(m.get(), 4, 1, 51, 60));
	EXPECT_FALSE(sd_map_replace(m.get(), 4, 2, 50, 60));
	EXPECT_FALSE(sd_map_replace(m.get(), 6, 1, 50, 60));
	EXPECT_TRUE(sd_map_replace(m.get(), 4, 1, 50, 60));
	EXPECT_EQ(m.shows(1, 4, 9), "60+1") << "no longer neighbours";
	EXPECT_TRUE(sd_map_replace(m.get(), 5, 1, 51, SD_PLACE_BAD));
	EXPECT_EQ(sd_map_bad(m.get()), 1u);
	EXPECT_EQ(sd_map_own(m.get(), 1), 1u);
	EXPECT_TRUE(sd_map_check(m.get()));
	EXPECT_FALSE(sd_map_replace(m.get(), 90, 1, 0, 1));
}

TEST(Map, NeighbouringPlacesOfDifferentRangesAreNoRun)
{
	Map m(100);

	m.take(1);
	m.reserve(0, 2);
	ASSERT_TRUE(sd_map_publish(m.get(), 0, sd_place(3, (1ULL << 48) - 1)));
	ASSERT_TRUE(sd_map_publish(m.get(), 1, sd_place(4, 0)));
	EXPECT_EQ(sd_place(3, (1ULL << 48) - 1) + 1, sd_place(4, 0)) << "the trap";
	EXPECT_EQ(m.shows(1, 0, 2), std::to_string(sd_place(3, (1ULL << 48) - 1)) + "+1");
}

TEST(Map, RunsGoOnOverTheBordersOfLeavesAndNodes)
{
	Map m(100000);

	m.take(1);
	for (u64 first : {500, 32760}) {
		m.copy(first, 30, 9 * first);
		EXPECT_EQ(m.shows(1, first, 1000), std::to_string(9 * first) + "+30");
		EXPECT_EQ(sd_map_safe_run(m.get(), first, 99999), 30u);
		EXPECT_EQ(m.unsafe(first, first + 32), std::to_string(first + 30) + "+3");
	}
	EXPECT_EQ(m.shows(1, 530, 100000), "origin+" + std::to_string(32760 - 530));
	EXPECT_EQ(m.shows(1, 32790, ~0u), "origin+" + std::to_string(100000 - 32790));
}

TEST(Map, ReservationsAreUsedUpOrGivenBack)
{
	Map m(100000);

	m.take(1);
	EXPECT_GT(m.reserve(510, 4), 0);
	EXPECT_EQ(m.reserve(600, 4), 1) << "only the records need more room";
	sd_map_unreserve(m.get(), 510, 4);
	sd_map_unreserve(m.get(), 600, 4);
	EXPECT_EQ(m.reserve(510, 4), 0);
	sd_map_unreserve(m.get(), 510, 4);
	AllowWarnings warnings;
	EXPECT_FALSE(sd_map_publish(m.get(), 510, 1)) << "without a reservation";
	sd_map_unreserve(m.get(), 510, 1);
	sd_map_unreserve(m.get(), 90000, 1);
	EXPECT_EQ(warnings.count(), 3u);
}

TEST(Map, ASpareForSomethingElseIsKeptAndComesBackForFreeing)
{
	Map m(100);
	void *spare = sd_map_alloc(48);
	u64 before = sd_map_memory(m.get());

	size_t bytes = sd_map_reserve(m.get(), 0, 1, &spare);
	EXPECT_GT(bytes, 0u);
	EXPECT_EQ(spare, nullptr);
	EXPECT_EQ(sd_map_memory(m.get()), before + 48);
	void *piece = sd_map_retired(m.get());
	EXPECT_NE(piece, nullptr);
	sd_free(piece);
	EXPECT_EQ(sd_map_retired(m.get()), nullptr);
	EXPECT_EQ(sd_map_memory(m.get()), before);
}

TEST(Map, MemoryFollowsTheCopiesAndComesBack)
{
	Map m(1 << 20);
	u64 empty = sd_map_memory(m.get());

	m.take(1);
	m.copy(0, 5000, 0);
	EXPECT_LT(sd_map_memory(m.get()), empty + 5000 * 40);
	sd_map_end(m.get(), 1);
	EXPECT_EQ(m.reap().size(), 5000u);
	while (void *piece = sd_map_retired(m.get()))
		sd_free(piece);
	EXPECT_LT(sd_map_memory(m.get()), empty + 5000) << "leaves stay, records do not";
}

TEST(Map, ReapStopsWhenTheListIsFullAndGoesOnThere)
{
	Map m(1000);
	sd_reap r{};
	sd_place_t freed[3];
	u32 n = 0;

	m.take(1);
	m.copy(100, 8, 40);
	sd_map_end(m.get(), 1);
	EXPECT_FALSE(sd_map_reap(m.get(), &r, 100, freed, 3, &n));
	EXPECT_EQ(n, 3u);
	EXPECT_EQ(freed[2], 42u);
	EXPECT_FALSE(sd_map_reap(m.get(), &r, 100, freed, 3, &n));
	EXPECT_TRUE(sd_map_reap(m.get(), &r, 100, freed, 3, &n));
	EXPECT_EQ(n, 2u);
	EXPECT_EQ(freed[1], 47u);
}

TEST(Map, WithoutMemoryNothingHappens)
{
	Map m(1000);
	void *spare = nullptr;

	shim_fail_alloc = 1;
	EXPECT_EQ(sd_map_create(10), nullptr);
	EXPECT_EQ(sd_map_create(0), nullptr);
	EXPECT_EQ(sd_map_create(~0ULL), nullptr) << "more than can be asked for";
	shim_fail_alloc = 1;
	EXPECT_EQ(sd_map_grow(m.get(), &spare), -ENOMEM);
	EXPECT_EQ(spare, nullptr);
	shim_fail_alloc = 1;
	EXPECT_EQ(sd_map_alloc(64), nullptr);
}

TEST(Map, GrowingMayBeRepeated)
{
	Map m(1000);
	void *spare = nullptr;

	ASSERT_EQ(sd_map_grow(m.get(), &spare), 0);
	void *first = spare;
	ASSERT_EQ(sd_map_grow(m.get(), &spare), 0);
	EXPECT_EQ(spare, first);
	sd_free(spare);
	for (u32 s = 1; s <= 40; s++)
		m.take(s);
	EXPECT_EQ(sd_map_newest(m.get()), 40u);
	EXPECT_TRUE(sd_map_check(m.get()));
}

// 256 neighbours at a time, as a sequential writer makes them, through three layers.
TEST(Map, LongRunsAreNotQuadratic)
{
	Map m(1 << 20);

	for (u32 s = 1; s <= 3; s++) {
		m.take(s);
		for (u64 first = 0; first < 1 << 16; first += 256) {
			m.reserve(first, 256);
			for (u64 i = 0; i < 256; i++)
				ASSERT_TRUE(sd_map_publish(m.get(), first + i, first + i));
			sd_map_mark_safe(m.get(), first, 256);
		}
	}
	EXPECT_EQ(sd_map_exceptions(m.get()), 3ULL << 16);
	EXPECT_TRUE(sd_map_check(m.get()));
}

TEST(MapGrowth, NewChunksAreSafeUntilTheNextTake)
{
	Map m(1000);
	const auto widen = [&](u64 chunks) {
		sd_free(sd_map_widen(m.get(), chunks, sd_map_top_alloc(chunks)));
		EXPECT_TRUE(sd_map_check(m.get()));
	};

	widen(1200); // nothing is live: everything is safe
	EXPECT_TRUE(sd_map_all_safe(m.get(), 0, 1199));
	m.take(1);
	EXPECT_EQ(sd_map_unsafe(m.get()), 1200u);
	m.copy(1190, 10, 100);
	widen(100000); // over the borders of leaf and node

	EXPECT_EQ(sd_map_unsafe(m.get()), 1190u);
	EXPECT_EQ(m.unsafe(1180, 99999), "1180+10");
	EXPECT_EQ(m.unsafe(1190, 99999), "safe");
	EXPECT_TRUE(sd_map_all_safe(m.get(), 1190, 99999));
	EXPECT_FALSE(sd_map_all_safe(m.get(), 1189, 99999));
	EXPECT_EQ(sd_map_safe_run(m.get(), 1195, 50000), 50000u - 1195 + 1);
	EXPECT_EQ(m.shows(1, 1190, 10), "100+10");

	m.take(2);
	EXPECT_EQ(sd_map_unsafe(m.get()), 100000u);
	EXPECT_EQ(m.unsafe(1195, 99999, 50000), "1195+50000");
	m.copy(99990, 10, 200);
	EXPECT_EQ(m.shows(2, 99990, 10), "200+10");
	EXPECT_EQ(m.shows(1, 1190, 10), "100+10");
	sd_map_end(m.get(), 2);
	EXPECT_TRUE(sd_map_check(m.get()));
	sd_map_end(m.get(), 1);
	EXPECT_EQ(m.reap().size(), 20u);
	EXPECT_TRUE(sd_map_check(m.get()));
}

TEST(MapGrowth, MoreThanCanBeAskedForIsRefused)
{
	EXPECT_EQ(sd_map_top_alloc(~0ULL), nullptr);
	EXPECT_EQ(sd_map_top_alloc(0), nullptr);
}
