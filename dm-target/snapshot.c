// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot.c - life of a snapshot after its take: its end, and the freeing of
 * what nobody needs any more.
 */
#include "segment.h"

static void snapshot_free(struct kref *ref)
{
	struct sd_snapshot *snap = container_of(ref, struct sd_snapshot, ref);
	u32 i;

	for (i = 0; i < snap->count; i++)
		sd_origin_put(snap->of[i].origin);
	sd_store_put(snap->store);
	kvfree(snap);
}

void sd_snapshot_put(struct sd_snapshot *snap)
{
	kref_put(&snap->ref, snapshot_free);
}

struct sd_snapshot *sd_snapshot_find(struct sd_store *s, const char *name)
{
	struct sd_snapshot *snap;

	list_for_each_entry(snap, &s->snapshots, link)
		if (!strcmp(snap->name, name))
			return snap;
	return NULL;
}

struct sd_snapshot *sd_snapshot_show(struct sd_store *s, const char *name)
{
	struct sd_snapshot *snap;

	mutex_lock(&s->snap_mutex);
	snap = sd_snapshot_find(s, name);
	if (snap) {
		snap->images++;
		kref_get(&snap->ref);
	}
	mutex_unlock(&s->snap_mutex);
	return snap;
}

void sd_snapshot_release(struct sd_snapshot *snap)
{
	mutex_lock(&snap->store->snap_mutex);
	snap->images--;
	mutex_unlock(&snap->store->snap_mutex);
	sd_snapshot_put(snap);
}

bool sd_snapshot_has(const struct sd_snapshot *snap, const struct sd_origin *o)
{
	u32 i;

	for (i = 0; i < snap->count; i++)
		if (snap->of[i].origin == o)
			return true;
	return false;
}

/* ---- the end ----------------------------------------------------------- */

/*
 * 1. validity, released: an image read that completes from now on fails;
 * 2. the maps, under the publishing lock: copies made for this snapshot alone
 *    are thrown away when they want to be published, its chunks look safe;
 * 3. writers that waited for a place or a buffer look again;
 * 4. reaping frees places.
 * Before 1 is visible nobody can see an effect of 2 to 4 (protocol 2 and 4).
 */
void sd_snapshot_end(struct sd_snapshot *snap, int cause)
{
	struct sd_store *s = snap->store;
	u32 i;

	lockdep_assert_held(&s->snap_mutex);
	if (!sd_snapshot_live(snap))
		return;
	smp_store_release(&snap->cause, cause); /* pairs with sd_snapshot_live() */
	for (i = 0; i < snap->count; i++) {
		struct sd_origin *o = snap->of[i].origin;

		spin_lock(&o->map_lock);
		sd_map_end(o->map, snap->layer);
		spin_unlock(&o->map_lock);
	}
	sd_overlays_end(snap);
	write_seqlock(&s->lock);
	sd_waiters_release(s);
	sd_store_act(s, sd_policy_note(&s->policy));
	write_sequnlock(&s->lock);
	for (i = 0; i < snap->count; i++) {
		struct sd_origin *o = snap->of[i].origin;

		sd_reads_retry(o);
		sd_origin_get(o);
		if (!queue_work(s->admin_wq, &o->reap_work))
			sd_origin_put(o);
	}
}

void sd_origin_invalidate(struct sd_origin *o, enum sd_cause cause)
{
	struct sd_store *s = o->store;
	struct sd_snapshot *snap;

	mutex_lock(&s->snap_mutex);
	list_for_each_entry(snap, &s->snapshots, link) {
		if (!sd_snapshot_live(snap) || !sd_snapshot_has(snap, o))
			continue;
		DMWARN("snapshot %s is invalid: %s (origin %s)", snap->name, sd_cause_name(cause),
		       o->name);
		sd_snapshot_end(snap, cause);
	}
	mutex_unlock(&s->snap_mutex);
}

void sd_place_lost(struct sd_origin *o, u64 chunk, sd_place_t place, enum sd_cause cause)
{
	struct sd_store *s = o->store;
	struct sd_snapshot *snap;
	sd_place_t shown;
	bool lost;
	u32 run;

	mutex_lock(&s->snap_mutex);
	list_for_each_entry(snap, &s->snapshots, link) {
		if (!sd_snapshot_live(snap) || !sd_snapshot_has(snap, o))
			continue;
		spin_lock(&o->map_lock);
		lost = sd_map_lookup(o->map, snap->layer, chunk, 1, &shown, &run) && shown == place;
		spin_unlock(&o->map_lock);
		if (!lost)
			continue;
		DMWARN("snapshot %s is invalid: %s", snap->name, sd_cause_name(cause));
		sd_snapshot_end(snap, cause);
	}
	mutex_unlock(&s->snap_mutex);
}

void sd_store_end_all(struct sd_store *s, enum sd_cause cause)
{
	struct sd_snapshot *snap;

	mutex_lock(&s->snap_mutex);
	list_for_each_entry(snap, &s->snapshots, link)
		sd_snapshot_end(snap, cause);
	mutex_unlock(&s->snap_mutex);
}

static void unlink_snapshot(struct sd_store *s, struct sd_snapshot *snap)
{
	list_del_init(&snap->link);
	s->nr_snapshots--;
}

void sd_snapshots_forget(struct sd_store *s)
{
	struct sd_snapshot *snap, *next;
	LIST_HEAD(list);

	mutex_lock(&s->snap_mutex);
	list_splice_init(&s->snapshots, &list);
	s->nr_snapshots = 0;
	mutex_unlock(&s->snap_mutex);
	list_for_each_entry_safe(snap, next, &list, link) {
		list_del_init(&snap->link);
		sd_snapshot_put(snap);
	}
}

int sd_snapshot_delete(struct sd_store *s, const char *name, const char **why)
{
	struct sd_snapshot *snap;
	int r = 0;

	mutex_lock(&s->snap_mutex);
	snap = sd_snapshot_find(s, name);
	if (!snap) {
		*why = "no snapshot of this name";
		r = -ENOENT;
	} else if (snap->images) {
		*why = "image devices of the snapshot exist: remove them first";
		r = -EBUSY;
	} else {
		sd_snapshot_end(snap, SD_CAUSE_DELETED);
		unlink_snapshot(s, snap);
	}
	mutex_unlock(&s->snap_mutex);
	if (r)
		return r;
	sd_snapshot_put(snap);
	sd_store_note(s);
	return 0;
}

/* ---- reaping ----------------------------------------------------------- */

#define REAP_BUDGET 1024
#define REAP_PLACES 64

static void free_retired(struct sd_map *map, spinlock_t *map_lock)
{
	void *memory;

	do {
		spin_lock(map_lock);
		memory = sd_map_retired(map);
		spin_unlock(map_lock);
		sd_free(memory);
	} while (memory);
}

/*
 * In bounded steps: the publishing lock is held for a moment each, so that
 * deletes do not stall writes.
 */
void sd_map_reap_all(struct sd_store *s, struct sd_map *map, spinlock_t *map_lock)
{
	sd_place_t freed[REAP_PLACES];
	struct sd_reap walk = { 0 };
	bool done;
	u32 n;

	do {
		spin_lock(map_lock);
		done = sd_map_reap(map, &walk, REAP_BUDGET, freed, REAP_PLACES, &n);
		spin_unlock(map_lock);
		if (n)
			sd_segment_free_places(s, freed, n);
		free_retired(map, map_lock);
		cond_resched();
	} while (!done);
}

/*
 * One walk at a time per origin; the mutex also makes a caller wait until what
 * another walk freed is really free.
 */
void sd_origin_reap(struct sd_origin *o)
{
	mutex_lock(&o->reap_mutex);
	sd_map_reap_all(o->store, o->map, &o->map_lock);
	mutex_unlock(&o->reap_mutex);
}

void sd_origin_reap_work(struct work_struct *work)
{
	struct sd_origin *o = container_of(work, struct sd_origin, reap_work);

	sd_origin_reap(o);
	sd_origin_put(o);
}
