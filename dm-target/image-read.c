// SPDX-License-Identifier: GPL-2.0-only
/*
 * image-read.c - where an image's data is, and the reads that block.
 *
 * A read finds, for its first chunk, where the data is, and is cut to the run
 * of chunks that lie the same way: at the origin, in a buffer, or on a range.
 * Three things can make what it reads wrong, and each is asked when it
 * completes, before anybody sees the data:
 *
 *  - the snapshot ended and a writer or a reuse of the place got in: validity
 *    (protocol 2);
 *  - the origin was not watched throughout: the read is *stranded*, and tried
 *    again when the origin is watched, or fails when it is gone or at the stall
 *    limit (protocol 3);
 *  - a writer changed the chunk at the origin: cannot happen, the writer waits
 *    for reads that entered before its copy was published (protocol 8).
 *
 * What was written to a writable image comes first: a chunk that its overlay
 * has is never looked for elsewhere.
 */
#include <linux/highmem.h>

#include "image.h"

/* ---- finding ----------------------------------------------------------- */

static void enter_reads(struct sd_read *r, u64 first, u64 last)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags;

	spin_lock_irqsave(&o->cell_lock, flags);
	sd_cells_enter(&o->reads, &r->cell, SD_CELL_READ, first, last);
	spin_unlock_irqrestore(&o->cell_lock, flags);
}

void sd_read_leave(struct sd_read *r)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags;
	LIST_HEAD(ready);

	spin_lock_irqsave(&o->cell_lock, flags);
	sd_cells_leave(&o->reads, &r->cell, &ready);
	spin_unlock_irqrestore(&o->cell_lock, flags);
	sd_jobs_ready(&ready);
}

/*
 * The overlay, else the exceptions, else the origin: the first run of one kind.
 *
 * Buffers, and counts of reads, under the lock of the look-up: a place that
 * follows its data elsewhere is changed under it, so the place is right, and
 * who changed it waits for the reads that were counted before.
 */
static void look_up(struct sd_read *r, u64 first, u32 max, struct sd_where *w)
{
	struct sd_image *image = r->image;
	struct sd_origin *o = image->origin;

	w->at_origin = false;
	w->seg = NULL;
	w->range.dev = NULL;
	if (image->overlay) {
		if (sd_overlay_find(image->overlay, first, max, w))
			return;
		max = w->run;
	}
	spin_lock(&o->map_lock);
	w->at_origin = !sd_map_lookup(o->map, image->snap->layer, first, max, &w->place, &w->run);
	if (!w->at_origin && w->place != SD_PLACE_BAD)
		w->seg = sd_segment_find(o->store, w->place, &w->run, &w->part, &w->range);
	spin_unlock(&o->map_lock);
}

/*
 * If the first run of chunks lies at the origin the read stays tracked, else
 * tracking is over.  The read must have entered the tracked ones before the
 * look-up: a writer that publishes after the look-up then finds it there.
 */
void sd_read_find(struct sd_read *r, u64 first, u64 last, struct sd_where *w)
{
	enter_reads(r, first, last);
	look_up(r, first, min_t(u64, last - first + 1, U32_MAX), w);
	if (!w->at_origin)
		sd_read_leave(r);
}

/* ---- serving ----------------------------------------------------------- */

void sd_copy_pages(struct sd_segment *seg, u32 part, u32 offset, struct bio *bio,
		   struct bvec_iter iter, bool to_bio)
{
	struct page **pages = sd_part_pages(seg, part);
	struct bio_vec bv;
	u32 done, n;

	__bio_for_each_segment(bv, bio, iter, iter) {
		for (done = 0; done < bv.bv_len; done += n) {
			u32 in_page = offset & (PAGE_SIZE - 1);
			char *data = page_address(pages[offset >> PAGE_SHIFT]) + in_page;

			n = min_t(u32, bv.bv_len - done, PAGE_SIZE - in_page);
			if (to_bio)
				memcpy_to_page(bv.bv_page, bv.bv_offset + done, data, n);
			else
				memcpy_from_page(data, bv.bv_page, bv.bv_offset + done, n);
			offset += n;
		}
	}
}

/*
 * The snapshot may have ended, and with it perhaps the store: its ranges may
 * be closed.  The read was counted before asking, as the store's end ends the
 * snapshots before it looks at the counts: one of us sees the other.
 */
bool sd_range_is_open(struct sd_read *r, struct sd_where *w)
{
	if (sd_snapshot_live(r->image->snap))
		return true;
	sd_range_read_end(r->image->origin->store, &w->range);
	return false;
}

/* ---- stranded reads ---------------------------------------------------- */

void sd_read_queue(struct sd_read *r)
{
	queue_work(r->image->wq, &r->work);
}

/*
 * By the queue of its origin's jobs, where nobody waits for another device: a
 * writer may wait for this.
 */
void sd_read_submit_later(struct sd_read *r)
{
	r->submit = true;
	queue_work(r->image->origin->job_wq, &r->work);
}

/*
 * Wait until the origin is watched, or gone, or the stall limit.
 *
 * Everything happens under the lock under which reads are taken off the list:
 * as long as the read stands there it keeps its image, and so the origin with
 * its timer; after unlocking, neither may be touched.  Resume, the origin's
 * end and the image's noflush suspend change their mark first and empty the
 * list then, so that either we see the mark or they see us.
 */
void sd_read_strand(struct sd_read *r)
{
	struct sd_origin *o = r->image->origin;
	unsigned long flags, limit = msecs_to_jiffies(READ_ONCE(o->store->stall_ms));

	if (!r->since)
		r->since = jiffies | 1;
	spin_lock_irqsave(&o->gate_lock, flags);
	if (sd_watched(READ_ONCE(o->watch_seq)) || READ_ONCE(o->gone) ||
	    READ_ONCE(r->image->requeue)) {
		sd_read_queue(r);
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
		sd_read_queue(r);
	}
}

/* Stall limit: each finds out for itself whether its time is over. */
void sd_strand_work(struct work_struct *work)
{
	sd_reads_retry(container_of(work, struct sd_origin, strand_work.work));
}

bool sd_read_strand_is_over(const struct sd_read *r)
{
	const struct sd_origin *o = r->image->origin;

	return READ_ONCE(o->gone) ||
	       (r->since && time_after(jiffies, r->since + msecs_to_jiffies(
							READ_ONCE(o->store->stall_ms))));
}

/* ---- the slow way ------------------------------------------------------ */

struct bio *sd_read_piece(struct sd_read *r, u32 from, u32 sectors, struct block_device *bdev)
{
	struct bio *bio;

	r->bio->bi_iter = r->iter;
	bio = bio_alloc_clone(bdev, r->bio, GFP_NOIO, &r->image->origin->store->image_bios);
	if (bio)
		bio_trim(bio, from, sectors);
	return bio;
}

static blk_status_t submit_piece(struct sd_read *r, u32 from, u32 sectors,
				 struct block_device *bdev, sector_t sector)
{
	struct bio *bio = sd_read_piece(r, from, sectors, bdev);
	blk_status_t status;

	if (!bio)
		return BLK_STS_RESOURCE;
	bio->bi_iter.bi_sector = sector;
	sd_read_leave_group(bio);
	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

blk_status_t sd_place_io(struct sd_store *s, sd_place_t place, struct sd_segment *seg, u32 part,
			 blk_opf_t opf)
{
	struct sd_range_dev *d = s->devs[sd_place_slot(place)];
	struct page **pages = sd_part_pages(seg, part);
	struct bio *bio;
	blk_status_t status;
	u32 i;

	bio = bio_alloc_bioset(d->bdev, s->chunk_pages, opf, GFP_NOIO, &s->image_bios);
	bio->bi_iter.bi_sector = sd_range_sector(s, place, 0);
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
	struct bio *bio;

	seg = sd_segment_bounce(s, GFP_NOIO | __GFP_NOWARN); /* nobody waits for us */
	if (!seg)
		return status;
	status = sd_place_io(s, place, seg, 0, REQ_OP_READ);
	bio = sd_read_piece(r, from, sectors, r->image->dev->bdev);
	if (!status && bio)
		sd_copy_pages(seg, 0, sd_offset_in_chunk(s, sector), bio, bio->bi_iter, true);
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
		bio = sd_read_piece(r, from, *sectors, r->image->dev->bdev);
		if (bio) {
			sd_copy_pages(w->seg, w->part, sd_offset_in_chunk(s, sector), bio,
				      bio->bi_iter, true);
			bio_put(bio);
		}
		sd_segment_put(w->seg);
		return bio ? BLK_STS_OK : BLK_STS_RESOURCE;
	}
	if (!sd_range_is_open(r, w))
		return BLK_STS_IOERR;
	if (sd_misaligned(s, w->place, sector, *sectors)) {
		*sectors = min_t(u32, *sectors, s->chunk - (sector & (s->chunk - 1)));
		status = bounce(r, from, *sectors, sector, w->place);
	} else {
		status = submit_piece(r, from, *sectors, s->devs[sd_place_slot(w->place)]->bdev,
				      sd_range_sector(s, w->place, sector));
	}
	sd_range_read_end(s, &w->range);
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

	sd_read_find(r, sd_to_chunk(s, sector), sd_to_chunk(s, sector + *sectors - 1), &w);
	*sectors = min_t(u64, *sectors,
			 ((sd_to_chunk(s, sector) + w.run) << s->chunk_shift) - sector);
	if (!w.at_origin) {
		*status = from_storage(r, &w, from, sectors, sector);
		return true;
	}
	seq = READ_ONCE(o->watch_seq);
	if (sd_watched(seq))
		*status = submit_piece(r, from, *sectors, image->dev->bdev, o->start + sector);
	sd_read_leave(r);
	return sd_watched(seq) && READ_ONCE(o->watch_seq) == seq;
}

bool sd_read_slowly(struct sd_read *r, blk_status_t *status)
{
	u32 from, sectors, total = r->iter.bi_size >> SECTOR_SHIFT;

	*status = BLK_STS_OK;
	for (from = 0; from < total && !*status; from += sectors) {
		sectors = total - from;
		if (sd_snapshot_live(r->image->snap) && !slow_run(r, from, &sectors, status))
			return false;
		/* asked last: validity counts when the data is there (protocol 2) */
		if (!sd_snapshot_live(r->image->snap))
			*status = BLK_STS_IOERR;
	}
	return true;
}

/* Reads that were stranded, are smaller than a block of the range, or are only to be submitted. */
static void read_work(struct work_struct *work)
{
	struct sd_read *r = container_of(work, struct sd_read, work);
	blk_status_t status;

	if (r->submit) {
		r->submit = false;
		sd_read_leave_group(r->bio);
		submit_bio_noacct(r->bio); /* not by way of dm, which puts it back in its group */
		return;
	}
	if (sd_image_must_give_back(r->image)) {
		status = BLK_STS_DM_REQUEUE;
	} else if (!sd_read_slowly(r, &status)) {
		if (!sd_read_strand_is_over(r)) {
			sd_read_strand(r);
			return;
		}
		status = BLK_STS_IOERR;
	}
	r->from = SD_FROM_NOWHERE;
	r->bio->bi_status = status;
	bio_endio(r->bio);
}

void sd_read_init(struct sd_read *r, struct sd_image *image, struct bio *bio)
{
	r->image = image;
	r->bio = bio;
	r->iter = bio->bi_iter;
	r->from = SD_FROM_NOWHERE;
	r->submit = false;
	r->since = 0;
	r->cell.in = false;
	INIT_LIST_HEAD(&r->wait);
}

void sd_read_start(struct sd_read *r, struct sd_image *image, struct bio *bio)
{
	sd_read_init(r, image, bio);
	INIT_WORK(&r->work, read_work);
}
