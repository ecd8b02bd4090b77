/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * map_inner.h - how the chunk map looks inside.  For map.c, map_room.c and
 * map_check.c only.
 *
 * A radix of three levels: one array of pointers (a pointer per 32768 chunks),
 * nodes of 64 pointers, leaves of 512 chunks.  Nodes and leaves appear with the
 * first reservation below them and stay until the map is destroyed; so readers
 * without the lock need no more than acquire loads on their way down.
 *
 * A leaf holds its exceptions as records sorted by (chunk, layer), in an array
 * that only locked functions read and that may therefore be replaced.  A record
 * that no live snapshot reads (see live.h) is dead: the reaping will find it.
 *
 * Which chunks are safe?  Those with a record read by the newest live snapshot
 * whose copy is over (RECORD_SAFE).  Each chunk has at most one such record.
 * So the number of safe chunks is the sum of one column of the table, and stays
 * exact when snapshots end, without a walk.  Marking a chunk marks all its
 * records: the marked ones are always the oldest of the chunk.
 *
 * The quick bits of a leaf say the same for the readers without the lock.
 * They hold for one layer, the leaf's stamp, and can be trusted only if that is
 * the current layer: so a take makes all chunks unsafe by one store.  A bit, once
 * set for a layer, stays true while that layer is current, because the end of a
 * snapshot only makes more chunks safe.  Old bits are cleared first and the
 * stamp is changed after that (release), so that whoever sees the new stamp
 * (acquire) sees none of the old bits.
 */
#ifndef SD_CORE_MAP_INNER_H
#define SD_CORE_MAP_INNER_H

#include "map.h"
#include "live.h"

#define LEAF_SHIFT 9
#define LEAF_CHUNKS (1U << LEAF_SHIFT)
#define NODE_SHIFT 6
#define NODE_LEAVES (1U << NODE_SHIFT)
#define TOP_SHIFT (LEAF_SHIFT + NODE_SHIFT)
#define QUICK_WORDS (LEAF_CHUNKS / 64)

#define RECORD_SAFE 1U	/* step 5 of the COW is over */

struct map_record {
	sd_place_t place;
	u32 layer;
	u16 chunk;	/* in its leaf */
	u16 flags;
};

struct map_leaf {
	u64 quick[QUICK_WORDS];	/* safe chunks, for the layer in stamp */
	u32 stamp;
	u32 count, reserved, room;	/* records: in use, promised, allocated */
	u32 hint;	/* where the last record was put, plus one */
	struct map_record *records;
};

struct map_node {
	struct map_leaf *leaves[NODE_LEAVES];
};

/* What memory of the map looks like while nothing is in it. */
struct idle {
	struct idle *next;
	size_t bytes;
};

struct sd_map {
	u64 chunks;
	u64 taken;		/* of them: there at the last take; the others are safe */
	u32 layer;		/* the current one */
	u32 newest;		/* live snapshot */
	u64 unsafe, bad, records;
	u64 dead;		/* records without readers */
	u64 memory;
	struct sd_live *live;
	struct idle *retired;
	u64 tops;
	struct map_node **top;
};

/* Leaves */

static inline struct map_leaf *leaf_at(const struct sd_map *m, u64 chunk)
{
	struct map_node *node = smp_load_acquire(&m->top[chunk >> TOP_SHIFT]);

	if (!node)
		return NULL;
	return smp_load_acquire(&node->leaves[chunk >> LEAF_SHIFT & (NODE_LEAVES - 1)]);
}

static inline u64 leaf_last(u64 chunk)
{
	return chunk | (LEAF_CHUNKS - 1);
}

static inline u32 in_leaf(u64 chunk)
{
	return chunk & (LEAF_CHUNKS - 1);
}

static inline u64 record_key(const struct map_record *r)
{
	return (u64)r->chunk << 32 | r->layer;
}

static inline struct map_record *record_at(const struct map_leaf *leaf, u32 pos, u32 chunk)
{
	if (pos < leaf->count && leaf->records[pos].chunk == chunk)
		return &leaf->records[pos];
	return NULL;
}

static inline u32 layer_before(const struct map_leaf *leaf, u32 pos)
{
	const struct map_record *r = &leaf->records[pos];

	return pos && r[-1].chunk == r->chunk ? r[-1].layer : 0;
}

static inline bool quick_is_set(const struct sd_map *m, const struct map_leaf *leaf, u32 chunk)
{
	return leaf->stamp == m->layer && leaf->quick[chunk / 64] >> (chunk & 63) & 1;
}

static inline void count_memory(struct sd_map *m, u64 bytes)
{
	WRITE_ONCE(m->memory, m->memory + bytes);
}

/* Nothing is freed under the lock: vmalloc memory must not be. */
void sd_map_retire(struct sd_map *m, void *memory, size_t bytes);

/*
 * The first record at or behind @pos that is not below (chunk, layer).
 * Strides grow, so that a neighbour is found at once.
 */
u32 sd_map_seek(const struct map_leaf *leaf, u32 pos, u32 chunk, u32 layer);

#endif /* SD_CORE_MAP_INNER_H */
