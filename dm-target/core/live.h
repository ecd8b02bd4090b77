/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * live.h - the live snapshots of one origin, and who reads which records.
 *
 * Used by map.c only.  A record's readers are the live snapshots in (layer of
 * the chunk's record before it, its own layer].  As the live snapshots are
 * sorted, readers are a stretch of neighbours [oldest, newest], and a table
 * with one tally for each such pair says how many records have exactly these
 * readers (protocol 27).  When a snapshot ends, its row moves to the next live
 * one and its column to the one before; [s][s] is left without a reader.
 *
 * Rows and columns belong to slots that a snapshot keeps all its life, so that
 * an end moves two lines of the table and not all of it.
 *
 * Calls are serialised by the map's lock, except where said otherwise.  Only
 * sd_live_alloc() sleeps.  A NULL list is an empty one.
 */
#ifndef SD_CORE_LIVE_H
#define SD_CORE_LIVE_H

#include "port.h"

/* Records with the same readers. */
struct sd_tally {
	u64 records;
	u64 bad;	/* of these: without a place */
	u64 safe;	/* of these: the chunk's copy is over */
};

struct sd_live_snapshot {
	u32 number;
	u32 slot;	/* its row and column of the table */
};

/* One piece of memory.  Behind the live snapshots stand the free slots. */
struct sd_live {
	u32 room, count;
	struct sd_tally *table;		/* room * room */
	struct sd_live_snapshot snap[];
};

/* NULL: no memory. May sleep; for sd_free(). */
struct sd_live *sd_live_alloc(u32 room);
size_t sd_live_bytes(u32 room);

/* Copy everything to @to, which has more room. */
void sd_live_copy(struct sd_live *to, const struct sd_live *from);

/* The next snapshot; there must be room. */
void sd_live_take(struct sd_live *live, u32 s);

/*
 * The end of the snapshot at place @k of the list; returns how many records
 * have lost their last reader.
 */
u64 sd_live_end(struct sd_live *live, u32 k);

/* How many live snapshots are not newer than @layer. */
u32 sd_live_upto(const struct sd_live *live, u32 layer);

#define SD_LIVE_NONE (~0U)
/* Where snapshot @s stands in the list, or SD_LIVE_NONE. */
u32 sd_live_find(const struct sd_live *live, u32 s);

/* Number of the newest; 0: none. */
u32 sd_live_newest(const struct sd_live *live);

/*
 * The tally of a record of @layer behind one of layer @before; NULL: it has no
 * readers.  *newest: the newest live snapshot is one of them.
 */
struct sd_tally *sd_live_readers(const struct sd_live *live, u32 before, u32 layer, bool *newest);

/* Records that the newest reads and that are safe: as many as safe chunks. */
u64 sd_live_safe(const struct sd_live *live);

/* Records with a place that only snapshot @s reads; of whose readers it is the newest. */
u64 sd_live_own(const struct sd_live *live, u32 s);
u64 sd_live_own_with_older(const struct sd_live *live, u32 s);

#endif /* SD_CORE_LIVE_H */
