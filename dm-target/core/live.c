// SPDX-License-Identifier: GPL-2.0-only
/*
 * live.c - live snapshots in order, and the table of who reads what.
 */
#include "live.h"

size_t sd_live_bytes(u32 room)
{
	return sizeof(struct sd_live) + room * sizeof(struct sd_live_snapshot) +
	       (size_t)room * room * sizeof(struct sd_tally);
}

struct sd_live *sd_live_alloc(u32 room)
{
	struct sd_live *live = sd_zalloc(sd_live_bytes(room));
	u32 i;

	if (!live)
		return NULL;
	live->room = room;
	live->table = (struct sd_tally *)&live->snap[room];
	for (i = 0; i < room; i++)
		live->snap[i].slot = i;
	return live;
}

void sd_live_copy(struct sd_live *to, const struct sd_live *from)
{
	u32 i;

	/* the free slots too: those of @to behind them are free from the start */
	memcpy(to->snap, from->snap, from->room * sizeof(from->snap[0]));
	for (i = 0; i < from->room; i++)
		memcpy(&to->table[(size_t)i * to->room], &from->table[(size_t)i * from->room],
		       from->room * sizeof(struct sd_tally));
	to->count = from->count;
}

void sd_live_take(struct sd_live *live, u32 s)
{
	live->snap[live->count].number = s;
	WRITE_ONCE(live->count, live->count + 1);
}

static struct sd_tally *tally_at(const struct sd_live *live, u32 oldest, u32 newest)
{
	return &live->table[(size_t)live->snap[oldest].slot * live->room + live->snap[newest].slot];
}

static void move_tally(struct sd_tally *to, struct sd_tally *from)
{
	to->records += from->records;
	to->bad += from->bad;
	to->safe += from->safe;
	memset(from, 0, sizeof(*from));
}

u64 sd_live_end(struct sd_live *live, u32 k)
{
	struct sd_live_snapshot ended = live->snap[k];
	struct sd_tally unread = { 0 };
	u32 i;

	move_tally(&unread, tally_at(live, k, k));
	/* read by [k .. i]: from now on by [the next .. i] */
	for (i = k + 1; i < live->count; i++)
		move_tally(tally_at(live, k + 1, i), tally_at(live, k, i));
	/* read by [i .. k]: from now on by [i .. the one before] */
	for (i = 0; i < k; i++)
		move_tally(tally_at(live, i, k - 1), tally_at(live, i, k));
	memmove(&live->snap[k], &live->snap[k + 1],
		(live->count - k - 1) * sizeof(live->snap[0]));
	WRITE_ONCE(live->count, live->count - 1);
	live->snap[live->count] = ended;
	return unread.records;
}

u32 sd_live_upto(const struct sd_live *live, u32 layer)
{
	u32 low = 0, high = live ? live->count : 0;

	/* mostly asked for the current layer */
	if (high && live->snap[high - 1].number <= layer)
		return high;
	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (live->snap[middle].number <= layer)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

u32 sd_live_find(const struct sd_live *live, u32 s)
{
	u32 upto = sd_live_upto(live, s);

	return upto && live->snap[upto - 1].number == s ? upto - 1 : SD_LIVE_NONE;
}

u32 sd_live_newest(const struct sd_live *live)
{
	return live && live->count ? live->snap[live->count - 1].number : 0;
}

struct sd_tally *sd_live_readers(const struct sd_live *live, u32 before, u32 layer, bool *newest)
{
	u32 from = sd_live_upto(live, before), to = sd_live_upto(live, layer);

	if (from >= to)
		return NULL;
	*newest = to == live->count;
	return tally_at(live, from, to - 1);
}

u64 sd_live_safe(const struct sd_live *live)
{
	u64 safe = 0;
	u32 i;

	for (i = 0; live && i < live->count; i++)
		safe += tally_at(live, i, live->count - 1)->safe;
	return safe;
}

u64 sd_live_own(const struct sd_live *live, u32 s)
{
	u32 k = sd_live_find(live, s);
	const struct sd_tally *tally;

	if (k == SD_LIVE_NONE)
		return 0;
	tally = tally_at(live, k, k);
	return tally->records - tally->bad;
}

u64 sd_live_own_with_older(const struct sd_live *live, u32 s)
{
	u32 k = sd_live_find(live, s), i;
	const struct sd_tally *tally;
	u64 own = 0;

	for (i = 0; k != SD_LIVE_NONE && i <= k; i++) {
		tally = tally_at(live, i, k);
		own += tally->records - tally->bad;
	}
	return own;
}
