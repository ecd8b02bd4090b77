// SPDX-License-Identifier: GPL-2.0-only
/*
 * cells.c - intervals of chunks that wait for one another in order of arrival.
 *
 * An entry counts the earlier ones that it waits for.  Whoever leaves takes
 * itself out of the counts of the later ones, and those whose count falls to
 * zero go on.  All arrows point from later to earlier, so no circle can form,
 * and nobody can be overtaken by an entry that it conflicts with.
 *
 * So that a hundred thousand waiting entries do not all look at one another,
 * those that lie in one region of chunks stand in a bucket of that region; the
 * others, few, in a list of their own.
 */
#include "cells.h"

/* Does an entry of kind @later wait for an earlier, overlapping one? */
static bool waits_for(enum sd_cell_kind later, enum sd_cell_kind earlier)
{
	switch (later) {
	case SD_CELL_JOB:
		return earlier == SD_CELL_JOB;
	case SD_CELL_DRAIN:
		return earlier == SD_CELL_READ;
	case SD_CELL_READ:
		break;
	}
	return false;
}

static bool conflict(const struct sd_cell *later, const struct sd_cell *earlier)
{
	return waits_for(later->kind, earlier->kind) && later->first <= earlier->last &&
	       earlier->first <= later->last;
}

static struct list_head *bucket_of(struct sd_cells *c, u64 region)
{
	return &c->bucket[region % SD_CELL_BUCKETS];
}

/*
 * The lists in which what overlaps @e may stand, one after the other; NULL: no
 * more.  Neighbouring regions have different buckets, so none comes twice.
 */
static struct list_head *nth_list(struct sd_cells *c, const struct sd_cell *e, u32 n)
{
	u64 first = e->first >> c->region_shift, last = e->last >> c->region_shift;

	if (!n)
		return &c->wide;
	if (n > SD_CELL_BUCKETS || n - 1 > last - first)
		return NULL;
	return bucket_of(c, first + n - 1);
}

static struct list_head *own_list(struct sd_cells *c, const struct sd_cell *e)
{
	u64 first = e->first >> c->region_shift, last = e->last >> c->region_shift;

	return first == last ? bucket_of(c, first) : &c->wide;
}

void sd_cells_init(struct sd_cells *c, u32 region_shift)
{
	u32 i;

	for (i = 0; i < SD_CELL_BUCKETS; i++)
		INIT_LIST_HEAD(&c->bucket[i]);
	INIT_LIST_HEAD(&c->wide);
	c->arrivals = 0;
	c->count = 0;
	c->region_shift = region_shift;
}

bool sd_cells_enter(struct sd_cells *c, struct sd_cell *e, enum sd_cell_kind kind, u64 first,
		    u64 last)
{
	struct list_head *list;
	struct sd_cell *other;
	u32 n;

	e->kind = kind;
	e->first = first;
	e->last = last;
	e->arrival = c->arrivals++;
	e->blockers = 0;
	e->in = true;
	INIT_LIST_HEAD(&e->ready);
	for (n = 0; kind != SD_CELL_READ && (list = nth_list(c, e, n)); n++)
		list_for_each_entry(other, list, list)
			if (conflict(e, other))
				e->blockers++;
	list_add_tail(&e->list, own_list(c, e));
	c->count++;
	return !e->blockers;
}

void sd_cells_leave(struct sd_cells *c, struct sd_cell *e, struct list_head *ready)
{
	struct list_head *list;
	struct sd_cell *other;
	u32 n;

	if (WARN_ON(!e->in))
		return;
	for (n = 0; e->kind != SD_CELL_DRAIN && (list = nth_list(c, e, n)); n++)
		list_for_each_entry(other, list, list)
			if (other->arrival > e->arrival && conflict(other, e) && !--other->blockers)
				list_add_tail(&other->ready, ready);
	list_del(&e->list);
	e->in = false;
	c->count--;
}
