// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - collects what core/emit.c prints.  The counters are sampled under
 * the store's sequence count; no lock is taken for longer than a moment that
 * writers want.
 */
#include "segment.h"

static u64 age_ms(u64 since)
{
	u64 now = sd_now_ms();

	return now > since ? now - since : 1;
}

/* Under the sequence count, or the lock. */
static void sample(struct sd_store *s, struct sd_status_head *h)
{
	memset(h, 0, sizeof(*h));
	h->sum.mode = s->policy.mode;
	h->sum.capacity = s->space.capacity;
	h->sum.used = s->space.used;
	h->sum.free = s->space.free;
	h->sum.unusable = s->space.unusable;
	h->sum.low_water = s->policy.low_water;
	h->sum.low = s->policy.low;
	h->sum.seq = s->policy.seq;
	h->sum.held = s->policy.held;
	h->sum.held_total = s->policy.held_total;
	h->sum.held_ms = s->policy.held ? age_ms(s->policy.held_since) : 0;
	h->buffered = s->buffered;
	h->buffer = s->buffer;
	h->ranges = s->space.filled;
}

static void sample_head(struct sd_store *s, struct sd_status_head *h)
{
	unsigned int seq, tries = 0;

	do {
		seq = read_seqbegin(&s->lock);
		sample(s, h);
	} while (read_seqretry(&s->lock, seq) && ++tries < 64);
	if (tries < 64)
		return;
	read_seqlock_excl(&s->lock);
	sample(s, h);
	read_sequnlock_excl(&s->lock);
}

void sd_status_summary(struct sd_store *s, struct sd_text *t)
{
	struct sd_status_head h;

	sample_head(s, &h);
	sd_emit_summary(t, &h.sum);
}

/* ranges[] and devs[] change only under sd_registry. */
static void emit_ranges(struct sd_store *s, struct sd_text *t)
{
	struct sd_status_range out;
	u32 i;

	for (i = 0; i < s->space.count; i++) {
		const struct sd_range *r = s->space.ranges[i];

		if (!r)
			continue;
		memset(&out, 0, sizeof(out));
		out.major = MAJOR(s->devs[i]->devt);
		out.minor = MINOR(s->devs[i]->devt);
		out.start = r->id.start;
		out.len = r->id.len;
		out.group = r->id.group;
		out.last = r->id.last;
		read_seqlock_excl(&s->lock);
		out.failed = r->failed;
		out.shrink = r->shrink;
		sd_range_counts(&s->space, r, &out.used, &out.free, &out.unusable);
		read_sequnlock_excl(&s->lock);
		sd_emit_range(t, &out);
	}
}

static void emit_origins(struct sd_store *s, struct sd_text *t)
{
	struct sd_status_origin out;
	struct sd_origin *o;

	list_for_each_entry(o, &s->origins, link) {
		memset(&out, 0, sizeof(out));
		out.name = o->name;
		out.major = MAJOR(o->devt);
		out.minor = MINOR(o->devt);
		out.start = o->start;
		out.size = o->size;
		out.watch = sd_origin_watch(o);
		out.unsafe = sd_map_unsafe(o->map);
		out.bad = sd_map_bad(o->map);
		out.copied = atomic64_read(&o->copied);
		out.read_waits = atomic64_read(&o->read_waits);
		sd_emit_origin(t, &out);
	}
}

static u64 own_sectors(const struct sd_snapshot *snap)
{
	u64 places = 0;
	u32 i;

	if (!sd_snapshot_live(snap))
		return 0;
	for (i = 0; i < snap->count; i++) {
		struct sd_origin *o = snap->of[i].origin;

		spin_lock(&o->map_lock);
		places += sd_map_own(o->map, snap->layer);
		spin_unlock(&o->map_lock);
	}
	return places << snap->store->chunk_shift;
}

static void sum_overlays(struct sd_store *s, const struct sd_snapshot *snap,
			 struct sd_status_snapshot *out)
{
	const struct sd_overlay *ov;
	u64 sectors, to_come;

	list_for_each_entry(ov, &s->overlays, link) {
		if (ov->snap != snap)
			continue;
		sd_overlay_facts(ov, &sectors, &to_come);
		out->overlay += sectors;
		out->to_come += to_come;
	}
}

static void emit_snapshots(struct sd_store *s, struct sd_text *t)
{
	struct sd_status_snapshot out;
	struct sd_snapshot *snap;
	u32 i;

	list_for_each_entry(snap, &s->snapshots, link) {
		memset(&out, 0, sizeof(out));
		out.name = snap->name;
		out.time_s = snap->time_s;
		out.own = own_sectors(snap);
		out.cause = READ_ONCE(snap->cause);
		out.images = snap->images;
		sum_overlays(s, snap, &out);
		out.origins = snap->count;
		sd_emit_snapshot(t, &out);
		for (i = 0; i < snap->count; i++) {
			sd_emit_word(t, snap->of[i].origin->name);
			sd_emit_u64(t, snap->of[i].size);
		}
	}
}

static u64 memory_of(struct sd_store *s, const struct sd_status_head *h)
{
	u64 bytes = sizeof(*s) + (SD_PIECE_SECTORS << SECTOR_SHIFT) + (h->buffered << SECTOR_SHIFT);
	const struct sd_overlay *ov;
	struct sd_origin *o;
	u32 i;

	list_for_each_entry(ov, &s->overlays, link)
		bytes += sizeof(*ov) + sd_map_memory(ov->map);
	list_for_each_entry(o, &s->origins, link)
		bytes += sizeof(*o) + sd_map_memory(o->map);
	for (i = 0; i < s->space.count; i++)
		if (s->space.ranges[i])
			bytes += sizeof(struct sd_range) + sizeof(struct sd_range_dev) +
				 BITS_TO_LONGS(s->space.ranges[i]->places) * sizeof(long);
	if (READ_ONCE(s->evac))
		bytes += sd_evac_bytes();
	return bytes;
}

void sd_status_store(struct sd_store *s, struct sd_text *t)
{
	struct sd_status_head h;
	struct sd_origin *o;

	mutex_lock(&s->snap_mutex);
	mutex_lock(&sd_registry);
	sample_head(s, &h);
	list_for_each_entry(o, &s->origins, link)
		h.origins++;
	h.snapshots = s->nr_snapshots;
	h.memory = memory_of(s, &h);
	sd_emit_head(t, &h);
	emit_ranges(s, t);
	emit_origins(s, t);
	mutex_unlock(&sd_registry);
	emit_snapshots(s, t);
	mutex_unlock(&s->snap_mutex);
}

void sd_status_table(struct sd_store *s, struct sd_text *t)
{
	struct sd_store_options opt;
	u32 i;

	mutex_lock(&sd_registry);
	sd_store_options(s, &opt);
	sd_emit_store_table(t, &opt, s->space.filled);
	for (i = 0; i < s->space.count; i++) {
		const struct sd_range_id *id;

		if (!s->space.ranges[i])
			continue;
		id = &s->space.ranges[i]->id;
		sd_emit_table_range(t, MAJOR(s->devs[i]->devt), MINOR(s->devs[i]->devt), id->start,
				    id->len, id->group, id->last);
	}
	mutex_unlock(&sd_registry);
}
