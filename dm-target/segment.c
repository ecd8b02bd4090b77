// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment.c - buffers: places with pages, filled by many copies and written as
 * one large sequential write.
 *
 * Life of a segment: opened (a run of places and pages for it) - given out in
 * parts, each filled by a job's read and published - sealed (full, old, or the
 * store ends; what was not given out goes back) - written once nothing is
 * being read into it - gone.  A writer never waits for the write.
 *
 * A write that fails marks the range as failed and sends the same pages to
 * another range; the exceptions then point there (protocol 25).
 */
#include "snapdiff.h"

/* Who found no memory tries again after this long, until the stall limit. */
#define MEMORY_RETRY max(HZ / 100, 1)

static void segment_work(struct work_struct *work);

/* ---- memory ------------------------------------------------------------ */

static void free_pages_of(struct page **pages, u32 count)
{
	while (count--)
		__free_page(pages[count]);
}

static bool alloc_pages_for(struct page **pages, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		pages[i] = alloc_page(SD_GFP_TRY);
		if (!pages[i]) {
			free_pages_of(pages, i);
			return false;
		}
	}
	return true;
}

static u32 nr_pages(const struct sd_segment *seg, u32 parts)
{
	return parts * seg->store->chunk_pages;
}

static void segment_init(struct sd_segment *seg, struct sd_store *s, const struct sd_run *run,
			 struct page **pages)
{
	memset(seg, 0, struct_size(seg, parts, run->count));
	kref_init(&seg->ref);
	seg->store = s;
	seg->run = *run;
	seg->parts_max = run->count;
	seg->opened = jiffies;
	seg->pages = pages;
	INIT_LIST_HEAD(&seg->link);
	INIT_DELAYED_WORK(&seg->work, segment_work);
}

static void segment_destroy(struct sd_segment *seg, u32 pages)
{
	free_pages_of(seg->pages, pages);
	kvfree(seg->pages);
	kvfree(seg);
}

static struct sd_segment *segment_alloc(struct sd_store *s, const struct sd_run *run)
{
	u32 count = run->count * s->chunk_pages;
	struct sd_segment *seg = kvmalloc(struct_size(seg, parts, run->count), SD_GFP_TRY);
	struct page **pages = kvcalloc(count, sizeof(*pages), SD_GFP_TRY);

	if (!seg || !pages || !alloc_pages_for(pages, count)) {
		kvfree(pages);
		kvfree(seg);
		return NULL;
	}
	segment_init(seg, s, run, pages);
	return seg;
}

int sd_spare_init(struct sd_store *s)
{
	struct sd_run run = { .count = SD_PIECE_SECTORS >> s->chunk_shift };

	s->spare = segment_alloc(s, &run);
	return s->spare ? 0 : -ENOMEM;
}

void sd_spare_exit(struct sd_store *s)
{
	if (s->spare)
		segment_destroy(s->spare, SD_PIECE_PAGES);
}

static void segment_free(struct kref *ref)
{
	struct sd_segment *seg = container_of(ref, struct sd_segment, ref);
	struct sd_store *s = seg->store;

	if (seg != s->spare) {
		segment_destroy(seg, nr_pages(seg, seg->parts_max));
		return;
	}
	write_seqlock(&s->lock);
	s->spare_used = false; /* from here on it may be somebody else's */
	sd_release_waiters(s);
	write_sequnlock(&s->lock);
}

void sd_segment_put(struct sd_segment *seg)
{
	kref_put(&seg->ref, segment_free);
}

/*
 * With pages; the store's spare segment if memory is short.  The whole of it is
 * spare, not the pages alone: while the swap space lies on an origin, not even
 * the memory for the list of its pages need be there before a write is done.
 */
static struct sd_segment *segment_create(struct sd_store *s, const struct sd_run *run)
{
	struct sd_segment *seg = segment_alloc(s, run);
	bool spare;

	if (seg)
		return seg;
	write_seqlock(&s->lock);
	spare = !s->spare_used;
	if (spare)
		s->spare_used = true;
	write_sequnlock(&s->lock);
	if (!spare)
		return NULL;
	segment_init(s->spare, s, run, s->spare->pages);
	return s->spare;
}

struct sd_segment *sd_segment_bounce(struct sd_store *s)
{
	struct sd_run run = { .count = 1 };

	return segment_create(s, &run);
}

/* ---- giving out -------------------------------------------------------- */

static u64 sectors_of(const struct sd_segment *seg)
{
	return (u64)seg->parts_max << seg->store->chunk_shift;
}

static void give_back(struct sd_store *s, const struct sd_segment *seg, u32 part, u32 count)
{
	sd_space_give(&s->space, seg->run.slot, seg->run.index + part, count);
}

/* Nothing is read into it any more: the write may go. Under store->lock. */
static void maybe_write(struct sd_segment *seg)
{
	if (seg->sealed && !seg->filling && !seg->writing) {
		seg->writing = true;
		seg->store->space.ranges[seg->run.slot]->writing++;
		queue_delayed_work(seg->store->write_wq, &seg->work, 0);
	}
}

static void seal(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;

	if (seg->sealed)
		return;
	seg->sealed = true;
	if (s->open == seg)
		s->open = NULL;
	if (seg->used < seg->run.count) {
		give_back(s, seg, seg->used, seg->run.count - seg->used);
		seg->run.count = seg->used;
	}
	maybe_write(seg);
}

void sd_segment_seal_open(struct sd_store *s)
{
	if (s->open)
		seal(s->open);
}

void sd_segment_age(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, age_work.work);
	unsigned long left;

	write_seqlock(&s->lock);
	if (s->open) {
		if (time_after_eq(jiffies, s->open->opened + SD_SEGMENT_AGE)) {
			sd_segment_seal_open(s);
		} else {
			left = s->open->opened + SD_SEGMENT_AGE - jiffies;
			queue_delayed_work(s->admin_wq, &s->age_work, left);
		}
	}
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);
}

void sd_segment_unheld(struct sd_store *s, struct sd_job *job)
{
	struct sd_job *oldest;

	if (!job->held)
		return;
	list_del_init(&job->held_link);
	smp_store_release(&job->held, false); /* from here on the job may end: see unhold() */
	oldest = list_first_entry_or_null(&s->held, struct sd_job, held_link);
	sd_store_act(s, sd_policy_unheld(&s->policy, oldest ? oldest->held_since : 0));
}

static enum sd_take wait_for_buffer(struct sd_store *s, struct sd_job *job)
{
	/*
	 * Who is released and has to wait again does not begin anew: else whatever
	 * releases all, a delete for example, would put the stall limit off.
	 */
	if (!job->starved_since)
		job->starved_since = jiffies | 1;
	list_add_tail(&job->wait, &s->buffer_waiters);
	sd_segment_unheld(s, job); /* it waits for something else now */
	sd_store_run_by(s, &s->stall_work,
			job->starved_since + msecs_to_jiffies(s->stall_ms) + 1);
	return SD_TAKE_WAIT_BUFFER;
}

static enum sd_take wait_for_place(struct sd_store *s, struct sd_job *job)
{
	u64 now = sd_now_ms();

	list_add_tail(&job->wait, &s->place_waiters);
	job->starved_since = 0;
	if (!job->held) {
		/* A write that has waited its hold never begins another one. */
		if (job->held_since && now - job->held_since >= s->policy.hold_ms)
			s->policy.hold_spent = true;
		job->held = true;
		list_add_tail(&job->held_link, &s->held);
		sd_store_act(s, sd_policy_held(&s->policy, now));
		if (job->held_since)
			s->policy.held_total--; /* the same bio again, see unhold_all() */
		else
			job->held_since = now;
	}
	return SD_TAKE_WAIT_PLACE;
}

/*
 * Places were taken for a segment: whoever waits for one will look again, and
 * is not held meanwhile.  Otherwise a segment that takes the last places would
 * look like an overflow with writers waiting, and cost one more snapshot.
 */
static void unhold_all(struct sd_store *s)
{
	struct sd_job *job, *next;

	s->policy.free = s->space.free;
	list_for_each_entry_safe(job, next, &s->held, held_link)
		sd_segment_unheld(s, job);
}

/* They are not held any more: let them look for themselves. */
static void release_place_waiters(struct sd_store *s)
{
	struct sd_job *job, *next;
	LIST_HEAD(list);

	list_splice_init(&s->place_waiters, &list);
	list_for_each_entry_safe(job, next, &list, wait) {
		list_del_init(&job->wait);
		sd_job_redo(job);
	}
}

static bool over_limit(const struct sd_store *s)
{
	return s->buffered + SD_PIECE_SECTORS > s->buffer && !list_empty(&s->segments);
}

/* Places for a writer come before those that a shrink holds back. */
static bool take_places(struct sd_store *s, u32 want, struct sd_run *run)
{
	while (!sd_space_take(&s->space, want, run))
		if (!sd_shrink_yield(s))
			return false;
	return true;
}

/*
 * A new open segment.  Called under store->lock, which it lets go and takes
 * again.  OK: there is one now, perhaps; ask again.
 */
static enum sd_take open_segment(struct sd_store *s, bool *no_memory)
{
	struct sd_segment *seg;
	struct sd_run run;
	u64 sectors;

	if (s->opening || over_limit(s))
		return SD_TAKE_WAIT_BUFFER;
	if (!take_places(s, SD_PIECE_SECTORS >> s->chunk_shift, &run))
		return SD_TAKE_WAIT_PLACE;
	sectors = (u64)run.count << s->chunk_shift;
	s->opening = true;
	s->buffered += sectors;
	unhold_all(s);
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);

	seg = segment_create(s, &run);

	write_seqlock(&s->lock);
	s->opening = false;
	if (!seg) {
		s->buffered -= sectors;
		sd_space_give(&s->space, run.slot, run.index, run.count);
		sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
		release_place_waiters(s);
		*no_memory = true;
		return SD_TAKE_WAIT_BUFFER;
	}
	list_add_tail(&seg->link, &s->segments);
	s->open = seg;
	queue_delayed_work(s->admin_wq, &s->age_work, SD_SEGMENT_AGE);
	sd_release_waiters(s);
	return SD_TAKE_OK;
}

static void take_parts(struct sd_store *s, u32 want, struct sd_taken *t)
{
	struct sd_segment *seg = s->open;
	u32 i;

	t->seg = seg;
	t->part = seg->used;
	t->got = min(want, seg->run.count - seg->used);
	seg->used += t->got;
	seg->filling += t->got;
	for (i = 0; i < t->got; i++)
		seg->parts[t->part + i].state = SD_PART_FILLING;
	/* the range may have failed, or begun to shrink, while the pages were allocated */
	if (seg->used == seg->run.count || !sd_space_gives(&s->space, seg->run.slot))
		seal(seg);
}

enum sd_take sd_segment_take(struct sd_job *job, u32 want)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;
	enum sd_take result = SD_TAKE_OK;
	bool dying, no_memory = false;
	struct sd_taken taken;

	write_seqlock(&s->lock);
	dying = READ_ONCE(s->dying); /* all snapshots end, no segment may come into being */
	if (dying)
		result = SD_TAKE_WAIT_BUFFER;
	while (!s->open && result == SD_TAKE_OK)
		result = open_segment(s, &no_memory);
	if (result == SD_TAKE_OK) {
		take_parts(s, want, &taken);
		write_sequnlock(&s->lock);
		job->seg = taken.seg;
		job->part = taken.part;
		job->got = taken.got;
		job->starved_since = 0;
		return SD_TAKE_OK;
	}

	/*
	 * About to wait.  Ends of snapshots and noflush suspends release all
	 * waiters after they took effect, under this lock: whoever asks here
	 * once more is either released, or sees it.
	 */
	if (sd_map_newest(o->map) != job->snapshot || dying ||
	    (READ_ONCE(o->requeue) && dm_noflush_suspending(job->ti)))
		sd_job_redo(job);
	else if (result == SD_TAKE_WAIT_PLACE)
		wait_for_place(s, job);
	else
		wait_for_buffer(s, job);
	if (no_memory)
		sd_segment_memory_short(s);
	write_sequnlock(&s->lock);
	return result;
}

void sd_segment_memory_short(struct sd_store *s)
{
	queue_delayed_work(s->admin_wq, &s->memory_work, MEMORY_RETRY);
}

/* The origins come first: their writers in line, and the free space at low water. */
enum sd_take sd_segment_take_late(struct sd_store *s, u32 want, struct sd_taken *t)
{
	enum sd_take result = SD_TAKE_OK;
	bool no_memory = false;

	t->got = 0;
	if (READ_ONCE(s->dying))
		return SD_TAKE_WAIT_BUFFER; /* its snapshot ends */
	do {
		if (s->policy.low || (!s->open && !s->space.free) ||
		    !list_empty(&s->place_waiters))
			return SD_TAKE_WAIT_PLACE;
		if (!list_empty(&s->buffer_waiters))
			return SD_TAKE_WAIT_BUFFER;
		if (!s->open)
			result = open_segment(s, &no_memory);
	} while (!s->open && result == SD_TAKE_OK);
	if (no_memory)
		sd_segment_memory_short(s);
	if (result == SD_TAKE_OK)
		take_parts(s, want, t);
	return result;
}

void sd_segment_wait_for_memory(struct sd_job *job)
{
	struct sd_store *s = job->origin->store;

	write_seqlock(&s->lock);
	wait_for_buffer(s, job);
	sd_segment_memory_short(s);
	write_sequnlock(&s->lock);
}

void sd_segment_filled(struct sd_segment *seg, u32 count)
{
	seg->filling -= count;
	maybe_write(seg);
}

/* The read failed, or nobody needs it: the pages may hold anything. */
void sd_segment_discard(struct sd_segment *seg, u32 part, u32 count)
{
	struct sd_store *s = seg->store;
	u32 i;

	write_seqlock(&s->lock);
	for (i = 0; i < count; i++) {
		seg->parts[part + i].state = SD_PART_DEAD;
		seg->parts[part + i].zero = true;
	}
	sd_segment_filled(seg, count);
	write_sequnlock(&s->lock);
}

/* ---- freeing ----------------------------------------------------------- */

void sd_range_fail(struct sd_store *s, u32 slot)
{
	WRITE_ONCE(s->devs[slot]->failed, true);
	if (s->open && s->open->run.slot == slot)
		sd_segment_seal_open(s); /* it would go on giving out places there */
	sd_space_fail(&s->space, slot);
}

void sd_segment_free_places(struct sd_store *s, const sd_place_t *places, u32 n)
{
	struct sd_segment *seg;
	u32 i, part;

	write_seqlock(&s->lock);
	for (i = 0; i < n; i++) {
		seg = sd_segment_at(s, places[i], &part);
		/* Its place is free when its segment's write is done (protocol 6). */
		if (seg)
			seg->parts[part].state = SD_PART_DEAD;
		else
			sd_space_give(&s->space, sd_place_slot(places[i]),
				      sd_place_index(places[i]), 1);
	}
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);
}

/* ---- writing ----------------------------------------------------------- */

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
			give_back(s, seg, i, 1);
	s->buffered -= sectors_of(seg);
	s->buffer_freed = jiffies;
	sd_release_waiters(s);
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
		nothing = seg->parts[i].state == SD_PART_DEAD;
	read_sequnlock_excl(&s->lock);
	return nothing;
}

static void write_end(struct bio *bio)
{
	struct sd_segment *seg = bio->bi_private;

	seg->status = bio->bi_status;
	seg->written = true;
	bio_put(bio);
	queue_delayed_work(seg->store->write_wq, &seg->work, 0);
}

static void submit(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	struct sd_range_dev *d = s->devs[seg->run.slot];
	u32 i, j, nr = nr_pages(seg, seg->used);
	struct bio *bio;

	/* No byte of other people's memory reaches the disk. */
	for (i = 0; i < seg->used; i++)
		for (j = 0; seg->parts[i].zero && j < s->chunk_pages; j++)
			clear_highpage(sd_part_pages(seg, i)[j]);

	bio = bio_alloc_bioset(d->bdev, nr, REQ_OP_WRITE, GFP_NOIO, &s->bios);
	bio->bi_iter.bi_sector = d->start + (seg->run.index << s->chunk_shift);
	bio->bi_end_io = write_end;
	bio->bi_private = seg;
	WRITE_ONCE(seg->submitted, jiffies | 1);
	for (i = 0; i < nr; i++)
		__bio_add_page(bio, seg->pages[i], PAGE_SIZE, 0);
	submit_bio_noacct(bio);
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
	*stuck = !take_places(s, seg->used - part, &run);
	write_sequnlock(&s->lock);
	if (*stuck)
		return part;
	to = segment_create(s, &run);
	if (!to) {
		write_seqlock(&s->lock);
		sd_space_give(&s->space, run.slot, run.index, run.count);
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
	s->buffered += sectors_of(to);
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
	u32 part = seg->moved;

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
		part = move_parts(seg, part, &stuck);
	seg->moved = part;
	if (part < seg->used && !s->dying &&
	    time_before(jiffies, seg->failing + msecs_to_jiffies(s->stall_ms))) {
		queue_delayed_work(s->write_wq, &seg->work, HZ / 10);
		return;
	}
	lose_parts(seg, part);
	finish(seg);
}

static void segment_work(struct work_struct *work)
{
	struct sd_segment *seg = container_of(work, struct sd_segment, work.work);

	if (nothing_to_write(seg))
		finish(seg);
	else if (!seg->written)
		submit(seg);
	else if (seg->status)
		write_failed(seg);
	else
		finish(seg);
}
