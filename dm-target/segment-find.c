// SPDX-License-Identifier: GPL-2.0-only
/*
 * segment-find.c - which places are in a buffer, and who may use it.
 */
#include "segment.h"

struct sd_segment *sd_segment_at(struct sd_store *s, sd_place_t place, u32 *part)
{
	u32 slot = sd_place_slot(place);
	u64 index = sd_place_index(place);
	struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link) {
		if (seg->run.slot == slot && index >= seg->run.index &&
		    index - seg->run.index < seg->used &&
		    seg->parts[index - seg->run.index].state != SD_PART_SPLIT) {
			*part = index - seg->run.index;
			return seg;
		}
	}
	return NULL;
}

/* The first place behind @index that this segment has; U64_MAX: none. */
static u64 next_in(const struct sd_segment *seg, u64 index)
{
	u64 i = index > seg->run.index ? index - seg->run.index : 0;

	while (i < seg->used && seg->parts[i].state == SD_PART_SPLIT)
		i++;
	return i < seg->used ? seg->run.index + i : U64_MAX;
}

/* How many neighbours from a part on are in the same buffer. */
static u32 together(const struct sd_segment *seg, u32 part, u32 max)
{
	u32 n = 1;

	max = min(max, seg->used - part);
	while (n < max && seg->parts[part + n].state != SD_PART_SPLIT)
		n++;
	return n;
}

/* How many places from @place on are in no buffer, if it is not. */
static void cut_run(struct sd_store *s, sd_place_t place, u32 *run)
{
	u32 slot = sd_place_slot(place);
	u64 index = sd_place_index(place);
	struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link)
		if (seg->run.slot == slot)
			*run = min_t(u64, *run, next_in(seg, index) - index);
}

struct sd_segment *sd_segment_find(struct sd_store *s, sd_place_t place, u32 *run, u32 *part,
				   struct sd_range_read *read)
{
	struct sd_segment *seg;

	read->dev = NULL;
	read_seqlock_excl(&s->lock);
	seg = sd_segment_at(s, place, part);
	if (seg) {
		kref_get(&seg->ref);
		*run = together(seg, *part, *run);
		read_sequnlock_excl(&s->lock);
		return seg;
	}
	cut_run(s, place, run);
	read->dev = s->devs[sd_place_slot(place)];
	read->phase = read->dev->phase;
	atomic_inc(&read->dev->reads[read->phase]);
	read_sequnlock_excl(&s->lock);
	return NULL;
}

enum sd_pin sd_segment_pin(struct sd_overlay *ov, u64 chunk, sd_place_t place, u32 *run,
			   struct sd_segment **seg, u32 *part)
{
	struct sd_store *s = ov->origin->store;
	struct sd_part *p;

	*seg = sd_segment_at(s, place, part);
	if (!*seg) {
		cut_run(s, place, run);
		return SD_PIN_RANGE;
	}
	p = &(*seg)->parts[*part];
	if (p->state != SD_PART_PUBLISHED || p->overlay != ov || p->chunk != chunk)
		return SD_PIN_LOST; /* the overlay has ended, and the place is another's */
	if ((*seg)->writing)
		return SD_PIN_BUSY;
	(*seg)->filling++;
	return SD_PIN_OK;
}

u32 sd_segment_written(struct sd_store *s, struct sd_moving *list, u32 n)
{
	u32 i, part, left = 0;

	read_seqlock_excl(&s->lock);
	for (i = 0; i < n; i++)
		if (!sd_segment_at(s, list[i].place, &part))
			list[left++] = list[i];
	read_sequnlock_excl(&s->lock);
	return left;
}

bool sd_segment_in_range(const struct sd_store *s, u32 slot)
{
	const struct sd_segment *seg;

	list_for_each_entry(seg, &s->segments, link)
		if (seg->run.slot == slot)
			return true;
	return false;
}
