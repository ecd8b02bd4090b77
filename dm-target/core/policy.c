// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - the low-water level and the ladder active, holding, full.
 *
 * Level and mode are worked out anew from the state after each call, by one
 * function, settle(); no call changes them by itself.  So whatever the order
 * in which space, writers and timers come, they cannot get stuck:
 *
 *	low	low_water > 0 and free <= low_water
 *	full	no free place and the hold is spent
 *	holding	no free place, the hold is not spent, a writer waits
 *	active	else
 *
 * One hold belongs to one shortage.  It begins with the first writer that
 * waits and its clock runs on even if that writer goes away: otherwise writers
 * that come and go (a freezing file system flushes many) would each meet a
 * hold of their own.  The shortage is over when an extend adds a place or when
 * free space is above low water; where there is no mark, when there is a free
 * place and nobody waits any more.
 *
 * While drops are under way no further one is asked for: a second writer that
 * comes to wait meanwhile must not cost a second snapshot.
 */
#include "policy.h"

void sd_policy_init(struct sd_policy *p)
{
	memset(p, 0, sizeof(*p));
	p->mode = SD_MODE_ACTIVE;
}

const char *sd_mode_name(enum sd_mode mode)
{
	switch (mode) {
	case SD_MODE_ACTIVE:
		return "active";
	case SD_MODE_HOLDING:
		return "holding";
	case SD_MODE_FULL:
		return "full";
	case SD_MODE_DYING:
		return "dying";
	}
	return "?";
}

static void end_shortage(struct sd_policy *p)
{
	p->hold_spent = false;
	p->hold_begun = false;
}

static enum sd_mode mode_of(const struct sd_policy *p)
{
	if (p->mode == SD_MODE_DYING)
		return SD_MODE_DYING;
	if (p->free)
		return SD_MODE_ACTIVE;
	if (p->hold_spent)
		return SD_MODE_FULL;
	return p->held ? SD_MODE_HOLDING : SD_MODE_ACTIVE;
}

/* Work level and mode out; say what there is to do about the difference. */
static unsigned int settle(struct sd_policy *p)
{
	enum sd_mode mode;
	unsigned int actions = 0;
	bool low = p->low_water && p->free <= p->low_water;

	if (p->low_water ? p->free > p->low_water : p->free && !p->held)
		end_shortage(p);
	mode = mode_of(p);
	if (mode != p->mode || low != p->low) {
		p->seq++;
		actions |= SD_POLICY_EVENT;
	}
	if (mode == SD_MODE_HOLDING && (p->mode != SD_MODE_HOLDING || !p->hold_begun)) {
		/* no clock yet: let the timer come at once and begin it */
		p->hold_end = p->hold_begun ? p->hold_start + p->hold_ms : 0;
		actions |= SD_POLICY_ARM;
	}
	p->mode = mode;
	p->low = low;
	if (mode == SD_MODE_FULL && p->held && !p->dropping) {
		p->dropping = true;
		actions |= SD_POLICY_DROP;
	}
	return actions;
}

/* The clock: begin the hold if somebody waits, end it if its time is over. */
static unsigned int tick(struct sd_policy *p, u64 now)
{
	if (p->free || p->mode == SD_MODE_DYING || p->hold_spent)
		return 0;
	if (!p->hold_begun) {
		if (!p->held)
			return 0;
		p->hold_begun = true;
		p->hold_start = now;
	}
	p->hold_end = p->hold_start + p->hold_ms;
	if (now < p->hold_end)
		return p->held ? SD_POLICY_ARM : 0;
	p->hold_spent = true;
	return 0;
}

unsigned int sd_policy_space(struct sd_policy *p, u64 free, bool extended)
{
	p->free = free;
	if (extended)
		end_shortage(p);
	return settle(p) | (p->held && free ? SD_POLICY_RELEASE : 0);
}

unsigned int sd_policy_held(struct sd_policy *p, u64 now)
{
	unsigned int actions;

	p->free = 0;
	p->held_total++;
	if (!p->held++)
		p->held_since = now;
	if (p->mode == SD_MODE_DYING)
		return settle(p) | SD_POLICY_RELEASE;
	actions = p->mode == SD_MODE_HOLDING && p->hold_begun ? 0 : SD_POLICY_ARM;
	actions &= tick(p, now);
	return actions | settle(p);
}

unsigned int sd_policy_unheld(struct sd_policy *p, u32 count, u64 oldest)
{
	if (WARN_ON(p->held < count))
		return 0;
	p->held -= count;
	p->held_since = p->held ? oldest : 0;
	return settle(p);
}

unsigned int sd_policy_timer(struct sd_policy *p, u64 now)
{
	unsigned int actions = tick(p, now);

	return actions | settle(p);
}

unsigned int sd_policy_dropped(struct sd_policy *p, u64 free, bool nothing_left)
{
	unsigned int actions;

	p->free = free;
	p->dropping = nothing_left; /* then this call asks for no further drop */
	actions = settle(p);
	p->dropping = actions & SD_POLICY_DROP;
	/* even if no place is free: the writers' chunks may be safe now */
	return p->held ? actions | SD_POLICY_RELEASE : actions;
}

unsigned int sd_policy_set_low_water(struct sd_policy *p, u64 low_water, u64 free)
{
	p->low_water = low_water;
	return sd_policy_space(p, free, false);
}

unsigned int sd_policy_set_hold(struct sd_policy *p, u32 hold_ms, u64 now)
{
	unsigned int actions;

	p->hold_ms = hold_ms;
	actions = tick(p, now);
	return actions | settle(p);
}

unsigned int sd_policy_note(struct sd_policy *p)
{
	p->seq++;
	return SD_POLICY_EVENT;
}

unsigned int sd_policy_dying(struct sd_policy *p)
{
	unsigned int actions = p->held ? SD_POLICY_RELEASE : 0;

	if (p->mode == SD_MODE_DYING)
		return actions;
	p->mode = SD_MODE_DYING;
	p->seq++;
	return settle(p) | actions | SD_POLICY_EVENT;
}
