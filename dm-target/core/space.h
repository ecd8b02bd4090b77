/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * space.h - the diff storage's space: ranges, and the places inside them.
 *
 * A range is cut into places of one chunk each, counted from its start; what
 * is left at its end is its tail.  A bit per place says whether it is taken.
 * A *run* is a number of neighbouring places of one range; an open segment is
 * one run.  Nothing here sleeps, locks or knows a bio: the caller serialises
 * all calls on one struct sd_space (in the module: the store's lock).
 *
 * The four counters are kept up to date by every call and
 *	capacity == used + free + unusable
 * holds after each (sd_space_check() walks everything and verifies it).
 *
 * Shrinking.  A range that shrinks gives no new places: those that are taken
 * stay used until the caller has moved what they hold and gives them back,
 * all others are unusable.  When no place is taken the range *leaves*, which
 * cannot be undone any more, and is then removed: its slot is empty and is
 * the next to be used again.  Until it leaves, a shrink can be undone at any
 * moment, by one call: places that were given back are free again at once.
 */
#ifndef SD_CORE_SPACE_H
#define SD_CORE_SPACE_H

#include "port.h"

#define SD_GROUP_LAST_BIT (1ULL << 32)

/* A place: range slot in the upper 16 bits, index in the range below. */
typedef u64 sd_place_t;
#define SD_PLACE_BAD (~0ULL) /* old data that could not be read */

static inline sd_place_t sd_place(u32 slot, u64 index)
{
	return (u64)slot << 48 | index;
}

static inline u32 sd_place_slot(sd_place_t p)
{
	return p >> 48;
}

static inline u64 sd_place_index(sd_place_t p)
{
	return p & ((1ULL << 48) - 1);
}

/* What identifies a range, as a table or an extend message says it. */
struct sd_range_id {
	u64 dev;	/* device number, any encoding, compared only */
	u64 start;	/* sectors */
	u64 len;	/* sectors */
	u32 group;	/* number of the disk */
	bool last;	/* filled after all that are not */
};

/* Is a range being shrunk; if not, how the last shrink of it ended. */
enum sd_shrink { SD_SHRINK_NONE, SD_SHRINK_MOVING, SD_SHRINK_CANCELLED, SD_SHRINK_NO_SPACE };

struct sd_range {
	struct sd_range_id id;
	u64 places;		/* whole chunks in it */
	u64 taken;		/* bits set in map */
	u64 next;		/* where the next search begins */
	bool failed;		/* gives no new places; the free ones count as unusable */
	bool leaving;		/* MOVING, empty, and on its way out */
	enum sd_shrink shrink;	/* MOVING: as failed */
	u32 writing;		/* segments being written, for the choice of the group */
	u32 lead;		/* one slot of the same group: its range holds the group's sum */
	u32 sum;		/* of writing over the group, worked out by sd_space_take() */
	unsigned long *map;	/* a bit per place */
};

struct sd_run {
	u32 slot;
	u64 index;
	u32 count;
};

struct sd_space {
	u32 chunk;		/* sectors, power of two */
	u32 count;		/* slots that were ever in use; some may be empty (NULL) */
	u32 filled;		/* slots that are not empty: the number of ranges */
	u32 room;		/* slots allocated in ranges[] */
	u32 turn;		/* lead of the group that was chosen last */
	struct sd_range **ranges;
	u64 capacity, used, free, unusable;	/* sectors */
};

void sd_space_init(struct sd_space *s, u32 chunk);
void sd_space_exit(struct sd_space *s);

/*
 * Do two stretches of sectors of devices share a sector?  Used for ranges
 * against ranges and against origins.
 */
bool sd_overlap(u64 dev_a, u64 start_a, u64 len_a, u64 dev_b, u64 start_b, u64 len_b);

/*
 * Check what can be checked without knowing other stores.  0 or -errno with
 * *why set to a constant sentence.  @dev_size in sectors, @block the device's
 * logical block size in sectors.  Zero length, 64-bit wrap, device end,
 * alignment, shorter than one chunk (-EINVAL), too many ranges (-EINVAL).
 */
int sd_range_check(const struct sd_space *s, const struct sd_range_id *id, u64 dev_size,
		   u32 block, const char **why);

/* The range that the store has with exactly these words, or NULL. */
struct sd_range *sd_space_find(struct sd_space *s, const struct sd_range_id *id);

#define SD_NO_SLOT (~0U)
/* Slot of the range of these sectors, whatever its group, or SD_NO_SLOT. */
u32 sd_space_slot_of(const struct sd_space *s, u64 dev, u64 start, u64 len);

/*
 * Extending, in two steps so that memory is taken outside the caller's lock.
 * sd_range_alloc() may sleep; NULL: no memory.  sd_space_grow() makes room for
 * one more slot, may sleep, is called under the caller's administration mutex
 * but not its lock: it returns a new ranges[] array to be given to
 * sd_space_add(), or NULL in *array if none is needed; -ENOMEM.
 * sd_space_add() cannot fail; it returns the old array, to be freed by the
 * caller with sd_free() after every lock-free reader is gone, or NULL.  The
 * range gets the slot that sd_space_next() has named.
 */
struct sd_range *sd_range_alloc(const struct sd_space *s, const struct sd_range_id *id);
void sd_range_free(struct sd_range *r);
int sd_space_grow(const struct sd_space *s, struct sd_range ***array);
u32 sd_space_next(const struct sd_space *s);
struct sd_range **sd_space_add(struct sd_space *s, struct sd_range *r, struct sd_range **array);

/*
 * Take a run of 1 to @want free neighbouring places; the longest that a next-fit
 * search of the chosen range meets first.  The range is chosen by group: the
 * one with least in flight (sum of writing), in turn among equals; ranges
 * marked last only when no other has a free place; failed and shrinking ranges
 * never.
 * True and *run filled, or false: no free place anywhere.
 */
bool sd_space_take(struct sd_space *s, u32 want, struct sd_run *run);

/* Give @count places from @index of range @slot back. They must be taken. */
void sd_space_give(struct sd_space *s, u32 slot, u64 index, u32 count);

/* No new places in this range from now on; what is taken stays readable. */
void sd_space_fail(struct sd_space *s, u32 slot);

/* May new places come from this range? */
bool sd_space_gives(const struct sd_space *s, u32 slot);

/*
 * Shrink: 0, or -ENOSPC with *why if the other ranges have less free space
 * than this one and those that shrink already still hold; 1: it shrinks
 * already.  Nothing was changed unless it returns 0.
 */
int sd_space_shrink(struct sd_space *s, u32 slot, const char **why);
/* Undo a shrink, with the cause to be shown. False: it does not shrink, or is leaving. */
bool sd_space_unshrink(struct sd_space *s, u32 slot, enum sd_shrink cause);
/*
 * The shrinking range whose undoing would make most places free, perhaps none
 * yet; not a failed or leaving one.  SD_NO_SLOT: there is none.
 */
u32 sd_space_yields(const struct sd_space *s);
/* The next shrinking slot behind @after, going round (SD_NO_SLOT: the first), or SD_NO_SLOT. */
u32 sd_space_shrinking(const struct sd_space *s, u32 after);
/* A shrinking range of which no place is taken begins to leave; false: it cannot yet. */
bool sd_space_leave(struct sd_space *s, u32 slot);
/* It has left: out of all counters. The range is the caller's, to be freed. */
struct sd_range *sd_space_remove(struct sd_space *s, u32 slot);

/* Sector on the range's device where a place begins. */
u64 sd_place_sector(const struct sd_space *s, sd_place_t p);

/* Sectors of one range in use, free, unusable; sums equal its length. */
void sd_range_counts(const struct sd_space *s, const struct sd_range *r, u64 *used, u64 *free,
		     u64 *unusable);

/* Walk everything; true if all counters agree. For tests and debugging. */
bool sd_space_check(const struct sd_space *s);

#endif /* SD_CORE_SPACE_H */
