/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cells.h - who may work on which chunks: locked chunks of COW jobs, and
 * tracked image reads.  One struct sd_cells each per origin.
 *
 * A cell entry is an interval of chunks.  It waits for the entries that came
 * before it, overlap it and are of a kind that it waits for; it never waits
 * for later ones, so there is no deadlock and no starvation, whatever the
 * intervals (this gives "cells in rising order" for a job that locks its whole
 * interval at once; protocol 16).
 *
 *   jobs:   all entries exclusive: each waits for all earlier overlapping ones.
 *   reads:  readers wait for nothing (enter, look up, leave when their read of
 *           the origin is over); a copy that has published waits, as an
 *           exclusive entry, for the readers that entered before it.
 *           An exclusive entry does not wait for other exclusive ones here.
 *
 * The caller serialises calls (in the module: a spinlock of the origin that
 * may be taken in interrupt context).  Nothing allocates: entries are embedded
 * in their owners.
 */
#ifndef SD_CORE_CELLS_H
#define SD_CORE_CELLS_H

#include "port.h"

enum sd_cell_kind {
	SD_CELL_JOB,	/* waits for earlier JOBs */
	SD_CELL_READ,	/* waits for nobody */
	SD_CELL_DRAIN,	/* waits for earlier READs */
};

struct sd_cell {
	struct list_head list;
	struct list_head ready;		/* for the list that sd_cells_leave() makes */
	u64 first, last;		/* chunks, both inside */
	u64 arrival;
	u32 blockers;
	enum sd_cell_kind kind;
	bool in;
};

#define SD_CELL_BUCKETS 256u

struct sd_cells {
	struct list_head bucket[SD_CELL_BUCKETS]; /* by region: entries that lie in one */
	struct list_head wide;		/* entries that lie in several */
	u64 arrivals;
	u32 count;
	u32 region_shift;
};

/* A region is 2^region_shift chunks: as many as most entries do not reach beyond. */
void sd_cells_init(struct sd_cells *c, u32 region_shift);

/* Enter. True: nothing to wait for, the caller goes on at once. */
bool sd_cells_enter(struct sd_cells *c, struct sd_cell *e, enum sd_cell_kind kind, u64 first,
		    u64 last);

/*
 * Leave, waiting or not.  Entries that wait for nothing any more are added to
 * @ready (by their member .ready) for the caller to continue.
 */
void sd_cells_leave(struct sd_cells *c, struct sd_cell *e, struct list_head *ready);

#endif /* SD_CORE_CELLS_H */
