// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - writers in line, for a free place or for a buffer.
 *
 * Who finds neither stands in line and is woken when there may be parts of a
 * segment for it.  As many are woken as there are parts for, not all: a hundred
 * thousand first writes after a take would otherwise look again, all of them,
 * whenever one buffer came free.  The rule, kept by sd_waiters_feed():
 *
 *	as long as somebody stands in line and parts could be had, as many are
 *	awake, and have not asked again yet, as these parts suffice for.
 *
 * So it is called, under store->lock, after everything that may bring parts or
 * ends a wake: a buffer or a place came free, a segment was opened or sealed,
 * the memory is not short any more, and whenever somebody who was woken has
 * asked again, whatever came of it.
 *
 * In turn: the first one of each origin, then the second one of each, and so on.
 * Otherwise an origin with many writers would have as many shares of a buffer
 * that is too small, and one with a single writer would wait for all of them,
 * write after write.  Who waits for a place came before who waits for a buffer,
 * and who comes only now goes behind both.
 *
 * No origin has more than half of the buffer under its reads: if its disk hangs
 * then, the writers of others go on.  Who would have more stands in line, and is
 * passed over.  (Writes to its images read what is around them, wherever that
 * is; they have half as much, for themselves.)
 *
 * Everything here is called under store->lock and does not sleep, unless said.
 */
#include "segment.h"

/* Who found no memory tries again after this long, until the stall limit. */
#define MEMORY_RETRY max(HZ / 100, 1)

u64 sd_now_ms(void)
{
	return ktime_to_ms(ktime_get());
}

/* ---- lines ------------------------------------------------------------- */

void sd_stand_init(struct sd_stand *stand)
{
	INIT_LIST_HEAD(&stand->jobs);
	INIT_LIST_HEAD(&stand->turn);
}

static void join(struct list_head *line, struct sd_stand *stand, struct sd_job *job)
{
	if (job->in_front)
		list_add(&job->wait, &stand->jobs);
	else
		list_add_tail(&job->wait, &stand->jobs);
	job->in_front = false;
	if (list_empty(&stand->turn))
		list_add_tail(&stand->turn, line);
}

static struct sd_job *first_of(const struct sd_stand *stand)
{
	return list_first_entry(&stand->jobs, struct sd_job, wait);
}

static struct sd_job *take_out(struct list_head *line, struct sd_stand *stand)
{
	struct sd_job *job = first_of(stand);

	list_del_init(&job->wait);
	if (list_empty(&stand->jobs))
		list_del_init(&stand->turn);
	else
		list_move_tail(&stand->turn, line);
	return job;
}

/* The first in line, taken out of it; NULL: nobody stands there. */
static struct sd_job *first_in(struct list_head *line)
{
	if (list_empty(line))
		return NULL;
	return take_out(line, list_first_entry(line, struct sd_stand, turn));
}

static u32 share_of(const struct sd_store *s)
{
	return max(s->buffer >> s->chunk_shift >> 1, 1U);
}

u32 sd_share_left(const struct sd_origin *o)
{
	u32 share = share_of(o->store);

	return share > o->reading ? share - o->reading : 0;
}

/* Its disk has all that it may have: it is passed over. */
static bool has_its_share(const struct sd_stand *stand)
{
	return !sd_share_left(first_of(stand)->origin);
}

/* Those of its origin who are awake have not asked yet: they come first. */
static bool may_go(const struct sd_stand *stand)
{
	const struct sd_origin *o = first_of(stand)->origin;

	return sd_share_left(o) > o->awake;
}

/* Whose turn it is; NULL: nobody may go. */
static struct sd_stand *next_stand(const struct list_head *line)
{
	struct sd_stand *stand;

	list_for_each_entry(stand, line, turn)
		if (may_go(stand))
			return stand;
	return NULL;
}

/* The same, taken out of the line. */
static struct sd_job *next_of(struct list_head *line)
{
	struct sd_stand *stand = next_stand(line);

	return stand ? take_out(line, stand) : NULL;
}

bool sd_waiters_may_go(const struct sd_store *s)
{
	return next_stand(&s->place_waiters) || next_stand(&s->buffer_waiters);
}

void sd_waiters_read(struct sd_origin *o, u32 parts)
{
	bool had_its_share = !sd_share_left(o);

	o->reading -= parts;
	if (had_its_share)
		o->share_back = jiffies;
	if (sd_waiters(o->store))
		sd_waiters_feed(o->store);
}

u32 sd_image_share_left(const struct sd_origin *o)
{
	u32 share = max(share_of(o->store) >> 1, 1U);

	return share > o->image_reading ? share - o->image_reading : 0;
}

void sd_image_read(struct sd_origin *o, u32 parts)
{
	bool had_its_share = !sd_image_share_left(o);

	o->image_reading -= parts;
	if (had_its_share)
		sd_image_writers_wake(o->store);
}

bool sd_waiters(const struct sd_store *s)
{
	return !list_empty(&s->place_waiters) || !list_empty(&s->buffer_waiters);
}

/*
 * Counted as awake until it asks again.  If it has to wait once more, it is the
 * first of its origin again, but not if all were woken: they would stand the
 * other way round.
 */
static void wake(struct sd_store *s, struct sd_job *job, bool in_front)
{
	job->woken = true;
	job->in_front = in_front;
	s->awake += job->run;
	job->origin->awake += job->run;
	if (job->held)
		list_move_tail(&job->held_link, &s->held_awake);
}

static struct sd_job *next_awake(struct sd_store *s)
{
	struct sd_job *job = next_of(&s->place_waiters) ?: next_of(&s->buffer_waiters);

	if (job)
		wake(s, job, true);
	return job;
}

bool sd_waiter_asks(struct sd_store *s, struct sd_job *job)
{
	bool woken = job->woken;

	if (woken) {
		s->awake -= job->run;
		job->origin->awake -= job->run;
	}
	job->woken = false;
	return woken;
}

/* ---- held -------------------------------------------------------------- */

static u64 oldest_held(struct sd_store *s)
{
	const struct sd_job *a, *b;

	a = list_first_entry_or_null(&s->held, struct sd_job, held_link);
	b = list_first_entry_or_null(&s->held_awake, struct sd_job, held_link);
	if (a && b)
		return min(a->held_since, b->held_since);
	return a ? a->held_since : b ? b->held_since : 0;
}

/* It may end from here on: pairs with sd_waiter_leaves(). */
static void forget_held(struct sd_job *job)
{
	list_del_init(&job->held_link);
	smp_store_release(&job->held, false);
}

void sd_waiter_unheld(struct sd_store *s, struct sd_job *job)
{
	if (!job->held)
		return;
	forget_held(job);
	sd_store_act(s, sd_policy_unheld(&s->policy, 1, oldest_held(s)));
}

/* ---- standing in line -------------------------------------------------- */

/* While its origin had its share it waited for the disk, not for us. */
static unsigned long starved_since(const struct sd_job *job)
{
	unsigned long back = job->origin->share_back;

	return time_after(back, job->starved_since) ? back : job->starved_since;
}

static void wait_for_buffer(struct sd_store *s, struct sd_job *job)
{
	/*
	 * Who is woken and has to wait again does not begin anew: else whatever
	 * wakes all, a delete for example, would put the stall limit off.
	 */
	if (!job->starved_since)
		job->starved_since = jiffies | 1;
	join(&s->buffer_waiters, &job->origin->for_buffer, job);
	sd_waiter_unheld(s, job); /* it waits for something else now */
	sd_store_run_by(s, &s->stall_work,
			starved_since(job) + msecs_to_jiffies(s->stall_ms) + 1);
}

static void wait_for_place(struct sd_store *s, struct sd_job *job)
{
	u64 now = sd_now_ms();

	join(&s->place_waiters, &job->origin->for_place, job);
	job->starved_since = 0;
	if (job->held) {
		list_move(&job->held_link, &s->held);
		return;
	}
	/* A write that has waited its hold never begins another one. */
	if (job->held_since && now - job->held_since >= s->policy.hold_ms)
		s->policy.hold_spent = true;
	job->held = true;
	list_add_tail(&job->held_link, &s->held);
	sd_store_act(s, sd_policy_held(&s->policy, now));
	if (job->held_since)
		s->policy.held_total--; /* the same bio again, see sd_waiters_promise() */
	else
		job->held_since = now;
}

/*
 * Ends of snapshots and noflush suspends let all in line look again after they
 * took effect, under this lock: whoever asks here once more is either let go, or
 * sees it.
 */
void sd_wait_in_line(struct sd_job *job, bool for_place)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;

	if (sd_map_newest(o->map) != job->snapshot ||
	    (READ_ONCE(o->requeue) && dm_noflush_suspending(job->ti)))
		sd_job_redo(job);
	else if (for_place)
		wait_for_place(s, job);
	else
		wait_for_buffer(s, job);
}

/* ---- who goes on ------------------------------------------------------- */

u32 sd_parts_ready(const struct sd_store *s)
{
	u32 piece = SD_PIECE_SECTORS >> s->chunk_shift;

	if (s->memory_short || READ_ONCE(s->dying))
		return 0;
	if (s->open)
		return s->open->run.count - s->open->used;
	if (s->opening || sd_segment_over_limit(s))
		return 0;
	if (s->space.free)
		return min_t(u64, piece, s->space.free >> s->chunk_shift);
	/* a shrink that holds places back is undone for a writer */
	return sd_space_yields(&s->space) == SD_NO_SLOT ? 0 : piece;
}

/* All of one origin change from one line to the other. */
static void change_line(struct sd_store *s, struct list_head *line, struct sd_stand *stand)
{
	bool own_disk = has_its_share(stand);

	while (!list_empty(&stand->jobs)) {
		struct sd_job *job = take_out(line, stand);

		if (line == &s->buffer_waiters) {
			wait_for_place(s, job);
			continue;
		}
		wait_for_buffer(s, job);
		if (own_disk)
			job->held_since = 0; /* that may be long: its next hold is another one */
	}
}

/*
 * Each is to stand in the line for what is missing, as these waits are told
 * differently and end differently: what was missing when it came may be there by
 * now, and the other not any more.  Who waits for its own disk lacks no place.
 */
static void change_lines(struct sd_store *s)
{
	bool no_buffer = s->memory_short || sd_segment_over_limit(s);
	struct sd_stand *stand, *next;

	if (READ_ONCE(s->dying))
		return;
	list_for_each_entry_safe(stand, next, &s->place_waiters, turn)
		if (has_its_share(stand) || (no_buffer && s->space.free))
			change_line(s, &s->place_waiters, stand);
	if (s->space.free || no_buffer || s->open || s->opening)
		return;
	list_for_each_entry_safe(stand, next, &s->buffer_waiters, turn)
		if (!has_its_share(stand))
			change_line(s, &s->buffer_waiters, stand);
}

void sd_waiters_feed(struct sd_store *s)
{
	u32 ready = sd_parts_ready(s);
	struct sd_job *job;

	if (!ready || !list_empty(&s->place_waiters))
		change_lines(s);
	while (s->awake < ready && (job = next_awake(s)))
		sd_job_redo(job);
	/* Their turn.  Not if there is nothing: then they would wake one another for ever. */
	if (ready && !s->awake && !sd_waiters_may_go(s))
		sd_image_writers_wake(s);
}

void sd_waiters_release(struct sd_store *s)
{
	struct sd_job *job;

	sd_image_writers_wake(s);
	while ((job = first_in(&s->place_waiters) ?: first_in(&s->buffer_waiters))) {
		wake(s, job, false);
		sd_job_redo(job);
	}
}

void sd_waiters_promise(struct sd_store *s, u32 parts, struct list_head *promised)
{
	struct sd_job *job, *next;
	u32 unheld = 0;

	while (s->awake < parts && (job = next_awake(s)))
		list_add_tail(&job->wait, promised);
	s->policy.free = s->space.free;
	list_for_each_entry_safe(job, next, &s->held_awake, held_link) {
		forget_held(job);
		unheld++;
	}
	if (unheld)
		sd_store_act(s, sd_policy_unheld(&s->policy, unheld, oldest_held(s)));
}

void sd_waiters_keep_promise(struct list_head *promised)
{
	struct sd_job *job, *next;

	list_for_each_entry_safe(job, next, promised, wait) {
		list_del_init(&job->wait);
		sd_job_redo(job);
	}
}

void sd_waiters_break_promise(struct sd_store *s, struct list_head *promised)
{
	struct sd_job *job, *next;

	list_for_each_entry_safe_reverse(job, next, promised, wait) {
		list_del_init(&job->wait);
		sd_waiter_asks(s, job);
		sd_wait_in_line(job, false);
	}
}

/* ---- going ------------------------------------------------------------- */

/* Takes the lock. */
void sd_waiter_leaves(struct sd_job *job)
{
	struct sd_store *s = job->origin->store;

	if (!smp_load_acquire(&job->held) && !job->woken)
		return;
	write_seqlock(&s->lock);
	sd_waiter_unheld(s, job);
	job->in_front = false;
	if (sd_waiter_asks(s, job))
		sd_waiters_feed(s);
	write_sequnlock(&s->lock);
}

/* ---- memory ------------------------------------------------------------ */

/* Those who found no memory ask again; the stall limit ends it. */
void sd_memory_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, memory_work.work);

	write_seqlock(&s->lock);
	sd_memory_back(s);
	write_sequnlock(&s->lock);
}

void sd_memory_short(struct sd_store *s)
{
	s->memory_short = true;
	if (!READ_ONCE(s->dying)) /* else all are released, and the store's end waits for no timer */
		queue_delayed_work(s->admin_wq, &s->memory_work, MEMORY_RETRY);
}

void sd_memory_back(struct sd_store *s)
{
	s->memory_short = false;
	sd_image_writers_wake(s);
	sd_waiters_feed(s);
}

/* Takes the lock. */
void sd_wait_for_memory(struct sd_job *job)
{
	struct sd_store *s = job->origin->store;

	write_seqlock(&s->lock);
	sd_waiter_asks(s, job);
	sd_wait_in_line(job, false);
	sd_memory_short(s);
	write_sequnlock(&s->lock);
}

/* ---- for the stall limit ----------------------------------------------- */

/*
 * Who is passed over waits for its own disk, as any other write to that does: an
 * end of its snapshots would not help it.
 */
static bool waits_since(const struct sd_stand *stand, unsigned long since)
{
	const struct sd_job *job;

	if (has_its_share(stand))
		return false;
	list_for_each_entry(job, &stand->jobs, wait)
		if (time_before_eq(starved_since(job), since))
			return true;
	return false;
}

unsigned long sd_starved_since(const struct sd_store *s)
{
	unsigned long since = jiffies;
	const struct sd_stand *stand;
	const struct sd_job *job;

	list_for_each_entry(stand, &s->buffer_waiters, turn) {
		if (has_its_share(stand))
			continue;
		list_for_each_entry(job, &stand->jobs, wait)
			if (time_before(starved_since(job), since))
				since = starved_since(job);
	}
	return time_after(s->buffer_freed, since) ? s->buffer_freed : since;
}

u32 sd_starved_origins(struct sd_store *s, unsigned long since, struct sd_origin **list, u32 max)
{
	struct sd_stand *stand;
	u32 n = 0;

	list_for_each_entry(stand, &s->buffer_waiters, turn) {
		if (n == max)
			break;
		if (!waits_since(stand, since))
			continue;
		list[n] = container_of(stand, struct sd_origin, for_buffer);
		sd_origin_get(list[n++]);
	}
	return n;
}
