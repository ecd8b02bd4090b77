/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parse.h - tables and messages, word by word, as uapi/dm-snapdiff.h says.
 *
 * Input is device-mapper's argc/argv.  Nothing allocates: strings in the
 * results point into argv.  Devices are left as words: opening them is the
 * caller's.  On error: -EINVAL and *why points to a constant sentence that says
 * what is wrong with which word; nothing else may be read from the result.
 */
#ifndef SD_CORE_PARSE_H
#define SD_CORE_PARSE_H

#include "port.h"

bool sd_name_ok(const char *name);
int sd_parse_u64(const char *word, u64 min, u64 max, u64 *value); /* 0 or -EINVAL */

/* GROUP: "N" or "N,last" */
int sd_parse_group(const char *word, u32 *group, bool *last);

struct sd_store_options {
	u32 chunk;
	u64 low_water;
	u32 hold_ms;
	u32 stall_ms;
	u32 buffer;		/* sectors */
	bool drop_all;
	bool discard_copy;
};

struct sd_range_words {
	const char *dev;
	u64 start, len;
	u32 group;
	bool last;
};

struct sd_store_table {
	struct sd_store_options opt;
	u32 ranges;		/* number of ranges */
	char **range_argv;	/* 4 words each; see sd_parse_range() */
};

struct sd_origin_table { const char *store_dev, *name, *dev; u64 start; };
struct sd_image_table { const char *store_dev, *snapshot, *origin; bool writable; };

/* Also checks every range's words, and two ranges of the line with the same words. */
int sd_parse_store(unsigned int argc, char **argv, struct sd_store_table *t, const char **why);
/* Four words (GROUP may be missing if @argc == 3). */
int sd_parse_range(unsigned int argc, char **argv, struct sd_range_words *r, const char **why);
int sd_parse_origin(unsigned int argc, char **argv, struct sd_origin_table *t, const char **why);
int sd_parse_image(unsigned int argc, char **argv, struct sd_image_table *t, const char **why);

enum sd_message_kind {
	SD_MSG_EXTEND, SD_MSG_TAKE, SD_MSG_DELETE, SD_MSG_DETACH, SD_MSG_SET,
	SD_MSG_SUMMARY, SD_MSG_WHY, SD_MSG_SHRINK,
};

enum sd_key { SD_KEY_LOW_WATER, SD_KEY_HOLD, SD_KEY_STALL, SD_KEY_BUFFER, SD_KEY_FULL, SD_KEY_DISCARD };

struct sd_message {
	enum sd_message_kind kind;
	struct sd_range_words range;	/* EXTEND, SHRINK (without a group) */
	bool cancel;			/* SHRINK */
	const char *name;		/* TAKE, DELETE: snapshot; DETACH: origin */
	u32 timeout_ms;			/* TAKE */
	bool all;			/* TAKE: "*" */
	unsigned int origins;		/* TAKE */
	char **origin_argv;		/* TAKE; checked names, no two equal */
	bool force;			/* DETACH */
	enum sd_key key;		/* SET */
	u64 value;			/* SET; FULL: 1 = drop-all, DISCARD: 1 = copy */
};

int sd_parse_message(unsigned int argc, char **argv, struct sd_message *m, const char **why);

#endif /* SD_CORE_PARSE_H */
