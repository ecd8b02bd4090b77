// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - target "snapdiff": one origin as it was at one snapshot, read-only.
 *
 * A read finds, for its first chunk, where the old data is, and is cut to the
 * run of chunks that lie the same way: at the origin, in a buffer, or on a
 * range.  Three things can make what it reads wrong, and each is asked when it
 * completes, before anybody sees the data:
 *
 *  - the snapshot ended and a writer or a reuse of the place got in: validity
 *    (protocol 2);
 *  - the origin was not watched throughout: the read is *stranded*, and tried
 *    again when the origin is watched, or fails when it is gone or at the stall
 *    limit (protocol 3);
 *  - a writer changed the chunk at the origin: cannot happen, the writer waits
 *    for reads that entered before its copy was published (protocol 8).
 */
#include <linux/highmem.h>
#include <linux/module.h>

#include "snapdiff.h"

struct sd_image {
	struct sd_image_link link;
	struct dm_target *ti;
	struct dm_dev *store_dev;
	struct dm_dev *dev;		/* the device below the origin */
	struct sd_snapshot *snap;
	struct sd_origin *origin;
	bool requeue;			/* noflush suspend under way */
};

enum sd_from { FROM_NOWHERE, FROM_ORIGIN, FROM_RANGE };

/* Per-bio data of an image read. */
struct sd_read {
	struct sd_image *image;
	struct bio *bio;
	struct sd_cell cell;
	enum sd_from from;		/* what end_io has to undo */
	u32 watch_seq;
	struct bvec_iter iter;		/* as it came, after cutting */
	unsigned long since;		/* jiffies when it was stranded first; 0: never */
	struct list_head wait;		/* origin->stranded */
	struct work_struct work;
};

/* Where the old data of a run of chunks is. */
struct sd_where {
	bool at_origin;
	sd_place_t place;
	u32 run;		/* chunks */
	struct sd_segment *seg;	/* buffer, with a reference */
	u32 part;
};

static void read_work(struct work_struct *work);

/* ---- finding ----------------------------------------------------------- */

static void enter_reads(struct sd_read *r, u64 first, u64 last)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags;

	spin_lock_irqsave(&o->cell_lock, flags);
	sd_cells_enter(&o->reads, &r->cell, SD_CELL_READ, first, last);
	spin_unlock_irqrestore(&o->cell_lock, flags);
}

static void leave_reads(struct sd_read *r)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags;
	LIST_HEAD(ready);

	spin_lock_irqsave(&o->cell_lock, flags);
	sd_cells_leave(&o->reads, &r->cell, &ready);
	spin_unlock_irqrestore(&o->cell_lock, flags);
	sd_jobs_ready(&ready);
}

static void look_up(struct sd_read *r, u64 first, u32 max, struct sd_where *w)
{
	struct sd_origin *o = r->image->origin;

	spin_lock(&o->map_lock);
	w->at_origin = !sd_map_lookup(o->map, r->image->snap->layer, first, max, &w->place, &w->run);
	spin_unlock(&o->map_lock);
}

/*
 * Find the first run of chunks in [first, last].  If it lies at the origin the
 * read stays tracked, else tracking is over.  The read must have entered the
 * tracked ones before the look-up: a writer that publishes after the look-up
 * then finds it there.
 */
static void find(struct sd_read *r, u64 first, u64 last, struct sd_where *w)
{
	struct sd_store *s = r->image->origin->store;
	struct sd_where again;

	w->seg = NULL;
	enter_reads(r, first, last);
	look_up(r, first, min_t(u64, last - first + 1, U32_MAX), w);
	if (w->at_origin)
		return;
	leave_reads(r);
	while (w->place != SD_PLACE_BAD) {
		w->seg = sd_segment_find(s, w->place, &w->run, &w->part);
		if (w->seg || !READ_ONCE(s->devs[sd_place_slot(w->place)]->failed))
			return;
		/* A failed write: the exception may have followed its data elsewhere. */
		look_up(r, first, w->run, &again);
		if (again.at_origin)
			return;
		if (again.place == w->place) {
			/* Neighbours may have moved: their segment left before we looked. */
			w->run = min(w->run, again.run);
			return;
		}
		again.seg = NULL;
		*w = again;
	}
}

/* ---- serving ----------------------------------------------------------- */

/* Copy from a buffer's pages, beginning @offset bytes behind the part. */
static void copy_out(const struct sd_where *w, u32 offset, struct bio *bio, struct bvec_iter iter)
{
	struct page **pages = sd_part_pages(w->seg, w->part);
	struct bio_vec bv;
	u32 done, n;

	__bio_for_each_segment(bv, bio, iter, iter) {
		for (done = 0; done < bv.bv_len; done += n) {
			u32 in_page = offset & (PAGE_SIZE - 1);

			n = min_t(u32, bv.bv_len - done, PAGE_SIZE - in_page);
			memcpy_to_page(bv.bv_page, bv.bv_offset + done,
				       page_address(pages[offset >> PAGE_SHIFT]) + in_page, n);
			offset += n;
		}
	}
}

static u32 offset_in_chunk(const struct sd_store *s, sector_t sector)
{
	return (sector & (s->chunk - 1)) << SECTOR_SHIFT;
}

static sector_t range_sector(const struct sd_store *s, sd_place_t place, sector_t sector)
{
	return s->devs[sd_place_slot(place)]->start +
	       (sd_place_index(place) << s->chunk_shift) + (sector & (s->chunk - 1));
}

static void range_read_end(struct sd_store *s)
{
	if (atomic_dec_and_test(&s->range_reads))
		wake_up(&s->idle);
}

/*
 * False: the snapshot has ended, and with it perhaps the store: its ranges may
 * be closed.  Counted before asking, as the store's end ends the snapshots
 * before it looks at the count: one of us sees the other.
 */
static bool range_read_begin(struct sd_read *r)
{
	struct sd_store *s = r->image->origin->store;

	atomic_inc(&s->range_reads);
	smp_mb__after_atomic();
	if (sd_snapshot_live(r->image->snap))
		return true;
	range_read_end(s);
	return false;
}

/* A range with larger blocks than the image: such reads take the slow way. */
static bool misaligned(const struct sd_store *s, sd_place_t place, sector_t sector, u32 sectors)
{
	return (sector | sectors) & (s->devs[sd_place_slot(place)]->block - 1);
}

/* ---- stranded reads ---------------------------------------------------- */

static void queue_read(struct sd_read *r)
{
	queue_work(r->image->origin->store->read_wq, &r->work);
}

/*
 * Wait until the origin is watched, or gone, or the stall limit.  Any context.
 *
 * Everything happens under the lock under which reads are taken off the list:
 * as long as the read stands there it keeps its image, and so the origin with
 * its timer; after unlocking, neither may be touched.  Resume, the origin's
 * end and the image's noflush suspend change their mark first and empty the
 * list then, so that either we see the mark or they see us.
 */
static void strand(struct sd_read *r)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags, limit = msecs_to_jiffies(READ_ONCE(o->store->stall_ms));

	if (!r->since)
		r->since = jiffies | 1;
	spin_lock_irqsave(&o->gate_lock, flags);
	if (sd_watched(READ_ONCE(o->watch_seq)) || READ_ONCE(o->gone) ||
	    READ_ONCE(r->image->requeue)) {
		queue_read(r);
	} else {
		list_add_tail(&r->wait, &o->stranded);
		queue_delayed_work(o->store->admin_wq, &o->strand_work, limit + 1);
	}
	spin_unlock_irqrestore(&o->gate_lock, flags);
}

static void take_stranded(struct sd_origin *o, struct list_head *list)
{
	unsigned long flags;

	spin_lock_irqsave(&o->gate_lock, flags);
	list_splice_init(&o->stranded, list);
	spin_unlock_irqrestore(&o->gate_lock, flags);
}

void sd_reads_retry(struct sd_origin *o)
{
	struct sd_read *r, *next;
	LIST_HEAD(list);

	take_stranded(o, &list);
	list_for_each_entry_safe(r, next, &list, wait) {
		list_del_init(&r->wait);
		queue_read(r);
	}
}

/* Stall limit: each finds out for itself whether its time is over. */
void sd_strand_work(struct work_struct *work)
{
	sd_reads_retry(container_of(work, struct sd_origin, strand_work.work));
}

static bool strand_is_over(const struct sd_read *r)
{
	const struct sd_origin *o = r->image->origin;

	return READ_ONCE(o->gone) ||
	       (r->since && time_after(jiffies, r->since + msecs_to_jiffies(
							READ_ONCE(o->store->stall_ms))));
}

/* ---- the slow way ------------------------------------------------------ */

/* A part of the bio as a bio of its own. */
static struct bio *piece_of(struct sd_read *r, u32 from, u32 sectors, struct block_device *bdev)
{
	struct bio *bio;

	r->bio->bi_iter = r->iter;
	bio = bio_alloc_clone(bdev, r->bio, GFP_NOIO, &r->image->origin->store->bios);
	if (bio)
		bio_trim(bio, from, sectors);
	return bio;
}

static blk_status_t submit_piece(struct sd_read *r, u32 from, u32 sectors,
				 struct block_device *bdev, sector_t sector)
{
	struct bio *bio = piece_of(r, from, sectors, bdev);
	blk_status_t status;

	if (!bio)
		return BLK_STS_RESOURCE;
	bio->bi_iter.bi_sector = sector;
	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

static blk_status_t read_whole_place(struct sd_store *s, sd_place_t place, struct page **pages)
{
	struct sd_range_dev *d = s->devs[sd_place_slot(place)];
	struct bio *bio;
	blk_status_t status;
	u32 i;

	bio = bio_alloc_bioset(d->bdev, s->chunk_pages, REQ_OP_READ, GFP_NOIO, &s->bios);
	bio->bi_iter.bi_sector = range_sector(s, place, 0);
	for (i = 0; i < s->chunk_pages; i++)
		__bio_add_page(bio, pages[i], PAGE_SIZE, 0);
	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

/* Smaller than a block of the range: read the whole place, hand out a part. */
static blk_status_t bounce(struct sd_read *r, u32 from, u32 sectors, sector_t sector,
			   sd_place_t place)
{
	struct sd_store *s = r->image->origin->store;
	blk_status_t status = BLK_STS_RESOURCE;
	struct sd_segment *seg;
	struct sd_where w = { .place = place };
	struct bio *bio;

	seg = sd_segment_bounce(s);
	if (!seg)
		return status;
	status = read_whole_place(s, place, seg->pages);
	bio = piece_of(r, from, sectors, r->image->dev->bdev);
	if (!status && bio) {
		w.seg = seg;
		copy_out(&w, offset_in_chunk(s, sector), bio, bio->bi_iter);
	}
	if (bio)
		bio_put(bio);
	sd_segment_put(seg);
	return bio ? status : BLK_STS_RESOURCE;
}

static blk_status_t from_storage(struct sd_read *r, struct sd_where *w, u32 from, u32 *sectors,
				 sector_t sector)
{
	struct sd_store *s = r->image->origin->store;
	blk_status_t status = BLK_STS_OK;
	struct bio *bio;

	if (w->place == SD_PLACE_BAD)
		return BLK_STS_IOERR;
	if (w->seg) {
		bio = piece_of(r, from, *sectors, r->image->dev->bdev);
		if (bio) {
			copy_out(w, offset_in_chunk(s, sector), bio, bio->bi_iter);
			bio_put(bio);
		}
		sd_segment_put(w->seg);
		return bio ? BLK_STS_OK : BLK_STS_RESOURCE;
	}
	if (!range_read_begin(r))
		return BLK_STS_IOERR;
	if (misaligned(s, w->place, sector, *sectors)) {
		*sectors = min_t(u32, *sectors, s->chunk - (sector & (s->chunk - 1)));
		status = bounce(r, from, *sectors, sector, w->place);
	} else {
		status = submit_piece(r, from, *sectors, s->devs[sd_place_slot(w->place)]->bdev,
				      range_sector(s, w->place, sector));
	}
	range_read_end(s);
	return status;
}

/* One run. False: the origin is or was not watched. */
static bool slow_run(struct sd_read *r, u32 from, u32 *sectors, blk_status_t *status)
{
	struct sd_image *image = r->image;
	struct sd_origin *o = image->origin;
	struct sd_store *s = o->store;
	sector_t sector = r->iter.bi_sector + from;
	struct sd_where w;
	u32 seq;

	find(r, sd_to_chunk(s, sector), sd_to_chunk(s, sector + *sectors - 1), &w);
	*sectors = min_t(u64, *sectors,
			 ((sd_to_chunk(s, sector) + w.run) << s->chunk_shift) - sector);
	if (!w.at_origin) {
		*status = from_storage(r, &w, from, sectors, sector);
		return true;
	}
	seq = READ_ONCE(o->watch_seq);
	if (sd_watched(seq))
		*status = submit_piece(r, from, *sectors, image->dev->bdev, o->start + sector);
	leave_reads(r);
	return sd_watched(seq) && READ_ONCE(o->watch_seq) == seq;
}

static void finish_read(struct sd_read *r, blk_status_t status)
{
	r->from = FROM_NOWHERE;
	r->bio->bi_status = status;
	bio_endio(r->bio);
}

/*
 * Run by run, in a worker: reads that were stranded, or that are smaller than
 * a block of the range.
 */
static void read_work(struct work_struct *work)
{
	struct sd_read *r = container_of(work, struct sd_read, work);
	u32 from, sectors, total = r->iter.bi_size >> SECTOR_SHIFT;
	blk_status_t status = BLK_STS_OK;

	if (READ_ONCE(r->image->requeue) && dm_noflush_suspending(r->image->ti)) {
		finish_read(r, BLK_STS_DM_REQUEUE);
		return;
	}
	for (from = 0; from < total && !status; from += sectors) {
		sectors = total - from;
		if (!sd_snapshot_live(r->image->snap)) {
			status = BLK_STS_IOERR;
		} else if (!slow_run(r, from, &sectors, &status)) {
			if (!strand_is_over(r)) {
				strand(r);
				return;
			}
			status = BLK_STS_IOERR;
		}
	}
	finish_read(r, status);
}

/* ---- device-mapper's side ---------------------------------------------- */

static int serve_from_range(struct sd_read *r, const struct sd_where *w, sector_t sector)
{
	struct sd_store *s = r->image->origin->store;
	struct bio *bio = r->bio;

	if (misaligned(s, w->place, sector, bio_sectors(bio))) {
		queue_read(r);
		return DM_MAPIO_SUBMITTED;
	}
	if (!range_read_begin(r))
		return DM_MAPIO_KILL;
	r->from = FROM_RANGE;
	bio_set_dev(bio, s->devs[sd_place_slot(w->place)]->bdev);
	bio->bi_iter.bi_sector = range_sector(s, w->place, sector);
	return DM_MAPIO_REMAPPED;
}

static int serve_from_origin(struct sd_read *r, sector_t sector)
{
	struct sd_origin *o = r->image->origin;

	r->watch_seq = READ_ONCE(o->watch_seq);
	if (!sd_watched(r->watch_seq)) {
		leave_reads(r);
		strand(r);
		return DM_MAPIO_SUBMITTED;
	}
	r->from = FROM_ORIGIN;
	bio_set_dev(r->bio, r->image->dev->bdev);
	r->bio->bi_iter.bi_sector = o->start + sector;
	return DM_MAPIO_REMAPPED;
}

static int image_map(struct dm_target *ti, struct bio *bio)
{
	struct sd_image *image = ti->private;
	struct sd_store *s = image->origin->store;
	struct sd_read *r = dm_per_bio_data(bio, sizeof(*r));
	sector_t sector = bio->bi_iter.bi_sector, end;
	struct sd_where w;

	r->from = FROM_NOWHERE;
	r->image = image;
	r->bio = bio;
	if (bio_op(bio) != REQ_OP_READ) {
		if (op_is_flush(bio->bi_opf) && !bio_sectors(bio)) {
			bio_endio(bio); /* nothing is ever dirty here */
			return DM_MAPIO_SUBMITTED;
		}
		return DM_MAPIO_KILL;
	}
	if (!sd_snapshot_live(image->snap))
		return DM_MAPIO_KILL;

	bio_clear_polled(bio);
	r->since = 0;
	r->cell.in = false;
	INIT_LIST_HEAD(&r->wait);
	INIT_WORK(&r->work, read_work);
	find(r, sd_to_chunk(s, sector), sd_to_chunk(s, sector + bio_sectors(bio) - 1), &w);
	end = (sd_to_chunk(s, sector) + w.run) << s->chunk_shift;
	if (sector + bio_sectors(bio) > end)
		dm_accept_partial_bio(bio, end - sector);
	r->iter = bio->bi_iter;

	if (w.at_origin)
		return serve_from_origin(r, sector);
	if (w.place == SD_PLACE_BAD)
		return DM_MAPIO_KILL;
	if (!w.seg)
		return serve_from_range(r, &w, sector);
	copy_out(&w, offset_in_chunk(s, sector), bio, bio->bi_iter);
	sd_segment_put(w.seg);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int image_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct sd_read *r = dm_per_bio_data(bio, sizeof(*r));
	struct sd_image *image = r->image;
	struct sd_origin *o = image->origin;
	bool unwatched = false;

	if (r->from == FROM_RANGE) {
		range_read_end(o->store);
	} else if (r->from == FROM_ORIGIN) {
		leave_reads(r);
		unwatched = READ_ONCE(o->watch_seq) != r->watch_seq;
	}
	r->from = FROM_NOWHERE;
	if (*error || bio_op(bio) != REQ_OP_READ)
		return DM_ENDIO_DONE;
	if (!sd_snapshot_live(image->snap)) {
		*error = BLK_STS_IOERR;
		return DM_ENDIO_DONE;
	}
	if (!unwatched)
		return DM_ENDIO_DONE;
	strand(r);
	return DM_ENDIO_INCOMPLETE;
}

/* A noflush suspend gets its stranded reads back (protocol 3). */
static void image_presuspend(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	if (!dm_noflush_suspending(ti))
		return;
	WRITE_ONCE(image->requeue, true);
	sd_reads_retry(image->origin); /* ours are given back, others strand again */
}

static void image_presuspend_undo(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	WRITE_ONCE(image->requeue, false);
}

static void image_resume(struct dm_target *ti)
{
	image_presuspend_undo(ti);
}

/* ---- constructor ------------------------------------------------------- */

/* With a reference, or NULL. An image in place of a range would hide its data. */
static struct sd_store *find_store(struct sd_image *image, dev_t self)
{
	struct sd_store *s;

	mutex_lock(&sd_registry);
	s = sd_store_of(image->store_dev->bdev->bd_dev);
	if (s && (!s->live || s->dying || sd_is_range_device(self)))
		s = NULL;
	if (s)
		sd_store_get(s);
	mutex_unlock(&sd_registry);
	return s;
}

static int find_snapshot(struct sd_image *image, struct sd_store *s,
			 const struct sd_image_table *t, const char **why)
{
	struct sd_snapshot *snap;
	u32 i;

	*why = "the device is no snapdiff-store with a live table, or the image would cover a range";
	if (!s)
		return -ENOENT;
	*why = "the store has no snapshot of this name";
	snap = sd_snapshot_show(s, t->snapshot);
	if (!snap)
		return -ENOENT;
	*why = "the snapshot does not contain an origin of this name";
	for (i = 0; i < snap->count; i++)
		if (!strcmp(snap->of[i].origin->name, t->origin))
			break;
	if (i == snap->count)
		goto put;
	*why = "an image must be as long as its origin was at the take";
	if (snap->of[i].size != image->ti->len)
		goto put;
	image->snap = snap;
	image->origin = snap->of[i].origin;
	return 0;
put:
	sd_snapshot_release(snap);
	return -EINVAL;
}

static int open_below(struct sd_image *image, const char **why)
{
	dev_t under = image->origin->under;
	char number[24];

	scnprintf(number, sizeof(number), "%u:%u", MAJOR(under), MINOR(under));
	*why = "the device below the origin cannot be opened";
	return dm_get_device(image->ti, number, SD_OPEN_RW, &image->dev);
}

static int image_open(struct sd_image *image, const struct sd_image_table *t)
{
	struct dm_target *ti = image->ti;
	dev_t self = disk_devt(dm_disk(dm_table_get_md(ti->table)));
	struct sd_store *s;
	const char *why;
	int r;

	r = dm_get_device(ti, t->store_dev, SD_OPEN_RW, &image->store_dev);
	if (r) {
		ti->error = "the store's device cannot be opened";
		return r;
	}
	s = find_store(image, self);
	r = find_snapshot(image, s, t, &why);
	if (!r)
		r = open_below(image, &why);
	if (s)
		sd_store_put(s); /* the snapshot has its own reference */
	if (!r) {
		image->link.devt = self;
		mutex_lock(&sd_registry);
		list_add_tail(&image->link.link, &sd_images);
		mutex_unlock(&sd_registry);
		return 0;
	}
	ti->error = (char *)why;
	if (image->snap)
		sd_snapshot_release(image->snap);
	dm_put_device(ti, image->store_dev);
	return r;
}

static int image_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct sd_image *image;
	struct sd_image_table t;
	const char *why;
	int r;

	r = sd_parse_image(argc, argv, &t, &why);
	if (r) {
		ti->error = (char *)why;
		return r;
	}
	if (ti->begin) {
		ti->error = "an image begins at sector 0 of its device";
		return -EINVAL;
	}
	image = kzalloc(sizeof(*image), GFP_KERNEL);
	if (!image) {
		ti->error = "no memory for the target";
		return -ENOMEM;
	}
	image->ti = ti;
	r = image_open(image, &t);
	if (r) {
		kfree(image);
		return r;
	}
	ti->private = image;
	ti->num_flush_bios = 1;
	ti->per_io_data_size = sizeof(struct sd_read);
	return 0;
}

static void image_dtr(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	mutex_lock(&sd_registry);
	list_del(&image->link.link);
	mutex_unlock(&sd_registry);
	/* The timer of stranded reads must not outlive the last image; others arm it anew. */
	cancel_delayed_work_sync(&image->origin->strand_work);
	sd_reads_retry(image->origin);
	dm_put_device(ti, image->dev);
	sd_snapshot_release(image->snap); /* last: it keeps origin and store */
	dm_put_device(ti, image->store_dev);
	kfree(image);
}

static void image_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			 char *result, unsigned int maxlen)
{
	struct sd_image *image = ti->private;
	int cause = READ_ONCE(image->snap->cause);
	struct sd_text t;

	sd_text_init(&t, result, maxlen);
	switch (type) {
	case STATUSTYPE_INFO:
		sd_emit_word(&t, image->snap->name);
		sd_emit_word(&t, image->origin->name);
		sd_emit_word(&t, cause ? "invalid" : "live");
		sd_emit_word(&t, sd_cause_name(cause));
		break;
	case STATUSTYPE_TABLE:
		sd_emit_word(&t, image->store_dev->name);
		sd_emit_word(&t, image->snap->name);
		sd_emit_word(&t, image->origin->name);
		sd_emit_word(&t, "ro");
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int image_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct sd_image *image = ti->private;

	return fn(ti, image->dev, image->origin->start, ti->len, data);
}

struct target_type sd_image_type = {
	.name = SNAPDIFF_TARGET_IMAGE,
	.version = { SNAPDIFF_VERSION_MAJOR, SNAPDIFF_VERSION_MINOR, SNAPDIFF_VERSION_PATCH },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = image_ctr,
	.dtr = image_dtr,
	.map = image_map,
	.end_io = image_end_io,
	.presuspend = image_presuspend,
	.presuspend_undo = image_presuspend_undo,
	.resume = image_resume,
	.status = image_status,
	.iterate_devices = image_iterate_devices,
};
