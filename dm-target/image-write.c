// SPDX-License-Identifier: GPL-2.0-only
/*
 * image-write.c - a write to a writable image.
 *
 * Everything happens in a worker, step by step; a step works on the chunks at
 * the write's cursor and ends with the cursor moved on, with the write waiting
 * in one list (whoever takes it off queues it again), or with the write's end.
 *
 *  cells    All chunks of the write are locked in the overlay first.  So its
 *	     look-ups stay true until it has acted on them: only the holder of
 *	     the cell puts a chunk in or, evacuating a range, moves it, and else
 *	     only data that is in a buffer whose write failed moves (which is why
 *	     the third case looks twice).
 *  case 1   Not in the overlay: take places and a buffer, read what is around
 *	     a part of a chunk (whole chunks read nothing), add what is written,
 *	     publish.  Publishing asks, under the overlay's lock, whether the
 *	     overlay has ended meanwhile.
 *  case 2   In a buffer: change its pages, unless the segment is being written
 *	     already: what reaches the disk would be half of this and half of
 *	     that, and if the write failed, the pages sent elsewhere might not be
 *	     those whose write was answered.  Such a write waits until the segment
 *	     is gone (protocol 6).  While pages are changed the part counts as
 *	     being filled, so that the segment's write does not begin.
 *  case 3   On a range: write to the place.  A failed segment's data moves to
 *	     other places and leaves the list of segments then, so between the
 *	     look-up in the map and that in the list the place may have become
 *	     another: look up again behind both.
 *
 * The origins come first.  A write that needs a place waits while the store is
 * at or below low water, or has no free place, for the hold time, then fails
 * with ENOSPC (protocol 30); it waits for a buffer behind the writers of
 * origins, after a second among them, for the stall limit, then fails with EIO.
 * It waits with its cells, which stop nobody but writers to the same image, and
 * with nothing else.
 */
#include <linux/blk-cgroup.h>

#include "image.h"

enum step {
	STEP_ON,	/* go on with what the cursor points at now */
	STEP_WAIT,	/* somebody queues the write: it may run already */
	STEP_END,	/* the bio has ended: nothing of it may be touched */
};

static struct sd_store *store_of(const struct sd_write *w)
{
	return w->read.image->origin->store;
}

/* ---- waiting ----------------------------------------------------------- */

void sd_image_writers_wake(struct sd_store *s)
{
	struct sd_read *r, *next;
	LIST_HEAD(list);

	list_splice_init(&s->image_writers, &list);
	list_for_each_entry_safe(r, next, &list, wait) {
		list_del_init(&r->wait);
		sd_read_queue(r);
	}
}

void sd_image_writers_retry(struct sd_store *s)
{
	write_seqlock(&s->lock);
	sd_image_writers_wake(s);
	write_sequnlock(&s->lock);
}

/* The hold time or the stall limit of somebody is over: each looks for itself. */
void sd_image_work(struct work_struct *work)
{
	sd_image_writers_retry(container_of(work, struct sd_store, image_work.work));
}

void sd_overlay_unlock(struct sd_overlay *ov, struct sd_cell *locked)
{
	struct sd_cell *cell, *next;
	unsigned long flags;
	LIST_HEAD(ready);

	spin_lock_irqsave(&ov->cell_lock, flags);
	sd_cells_leave(&ov->cells, locked, &ready);
	spin_unlock_irqrestore(&ov->cell_lock, flags);
	list_for_each_entry_safe(cell, next, &ready, ready) {
		list_del_init(&cell->ready);
		sd_read_queue(&container_of(cell, struct sd_write, cell)->read);
	}
}

/* Whoever may not lock leaves at once: so all cells that wait are writes. */
bool sd_overlay_try_lock(struct sd_overlay *ov, struct sd_cell *cell, u64 first, u64 last)
{
	unsigned long flags;
	LIST_HEAD(ready);
	bool locked;

	spin_lock_irqsave(&ov->cell_lock, flags);
	locked = sd_cells_enter(&ov->cells, cell, SD_CELL_JOB, first, last);
	if (!locked)
		sd_cells_leave(&ov->cells, cell, &ready); /* nobody came behind it */
	spin_unlock_irqrestore(&ov->cell_lock, flags);
	return locked;
}

static enum step end(struct sd_write *w, blk_status_t status)
{
	sd_overlay_unlock(w->read.image->overlay, &w->cell);
	w->read.bio->bi_status = status;
	bio_endio(w->read.bio);
	return STEP_END;
}

/* How long a write stands behind those of origins. */
#define IN_LINE HZ

/*
 * While writers of origins stand in line for buffers all the time, whoever comes
 * behind them would get none: so after a while it is one of them.
 */
static bool waited_long(const struct sd_write *w)
{
	return w->waits && time_after(jiffies, w->waits + IN_LINE);
}

/*
 * Stand in line.  Under store->lock, under which the line is emptied after the
 * end of a snapshot, the beginning of a noflush suspend, and when places or
 * buffers came free: either they find us, or we see what they did.
 */
static enum step wait_in_line(struct sd_write *w, bool for_place, blk_status_t *status)
{
	struct sd_store *s = store_of(w);
	struct sd_image *image = w->read.image;
	unsigned long limit = msecs_to_jiffies(for_place ? s->policy.hold_ms : s->stall_ms);

	if (!w->waits)
		w->waits = jiffies | 1;
	if (!sd_snapshot_live(image->snap) || sd_image_must_give_back(image))
		return STEP_ON;
	if (time_after_eq(jiffies, w->waits + limit)) {
		*status = for_place ? BLK_STS_NOSPC : BLK_STS_IOERR;
		return STEP_END;
	}
	list_add_tail(&w->read.wait, &s->image_writers);
	if (!for_place && !waited_long(w))
		limit = min_t(unsigned long, limit, IN_LINE);
	sd_store_run_by(s, &s->image_work, w->waits + limit + 1);
	return STEP_WAIT;
}

/* No memory: as for a buffer, but nobody frees one. */
static enum step wait_for_memory(struct sd_write *w)
{
	struct sd_store *s = store_of(w);
	blk_status_t status;
	enum step step;

	write_seqlock(&s->lock);
	step = wait_in_line(w, false, &status);
	if (step == STEP_WAIT)
		sd_memory_short(s);
	write_sequnlock(&s->lock);
	return step == STEP_END ? end(w, status) : step;
}

/* ---- case 1: not in the overlay ---------------------------------------- */

/* What one step puts into the overlay. */
struct piece {
	u64 first;		/* chunk */
	u32 count;		/* chunks */
	sector_t sector;	/* of the image: where the write's data begins */
	u32 sectors;		/* of the write's data */
	bool bad;		/* the overlay's chunk has lost its data */
	struct sd_origin *reader; /* what is around the data is read; else NULL */
	struct sd_taken taken;
};

static bool reserve(struct sd_overlay *ov, const struct piece *p)
{
	void *spare = NULL;
	size_t bytes;

	if (p->bad)
		return true; /* it has a record */
	for (;;) {
		spin_lock(&ov->map_lock);
		bytes = sd_map_reserve(ov->map, p->first, p->count, &spare);
		spin_unlock(&ov->map_lock);
		if (!bytes)
			break;
		sd_free(spare);
		spare = sd_map_alloc(bytes);
		if (!spare)
			return false;
	}
	sd_free(spare);
	return true;
}

static void unreserve(struct sd_overlay *ov, const struct piece *p, u64 first, u32 count)
{
	if (p->bad || !count)
		return;
	spin_lock(&ov->map_lock);
	sd_map_unreserve(ov->map, first, count);
	spin_unlock(&ov->map_lock);
}

/* Places and a buffer for the piece or its beginning; it is cut to what there is. */
static enum step take(struct sd_write *w, struct piece *p)
{
	struct sd_overlay *ov = w->read.image->overlay;
	struct sd_store *s = store_of(w);
	u32 chunk = s->chunk, count = p->count;
	blk_status_t status;
	enum sd_take got;
	enum step step = STEP_ON;

	if (!reserve(ov, p))
		return wait_for_memory(w);
	write_seqlock(&s->lock);
	got = sd_segment_take_late(s, p->count, waited_long(w), p->reader, &p->taken);
	if (got != SD_TAKE_OK) {
		step = wait_in_line(w, got == SD_TAKE_WAIT_PLACE, &status);
		p->taken.got = 0;
	}
	write_sequnlock(&s->lock);
	/* even if it is queued again meanwhile: a work does not run twice at once */
	unreserve(ov, p, p->first + p->taken.got, count - p->taken.got);
	if (step == STEP_END)
		return end(w, status);
	if (!p->taken.got)
		return step;
	if (p->taken.got < count) {
		p->count = p->taken.got;
		p->sectors = p->count * chunk;
	}
	return STEP_ON;
}

static void discard(struct sd_write *w, const struct piece *p)
{
	unreserve(w->read.image->overlay, p, p->first, p->count);
	sd_segment_discard(p->taken.seg, p->taken.part, p->count, p->reader,
			   p->reader ? sd_image_read : NULL);
}

/*
 * Fill the part with what the image shows.  False: nothing was read, for want
 * of memory or because the origin is not watched; *step says what to do.
 */
static bool read_around(struct sd_write *w, const struct piece *p, blk_status_t *status,
			bool *no_memory)
{
	struct sd_image *image = w->read.image;
	struct sd_store *s = store_of(w);
	struct page **pages = sd_part_pages(p->taken.seg, p->taken.part);
	sector_t sector = p->first << s->chunk_shift;
	u32 i, bytes = min_t(u64, s->chunk, image->ti->len - sector) << SECTOR_SHIFT;
	struct bio_vec *vecs;
	struct sd_read around;
	struct bio bio;
	bool read;

	/* not from a pool: the read takes a bio of the store's while we hold this one */
	vecs = kmalloc_array(s->chunk_pages, sizeof(*vecs), SD_GFP_TRY);
	*no_memory = !vecs;
	if (!vecs)
		return false;
	bio_init(&bio, image->dev->bdev, vecs, s->chunk_pages, REQ_OP_READ);
	bio.bi_iter.bi_sector = sector;
	for (i = 0; i < s->chunk_pages; i++) {
		u32 part = min_t(u32, bytes, PAGE_SIZE);

		if (part < PAGE_SIZE)
			memset(page_address(pages[i]) + part, 0, PAGE_SIZE - part);
		if (part)
			__bio_add_page(&bio, pages[i], part, 0);
		bytes -= part;
	}
	sd_read_init(&around, image, &bio);
	read = sd_read_slowly(&around, status);
	bio_uninit(&bio);
	kfree(vecs);
	return read;
}

static struct bvec_iter data_of(struct sd_write *w, u32 sectors)
{
	struct bvec_iter iter = w->read.iter;

	bio_advance_iter(w->read.bio, &iter, w->done << SECTOR_SHIFT);
	iter.bi_size = sectors << SECTOR_SHIFT;
	return iter;
}

static void copy_in(struct sd_write *w, struct sd_segment *seg, u32 part, sector_t sector,
		    u32 sectors)
{
	sd_copy_pages(seg, part, sd_offset_in_chunk(store_of(w), sector), w->read.bio,
		      data_of(w, sectors), false);
}

/* Under the locks that sd_snapshot_end() and a failed segment's move want. */
static bool publish(struct sd_write *w, const struct piece *p)
{
	struct sd_overlay *ov = w->read.image->overlay;
	struct sd_store *s = store_of(w);
	struct sd_segment *seg = p->taken.seg;
	bool ok = true;
	u32 i;

	spin_lock(&ov->map_lock);
	write_seqlock(&s->lock);
	for (i = 0; i < p->count; i++) {
		u32 n = p->taken.part + i;
		struct sd_part *part = &seg->parts[n];
		sd_place_t place = sd_place(seg->run.slot, seg->run.index + n);

		part->origin = ov->origin;
		part->overlay = ov;
		part->chunk = p->first + i;
		part->layer = sd_map_current(ov->map);
		if (p->bad)
			ok = sd_map_newest(ov->map) &&
			     sd_map_replace(ov->map, part->chunk, part->layer, SD_PLACE_BAD, place);
		else
			ok = sd_map_publish(ov->map, part->chunk, place);
		part->state = ok ? SD_PART_PUBLISHED : SD_PART_DEAD;
		part->zero = !ok;
	}
	sd_segment_filled(seg, p->count);
	if (p->reader)
		sd_image_read(p->reader, p->count);
	write_sequnlock(&s->lock);
	sd_map_mark_safe(ov->map, p->first, p->count);
	spin_unlock(&ov->map_lock);
	return ok;
}

static void zero_tail(struct sd_store *s, struct sd_segment *seg, u32 part, u32 offset)
{
	struct page **pages = sd_part_pages(seg, part);
	u32 n;

	for (; offset < s->chunk << SECTOR_SHIFT; offset += n) {
		n = PAGE_SIZE - (offset & (PAGE_SIZE - 1));
		memset(page_address(pages[offset >> PAGE_SHIFT]) + (offset & (PAGE_SIZE - 1)), 0, n);
	}
}

/* Whole chunks as many as follow one another, or a part of one. True: whole. */
static bool cut(struct sd_write *w, u32 run, struct piece *p)
{
	struct sd_store *s = store_of(w);
	u32 offset = p->sector & (s->chunk - 1);
	u32 whole = p->sectors >> s->chunk_shift;

	if (!offset && !whole && p->sector + p->sectors == w->read.image->ti->len) {
		p->count = 1; /* the short last chunk of the image */
		return true;
	}
	if (offset || !whole) {
		p->count = 1;
		p->sectors = min(p->sectors, s->chunk - offset);
		return false;
	}
	p->count = min3(run, whole, SD_PIECE_SECTORS >> s->chunk_shift);
	p->sectors = p->count << s->chunk_shift;
	return true;
}

static enum step add(struct sd_write *w, struct piece *p, u32 run)
{
	struct sd_store *s = store_of(w);
	bool whole = cut(w, run, p), no_memory;
	blk_status_t status = BLK_STS_OK;
	enum step step;

	if (p->bad && !whole)
		return end(w, BLK_STS_IOERR); /* what is around it is lost */
	p->reader = whole ? NULL : w->read.image->origin;
	step = take(w, p);
	if (step != STEP_ON || !p->taken.got)
		return step;
	if (!whole && !read_around(w, p, &status, &no_memory)) {
		discard(w, p);
		if (no_memory)
			return wait_for_memory(w);
		if (sd_read_strand_is_over(&w->read))
			return end(w, BLK_STS_IOERR);
		sd_read_strand(&w->read);
		return STEP_WAIT;
	}
	if (status) {
		discard(w, p);
		return end(w, status);
	}
	copy_in(w, p->taken.seg, p->taken.part, p->sector, p->sectors);
	if (whole && p->sectors & (s->chunk - 1))
		zero_tail(s, p->taken.seg, p->taken.part, p->sectors << SECTOR_SHIFT);
	if (!publish(w, p))
		return end(w, BLK_STS_IOERR);
	w->done += p->sectors;
	w->waits = 0;
	return STEP_ON;
}

/* ---- cases 2 and 3: in the overlay ------------------------------------- */

static enum step change_buffer(struct sd_write *w, struct piece *p, struct sd_segment *seg, u32 part)
{
	struct sd_store *s = store_of(w);

	cut(w, 1, p);
	copy_in(w, seg, part, p->sector, p->sectors);
	write_seqlock(&s->lock);
	sd_segment_filled(seg, 1);
	write_sequnlock(&s->lock);
	w->done += p->sectors;
	w->waits = 0;
	return STEP_ON;
}

/* Smaller than a block of the range: read the place, change it, write it. */
static blk_status_t change_place(struct sd_write *w, const struct piece *p, sd_place_t place)
{
	struct sd_store *s = store_of(w);
	struct sd_segment *seg = sd_segment_bounce(s, SD_GFP_TRY); /* a drop may wait for us */
	blk_status_t status;

	if (!seg)
		return BLK_STS_RESOURCE;
	status = sd_place_io(s, place, seg, 0, REQ_OP_READ);
	if (!status) {
		copy_in(w, seg, 0, p->sector, p->sectors);
		status = sd_place_io(s, place, seg, 0, REQ_OP_WRITE);
	}
	sd_segment_put(seg);
	return status;
}

static blk_status_t write_places(struct sd_write *w, const struct piece *p, sd_place_t place)
{
	struct sd_store *s = store_of(w);
	struct bio *bio = sd_read_piece(&w->read, w->done, p->sectors,
					s->devs[sd_place_slot(place)]->bdev);
	blk_status_t status;

	if (!bio)
		return BLK_STS_RESOURCE;
	bio->bi_opf = REQ_OP_WRITE;
	/* not within the limits of whoever writes to the image: a drop waits for it */
	bio_associate_blkg_from_css(bio, blkcg_root_css);
	bio->bi_iter.bi_sector = sd_range_sector(s, place, p->sector);
	submit_bio_wait(bio);
	status = bio->bi_status;
	bio_put(bio);
	return status;
}

static enum step write_in_place(struct sd_write *w, struct piece *p, sd_place_t place, u32 run)
{
	struct sd_overlay *ov = w->read.image->overlay;
	struct sd_store *s = store_of(w);
	blk_status_t status;
	sd_place_t again;
	sector_t end_of_run = (p->first + run) << s->chunk_shift;

	if (!sd_overlay_write_begin(ov))
		return end(w, BLK_STS_IOERR);
	if (!sd_overlay_lookup(ov, p->first, run, &again, &run) || again != place) {
		sd_overlay_write_end(ov);
		return STEP_ON; /* its segment's write had failed, and it has moved */
	}
	end_of_run = min_t(u64, end_of_run, (p->first + run) << s->chunk_shift);
	p->sectors = min_t(u64, p->sectors, end_of_run - p->sector);
	if (sd_misaligned(s, place, p->sector, p->sectors)) {
		p->sectors = min(p->sectors, s->chunk - (u32)(p->sector & (s->chunk - 1)));
		status = change_place(w, p, place);
	} else {
		status = write_places(w, p, place);
	}
	sd_overlay_write_end(ov);
	if (status == BLK_STS_RESOURCE)
		return wait_for_memory(w);
	if (status)
		return end(w, status);
	w->done += p->sectors;
	w->waits = 0;
	return STEP_ON;
}

static enum step change(struct sd_write *w, struct piece *p, sd_place_t place, u32 run)
{
	struct sd_store *s = store_of(w);
	struct sd_segment *seg;
	blk_status_t status;
	enum step step = STEP_ON;
	enum sd_pin pin;
	u32 part;

	write_seqlock(&s->lock);
	pin = sd_segment_pin(w->read.image->overlay, p->first, place, &run, &seg, &part);
	if (pin == SD_PIN_BUSY)
		step = wait_in_line(w, false, &status);
	write_sequnlock(&s->lock);
	switch (pin) {
	case SD_PIN_OK:
		return change_buffer(w, p, seg, part);
	case SD_PIN_BUSY:
		return step == STEP_END ? end(w, status) : step;
	case SD_PIN_LOST:
		return STEP_ON;
	case SD_PIN_RANGE:
		break;
	}
	return write_in_place(w, p, place, run);
}

/* ---- running ----------------------------------------------------------- */

static enum step step(struct sd_write *w)
{
	struct sd_image *image = w->read.image;
	struct sd_store *s = store_of(w);
	struct piece p = { 0 };
	sd_place_t place;
	bool found;
	u64 last;
	u32 run;

	if (sd_image_must_give_back(image))
		return end(w, BLK_STS_DM_REQUEUE);
	if (!sd_snapshot_live(image->snap))
		return end(w, BLK_STS_IOERR);
	p.sector = w->read.iter.bi_sector + w->done;
	p.sectors = (w->read.iter.bi_size >> SECTOR_SHIFT) - w->done;
	if (!p.sectors)
		return end(w, BLK_STS_OK);
	p.first = sd_to_chunk(s, p.sector);
	last = sd_to_chunk(s, p.sector + p.sectors - 1);
	found = sd_overlay_lookup(image->overlay, p.first, last - p.first + 1, &place, &run);
	p.bad = found && place == SD_PLACE_BAD;
	if (found && !p.bad)
		return change(w, &p, place, run);
	return add(w, &p, p.bad ? 1 : run);
}

static void write_work(struct work_struct *work)
{
	struct sd_write *w = container_of(work, struct sd_write, read.work);

	while (step(w) == STEP_ON)
		cond_resched();
}

void sd_write_start(struct sd_image *image, struct bio *bio)
{
	struct sd_overlay *ov = image->overlay;
	struct sd_store *s = image->origin->store;
	struct sd_write *w = dm_per_bio_data(bio, sizeof(*w));
	unsigned long flags;
	bool locked;

	INIT_WORK(&w->read.work, write_work);
	w->read.iter = bio->bi_iter; /* it may have been cut */
	w->done = 0;
	w->waits = 0;
	spin_lock_irqsave(&ov->cell_lock, flags);
	locked = sd_cells_enter(&ov->cells, &w->cell, SD_CELL_JOB,
				sd_to_chunk(s, bio->bi_iter.bi_sector),
				sd_to_chunk(s, bio_end_sector(bio) - 1));
	spin_unlock_irqrestore(&ov->cell_lock, flags);
	if (locked)
		sd_read_queue(&w->read);
}
