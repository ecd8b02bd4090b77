// SPDX-License-Identifier: GPL-2.0-only
/*
 * cells.c - intervals of chunks that wait for one another in order of arrival.
 *
 * An entry counts the earlier ones that it waits for.  Whoever leaves takes
 * itself out of the counts of the later ones, and those whose count falls to
 * zero go on.  All arrows point from later to earlier, so no circle can form,
 * and nobody can be overtaken by an entry that it conflicts with.
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

void sd_cells_init(struct sd_cells *c)
{
	INIT_LIST_HEAD(&c->all);
	c->count = 0;
}

bool sd_cells_enter(struct sd_cells *c, struct sd_cell *e, enum sd_cell_kind kind, u64 first,
		    u64 last)
{
	struct sd_cell *other;

	e->kind = kind;
	e->first = first;
	e->last = last;
	e->blockers = 0;
	e->in = true;
	INIT_LIST_HEAD(&e->ready);
	if (kind != SD_CELL_READ)
		list_for_each_entry(other, &c->all, list)
			if (conflict(e, other))
				e->blockers++;
	list_add_tail(&e->list, &c->all);
	c->count++;
	return !e->blockers;
}

void sd_cells_leave(struct sd_cells *c, struct sd_cell *e, struct list_head *ready)
{
	struct sd_cell *other = e;

	if (WARN_ON(!e->in))
		return;
	if (e->kind != SD_CELL_DRAIN)
		list_for_each_entry_continue(other, &c->all, list)
			if (conflict(other, e) && !--other->blockers)
				list_add_tail(&other->ready, ready);
	list_del(&e->list);
	e->in = false;
	c->count--;
}
