// SPDX-License-Identifier: GPL-2.0-only
/*
 * drop.c - what happens when writers wait too long: for a place (hold, then
 * drop), or for a buffer (stall limit).  The origin comes first: both waits
 * end, and what they cost is a snapshot.
 */
#include "segment.h"

void sd_hold_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, hold_work.work);

	write_seqlock(&s->lock);
	sd_store_act(s, sd_policy_timer(&s->policy, sd_now_ms()));
	write_sequnlock(&s->lock);
}

/* Places of the overlays of its images: they are free when it has ended. */
static u64 places_of_overlays(struct sd_store *s, const struct sd_snapshot *snap)
{
	const struct sd_overlay *ov;
	u64 places = 0;

	list_for_each_entry(ov, &s->overlays, link)
		if (ov->snap == snap)
			places += sd_overlay_places(ov);
	return places;
}

/* Places that this snapshot's end frees if all older ones end, too. */
static u64 freed_with_older(struct sd_store *s, const struct sd_snapshot *snap)
{
	u64 places = places_of_overlays(s, snap);
	u32 i;

	for (i = 0; i < snap->count; i++) {
		struct sd_origin *o = snap->of[i].origin;

		spin_lock(&o->map_lock);
		places += sd_map_own_with_older(o->map, snap->layer);
		spin_unlock(&o->map_lock);
	}
	return places;
}

/* The shortest run of oldest snapshots that frees a place; else all (protocol 26). */
static struct sd_snapshot *last_to_drop(struct sd_store *s)
{
	struct sd_snapshot *snap, *newest = NULL;

	list_for_each_entry(snap, &s->snapshots, link) {
		if (!sd_snapshot_live(snap))
			continue;
		newest = snap;
		if (!s->policy.drop_all && freed_with_older(s, snap))
			break;
	}
	return newest;
}

static void drop_upto(struct sd_store *s, struct sd_snapshot *upto)
{
	struct sd_snapshot *snap;

	list_for_each_entry(snap, &s->snapshots, link) {
		if (sd_snapshot_live(snap)) {
			DMWARN("snapshot %s dropped: the store overflowed", snap->name);
			sd_snapshot_end(snap, SD_CAUSE_OVERFLOW);
		}
		if (snap == upto)
			break;
	}
}

static struct sd_snapshot *next_to_reap(struct sd_store *s)
{
	struct sd_snapshot *snap;

	list_for_each_entry(snap, &s->snapshots, link)
		if (!sd_snapshot_live(snap) && !snap->reaped) {
			snap->reaped = true;
			kref_get(&snap->ref);
			return snap;
		}
	return NULL;
}

/*
 * Freed places must be seen before deciding whether another drop is needed.
 * Without snap_mutex: a take wants it while its gates are closed.
 */
static void reap_ended(struct sd_store *s)
{
	struct sd_snapshot *snap;
	u32 i;

	for (;;) {
		mutex_lock(&s->snap_mutex);
		snap = next_to_reap(s);
		mutex_unlock(&s->snap_mutex);
		if (!snap)
			break;
		for (i = 0; i < snap->count; i++)
			sd_origin_reap(snap->of[i].origin);
		sd_overlays_reap(snap);
		sd_snapshot_put(snap);
	}
}

/* Places that come free as soon as a segment's write, or one in place, is done. */
static bool places_coming(const struct sd_store *s)
{
	const struct sd_segment *seg;
	u32 i;

	if (s->overlays_waiting)
		return true;
	list_for_each_entry(seg, &s->segments, link)
		for (i = 0; i < seg->used; i++)
			if (seg->parts[i].state == SD_PART_DEAD &&
			    sd_space_gives(&s->space, seg->run.slot))
				return true;
	return false;
}

/*
 * Was the last drop enough?  It may have freed places only in segments that
 * are still being written: another snapshot must not be dropped for the few
 * milliseconds until they come free, but a hanging range must not stop the
 * drops either.  True: go on waiting.  Under store->lock.
 */
static bool wait_for_places(struct sd_store *s)
{
	unsigned long limit = msecs_to_jiffies(s->stall_ms);

	if (s->space.free || !places_coming(s) || time_after(jiffies, s->drop_since + limit))
		return false;
	queue_delayed_work(s->admin_wq, &s->drop_work, limit + 1);
	return true;
}

static void drop_done(struct sd_store *s, bool nothing_left)
{
	sd_store_act(s, sd_policy_dropped(&s->policy, s->space.free, nothing_left));
}

static void drop(struct sd_store *s)
{
	struct sd_snapshot *upto;

	mutex_lock(&s->snap_mutex);
	upto = last_to_drop(s);
	if (upto)
		drop_upto(s, upto);
	mutex_unlock(&s->snap_mutex);
	reap_ended(s);

	/* From here on upto only says that something was dropped. */
	write_seqlock(&s->lock);
	sd_segment_seal_open(s); /* what it holds may be dead now, its tail free */
	s->drop_since = jiffies;
	s->drop_waits = upto && wait_for_places(s);
	if (!s->drop_waits)
		drop_done(s, !upto);
	write_sequnlock(&s->lock);
}

/*
 * Before a drop: places may have come free since it was asked for, or be about
 * to, because an evacuation has a batch of places twice.  The stall limit ends
 * the wait for a range that hangs.  True: no drop, not yet at least.  Under
 * store->lock.
 */
static bool spare_the_drop(struct sd_store *s)
{
	if (s->space.free) {
		drop_done(s, false);
		return true;
	}
	if (!s->moving || time_after(jiffies, s->moving_since + msecs_to_jiffies(s->stall_ms)))
		return false;
	queue_delayed_work(s->admin_wq, &s->drop_work, msecs_to_jiffies(s->stall_ms) + 1);
	return true;
}

void sd_drop_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, drop_work.work);
	bool again;

	write_seqlock(&s->lock);
	again = !s->drop_waits && s->policy.dropping; /* else woken for what is done */
	if (s->drop_waits && !wait_for_places(s)) {
		s->drop_waits = false;
		drop_done(s, false); /* asks for another drop if still nothing is free */
	}
	if (again && spare_the_drop(s))
		again = false;
	write_sequnlock(&s->lock);
	if (again)
		drop(s);
}

/* ---- stall ------------------------------------------------------------- */

/* Ranges whose writes have been under way for the whole stall limit. */
static void fail_hanging(struct sd_store *s, unsigned long since)
{
	struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link)
		if (seg->writing && !seg->written && seg->submitted &&
		    time_before_eq(seg->submitted, since) &&
		    !s->space.ranges[seg->run.slot]->failed)
			sd_range_fail(s, seg->run.slot);
}

/* Origins whose writers wait.  More than fit: the next stall limit brings the rest. */
#define STALLED_MAX 32

void sd_stall_changed(struct sd_store *s)
{
	mod_delayed_work(s->admin_wq, &s->stall_work, 0);
	sd_image_writers_wake(s);
}

/*
 * No buffer came free for the stall limit while somebody waited for one.  The
 * hanging ranges leave the choice of new places, and the snapshots for which
 * the waiting writers need copies are dropped (protocol 12).
 */
void sd_stall_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, stall_work.work);
	struct sd_origin *waiting[STALLED_MAX];
	unsigned long limit, since, begun;
	enum sd_cause cause = SD_CAUSE_STALL;
	bool stalled = false;
	u32 i, n = 0;

	write_seqlock(&s->lock);
	limit = msecs_to_jiffies(s->stall_ms);
	since = jiffies - limit;
	if (!list_empty(&s->buffer_waiters)) {
		begun = sd_starved_since(s);
		stalled = time_before_eq(begun, since);
		if (stalled)
			fail_hanging(s, since);
		else
			sd_store_run_by(s, &s->stall_work, begun + limit + 1);
	}
	if (stalled) {
		if (!sd_segment_over_limit(s))
			cause = SD_CAUSE_NO_MEMORY; /* a buffer was allowed */
		s->buffer_freed = jiffies; /* whoever waits on has a whole limit again */
		sd_store_run_by(s, &s->stall_work, jiffies + limit + 1);
		n = sd_starved_origins(s, since, waiting, STALLED_MAX);
		sd_store_act(s, sd_policy_note(&s->policy) |
					sd_policy_space(&s->policy, s->space.free, false));
	}
	write_sequnlock(&s->lock);
	if (stalled)
		DMWARN("%s for %u ms: dropping snapshots so that writers go on",
		       cause == SD_CAUSE_STALL ? "no buffer came free" : "no memory for a buffer",
		       jiffies_to_msecs(limit));
	for (i = 0; i < n; i++) {
		sd_origin_invalidate(waiting[i], cause);
		sd_origin_put(waiting[i]);
	}
}
