// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_check.c - walk a chunk map and count everything anew.
 */
#include "map_inner.h"

struct check {
	struct sd_map *map;
	struct sd_live *count;	/* the same live snapshots, tallies counted anew */
	u64 records, bad, dead;
};

static bool check_record(struct check *c, const struct map_leaf *leaf, u32 pos)
{
	const struct map_record *r = &leaf->records[pos];
	struct sd_tally *tally;
	bool newest;

	if (pos && record_key(r - 1) >= record_key(r))
		return false;
	if (!r->layer || r->layer > c->map->layer || r->chunk >= LEAF_CHUNKS)
		return false;
	/* the marked ones are the oldest of their chunk */
	if (layer_before(leaf, pos) && r->flags & RECORD_SAFE && !(r[-1].flags & RECORD_SAFE))
		return false;
	c->records++;
	c->bad += r->place == SD_PLACE_BAD;
	tally = sd_live_readers(c->count, layer_before(leaf, pos), r->layer, &newest);
	if (!tally) {
		c->dead++;
		return true;
	}
	tally->records++;
	tally->bad += r->place == SD_PLACE_BAD;
	tally->safe += r->flags & RECORD_SAFE;
	return true;
}

static bool check_leaf(struct check *c, struct map_leaf *leaf)
{
	u32 chunk, pos;

	if (leaf->count + leaf->reserved > leaf->room)
		return false;
	for (pos = 0; pos < leaf->count; pos++)
		if (!check_record(c, leaf, pos))
			return false;
	if (!c->map->newest)
		return true;
	/* a quick bit that is believed has a record that says the same */
	for (chunk = 0; chunk < LEAF_CHUNKS; chunk++) {
		const struct map_record *r;

		if (!quick_is_set(c->map, leaf, chunk))
			continue;
		r = record_at(leaf, sd_map_seek(leaf, 0, chunk, c->map->newest), chunk);
		if (!r || !(r->flags & RECORD_SAFE))
			return false;
	}
	return true;
}

static bool check_totals(const struct check *c)
{
	const struct sd_map *m = c->map;
	u64 unsafe = m->newest ? m->taken - sd_live_safe(c->count) : 0;

	if (c->records != m->records || c->bad != m->bad || c->dead != m->dead ||
	    unsafe != m->unsafe || m->newest != sd_live_newest(m->live))
		return false;
	return !m->live || !memcmp(c->count->table, m->live->table,
				   (size_t)m->live->room * m->live->room * sizeof(struct sd_tally));
}

bool sd_map_check(struct sd_map *m)
{
	struct check c = { .map = m };
	bool good = true;
	u64 chunk;

	if (m->live) {
		c.count = sd_live_alloc(m->live->room);
		if (!c.count)
			return false;
		memcpy(c.count->snap, m->live->snap, m->live->room * sizeof(m->live->snap[0]));
		c.count->count = m->live->count;
	}
	for (chunk = 0; good && chunk < m->chunks; chunk = leaf_last(chunk) + 1) {
		struct map_leaf *leaf = leaf_at(m, chunk);

		if (leaf)
			good = check_leaf(&c, leaf);
	}
	good = good && check_totals(&c);
	sd_free(c.count);
	return good;
}
