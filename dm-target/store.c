// SPDX-License-Identifier: GPL-2.0-only
/*
 * store.c - life of a store: from the first table that names it to the
 * destructor of the last, its events, and what policy decisions set going.
 */
#include "segment.h"

/* ---- references -------------------------------------------------------- */

struct sd_store *sd_store_of(dev_t devt)
{
	struct sd_store *s;

	lockdep_assert_held(&sd_registry);
	list_for_each_entry(s, &sd_stores, link)
		if (s->devt == devt)
			return s;
	return NULL;
}

static void store_free(struct kref *ref)
{
	struct sd_store *s = container_of(ref, struct sd_store, ref);
	u32 i;

	if (s->ask_wq)
		destroy_workqueue(s->ask_wq);
	if (s->write_wq)
		destroy_workqueue(s->write_wq);
	if (s->written_wq)
		destroy_workqueue(s->written_wq);
	if (s->admin_wq)
		destroy_workqueue(s->admin_wq);
	if (s->shrink_wq)
		destroy_workqueue(s->shrink_wq);
	bioset_exit(&s->bios);
	bioset_exit(&s->image_bios);
	sd_spare_exit(s);
	sd_space_exit(&s->space);
	for (i = 0; i < ARRAY_SIZE(s->devs); i++)
		kfree(s->devs[i]);
	kvfree(s);
	if (atomic_dec_and_test(&sd_store_count))
		wake_up(&sd_no_store);
}

void sd_store_get(struct sd_store *s)
{
	kref_get(&s->ref);
}

/*
 * The last reference may go away in a work of the store itself, which cannot
 * destroy its own queue: so the memory goes by way of a system work.
 */
static void store_free_work(struct work_struct *work)
{
	store_free(&container_of(work, struct sd_store, free_work)->ref);
}

static void store_release(struct kref *ref)
{
	struct sd_store *s = container_of(ref, struct sd_store, ref);

	INIT_WORK(&s->free_work, store_free_work);
	queue_work(sd_free_wq, &s->free_work);
}

void sd_store_put(struct sd_store *s)
{
	kref_put(&s->ref, store_release);
}

/* ---- events ------------------------------------------------------------ */

/*
 * A device-mapper event of the live table.  The mutex binds it to that table:
 * .postsuspend takes it away first (protocol 22).  Without a live table the
 * event is made up for in .resume.
 */
static void event_work(struct work_struct *work)
{
	struct sd_store *s = container_of(work, struct sd_store, event_work);

	mutex_lock(&s->event_mutex);
	if (s->active)
		dm_table_event(s->active->ti->table);
	else
		s->event_missed = true;
	mutex_unlock(&s->event_mutex);
}

void sd_store_run_by(struct sd_store *s, struct delayed_work *work, unsigned long due)
{
	unsigned long now = jiffies;

	/* pending without a timer: it is about to run */
	if (delayed_work_pending(work) &&
	    (!timer_pending(&work->timer) || time_before_eq(work->timer.expires, due)))
		return;
	mod_delayed_work(s->admin_wq, work, time_after(due, now) ? due - now : 0);
}

void sd_store_act(struct sd_store *s, unsigned int flags)
{
	u64 now;

	if (flags & SD_POLICY_EVENT) {
		queue_work(s->admin_wq, &s->event_work);
		sd_image_writers_wake(s); /* the level may be another now */
	}
	if (flags & SD_POLICY_RELEASE) {
		/* without a place: the writers' chunks may be safe now */
		if (s->space.free)
			sd_waiters_feed(s);
		else
			sd_waiters_release(s);
	}
	if (flags & SD_POLICY_ARM) {
		now = sd_now_ms();
		mod_delayed_work(s->admin_wq, &s->hold_work,
				 s->policy.hold_end > now ?
					 msecs_to_jiffies(s->policy.hold_end - now) + 1 : 0);
	}
	if (flags & SD_POLICY_DROP)
		mod_delayed_work(s->admin_wq, &s->drop_work, 0);
}

void sd_store_note(struct sd_store *s)
{
	write_seqlock(&s->lock);
	sd_store_act(s, sd_policy_note(&s->policy));
	write_sequnlock(&s->lock);
}

void sd_store_space_changed(struct sd_store *s, bool extended)
{
	write_seqlock(&s->lock);
	sd_store_act(s, sd_policy_space(&s->policy, s->space.free, extended));
	write_sequnlock(&s->lock);
}

/* ---- making ------------------------------------------------------------ */

static int make_queues(struct sd_store *s)
{
	/*
	 * Separate queues, each with its rescuer: letting writers go, writing segments, what
	 * follows when they are written, administration and evacuation must
	 * not wait for one another, and nobody for them (protocol 15).
	 * Origins and images have queues of their own.
	 */
	s->ask_wq = alloc_workqueue("snapdiff-ask", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	s->write_wq = alloc_workqueue("snapdiff-write", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	s->written_wq = alloc_workqueue("snapdiff-written", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	s->admin_wq = alloc_workqueue("snapdiff-admin", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	s->shrink_wq = alloc_workqueue("snapdiff-shrink", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return s->ask_wq && s->write_wq && s->written_wq && s->admin_wq && s->shrink_wq ? 0 :
											-ENOMEM;
}

static void init_fields(struct sd_store *s, dev_t devt, u32 chunk)
{
	INIT_LIST_HEAD(&s->link);
	kref_init(&s->ref);
	s->devt = devt;
	s->chunk = chunk;
	s->chunk_shift = ilog2(chunk);
	s->chunk_pages = chunk >> (PAGE_SHIFT - SECTOR_SHIFT);
	mutex_init(&s->take_mutex);
	mutex_init(&s->extend_mutex);
	mutex_init(&s->snap_mutex);
	mutex_init(&s->event_mutex);
	INIT_LIST_HEAD(&s->instances);
	INIT_LIST_HEAD(&s->origins);
	INIT_LIST_HEAD(&s->snapshots);
	INIT_LIST_HEAD(&s->overlays);
	seqlock_init(&s->lock);
	sd_space_init(&s->space, chunk);
	sd_policy_init(&s->policy);
	INIT_LIST_HEAD(&s->segments);
	INIT_LIST_HEAD(&s->held);
	INIT_LIST_HEAD(&s->held_awake);
	INIT_LIST_HEAD(&s->place_waiters);
	INIT_LIST_HEAD(&s->buffer_waiters);
	INIT_LIST_HEAD(&s->image_writers);
	INIT_WORK(&s->event_work, event_work);
	INIT_DELAYED_WORK(&s->drop_work, sd_drop_work);
	INIT_DELAYED_WORK(&s->hold_work, sd_hold_work);
	INIT_DELAYED_WORK(&s->age_work, sd_segment_age);
	INIT_DELAYED_WORK(&s->split_work, sd_split_work);
	INIT_DELAYED_WORK(&s->stall_work, sd_stall_work);
	INIT_DELAYED_WORK(&s->memory_work, sd_memory_work);
	INIT_DELAYED_WORK(&s->image_work, sd_image_work);
	INIT_DELAYED_WORK(&s->shrink_work, sd_shrink_work);
	init_waitqueue_head(&s->idle);
	s->buffer_freed = jiffies;
	strscpy(s->why, "-", sizeof(s->why));
}

static struct sd_store *store_create(dev_t devt, u32 chunk)
{
	struct sd_store *s = kvzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	atomic_inc(&sd_store_count);
	init_fields(s, devt, chunk);
	if (make_queues(s) || sd_spare_init(s) ||
	    bioset_init(&s->bios, 16, 0, BIOSET_NEED_BVECS) ||
	    bioset_init(&s->image_bios, 16, 0, BIOSET_NEED_BVECS)) {
		store_free(&s->ref);
		return NULL;
	}
	return s;
}

static void apply_options(struct sd_store *s, const struct sd_store_options *opt)
{
	write_seqlock(&s->lock);
	s->policy.drop_all = opt->drop_all;
	s->buffer = opt->buffer;
	s->stall_ms = opt->stall_ms;
	sd_stall_changed(s);
	sd_waiters_feed(s); /* for a larger buffer */
	WRITE_ONCE(s->discard_copy, opt->discard_copy);
	sd_store_act(s, sd_policy_set_hold(&s->policy, opt->hold_ms, sd_now_ms()));
	sd_store_act(s, sd_policy_set_low_water(&s->policy, opt->low_water, s->space.free));
	write_sequnlock(&s->lock);
}

void sd_store_options(struct sd_store *s, struct sd_store_options *opt)
{
	read_seqlock_excl(&s->lock);
	opt->chunk = s->chunk;
	opt->low_water = s->policy.low_water;
	opt->hold_ms = s->policy.hold_ms;
	opt->stall_ms = s->stall_ms;
	opt->buffer = s->buffer;
	opt->drop_all = s->policy.drop_all;
	opt->discard_copy = s->discard_copy;
	read_sequnlock_excl(&s->lock);
}

static int parse_table_range(const struct sd_store_table *t, u32 i, struct sd_range_words *w,
			     const char **why)
{
	return sd_parse_range(4, t->range_argv + 4 * i, w, why);
}

/* A new store: every range of its table is opened and given to it. */
static int fill_new(struct sd_store_target *st, const struct sd_store_table *t, const char **why)
{
	struct sd_range_words w;
	u32 i;
	int r;

	for (i = 0; i < t->ranges; i++) {
		r = parse_table_range(t, i, &w, why);
		if (!r)
			r = sd_range_add(st, &w, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * A reload: the store's own list decides.  A range that is only in the table
 * is refused, because it would look given and not be; ranges that were given
 * since the table was written are kept (protocol 7).
 */
static int check_reload(struct sd_store_target *st, const struct sd_store_table *t,
			const char **why)
{
	struct sd_store *s = st->store;
	struct sd_range_words w;
	u32 i;
	int r;

	*why = "the running store has another chunk size";
	if (t->opt.chunk != s->chunk)
		return -EINVAL;
	for (i = 0; i < t->ranges; i++) {
		r = parse_table_range(t, i, &w, why);
		if (!r && !sd_range_known(st, &w)) {
			*why = "the running store does not have a range of this table: use the message extend";
			r = -EINVAL;
		}
		if (r)
			return r;
	}
	return sd_ranges_hold(st, why);
}

/* The running store of a device, with a reference; NULL: none, or error. */
static struct sd_store *find_running(dev_t devt, const char **why)
{
	struct sd_store *s;

	mutex_lock(&sd_registry);
	s = sd_store_of(devt);
	if (s && s->dying) {
		*why = "the store of this device is just ending: try again";
		s = ERR_PTR(-EBUSY);
	} else if (s) {
		sd_store_get(s);
	}
	mutex_unlock(&sd_registry);
	return s;
}

/* The table is listed from now on, and the store does not end without it. Under extend_mutex. */
static int list_instance(struct sd_store_target *st, struct sd_store *s, bool fresh,
			 const char **why)
{
	int r = 0;

	mutex_lock(&sd_registry);
	if (fresh && sd_is_range_device(s->devt)) {
		*why = "the device is a range of a store";
		r = -EBUSY;
	} else if (s->dying) {
		*why = "the store of this device is just ending: try again";
		r = -EBUSY;
	} else {
		if (fresh)
			list_add(&s->link, &sd_stores); /* so that its own ranges are compared */
		list_add_tail(&st->link, &s->instances);
		st->store = s;
	}
	mutex_unlock(&sd_registry);
	return r;
}

/*
 * Device-mapper makes one table of a device at a time, so no other constructor
 * makes the same store; but another table of it may go at any moment.
 */
int sd_store_attach(struct sd_store_target *st, const struct sd_store_table *t, const char **why)
{
	dev_t devt = disk_devt(dm_disk(dm_table_get_md(st->ti->table)));
	struct sd_store *s;
	bool fresh;
	int r;

	st->opt = t->opt;
	s = find_running(devt, why);
	if (IS_ERR(s))
		return PTR_ERR(s);
	fresh = !s;
	if (fresh) {
		*why = "the chunk size is smaller than a page of this machine";
		if (t->opt.chunk < PAGE_SIZE >> SECTOR_SHIFT)
			return -EINVAL;
		*why = "no memory for the store";
		s = store_create(devt, t->opt.chunk);
		if (!s)
			return -ENOMEM;
	}
	mutex_lock(&s->extend_mutex);
	r = list_instance(st, s, fresh, why);
	if (!r)
		r = fresh ? fill_new(st, t, why) : check_reload(st, t, why);
	mutex_unlock(&s->extend_mutex);
	if (!r && fresh)
		apply_options(s, &t->opt);
	if (r && st->store)
		sd_store_detach(st); /* it may be the last one */
	else if (r)
		sd_store_put(s);
	return r;
}

/* ---- resume, suspend, end ---------------------------------------------- */

void sd_store_resume(struct sd_store_target *st)
{
	struct sd_store *s = st->store;

	if (!st->resumed)
		apply_options(s, &st->opt);
	st->resumed = true;
	mutex_lock(&s->event_mutex);
	s->active = st;
	s->live = true;
	s->event_missed = false;
	mutex_unlock(&s->event_mutex);
	sd_store_note(s); /* whoever listens looks at the levels anew */
}

void sd_store_postsuspend(struct sd_store_target *st)
{
	struct sd_store *s = st->store;

	mutex_lock(&s->event_mutex);
	if (s->active == st)
		s->active = NULL;
	mutex_unlock(&s->event_mutex);
}

static bool is_idle(struct sd_store *s)
{
	bool idle;

	/*
	 * Reads are counted under this lock, writes in place before a barrier, and
	 * both ask then whether their snapshot lives.
	 */
	smp_mb();
	read_seqlock_excl(&s->lock);
	idle = list_empty(&s->segments) && !s->opening && !sd_waiters(s) && sd_ranges_unread(s) &&
	       !atomic_read(&s->place_writes);
	read_sequnlock_excl(&s->lock);
	return idle;
}

/*
 * No table shows the store any more.  Origins may still be there (dmsetup
 * remove --force put another table in place): they go on without it.  Ends all
 * snapshots, which releases all writers, then waits until nothing of ours is
 * under way on the ranges.
 */
static void store_end(struct sd_store *s)
{
	write_seqlock(&s->lock);
	sd_store_act(s, sd_policy_dying(&s->policy));
	write_sequnlock(&s->lock);

	mutex_lock(&s->take_mutex); /* a take under way ends, the next sees dying */
	sd_store_end_all(s, SD_CAUSE_STORE_GONE);
	mutex_unlock(&s->take_mutex);

	cancel_delayed_work_sync(&s->shrink_work); /* it sees dying; nobody sets it going again */
	sd_evac_end(s);
	while (!wait_event_timeout(s->idle, is_idle(s), HZ / 10)) {
		write_seqlock(&s->lock);
		sd_segment_seal_open(s);
		sd_waiters_release(s);
		write_sequnlock(&s->lock);
	}
	cancel_delayed_work_sync(&s->hold_work);
	cancel_delayed_work_sync(&s->age_work);
	cancel_delayed_work_sync(&s->split_work);
	cancel_delayed_work_sync(&s->stall_work);
	cancel_delayed_work_sync(&s->memory_work);
	cancel_delayed_work_sync(&s->image_work);
	cancel_delayed_work_sync(&s->drop_work);
	cancel_work_sync(&s->event_work);
	flush_workqueue(s->write_wq);
	flush_workqueue(s->written_wq);
	flush_workqueue(s->admin_wq);
	sd_snapshots_forget(s);
}

void sd_store_unlink_ended(struct sd_store *s)
{
	lockdep_assert_held(&sd_registry);
	if (!s->ended || !list_empty(&s->origins))
		return;
	list_del_init(&s->link);
	s->ended = false;
}

void sd_store_detach(struct sd_store_target *st)
{
	struct sd_store *s = st->store;
	bool last;

	sd_store_postsuspend(st);
	mutex_lock(&s->extend_mutex); /* an extend opens devices for all tables */
	mutex_lock(&sd_registry);
	list_del_init(&st->link);
	last = list_empty(&s->instances);
	if (last)
		WRITE_ONCE(s->dying, true); /* nobody attaches any more */
	mutex_unlock(&sd_registry);
	mutex_unlock(&s->extend_mutex);
	wait_event(s->idle, !READ_ONCE(st->releasing)); /* a range's device, through us */
	if (last) {
		store_end(s);
		mutex_lock(&sd_registry);
		list_move(&s->link, &sd_ended_stores);
		s->ended = true;
		sd_store_unlink_ended(s);
		mutex_unlock(&sd_registry);
	}
	sd_ranges_release(st);
	sd_store_put(s);
}
