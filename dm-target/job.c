// SPDX-License-Identifier: GPL-2.0-only
/*
 * job.c - carries out the steps of a COW job.
 *
 * What comes after what, and which race each step closes, stands in
 * core/cow.c.  Here each action is one function: it does what its name says and
 * answers with an event, or with PENDING when somebody will wake the job later
 * (sd_job_wake), or when the job is over.
 *
 * A job is owned by exactly one context: the work that runs it, a read under
 * way, a cell, or one list.  Whoever takes it off its list wakes it, once.
 * After PENDING its memory may be gone: it lives in the bio's per-bio data.
 */
#include "segment.h"

#define PENDING ((enum sd_cow_event)0xff)

/* ---- running ----------------------------------------------------------- */

static enum sd_cow_event perform(struct sd_job *job);

static void run(struct sd_job *job, enum sd_cow_event event)
{
	while (event != PENDING) {
		sd_cow_step(&job->cow, event);
		event = perform(job);
	}
}

static void job_work(struct work_struct *work)
{
	struct sd_job *job = container_of(work, struct sd_job, work);
	enum sd_cow_event event = job->event;

	if (job->redo) {
		job->redo = false;
		event = perform(job);
		if (event != PENDING)
			sd_job_wake(job, event);
		return;
	}
	run(job, event);
}

void sd_job_wake(struct sd_job *job, enum sd_cow_event event)
{
	job->event = event;
	queue_work(job->origin->job_wq, &job->work);
}

/*
 * Not by the origin's queue: that may be full of works which wait for its disk,
 * and whoever was woken and has not asked yet keeps others in line.
 */
void sd_job_redo(struct sd_job *job)
{
	job->redo = true;
	queue_work(job->origin->store->ask_wq, &job->work);
}

void sd_jobs_ready(struct list_head *ready)
{
	struct sd_cell *cell, *next;

	list_for_each_entry_safe(cell, next, ready, ready) {
		list_del_init(&cell->ready);
		if (cell->kind == SD_CELL_DRAIN)
			sd_job_wake(container_of(cell, struct sd_job, drain), SD_COW_OK);
		else
			sd_job_wake(container_of(cell, struct sd_job, cell), SD_COW_OK);
	}
}

/* An ordinary write is one window; a large one is worked off piece by piece. */
static void set_window(struct sd_job *job)
{
	struct sd_store *s = job->origin->store;
	sector_t end = job->end;

	job->singly = false;
	/* each window has its own hold and stall limit */
	job->held_since = 0;
	job->starved_since = 0;
	if (job->windowed)
		end = min_t(sector_t, end,
			    (job->cursor / SD_PIECE_SECTORS + 1) * SD_PIECE_SECTORS);
	job->first = sd_to_chunk(s, job->cursor);
	job->last = sd_to_chunk(s, end - 1);
}

void sd_job_start(struct sd_job *job)
{
	memset(&job->cow, 0, sizeof(job->cow));
	job->bad = false;
	job->redo = false;
	job->held = false;
	job->woken = false;
	job->in_front = false;
	job->seg = NULL;
	job->reserved = 0;
	job->cell.in = false;
	job->drain.in = false;
	INIT_LIST_HEAD(&job->wait);
	INIT_LIST_HEAD(&job->held_link);
	INIT_WORK(&job->work, job_work);
	set_window(job);
	sd_job_wake(job, SD_COW_START);
}

void sd_job_end(struct sd_job *job, blk_status_t status)
{
	struct bio *bio = job->bio;

	bio->bi_status = status;
	bio_endio(bio);
}

/* ---- actions ----------------------------------------------------------- */

/* Whoever waits for this job's chunks was before us or does not overlap. */
static enum sd_cow_event act_lock(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	unsigned long flags;
	bool locked;

	spin_lock_irqsave(&o->cell_lock, flags);
	locked = sd_cells_enter(&o->jobs, &job->cell, SD_CELL_JOB, job->first, job->last);
	spin_unlock_irqrestore(&o->cell_lock, flags);
	return locked ? SD_COW_OK : PENDING;
}

static void leave_cells(struct sd_job *job, struct sd_cells *cells, struct sd_cell *cell)
{
	struct sd_origin *o = job->origin;
	unsigned long flags;
	LIST_HEAD(ready);

	spin_lock_irqsave(&o->cell_lock, flags);
	sd_cells_leave(cells, cell, &ready);
	spin_unlock_irqrestore(&o->cell_lock, flags);
	sd_jobs_ready(&ready);
}

static enum sd_cow_event act_unlock(struct sd_job *job)
{
	leave_cells(job, &job->origin->jobs, &job->cell);
	return SD_COW_OK;
}

static enum sd_cow_event act_lookup(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	u32 max = job->singly ? 1 : SD_PIECE_SECTORS >> o->store->chunk_shift;

	spin_lock(&o->map_lock);
	job->run = sd_map_unsafe_run(o->map, job->first, job->last, max, true, &job->run_first);
	job->snapshot = sd_map_newest(o->map);
	spin_unlock(&o->map_lock);
	return job->run ? SD_COW_RUN : SD_COW_SAFE;
}

/* Room in the map for the whole run, so that publishing cannot fail. */
static bool reserve(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	void *spare = NULL;
	size_t bytes;

	if (job->reserved)
		return true; /* before it had to wait for a place */
	for (;;) {
		spin_lock(&o->map_lock);
		bytes = sd_map_reserve(o->map, job->run_first, job->run, &spare);
		spin_unlock(&o->map_lock);
		if (!bytes)
			break;
		sd_free(spare);
		spare = sd_map_alloc(bytes);
		if (!spare)
			return false;
	}
	sd_free(spare);
	job->reserved = job->run;
	return true;
}

static void unreserve(struct sd_job *job, u64 first, u32 count)
{
	struct sd_origin *o = job->origin;

	if (!count)
		return;
	spin_lock(&o->map_lock);
	sd_map_unreserve(o->map, first, count);
	spin_unlock(&o->map_lock);
	job->reserved -= count;
}

static bool must_give_back(const struct sd_job *job)
{
	return READ_ONCE(job->origin->requeue) && dm_noflush_suspending(job->ti);
}

/* Places, pages and room in the map for the run, or for the beginning of it. */
static enum sd_cow_event act_take(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	enum sd_cow_event event;

	if (must_give_back(job)) {
		event = SD_COW_REQUEUE;
		goto over;
	}
	event = SD_COW_ABANDON;
	if (sd_map_newest(o->map) != job->snapshot)
		goto over; /* it ended, or a take came: look up again */
	if (!reserve(job)) {
		sd_wait_for_memory(job);
		return PENDING;
	}
	if (sd_segment_take(job, job->run) != SD_TAKE_OK)
		return PENDING;
	unreserve(job, job->run_first + job->got, job->run - job->got);
	job->run = job->got;
	sd_waiter_leaves(job);
	return SD_COW_OK;
over:
	unreserve(job, job->run_first, job->reserved);
	sd_waiter_leaves(job);
	return event;
}

static void read_end(struct bio *bio)
{
	struct sd_job *job = bio->bi_private;

	job->status = bio->bi_status;
	bio_put(bio);
	/* A failed run is tried again chunk by chunk (protocol 24). */
	if (!job->status) {
		sd_job_wake(job, SD_COW_OK);
	} else if (job->run > 1) {
		job->singly = true;
		sd_job_wake(job, SD_COW_ABANDON);
	} else {
		sd_job_wake(job, SD_COW_FAIL);
	}
}

/* Fill the buffer with the old data; what lies beyond the origin's end is zero. */
static enum sd_cow_event act_read(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;
	struct page **pages = sd_part_pages(job->seg, job->part);
	sector_t sector = job->run_first << s->chunk_shift;
	u64 bytes = min_t(u64, (u64)job->run << s->chunk_shift, o->size - sector) << SECTOR_SHIFT;
	u32 i, nr = job->run * s->chunk_pages;
	struct bio *bio;

	job->bad = false;
	job->watch_seq = READ_ONCE(o->watch_seq);
	bio = bio_alloc_bioset(o->bdev, nr, REQ_OP_READ, GFP_NOIO, &o->bios);
	bio->bi_iter.bi_sector = o->start + sector;
	bio->bi_end_io = read_end;
	bio->bi_private = job;
	for (i = 0; i < nr; i++) {
		u32 part = min_t(u64, bytes, PAGE_SIZE);

		if (part < PAGE_SIZE)
			memset(page_address(pages[i]) + part, 0, PAGE_SIZE - part);
		if (part)
			__bio_add_page(bio, pages[i], part, 0);
		bytes -= part;
	}
	submit_bio_noacct(bio);
	return PENDING;
}

/* The chunk's image reads fail; the write passes. Its place is not needed. */
static enum sd_cow_event act_mark_bad(struct sd_job *job)
{
	job->bad = true;
	return SD_COW_OK;
}

/*
 * Under the publishing lock, with which takes and ends of snapshots exclude
 * each other: the snapshot for which we copied is live and still the newest,
 * and the origin was watched from the beginning of the read until now
 * (protocol 3, 4, 10).  From here on images read the buffer.
 */
static bool publish(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;
	struct sd_segment *seg = job->seg;
	u32 i, layer;

	spin_lock(&o->map_lock);
	if (sd_map_newest(o->map) != job->snapshot || !sd_watched(job->watch_seq) ||
	    READ_ONCE(o->watch_seq) != job->watch_seq) {
		spin_unlock(&o->map_lock);
		return false;
	}
	layer = sd_map_current(o->map);
	write_seqlock(&s->lock);
	for (i = 0; i < job->run; i++) {
		struct sd_part *part = &seg->parts[job->part + i];
		sd_place_t place = sd_place(seg->run.slot, seg->run.index + job->part + i);

		part->origin = o;
		part->overlay = NULL;
		part->chunk = job->run_first + i;
		part->layer = layer;
		part->state = SD_PART_DEAD;
		part->zero = job->bad;
		if (sd_map_publish(o->map, part->chunk, job->bad ? SD_PLACE_BAD : place) &&
		    !job->bad)
			part->state = SD_PART_PUBLISHED;
	}
	sd_segment_filled(seg, job->run);
	sd_waiters_read(o, job->run);
	write_sequnlock(&s->lock);
	spin_unlock(&o->map_lock);
	return true;
}

static enum sd_cow_event act_publish(struct sd_job *job)
{
	if (!publish(job))
		return SD_COW_ABANDON;
	atomic64_add(job->run, &job->origin->copied);
	job->reserved = 0;
	job->seg = NULL;
	return SD_COW_OK;
}

static enum sd_cow_event act_discard(struct sd_job *job)
{
	unreserve(job, job->run_first, job->reserved);
	if (job->seg)
		sd_segment_discard(job->seg, job->part, job->run, job->origin, sd_waiters_read);
	job->seg = NULL;
	return SD_COW_OK;
}

/*
 * Image reads that looked before we published go to the origin: wait for them.
 * A reader enters before it looks up, we look for readers after publishing;
 * both orders go through map_lock, so one of us sees the other (protocol 8).
 */
static enum sd_cow_event act_drain(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	unsigned long flags;
	bool drained;

	spin_lock_irqsave(&o->cell_lock, flags);
	drained = sd_cells_enter(&o->reads, &job->drain, SD_CELL_DRAIN, job->run_first,
				 job->run_first + job->run - 1);
	spin_unlock_irqrestore(&o->cell_lock, flags);
	if (drained)
		return SD_COW_OK;
	atomic64_inc(&o->read_waits);
	return PENDING;
}

static enum sd_cow_event act_mark_safe(struct sd_job *job)
{
	struct sd_origin *o = job->origin;

	leave_cells(job, &o->reads, &job->drain);
	spin_lock(&o->map_lock);
	sd_map_mark_safe(o->map, job->run_first, job->run);
	spin_unlock(&o->map_lock);
	return SD_COW_OK;
}

static enum sd_cow_event act_gate(struct sd_job *job)
{
	return sd_gate_enter(job->origin) ? SD_COW_OK : SD_COW_CLOSED;
}

static enum sd_cow_event act_confirm(struct sd_job *job)
{
	return sd_map_all_safe(job->origin->map, job->first, job->last) ? SD_COW_SAFE : SD_COW_RUN;
}

static enum sd_cow_event act_leave(struct sd_job *job)
{
	sd_gate_leave(job->origin);
	return SD_COW_OK;
}

static enum sd_cow_event act_park(struct sd_job *job)
{
	if (must_give_back(job))
		return SD_COW_REQUEUE;
	return sd_gate_park(job->origin, job) ? PENDING : SD_COW_OK;
}

/* ---- submitting -------------------------------------------------------- */

struct bio *sd_job_sub_bio(struct sd_job *job, sector_t from, sector_t to)
{
	struct sd_origin *o = job->origin;
	struct bio *bio = bio_alloc_bioset(o->bdev, 0, job->bio->bi_opf, GFP_NOIO,
					   &o->bios);

	bio->bi_iter.bi_sector = o->start + from;
	bio->bi_iter.bi_size = (to - from) << SECTOR_SHIFT;
	bio->bi_private = job;
	return bio;
}

static void window_end(struct bio *bio)
{
	struct sd_job *job = bio->bi_private;
	blk_status_t status = bio->bi_status;

	bio_put(bio);
	sd_gate_leave(job->origin);
	if (status || job->cursor >= job->end)
		sd_job_end(job, status);
	else
		sd_job_wake(job, SD_COW_START);
}

/* bi_size has 32 bits, and more in one go would only be split again below. */
#define WINDOW_MAX ((sector_t)1 << 21)

/* The window that was copied, and what is safe behind it, as a bio of its own. */
static void submit_window(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;
	sector_t from = job->cursor;
	sector_t to = min_t(sector_t, job->end, (sector_t)(job->last + 1) << s->chunk_shift);
	struct bio *bio;

	if (to < job->end) {
		u64 more = sd_map_safe_run(o->map, job->last + 1, sd_to_chunk(s, job->end - 1));

		to = min_t(sector_t, job->end, to + (more << s->chunk_shift));
		to = min_t(sector_t, to, from + WINDOW_MAX);
	}
	bio = sd_job_sub_bio(job, from, to);
	bio->bi_end_io = window_end;
	job->cursor = to;
	if (to < job->end)
		set_window(job);
	submit_bio_noacct(bio);
}

static enum sd_cow_event act_submit(struct sd_job *job)
{
	if (job->windowed) {
		submit_window(job);
	} else {
		job->in_gate = true; /* left by .end_io */
		dm_submit_bio_remap(job->bio, NULL);
	}
	return PENDING;
}

/*
 * A noflush suspend wants its bios back.  If it was interrupted meanwhile, a
 * requeue would become an I/O error: then the job begins again (protocol 14).
 */
static enum sd_cow_event act_give_back(struct sd_job *job)
{
	if (must_give_back(job)) {
		sd_job_end(job, BLK_STS_DM_REQUEUE);
		return PENDING;
	}
	return SD_COW_START;
}

/* An event after the end: nothing of the job may be touched any more. */
static enum sd_cow_event act_none(struct sd_job *job)
{
	return PENDING;
}

static enum sd_cow_event (*const actions[])(struct sd_job *) = {
	[SD_COW_LOCK] = act_lock,
	[SD_COW_LOOKUP] = act_lookup,
	[SD_COW_TAKE] = act_take,
	[SD_COW_READ] = act_read,
	[SD_COW_MARK_BAD] = act_mark_bad,
	[SD_COW_PUBLISH] = act_publish,
	[SD_COW_DRAIN] = act_drain,
	[SD_COW_MARK_SAFE] = act_mark_safe,
	[SD_COW_DISCARD] = act_discard,
	[SD_COW_UNLOCK] = act_unlock,
	[SD_COW_GATE] = act_gate,
	[SD_COW_CONFIRM] = act_confirm,
	[SD_COW_LEAVE] = act_leave,
	[SD_COW_PARK] = act_park,
	[SD_COW_SUBMIT] = act_submit,
	[SD_COW_GIVE_BACK] = act_give_back,
	[SD_COW_NONE] = act_none,
};

static enum sd_cow_event perform(struct sd_job *job)
{
	return actions[job->cow.action](job);
}
