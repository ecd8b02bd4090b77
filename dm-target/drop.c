// SPDX-License-Identifier: GPL-2.0-only
/*
 * drop.c - what happens when writers wait too long: for a place (hold, then
 * drop), or for a buffer (stall limit).  The origin comes first: both waits
 * end, and what they cost is a snapshot.
 */
#include <linux/ktime.h>

#include "snapdiff.h"

u64 sd_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/*
 * Put waiting jobs in turn: the first one of each origin, then the second one of
 * each, and so on.  Otherwise an origin with many writers would have as many
 * shares of a buffer that is too small, and one with a single writer would wait
 * for all of them, write after write.
 */
static void put_in_turn(struct list_head *jobs)
{
	struct sd_job *job, *next;
	struct sd_origin *o;
	LIST_HEAD(turns);

	list_for_each_entry_safe(job, next, jobs, wait) {
		o = job->origin;
		list_move_tail(&job->wait, &o->in_line);
		if (list_empty(&o->turn))
			list_add_tail(&o->turn, &turns);
	}
	while (!list_empty(&turns)) {
		o = list_first_entry(&turns, struct sd_origin, turn);
		list_move_tail(o->in_line.next, jobs);
		if (list_empty(&o->in_line))
			list_del_init(&o->turn);
		else
			list_move_tail(&o->turn, &turns);
	}
}

/* Each does its action again and finds out for itself whether it still has to wait. */
void sd_release_waiters(struct sd_store *s)
{
	struct sd_job *job, *next;
	LIST_HEAD(list);

	sd_image_writers_wake(s);
	list_splice_init(&s->buffer_waiters, &list);
	list_splice_init(&s->place_waiters, &list); /* who waits for a place came first */
	put_in_turn(&list);
	list_for_each_entry_safe(job, next, &list, wait) {
		list_del_init(&job->wait);
		sd_job_redo(job);
	}
}

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

/* ---- memory ------------------------------------------------------------ */

/* Those who found no memory ask again; the stall limit ends it. */
void sd_memory_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, memory_work.work);

	write_seqlock(&s->lock);
	sd_release_waiters(s);
	write_sequnlock(&s->lock);
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

/*
 * The origins whose writers wait, with references; each once.  More than fit:
 * the next stall limit brings the rest.  Under store->lock.
 */
#define STALLED_MAX 32

static u32 waiting_origins(struct sd_store *s, struct sd_origin **list)
{
	struct sd_job *job;
	u32 i, n = 0;

	list_for_each_entry(job, &s->buffer_waiters, wait) {
		for (i = 0; i < n && list[i] != job->origin; i++)
			;
		if (i == n && n < STALLED_MAX) {
			sd_origin_get(job->origin);
			list[n++] = job->origin;
		}
	}
	return n;
}

/* Since when somebody has waited for a buffer and none came free.  Under store->lock. */
static unsigned long starved_since(const struct sd_store *s)
{
	const struct sd_job *job;
	unsigned long since = jiffies;

	list_for_each_entry(job, &s->buffer_waiters, wait)
		if (time_before(job->starved_since, since))
			since = job->starved_since;
	return time_after(s->buffer_freed, since) ? s->buffer_freed : since;
}

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
	bool stalled = false;
	u32 i, n = 0;

	write_seqlock(&s->lock);
	limit = msecs_to_jiffies(s->stall_ms);
	since = jiffies - limit;
	if (!list_empty(&s->buffer_waiters)) {
		begun = starved_since(s);
		stalled = time_before_eq(begun, since);
		if (stalled)
			fail_hanging(s, since);
		else
			sd_store_run_by(s, &s->stall_work, begun + limit + 1);
	}
	if (stalled) {
		s->buffer_freed = jiffies; /* whoever waits on has a whole limit again */
		n = waiting_origins(s, waiting);
		sd_store_act(s, sd_policy_note(&s->policy) |
					sd_policy_space(&s->policy, s->space.free, false));
	}
	write_sequnlock(&s->lock);
	if (stalled)
		DMWARN("no buffer came free for %u ms: dropping snapshots so that writers go on",
		       jiffies_to_msecs(limit));
	for (i = 0; i < n; i++) {
		sd_origin_invalidate(waiting[i], SD_CAUSE_STALL);
		sd_origin_put(waiting[i]);
	}
}
