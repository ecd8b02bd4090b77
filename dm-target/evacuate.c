// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuate.c - moves what a shrinking range holds to other ranges.
 *
 * A pass walks the maps of all origins, and of all overlays, for exceptions
 * whose place lies in the range; passes follow one another until no place there
 * is taken.  What a pass finds is moved in batches of up to 1 MiB:
 *
 *  1. Find, under the map's lock, in bounded steps.  What is still in a buffer
 *     is left to a later pass, when it is written.  Chunks of an overlay change
 *     in place: they are locked against writes to the image, neighbours only,
 *     until 4 is over; what a write has locked is left to a later pass, too.
 *  2. Read the old places, into memory of our own.  From here to 4 everything
 *     may happen to the exceptions: nobody is kept from anything.  The old place
 *     may even be freed by a delete and, if the shrink is undone meanwhile, hold
 *     something else by now.
 *  3. Take places elsewhere, as late as that, and write them.  If there is none
 *     the shrink is undone.  From here to 5 a batch has places twice, and a
 *     writer may find none for that reason alone: then no snapshot is dropped
 *     before we are through, see sd_drop_work().
 *  4. Switch, under the map lock, each exception that is still there and still
 *     has the old place.  One that was freed and made again is in another
 *     layer: an exception can come into a layer only for a snapshot that could
 *     not do without it, and such a snapshot would have kept the first one.  (An
 *     overlay has one layer, and the lock.)  So what was read in 2 is what this
 *     exception means.  It is on the new place completely: nobody can see a
 *     place that is half written.
 *  5. Wait for the image reads that looked up before 4 (see sd_range_dev).
 *     Only then the old places are given back: if the shrink has been undone,
 *     a copy may overwrite them at once.
 *
 * No snapshot can be lost by a write that fails in 3: its range is marked
 * failed, as with any write, and the batch goes elsewhere.  What cannot be read
 * in 2, tried again place by place, is lost: the chunk is bad from then on,
 * its image reads fail (protocol 24); a disk with one unreadable sector could
 * never be taken back otherwise.  But not if the shrink was undone meanwhile.
 *
 * All memory was allocated by the message.  The work blocks on ranges only, and
 * nobody waits for it but the store's end.
 */
#include <linux/sort.h>

#include "segment.h"

#define PARTS_MAX (SD_PIECE_SECTORS / SNAPDIFF_CHUNK_MIN)
#define READS_MAX 16		/* under way at the same time */
#define WALK_BUDGET 1024	/* records looked at under the map lock in one go */
#define SWITCH_MAX 32		/* exceptions switched in one go */
#define AGAIN max(HZ / 100, 1)	/* nothing could be moved just now */

struct sd_evac {
	/* the pass */
	u32 slot;
	bool in_pass;
	bool moved_any;
	struct sd_origin *origin;	/* whose map is walked, with a reference, */
	struct sd_overlay *overlay;	/* or, behind all origins, this one's */
	bool at_overlays;
	struct sd_map_cursor cursor;
	/* the batch: part n uses the n-th chunk of the pages */
	struct sd_moving part[PARTS_MAX];
	bool bad[PARTS_MAX];
	bool moved[PARTS_MAX];
	struct sd_cell cell;		/* of an overlay */
	/* its I/O */
	struct bio *bios;		/* READS_MAX of them */
	u32 first[READS_MAX];		/* parts that each of them reads */
	u32 count[READS_MAX];
	atomic_t under_way;
	struct completion over;
	struct bio_vec vecs[SD_PIECE_PAGES];
	struct page *pages[SD_PIECE_PAGES];
};

static struct sd_map *map_of(const struct sd_evac *e, spinlock_t **lock)
{
	*lock = e->overlay ? &e->overlay->map_lock : &e->origin->map_lock;
	return e->overlay ? e->overlay->map : e->origin->map;
}

static void put_map(struct sd_evac *e)
{
	if (e->origin)
		sd_origin_put(e->origin);
	if (e->overlay)
		sd_overlay_put(e->overlay);
	e->origin = NULL;
	e->overlay = NULL;
}

/* ---- memory ------------------------------------------------------------ */

struct sd_evac *sd_evac_alloc(void)
{
	struct sd_evac *e = kvzalloc(sizeof(*e), GFP_KERNEL);
	u32 i;

	if (!e)
		return NULL;
	e->slot = SD_NO_SLOT;
	init_completion(&e->over);
	e->bios = kcalloc(READS_MAX, sizeof(*e->bios), GFP_KERNEL);
	if (!e->bios)
		goto no_memory;
	for (i = 0; i < SD_PIECE_PAGES; i++) {
		e->pages[i] = alloc_page(GFP_KERNEL);
		if (!e->pages[i])
			goto no_memory;
	}
	return e;

no_memory:
	sd_evac_free(e);
	return NULL;
}

void sd_evac_free(struct sd_evac *e)
{
	u32 i;

	if (!e)
		return;
	for (i = 0; i < SD_PIECE_PAGES && e->pages[i]; i++)
		__free_page(e->pages[i]);
	put_map(e);
	kfree(e->bios);
	kvfree(e);
}

u64 sd_evac_bytes(void)
{
	return sizeof(struct sd_evac) + READS_MAX * sizeof(struct bio) +
	       (SD_PIECE_SECTORS << SECTOR_SHIFT);
}

void sd_evac_end(struct sd_store *s)
{
	struct sd_evac *e;

	write_seqlock(&s->lock);
	e = s->evac;
	s->evac = NULL;
	write_sequnlock(&s->lock);
	sd_evac_free(e);
}

/* ---- I/O --------------------------------------------------------------- */

static void io_end(struct bio *bio)
{
	struct sd_evac *e = bio->bi_private;

	if (atomic_dec_and_test(&e->under_way))
		complete(&e->over);
}

/* Parts [first, first + count), which lie in neighbouring places from @place on. */
static void io_start(struct sd_store *s, struct sd_evac *e, u32 n, u32 first, u32 count,
		     sd_place_t place, blk_opf_t op)
{
	struct sd_range_dev *d = s->devs[sd_place_slot(place)];
	struct bio *bio = &e->bios[n];
	u32 i, page = first * s->chunk_pages, pages = count * s->chunk_pages;

	e->first[n] = first;
	e->count[n] = count;
	bio_init(bio, d->bdev, &e->vecs[page], pages, op);
	bio->bi_iter.bi_sector = d->start + (sd_place_index(place) << s->chunk_shift);
	bio->bi_end_io = io_end;
	bio->bi_private = e;
	for (i = 0; i < pages; i++)
		__bio_add_page(bio, e->pages[page + i], PAGE_SIZE, 0);
	atomic_inc(&e->under_way);
	submit_bio_noacct(bio);
}

static void io_begin(struct sd_evac *e)
{
	reinit_completion(&e->over);
	atomic_set(&e->under_way, 1);
}

static void io_wait(struct sd_evac *e)
{
	if (atomic_dec_and_test(&e->under_way))
		return;
	/* In pieces: a hanging range is no hung task. */
	while (!wait_for_completion_io_timeout(&e->over, 10 * HZ))
		;
}

static blk_status_t io_status(struct sd_evac *e, u32 n)
{
	blk_status_t status = e->bios[n].bi_status;

	bio_uninit(&e->bios[n]);
	return status;
}

static void zero_part(struct sd_store *s, struct sd_evac *e, u32 part)
{
	u32 i;

	for (i = 0; i < s->chunk_pages; i++)
		clear_page(page_address(e->pages[part * s->chunk_pages + i]));
}

/* A run that could not be read: what of it can? */
static void read_singly(struct sd_store *s, struct sd_evac *e, u32 first, u32 count)
{
	u32 i;

	for (i = first; i < first + count; i++) {
		io_begin(e);
		io_start(s, e, 0, i, 1, e->part[i].place, REQ_OP_READ);
		io_wait(e);
		e->bad[i] = io_status(e, 0) != BLK_STS_OK;
		if (e->bad[i])
			zero_part(s, e, i); /* it will be written all the same */
	}
}

/* The old places of parts [0, n), runs of neighbours with one bio each. */
static void read_parts(struct sd_store *s, struct sd_evac *e, u32 n)
{
	u32 failed[READS_MAX], failed_count[READS_MAX];
	u32 at = 0, run, b, bios, failures;

	memset(e->bad, 0, sizeof(e->bad));
	while (at < n) {
		io_begin(e);
		for (bios = 0; bios < READS_MAX && at < n; bios++, at += run) {
			for (run = 1; at + run < n; run++)
				if (e->part[at + run].place != e->part[at].place + run)
					break;
			io_start(s, e, bios, at, run, e->part[at].place, REQ_OP_READ);
		}
		io_wait(e);
		failures = 0;
		for (b = 0; b < bios; b++) {
			if (!io_status(e, b))
				continue;
			failed[failures] = e->first[b];
			failed_count[failures++] = e->count[b];
		}
		for (b = 0; b < failures; b++)
			read_singly(s, e, failed[b], failed_count[b]);
	}
}

static blk_status_t write_parts(struct sd_store *s, struct sd_evac *e, u32 first,
				const struct sd_run *run)
{
	io_begin(e);
	io_start(s, e, 0, first, run->count, sd_place(run->slot, run->index), REQ_OP_WRITE);
	io_wait(e);
	return io_status(e, 0);
}

/* ---- a batch ----------------------------------------------------------- */

static bool still_moving(const struct sd_store *s, u32 slot)
{
	return s->space.ranges[slot]->shrink == SD_SHRINK_MOVING && !READ_ONCE(s->dying);
}

/* Step 3. False: undone, or the store ends, or writers come first: not now. */
static bool take_target(struct sd_store *s, u32 slot, u32 want, struct sd_run *run)
{
	bool taken = false;

	write_seqlock(&s->lock);
	if (still_moving(s, slot) && !(s->policy.held && s->space.free)) {
		taken = sd_space_take(&s->space, want, run);
		if (!taken) {
			sd_segment_seal_open(s); /* what it did not give out is free */
			taken = sd_space_take(&s->space, want, run);
		}
		if (taken) {
			s->moving = run->count;
			s->moving_since = jiffies;
			sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
		} else {
			sd_shrink_undo(s, slot, SD_SHRINK_NO_SPACE);
		}
	}
	write_sequnlock(&s->lock);
	return taken;
}

/* The batch has its places once again. Under store->lock. */
static void moved(struct sd_store *s)
{
	s->moving = 0;
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	sd_image_writers_wake(s); /* one of them may find a place */
	if (s->drop_waits || s->policy.dropping)
		mod_delayed_work(s->admin_wq, &s->drop_work, 0);
}

static void target_failed(struct sd_store *s, const struct sd_run *run, blk_status_t status)
{
	struct sd_range_dev *d = s->devs[run->slot];

	DMERR("range %u:%u %llu: a write failed (%d): what was moved there goes elsewhere",
	      MAJOR(d->devt), MINOR(d->devt), d->start, blk_status_to_errno(status));
	write_seqlock(&s->lock);
	sd_range_fail(s, run->slot);
	sd_space_give(&s->space, run->slot, run->index, run->count);
	sd_store_act(s, sd_policy_note(&s->policy));
	moved(s);
	write_sequnlock(&s->lock);
}

/* Step 4. */
static void switch_parts(struct sd_store *s, struct sd_evac *e, u32 first,
			 const struct sd_run *run)
{
	struct sd_map *map;
	spinlock_t *lock;
	bool bad_allowed;
	u32 i, end;

	map = map_of(e, &lock);

	for (i = 0; i < run->count;) {
		end = min_t(u32, run->count, i + SWITCH_MAX);
		spin_lock(lock);
		read_seqlock_excl(&s->lock);
		bad_allowed = still_moving(s, e->slot);
		read_sequnlock_excl(&s->lock);
		for (; i < end; i++) {
			const struct sd_moving *p = &e->part[first + i];
			bool bad = e->bad[first + i];
			sd_place_t to = bad ? SD_PLACE_BAD : sd_place(run->slot, run->index + i);

			e->moved[first + i] = (!bad || bad_allowed) &&
				      sd_map_replace(map, p->chunk, p->layer, p->place, to);
		}
		spin_unlock(lock);
	}
}

/* Step 5. False: the store ends, places do not matter any more. */
static bool wait_for_readers(struct sd_store *s, u32 slot)
{
	struct sd_range_dev *d = s->devs[slot];
	u8 old;

	write_seqlock(&s->lock);
	old = d->phase;
	d->phase = !old; /* which has no reads: the last change waited for them */
	write_sequnlock(&s->lock);
	while (!wait_event_timeout(s->idle, !atomic_read(&d->reads[old]), HZ / 10))
		if (READ_ONCE(s->dying))
			return false;
	return true;
}

static void give_back(struct sd_store *s, struct sd_evac *e, u32 first, const struct sd_run *run)
{
	u32 i, part;

	write_seqlock(&s->lock);
	for (i = 0; i < run->count; i++) {
		part = first + i;
		if (e->moved[part])
			sd_space_give(&s->space, e->slot, sd_place_index(e->part[part].place), 1);
		if (!e->moved[part] || e->bad[part])
			sd_space_give(&s->space, run->slot, run->index + i, 1);
	}
	moved(s);
	write_sequnlock(&s->lock);
}

static void tell_bad(struct sd_store *s, struct sd_evac *e, u32 first, u32 count)
{
	struct sd_origin *o = e->overlay ? e->overlay->origin : e->origin;
	struct sd_range_dev *d = s->devs[e->slot];
	u32 i, bad = 0;

	for (i = first; i < first + count; i++)
		bad += e->bad[i] && e->moved[i];
	if (bad)
		DMERR_LIMIT("range %u:%u %llu: %u places could not be read while they were moved: chunks of %s %s are bad",
			    MAJOR(d->devt), MINOR(d->devt), d->start, bad,
			    e->overlay ? "an image of" : "origin", o->name);
}

/* Of @count parts, whose data was read, as many as fit one run; 0: see take_target(). */
static u32 move_parts(struct sd_store *s, struct sd_evac *e, u32 first, u32 count)
{
	blk_status_t status;
	struct sd_run run;

	do {
		if (!take_target(s, e->slot, count, &run))
			return 0;
		status = write_parts(s, e, first, &run);
		if (status)
			target_failed(s, &run, status);
	} while (status);
	switch_parts(s, e, first, &run);
	tell_bad(s, e, first, run.count);
	if (!wait_for_readers(s, e->slot))
		return 0;
	give_back(s, e, first, &run);
	return run.count;
}

/* False: not all of it. */
static bool move_batch(struct sd_store *s, struct sd_evac *e, u32 n)
{
	u32 got, done;

	read_parts(s, e, n);
	for (done = 0; done < n; done += got) {
		got = move_parts(s, e, done, n - done);
		if (!got)
			return false;
		e->moved_any = true;
	}
	return true;
}

/* ---- a pass ------------------------------------------------------------ */

/* The next of the pass, or none; anew from the first if ours has gone. */
static struct sd_origin *next_origin(struct sd_store *s, struct sd_origin *last)
{
	struct sd_origin *next;

	mutex_lock(&sd_registry);
	if (!last || list_empty(&last->link))
		next = list_first_entry_or_null(&s->origins, struct sd_origin, link);
	else
		next = list_is_last(&last->link, &s->origins) ? NULL : list_next_entry(last, link);
	if (next)
		sd_origin_get(next);
	mutex_unlock(&sd_registry);
	return next;
}

static struct sd_overlay *next_overlay(struct sd_store *s, struct sd_overlay *last)
{
	struct sd_overlay *next;

	mutex_lock(&s->snap_mutex);
	if (!last || list_empty(&last->link))
		next = list_first_entry_or_null(&s->overlays, struct sd_overlay, link);
	else
		next = list_is_last(&last->link, &s->overlays) ? NULL : list_next_entry(last, link);
	if (next)
		sd_overlay_get(next);
	mutex_unlock(&s->snap_mutex);
	return next;
}

/* False: the pass is over. */
static bool next_map(struct sd_store *s, struct sd_evac *e)
{
	struct sd_overlay *overlay = NULL;
	struct sd_origin *origin = NULL;

	if (!e->at_overlays)
		origin = next_origin(s, e->origin);
	e->at_overlays = !origin;
	if (e->at_overlays)
		overlay = next_overlay(s, e->overlay);
	put_map(e);
	e->origin = origin;
	e->overlay = overlay;
	memset(&e->cursor, 0, sizeof(e->cursor));
	return origin || overlay;
}

static int by_place(const void *a, const void *b)
{
	const struct sd_moving *x = a, *y = b;

	return x->place < y->place ? -1 : x->place > y->place;
}

/*
 * Of an overlay: only neighbouring chunks, so that no write waits that has
 * nothing to do with them; the walk goes on with the first that is left out.
 */
static u32 lock_parts(struct sd_evac *e, u32 n)
{
	u64 first = e->part[0].chunk;
	u32 run;

	for (run = 1; run < n; run++)
		if (e->part[run].chunk != first + run)
			break;
	if (!sd_overlay_try_lock(e->overlay, &e->cell, first, first + run - 1)) {
		run = 1;
		if (!sd_overlay_try_lock(e->overlay, &e->cell, first, first))
			run = 0;
	}
	if (max(run, 1U) < n) {
		e->cursor.chunk = e->part[max(run, 1U)].chunk;
		e->cursor.layer = e->part[max(run, 1U)].layer;
	}
	return run;
}

static void unlock_parts(struct sd_evac *e)
{
	if (e->overlay)
		sd_overlay_unlock(e->overlay, &e->cell);
}

/* Parts of one map that can be moved now, locked if need be; 0: the pass is over. */
static u32 find_parts(struct sd_store *s, struct sd_evac *e)
{
	u32 n, max = SD_PIECE_SECTORS >> s->chunk_shift;
	bool over, more = e->origin || e->overlay || next_map(s, e);
	struct sd_map *map;
	spinlock_t *lock;

	while (more && !READ_ONCE(s->dying)) {
		map = map_of(e, &lock);
		spin_lock(lock);
		over = sd_map_in_range(map, &e->cursor, e->slot, WALK_BUDGET, e->part, max, &n);
		spin_unlock(lock);
		n = sd_segment_written(s, e->part, n);
		if (n && e->overlay) {
			over = over && n == 1;
			n = lock_parts(e, n);
		}
		if (n) {
			sort(e->part, n, sizeof(e->part[0]), by_place, NULL);
			return n;
		}
		if (over)
			more = next_map(s, e);
		cond_resched();
	}
	return 0;
}

static void begin_pass(struct sd_evac *e, u32 slot)
{
	put_map(e);
	e->at_overlays = false;
	e->slot = slot;
	e->in_pass = slot != SD_NO_SLOT;
	e->moved_any = false;
}

/* Returns after how many jiffies to go on. */
static unsigned long one_step(struct sd_store *s, struct sd_evac *e)
{
	u32 n = find_parts(s, e);
	bool all;

	if (!n) {
		e->in_pass = false;
		return e->moved_any ? 0 : AGAIN;
	}
	all = move_batch(s, e, n);
	unlock_parts(e);
	return all ? 0 : AGAIN;
}

/*
 * Which range now: that of the pass, as long as it shrinks, else the next one
 * in turn.  None: the memory goes.  A message that marks another range comes
 * before, under the same lock, or finds no memory and brings its own.
 */
static struct sd_evac *choose_range(struct sd_store *s, bool *empty)
{
	struct sd_evac *e, *gone = NULL;
	u32 slot = SD_NO_SLOT;

	write_seqlock(&s->lock);
	e = s->evac;
	if (e && !READ_ONCE(s->dying)) {
		slot = e->slot;
		if (!e->in_pass || !s->space.ranges[slot] || !still_moving(s, slot))
			slot = sd_space_shrinking(&s->space, e->slot);
	}
	if (slot == SD_NO_SLOT) {
		gone = e;
		s->evac = NULL;
	} else {
		*empty = !s->space.ranges[slot]->taken;
	}
	write_sequnlock(&s->lock);
	if (slot == SD_NO_SLOT) {
		sd_evac_free(gone);
		return NULL;
	}
	if (!e->in_pass || slot != e->slot)
		begin_pass(e, slot);
	return e;
}

void sd_shrink_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, shrink_work.work);
	unsigned long delay = 0;
	struct sd_evac *e;
	bool empty;

	e = choose_range(s, &empty);
	if (!e)
		return;
	if (!empty) {
		delay = one_step(s, e);
	} else {
		e->in_pass = false;
		if (!sd_shrink_finish(s, e->slot))
			delay = AGAIN;
	}
	queue_delayed_work(s->shrink_wq, &s->shrink_work, delay);
}
