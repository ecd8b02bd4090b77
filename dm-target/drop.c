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

/* Each does its action again and finds out for itself whether it still has to wait. */
void sd_release_waiters(struct sd_store *s)
{
	struct sd_job *job, *next;
	LIST_HEAD(list);

	list_splice_init(&s->waiters, &list);
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

/* Places that would be free if all live snapshots up to this one ended. */
static u64 freed_upto(struct sd_store *s, const struct sd_snapshot *upto)
{
	struct sd_snapshot *snap;
	u64 places = 0;
	u32 i;

	/* An origin is counted at the newest of these snapshots that has it. */
	list_for_each_entry(snap, &s->snapshots, link) {
		for (i = 0; sd_snapshot_live(snap) && i < snap->count; i++) {
			struct sd_origin *o = snap->of[i].origin;

			if (sd_snapshot_last_of(s, o, upto) != snap)
				continue;
			spin_lock(&o->map_lock);
			places += sd_map_own_upto(o->map, snap->layer);
			spin_unlock(&o->map_lock);
		}
		if (snap == upto)
			break;
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
		if (!s->policy.drop_all && freed_upto(s, snap))
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

/* Freed places must be seen before deciding whether another drop is needed. */
static void reap_all(struct sd_store *s)
{
	struct sd_snapshot *snap;
	u32 i;

	list_for_each_entry(snap, &s->snapshots, link)
		for (i = 0; i < snap->count; i++)
			sd_origin_reap(snap->of[i].origin);
}

void sd_drop_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, drop_work);
	struct sd_snapshot *upto;
	unsigned int flags;

	mutex_lock(&s->snap_mutex);
	upto = last_to_drop(s);
	if (upto) {
		drop_upto(s, upto);
		reap_all(s);
	}
	write_seqlock(&s->lock);
	sd_segment_seal_open(s); /* what it holds may be dead now, its tail free */
	flags = sd_policy_dropped(&s->policy, s->space.free);
	if (!upto)
		flags &= ~SD_POLICY_DROP; /* nothing left: nobody needs a copy either */
	sd_store_act(s, flags);
	write_sequnlock(&s->lock);
	mutex_unlock(&s->snap_mutex);
}

/* ---- stall ------------------------------------------------------------- */

/* Ranges whose writes have been under way for the whole stall limit. */
static void fail_hanging(struct sd_store *s, unsigned long since)
{
	struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link)
		if (seg->writing && !seg->written && time_before_eq(seg->opened, since) &&
		    !s->space.ranges[seg->run.slot]->failed)
			sd_range_fail(s, seg->run.slot);
}

/*
 * No buffer came free for the stall limit while somebody waited for one.  The
 * hanging ranges leave the choice of new places, and the snapshots for which
 * the waiting writers need copies are dropped (protocol 12).
 */
void sd_stall_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, stall_work.work);
	unsigned long limit, since, begun;
	bool stalled = false;

	write_seqlock(&s->lock);
	limit = msecs_to_jiffies(s->stall_ms);
	since = jiffies - limit;
	if (!list_empty(&s->waiters) && !s->policy.held) {
		begun = time_after(s->buffer_freed, s->buffer_wanted) ? s->buffer_freed :
									 s->buffer_wanted;
		stalled = time_before_eq(begun, since);
		if (stalled)
			fail_hanging(s, since);
		else
			queue_delayed_work(s->admin_wq, &s->stall_work,
					   begun + limit - jiffies + 1);
	}
	if (stalled)
		sd_store_act(s, sd_policy_note(&s->policy) |
					sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);
	if (stalled) {
		DMWARN("no buffer came free for %u ms: dropping snapshots so that writers go on",
		       jiffies_to_msecs(limit));
		sd_store_end_all(s, SD_CAUSE_STALL);
	}
}
