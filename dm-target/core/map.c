// SPDX-License-Identifier: GPL-2.0-only
/*
 * map.c - the chunk map of one origin: takes and ends, which chunks are safe,
 * publishing, what images read, reaping.  How it works stands in map_inner.h.
 */
#include "map_inner.h"

/* Room for live snapshots that the first take makes. */
#define FIRST_LIVE 4

u32 sd_map_seek(const struct map_leaf *leaf, u32 pos, u32 chunk, u32 layer)
{
	u64 key = (u64)chunk << 32 | layer;
	u32 low = pos, high = pos, stride = 1;

	while (high < leaf->count && record_key(&leaf->records[high]) < key) {
		low = high + 1;
		high += stride;
		stride *= 2;
	}
	high = min(high, leaf->count);
	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (record_key(&leaf->records[middle]) < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Takes and ends */

int sd_map_grow(struct sd_map *m, void **spare)
{
	struct sd_live *live = *spare;
	u32 count = m->live ? READ_ONCE(m->live->count) : 0;
	u32 room = m->live ? m->live->room : 0;

	if (count < room || (live && live->room > room))
		return 0;
	live = sd_live_alloc(room ? 2 * room : FIRST_LIVE);
	if (!live)
		return -ENOMEM;
	sd_free(*spare);
	*spare = live;
	return 0;
}

static struct sd_live *replace_live(struct sd_map *m, struct sd_live *live)
{
	struct sd_live *old = m->live;

	count_memory(m, sd_live_bytes(live->room));
	if (old) {
		sd_live_copy(live, old);
		count_memory(m, -(u64)sd_live_bytes(old->room));
	}
	m->live = live;
	return old;
}

void sd_map_take(struct sd_map *m, u32 s, void **spare)
{
	WARN_ON(s <= m->layer);
	if (!m->live || m->live->count == m->live->room) {
		/* without room the image would show the origin as it is now */
		BUG_ON(!*spare);
		*spare = replace_live(m, *spare);
	}
	sd_live_take(m->live, s);
	WRITE_ONCE(m->taken, m->chunks);
	WRITE_ONCE(m->unsafe, m->chunks);
	WRITE_ONCE(m->layer, s);
	smp_store_release(&m->newest, s);
}

void sd_map_end(struct sd_map *m, u32 s)
{
	u32 k = sd_live_find(m->live, s);
	u32 newest;

	if (k == SD_LIVE_NONE)
		return;
	m->dead += sd_live_end(m->live, k);
	newest = sd_live_newest(m->live);
	WRITE_ONCE(m->unsafe, newest ? m->taken - sd_live_safe(m->live) : 0);
	/* the caller has marked s as ended before; whoever passes now finds it so */
	smp_store_release(&m->newest, newest);
}

/* Safe chunks, without the lock */

/* Number of set quick bits in a row from @from, not behind @to. */
static u32 quick_run(const struct map_leaf *leaf, u32 from, u32 to)
{
	u32 at = from;

	while (at <= to) {
		u64 unset = ~smp_load_acquire(&leaf->quick[at / 64]) >> (at & 63);

		if (unset)
			return min_t(u32, at + __ffs64(unset), to + 1) - from;
		at = (at | 63) + 1;
	}
	return to + 1 - from;
}

u64 sd_map_safe_run(const struct sd_map *m, u64 first, u64 last)
{
	u64 chunk = first, taken;
	u32 layer;

	if (!smp_load_acquire(&m->newest))
		return last - first + 1;
	layer = READ_ONCE(m->layer);
	taken = READ_ONCE(m->taken);
	while (chunk <= last) {
		const struct map_leaf *leaf;
		u64 run, end = min(last, leaf_last(chunk));

		if (chunk >= taken)
			return last - first + 1;
		end = min(end, taken - 1);
		leaf = leaf_at(m, chunk);
		if (!leaf || smp_load_acquire(&leaf->stamp) != layer)
			break;
		run = quick_run(leaf, in_leaf(chunk), in_leaf(end));
		chunk += run;
		if (chunk <= end)
			break;
	}
	return chunk - first;
}

bool sd_map_all_safe(const struct sd_map *m, u64 first, u64 last)
{
	return sd_map_safe_run(m, first, last) == last - first + 1;
}

static void set_quick(struct sd_map *m, struct map_leaf *leaf, u32 chunk)
{
	u64 *word = &leaf->quick[chunk / 64];
	u32 i;

	if (leaf->stamp != m->layer) {
		for (i = 0; i < QUICK_WORDS; i++)
			WRITE_ONCE(leaf->quick[i], 0);
		smp_store_release(&leaf->stamp, m->layer);
	}
	smp_store_release(word, *word | 1ULL << (chunk & 63));
}

/* Safe chunks, with the lock */

/* *pos: where records of this chunk or of earlier ones may be; moves on. */
static bool chunk_safe(struct sd_map *m, struct map_leaf *leaf, u32 chunk, u32 *pos, bool set)
{
	const struct map_record *r;

	if (quick_is_set(m, leaf, chunk))
		return true;
	/* the bits are complete as long as the current layer's snapshot lives */
	if (m->newest == m->layer)
		return false;
	*pos = sd_map_seek(leaf, *pos, chunk, m->newest);
	r = record_at(leaf, *pos, chunk);
	if (!r || !(r->flags & RECORD_SAFE))
		return false;
	if (set)
		set_quick(m, leaf, chunk);
	return true;
}

u32 sd_map_unsafe_run(struct sd_map *m, u64 first, u64 last, u32 max, bool exclusive, u64 *start)
{
	struct map_leaf *leaf = NULL;
	u64 chunk, end = 0;
	u32 run = 0, pos = 0;

	if (!m->newest)
		return 0;
	last = min(last, m->taken - 1);
	for (chunk = first; chunk <= last && run < max; chunk++) {
		if (chunk == first || chunk > end) {
			leaf = leaf_at(m, chunk);
			end = leaf_last(chunk);
			pos = 0;
		}
		if (leaf && chunk_safe(m, leaf, in_leaf(chunk), &pos, exclusive)) {
			if (run)
				break;
		} else if (!run++) {
			*start = chunk;
		}
	}
	return run;
}

static void mark_record(struct sd_map *m, struct map_leaf *leaf, u32 pos)
{
	struct map_record *r = &leaf->records[pos];
	struct sd_tally *tally;
	bool newest;

	r->flags |= RECORD_SAFE;
	tally = sd_live_readers(m->live, layer_before(leaf, pos), r->layer, &newest);
	if (!tally)
		return;
	tally->safe++;
	if (newest) {
		WRITE_ONCE(m->unsafe, m->unsafe - 1);
		set_quick(m, leaf, r->chunk);
	}
}

void sd_map_mark_safe(struct sd_map *m, u64 first, u32 count)
{
	u64 chunk = first, stop = first + count;

	while (chunk < stop) {
		struct map_leaf *leaf = leaf_at(m, chunk);
		u64 end = min(stop - 1, leaf_last(chunk));
		u32 pos;

		if (leaf) {
			pos = sd_map_seek(leaf, 0, in_leaf(chunk), 0);
			for (; pos < leaf->count && leaf->records[pos].chunk <= in_leaf(end); pos++)
				if (!(leaf->records[pos].flags & RECORD_SAFE))
					mark_record(m, leaf, pos);
		}
		chunk = end + 1;
	}
}

/* Publishing */

bool sd_map_publish(struct sd_map *m, u64 chunk, sd_place_t place)
{
	struct map_leaf *leaf = leaf_at(m, chunk);
	u32 at = in_leaf(chunk), layer = m->layer, pos, before = 0;
	struct sd_tally *tally;
	struct map_record *r;
	bool newest;

	if (WARN_ON(!leaf || !leaf->reserved))
		return false;
	leaf->reserved--;
	/* no record is newer than the current layer: seek behind this chunk's */
	pos = leaf->hint;
	if (pos > leaf->count || (pos && leaf->records[pos - 1].chunk > at))
		pos = 0;
	pos = sd_map_seek(leaf, pos, at + 1, 0);
	if (pos && leaf->records[pos - 1].chunk == at)
		before = leaf->records[pos - 1].layer;
	tally = sd_live_readers(m->live, before, layer, &newest);
	if (!tally)
		return false;
	r = &leaf->records[pos];
	memmove(r + 1, r, (leaf->count - pos) * sizeof(*r));
	r->place = place;
	r->layer = layer;
	r->chunk = at;
	r->flags = 0;
	leaf->count++;
	leaf->hint = pos + 1;
	tally->records++;
	WRITE_ONCE(m->records, m->records + 1);
	if (place == SD_PLACE_BAD) {
		tally->bad++;
		WRITE_ONCE(m->bad, m->bad + 1);
	}
	return true;
}

bool sd_map_replace(struct sd_map *m, u64 chunk, u32 layer, sd_place_t from, sd_place_t to)
{
	struct map_leaf *leaf = leaf_at(m, chunk);
	struct sd_tally *tally;
	struct map_record *r;
	u64 more_bad;
	bool newest;
	u32 pos;

	if (!leaf)
		return false;
	pos = sd_map_seek(leaf, 0, in_leaf(chunk), layer);
	r = record_at(leaf, pos, in_leaf(chunk));
	if (!r || r->layer != layer || r->place != from)
		return false;
	r->place = to;
	more_bad = (u64)(to == SD_PLACE_BAD) - (u64)(from == SD_PLACE_BAD);
	tally = sd_live_readers(m->live, layer_before(leaf, pos), layer, &newest);
	if (tally)
		tally->bad += more_bad;
	WRITE_ONCE(m->bad, m->bad + more_bad);
	return true;
}

/* Images */

/* What snapshot s reads, chunk by chunk. */
struct walk {
	const struct sd_map *map;
	const struct map_leaf *leaf;
	u64 chunk, end;	/* the next; the last of its leaf */
	u32 s, pos;
	bool begun;
};

static const struct map_record *walk_next(struct walk *w)
{
	u32 at = in_leaf(w->chunk);

	if (!w->begun || w->chunk > w->end) {
		w->leaf = leaf_at(w->map, w->chunk);
		w->end = leaf_last(w->chunk);
		w->pos = 0;
		w->begun = true;
	}
	w->chunk++;
	if (!w->leaf)
		return NULL;
	w->pos = sd_map_seek(w->leaf, w->pos, at, w->s);
	return record_at(w->leaf, w->pos, at);
}

static bool same_way(const struct map_record *first, const struct map_record *next, u32 distance)
{
	if (!first || !next)
		return !first && !next;
	if (first->place == SD_PLACE_BAD || next->place == SD_PLACE_BAD)
		return first->place == next->place;
	return first->place + distance == next->place &&
	       sd_place_slot(first->place) == sd_place_slot(next->place);
}

bool sd_map_lookup(const struct sd_map *m, u32 s, u64 chunk, u32 max, sd_place_t *place, u32 *run)
{
	struct walk w = { .map = m, .chunk = chunk, .s = s };
	const struct map_record *first;

	*run = 1;
	if (WARN_ON(chunk >= m->chunks))
		return false;
	first = walk_next(&w);
	max = min_t(u64, max, m->chunks - chunk);
	while (*run < max && same_way(first, walk_next(&w), *run))
		++*run;
	if (first)
		*place = first->place;
	return first;
}

/* Reaping */

/*
 * Reap the rest of a leaf from r->cursor on.  Stops between two chunks when the
 * budget is spent and at the chunk whose place does not fit freed[] any more.
 */
static void reap_leaf(struct sd_map *m, struct map_leaf *leaf, struct sd_reap *r, u32 *budget,
		      sd_place_t *freed, u32 max, u32 *n)
{
	u32 from = sd_map_seek(leaf, 0, in_leaf(r->cursor), 0), to = from, before = 0;
	u64 first = r->cursor - in_leaf(r->cursor);
	u64 next = first + LEAF_CHUNKS;
	bool newest;

	for (; from < leaf->count; from++) {
		struct map_record *record = &leaf->records[from];

		if (to == 0 || leaf->records[to - 1].chunk != record->chunk)
			before = 0;
		if (!*budget && (!from || record[-1].chunk != record->chunk))
			break;
		if (*budget)
			--*budget;
		if (sd_live_readers(m->live, before, record->layer, &newest)) {
			before = record->layer;
			leaf->records[to++] = *record;
			continue;
		}
		if (record->place != SD_PLACE_BAD) {
			if (*n == max)
				break;
			freed[(*n)++] = record->place;
		} else {
			WRITE_ONCE(m->bad, m->bad - 1);
		}
		WRITE_ONCE(m->records, m->records - 1);
		m->dead--;
	}
	if (from < leaf->count)
		next = first + leaf->records[from].chunk;
	memmove(&leaf->records[to], &leaf->records[from],
		(leaf->count - from) * sizeof(struct map_record));
	leaf->count -= from - to;
	leaf->hint = 0;
	if (!leaf->count && !leaf->reserved && leaf->room) {
		sd_map_retire(m, leaf->records, leaf->room * sizeof(struct map_record));
		leaf->records = NULL;
		leaf->room = 0;
	}
	r->cursor = next;
}

bool sd_map_reap(struct sd_map *m, struct sd_reap *r, u32 budget, sd_place_t *freed, u32 max,
		 u32 *n)
{
	*n = 0;
	while (m->dead && r->cursor < m->chunks) {
		struct map_leaf *leaf = leaf_at(m, r->cursor);

		if (!budget || *n == max)
			return false;
		if (leaf && leaf->count) {
			reap_leaf(m, leaf, r, &budget, freed, max, n);
			continue;
		}
		budget--;
		if (m->top[r->cursor >> TOP_SHIFT])
			r->cursor = leaf_last(r->cursor) + 1;
		else
			r->cursor = ((r->cursor >> TOP_SHIFT) + 1) << TOP_SHIFT;
	}
	return true;
}

/* Facts */

u64 sd_map_memory(const struct sd_map *m)
{
	return READ_ONCE(m->memory);
}

u32 sd_map_current(const struct sd_map *m)
{
	return READ_ONCE(m->layer);
}

u32 sd_map_newest(const struct sd_map *m)
{
	return READ_ONCE(m->newest);
}

u64 sd_map_unsafe(const struct sd_map *m)
{
	return READ_ONCE(m->unsafe);
}

u64 sd_map_bad(const struct sd_map *m)
{
	return READ_ONCE(m->bad);
}

u64 sd_map_exceptions(const struct sd_map *m)
{
	return READ_ONCE(m->records);
}

u64 sd_map_own(const struct sd_map *m, u32 s)
{
	return sd_live_own(m->live, s);
}

u64 sd_map_own_with_older(const struct sd_map *m, u32 s)
{
	return sd_live_own_with_older(m->live, s);
}
