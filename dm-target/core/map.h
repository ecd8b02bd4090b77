/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map.h - the chunk map of one origin: which chunks are safe, and where the
 * old data of the copied ones is, for every layer.
 *
 * Layers.  Takes number rising from 1; the snapshot that take n made is
 * snapshot n, and exceptions made after it and before the next take belong to
 * layer n.  Exceptions carry their layer's number and never move (protocol 5).
 * Snapshot s shows for a chunk the exception with the lowest layer number not
 * below s, else the origin.  A chunk is safe when no snapshot is live or when
 * it has an exception whose layer is not below the newest live snapshot and
 * step 5 of the COW is over (sd_map_mark_safe() was called for it), or when it
 * did not exist yet at the last take.
 *
 * Which live snapshots need an exception of layer n, whose predecessor on the
 * same chunk has layer m (0: none)?  Those in (m, n].  They are neighbours in
 * the sorted list of live snapshots, so a table of counts [oldest][newest]
 * of them tells, without scanning, what each deletion would free (protocol 27).
 *
 * Locking.  The caller serialises all calls with one lock per map (in the
 * module: the origin's map lock, taken in process context only), except
 * sd_map_all_safe() and sd_map_safe_run(), which may run at any time without
 * it, inside the gate: a take, the only thing that makes chunks unsafe again,
 * cannot happen while one is in the gate.  Nothing here sleeps except
 * sd_map_create(), sd_map_destroy(), sd_map_grow() and sd_map_alloc().
 *
 * Memory: 8 bytes per 32768 chunks of origin, the rest follows the copies.
 */
#ifndef SD_CORE_MAP_H
#define SD_CORE_MAP_H

#include "port.h"
#include "space.h"

struct sd_map;

/* NULL: no memory. @chunks >= 1, the last one may be short. May sleep. */
struct sd_map *sd_map_create(u64 chunks);
void sd_map_destroy(struct sd_map *m);
u64 sd_map_memory(const struct sd_map *m);	/* bytes; may be read without the lock */

/*
 * The origin grows to @chunks. sd_map_top_alloc() makes what sd_map_widen()
 * wants (may sleep; NULL: no memory); that cannot fail, wants the lock and
 * nobody in the gate, and returns what is to be freed with sd_free().  No
 * snapshot that was taken before shows the new chunks: they are safe until the
 * next take.
 */
void *sd_map_top_alloc(u64 chunks);
void *sd_map_widen(struct sd_map *m, u64 chunks, void *top);

/*
 * sd_map_all_safe(): are all chunks of [first, last] safe?  May say no for a
 * chunk that is (the locked look-up decides), never yes for one that is not.
 * sd_map_safe_run(): length of the run of safe chunks that begins at @first,
 * at most last - first + 1; 0 if @first is not safe.
 */
bool sd_map_all_safe(const struct sd_map *m, u64 first, u64 last);
u64 sd_map_safe_run(const struct sd_map *m, u64 first, u64 last);

/*
 * The locked look-up of a COW job: the first run of chunks in [first, last]
 * that are not safe.  Returns its length (at most @max), 0 if all are safe;
 * *start is where it begins.  Also sets the quick bits of those that turn out
 * to be safe, provided @exclusive: the caller has locked all these chunks'
 * cells, so none of them is between publish and safe.
 */
u32 sd_map_unsafe_run(struct sd_map *m, u64 first, u64 last, u32 max, bool exclusive, u64 *start);

/*
 * Room for publishing, taken before the copy so that publishing cannot fail.
 * sd_map_reserve() reserves room for @count exceptions on chunks from @first.
 * Returns 0 when reserved; else a number of bytes: get them with
 * sd_map_alloc() outside the lock, pass them in *spare, call again; what is
 * left in *spare at the end goes to sd_free().  Reservations are used up by
 * sd_map_publish() and given back by sd_map_unreserve().  When it returns
 * bytes, *spare is NULL: what was in it is used or kept for sd_map_retired().
 */
size_t sd_map_reserve(struct sd_map *m, u64 first, u32 count, void **spare);
void sd_map_unreserve(struct sd_map *m, u64 first, u32 count);
void *sd_map_alloc(size_t bytes);		/* may sleep; NULL: no memory */

/*
 * Memory that the map needs no more (replaced or emptied arrays): NULL or one
 * piece for sd_free() outside the lock.  Call it until NULL after reaping.
 */
void *sd_map_retired(struct sd_map *m);

/*
 * The exception of one reserved chunk in the current layer; @place may be
 * SD_PLACE_BAD.  Always uses up the reservation.  Returns false if no live
 * snapshot needs it: none is live, or the chunk has an exception in the layer
 * of the newest live one or a later one (the place is the caller's still).
 */
bool sd_map_publish(struct sd_map *m, u64 chunk, sd_place_t place);

/* Step 6: chunks that were published, or found published, become safe. */
void sd_map_mark_safe(struct sd_map *m, u64 first, u32 count);

/*
 * What snapshot @s shows at @chunk: true and its place (or SD_PLACE_BAD), or
 * false: the origin.  *run: how many neighbouring chunks, at most @max, lie
 * the same way: all at the origin, or in neighbouring places, or all bad.
 */
bool sd_map_lookup(const struct sd_map *m, u32 s, u64 chunk, u32 max, sd_place_t *place, u32 *run);

/* The data of an exception went elsewhere: change the place if it still is @from. */
bool sd_map_replace(struct sd_map *m, u64 chunk, u32 layer, sd_place_t from, sd_place_t to);

/*
 * Exceptions whose places lie in range @slot, for shrinking it (map_move.c): a
 * bounded step of about @budget records looked at, at most @max found.  Those
 * that no live snapshot needs and bad ones are left out.  True: the walk is over.
 */
struct sd_map_cursor {
	u64 chunk;	/* both 0 to begin */
	u32 layer;
};

struct sd_moving {
	u64 chunk;
	sd_place_t place;
	u32 layer;
};

bool sd_map_in_range(const struct sd_map *m, struct sd_map_cursor *c, u32 slot, u32 budget,
		     struct sd_moving *found, u32 max, u32 *n);

/*
 * A take. sd_map_grow() makes room for one more live snapshot (may sleep; call
 * before the gates close, administration serialised; -ENOMEM); it is undone by
 * nothing and may be repeated.  sd_map_take() opens layer @s, greater than any
 * before, under the lock; cannot fail.
 */
int sd_map_grow(struct sd_map *m, void **spare);
void sd_map_take(struct sd_map *m, u32 s, void **spare);

/*
 * The end of snapshot @s: from here on it is not live.  Cannot fail.  Frees no
 * place by itself: call sd_map_reap() until it says done.  Ends may follow one
 * another before the reaping is over; begin the walk anew after each.
 */
void sd_map_end(struct sd_map *m, u32 s);

struct sd_reap {
	u64 cursor;	/* 0 to begin */
};

/*
 * Free exceptions that no live snapshot needs any more, in a bounded step of
 * about @budget exceptions looked at.  Fills freed[] with at most @max places
 * that nobody can look up any more (bad ones are not listed), *n their number.
 * True: the walk is over.
 */
bool sd_map_reap(struct sd_map *m, struct sd_reap *r, u32 budget, sd_place_t *freed, u32 max,
		 u32 *n);

/* Facts, read without the lock (each by itself consistent). */
u32 sd_map_current(const struct sd_map *m);	/* current layer; 0: no take yet */
u32 sd_map_newest(const struct sd_map *m);	/* newest live snapshot; 0: none */
u64 sd_map_unsafe(const struct sd_map *m);	/* chunks not safe; 0 without live snapshot */
u64 sd_map_bad(const struct sd_map *m);
u64 sd_map_exceptions(const struct sd_map *m);

/* Exceptions with a place that only snapshot @s needs.  Wants the lock. */
u64 sd_map_own(const struct sd_map *m, u32 s);
/* Exceptions with a place that snapshot @s is the newest to need.  Wants the lock. */
u64 sd_map_own_with_older(const struct sd_map *m, u32 s);

bool sd_map_check(struct sd_map *m);	/* walk everything; for tests */

#endif /* SD_CORE_MAP_H */
