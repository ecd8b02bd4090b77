/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy.h - what the store does when space runs low or out: the low-water
 * level, and the ladder active -> holding -> full with the hold that is spent
 * once per shortage.
 *
 * Low water is a level, worked out again from the counters after every change,
 * never an edge: it cannot be missed or stuck.  SEQ grows with every change of
 * level or mode, so that whoever was woken late sees that something happened.
 *
 * Hold (protocol 13): counts from the first held writer; armed again by every
 * extend that adds a place and when free space is above low water again.
 * After it ended, drops follow at once until a place is free.
 *
 * Pure: no clock, no lock.  Times are milliseconds of one monotonic clock; the
 * caller serialises (in the module: the store's lock).
 */
#ifndef SD_CORE_POLICY_H
#define SD_CORE_POLICY_H

#include "port.h"

enum sd_mode { SD_MODE_ACTIVE, SD_MODE_HOLDING, SD_MODE_FULL, SD_MODE_DYING };

struct sd_policy {
	/* configuration */
	u64 low_water;		/* sectors; 0: never low */
	u32 hold_ms;
	bool drop_all;		/* full=drop-all, else drop-oldest */
	/* state */
	enum sd_mode mode;
	bool low;
	bool hold_spent;
	bool hold_begun;	/* hold_start is valid */
	bool dropping;		/* DROP was asked for, sd_policy_dropped() has not come yet */
	u64 free;		/* as told last */
	u64 seq;
	u32 held;		/* bios that wait for a place */
	u64 held_total;		/* bios that ever did */
	u64 held_since;		/* of the oldest; valid if held > 0 */
	u64 hold_start;		/* of this shortage's hold */
	u64 hold_end;		/* when to call sd_policy_timer(); valid in HOLDING */
};

/* What the caller has to do after a change. Flags. */
#define SD_POLICY_EVENT 1u	/* seq grew: raise a device-mapper event */
#define SD_POLICY_RELEASE 2u	/* a place is free: let held writers try again */
#define SD_POLICY_ARM 4u	/* (re)arm the hold timer for hold_end */
#define SD_POLICY_DROP 8u	/* drop snapshots now, then call sd_policy_dropped() */

void sd_policy_init(struct sd_policy *p);
const char *sd_mode_name(enum sd_mode mode);

/* Free space or the mark changed. @extended: an extend added a place. */
unsigned int sd_policy_space(struct sd_policy *p, u64 free, bool extended);
/* A writer found no free place and is about to wait; it must wait even if DROP is returned. */
unsigned int sd_policy_held(struct sd_policy *p, u64 now);
/*
 * So many held writers go on or are given back, at once: one by one the last of
 * them would look unserved for a moment, and cost a snapshot.  @oldest: since
 * when the oldest left waits (if any).
 */
unsigned int sd_policy_unheld(struct sd_policy *p, u32 count, u64 oldest);
/* The hold timer fired, or may have. */
unsigned int sd_policy_timer(struct sd_policy *p, u64 now);
/*
 * The drops asked for are done, @free sectors are free now (reaped).
 * @nothing_left: no live snapshot is left that could be dropped.
 */
unsigned int sd_policy_dropped(struct sd_policy *p, u64 free, bool nothing_left);
/* New hold time / mark / policy word come through these, so that levels follow. */
unsigned int sd_policy_set_low_water(struct sd_policy *p, u64 low_water, u64 free);
unsigned int sd_policy_set_hold(struct sd_policy *p, u32 hold_ms, u64 now);
/* Anything else that user space should see (take, delete, ...): EVENT. */
unsigned int sd_policy_note(struct sd_policy *p);
unsigned int sd_policy_dying(struct sd_policy *p);

#endif /* SD_CORE_POLICY_H */
