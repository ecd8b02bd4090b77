/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * segment.h - buffers, and who waits for them or for what they need.
 *
 *	segment.c	opening, giving out, sealing
 *	segment-find.c	which places are in a buffer
 *	segment-write.c	the write of a full one, and where its data goes if that fails
 *	segment-split.c	what is ready of one does not wait for the rest
 *	wait.c		writers in line for a place or a buffer
 */
#ifndef SD_SEGMENT_H
#define SD_SEGMENT_H

#include "snapdiff.h"

/* ---- segments ---------------------------------------------------------- */

enum sd_part_state {
	SD_PART_UNUSED,		/* not given to a job (given back when sealed) */
	SD_PART_FILLING,	/* a job reads into it */
	SD_PART_PUBLISHED,	/* an exception points here */
	SD_PART_DEAD,		/* its exception was freed, or never came */
	SD_PART_SPLIT,		/* place and pages are another segment's now, see segment-split.c */
};

struct sd_part {
	struct sd_origin *origin;
	struct sd_overlay *overlay; /* NULL: an exception of the origin */
	u64 chunk;
	u32 layer;
	u8 state;		/* enum sd_part_state; under store->lock */
	bool zero;		/* pages hold nothing to write: zero them first */
};

/*
 * A run of places with their pages, from opening until it is written.  Images
 * read published parts from the pages.  Everything under store->lock except
 * pages of FILLING parts (their job's) and of PUBLISHED ones (constant).
 */
struct sd_segment {
	struct list_head link;
	struct kref ref;
	struct sd_store *store;
	struct sd_run run;
	u32 used;		/* parts given to jobs */
	u32 filling;		/* of them: still being read */
	u32 parts_max;		/* parts that pages were allocated for */
	bool sealed;		/* no new parts */
	bool writing;		/* its works own it */
	bool written;		/* status is valid */
	atomic_t under_way;	/* bios of its write */
	unsigned long submitted; /* jiffies of its write; valid if writing */
	unsigned long opened;	/* jiffies */
	unsigned long failing;	/* jiffies of the failed write; 0: none */
	unsigned long sealed_at; /* jiffies; valid if sealed */
	unsigned long split_tried; /* jiffies; 0: never */
	bool slow;		/* what is left of it counts in store->remainders */
	u32 split;		/* parts that were split off */
	u32 moved;		/* after a failed write: parts that went elsewhere */
	blk_status_t status;
	struct work_struct write_work;
	struct delayed_work written_work;
	struct page **pages;
	struct sd_part parts[];
};

static inline struct page **sd_part_pages(const struct sd_segment *seg, u32 part)
{
	return seg->pages + (size_t)part * seg->store->chunk_pages;
}

enum sd_take { SD_TAKE_OK, SD_TAKE_WAIT_BUFFER, SD_TAKE_WAIT_PLACE };

/*
 * 1 to @want neighbouring parts of an open segment, opening one if need be.
 * OK: job->seg, job->part, job->got are set. May sleep. On a WAIT answer the
 * job stands in line already and is run again when it may succeed.
 */
enum sd_take sd_segment_take(struct sd_job *job, u32 want);
/*
 * The same for a write to an image, which comes behind the writers of origins in
 * line, unless it has @waited for long, and at low water gets nothing.  Under
 * store->lock, which is let go for a moment; who gets nothing stands in line by
 * itself.  @reader: the origin, if the parts are read into, see sd_image_read();
 * else NULL.
 */
struct sd_taken {
	struct sd_segment *seg;
	u32 part, got;
};
enum sd_take sd_segment_take_late(struct sd_store *s, u32 want, bool waited,
				  struct sd_origin *reader, struct sd_taken *t);
/* No further segment may be opened before a buffer comes free. Under store->lock. */
bool sd_segment_over_limit(const struct sd_store *s);
/*
 * Parts are published, or will never be; may set the segment's write going,
 * after which the segment may be gone.  Filled: under store->lock.  @read: for
 * parts that count in their origin's share, sd_waiters_read or sd_image_read.
 */
void sd_segment_filled(struct sd_segment *seg, u32 count);
void sd_segment_discard(struct sd_segment *seg, u32 part, u32 count, struct sd_origin *o,
			void (*read)(struct sd_origin *o, u32 parts));
/* Free the places of exceptions that were reaped. Takes store->lock. */
void sd_segment_free_places(struct sd_store *s, const sd_place_t *places, u32 n);
/* An exception follows its data from a failed segment to another one. */
void sd_segment_move_part(struct sd_segment *from, u32 a, struct sd_segment *to, u32 b);
/*
 * The buffer that still holds a place, with a reference, or NULL: then it is
 * on the range's device, and a read of it is counted in *read.  *run, a number
 * of places from there on, is cut to those that lie the same way.  Under the
 * map's lock under which the place was looked up, so that it still is the place.
 */
struct sd_segment *sd_segment_find(struct sd_store *s, sd_place_t place, u32 *run, u32 *part,
				   struct sd_range_read *read);
enum sd_pin {
	SD_PIN_OK,	/* in *seg, which is not written until sd_segment_filled(seg, 1) */
	SD_PIN_BUSY,	/* in a buffer that is being written */
	SD_PIN_RANGE,	/* in no buffer; *run is cut to places that are not either */
	SD_PIN_LOST,	/* not this chunk of the overlay any more */
};

/* For changing a chunk of an overlay, whose cell the caller holds. Under store->lock. */
enum sd_pin sd_segment_pin(struct sd_overlay *ov, u64 chunk, sd_place_t place, u32 *run,
			   struct sd_segment **seg, u32 *part);
/* Leave out of @list the places of a range that are still in a buffer; the number left. */
u32 sd_segment_written(struct sd_store *s, struct sd_moving *list, u32 n);
/* Is anything of a range in a buffer? Under store->lock. */
bool sd_segment_in_range(const struct sd_store *s, u32 slot);
/* The segment that has a place, or NULL. Under store->lock. */
struct sd_segment *sd_segment_at(struct sd_store *s, sd_place_t place, u32 *part);
/* No new places on this range. Under store->lock. */
void sd_range_fail(struct sd_store *s, u32 slot);
void sd_segment_put(struct sd_segment *seg);
/* Pages for one place that belong to no range; in no list. May sleep. NULL: no memory. */
struct sd_segment *sd_segment_bounce(struct sd_store *s, gfp_t gfp);
void sd_segment_seal_open(struct sd_store *s);	/* under store->lock */
void sd_segment_age(struct work_struct *work);
void sd_segment_write_work(struct work_struct *work);
void sd_segment_written_work(struct work_struct *work);
void sd_split_work(struct work_struct *work);
/* A sealed segment is still being read into: see to it after a while. Under store->lock. */
void sd_segment_slow(struct sd_segment *seg);
/* For the files of segments.  With pages, from the spare segment if need be; NULL: no memory. */
struct sd_segment *sd_segment_create(struct sd_store *s, const struct sd_run *run);
void sd_segment_init(struct sd_segment *seg, struct sd_store *s, const struct sd_run *run,
		     struct page **pages);
/* Nothing is read into it any more, if so: the write may go. Under store->lock. */
void sd_segment_maybe_write(struct sd_segment *seg);
/* Places for a writer come before those that a shrink holds back. Under store->lock. */
bool sd_segment_take_places(struct sd_store *s, u32 want, struct sd_run *run);

/* What it counts in store->buffered. */
static inline u64 sd_segment_sectors(const struct sd_segment *seg)
{
	return (u64)(seg->parts_max - seg->split) << seg->store->chunk_shift;
}

int sd_spare_init(struct sd_store *s);
void sd_spare_exit(struct sd_store *s);

/* ---- waiting ----------------------------------------------------------- */

/* See wait.c.  Under store->lock, unless said; none sleeps. */
void sd_stand_init(struct sd_stand *stand);
/* Does anybody stand in line? */
bool sd_waiters(const struct sd_store *s);
/* Parts of a segment that could be had now, as far as one segment goes. */
u32 sd_parts_ready(const struct sd_store *s);
/* Parts may be had, or somebody who was woken has asked: let as many go on as there are parts for. */
void sd_waiters_feed(struct sd_store *s);
/* Let all look again: their chunks may be safe now, or they must be given back. */
void sd_waiters_release(struct sd_store *s);
/* The job asks (again).  True: it was woken; sd_waiters_feed() must follow. */
bool sd_waiter_asks(struct sd_store *s, struct sd_job *job);
/* The job does not wait any more, and does not ask again.  Takes store->lock. */
void sd_waiter_leaves(struct sd_job *job);
/* The job does not wait for a place any more, if it did; it may end from then on. */
void sd_waiter_unheld(struct sd_store *s, struct sd_job *job);
/*
 * The job stands in line, or asks again at once because something happened that
 * makes waiting wrong.  Nothing of it may be touched any more.
 */
void sd_wait_in_line(struct sd_job *job, bool for_place);
/* How many more parts the origin's copies may have while they read. */
u32 sd_share_left(const struct sd_origin *o);
/* So many of them are read, or given up. */
void sd_waiters_read(struct sd_origin *o, u32 parts);
/* The same for writes to images of the origin, which read what is around them. */
u32 sd_image_share_left(const struct sd_origin *o);
void sd_image_read(struct sd_origin *o, u32 parts);
/* Does anybody stand in line who would get a part if there was one? */
bool sd_waiters_may_go(const struct sd_store *s);
/*
 * The places for this many parts were taken, pages are still to come.  Whoever
 * will get them leaves the line, and is not held any more: otherwise a segment
 * that takes the last places would look like an overflow with writers waiting,
 * and cost one more snapshot.  Then one of the other two follows.
 */
void sd_waiters_promise(struct sd_store *s, u32 parts, struct list_head *promised);
void sd_waiters_keep_promise(struct list_head *promised);
void sd_waiters_break_promise(struct sd_store *s, struct list_head *promised);
/* There was no memory: nobody is woken for a moment. */
void sd_memory_short(struct sd_store *s);
/* Some came free. */
void sd_memory_back(struct sd_store *s);
/*
 * There was none for the job's room in the map: it stands in line, as for a
 * buffer.  Takes store->lock.
 */
void sd_wait_for_memory(struct sd_job *job);
void sd_memory_work(struct work_struct *work);
/* Since when somebody has waited for a buffer and none came free. */
unsigned long sd_starved_since(const struct sd_store *s);
/* Origins whose writers have waited for a buffer since @since, with references, at most @max. */
u32 sd_starved_origins(struct sd_store *s, unsigned long since, struct sd_origin **list, u32 max);
u64 sd_now_ms(void); /* any context */

#endif /* SD_SEGMENT_H */
