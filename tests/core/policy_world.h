// SPDX-License-Identifier: GPL-2.0-or-later
// A store around the policy, which knows by itself what level and mode should be.
#pragma once

#include "core.h"
#include "history.h"

#include <optional>

constexpr unsigned int EVENT = SD_POLICY_EVENT, RELEASE = SD_POLICY_RELEASE, ARM = SD_POLICY_ARM,
		       DROP = SD_POLICY_DROP;

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
				act(sd_policy_unheld(&p_, 1, now_), false);
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
		unsigned int actions = sd_policy_dropped(&p_, free_, nothingLeft);
		RC_ASSERT(!!(actions & RELEASE) == (p_.held > 0));
		if (nothingLeft)
			RC_ASSERT(!(actions & DROP));
		act(actions & ~RELEASE, false);
		// without snapshots all chunks are safe: the released go on
		while (nothingLeft && p_.held)
			act(sd_policy_unheld(&p_, 1, now_), false);
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

	void act(unsigned int actions, bool noted)
	{
		bool changed = p_.mode != mode_ || p_.low != low_;

		RC_ASSERT(!!(actions & EVENT) == (changed || noted));
		RC_ASSERT((p_.seq > seq_) == (changed || noted));
		seq_ = p_.seq;
		mode_ = p_.mode;
		low_ = p_.low;
		if (actions & ARM)
			timer_ = p_.hold_end;
		if (actions & DROP) {
			RC_ASSERT(!dropping_);
			RC_ASSERT(p_.held > 0 && !free_);
			dropping_ = true;
			// not before the hold of this shortage has passed
			RC_ASSERT(shortage_ && now_ >= *shortage_ + holdMs_);
		}
		if (actions & RELEASE)
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

inline void policyHistory(History h)
{
	Store store(h.below(3) * 7, h.below(3) * 500);

	while (h.step())
		store.step(h);
}
