// SPDX-License-Identifier: GPL-2.0-only
/*
 * overlay.c - life of an overlay: what was written to one writable image.
 *
 * An overlay is a chunk map of its own with a single "snapshot" in a single
 * layer: a chunk is in it or not.  It belongs to the mapped device, so that
 * a reload finds it again; the last table of the device that goes ends it.
 *
 * The end comes from two sides: the device goes, when nothing can be under way
 * any more, or the snapshot ends while writes are.  Then, in this order:
 *
 *  1. the snapshot is marked as ended (sd_snapshot_end());
 *  2. the overlay's map is ended under its lock: nothing is published from now
 *     on (a write that is about to publish sees it under the same lock);
 *  3. places are freed, but not before the last write *in place* is over: such
 *     a write goes to a place on a range, and the place could have been given
 *     to a copy of an origin's data meanwhile.  A write counts itself first and
 *     then asks whether the snapshot is live, the reaping asks for the count
 *     after the mark: one of them sees the other.
 *
 * Image reads need no such care: they ask at their completion (protocol 2).
 */
#include "image.h"

/* Layer and number of the one "snapshot" in an overlay's map. */
#define OVERLAY_LAYER 1

static void reap_work(struct work_struct *work);

static void overlay_free(struct kref *ref)
{
	struct sd_overlay *ov = container_of(ref, struct sd_overlay, ref);

	sd_map_destroy(ov->map);
	sd_snapshot_put(ov->snap); /* last: it keeps origin and store */
	kvfree(ov);
}

void sd_overlay_get(struct sd_overlay *ov)
{
	kref_get(&ov->ref);
}

void sd_overlay_put(struct sd_overlay *ov)
{
	kref_put(&ov->ref, overlay_free);
}

static struct sd_overlay *overlay_create(struct sd_snapshot *snap, struct sd_origin *o, dev_t devt,
					 u64 size)
{
	struct sd_overlay *ov = kvzalloc(sizeof(*ov), GFP_KERNEL);
	void *spare = NULL;

	if (!ov)
		return NULL;
	ov->map = sd_map_create(sd_to_chunk(snap->store, size - 1) + 1);
	if (!ov->map || sd_map_grow(ov->map, &spare)) {
		if (ov->map)
			sd_map_destroy(ov->map);
		kvfree(ov);
		return NULL;
	}
	sd_map_take(ov->map, OVERLAY_LAYER, &spare);
	sd_free(spare);
	INIT_LIST_HEAD(&ov->link);
	kref_init(&ov->ref);
	spin_lock_init(&ov->map_lock);
	spin_lock_init(&ov->cell_lock);
	sd_cells_init(&ov->cells, sd_region_shift(snap->store));
	mutex_init(&ov->reap_mutex);
	INIT_WORK(&ov->reap_work, reap_work);
	ov->snap = snap;
	kref_get(&snap->ref);
	ov->origin = o;
	ov->devt = devt;
	return ov;
}

/* ---- instances --------------------------------------------------------- */

static struct sd_overlay *find_overlay(struct sd_snapshot *snap, struct sd_origin *o, dev_t devt)
{
	struct sd_overlay *ov;

	list_for_each_entry(ov, &snap->store->overlays, link)
		if (ov->snap == snap && ov->origin == o && ov->devt == devt)
			return ov;
	return NULL;
}

int sd_overlay_open(struct sd_snapshot *snap, struct sd_origin *o, dev_t devt, u64 size,
		    bool writable, struct sd_overlay **result, const char **why)
{
	struct sd_store *s = snap->store;
	struct sd_overlay *ov, *fresh = NULL;
	int r = 0;

	if (writable) {
		*why = "no memory for the overlay";
		fresh = overlay_create(snap, o, devt, size);
		if (!fresh)
			return -ENOMEM;
	}
	mutex_lock(&s->snap_mutex);
	ov = find_overlay(snap, o, devt);
	if (!ov && fresh) {
		if (sd_snapshot_live(snap)) {
			swap(ov, fresh);
			list_add_tail(&ov->link, &s->overlays);
		} else {
			*why = "the snapshot is invalid: nothing can be written to an image of it";
			r = -EIO;
		}
	}
	if (ov)
		ov->instances++;
	mutex_unlock(&s->snap_mutex);
	if (fresh)
		sd_overlay_put(fresh);
	*result = ov;
	return r;
}

/* From here on nothing is published in it. */
static void end_map(struct sd_overlay *ov)
{
	spin_lock(&ov->map_lock);
	sd_map_end(ov->map, OVERLAY_LAYER);
	spin_unlock(&ov->map_lock);
}

void sd_overlay_close(struct sd_overlay *ov)
{
	struct sd_store *s;
	bool last;

	if (!ov)
		return;
	s = ov->snap->store;
	mutex_lock(&s->snap_mutex);
	last = !--ov->instances;
	if (last)
		list_del_init(&ov->link);
	mutex_unlock(&s->snap_mutex);
	if (!last)
		return;
	end_map(ov);
	sd_overlay_reap(ov); /* no I/O of the device is under way any more */
	sd_store_note(s);
	sd_overlay_put(ov);
}

/* ---- the end of the snapshot ------------------------------------------- */

static void reap_soon(struct sd_overlay *ov)
{
	sd_overlay_get(ov);
	if (!queue_work(ov->snap->store->admin_wq, &ov->reap_work))
		sd_overlay_put(ov);
}

void sd_overlays_end(struct sd_snapshot *snap)
{
	struct sd_overlay *ov;

	list_for_each_entry(ov, &snap->store->overlays, link) {
		if (ov->snap != snap)
			continue;
		end_map(ov);
		reap_soon(ov);
	}
}

static void end_place_write(struct sd_store *s)
{
	if (atomic_dec_and_test(&s->place_writes))
		wake_up(&s->idle);
}

bool sd_overlay_write_begin(struct sd_overlay *ov)
{
	struct sd_store *s = ov->snap->store;

	atomic_inc(&ov->in_place);
	atomic_inc(&s->place_writes);
	smp_mb__after_atomic(); /* the store's end, too, asks for the count behind the mark */
	if (sd_snapshot_live(ov->snap))
		return true;
	end_place_write(s);
	if (atomic_dec_and_test(&ov->in_place))
		reap_soon(ov);
	return false;
}

void sd_overlay_write_end(struct sd_overlay *ov)
{
	end_place_write(ov->snap->store);
	if (atomic_dec_and_test(&ov->in_place) && !sd_snapshot_live(ov->snap))
		reap_soon(ov);
}

/* Somebody who drops snapshots wants to know when these places come free. */
static void set_reap_waits(struct sd_overlay *ov, bool waits)
{
	struct sd_store *s = ov->snap->store;

	write_seqlock(&s->lock);
	if (ov->reap_waits != waits) {
		ov->reap_waits = waits;
		s->overlays_waiting += waits ? 1 : -1;
		if (!waits && s->drop_waits)
			mod_delayed_work(s->admin_wq, &s->drop_work, 0);
	}
	write_sequnlock(&s->lock);
}

bool sd_overlay_reap(struct sd_overlay *ov)
{
	bool done = true;

	mutex_lock(&ov->reap_mutex);
	smp_mb(); /* the snapshot's end before the count: see sd_overlay_write_begin() */
	if (atomic_read(&ov->in_place)) {
		set_reap_waits(ov, true); /* the last write in place calls again */
		done = false;
		/* it may have been over before it could see that we wait */
		if (!atomic_read(&ov->in_place))
			reap_soon(ov);
	} else {
		sd_map_reap_all(ov->snap->store, ov->map, &ov->map_lock);
		set_reap_waits(ov, false);
	}
	mutex_unlock(&ov->reap_mutex);
	return done;
}

static void reap_work(struct work_struct *work)
{
	struct sd_overlay *ov = container_of(work, struct sd_overlay, reap_work);

	sd_overlay_reap(ov);
	sd_overlay_put(ov);
}

void sd_overlays_reap(struct sd_snapshot *snap)
{
	struct sd_store *s = snap->store;
	struct sd_overlay *ov;

	for (;;) {
		mutex_lock(&s->snap_mutex);
		list_for_each_entry(ov, &s->overlays, link)
			if (ov->snap == snap && !ov->reap_tried)
				break;
		if (list_entry_is_head(ov, &s->overlays, link)) {
			mutex_unlock(&s->snap_mutex);
			return;
		}
		ov->reap_tried = true;
		sd_overlay_get(ov);
		mutex_unlock(&s->snap_mutex);
		sd_overlay_reap(ov);
		sd_overlay_put(ov);
	}
}

/* ---- looking up, facts ------------------------------------------------- */

bool sd_overlay_lookup(struct sd_overlay *ov, u64 first, u32 max, sd_place_t *place, u32 *run)
{
	bool found;

	spin_lock(&ov->map_lock);
	found = sd_map_lookup(ov->map, OVERLAY_LAYER, first, max, place, run);
	spin_unlock(&ov->map_lock);
	return found;
}

bool sd_overlay_find(struct sd_overlay *ov, u64 first, u32 max, struct sd_where *w)
{
	bool found;

	spin_lock(&ov->map_lock);
	found = sd_map_lookup(ov->map, OVERLAY_LAYER, first, max, &w->place, &w->run);
	if (found && w->place != SD_PLACE_BAD)
		w->seg = sd_segment_find(ov->origin->store, w->place, &w->run, &w->part,
					 &w->range);
	spin_unlock(&ov->map_lock);
	return found;
}

/* Bad chunks own no place. */
u64 sd_overlay_places(const struct sd_overlay *ov)
{
	return sd_map_exceptions(ov->map) - sd_map_bad(ov->map);
}

void sd_overlay_facts(const struct sd_overlay *ov, u64 *sectors, u64 *to_come)
{
	*sectors = 0;
	*to_come = 0;
	if (!ov)
		return;
	*sectors = sd_overlay_places(ov) << ov->snap->store->chunk_shift;
	*to_come = sd_map_unsafe(ov->map);
}
