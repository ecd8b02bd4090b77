// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges and places, against a shadow that keeps a flag per place.
#include "space_world.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace {

const char *whyNot(const sd_range_id &id, u64 deviceSize, u32 block)
{
	Space space;
	const char *why = nullptr;

	return sd_range_check(space.get(), &id, deviceSize, block, &why) ? why : nullptr;
}

} // namespace

TEST(Overlap, OfStretchesThatShareASectorOrNot)
{
	EXPECT_TRUE(sd_overlap(1, 0, 10, 1, 9, 1));
	EXPECT_FALSE(sd_overlap(1, 0, 10, 1, 10, 1));
	EXPECT_FALSE(sd_overlap(1, 0, 10, 2, 0, 10));
	EXPECT_FALSE(sd_overlap(1, 5, 0, 1, 0, 10));
	EXPECT_TRUE(sd_overlap(1, 0, ~0ULL, 1, ~0ULL - 1, 1));
	EXPECT_FALSE(sd_overlap(1, 0, ~0ULL, 1, ~0ULL, 1));
	EXPECT_TRUE(sd_overlap(1, ~0ULL - 1, 100, 1, ~0ULL, 1))
		<< "a wrapped stretch ends at the end";
	EXPECT_FALSE(sd_overlap(1, ~0ULL - 1, 100, 1, 0, 10)) << "and does not begin anew at 0";
}

RC_GTEST_PROP(Overlap, IsSymmetricAndRight, ())
{
	auto a = *rc::gen::inRange<u64>(0, 12), la = *rc::gen::inRange<u64>(0, 12);
	auto b = *rc::gen::inRange<u64>(0, 12), lb = *rc::gen::inRange<u64>(0, 12);
	bool shared = false;

	for (u64 i = a; i < a + la; i++)
		shared |= i >= b && i < b + lb;
	RC_ASSERT(sd_overlap(7, a, la, 7, b, lb) == shared);
	RC_ASSERT(sd_overlap(7, b, lb, 7, a, la) == shared);
}

TEST(RangeCheck, SaysWhatIsWrong)
{
	EXPECT_EQ(whyNot({1, 0, 800, 0, false}, 800, 8), nullptr);
	EXPECT_EQ(whyNot({1, 0, 801, 0, false}, 801, 1), nullptr) << "a tail is allowed";
	EXPECT_STREQ(whyNot({1, 0, 0, 0, false}, 800, 1), "the range has no length");
	EXPECT_STREQ(whyNot({1, ~0ULL, 8, 0, false}, ~0ULL, 1),
		     "the range's end does not fit 64 bits");
	EXPECT_STREQ(whyNot({1, 8, ~0ULL, 0, false}, ~0ULL, 1),
		     "the range's end does not fit 64 bits");
	EXPECT_STREQ(whyNot({1, 8, 793, 0, false}, 800, 1),
		     "the range ends behind the end of its device");
	EXPECT_STREQ(whyNot({1, 4, 16, 0, false}, 800, 8),
		     "the range does not begin at a logical block of its device");
	EXPECT_STREQ(whyNot({1, 8, 12, 0, false}, 800, 8),
		     "the range's length is not a multiple of its device's logical block");
	EXPECT_STREQ(whyNot({1, 0, 32, 0, false}, 800, 16),
		     "the chunk size is smaller than the logical block of the range's device");
	EXPECT_STREQ(whyNot({1, 0, 7, 0, false}, 800, 1), "the range is shorter than one chunk");
	EXPECT_STREQ(whyNot({1, 0, ~0ULL, 0, false}, ~0ULL, 1),
		     "the range has more places than can be numbered");
	EXPECT_EQ(whyNot({1, 0, 8ULL << 48, 0, false}, ~0ULL, 1), nullptr);
}

TEST(RangeCheck, RefusesMoreRangesThanCanBe)
{
	Space space;
	const char *why = nullptr;
	sd_range_id id = rangeOf(1);

	space->filled = SNAPDIFF_RANGES_MAX;
	EXPECT_EQ(sd_range_check(space.get(), &id, 1000, 1, &why), -E2BIG);
	EXPECT_STREQ(why, "the store has as many ranges as it can have");
	space->filled = 0;
}

TEST(Space, FindsTheRangeWithTheSameWordsOnly)
{
	Space space;
	sd_range_id id = rangeOf(3, 1, true);

	EXPECT_EQ(sd_space_find(space.get(), &id), nullptr);
	space.add(id);
	EXPECT_EQ(sd_space_find(space.get(), &id), space->ranges[0]);
	for (int word = 0; word < 5; word++) {
		sd_range_id other = id;

		other.dev += word == 0;
		other.start += word == 1;
		other.len += word == 2;
		other.group += word == 3;
		other.last ^= word == 4;
		EXPECT_EQ(sd_space_find(space.get(), &other), nullptr) << word;
	}
}

TEST(Space, FillsARangeFromItsBeginningToItsEndAndThenGapsAgain)
{
	Space space;

	space.add(rangeOf(10));
	for (u64 i = 0; i < 10; i += 2)
		EXPECT_EQ(space.take(2).index, i);
	sd_space_give(space.get(), 0, 2, 2);
	sd_space_give(space.get(), 0, 7, 1);
	sd_run run = space.take(4);
	EXPECT_EQ(run.index, 2u);
	EXPECT_EQ(run.count, 2u) << "the longest gap, though there is none of four";
	EXPECT_EQ(space.take(4).index, 7u);
	EXPECT_FALSE(sd_space_take(space.get(), 1, &run));
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Space, TakesFromTheGroupWithLeastInFlightAndInTurnAmongEquals)
{
	Space space;

	space.add(rangeOf(100, 7));
	space.add(rangeOf(100, 8));
	space.add(rangeOf(100, 7));
	space.add(rangeOf(100, 9));
	std::vector<u32> slots;
	for (int i = 0; i < 6; i++)
		slots.push_back(space.take(1).slot);
	EXPECT_EQ(slots, (std::vector<u32>{1, 3, 0, 1, 3, 0}));
	space->ranges[1]->writing = 1;
	space->ranges[2]->writing = 2;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(space.take(1).slot, 3u);
	space->ranges[3]->writing = 4;
	EXPECT_EQ(space.take(1).slot, 1u) << "the second range of group 7 counts for the first";
}

TEST(Space, UsesRangesMarkedLastOnlyWhenNoOtherHasAPlace)
{
	Space space;

	space.add(rangeOf(2, 1, true));
	space.add(rangeOf(3, 2));
	space->ranges[1]->writing = 50;
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(space.take(1).slot, 1u);
	EXPECT_EQ(space.take(1).slot, 0u);
	sd_space_give(space.get(), 1, 1, 1);
	EXPECT_EQ(space.take(1).slot, 1u);
}

TEST(Space, AFailedRangeGivesNothingAndItsFreePlacesAreUnusable)
{
	Space space;
	u64 used, free, unusable;
	sd_run run;

	space.add({.dev = 1, .start = 0, .len = 10 * chunk + 3, .group = 0, .last = false});
	EXPECT_EQ(space->unusable, 3u);
	run = space.take(4);
	sd_space_fail(space.get(), 0);
	sd_space_fail(space.get(), 0);
	EXPECT_EQ(space->free, 0u);
	EXPECT_EQ(space->used, 4u * chunk);
	EXPECT_EQ(space->unusable, 6u * chunk + 3);
	EXPECT_FALSE(sd_space_take(space.get(), 1, &run));
	sd_space_give(space.get(), 0, 0, 4);
	sd_range_counts(space.get(), space->ranges[0], &used, &free, &unusable);
	EXPECT_EQ(used, 0u);
	EXPECT_EQ(free, 0u);
	EXPECT_EQ(unusable, 10u * chunk + 3);
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Shrink, TakenPlacesStayUsedAndAllOthersAreUnusable)
{
	Space space;
	sd_run run;

	space.add({.dev = 1, .start = 0, .len = 10 * chunk + 3, .group = 0, .last = false});
	EXPECT_EQ(space.take(4).slot, 0u);
	space.add(rangeOf(4, 1));
	EXPECT_EQ(space.shrink(0), nullptr);
	EXPECT_EQ(space->used, 4u * chunk);
	EXPECT_EQ(space->free, 4u * chunk);
	EXPECT_EQ(space->unusable, 6u * chunk + 3);
	EXPECT_FALSE(sd_space_gives(space.get(), 0));
	EXPECT_EQ(space.take(9).slot, 1u);
	EXPECT_FALSE(sd_space_take(space.get(), 1, &run));
	sd_space_give(space.get(), 0, 1, 2);
	EXPECT_EQ(space->free, 0u);
	EXPECT_EQ(space->unusable, 8u * chunk + 3);
	EXPECT_FALSE(sd_space_leave(space.get(), 0)) << "two places are taken";
	sd_space_give(space.get(), 0, 0, 1);
	sd_space_give(space.get(), 0, 3, 1);
	space.remove(0);
	EXPECT_EQ(space->capacity, 4u * chunk);
	EXPECT_EQ(space->unusable, 0u);
	EXPECT_EQ(space->filled, 1u);
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Shrink, IsRefusedUnlessTheOthersCanTakeAllThatIsUsed)
{
	Space space;

	space.add(rangeOf(10, 0));
	space.take(5);
	EXPECT_STREQ(space.shrink(0),
		     "the store has no other range to take what the range holds: extend first");
	space.add(rangeOf(4, 1));
	EXPECT_STREQ(space.shrink(0), "the other ranges have less free space than the range "
				      "holds: extend first");
	EXPECT_EQ(space->unusable, 0u) << "a refusal changes nothing";
	space.add(rangeOf(4, 2));
	EXPECT_EQ(space.shrink(0), nullptr);
	const char *why = nullptr;
	EXPECT_EQ(sd_space_shrink(space.get(), 0, &why), 1) << "already";
	while (space->free > 3 * chunk)
		space.take(1);
	const u32 slot = space->ranges[1]->taken ? 1 : 2;
	EXPECT_NE(space.shrink(slot), nullptr) << "what is free is wanted by the shrink under way";
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Shrink, OfAnEmptyRangeNeedsNoOther)
{
	Space space;

	space.add(rangeOf(10));
	EXPECT_EQ(space.shrink(0), nullptr);
	space.remove(0);
	EXPECT_EQ(space->capacity, 0u);
	EXPECT_EQ(space->filled, 0u);
	EXPECT_EQ(space.add(rangeOf(3)), 0u);
	EXPECT_EQ(space.take(3).index, 0u);
}

TEST(Shrink, UndoneMakesPlacesFreeAtOnceButNotInAFailedRange)
{
	Space space;

	space.add(rangeOf(10, 0));
	space.take(2);
	space.add(rangeOf(10, 1));
	EXPECT_EQ(sd_space_yields(space.get()), SD_NO_SLOT);
	EXPECT_FALSE(sd_space_unshrink(space.get(), 0, SD_SHRINK_CANCELLED));
	ASSERT_EQ(space.shrink(0), nullptr);
	EXPECT_EQ(sd_space_yields(space.get()), 0u);
	EXPECT_TRUE(sd_space_unshrink(space.get(), 0, SD_SHRINK_NO_SPACE));
	EXPECT_EQ(space->ranges[0]->shrink, SD_SHRINK_NO_SPACE);
	EXPECT_EQ(space->free, 18u * chunk);
	ASSERT_EQ(space.shrink(0), nullptr);
	sd_space_fail(space.get(), 0);
	EXPECT_EQ(sd_space_yields(space.get()), SD_NO_SLOT) << "it would give nothing";
	EXPECT_TRUE(sd_space_unshrink(space.get(), 0, SD_SHRINK_CANCELLED));
	EXPECT_EQ(space->free, 10u * chunk);
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Shrink, CannotBeUndoneAnyMoreWhenTheRangeLeaves)
{
	Space space;

	space.add(rangeOf(10));
	EXPECT_FALSE(sd_space_leave(space.get(), 0)) << "nobody shrinks it";
	ASSERT_EQ(space.shrink(0), nullptr);
	EXPECT_TRUE(sd_space_leave(space.get(), 0));
	EXPECT_FALSE(sd_space_unshrink(space.get(), 0, SD_SHRINK_CANCELLED));
	EXPECT_EQ(sd_space_yields(space.get()), SD_NO_SLOT);
	sd_range_free(sd_space_remove(space.get(), 0));
}

TEST(Shrink, YieldsTheRangeThatGivesMost)
{
	Space space;

	for (u32 places : {3, 9, 5})
		space.add(rangeOf(places, places));
	for (u32 slot : {0, 1, 2})
		ASSERT_EQ(space.shrink(slot), nullptr);
	EXPECT_EQ(sd_space_yields(space.get()), 1u);
	EXPECT_EQ(sd_space_shrinking(space.get(), SD_NO_SLOT), 0u);
	EXPECT_EQ(sd_space_shrinking(space.get(), 1), 2u);
	EXPECT_EQ(sd_space_shrinking(space.get(), 2), 0u);
	space.remove(0);
	EXPECT_EQ(sd_space_shrinking(space.get(), 2), 1u);
}

TEST(Shrink, YieldsAlsoARangeWithoutFreePlacesSoThatWhatADropFreesThereIsUsable)
{
	Space space;

	space.add(rangeOf(4, 0));
	space.take(4);
	space.add(rangeOf(4, 1));
	ASSERT_EQ(space.shrink(0), nullptr);
	space.take(4);
	EXPECT_EQ(sd_space_yields(space.get()), 0u);
	ASSERT_TRUE(sd_space_unshrink(space.get(), 0, SD_SHRINK_NO_SPACE));
	EXPECT_EQ(space->free, 0u);
	sd_space_give(space.get(), 0, 2, 1);
	EXPECT_EQ(space->free, chunk);
}

TEST(Shrink, SlotsAreUsedAgain)
{
	Space space;

	for (u32 i = 0; i < 5; i++)
		space.add(rangeOf(4, i % 2));
	for (u32 i = 0; i < 10000; i++) {
		ASSERT_EQ(space.shrink(i % 5), nullptr);
		space.remove(i % 5);
		ASSERT_EQ(space.add(rangeOf(4, i % 3)), i % 5);
	}
	EXPECT_EQ(space->count, 5u);
	EXPECT_EQ(space->filled, 5u);
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Space, RefusesPlacesThatWereNotTaken)
{
	Space space;
	AllowWarnings warnings;

	space.add(rangeOf(10));
	space.take(4);
	sd_space_give(space.get(), 0, 3, 2);
	sd_space_give(space.get(), 0, 9, 2);
	sd_space_give(space.get(), 0, 11, 1);
	sd_space_give(space.get(), 1, 0, 1);
	sd_space_give(space.get(), 0, ~0ULL, 2);
	sd_space_fail(space.get(), 1);
	EXPECT_EQ(warnings.count(), 6u);
	EXPECT_EQ(space->used, 4u * chunk);
	EXPECT_TRUE(sd_space_check(space.get()));
}

TEST(Space, PlacesBehindFourBillionAreNumberedRight)
{
	Space space;
	u64 places = (1ULL << 32) + 1000;

	space.add({.dev = 1, .start = 77, .len = places * chunk, .group = 0, .last = false});
	space->ranges[0]->next = (1ULL << 32) + 5;
	sd_run run = space.take(100);
	EXPECT_EQ(run.index, (1ULL << 32) + 5);
	EXPECT_EQ(run.count, 100u);
	EXPECT_EQ(sd_place_sector(space.get(), sd_place(0, run.index)), 77 + run.index * chunk);
	run = space.take(2000);
	EXPECT_EQ(run.count, 2000u) << "the end of the range is too short: from its beginning";
	EXPECT_EQ(run.index, 0u);
	sd_space_give(space.get(), 0, (1ULL << 32) + 5, 100);
	EXPECT_EQ(space->used, 2000u * chunk);
}

TEST(Space, WithoutMemoryNothingHappens)
{
	Space space;
	sd_range_id id = rangeOf(10);
	sd_range **array = nullptr;

	shim_fail_alloc = 1;
	EXPECT_EQ(sd_range_alloc(space.get(), &id), nullptr);
	shim_fail_alloc = 2;
	EXPECT_EQ(sd_range_alloc(space.get(), &id), nullptr);
	shim_fail_alloc = 1;
	EXPECT_EQ(sd_space_grow(space.get(), &array), -ENOMEM);
	id.len = ~0ULL - 7;
	EXPECT_EQ(sd_range_alloc(space.get(), &id), nullptr) << "a bitmap too large to ask for";
}

RC_GTEST_PROP(Space, AgreesWithItsShadow, ())
{
	spaceHistory(shortHistory());
}

RC_GTEST_PROP(Space, AgreesWithItsShadowOverLongHistories, ())
{
	spaceHistory(longHistory(600));
}
