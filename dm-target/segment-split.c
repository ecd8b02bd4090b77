// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment-split.c - a sealed buffer into which somebody still reads: what is
 * ready of it is written without waiting (protocol 16).
 *
 * Otherwise an origin on a device that hangs would pin, with one chunk each, one
 * buffer after the other, and the writers of all other origins would find none.
 * A second after it was sealed it is *slow*: pages that were never given out go,
 * and the parts that are ready leave it: each run of neighbours becomes a segment
 * of its own, with their places and pages, and is written like any other.  What
 * stays is what is being read.
 *
 * A run leaves in one go under store->lock, under which buffers are looked
 * up, so nobody finds a part in both segments or in none.  It is put off if
 *
 *  - an image read has a reference: it reads the pages by way of the segment;
 *  - a write to an image changes pages of the segment: it is counted as filling,
 *    but there is no part in that state for it;
 *  - there is no memory, or only the spare segment could be split.
 */
#include "segment.h"

#define SLOW HZ

/* ---- one run of neighbours --------------------------------------------- */

static bool ready(const struct sd_part *part)
{
	return part->state == SD_PART_PUBLISHED || part->state == SD_PART_DEAD;
}

/* The first run of parts that are ready; 0: none. */
static u32 ready_run(const struct sd_segment *seg, u32 *first)
{
	u32 i, n = 0;

	for (i = 0; i < seg->used; i++) {
		if (ready(&seg->parts[i])) {
			if (!n++)
				*first = i;
		} else if (n) {
			break;
		}
	}
	return n;
}

static bool may_split(const struct sd_store *s, const struct sd_segment *seg)
{
	u32 i, filling = 0;

	for (i = 0; i < seg->used; i++)
		filling += seg->parts[i].state == SD_PART_FILLING;
	/* the list's reference, and ours */
	return seg->slow && seg->filling && seg->filling == filling && !seg->writing &&
	       kref_read(&seg->ref) == 2;
}

/* Pages for which there never was a job, and which nobody can find. */
static void drop_unused(struct sd_store *s, struct sd_segment *seg)
{
	u32 i, from = seg->used * s->chunk_pages, to = seg->parts_max * s->chunk_pages;

	s->buffered -= (u64)(seg->parts_max - seg->used) << s->chunk_shift;
	seg->parts_max = seg->used;
	for (i = from; i < to; i++) {
		__free_page(seg->pages[i]);
		seg->pages[i] = NULL;
	}
}

static void move_to(struct sd_segment *to, struct sd_segment *seg, u32 first, u32 n)
{
	u32 i, pages = n * seg->store->chunk_pages;
	struct page **from = sd_part_pages(seg, first);

	for (i = 0; i < n; i++) {
		to->parts[i] = seg->parts[first + i];
		seg->parts[first + i].state = SD_PART_SPLIT;
		seg->parts[first + i].zero = false;
	}
	for (i = 0; i < pages; i++) {
		to->pages[i] = from[i];
		from[i] = NULL;
	}
	seg->store->remainders -= (u64)n << seg->store->chunk_shift;
	seg->split += n;
	to->opened = seg->opened;
	to->used = n;
	to->sealed = true;
	to->sealed_at = seg->sealed_at;
	list_add_tail(&to->link, &seg->store->segments);
	sd_segment_maybe_write(to);
}

/* False: nothing is left to split off, or not now. */
static bool split_run(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;
	struct sd_segment *to = NULL;
	struct page **pages = NULL;
	struct sd_run run;
	u32 first, n, now_first, now;
	bool done = false;

	read_seqlock_excl(&s->lock);
	n = may_split(s, seg) ? ready_run(seg, &first) : 0;
	read_sequnlock_excl(&s->lock);
	if (!n)
		return false;
	to = kvmalloc(struct_size(to, parts, n), SD_GFP_TRY);
	pages = kvcalloc(n * s->chunk_pages, sizeof(*pages), SD_GFP_TRY);
	if (to && pages) {
		run = seg->run;
		run.index += first;
		run.count = n;
		sd_segment_init(to, s, &run, pages);
		write_seqlock(&s->lock);
		/* Parts become ready meanwhile, never the other way round: these still are. */
		now = may_split(s, seg) ? ready_run(seg, &now_first) : 0;
		done = now && now_first <= first && now_first + now >= first + n;
		if (done) {
			move_to(to, seg, first, n);
			sd_waiters_feed(s);
		}
		write_sequnlock(&s->lock);
	}
	if (!done) {
		kvfree(pages);
		kvfree(to);
	}
	return done;
}

static void make_slow(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;

	write_seqlock(&s->lock);
	if (!seg->slow && seg->filling && !seg->writing && seg != s->spare) {
		drop_unused(s, seg);
		seg->slow = true;
		s->remainders += sd_segment_sectors(seg);
		sd_image_writers_wake(s);
		sd_waiters_feed(s);
	}
	write_sequnlock(&s->lock);
}

/* ---- which segments ---------------------------------------------------- */

static bool is_slow(const struct sd_segment *seg)
{
	return seg->sealed && seg->filling && !seg->writing;
}

/* With a reference: one that is due and was not tried since @start; NULL: none. */
static struct sd_segment *next_slow(struct sd_store *s, unsigned long start)
{
	struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link) {
		if (!is_slow(seg) || time_before(start, seg->sealed_at + SLOW))
			continue;
		if (seg->split_tried && time_before_eq(start, seg->split_tried))
			continue;
		seg->split_tried = jiffies | 1;
		kref_get(&seg->ref);
		return seg;
	}
	return NULL;
}

void sd_segment_slow(struct sd_segment *seg)
{
	struct sd_store *s = seg->store;

	queue_delayed_work(s->admin_wq, &s->split_work, SLOW);
}

void sd_split_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, split_work.work);
	unsigned long start = jiffies;
	struct sd_segment *seg;
	bool again = false;

	for (;;) {
		write_seqlock(&s->lock);
		seg = next_slow(s, start);
		write_sequnlock(&s->lock);
		if (!seg)
			break;
		make_slow(seg);
		while (split_run(seg))
			;
		sd_segment_put(seg);
	}
	write_seqlock(&s->lock);
	list_for_each_entry(seg, &s->segments, link)
		again |= is_slow(seg);
	if (again)
		queue_delayed_work(s->admin_wq, &s->split_work, SLOW);
	write_sequnlock(&s->lock);
}
