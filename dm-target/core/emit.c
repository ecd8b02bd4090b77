// SPDX-License-Identifier: GPL-2.0-only
/*
 * emit.c - status, summary and table lines; the grammar stands in
 * uapi/dm-snapdiff.h.
 *
 * A word that does not fit is left out whole, and with it all that follows: a
 * reader that gets a cut line sees fewer words, never half a number.
 */
#include "emit.h"

void sd_text_init(struct sd_text *t, char *buffer, size_t size)
{
	t->at = buffer;
	t->room = size;
	t->overflow = !size;
	t->begun = false;
	if (size)
		*buffer = '\0';
}

void sd_emit_word(struct sd_text *t, const char *word)
{
	size_t len = strlen(word);

	/* the word, the blank before it, the NUL behind it */
	if (t->overflow || len + t->begun >= t->room) {
		/*
		 * device-mapper asks again with a larger buffer only if this
		 * one is full to the last byte.
		 */
		if (!t->overflow && t->room) {
			memset(t->at, ' ', t->room - 1);
			t->at[t->room - 1] = '\0';
		}
		t->overflow = true;
		return;
	}
	if (t->begun) {
		*t->at++ = ' ';
		t->room--;
	}
	memcpy(t->at, word, len + 1);
	t->at += len;
	t->room -= len;
	t->begun = true;
}

void sd_emit_u64(struct sd_text *t, u64 value)
{
	char word[24];

	snprintf(word, sizeof(word), "%llu", value);
	sd_emit_word(t, word);
}

void sd_emit_dev(struct sd_text *t, u32 major, u32 minor)
{
	char word[24];

	snprintf(word, sizeof(word), "%u:%u", major, minor);
	sd_emit_word(t, word);
}

static void emit_group(struct sd_text *t, u32 group, bool last)
{
	char word[24];

	snprintf(word, sizeof(word), "%u%s", group, last ? ",last" : "");
	sd_emit_word(t, word);
}

const char *sd_shrink_name(enum sd_shrink s)
{
	switch (s) {
	case SD_SHRINK_NONE:
		return "-";
	case SD_SHRINK_MOVING:
		return "moving";
	case SD_SHRINK_CANCELLED:
		return "cancelled";
	case SD_SHRINK_NO_SPACE:
		return "no-space";
	}
	return "?";
}

const char *sd_watch_name(enum sd_watch w)
{
	switch (w) {
	case SD_WATCHED:
		return "watched";
	case SD_UNWATCHED:
		return "unwatched";
	case SD_DETACHED:
		return "detached";
	}
	return "?";
}

const char *sd_cause_name(enum sd_cause c)
{
	switch (c) {
	case SD_CAUSE_NONE:
		return "-";
	case SD_CAUSE_OVERFLOW:
		return "overflow";
	case SD_CAUSE_ORIGIN_GONE:
		return "origin-gone";
	case SD_CAUSE_ORIGIN_FORCED:
		return "origin-forced";
	case SD_CAUSE_STORE_WRITE:
		return "store-write";
	case SD_CAUSE_NO_MEMORY:
		return "no-memory";
	case SD_CAUSE_STALL:
		return "stall";
	case SD_CAUSE_STORE_GONE:
		return "store-gone";
	}
	return "?";
}

void sd_emit_summary(struct sd_text *t, const struct sd_summary *s)
{
	sd_emit_word(t, sd_mode_name(s->mode));
	sd_emit_u64(t, s->capacity);
	sd_emit_u64(t, s->used);
	sd_emit_u64(t, s->free);
	sd_emit_u64(t, s->unusable);
	sd_emit_u64(t, s->low_water);
	sd_emit_word(t, s->low ? "low" : "ok");
	sd_emit_u64(t, s->seq);
	sd_emit_u64(t, s->held);
	sd_emit_u64(t, s->held_ms);
	sd_emit_u64(t, s->held_total);
}

void sd_emit_head(struct sd_text *t, const struct sd_status_head *h)
{
	sd_emit_summary(t, &h->sum);
	sd_emit_u64(t, h->buffered);
	sd_emit_u64(t, h->buffer);
	sd_emit_u64(t, h->memory);
	sd_emit_u64(t, h->ranges);
	sd_emit_u64(t, h->origins);
	sd_emit_u64(t, h->snapshots);
}

void sd_emit_range(struct sd_text *t, const struct sd_status_range *r)
{
	sd_emit_word(t, "range");
	sd_emit_dev(t, r->major, r->minor);
	sd_emit_u64(t, r->start);
	sd_emit_u64(t, r->len);
	emit_group(t, r->group, r->last);
	sd_emit_word(t, r->failed ? "failed" : "ok");
	sd_emit_word(t, sd_shrink_name(r->shrink));
	sd_emit_u64(t, r->used);
	sd_emit_u64(t, r->free);
	sd_emit_u64(t, r->unusable);
}

void sd_emit_origin(struct sd_text *t, const struct sd_status_origin *o)
{
	sd_emit_word(t, "origin");
	sd_emit_word(t, o->name);
	sd_emit_dev(t, o->major, o->minor);
	sd_emit_u64(t, o->start);
	sd_emit_u64(t, o->size);
	sd_emit_word(t, sd_watch_name(o->watch));
	sd_emit_u64(t, o->unsafe);
	sd_emit_u64(t, o->bad);
	sd_emit_u64(t, o->copied);
	sd_emit_u64(t, o->read_waits);
}

void sd_emit_snapshot(struct sd_text *t, const struct sd_status_snapshot *s)
{
	sd_emit_word(t, "snapshot");
	sd_emit_word(t, s->name);
	sd_emit_u64(t, s->time_s);
	sd_emit_u64(t, s->own);
	sd_emit_word(t, s->cause == SD_CAUSE_NONE ? "live" : "invalid");
	sd_emit_word(t, sd_cause_name(s->cause));
	sd_emit_u64(t, s->images);
	sd_emit_u64(t, s->overlay);
	sd_emit_u64(t, s->to_come);
	sd_emit_u64(t, s->origins);
}

void sd_emit_store_table(struct sd_text *t, const struct sd_store_options *o, u32 ranges)
{
	sd_emit_u64(t, o->chunk);
	sd_emit_u64(t, o->low_water);
	sd_emit_u64(t, o->hold_ms);
	sd_emit_u64(t, o->stall_ms);
	sd_emit_u64(t, o->buffer);
	/* defaults go without saying */
	sd_emit_u64(t, (u32)o->drop_all + o->discard_copy);
	if (o->drop_all)
		sd_emit_word(t, "full=drop-all");
	if (o->discard_copy)
		sd_emit_word(t, "discard=copy");
	sd_emit_u64(t, ranges);
}

void sd_emit_table_range(struct sd_text *t, u32 major, u32 minor, u64 start, u64 len, u32 group,
			 bool last)
{
	sd_emit_dev(t, major, minor);
	sd_emit_u64(t, start);
	sd_emit_u64(t, len);
	emit_group(t, group, last);
}
