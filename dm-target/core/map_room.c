// SPDX-License-Identifier: GPL-2.0-only
/*
 * map_room.c - the memory of a chunk map: nodes, leaves, arrays of records.
 *
 * All of it is taken outside the map's lock by the caller and handed in, and
 * handed out again to be freed there.
 */
#include "map_inner.h"

/* Records of a leaf's first array. */
#define FIRST_RECORDS 4

static u64 tops_for(u64 chunks)
{
	return ((chunks - 1) >> TOP_SHIFT) + 1;
}

void *sd_map_top_alloc(u64 chunks)
{
	if (!chunks || tops_for(chunks) > INT_MAX / (2 * sizeof(struct map_node *)))
		return NULL;
	return kvzalloc(tops_for(chunks) * sizeof(struct map_node *), SD_GFP_TRY);
}

struct sd_map *sd_map_create(u64 chunks)
{
	struct sd_map *m = kvzalloc(sizeof(*m), SD_GFP_TRY);

	if (!m)
		return NULL;
	m->top = sd_map_top_alloc(chunks);
	if (!m->top) {
		sd_free(m);
		return NULL;
	}
	m->chunks = chunks;
	m->tops = tops_for(chunks);
	m->memory = sizeof(*m) + m->tops * sizeof(m->top[0]);
	return m;
}

void *sd_map_widen(struct sd_map *m, u64 chunks, void *top)
{
	struct map_node **old = m->top;
	u64 tops = tops_for(chunks);

	if (WARN_ON(chunks < m->chunks))
		return top;
	memcpy(top, old, m->tops * sizeof(old[0]));
	m->top = top;
	count_memory(m, (tops - m->tops) * sizeof(old[0]));
	m->tops = tops;
	WRITE_ONCE(m->chunks, chunks);
	return old;
}

void sd_map_destroy(struct sd_map *m)
{
	void *piece;
	u32 i;
	u64 t;

	if (!m)
		return;
	for (t = 0; t < m->tops; t++) {
		if (!m->top[t])
			continue;
		for (i = 0; i < NODE_LEAVES; i++) {
			if (!m->top[t]->leaves[i])
				continue;
			sd_free(m->top[t]->leaves[i]->records);
			sd_free(m->top[t]->leaves[i]);
		}
		sd_free(m->top[t]);
	}
	while ((piece = sd_map_retired(m)))
		sd_free(piece);
	sd_free(m->live);
	sd_free(m->top);
	sd_free(m);
}

void *sd_map_alloc(size_t bytes)
{
	struct idle *piece = sd_zalloc(bytes);

	if (piece)
		piece->bytes = bytes;
	return piece;
}

void sd_map_retire(struct sd_map *m, void *memory, size_t bytes)
{
	struct idle *piece = memory;

	if (!piece)
		return;
	piece->bytes = bytes;
	piece->next = m->retired;
	m->retired = piece;
}

void *sd_map_retired(struct sd_map *m)
{
	struct idle *piece = m->retired;

	if (piece) {
		m->retired = piece->next;
		count_memory(m, -(u64)piece->bytes);
	}
	return piece;
}

/* The spare memory if it has the size that is wanted; else *spare is NULL. */
static void *use_spare(struct sd_map *m, size_t bytes, void **spare)
{
	struct idle *piece = *spare;

	*spare = NULL;
	if (!piece)
		return NULL;
	count_memory(m, piece->bytes);
	if (piece->bytes != bytes) {
		sd_map_retire(m, piece, piece->bytes);
		return NULL;
	}
	memset(piece, 0, bytes);
	return piece;
}

/* A leaf below @chunk with room for @count records more; else bytes wanted. */
static size_t make_room(struct sd_map *m, u64 chunk, u32 count, void **spare)
{
	struct map_node **node = &m->top[chunk >> TOP_SHIFT];
	struct map_leaf **leaf;
	struct map_record *records;
	size_t bytes;
	u32 room;

	if (!*node) {
		struct map_node *fresh = use_spare(m, sizeof(*fresh), spare);

		if (!fresh)
			return sizeof(*fresh);
		smp_store_release(node, fresh);
	}
	leaf = &(*node)->leaves[chunk >> LEAF_SHIFT & (NODE_LEAVES - 1)];
	if (!*leaf) {
		struct map_leaf *fresh = use_spare(m, sizeof(*fresh), spare);

		if (!fresh)
			return sizeof(*fresh);
		smp_store_release(leaf, fresh);
	}
	room = (*leaf)->count + (*leaf)->reserved + count;
	if (room <= (*leaf)->room)
		return 0;
	room = roundup_pow_of_two(max_t(u32, room, FIRST_RECORDS));
	bytes = room * sizeof(*records);
	records = use_spare(m, bytes, spare);
	if (!records)
		return bytes;
	if ((*leaf)->count)
		memcpy(records, (*leaf)->records, (*leaf)->count * sizeof(*records));
	sd_map_retire(m, (*leaf)->records, (*leaf)->room * sizeof(*records));
	(*leaf)->records = records;
	(*leaf)->room = room;
	return 0;
}

size_t sd_map_reserve(struct sd_map *m, u64 first, u32 count, void **spare)
{
	u64 chunk, end, last = first + count - 1;
	size_t bytes;

	if (WARN_ON(!count || last < first || last >= m->chunks))
		return 0;
	for (chunk = first; chunk <= last; chunk = end + 1) {
		end = min(last, leaf_last(chunk));
		bytes = make_room(m, chunk, end - chunk + 1, spare);
		if (bytes)
			return bytes;
	}
	for (chunk = first; chunk <= last; chunk = end + 1) {
		end = min(last, leaf_last(chunk));
		leaf_at(m, chunk)->reserved += end - chunk + 1;
	}
	/* hand one piece of what was replaced out with the answer */
	if (!*spare)
		*spare = sd_map_retired(m);
	return 0;
}

void sd_map_unreserve(struct sd_map *m, u64 first, u32 count)
{
	u64 chunk, end, last = first + count - 1;

	if (!count)
		return;
	for (chunk = first; chunk <= last; chunk = end + 1) {
		struct map_leaf *leaf = leaf_at(m, chunk);

		end = min(last, leaf_last(chunk));
		if (WARN_ON(!leaf || leaf->reserved < end - chunk + 1))
			continue;
		leaf->reserved -= end - chunk + 1;
	}
}
