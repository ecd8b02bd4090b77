// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.c - tables and messages; the grammar stands in uapi/dm-snapdiff.h.
 *
 * Whoever typed the line sees only the sentence in *why: so each mistake has a
 * sentence of its own, and each sentence names the word that is wrong.
 */
#include "parse.h"
#include "../uapi/dm-snapdiff.h"

#define OPTION_WORDS 5
#define RANGE_WORDS 4
#define FEATURES_MAX 2

static int refuse(const char **why, const char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

/* Numbers */

enum number { NUMBER_OK, NUMBER_BAD, NUMBER_SMALL, NUMBER_LARGE };

static enum number read_number(const char *word, u64 min, u64 max, u64 *value)
{
	u64 n = 0;
	bool large = false;

	if (!*word)
		return NUMBER_BAD;
	for (; *word; word++) {
		unsigned int digit = (unsigned char)*word - '0';

		if (digit > 9)
			return NUMBER_BAD;
		if (n > (~0ULL - digit) / 10)
			large = true;
		n = n * 10 + digit;
	}
	if (large || n > max)
		return NUMBER_LARGE;
	if (n < min)
		return NUMBER_SMALL;
	*value = n;
	return NUMBER_OK;
}

int sd_parse_u64(const char *word, u64 min, u64 max, u64 *value)
{
	return read_number(word, min, max, value) == NUMBER_OK ? 0 : -EINVAL;
}

/* What a number may be, and what to say if it is not. */
struct number_rule {
	u64 min, max;
	const char *bad, *small, *large;
};

static int parse_number(const char *word, const struct number_rule *rule, u64 *value,
			const char **why)
{
	switch (read_number(word, rule->min, rule->max, value)) {
	case NUMBER_OK:
		return 0;
	case NUMBER_SMALL:
		return refuse(why, rule->small);
	case NUMBER_LARGE:
		return refuse(why, rule->large);
	case NUMBER_BAD:
		break;
	}
	return refuse(why, rule->bad);
}

static const struct number_rule chunk_rule = {
	SNAPDIFF_CHUNK_MIN, SNAPDIFF_CHUNK_MAX,
	"CHUNK is not a number",
	"CHUNK is less than 8 sectors",
	"CHUNK is more than 2048 sectors",
};

static const struct number_rule low_water_rule = {
	0, ~0ULL,
	"LOW_WATER is not a number",
	NULL,
	"LOW_WATER does not fit 64 bits",
};

static const struct number_rule hold_rule = {
	0, SNAPDIFF_HOLD_MAX_MS,
	"HOLD is not a number",
	NULL,
	"HOLD is more than 3600000 ms",
};

static const struct number_rule stall_rule = {
	SNAPDIFF_STALL_MIN_MS, SNAPDIFF_STALL_MAX_MS,
	"STALL is not a number",
	"STALL is less than 100 ms",
	"STALL is more than 3600000 ms",
};

static const struct number_rule buffer_rule = {
	SNAPDIFF_BUFFER_MIN, SNAPDIFF_BUFFER_MAX,
	"BUFFER is not a number",
	"BUFFER is less than 2048 sectors",
	"BUFFER is more than 16777216 sectors",
};

static const struct number_rule features_rule = {
	0, FEATURES_MAX,
	"#FEATURES is not a number",
	NULL,
	"#FEATURES is more than there are features",
};

static const struct number_rule ranges_rule = {
	0, SNAPDIFF_RANGES_MAX,
	"#RANGES is not a number",
	NULL,
	"#RANGES is more than 4096",
};

static const struct number_rule range_start_rule = {
	0, ~0ULL,
	"START of the range is not a number",
	NULL,
	"START of the range does not fit 64 bits",
};

static const struct number_rule range_len_rule = {
	1, ~0ULL,
	"LEN of the range is not a number",
	"LEN of the range is 0",
	"LEN of the range does not fit 64 bits",
};

static const struct number_rule origin_start_rule = {
	0, ~0ULL,
	"START of the origin is not a number",
	NULL,
	"START of the origin does not fit 64 bits",
};

static const struct number_rule timeout_rule = {
	1, SNAPDIFF_TAKE_TIMEOUT_MAX_MS,
	"TIMEOUT is not a number",
	"TIMEOUT is 0",
	"TIMEOUT is more than 60000 ms",
};

/* Names */

enum name { NAME_OK, NAME_EMPTY, NAME_LONG, NAME_DASH, NAME_DOTS, NAME_CHAR };

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '.' || c == '+' || c == ':' || c == '-';
}

static enum name read_name(const char *name)
{
	size_t i;

	if (!*name)
		return NAME_EMPTY;
	if (*name == '-')
		return NAME_DASH;
	/* User space makes folders of these names. */
	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
		return NAME_DOTS;
	for (i = 0; name[i]; i++) {
		if (!name_char(name[i]))
			return NAME_CHAR;
		if (i >= SNAPDIFF_NAME_MAX)
			return NAME_LONG;
	}
	return NAME_OK;
}

bool sd_name_ok(const char *name)
{
	return read_name(name) == NAME_OK;
}

static int check_snapshot_name(const char *name, const char **why)
{
	switch (read_name(name)) {
	case NAME_OK:
		return 0;
	case NAME_EMPTY:
		return refuse(why, "the snapshot's name is empty");
	case NAME_LONG:
		return refuse(why, "the snapshot's name has more than 64 characters");
	case NAME_DASH:
		return refuse(why, "the snapshot's name begins with '-'");
	case NAME_DOTS:
		return refuse(why, "the snapshot's name is '.' or '..'");
	case NAME_CHAR:
		break;
	}
	return refuse(why, "the snapshot's name has a character other than A-Z a-z 0-9 _ . + : -");
}

static int check_origin_name(const char *name, const char **why)
{
	switch (read_name(name)) {
	case NAME_OK:
		return 0;
	case NAME_EMPTY:
		return refuse(why, "the origin's name is empty");
	case NAME_LONG:
		return refuse(why, "the origin's name has more than 64 characters");
	case NAME_DASH:
		return refuse(why, "the origin's name begins with '-'");
	case NAME_DOTS:
		return refuse(why, "the origin's name is '.' or '..'");
	case NAME_CHAR:
		break;
	}
	return refuse(why, "the origin's name has a character other than A-Z a-z 0-9 _ . + : -");
}

/* Devices: a path, or MAJOR:MINOR. */
static bool device_ok(const char *dev)
{
	bool colon = false, digit = false;

	if (*dev == '/')
		return true;
	for (; *dev; dev++) {
		if (*dev >= '0' && *dev <= '9') {
			digit = true;
		} else if (*dev == ':' && digit && !colon) {
			colon = true;
			digit = false;
		} else {
			return false;
		}
	}
	return colon && digit;
}

static int check_store_device(const char *dev, const char **why)
{
	if (!*dev)
		return refuse(why, "STORE_DEV is empty");
	if (!device_ok(dev))
		return refuse(why, "STORE_DEV is neither a path nor MAJOR:MINOR");
	return 0;
}

/* Ranges */

enum group { GROUP_OK, GROUP_BAD, GROUP_LARGE, GROUP_HINT };

static enum group read_group(const char *word, u32 *group, bool *last)
{
	char digits[24];
	const char *comma = strchr(word, ',');
	size_t len = comma ? (size_t)(comma - word) : strlen(word);
	enum number number;
	u64 value;

	if (len >= sizeof(digits))
		return GROUP_LARGE;
	memcpy(digits, word, len);
	digits[len] = '\0';
	number = read_number(digits, 0, U32_MAX, &value);
	if (number != NUMBER_OK)
		return number == NUMBER_LARGE ? GROUP_LARGE : GROUP_BAD;
	if (comma && strcmp(comma, ",last"))
		return GROUP_HINT;
	*group = value;
	*last = comma;
	return GROUP_OK;
}

int sd_parse_group(const char *word, u32 *group, bool *last)
{
	return read_group(word, group, last) == GROUP_OK ? 0 : -EINVAL;
}

static int parse_group(const char *word, struct sd_range_words *r, const char **why)
{
	switch (read_group(word, &r->group, &r->last)) {
	case GROUP_OK:
		return 0;
	case GROUP_LARGE:
		return refuse(why, "GROUP of the range is more than 4294967295");
	case GROUP_HINT:
		return refuse(why, "GROUP of the range has something other than \"last\" after its comma");
	case GROUP_BAD:
		break;
	}
	return refuse(why, "GROUP of the range does not begin with a number");
}

int sd_parse_range(unsigned int argc, char **argv, struct sd_range_words *r, const char **why)
{
	memset(r, 0, sizeof(*r));
	if (argc < RANGE_WORDS - 1)
		return refuse(why, "the range has fewer than three words: DEV START LEN");
	if (argc > RANGE_WORDS)
		return refuse(why, "the range has more than four words: DEV START LEN GROUP");
	r->dev = argv[0];
	if (!*r->dev)
		return refuse(why, "DEV of the range is empty");
	if (!device_ok(r->dev))
		return refuse(why, "DEV of the range is neither a path nor MAJOR:MINOR");
	if (parse_number(argv[1], &range_start_rule, &r->start, why) ||
	    parse_number(argv[2], &range_len_rule, &r->len, why))
		return -EINVAL;
	if (r->start + r->len < r->start)
		return refuse(why, "START and LEN of the range together do not fit 64 bits");
	return argc == RANGE_WORDS ? parse_group(argv[3], r, why) : 0;
}

static bool same_words(char **a, char **b)
{
	unsigned int i;

	/* the numbers differ more often than the devices */
	for (i = RANGE_WORDS; i-- > 0;)
		if (strcmp(a[i], b[i]))
			return false;
	return true;
}

static int parse_ranges(unsigned int argc, char **argv, struct sd_store_table *t,
			const char **why)
{
	struct sd_range_words words;
	unsigned int i, k;
	u64 ranges;

	if (!argc)
		return refuse(why, "#RANGES is missing");
	if (parse_number(argv[0], &ranges_rule, &ranges, why))
		return -EINVAL;
	if (argc - 1 < ranges * RANGE_WORDS)
		return refuse(why, "fewer words for ranges than #RANGES says");
	if (argc - 1 > ranges * RANGE_WORDS)
		return refuse(why, "more words behind the ranges than #RANGES says");
	t->ranges = ranges;
	t->range_argv = argv + 1;
	for (i = 0; i < t->ranges; i++) {
		char **range = t->range_argv + i * RANGE_WORDS;

		if (sd_parse_range(RANGE_WORDS, range, &words, why))
			return -EINVAL;
		for (k = 0; k < i; k++)
			if (same_words(t->range_argv + k * RANGE_WORDS, range))
				return refuse(why, "the same range stands twice in the table");
	}
	return 0;
}

/* Options: words of the store's table, and values of "set". */

static int parse_full(const char *word, bool *drop_all, const char **why)
{
	*drop_all = !strcmp(word, "drop-all");
	if (*drop_all || !strcmp(word, "drop-oldest"))
		return 0;
	return refuse(why, "full is neither drop-oldest nor drop-all");
}

static int parse_discard(const char *word, bool *copy, const char **why)
{
	*copy = !strcmp(word, "copy");
	if (*copy || !strcmp(word, "ignore"))
		return 0;
	return refuse(why, "discard is neither ignore nor copy");
}

static int parse_features(unsigned int count, char **argv, struct sd_store_options *o,
			  const char **why)
{
	bool full = false, discard = false;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!strncmp(argv[i], "full=", 5)) {
			if (full)
				return refuse(why, "the feature full stands twice");
			full = true;
			if (parse_full(argv[i] + 5, &o->drop_all, why))
				return -EINVAL;
		} else if (!strncmp(argv[i], "discard=", 8)) {
			if (discard)
				return refuse(why, "the feature discard stands twice");
			discard = true;
			if (parse_discard(argv[i] + 8, &o->discard_copy, why))
				return -EINVAL;
		} else {
			return refuse(why, "unknown FEATURE: it begins with neither full= nor discard=");
		}
	}
	return 0;
}

static int parse_options(char **argv, struct sd_store_options *o, const char **why)
{
	u64 chunk, hold, stall, buffer;

	if (parse_number(argv[0], &chunk_rule, &chunk, why))
		return -EINVAL;
	if (chunk & (chunk - 1))
		return refuse(why, "CHUNK is not a power of two");
	if (parse_number(argv[1], &low_water_rule, &o->low_water, why) ||
	    parse_number(argv[2], &hold_rule, &hold, why) ||
	    parse_number(argv[3], &stall_rule, &stall, why) ||
	    parse_number(argv[4], &buffer_rule, &buffer, why))
		return -EINVAL;
	o->chunk = chunk;
	o->hold_ms = hold;
	o->stall_ms = stall;
	o->buffer = buffer;
	return 0;
}

/* Tables */

int sd_parse_store(unsigned int argc, char **argv, struct sd_store_table *t, const char **why)
{
	u64 features;

	memset(t, 0, sizeof(*t));
	if (argc < OPTION_WORDS)
		return refuse(why, "the store's table has fewer words than CHUNK LOW_WATER HOLD STALL BUFFER");
	if (parse_options(argv, &t->opt, why))
		return -EINVAL;
	argv += OPTION_WORDS;
	argc -= OPTION_WORDS;
	if (!argc)
		return refuse(why, "#FEATURES is missing");
	if (parse_number(argv[0], &features_rule, &features, why))
		return -EINVAL;
	if (argc - 1 < features)
		return refuse(why, "fewer FEATURE words than #FEATURES says");
	if (parse_features(features, argv + 1, &t->opt, why))
		return -EINVAL;
	return parse_ranges(argc - 1 - features, argv + 1 + features, t, why);
}

int sd_parse_origin(unsigned int argc, char **argv, struct sd_origin_table *t, const char **why)
{
	memset(t, 0, sizeof(*t));
	if (argc != 4)
		return refuse(why, "the origin's table does not have four words: STORE_DEV NAME DEV START");
	t->store_dev = argv[0];
	t->name = argv[1];
	t->dev = argv[2];
	if (check_store_device(t->store_dev, why) || check_origin_name(t->name, why))
		return -EINVAL;
	if (!*t->dev)
		return refuse(why, "DEV of the origin is empty");
	if (!device_ok(t->dev))
		return refuse(why, "DEV of the origin is neither a path nor MAJOR:MINOR");
	return parse_number(argv[3], &origin_start_rule, &t->start, why);
}

int sd_parse_image(unsigned int argc, char **argv, struct sd_image_table *t, const char **why)
{
	memset(t, 0, sizeof(*t));
	if (argc != 4)
		return refuse(why, "the image's table does not have four words: STORE_DEV SNAPSHOT ORIGIN ro|rw");
	t->store_dev = argv[0];
	t->snapshot = argv[1];
	t->origin = argv[2];
	if (check_store_device(t->store_dev, why) || check_snapshot_name(t->snapshot, why) ||
	    check_origin_name(t->origin, why))
		return -EINVAL;
	t->writable = !strcmp(argv[3], "rw");
	if (!t->writable && strcmp(argv[3], "ro"))
		return refuse(why, "the last word of the image's table is neither ro nor rw");
	return 0;
}

/* Messages: @argc and @argv are what follows the first word. */

static int parse_extend(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_EXTEND;
	if (argc < RANGE_WORDS - 1)
		return refuse(why, "extend wants at least three words: DEV START LEN");
	if (argc > RANGE_WORDS)
		return refuse(why, "extend wants at most four words: DEV START LEN GROUP");
	return sd_parse_range(argc, argv, &m->range, why);
}

static int parse_shrink(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_SHRINK;
	if (argc < RANGE_WORDS - 1)
		return refuse(why, "shrink wants at least three words: DEV START LEN");
	if (argc > RANGE_WORDS)
		return refuse(why, "shrink wants at most four words: DEV START LEN cancel");
	m->cancel = argc == RANGE_WORDS;
	if (m->cancel && strcmp(argv[RANGE_WORDS - 1], "cancel"))
		return refuse(why, "the word behind shrink DEV START LEN is not cancel");
	return sd_parse_range(RANGE_WORDS - 1, argv, &m->range, why);
}

static int parse_take(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	u64 timeout;
	unsigned int i, k;

	m->kind = SD_MSG_TAKE;
	if (argc < 2)
		return refuse(why, "take wants SNAPSHOT TIMEOUT ORIGIN...");
	if (argc < 3)
		return refuse(why, "take names no origin");
	m->name = argv[0];
	if (check_snapshot_name(m->name, why) ||
	    parse_number(argv[1], &timeout_rule, &timeout, why))
		return -EINVAL;
	m->timeout_ms = timeout;
	m->origins = argc - 2;
	m->origin_argv = argv + 2;
	if (m->origins == 1 && !strcmp(m->origin_argv[0], "*")) {
		m->all = true;
		m->origins = 0;
		return 0;
	}
	for (i = 0; i < m->origins; i++) {
		if (!strcmp(m->origin_argv[i], "*"))
			return refuse(why, "take names origins besides \"*\", which stands for all");
		if (check_origin_name(m->origin_argv[i], why))
			return -EINVAL;
		for (k = 0; k < i; k++)
			if (!strcmp(m->origin_argv[k], m->origin_argv[i]))
				return refuse(why, "take names an origin twice");
	}
	return 0;
}

static int parse_delete(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_DELETE;
	if (argc != 1)
		return refuse(why, "delete wants one word: SNAPSHOT");
	m->name = argv[0];
	return check_snapshot_name(m->name, why);
}

static int parse_detach(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_DETACH;
	if (argc < 1 || argc > 2)
		return refuse(why, "detach wants one or two words: ORIGIN force");
	m->name = argv[0];
	if (check_origin_name(m->name, why))
		return -EINVAL;
	m->force = argc == 2;
	if (m->force && strcmp(argv[1], "force"))
		return refuse(why, "the word behind detach ORIGIN is not force");
	return 0;
}

static int parse_set(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	static const struct {
		const char *word;
		enum sd_key key;
		const struct number_rule *rule;
	} keys[] = {
		{ "low_water", SD_KEY_LOW_WATER, &low_water_rule },
		{ "hold", SD_KEY_HOLD, &hold_rule },
		{ "stall", SD_KEY_STALL, &stall_rule },
		{ "buffer", SD_KEY_BUFFER, &buffer_rule },
		{ "full", SD_KEY_FULL, NULL },
		{ "discard", SD_KEY_DISCARD, NULL },
	};
	bool flag = false;
	unsigned int i;
	int r;

	m->kind = SD_MSG_SET;
	if (argc != 2)
		return refuse(why, "set wants two words: KEY VALUE");
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(argv[0], keys[i].word))
			break;
	if (i == ARRAY_SIZE(keys))
		return refuse(why, "KEY is none of low_water hold stall buffer full discard");
	m->key = keys[i].key;
	if (keys[i].rule)
		return parse_number(argv[1], keys[i].rule, &m->value, why);
	r = m->key == SD_KEY_FULL ? parse_full(argv[1], &flag, why) :
				    parse_discard(argv[1], &flag, why);
	m->value = flag;
	return r;
}

static int parse_summary(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_SUMMARY;
	return argc ? refuse(why, "summary wants no further word") : 0;
}

static int parse_why(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	m->kind = SD_MSG_WHY;
	return argc ? refuse(why, "why wants no further word") : 0;
}

int sd_parse_message(unsigned int argc, char **argv, struct sd_message *m, const char **why)
{
	static const struct {
		const char *word;
		int (*parse)(unsigned int argc, char **argv, struct sd_message *m, const char **why);
	} messages[] = {
		{ "extend", parse_extend }, { "take", parse_take },
		{ "delete", parse_delete }, { "detach", parse_detach },
		{ "set", parse_set },	    { "summary", parse_summary },
		{ "why", parse_why },	    { "shrink", parse_shrink },
	};
	unsigned int i;

	memset(m, 0, sizeof(*m));
	if (!argc)
		return refuse(why, "the message is empty");
	for (i = 0; i < ARRAY_SIZE(messages); i++)
		if (!strcmp(argv[0], messages[i].word))
			return messages[i].parse(argc - 1, argv + 1, m, why);
	return refuse(why, "unknown message: none of extend shrink take delete detach set summary why");
}
