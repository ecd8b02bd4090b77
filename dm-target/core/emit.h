/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * emit.h - status, summary and table lines, in the grammar of
 * uapi/dm-snapdiff.h.  The only file that writes them.
 *
 * All functions append to a struct sd_text and never write past its end; what
 * does not fit is cut and .overflow says so (device-mapper then asks again with
 * a larger buffer).  Nothing allocates, locks or sleeps.
 */
#ifndef SD_CORE_EMIT_H
#define SD_CORE_EMIT_H

#include "port.h"
#include "parse.h"
#include "policy.h"
#include "space.h"

struct sd_text {
	char *at;		/* where the next word goes */
	size_t room;		/* with the final NUL */
	bool overflow;
	bool begun;		/* a word was written: the next needs a blank */
};

void sd_text_init(struct sd_text *t, char *buffer, size_t size);
void sd_emit_word(struct sd_text *t, const char *word);
void sd_emit_u64(struct sd_text *t, u64 value);
void sd_emit_dev(struct sd_text *t, u32 major, u32 minor);	/* MAJOR:MINOR */

struct sd_summary {
	enum sd_mode mode;
	u64 capacity, used, free, unusable, low_water;
	bool low;
	u64 seq;
	u32 held;
	u64 held_ms;
	u64 held_total;
};

struct sd_status_head {
	struct sd_summary sum;
	u64 buffered, buffer, memory;
	u32 ranges, origins, snapshots;
};

struct sd_status_range {
	u32 major, minor;
	u64 start, len;
	u32 group;
	bool last, failed;
	enum sd_shrink shrink;
	u64 used, free, unusable;
};

enum sd_watch { SD_WATCHED, SD_UNWATCHED, SD_DETACHED };
enum sd_cause {
	SD_CAUSE_NONE, SD_CAUSE_OVERFLOW, SD_CAUSE_ORIGIN_GONE, SD_CAUSE_ORIGIN_FORCED,
	SD_CAUSE_STORE_WRITE, SD_CAUSE_NO_MEMORY, SD_CAUSE_STALL, SD_CAUSE_STORE_GONE,
};

struct sd_status_origin {
	const char *name;
	u32 major, minor;
	u64 start, size;
	enum sd_watch watch;
	u64 unsafe, bad, copied, read_waits;
};

struct sd_status_snapshot {
	const char *name;
	u64 time_s, own;
	u64 overlay, to_come;	/* of its writable images: sectors; chunks not in an overlay */
	enum sd_cause cause;	/* NONE: live */
	u32 images, origins;	/* then sd_emit_word(origin), sd_emit_u64(size) each */
};

void sd_emit_summary(struct sd_text *t, const struct sd_summary *s);
void sd_emit_head(struct sd_text *t, const struct sd_status_head *h);
void sd_emit_range(struct sd_text *t, const struct sd_status_range *r);
void sd_emit_origin(struct sd_text *t, const struct sd_status_origin *o);
void sd_emit_snapshot(struct sd_text *t, const struct sd_status_snapshot *s);
const char *sd_shrink_name(enum sd_shrink s);
const char *sd_watch_name(enum sd_watch w);
const char *sd_cause_name(enum sd_cause c);

/* The store's table line: options and the number of ranges, then one range each. */
void sd_emit_store_table(struct sd_text *t, const struct sd_store_options *o, u32 ranges);
void sd_emit_table_range(struct sd_text *t, u32 major, u32 minor, u64 start, u64 len, u32 group,
			 bool last);

#endif /* SD_CORE_EMIT_H */
