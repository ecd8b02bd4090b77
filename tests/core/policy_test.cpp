// SPDX-License-Identifier: GPL-2.0-or-later
// Low water and the ladder active, holding, full: nothing may get stuck, whatever the order.
#include "core.h"
#include "history.h"

#include <gtest/gtest.h>
#include <optional>
#include <rapidcheck/gtest.h>

namespace {

constexpr unsigned int EVENT = SD_POLICY_EVENT, RELEASE = SD_POLICY_RELEASE, ARM = SD_POLICY_ARM,
		       DROP = SD_POLICY_DROP;

sd_policy policyWith(u64 lowWater, u32 holdMs)
{
	sd_policy p;

	sd_policy_init(&p);
	p.hold_ms = holdMs;
	sd_policy_set_low_water(&p, lowWater, 1000);
	return p;
}

} // namespace

TEST(Policy, LowIsALevelAndEachChangeOfItIsAnEvent)
{
	sd_policy p = policyWith(100, 1000);

	EXPECT_FALSE(p.low);
	EXPECT_EQ(sd_policy_space(&p, 101, false), 0u);
	EXPECT_EQ(sd_policy_space(&p, 100, false), EVENT);
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_space(&p, 90, false), 0u);
	EXPECT_EQ(sd_policy_space(&p, 95, true), 0u) << "too short an extend leaves it low";
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_set_low_water(&p, 94, 95), EVENT);
	EXPECT_FALSE(p.low);
	EXPECT_EQ(sd_policy_set_low_water(&p, 0, 0), 0u) << "0: never low";
	EXPECT_EQ(p.seq, 2u);
}

TEST(Policy, HoldsThenDropsUntilAPlaceIsFree)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE) << "nobody waits yet";
	EXPECT_EQ(sd_policy_held(&p, 50), EVENT | ARM);
	EXPECT_EQ(p.mode, SD_MODE_HOLDING);
	EXPECT_EQ(p.hold_end, 1050u);
	EXPECT_EQ(sd_policy_held(&p, 400), 0u) << "the second waits for the end of the same hold";
	EXPECT_EQ(sd_policy_timer(&p, 1000), ARM) << "too early";
	EXPECT_EQ(sd_policy_timer(&p, 1050), EVENT | DROP);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
	EXPECT_EQ(sd_policy_held(&p, 1060), 0u) << "a drop is under way";
	EXPECT_EQ(sd_policy_dropped(&p, 0, false), RELEASE | DROP) << "it freed nothing: once more";
	EXPECT_EQ(sd_policy_dropped(&p, 0, true), RELEASE) << "nothing left to drop";
	EXPECT_EQ(sd_policy_space(&p, 0, false), DROP) << "but the next shortage may drop again";
	EXPECT_EQ(sd_policy_dropped(&p, 8, false), EVENT | RELEASE);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	sd_policy_unheld(&p, 400);
	EXPECT_EQ(p.held_since, 400u);
	EXPECT_EQ(sd_policy_space(&p, 0, false), EVENT | DROP) << "the hold is spent";
	EXPECT_EQ(p.held_total, 3u);
}

TEST(Policy, AsksForNoDropWhereNothingIsLeftToBeDropped)
{
	sd_policy p = policyWith(0, 0);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 1), EVENT | DROP);
	EXPECT_EQ(sd_policy_dropped(&p, 0, true), RELEASE) << "all chunks are safe now";
	EXPECT_EQ(sd_policy_unheld(&p, 0), 0u);
	EXPECT_EQ(sd_policy_held(&p, 9), DROP) << "a snapshot was taken since";
}

TEST(Policy, AnExtendReleasesAtOnceAndArmsTheHoldAgain)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_timer(&p, 1000), EVENT | DROP);
	EXPECT_EQ(sd_policy_space(&p, 50, true), EVENT | RELEASE);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	EXPECT_TRUE(p.low);
	EXPECT_EQ(sd_policy_dropped(&p, 50, false), RELEASE);
	sd_policy_unheld(&p, 0);
	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 5000), EVENT | ARM);
	EXPECT_EQ(p.hold_end, 6000u);
}

TEST(Policy, WritersThatComeAndGoShareOneHold)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_unheld(&p, 0);
	EXPECT_EQ(p.mode, SD_MODE_ACTIVE);
	EXPECT_EQ(sd_policy_held(&p, 600), EVENT | ARM);
	EXPECT_EQ(p.hold_end, 1000u);
	sd_policy_unheld(&p, 0);
	EXPECT_EQ(sd_policy_held(&p, 1200), EVENT | DROP) << "its time ran out meanwhile";
}

TEST(Policy, AHoldThatNobodyWaitsForIsSpentWithoutADrop)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_unheld(&p, 0);
	EXPECT_EQ(sd_policy_timer(&p, 1000), EVENT);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
	EXPECT_EQ(sd_policy_held(&p, 1001), DROP);
}

TEST(Policy, FreeSpaceAboveTheMarkEndsTheShortage)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_timer(&p, 1000);
	sd_policy_unheld(&p, 0);
	sd_policy_dropped(&p, 60, false);
	EXPECT_TRUE(p.hold_spent) << "still at or below the mark";
	sd_policy_space(&p, 101, false);
	EXPECT_FALSE(p.hold_spent);
}

TEST(Policy, WithoutAHoldDropsFollowAtOnce)
{
	sd_policy p = policyWith(0, 0);

	sd_policy_space(&p, 0, false);
	EXPECT_EQ(sd_policy_held(&p, 7), EVENT | DROP);
	EXPECT_EQ(p.mode, SD_MODE_FULL);
}

TEST(Policy, WritersLeftWithoutAPlaceAfterAnExtendGetAHoldOfTheirOwn)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_space(&p, 8, true), EVENT | RELEASE);
	sd_policy_unheld(&p, 0);
	EXPECT_EQ(sd_policy_space(&p, 0, false), EVENT | ARM) << "the second waits on";
	EXPECT_EQ(p.hold_end, 0u) << "the timer comes at once and begins the clock";
	EXPECT_EQ(sd_policy_timer(&p, 300), ARM);
	EXPECT_EQ(p.hold_end, 1300u);
}

TEST(Policy, ANewHoldTimeCountsFromTheHoldsBeginning)
{
	sd_policy p = policyWith(0, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 100);
	EXPECT_EQ(sd_policy_set_hold(&p, 5000, 200), ARM);
	EXPECT_EQ(p.hold_end, 5100u);
	EXPECT_EQ(sd_policy_set_hold(&p, 50, 200), EVENT | DROP);
}

TEST(Policy, DyingReleasesEverybodyForGood)
{
	sd_policy p = policyWith(100, 1000);

	sd_policy_space(&p, 0, false);
	sd_policy_held(&p, 0);
	EXPECT_EQ(sd_policy_dying(&p), EVENT | RELEASE);
	EXPECT_EQ(sd_policy_dying(&p), RELEASE);
	EXPECT_EQ(sd_policy_held(&p, 1), RELEASE);
	EXPECT_EQ(sd_policy_timer(&p, 99999), 0u);
	EXPECT_EQ(p.mode, SD_MODE_DYING);
	EXPECT_EQ(sd_policy_note(&p), EVENT);
}

TEST(Policy, ModesHaveNames)
{
	EXPECT_STREQ(sd_mode_name(SD_MODE_ACTIVE), "active");
	EXPECT_STREQ(sd_mode_name(SD_MODE_HOLDING), "holding");
	EXPECT_STREQ(sd_mode_name(SD_MODE_FULL), "full");
	EXPECT_STREQ(sd_mode_name(SD_MODE_DYING), "dying");
}

namespace {

// A store around the policy: a clock, a timer, writers, somebody who drops. It knows by itself
// what level and mode should be, and that nobody waits without somebody being about to act.
class Store
{
public:
	Store(u64 lowWater, u32 holdMs) : holdMs_(holdMs)
	{
		sd_policy_init(&p_);
		p_.hold_ms = holdMs;
		act(sd_policy_set_low_water(&p_, lowWater, 0), false);
	}

	void step(History &h)
	{
		switch (h.below(10)) {
		case 0:
			free_ = h.oneIn(3) ? 0 : h.below(30);
			shortageMayEnd(false);
			act(sd_policy_space(&p_, free_, false), false);
			break;
		case 1:
			free_ += h.between(1, 20);
			shortageMayEnd(true);
			act(sd_policy_space(&p_, free_, true), false);
			break;
		case 2:
			act(sd_policy_set_low_water(&p_, h.below(20), free_), false);
			shortageMayEnd(false);
			break;
		case 3:
			if (p_.held) {
				act(sd_policy_unheld(&p_, now_), false);
				shortageMayEnd(false);
			}
			break;
		case 4:
			if (dropping_)
				drop(h);
			break;
		case 5:
			act(sd_policy_note(&p_), true);
			break;
		case 6:
		case 7:
			pass(h.below(400));
			break;
		default:
			if (!free_)
				hold();
		}
		check();
	}

private:
	void hold()
	{
		if (!shortage_)
			shortage_ = now_;
		act(sd_policy_held(&p_, now_), false);
	}

	void drop(History &h)
	{
		bool nothingLeft = h.oneIn(3);

		dropping_ = false;
		free_ += nothingLeft ? 0 : h.below(3) * 5;
		unsigned int todo = sd_policy_dropped(&p_, free_, nothingLeft);
		RC_ASSERT(!!(todo & RELEASE) == (p_.held > 0));
		if (nothingLeft)
			RC_ASSERT(!(todo & DROP));
		act(todo & ~RELEASE, false);
		// without snapshots all chunks are safe: the released go on
		while (nothingLeft && p_.held)
			act(sd_policy_unheld(&p_, now_), false);
		shortageMayEnd(false);
	}

	// The shortage's end, by the words of protocol 13.
	void shortageMayEnd(bool extended)
	{
		bool over = p_.low_water ? free_ > p_.low_water : free_ && !p_.held;

		if (extended || over)
			shortage_.reset();
		// whoever is left waiting after that begins the next one
		if (!shortage_ && p_.held && !free_)
			shortage_ = now_;
	}

	void pass(u64 ms)
	{
		now_ += ms;
		while (timer_ && *timer_ <= now_) {
			timer_.reset();
			act(sd_policy_timer(&p_, now_), false);
		}
	}

	void act(unsigned int todo, bool noted)
	{
		bool changed = p_.mode != mode_ || p_.low != low_;

		RC_ASSERT(!!(todo & EVENT) == (changed || noted));
		RC_ASSERT((p_.seq > seq_) == (changed || noted));
		seq_ = p_.seq;
		mode_ = p_.mode;
		low_ = p_.low;
		if (todo & ARM)
			timer_ = p_.hold_end;
		if (todo & DROP) {
			RC_ASSERT(!dropping_);
			RC_ASSERT(p_.held > 0 && !free_);
			dropping_ = true;
			// not before the hold of this shortage has passed
			RC_ASSERT(shortage_ && now_ >= *shortage_ + holdMs_);
		}
		if (todo & RELEASE)
			RC_ASSERT(p_.held > 0 && free_);
		// a timer for the past fires now
		if (timer_ && *timer_ <= now_)
			pass(0);
	}

	void check() const
	{
		bool spent = shortage_ && now_ >= *shortage_ + holdMs_;

		RC_ASSERT(p_.low == (p_.low_water && free_ <= p_.low_water));
		if (free_)
			RC_ASSERT(p_.mode == SD_MODE_ACTIVE);
		else if (p_.held)
			RC_ASSERT(p_.mode == (spent ? SD_MODE_FULL : SD_MODE_HOLDING));
		// whoever waits has somebody who will act
		if (p_.held && !free_)
			RC_ASSERT(dropping_ || (timer_ && *timer_ > now_));
	}

	sd_policy p_;
	u32 holdMs_;
	u64 now_ = 1000, free_ = 0, seq_ = 0;
	sd_mode mode_ = SD_MODE_ACTIVE;
	bool low_ = false, dropping_ = false;
	std::optional<u64> timer_, shortage_;
};

void policyHistory(History h)
{
	Store store(h.below(3) * 7, h.below(3) * 500);

	while (h.step())
		store.step(h);
}

} // namespace

RC_GTEST_PROP(Policy, NobodyIsStuckAndNoLevelIsMissed, ())
{
	policyHistory(shortHistory());
}

RC_GTEST_PROP(Policy, NobodyIsStuckAndNoLevelIsMissedOverLongHistories, ())
{
	policyHistory(longHistory(5000));
}
