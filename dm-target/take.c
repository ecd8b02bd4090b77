// SPDX-License-Identifier: GPL-2.0-only
/*
 * take.c - a snapshot of N origins at one instant.
 *
 *	1. everything that can fail: names, memory, room in the maps;
 *	2. all gates to atomic mode, still open (the slow part);
 *	3. gates closed, upper origins before lower ones, and drained: a write to
 *	   an upper origin is over only when its write to the lower one is;
 *	4. with nothing in flight anywhere: the new layer on all origins;
 *	5. gates opened, lower ones first.
 *
 * Copies may be under way meanwhile: they are outside the gates, and publish
 * under the lock that step 4 takes.  If 3 exceeds the time limit or an origin
 * went away before 4, the gates open again and nothing has happened.
 */
#include "snapdiff.h"

struct take {
	struct sd_store *store;
	struct sd_snapshot *snap;
	void **spare;		/* room for the maps' list of live snapshots */
	u32 *level;		/* 0: no origin of this take lies above */
	u32 levels;
};

/* ---- what can fail ----------------------------------------------------- */

static struct sd_snapshot *snapshot_create(struct sd_store *s, const char *name, u32 room)
{
	struct sd_snapshot *snap = kvzalloc(struct_size(snap, of, room), GFP_KERNEL);

	if (!snap)
		return NULL;
	kref_init(&snap->ref);
	INIT_LIST_HEAD(&snap->link);
	sd_store_get(s);
	snap->store = s;
	strscpy(snap->name, name, sizeof(snap->name));
	return snap;
}

static int add_origin(struct sd_snapshot *snap, struct sd_origin *o, const char **why)
{
	enum sd_watch watch = sd_origin_watch(o);

	*why = "an origin of the take is detached";
	if (watch == SD_DETACHED)
		return -EBUSY;
	*why = "an origin of the take is suspended";
	if (watch == SD_UNWATCHED)
		return -EBUSY;
	sd_origin_get(o);
	snap->of[snap->count++].origin = o;
	return 0;
}

/*
 * "*": all that are attached.  A suspended one makes the take fail like a named
 * one: leaving it out would miss a volume silently.  Under sd_registry.
 */
static int add_all(struct sd_snapshot *snap, const char **why)
{
	struct sd_origin *o;
	int r;

	list_for_each_entry(o, &snap->store->origins, link) {
		if (!o->active || o->detached)
			continue;
		r = add_origin(snap, o, why);
		if (r)
			return r;
	}
	*why = "no origin is attached";
	return snap->count ? 0 : -ENOENT;
}

static int add_named(struct sd_snapshot *snap, const struct sd_message *m, const char **why)
{
	struct sd_origin *o;
	u32 i;
	int r;

	for (i = 0; i < m->origins; i++) {
		o = sd_origin_find(snap->store, m->origin_argv[i]);
		if (!o) {
			*why = "no origin of a name in the take is attached";
			return -ENOENT;
		}
		r = add_origin(snap, o, why);
		if (r)
			return r;
	}
	return 0;
}

static u32 count_origins(struct sd_store *s)
{
	struct sd_origin *o;
	u32 n = 0;

	list_for_each_entry(o, &s->origins, link)
		n++;
	return n;
}

static int choose_origins(struct take *t, const struct sd_message *m, const char **why)
{
	struct sd_store *s = t->store;
	unsigned int noio = sd_registry_lock_noio();
	int r;

	*why = "no memory for the snapshot";
	r = -ENOMEM;
	t->snap = snapshot_create(s, m->name, m->all ? count_origins(s) : m->origins);
	if (t->snap)
		r = m->all ? add_all(t->snap, why) : add_named(t->snap, m, why);
	sd_registry_unlock_noio(noio);
	return r;
}

/* Levels of stacking among the origins of this take, as far as the kernel sees. */
static int find_levels(struct take *t, const char **why)
{
	struct sd_snapshot *snap = t->snap;
	u32 i, j, pass;
	bool changed = true;

	for (pass = 0; changed; pass++) {
		*why = "origins of the take lie on one another in a circle";
		if (pass > snap->count)
			return -EINVAL;
		changed = false;
		for (i = 0; i < snap->count; i++)
			for (j = 0; j < snap->count; j++)
				if (snap->of[i].origin->under == snap->of[j].origin->devt &&
				    t->level[j] <= t->level[i]) {
					t->level[j] = t->level[i] + 1;
					t->levels = max(t->levels, t->level[j]);
					changed = true;
				}
		cond_resched();
	}
	return 0;
}

static int make_room(struct take *t, const char **why)
{
	u32 i, n = t->snap->count;

	*why = "no memory for the snapshot";
	t->spare = kvcalloc(n, sizeof(*t->spare), GFP_KERNEL);
	t->level = kvcalloc(n, sizeof(*t->level), GFP_KERNEL);
	if (!t->spare || !t->level)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		if (sd_map_grow(t->snap->of[i].origin->map, &t->spare[i]))
			return -ENOMEM;
	return find_levels(t, why);
}

static int check_store(struct sd_store *s, const char *name, const char **why)
{
	bool exists, full;

	mutex_lock(&s->snap_mutex);
	exists = sd_snapshot_find(s, name) != NULL;
	mutex_unlock(&s->snap_mutex);
	*why = "the store has a snapshot of this name";
	if (exists)
		return -EEXIST;
	read_seqlock_excl(&s->lock);
	full = s->policy.mode != SD_MODE_ACTIVE;
	read_sequnlock_excl(&s->lock);
	*why = "the store is full: extend it first";
	return full ? -ENOSPC : 0;
}

/* ---- the instant ------------------------------------------------------- */

/*
 * Close and drain.  By level: all gates of one level at once.  Or one by one in
 * the order of the message, for stacks that only user space can see.  Returns
 * how many gates, in closing order, are closed; *drained: all are empty.
 */
static bool close_gates(struct take *t, bool one_by_one, unsigned long deadline)
{
	struct sd_snapshot *snap = t->snap;
	u32 i, step, steps = one_by_one ? snap->count : t->levels + 1;

	for (step = 0; step < steps; step++) {
		for (i = 0; i < snap->count; i++)
			if ((one_by_one ? i : t->level[i]) == step)
				sd_gate_close(snap->of[i].origin);
		for (i = 0; i < snap->count; i++)
			if ((one_by_one ? i : t->level[i]) == step &&
			    !sd_gate_drain(snap->of[i].origin, deadline))
				return false;
	}
	return true;
}

/* Lower origins first: what an upper one lets go must find its way open. */
static void open_gates(struct take *t, bool one_by_one)
{
	struct sd_snapshot *snap = t->snap;
	u32 i, step = one_by_one ? snap->count : t->levels + 1;

	while (step--)
		for (i = 0; i < snap->count; i++)
			if ((one_by_one ? i : t->level[i]) == step &&
			    snap->of[i].origin->gate_closed)
				sd_gate_open(snap->of[i].origin);
}

/* The new layer on all origins, or on none. All gates are closed and empty. */
static int open_layer(struct take *t, const char **why)
{
	struct sd_store *s = t->store;
	struct sd_snapshot *snap = t->snap;
	bool watched = true;
	u32 i, done;

	mutex_lock(&s->snap_mutex);
	snap->layer = s->last_layer + 1;
	for (done = 0; done < snap->count && watched; done++) {
		struct sd_origin *o = snap->of[done].origin;

		spin_lock(&o->map_lock);
		watched = sd_origin_watch(o) == SD_WATCHED && !o->gone;
		if (watched) {
			snap->of[done].size = o->size;
			sd_map_take(o->map, snap->layer, &t->spare[done]);
		}
		spin_unlock(&o->map_lock);
	}
	s->last_layer++; /* used up also if the take fails */
	if (watched) {
		snap->time_s = ktime_get_real_seconds();
		list_add_tail(&snap->link, &s->snapshots);
		s->nr_snapshots++;
		kref_get(&snap->ref); /* the list's */
		mutex_unlock(&s->snap_mutex);
		return 0;
	}
	for (i = 0; i + 1 < done; i++) {
		struct sd_origin *o = snap->of[i].origin;

		spin_lock(&o->map_lock);
		sd_map_end(o->map, snap->layer);
		spin_unlock(&o->map_lock);
	}
	mutex_unlock(&s->snap_mutex);
	*why = "an origin of the take was suspended or went away meanwhile";
	return -EBUSY;
}

static int at_one_instant(struct take *t, u32 timeout_ms, const char **why)
{
	struct sd_snapshot *snap = t->snap;
	unsigned long now, limit = msecs_to_jiffies(timeout_ms);
	bool one_by_one = false, drained;
	int r = -ETIMEDOUT;
	u32 i;

	for (i = 0; i < snap->count; i++)
		sd_gate_prepare(snap->of[i].origin);
	for (i = 0; i < snap->count; i++)
		sd_gate_prepared(snap->of[i].origin);

	now = jiffies;
	*why = "writes in flight did not complete within the time limit";
	drained = close_gates(t, false, now + limit / (snap->count > 1 ? 2 : 1));
	if (!drained && snap->count > 1) {
		open_gates(t, false);
		one_by_one = true;
		drained = close_gates(t, true, now + limit);
	}
	if (drained)
		r = open_layer(t, why);
	open_gates(t, one_by_one);
	for (i = 0; i < snap->count; i++)
		sd_gate_unprepare(snap->of[i].origin);
	return r;
}

int sd_take(struct sd_store *s, const struct sd_message *m, const char **why)
{
	struct take t = { .store = s };
	u32 i;
	int r;

	lockdep_assert_held(&s->take_mutex);
	r = check_store(s, m->name, why);
	if (r)
		return r;
	r = choose_origins(&t, m, why);
	if (!r)
		r = make_room(&t, why);
	if (!r)
		r = at_one_instant(&t, m->timeout_ms, why);
	if (!r)
		sd_store_note(s);
	for (i = 0; t.spare && i < t.snap->count; i++)
		sd_free(t.spare[i]);
	kvfree(t.spare);
	kvfree(t.level);
	if (t.snap)
		sd_snapshot_put(t.snap);
	return r;
}
