// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment.c - buffers: places with pages, filled by many copies and written as
 * one large sequential write.
 *
 * Life of a segment: opened (a run of places and pages for it) - given out in
 * parts, each filled by a job's read and published - sealed (full, old, or the
 * store ends; what was not given out goes back) - written once nothing is
 * being read into it - gone.  A writer never waits for the write.  What comes
 * after sealing stands in segment-write.c and segment-split.c.
 */
#include "segment.h"

/* ---- memory ------------------------------------------------------------ */

static void free_pages_of(struct page **pages, u32 count)
{
	while (count--)
		if (pages[count]) /* else split off, see segment-split.c */
			__free_page(pages[count]);
}

static bool alloc_pages_for(struct page **pages, u32 count, gfp_t gfp)
{
	u32 i;

	for (i = 0; i < count; i++) {
		pages[i] = alloc_page(gfp);
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

void sd_segment_init(struct sd_segment *seg, struct sd_store *s, const struct sd_run *run,
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
	INIT_WORK(&seg->write_work, sd_segment_write_work);
	INIT_DELAYED_WORK(&seg->written_work, sd_segment_written_work);
}

static void segment_destroy(struct sd_segment *seg, u32 pages)
{
	free_pages_of(seg->pages, pages);
	kvfree(seg->pages);
	kvfree(seg);
}

static struct sd_segment *segment_alloc(struct sd_store *s, const struct sd_run *run, gfp_t gfp)
{
	u32 count = run->count * s->chunk_pages;
	struct sd_segment *seg = kvmalloc(struct_size(seg, parts, run->count), gfp);
	struct page **pages = kvcalloc(count, sizeof(*pages), gfp);

	if (!seg || !pages || !alloc_pages_for(pages, count, gfp)) {
		kvfree(pages);
		kvfree(seg);
		return NULL;
	}
	sd_segment_init(seg, s, run, pages);
	return seg;
}

int sd_spare_init(struct sd_store *s)
{
	struct sd_run run = { .count = SD_PIECE_SECTORS >> s->chunk_shift };

	s->spare = segment_alloc(s, &run, SD_GFP_TRY);
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
	sd_memory_back(s);
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
struct sd_segment *sd_segment_create(struct sd_store *s, const struct sd_run *run)
{
	struct sd_segment *seg = segment_alloc(s, run, SD_GFP_TRY);
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
	sd_segment_init(s->spare, s, run, s->spare->pages);
	return s->spare;
}

/* For images, so not the spare one: a range that hangs would keep it from writers. */
struct sd_segment *sd_segment_bounce(struct sd_store *s, gfp_t gfp)
{
	struct sd_run run = { .count = 1 };

	return segment_alloc(s, &run, gfp);
}

/* ---- giving out -------------------------------------------------------- */

/* Nothing is read into it any more: the write may go. Under store->lock. */
void sd_segment_maybe_write(struct sd_segment *seg)
{
	if (seg->sealed && !seg->filling && !seg->writing) {
		seg->writing = true;
		seg->store->space.ranges[seg->run.slot]->writing++;
		queue_work(seg->store->write_wq, &seg->write_work);
	}
}

static void seal(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;

	if (seg->sealed)
		return;
	seg->sealed = true;
	seg->sealed_at = jiffies;
	if (s->open == seg)
		s->open = NULL;
	if (seg->used < seg->run.count) {
		sd_space_give(&s->space, seg->run.slot, seg->run.index + seg->used,
			      seg->run.count - seg->used);
		seg->run.count = seg->used;
	}
	sd_segment_maybe_write(seg);
	if (!seg->writing)
		sd_segment_slow(seg);
}

void sd_segment_seal_open(struct sd_store *s)
{
	if (!s->open)
		return;
	seal(s->open);
	sd_waiters_feed(s);
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

/*
 * What slow reads keep does not count, up to one piece: else one chunk of a disk that hangs would cost the others a piece,
 * which may be all there is.
 */
bool sd_segment_over_limit(const struct sd_store *s)
{
	u64 busy = s->buffered - min_t(u64, s->remainders, SD_PIECE_SECTORS);

	return busy && busy + SD_PIECE_SECTORS > s->buffer;
}

/* Places for a writer come before those that a shrink holds back. */
bool sd_segment_take_places(struct sd_store *s, u32 want, struct sd_run *run)
{
	while (!sd_space_take(&s->space, want, run))
		if (!sd_shrink_yield(s))
			return false;
	return true;
}

/*
 * A new open segment for somebody who wants so many parts of it.  Called under
 * store->lock, which it lets go and takes again; sd_waiters_feed() must follow.
 * OK: there is one now, perhaps; ask again.
 */
static enum sd_take open_segment(struct sd_store *s, u32 want)
{
	struct sd_segment *seg;
	LIST_HEAD(promised);
	struct sd_run run;
	u64 sectors;

	if (s->opening || sd_segment_over_limit(s))
		return SD_TAKE_WAIT_BUFFER;
	if (!sd_segment_take_places(s, SD_PIECE_SECTORS >> s->chunk_shift, &run))
		return SD_TAKE_WAIT_PLACE;
	sectors = (u64)run.count << s->chunk_shift;
	s->opening = true;
	s->buffered += sectors;
	sd_waiters_promise(s, run.count > want ? run.count - want : 0, &promised);
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);

	seg = sd_segment_create(s, &run);

	write_seqlock(&s->lock);
	s->opening = false;
	if (!seg) {
		s->buffered -= sectors;
		sd_space_give(&s->space, run.slot, run.index, run.count);
		sd_memory_short(s);
		sd_waiters_break_promise(s, &promised);
		sd_store_act(s, sd_policy_space(&s->policy, s->space.free, false));
		return SD_TAKE_WAIT_BUFFER;
	}
	sd_waiters_keep_promise(&promised);
	list_add_tail(&seg->link, &s->segments);
	s->open = seg;
	queue_delayed_work(s->admin_wq, &s->age_work, SD_SEGMENT_AGE);
	sd_image_writers_wake(s); /* they may have met the opening */
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
	struct sd_taken taken;
	bool woken;

	write_seqlock(&s->lock);
	woken = sd_waiter_asks(s, job);
	want = min(want, sd_share_left(o));
	/* in a dying store all snapshots end, and no segment may come into being */
	if (!want || READ_ONCE(s->dying) ||
	    (!woken && sd_parts_ready(s) && (s->awake || sd_waiters_may_go(s))))
		result = SD_TAKE_WAIT_BUFFER;
	while (!s->open && result == SD_TAKE_OK)
		result = open_segment(s, want);
	if (result == SD_TAKE_OK) {
		take_parts(s, want, &taken);
		o->reading += taken.got;
		job->seg = taken.seg;
		job->part = taken.part;
		job->got = taken.got;
		job->starved_since = 0;
		job->in_front = false;
	} else {
		sd_wait_in_line(job, result == SD_TAKE_WAIT_PLACE);
	}
	if (woken || sd_waiters(s))
		sd_waiters_feed(s);
	write_sequnlock(&s->lock);
	return result;
}

/* The origins come first: their writers in line, and the free space at low water. */
enum sd_take sd_segment_take_late(struct sd_store *s, u32 want, bool waited,
				  struct sd_origin *reader, struct sd_taken *t)
{
	enum sd_take result = SD_TAKE_OK;

	t->got = 0;
	if (reader)
		want = min(want, sd_image_share_left(reader));
	if (!want || READ_ONCE(s->dying)) /* its snapshot ends */
		return SD_TAKE_WAIT_BUFFER;
	do {
		if (s->policy.low || (!s->open && !s->space.free) ||
		    !list_empty(&s->place_waiters))
			return SD_TAKE_WAIT_PLACE;
		if (!waited && (s->awake || sd_waiters_may_go(s)))
			return SD_TAKE_WAIT_BUFFER;
		if (!s->open)
			result = open_segment(s, want);
	} while (!s->open && result == SD_TAKE_OK);
	if (result == SD_TAKE_OK) {
		take_parts(s, want, t);
		if (reader)
			reader->image_reading += t->got;
	}
	if (sd_waiters(s))
		sd_waiters_feed(s);
	return result;
}

void sd_segment_filled(struct sd_segment *seg, u32 count)
{
	seg->filling -= count;
	sd_segment_maybe_write(seg);
}

/* The read failed, or nobody needs it: the pages may hold anything. */
void sd_segment_discard(struct sd_segment *seg, u32 part, u32 count, struct sd_origin *o,
			void (*read)(struct sd_origin *o, u32 parts))
{
	struct sd_store *s = seg->store;
	u32 i;

	write_seqlock(&s->lock);
	for (i = 0; i < count; i++) {
		seg->parts[part + i].state = SD_PART_DEAD;
		seg->parts[part + i].zero = true;
	}
	sd_segment_filled(seg, count);
	if (read)
		read(o, count);
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
	sd_image_writers_wake(s); /* one of them may find a place */
	write_sequnlock(&s->lock);
}

