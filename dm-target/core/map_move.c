// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_move.c - which exceptions of a chunk map lie in one range.
 *
 * There is no map from places to chunks: it would cost memory for every copy,
 * and is wanted only when a range is shrunk.  Then the records are walked, once
 * per pass, in bounded steps.  Between two steps anything may happen: records
 * may come, go and move.  A walk finds at least those that lay in the range
 * from its beginning to its end.
 */
#include "map_inner.h"

/* The rest of a leaf from the cursor on; false: found[] is full or the budget spent. */
static bool walk_leaf(const struct sd_map *m, const struct map_leaf *leaf,
		      struct sd_map_cursor *c, u32 slot, u32 *budget, struct sd_moving *found,
		      u32 max, u32 *n)
{
	u64 first = c->chunk - in_leaf(c->chunk);
	u32 pos = sd_map_seek(leaf, 0, in_leaf(c->chunk), c->layer);
	bool newest;

	for (; pos < leaf->count; pos++) {
		const struct map_record *r = &leaf->records[pos];

		c->chunk = first + r->chunk;
		c->layer = r->layer;
		if (!*budget || *n == max)
			return false;
		--*budget;
		if (r->place == SD_PLACE_BAD || sd_place_slot(r->place) != slot)
			continue;
		/* what nobody reads is left to the reaping */
		if (!sd_live_readers(m->live, layer_before(leaf, pos), r->layer, &newest))
			continue;
		found[*n].chunk = c->chunk;
		found[*n].layer = r->layer;
		found[*n].place = r->place;
		++*n;
	}
	return true;
}

bool sd_map_in_range(const struct sd_map *m, struct sd_map_cursor *c, u32 slot, u32 budget,
		     struct sd_moving *found, u32 max, u32 *n)
{
	*n = 0;
	while (c->chunk < m->chunks) {
		const struct map_leaf *leaf = leaf_at(m, c->chunk);

		if (!budget || *n == max)
			return false;
		if (leaf && leaf->count) {
			if (!walk_leaf(m, leaf, c, slot, &budget, found, max, n))
				return false;
		} else {
			budget--;
		}
		if (m->top[c->chunk >> TOP_SHIFT])
			c->chunk = leaf_last(c->chunk) + 1;
		else
			c->chunk = ((c->chunk >> TOP_SHIFT) + 1) << TOP_SHIFT;
		c->layer = 0;
	}
	return true;
}
