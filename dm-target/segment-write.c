// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment-write.c - a sealed buffer into which nothing is read any more: its
 * write, and what follows.
 *
 * A write that fails marks the range as failed and sends the same pages to
 * another range; the exceptions then point there (protocol 25).
 */
#include "segment.h"

/* All its places may be reused and its pages are not needed any more. */
static void finish(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	u32 i;

	write_seqlock(&s->lock);
	s->space.ranges[seg->run.slot]->writing--;
	list_del_init(&seg->link);
	for (i = 0; i < seg->used; i++)
		if (seg->parts[i].state == SD_PART_DEAD)
			sd_space_give(&s->space, seg->run.slot, seg->run.index + i, 1);
	s->buffered -= sd_segment_sectors(seg);
	if (seg->slow)
		s->remainders -= sd_segment_sectors(seg);
	s->buffer_freed = jiffies;
	sd_memory_back(s);
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	if (list_empty(&s->segments))
		wake_up(&s->idle);
	if (s->drop_waits)
		mod_delayed_work(s->admin_wq, &s->drop_work, 0);
	write_sequnlock(&s->lock);
	sd_segment_put(seg);
}

static bool nothing_to_write(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	bool nothing = true;
	u32 i;

	read_seqlock_excl(&s->lock);
	for (i = 0; i < seg->used && nothing; i++)
		nothing = seg->parts[i].state == SD_PART_DEAD ||
			  seg->parts[i].state == SD_PART_SPLIT;
	read_sequnlock_excl(&s->lock);
	return nothing;
}

/* The parts from @part on that are still in the segment, up to one that was split off. */
static u32 group_end(const struct sd_segment *seg, u32 part)
{
	while (part < seg->used && seg->parts[part].state != SD_PART_SPLIT)
		part++;
	return part;
}

static u32 skip_split(const struct sd_segment *seg, u32 part)
{
	while (part < seg->used && seg->parts[part].state == SD_PART_SPLIT)
		part++;
	return part;
}

/* One of the bios, or who submitted them all, is done. */
static void part_written(struct sd_segment *seg)
{
	if (!atomic_dec_and_test(&seg->under_way))
		return;
	seg->written = true;
	queue_delayed_work(seg->store->written_wq, &seg->written_work, 0);
}

static void write_end(struct bio *bio)
{
	struct sd_segment *seg = bio->bi_private;

	if (bio->bi_status)
		seg->status = bio->bi_status;
	bio_put(bio);
	part_written(seg);
}

static void submit_group(struct sd_segment *seg, u32 part, u32 end)
{
	struct sd_store *s = seg->store;
	struct sd_range_dev *d = s->devs[seg->run.slot];
	u32 i, nr = (end - part) * s->chunk_pages;
	struct page **pages = sd_part_pages(seg, part);
	struct bio *bio;

	bio = bio_alloc_bioset(d->bdev, nr, REQ_OP_WRITE, GFP_NOIO, &s->bios);
	bio->bi_iter.bi_sector = d->start + ((seg->run.index + part) << s->chunk_shift);
	bio->bi_end_io = write_end;
	bio->bi_private = seg;
	for (i = 0; i < nr; i++)
		__bio_add_page(bio, pages[i], PAGE_SIZE, 0);
	atomic_inc(&seg->under_way);
	submit_bio_noacct(bio);
}

/* One bio, but for a segment from which parts were split off. */
static void submit(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	u32 i, j, part, end;

	/* No byte of other people's memory reaches the disk. */
	for (i = 0; i < seg->used; i++)
		for (j = 0; seg->parts[i].zero && j < s->chunk_pages; j++)
			clear_highpage(sd_part_pages(seg, i)[j]);

	WRITE_ONCE(seg->submitted, jiffies | 1);
	atomic_set(&seg->under_way, 1);
	for (part = skip_split(seg, 0); part < seg->used; part = skip_split(seg, end)) {
		end = group_end(seg, part);
		submit_group(seg, part, end);
	}
	part_written(seg); /* from here on it may be gone */
}

/* ---- a failed write ---------------------------------------------------- */

/*
 * Move published parts from @part on to a new segment elsewhere: pages first,
 * then, exception by exception, the place, if it still is the old one.
 * Returns the next part to move; 0 and *stuck if there is no place or memory.
 */
static u32 move_parts(struct sd_segment *seg, u32 part, bool *stuck)
{
	struct sd_store *s = seg->store;
	struct sd_segment *to = NULL;
	struct sd_run run;
	u32 i, j, n;

	write_seqlock(&s->lock);
	*stuck = !sd_segment_take_places(s, group_end(seg, part) - part, &run);
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);
	if (*stuck)
		return part;
	to = sd_segment_create(s, &run);
	if (!to) {
		write_seqlock(&s->lock);
		sd_space_give(&s->space, run.slot, run.index, run.count);
		sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
		sd_image_writers_wake(s);
		write_sequnlock(&s->lock);
		*stuck = true;
		return part;
	}
	n = run.count;
	for (i = 0; i < n; i++)
		for (j = 0; j < s->chunk_pages; j++)
			copy_highpage(sd_part_pages(to, i)[j], sd_part_pages(seg, part + i)[j]);

	write_seqlock(&s->lock);
	to->used = n;
	to->filling = n;
	to->sealed = true;
	s->buffered += sd_segment_sectors(to);
	list_add_tail(&to->link, &s->segments);
	write_sequnlock(&s->lock);

	for (i = 0; i < n; i++)
		sd_segment_move_part(seg, part + i, to, i);

	write_seqlock(&s->lock);
	sd_segment_filled(to, n);
	write_sequnlock(&s->lock);
	return part + n;
}

/*
 * Whose exception, or overlay's chunk, a part is, with a reference.  False: it
 * is dead.  While it is published its map exists, so under store->lock the
 * reference can be had.
 */
static bool part_get(struct sd_store *s, const struct sd_part *part, struct sd_part *copy)
{
	bool published;

	write_seqlock(&s->lock);
	*copy = *part;
	published = copy->state == SD_PART_PUBLISHED;
	if (published && copy->overlay)
		sd_overlay_get(copy->overlay);
	else if (published)
		sd_origin_get(copy->origin);
	write_sequnlock(&s->lock);
	return published;
}

static void part_put(const struct sd_part *copy)
{
	if (copy->overlay)
		sd_overlay_put(copy->overlay);
	else
		sd_origin_put(copy->origin);
}

static struct sd_map *part_map(const struct sd_part *copy, spinlock_t **lock)
{
	*lock = copy->overlay ? &copy->overlay->map_lock : &copy->origin->map_lock;
	return copy->overlay ? copy->overlay->map : copy->origin->map;
}

/* One exception follows its data; under the publishing lock of its map. */
void sd_segment_move_part(struct sd_segment *from, u32 a, struct sd_segment *to, u32 b)
{
	struct sd_store *s = from->store;
	struct sd_part *old = &from->parts[a], *new = &to->parts[b];
	struct sd_part copy;
	spinlock_t *map_lock;
	struct sd_map *map;
	bool moved = false;

	new->state = SD_PART_DEAD; /* nobody looks at it before a place leads here */
	new->zero = true;
	if (!part_get(s, old, &copy))
		return;

	map = part_map(&copy, &map_lock);
	spin_lock(map_lock);
	write_seqlock(&s->lock);
	*new = copy;
	moved = sd_map_replace(map, old->chunk, old->layer,
			       sd_place(from->run.slot, from->run.index + a),
			       sd_place(to->run.slot, to->run.index + b));
	if (moved) {
		old->state = SD_PART_DEAD;
	} else {
		/* Reaped meanwhile: who reaped it gives the old place back. */
		new->state = SD_PART_DEAD;
		new->zero = true;
	}
	write_sequnlock(&s->lock);
	spin_unlock(map_lock);
	part_put(&copy);
}

/* A chunk of an overlay has lost its data: it cannot be read until it is written as a whole. */
static void lose_overlay_part(struct sd_segment *seg, u32 part, struct sd_overlay *ov)
{
	struct sd_store *s = seg->store;
	struct sd_part *p = &seg->parts[part];

	spin_lock(&ov->map_lock);
	write_seqlock(&s->lock);
	if (sd_map_replace(ov->map, p->chunk, p->layer,
			   sd_place(seg->run.slot, seg->run.index + part), SD_PLACE_BAD))
		p->state = SD_PART_DEAD;
	write_sequnlock(&s->lock);
	spin_unlock(&ov->map_lock);
}

/* The data has no home: what shows it ends. */
static void lose_parts(struct sd_segment *seg, u32 part)
{
	struct sd_part copy;

	for (; part < seg->used; part++) {
		if (!part_get(seg->store, &seg->parts[part], &copy))
			continue;
		if (copy.overlay)
			lose_overlay_part(seg, part, copy.overlay);
		else
			sd_place_lost(copy.origin, copy.chunk,
				      sd_place(seg->run.slot, seg->run.index + part),
				      SD_CAUSE_STORE_WRITE);
		part_put(&copy);
	}
}

static void write_failed(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	struct sd_range_dev *d = s->devs[seg->run.slot];
	bool stuck = false;
	u32 part = skip_split(seg, seg->moved);

	if (!seg->failing) {
		seg->failing = jiffies;
		DMERR("range %u:%u %llu: a write failed (%d): its data goes elsewhere, nothing new goes there",
		      MAJOR(d->devt), MINOR(d->devt), d->start, blk_status_to_errno(seg->status));
	}
	write_seqlock(&s->lock);
	if (!d->failed) {
		sd_range_fail(s, seg->run.slot);
		sd_store_act(s, sd_policy_note(&s->policy) |
				sd_policy_space(&s->policy, s->space.free, false));
	}
	write_sequnlock(&s->lock);

	while (part < seg->used && !stuck)
		part = skip_split(seg, move_parts(seg, part, &stuck));
	seg->moved = part;
	if (part < seg->used && !s->dying &&
	    time_before(jiffies, seg->failing + msecs_to_jiffies(s->stall_ms))) {
		queue_delayed_work(s->written_wq, &seg->written_work, HZ / 10);
		return;
	}
	lose_parts(seg, part);
	finish(seg);
}

/* May wait for the range's device. */
void sd_segment_write_work(struct work_struct *work)
{
	struct sd_segment *seg = container_of(work, struct sd_segment, write_work);

	if (nothing_to_write(seg))
		finish(seg);
	else
		submit(seg);
}

void sd_segment_written_work(struct work_struct *work)
{
	struct sd_segment *seg = container_of(work, struct sd_segment, written_work.work);

	if (seg->status && !nothing_to_write(seg))
		write_failed(seg);
	else
		finish(seg);
}
