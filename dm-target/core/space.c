// SPDX-License-Identifier: GPL-2.0-only
/*
 * space.c - ranges of the diff storage and the places inside them.
 *
 * Every place is one bit of its range's bitmap.  A search goes on where the
 * last one ended (next fit), so that places taken one after the other lie one
 * after the other on the disk, and that a range is swept as a whole before its
 * early gaps are used again.  Behind many deletes free places lie scattered;
 * then a search looks at a few gaps and takes the longest, because a segment
 * is one write and its length is what makes it cheap.
 */
#include "space.h"
#include "../uapi/dm-snapdiff.h"

/* Gaps looked at before the longest seen is good enough. */
#define SEARCH_GAPS 16
/* No run is longer: bitmap helpers count in int. */
#define RUN_MAX (1U << 20)
/* Slots of the first ranges[] array. */
#define FIRST_ROOM 8

static unsigned int chunk_shift(const struct sd_space *s)
{
	return ilog2(s->chunk);
}

void sd_space_init(struct sd_space *s, u32 chunk)
{
	memset(s, 0, sizeof(*s));
	s->chunk = chunk;
}

void sd_space_exit(struct sd_space *s)
{
	u32 slot;

	for (slot = 0; slot < s->count; slot++)
		sd_range_free(s->ranges[slot]);
	sd_free(s->ranges);
	sd_space_init(s, s->chunk);
}

/* Last sector of a stretch; one that wraps reaches to the end of the numbers. */
static u64 last_sector(u64 start, u64 len)
{
	u64 last = start + (len - 1);

	return last < start ? ~0ULL : last;
}

bool sd_overlap(u64 dev_a, u64 start_a, u64 len_a, u64 dev_b, u64 start_b, u64 len_b)
{
	if (dev_a != dev_b || !len_a || !len_b)
		return false;
	return start_a <= last_sector(start_b, len_b) && start_b <= last_sector(start_a, len_a);
}

/* What is wrong with the range itself; NULL: nothing. */
static const char *range_fault(const struct sd_space *s, const struct sd_range_id *id,
			       u64 dev_size, u32 block)
{
	u64 mask = block ? block - 1 : 0;

	if (!id->len)
		return "the range has no length";
	if (id->start + id->len < id->start)
		return "the range's end does not fit 64 bits";
	if (id->start + id->len > dev_size)
		return "the range ends behind the end of its device";
	if (id->start & mask)
		return "the range does not begin at a logical block of its device";
	if (id->len & mask)
		return "the range's length is not a multiple of its device's logical block";
	if (mask >= s->chunk)
		return "the chunk size is smaller than the logical block of the range's device";
	if (id->len < s->chunk)
		return "the range is shorter than one chunk";
	if (id->len >> chunk_shift(s) > 1ULL << 48)
		return "the range has more places than can be numbered";
	return NULL;
}

int sd_range_check(const struct sd_space *s, const struct sd_range_id *id, u64 dev_size,
		   u32 block, const char **why)
{
	const char *fault = range_fault(s, id, dev_size, block);

	if (fault) {
		*why = fault;
		return -EINVAL;
	}
	/* Whoever chose it may give it to another store. */
	if (s->filled >= SNAPDIFF_RANGES_MAX) {
		*why = "the store has as many ranges as it can have";
		return -E2BIG;
	}
	return 0;
}

static bool same_id(const struct sd_range_id *a, const struct sd_range_id *b)
{
	return a->dev == b->dev && a->start == b->start && a->len == b->len &&
	       a->group == b->group && a->last == b->last;
}

struct sd_range *sd_space_find(struct sd_space *s, const struct sd_range_id *id)
{
	u32 slot;

	for (slot = 0; slot < s->count; slot++)
		if (s->ranges[slot] && same_id(&s->ranges[slot]->id, id))
			return s->ranges[slot];
	return NULL;
}

u32 sd_space_slot_of(const struct sd_space *s, u64 dev, u64 start, u64 len)
{
	const struct sd_range_id *id;
	u32 slot;

	for (slot = 0; slot < s->count; slot++) {
		if (!s->ranges[slot])
			continue;
		id = &s->ranges[slot]->id;
		if (id->dev == dev && id->start == start && id->len == len)
			return slot;
	}
	return SD_NO_SLOT;
}

struct sd_range *sd_range_alloc(const struct sd_space *s, const struct sd_range_id *id)
{
	u64 places = id->len >> chunk_shift(s);
	/* one word more, so that a range without a whole chunk has a map too */
	u64 bytes = ((places >> 6) + 1) * sizeof(u64);
	struct sd_range *r;

	if (bytes > INT_MAX)
		return NULL;
	r = sd_zalloc(sizeof(*r));
	if (!r)
		return NULL;
	r->map = sd_zalloc(bytes);
	if (!r->map) {
		sd_free(r);
		return NULL;
	}
	r->id = *id;
	r->places = places;
	return r;
}

void sd_range_free(struct sd_range *r)
{
	if (!r)
		return;
	sd_free(r->map);
	sd_free(r);
}

static u32 next_room(const struct sd_space *s)
{
	return s->room ? 2 * s->room : FIRST_ROOM;
}

int sd_space_grow(const struct sd_space *s, struct sd_range ***array)
{
	*array = NULL;
	if (sd_space_next(s) < s->room)
		return 0;
	*array = sd_zalloc(next_room(s) * sizeof(**array));
	return *array ? 0 : -ENOMEM;
}

/* The lead of a group: the range there keeps the sum over the group. */
static u32 find_lead(const struct sd_space *s, u32 group, u32 if_none)
{
	u32 slot;

	for (slot = 0; slot < s->count; slot++)
		if (s->ranges[slot] && s->ranges[slot]->id.group == group)
			return s->ranges[slot]->lead;
	return if_none;
}

/* The first empty slot: whoever extends and shrinks for ever needs no more slots. */
u32 sd_space_next(const struct sd_space *s)
{
	u32 slot;

	if (s->filled == s->count)
		return s->count;
	for (slot = 0; slot < s->count; slot++)
		if (!s->ranges[slot])
			break;
	return slot;
}

struct sd_range **sd_space_add(struct sd_space *s, struct sd_range *r, struct sd_range **array)
{
	unsigned int shift = chunk_shift(s);
	struct sd_range **old = NULL;
	u32 slot = sd_space_next(s);

	r->lead = find_lead(s, r->id.group, slot);
	if (array) {
		old = s->ranges;
		if (s->count)
			memcpy(array, old, s->count * sizeof(*array));
		s->room = next_room(s);
	} else {
		array = s->ranges;
	}
	WRITE_ONCE(array[slot], r);
	/* whoever reads ranges without the lock finds every slot filled */
	smp_store_release(&s->ranges, array);
	s->count = max(s->count, slot + 1);
	s->filled++;
	s->capacity += r->id.len;
	s->free += r->places << shift;
	s->unusable += r->id.len - (r->places << shift);
	return old;
}

static bool gives(const struct sd_range *r)
{
	return !r->failed && r->shrink != SD_SHRINK_MOVING;
}

bool sd_space_gives(const struct sd_space *s, u32 slot)
{
	return gives(s->ranges[slot]);
}

static bool may_give(const struct sd_range *r, bool last)
{
	return r && gives(r) && r->taken < r->places && r->id.last == last;
}

/* Work out every group's segments in flight, kept at the group's lead. */
static void sum_groups(struct sd_space *s)
{
	u32 slot;

	for (slot = 0; slot < s->count; slot++)
		if (s->ranges[slot])
			s->ranges[slot]->sum = 0;
	for (slot = 0; slot < s->count; slot++)
		if (s->ranges[slot])
			s->ranges[s->ranges[slot]->lead]->sum += s->ranges[slot]->writing;
}

/* How far a lead is behind the one whose turn it was last, going round. */
static u32 behind_turn(const struct sd_space *s, u32 lead)
{
	return lead > s->turn ? lead - s->turn : lead + s->count - s->turn;
}

/*
 * The range to take from: of the group with least in flight, of equals the
 * next in turn, of the group's ranges the first that has a place (one range of
 * a disk after the other: fewer seeks, and later ones can be given back).
 */
static struct sd_range *choose(struct sd_space *s, bool last, u32 *chosen)
{
	struct sd_range *best = NULL;
	u32 slot, best_sum = 0, best_turn = 0;

	for (slot = 0; slot < s->count; slot++) {
		struct sd_range *r = s->ranges[slot];
		u32 sum, turn;

		if (!may_give(r, last))
			continue;
		sum = s->ranges[r->lead]->sum;
		turn = behind_turn(s, r->lead);
		if (best && (sum > best_sum || (sum == best_sum && turn >= best_turn)))
			continue;
		best = r;
		best_sum = sum;
		best_turn = turn;
		*chosen = slot;
	}
	return best;
}

/* The range has a free place: find a run of it, see the top of this file. */
static void search(const struct sd_range *r, u32 want, u64 *index, u32 *count)
{
	u64 pos = r->next, start, end;
	bool wrapped = false;
	u32 gaps = 0;

	*count = 0;
	while (gaps < SEARCH_GAPS && *count < want) {
		start = find_next_zero_bit(r->map, r->places, pos);
		if (start >= r->places) {
			if (wrapped)
				break;
			wrapped = true;
			pos = 0;
			continue;
		}
		end = find_next_bit(r->map, min_t(u64, r->places, start + want), start);
		end = min_t(u64, end, min_t(u64, r->places, start + want));
		if (end - start > *count) {
			*index = start;
			*count = end - start;
		}
		gaps++;
		pos = end;
		if (wrapped && pos >= r->next)
			break;
	}
}

/* Bits by word first: the helpers count in int, ranges are longer than that. */
static void set_places(struct sd_range *r, u64 index, u32 count)
{
	bitmap_set(r->map + (index >> 6), index & 63, count);
	r->taken += count;
}

static void clear_places(struct sd_range *r, u64 index, u32 count)
{
	bitmap_clear(r->map + (index >> 6), index & 63, count);
	r->taken -= count;
}

bool sd_space_take(struct sd_space *s, u32 want, struct sd_run *run)
{
	struct sd_range *r;
	u64 sectors;

	if (!s->free || WARN_ON(!want))
		return false;
	sum_groups(s);
	r = choose(s, false, &run->slot);
	if (!r)
		r = choose(s, true, &run->slot);
	if (WARN_ON(!r))
		return false;
	search(r, min_t(u32, want, RUN_MAX), &run->index, &run->count);
	if (WARN_ON(!run->count))
		return false;
	set_places(r, run->index, run->count);
	r->next = run->index + run->count;
	if (r->next == r->places)
		r->next = 0;
	s->turn = r->lead;
	sectors = (u64)run->count << chunk_shift(s);
	s->free -= sectors;
	s->used += sectors;
	return true;
}

void sd_space_give(struct sd_space *s, u32 slot, u64 index, u32 count)
{
	u64 sectors = (u64)count << chunk_shift(s);
	struct sd_range *r;

	if (WARN_ON(slot >= s->count || !s->ranges[slot]) || !count)
		return;
	r = s->ranges[slot];
	if (WARN_ON(count > RUN_MAX || index >= r->places || count > r->places - index))
		return;
	/* giving a free place back would let two owners have it: refuse all */
	if (WARN_ON(find_next_zero_bit(r->map, index + count, index) < index + count))
		return;
	clear_places(r, index, count);
	s->used -= sectors;
	if (gives(r))
		s->free += sectors;
	else
		s->unusable += sectors;
}

/* The free places of a range that gives become unusable, or the other way. */
static void set_usable(struct sd_space *s, const struct sd_range *r, bool usable)
{
	u64 sectors = (r->places - r->taken) << chunk_shift(s);

	s->free += usable ? sectors : -sectors;
	s->unusable += usable ? -sectors : sectors;
}

void sd_space_fail(struct sd_space *s, u32 slot)
{
	struct sd_range *r;

	if (WARN_ON(slot >= s->count || !s->ranges[slot]))
		return;
	r = s->ranges[slot];
	if (gives(r))
		set_usable(s, r, false);
	r->failed = true;
}

/* Shrinking */

int sd_space_shrink(struct sd_space *s, u32 slot, const char **why)
{
	struct sd_range *r = s->ranges[slot];
	u64 wanted = r->taken, free = s->free >> chunk_shift(s);
	u32 other;

	if (r->shrink == SD_SHRINK_MOVING)
		return 1;
	if (gives(r))
		free -= r->places - r->taken;
	for (other = 0; other < s->count; other++)
		if (s->ranges[other] && s->ranges[other]->shrink == SD_SHRINK_MOVING)
			wanted += s->ranges[other]->taken;
	*why = s->filled > 1 ? "the other ranges have less free space than the range holds: extend first" :
			       "the store has no other range to take what the range holds: extend first";
	if (r->taken && wanted > free)
		return -ENOSPC;
	if (gives(r))
		set_usable(s, r, false);
	r->shrink = SD_SHRINK_MOVING;
	return 0;
}

bool sd_space_unshrink(struct sd_space *s, u32 slot, enum sd_shrink cause)
{
	struct sd_range *r = s->ranges[slot];

	if (r->shrink != SD_SHRINK_MOVING || r->leaving)
		return false;
	r->shrink = cause;
	if (gives(r))
		set_usable(s, r, true);
	return true;
}

u32 sd_space_yields(const struct sd_space *s)
{
	u32 slot, best = SD_NO_SLOT;
	u64 most = 0;

	for (slot = 0; slot < s->count; slot++) {
		const struct sd_range *r = s->ranges[slot];

		if (!r || r->shrink != SD_SHRINK_MOVING || r->leaving || r->failed)
			continue;
		if (best == SD_NO_SLOT || r->places - r->taken > most) {
			most = r->places - r->taken;
			best = slot;
		}
	}
	return best;
}

u32 sd_space_shrinking(const struct sd_space *s, u32 after)
{
	u32 i, slot = after;

	for (i = 0; i < s->count; i++) {
		slot = slot >= s->count - 1 ? 0 : slot + 1; /* also behind SD_NO_SLOT */
		if (s->ranges[slot] && s->ranges[slot]->shrink == SD_SHRINK_MOVING)
			return slot;
	}
	return SD_NO_SLOT;
}

bool sd_space_leave(struct sd_space *s, u32 slot)
{
	struct sd_range *r = s->ranges[slot];

	if (r->shrink != SD_SHRINK_MOVING || r->taken)
		return false;
	r->leaving = true;
	return true;
}

struct sd_range *sd_space_remove(struct sd_space *s, u32 slot)
{
	struct sd_range *r = s->ranges[slot];
	u32 other, lead = SD_NO_SLOT;

	if (WARN_ON(!r || !r->leaving || r->taken))
		return NULL;
	WRITE_ONCE(s->ranges[slot], NULL);
	s->filled--;
	s->capacity -= r->id.len;
	s->unusable -= r->id.len;
	/* its group goes on under another lead */
	for (other = 0; other < s->count; other++) {
		if (!s->ranges[other] || s->ranges[other]->lead != slot)
			continue;
		if (lead == SD_NO_SLOT)
			lead = other;
		s->ranges[other]->lead = lead;
	}
	return r;
}

u64 sd_place_sector(const struct sd_space *s, sd_place_t p)
{
	struct sd_range **ranges = smp_load_acquire(&s->ranges);

	return ranges[sd_place_slot(p)]->id.start + (sd_place_index(p) << chunk_shift(s));
}

void sd_range_counts(const struct sd_space *s, const struct sd_range *r, u64 *used, u64 *free,
		     u64 *unusable)
{
	unsigned int shift = chunk_shift(s);

	*used = r->taken << shift;
	*free = gives(r) ? (r->places - r->taken) << shift : 0;
	*unusable = r->id.len - *used - *free;
}

static bool range_check(const struct sd_range *r, unsigned int shift)
{
	u64 taken = 0, bit;

	for (bit = find_next_bit(r->map, r->places, 0); bit < r->places;
	     bit = find_next_bit(r->map, r->places, bit + 1))
		taken++;
	return taken == r->taken && r->places == r->id.len >> shift && r->next <= r->places;
}

bool sd_space_check(const struct sd_space *s)
{
	u64 capacity = 0, used = 0, free = 0, unusable = 0;
	u64 range_used, range_free, range_unusable;
	u32 slot, filled = 0;

	for (slot = 0; slot < s->count; slot++) {
		const struct sd_range *r = s->ranges[slot];

		if (!r)
			continue;
		filled++;
		if (!range_check(r, chunk_shift(s)) || !s->ranges[r->lead] ||
		    s->ranges[r->lead]->id.group != r->id.group)
			return false;
		sd_range_counts(s, r, &range_used, &range_free, &range_unusable);
		capacity += r->id.len;
		used += range_used;
		free += range_free;
		unusable += range_unusable;
	}
	return filled == s->filled && capacity == s->capacity && used == s->used && free == s->free &&
	       unusable == s->unusable && capacity == used + free + unusable;
}
