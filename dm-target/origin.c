// SPDX-License-Identifier: GPL-2.0-only
/*
 * origin.c - target "snapdiff-origin": the live volume, every write of which
 * passes here.
 *
 * A write to chunks that are all safe, or to an origin without snapshots, is a
 * look-up and a remap.  Everything else becomes a job (job.c).
 *
 * Watching.  A foreign table may be live before our destructor runs, so from
 * .postsuspend on the origin is unwatched until .resume: a read or copy of it
 * counts only if the origin was watched from its beginning to its end
 * (watch_seq even and unchanged; protocol 3).
 */
#include <linux/module.h>

#include "segment.h"

/* ---- life -------------------------------------------------------------- */

/* Bios for when memory is short: one copy under way after the other is enough then. */
#define BIOS_KEPT 8

/* By a work of its own: whoever puts the last reference may hold up writers. */
static void origin_free_work(struct work_struct *work)
{
	struct sd_origin *o = container_of(work, struct sd_origin, free_work);

	destroy_workqueue(o->job_wq);
	bioset_exit(&o->bios);
	sd_gate_exit(o);
	sd_map_destroy(o->map);
	sd_store_put(o->store);
	kvfree(o);
}

static void origin_free(struct kref *ref)
{
	queue_work(sd_free_wq, &container_of(ref, struct sd_origin, ref)->free_work);
}

void sd_origin_get(struct sd_origin *o)
{
	kref_get(&o->ref);
}

void sd_origin_put(struct sd_origin *o)
{
	kref_put(&o->ref, origin_free);
}

struct sd_origin *sd_origin_find(struct sd_store *s, const char *name)
{
	struct sd_origin *o, *found = NULL;

	/* A reload with another size has two for a moment: the live one counts, else the newer. */
	list_for_each_entry(o, &s->origins, link)
		if (!strcmp(o->name, name) && (!found || !found->active))
			found = o;
	return found;
}

enum sd_watch sd_origin_watch(const struct sd_origin *o)
{
	if (o->detached)
		return SD_DETACHED;
	return sd_watched(READ_ONCE(o->watch_seq)) ? SD_WATCHED : SD_UNWATCHED;
}

/* Takes over the queue if it succeeds. */
static struct sd_origin *origin_create(struct sd_store *s, const char *name, u64 size,
				       struct workqueue_struct *job_wq)
{
	struct sd_origin *o = kvzalloc(sizeof(*o), GFP_KERNEL);

	if (!o)
		return NULL;
	if (sd_gate_init(o))
		goto free;
	if (bioset_init(&o->bios, BIOS_KEPT, 0, BIOSET_NEED_BVECS))
		goto exit_gate;
	o->map = sd_map_create(DIV_ROUND_UP_ULL(size, s->chunk));
	if (!o->map)
		goto exit_bios;
	o->job_wq = job_wq;
	kref_init(&o->ref);
	INIT_WORK(&o->free_work, origin_free_work);
	INIT_LIST_HEAD(&o->link);
	INIT_LIST_HEAD(&o->stranded);
	sd_stand_init(&o->for_place);
	sd_stand_init(&o->for_buffer);
	o->share_back = jiffies;
	spin_lock_init(&o->map_lock);
	spin_lock_init(&o->cell_lock);
	sd_cells_init(&o->jobs, sd_region_shift(s));
	sd_cells_init(&o->reads, sd_region_shift(s));
	mutex_init(&o->reap_mutex);
	INIT_WORK(&o->reap_work, sd_origin_reap_work);
	INIT_DELAYED_WORK(&o->strand_work, sd_strand_work);
	o->watch_seq = 1; /* unwatched until the first resume */
	sd_store_get(s);
	o->store = s;
	strscpy(o->name, name, sizeof(o->name));
	return o;

exit_bios:
	bioset_exit(&o->bios);
exit_gate:
	sd_gate_exit(o);
free:
	kvfree(o);
	return NULL;
}

static bool has_live_snapshot(const struct sd_origin *o)
{
	return sd_map_newest(o->map) != 0;
}

/* ---- constructor ------------------------------------------------------- */

static int check_device(struct dm_target *ti, struct block_device *bdev, u64 start,
			const struct sd_store *s, const char **why)
{
	u64 size = bdev_nr_sectors(bdev);
	u32 block = bdev_logical_block_size(bdev) >> SECTOR_SHIFT;

	*why = "the device below is zoned: copying old data would break its write order";
	if (bdev_is_zoned(bdev))
		return -EINVAL;
	*why = "the origin reaches beyond the end of the device below";
	if (start > size || ti->len > size - start)
		return -EINVAL;
	*why = "the chunk size is smaller than the logical block of the device below";
	if (s->chunk < block)
		return -EINVAL;
	*why = "start or length is not a multiple of the logical block of the device below";
	if ((start | ti->len) & (block - 1))
		return -EINVAL;
	return 0;
}

static int check_overlaps(dev_t self, u64 disk_dev, u64 disk_start, u64 len,
			  const struct sd_origin *except, const char **why)
{
	*why = "the origin shares sectors with another origin";
	if (sd_conflict_origins(disk_dev, disk_start, len, except, self))
		return -EEXIST;
	*why = "the origin shares sectors with a range of a store";
	if (sd_conflict_ranges(disk_dev, disk_start, len))
		return -EEXIST;
	*why = "the device is a range of a store";
	return sd_is_range_device(self) ? -EBUSY : 0;
}

/*
 * A longer table of an origin that exists.  What its resume needs is made now,
 * for that cannot fail; from now on no range may lie in the new part.
 */
static int prepare_growth(struct sd_origin_target *ot, struct sd_origin *o, const char **why)
{
	u64 len = ot->ti->len;
	int r;

	r = check_overlaps(o->devt, o->disk_dev, o->disk_start, len, o, why);
	if (r)
		return r;
	*why = "no memory for the longer origin";
	ot->top = sd_map_top_alloc(DIV_ROUND_UP_ULL(len, o->store->chunk));
	if (!ot->top)
		return -ENOMEM;
	o->reach = max(o->reach, len);
	return 0;
}

/*
 * At the resume of a longer table, while nothing is under way.  Snapshots that
 * exist end where the origin ended at their take; COW goes on there.
 */
static void grow(struct sd_origin_target *ot)
{
	struct sd_origin *o = ot->origin;
	u64 len = ot->ti->len;

	if (!ot->top)
		return;
	spin_lock(&o->map_lock);
	if (len > o->size) {
		ot->top = sd_map_widen(o->map, DIV_ROUND_UP_ULL(len, o->store->chunk), ot->top);
		WRITE_ONCE(o->size, len);
	}
	spin_unlock(&o->map_lock);
	sd_free(ot->top);
	ot->top = NULL;
}

/*
 * The object that this table shows: the one of an earlier table with the same
 * identity, or a new one.  Under sd_registry.
 */
static int find_or_create(struct sd_origin_target *ot, struct sd_store *s,
			  const struct sd_origin_table *t, struct workqueue_struct **job_wq,
			  const char **why)
{
	struct dm_target *ti = ot->ti;
	struct block_device *bdev = ot->dev->bdev;
	dev_t self = disk_devt(dm_disk(dm_table_get_md(ti->table)));
	struct sd_origin *o = sd_origin_find(s, t->name);
	u64 disk_dev, disk_start;
	int r;

	sd_disk_place(bdev, t->start, &disk_dev, &disk_start);
	if (o && o->devt != self) {
		*why = "the store has an origin of this name on another device";
		return -EEXIST;
	}
	if (o && o->under == bdev->bd_dev && o->start == t->start && o->size <= ti->len) {
		r = o->size < ti->len ? prepare_growth(ot, o, why) : 0;
		if (r)
			return r;
		goto found;
	}
	if (o && has_live_snapshot(o)) {
		*why = "the origin has snapshots: device and start cannot change, and it cannot become smaller";
		return -EBUSY;
	}
	r = check_overlaps(self, disk_dev, disk_start, ti->len, o, why);
	if (r)
		return r;

	*why = "no memory for the origin";
	o = origin_create(s, t->name, ti->len, *job_wq);
	if (!o)
		return -ENOMEM;
	*job_wq = NULL;
	o->devt = self;
	o->under = bdev->bd_dev;
	o->start = t->start;
	o->size = ti->len;
	o->reach = ti->len;
	o->disk_dev = disk_dev;
	o->disk_start = disk_start;
	list_add_tail(&o->link, &s->origins);
	sd_origin_get(o); /* the list's */
	goto hold;
found:
	sd_origin_get(o);
hold:
	o->bdev = bdev;
	o->instances++;
	ot->origin = o;
	ot->made_after = o->detaches;
	/* Ours unwatched, the device not suspended: a foreign table is live. */
	ot->foreign_before = o->active && !sd_watched(o->watch_seq) && !dm_suspended(ti);
	return 0;
}

static int origin_open(struct sd_origin_target *ot, const struct sd_origin_table *t)
{
	struct workqueue_struct *job_wq;
	struct dm_target *ti = ot->ti;
	struct sd_store *s;
	unsigned int noio;
	const char *why;
	int r;

	/* Before the registry is locked: a thread is made for it, whose maker may do I/O. */
	job_wq = alloc_workqueue("snapdiff-job", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	if (!job_wq) {
		ti->error = "no memory for the origin";
		return -ENOMEM;
	}
	r = dm_get_device(ti, t->store_dev, SD_OPEN_RW, &ot->store_dev);
	if (r) {
		ti->error = "the store's device cannot be opened";
		goto put_queue;
	}
	r = dm_get_device(ti, t->dev, SD_OPEN_RW, &ot->dev);
	if (r) {
		ti->error = "the device below the origin cannot be opened";
		goto put_store;
	}
	noio = sd_registry_lock_noio();
	s = sd_store_of(ot->store_dev->bdev->bd_dev);
	why = "the first device is no snapdiff-store with a live table";
	r = -ENOENT;
	if (s && s->live && !s->dying)
		r = check_device(ti, ot->dev->bdev, t->start, s, &why);
	if (!r)
		r = find_or_create(ot, s, t, &job_wq, &why);
	sd_registry_unlock_noio(noio);
	if (!r)
		goto put_queue; /* of an origin that had one */
	ti->error = (char *)why;
	dm_put_device(ti, ot->dev);
put_store:
	dm_put_device(ti, ot->store_dev);
put_queue:
	if (job_wq)
		destroy_workqueue(job_wq);
	return r;
}

static int origin_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct sd_origin_target *ot;
	struct sd_origin_table t;
	const char *why;
	int r;

	r = sd_parse_origin(argc, argv, &t, &why);
	if (r) {
		ti->error = (char *)why;
		return r;
	}
	if (ti->begin) {
		ti->error = "an origin begins at sector 0 of its device";
		return -EINVAL;
	}
	ot = kzalloc(sizeof(*ot), GFP_KERNEL);
	if (!ot) {
		ti->error = "no memory for the target";
		return -ENOMEM;
	}
	ot->ti = ti;
	r = origin_open(ot, &t);
	if (r) {
		kfree(ot);
		return r;
	}
	ti->private = ot;
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->accounts_remapped_io = true;
	ti->per_io_data_size = sizeof(struct sd_job);
	return 0;
}

/*
 * The table goes.  If it was the live one, its origin is no longer watched by
 * anybody: unless it was detached, its snapshots end.
 */
static void origin_dtr(struct dm_target *ti)
{
	struct sd_origin_target *ot = ti->private;
	struct sd_origin *o = ot->origin;
	struct sd_store *s = o->store;
	bool was_live, unseen, unlinked = false;

	mutex_lock(&sd_registry);
	was_live = o->active == ot;
	if (was_live)
		o->active = NULL;
	/*
	 * A table is destroyed by the thread that swapped it out.  If another
	 * one resumed our next table, a foreign one was live between the two.
	 */
	unseen = ot->replaced_by && ot->replaced_by != current;
	if (!--o->instances) {
		o->gone = true;
		list_del_init(&o->link);
		sd_store_unlink_ended(s);
		unlinked = true;
	}
	mutex_unlock(&sd_registry);

	if (was_live || unseen) {
		if (!o->detached)
			sd_origin_invalidate(o, SD_CAUSE_ORIGIN_GONE);
		sd_store_note(s);
	}
	if (unlinked) {
		sd_reads_retry(o); /* they find it gone */
		cancel_delayed_work_sync(&o->strand_work);
		sd_origin_put(o);
	}
	sd_origin_put(o);
	dm_put_device(ti, ot->dev);
	dm_put_device(ti, ot->store_dev);
	sd_free(ot->top);
	kfree(ot);
}

/* ---- the live volume --------------------------------------------------- */

static struct sd_job *job_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct sd_job));
}

static bool changes_data(const struct bio *bio)
{
	return op_is_write(bio_op(bio)) && bio_sectors(bio);
}

/* Window by window instead of whole: may be far larger than memory. */
static bool is_windowed(const struct bio *bio)
{
	return bio_op(bio) == REQ_OP_WRITE_ZEROES || bio_op(bio) == REQ_OP_DISCARD;
}

static int copy_first(struct dm_target *ti, struct sd_origin *o, struct bio *bio, sector_t sector)
{
	struct sd_job *job = job_of(bio);

	if (bio->bi_opf & REQ_NOWAIT) {
		bio_wouldblock_error(bio);
		return DM_MAPIO_SUBMITTED;
	}
	/* A parked bio is given back by a noflush suspend, so do not park it now. */
	if (READ_ONCE(o->requeue) && dm_noflush_suspending(ti))
		return DM_MAPIO_REQUEUE;

	job->windowed = is_windowed(bio);
	if (!job->windowed)
		sd_cut(bio, sector);
	bio_clear_polled(bio);
	job->origin = o;
	job->ti = ti;
	job->bio = bio;
	job->cursor = sector;
	job->end = sector + bio_sectors(bio);
	if (bio_op(bio) == REQ_OP_DISCARD && !READ_ONCE(o->store->discard_copy))
		sd_passdown_start(job);
	else
		sd_job_start(job);
	return DM_MAPIO_SUBMITTED;
}

static int origin_map(struct dm_target *ti, struct bio *bio)
{
	struct sd_origin_target *ot = ti->private;
	struct sd_origin *o = ot->origin;
	struct sd_job *job = job_of(bio);
	sector_t sector = bio->bi_iter.bi_sector;
	u64 first, last;

	job->in_gate = false;
	bio_set_dev(bio, ot->dev->bdev);
	bio->bi_iter.bi_sector = sector + o->start;
	if (!changes_data(bio))
		return DM_MAPIO_REMAPPED;

	first = sd_to_chunk(o->store, sector);
	last = sd_to_chunk(o->store, sector + bio_sectors(bio) - 1);
	if (sd_gate_enter(o)) {
		if (likely(sd_map_all_safe(o->map, first, last))) {
			job->in_gate = true;
			return DM_MAPIO_REMAPPED;
		}
		sd_gate_leave(o);
	}
	return copy_first(ti, o, bio, sector);
}

static int origin_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct sd_job *job = job_of(bio);
	struct sd_origin_target *ot = ti->private;

	if (job->in_gate) {
		job->in_gate = false;
		sd_gate_leave(ot->origin);
	}
	return DM_ENDIO_DONE;
}

/* ---- suspend and resume ------------------------------------------------ */

static void wake_for_requeue(struct sd_origin *o)
{
	struct sd_job *job, *next;
	unsigned long flags;
	LIST_HEAD(parked);

	spin_lock_irqsave(&o->gate_lock, flags);
	list_splice_init(&o->parked, &parked);
	spin_unlock_irqrestore(&o->gate_lock, flags);
	list_for_each_entry_safe(job, next, &parked, wait) {
		list_del_init(&job->wait);
		sd_job_wake(job, SD_COW_REQUEUE);
	}
	write_seqlock(&o->store->lock);
	sd_waiters_release(o->store); /* each asks itself whether to go on */
	write_sequnlock(&o->store->lock);
}

static void origin_presuspend(struct dm_target *ti)
{
	struct sd_origin_target *ot = ti->private;

	if (!dm_noflush_suspending(ti))
		return;
	WRITE_ONCE(ot->origin->requeue, true);
	wake_for_requeue(ot->origin);
}

static void origin_presuspend_undo(struct dm_target *ti)
{
	struct sd_origin_target *ot = ti->private;

	WRITE_ONCE(ot->origin->requeue, false);
}

/* No bio of ours is under way any more; from here on nobody watches. */
static void origin_postsuspend(struct dm_target *ti)
{
	struct sd_origin_target *ot = ti->private;
	struct sd_origin *o = ot->origin;

	mutex_lock(&sd_registry);
	if (o->active == ot) {
		spin_lock(&o->map_lock);
		if (sd_watched(o->watch_seq))
			WRITE_ONCE(o->watch_seq, o->watch_seq + 1);
		spin_unlock(&o->map_lock);
	}
	mutex_unlock(&sd_registry);
	sd_store_note(o->store);
}

/*
 * Watching begins (again).  If a foreign table was live between the last table
 * of ours and this one, writes may have passed unseen: what was taken before
 * is lost.
 */
static void origin_resume(struct dm_target *ti)
{
	struct sd_origin_target *ot = ti->private;
	struct sd_origin *o = ot->origin;
	bool foreign;

	mutex_lock(&sd_registry);
	foreign = ot->foreign_before;
	ot->foreign_before = false;
	mutex_unlock(&sd_registry);
	if (foreign)
		sd_origin_invalidate(o, SD_CAUSE_ORIGIN_GONE);

	mutex_lock(&sd_registry);
	if (o->active && o->active != ot)
		o->active->replaced_by = current;
	o->active = ot;
	o->bdev = ot->dev->bdev;
	grow(ot);
	if (o->detached && ot->made_after == o->detaches)
		o->detached = false;
	spin_lock(&o->map_lock);
	if (!sd_watched(o->watch_seq))
		WRITE_ONCE(o->watch_seq, o->watch_seq + 1);
	spin_unlock(&o->map_lock);
	mutex_unlock(&sd_registry);

	WRITE_ONCE(o->requeue, false);
	sd_reads_retry(o);
	sd_store_note(o->store);
}

/*
 * Message "detach".  Under store->take_mutex, so that no take gets in between
 * the question and the deed.
 */
int sd_origin_detach(struct sd_store *s, const char *name, bool force, const char **why)
{
	struct sd_origin *o;
	int r = 0;

	mutex_lock(&sd_registry);
	o = sd_origin_find(s, name);
	if (o)
		sd_origin_get(o);
	mutex_unlock(&sd_registry);
	if (!o) {
		*why = "no origin of this name is attached";
		return -ENOENT;
	}
	if (has_live_snapshot(o) && !force) {
		*why = "live snapshots contain the origin: delete them first, or say force";
		r = -EBUSY;
		goto out;
	}
	sd_origin_invalidate(o, SD_CAUSE_ORIGIN_FORCED);
	mutex_lock(&sd_registry);
	if (!o->detached) {
		o->detached = true;
		o->detaches++;
	}
	mutex_unlock(&sd_registry);
	sd_store_note(s);
out:
	sd_origin_put(o);
	return r;
}

/* ---- the rest ---------------------------------------------------------- */

static void origin_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			  char *result, unsigned int maxlen)
{
	struct sd_origin_target *ot = ti->private;
	struct sd_origin *o = ot->origin;
	struct sd_text t;

	sd_text_init(&t, result, maxlen);
	switch (type) {
	case STATUSTYPE_INFO:
		sd_emit_word(&t, o->name);
		sd_emit_word(&t, sd_watch_name(sd_origin_watch(o)));
		break;
	case STATUSTYPE_TABLE:
		sd_emit_word(&t, ot->store_dev->name);
		sd_emit_word(&t, o->name);
		sd_emit_word(&t, ot->dev->name);
		sd_emit_u64(&t, o->start);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int origin_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct sd_origin_target *ot = ti->private;

	return fn(ti, ot->dev, ot->origin->start, ti->len, data);
}

struct target_type sd_origin_type = {
	.name = SNAPDIFF_TARGET_ORIGIN,
	.version = { SNAPDIFF_VERSION_MAJOR, SNAPDIFF_VERSION_MINOR, SNAPDIFF_VERSION_PATCH },
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = origin_ctr,
	.dtr = origin_dtr,
	.map = origin_map,
	.end_io = origin_end_io,
	.presuspend = origin_presuspend,
	.presuspend_undo = origin_presuspend_undo,
	.postsuspend = origin_postsuspend,
	.resume = origin_resume,
	.status = origin_status,
	.iterate_devices = origin_iterate_devices,
};
