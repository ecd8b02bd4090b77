// SPDX-License-Identifier: GPL-2.0-only
/*
 * store-target.c - target "snapdiff-store": the table, messages and status of
 * a diff storage.  It carries no I/O of its own: reads give zeroes (a failing
 * read would make every blkid write errors to the kernel log), writes fail.
 */
#include <linux/module.h>

#include "segment.h"

static int store_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct sd_store_target *st;
	struct sd_store_table t;
	unsigned int noio;
	const char *why;
	int r;

	r = sd_parse_store(argc, argv, &t, &why);
	if (r) {
		ti->error = (char *)why;
		return r;
	}
	if (ti->begin || ti->len != 1) {
		ti->error = "a store is the only line of its table and one sector long: 0 1";
		return -EINVAL;
	}
	st = kzalloc(sizeof(*st), GFP_KERNEL);
	if (!st) {
		ti->error = "no memory for the target";
		return -ENOMEM;
	}
	INIT_LIST_HEAD(&st->link);
	INIT_LIST_HEAD(&st->devs);
	st->ti = ti;
	noio = memalloc_noio_save(); /* protocol 19 */
	r = sd_store_attach(st, &t, &why);
	memalloc_noio_restore(noio);
	if (r) {
		ti->error = (char *)why;
		kfree(st);
		return r;
	}
	ti->private = st;
	return 0;
}

static void store_dtr(struct dm_target *ti)
{
	struct sd_store_target *st = ti->private;

	sd_store_detach(st);
	kfree(st);
}

static int store_map(struct dm_target *ti, struct bio *bio)
{
	if (bio_op(bio) != REQ_OP_READ)
		return DM_MAPIO_KILL;
	zero_fill_bio(bio);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static void store_postsuspend(struct dm_target *ti)
{
	sd_store_postsuspend(ti->private);
}

static void store_resume(struct dm_target *ti)
{
	sd_store_resume(ti->private);
}

/* ---- messages ---------------------------------------------------------- */

static int extend(struct sd_store_target *st, const struct sd_message *m, char *result,
		  unsigned int maxlen, const char **why)
{
	unsigned int noio = memalloc_noio_save(); /* protocol 19 */
	int r;

	mutex_lock(&st->store->extend_mutex);
	r = sd_range_add(st, &m->range, why);
	mutex_unlock(&st->store->extend_mutex);
	memalloc_noio_restore(noio);
	if (r == 1)
		scnprintf(result, maxlen, "already there");
	return r;
}

static int shrink(struct sd_store *s, const struct sd_message *m, char *result,
		  unsigned int maxlen, const char **why)
{
	const char *answer = "";
	int r = sd_shrink(s, m, &answer, why);

	if (r == 1)
		scnprintf(result, maxlen, "%s", answer);
	return r;
}

static int set_option(struct sd_store *s, const struct sd_message *m)
{
	unsigned int flags = 0;

	write_seqlock(&s->lock);
	switch (m->key) {
	case SD_KEY_LOW_WATER:
		flags = sd_policy_set_low_water(&s->policy, m->value, s->space.free);
		break;
	case SD_KEY_HOLD:
		flags = sd_policy_set_hold(&s->policy, m->value, sd_now_ms());
		sd_image_writers_wake(s); /* each has a limit of its own */
		break;
	case SD_KEY_STALL:
		s->stall_ms = m->value;
		sd_stall_changed(s);
		break;
	case SD_KEY_BUFFER:
		s->buffer = m->value;
		sd_waiters_feed(s);
		break;
	case SD_KEY_FULL:
		s->policy.drop_all = m->value;
		break;
	case SD_KEY_DISCARD:
		WRITE_ONCE(s->discard_copy, m->value);
		break;
	}
	sd_store_act(s, flags);
	sd_image_writers_wake(s); /* their hold time or limit may be another now */
	write_sequnlock(&s->lock);
	return 0;
}

static int answer_summary(struct sd_store *s, char *result, unsigned int maxlen)
{
	struct sd_text t;

	sd_text_init(&t, result, maxlen);
	sd_status_summary(s, &t);
	return 1;
}

/* Messages that want the store to themselves; extend must never wait for them. */
static int serial_message(struct sd_store *s, const struct sd_message *m, const char **why)
{
	int r = -EINVAL;

	mutex_lock(&s->take_mutex);
	*why = "the store is going away";
	if (s->dying)
		r = -ENXIO;
	else if (m->kind == SD_MSG_TAKE)
		r = sd_take(s, m, why);
	else if (m->kind == SD_MSG_DELETE)
		r = sd_snapshot_delete(s, m->name, why);
	else if (m->kind == SD_MSG_DETACH)
		r = sd_origin_detach(s, m->name, m->force, why);
	else if (m->kind == SD_MSG_SET)
		r = set_option(s, m);
	mutex_unlock(&s->take_mutex);
	return r;
}

static void remember_why(struct sd_store *s, const char *why)
{
	mutex_lock(&s->event_mutex);
	strscpy(s->why, why, sizeof(s->why));
	mutex_unlock(&s->event_mutex);
}

static int store_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
			 unsigned int maxlen)
{
	struct sd_store_target *st = ti->private;
	struct sd_store *s = st->store;
	const char *why = "-";
	struct sd_message m;
	int r;

	r = sd_parse_message(argc, argv, &m, &why);
	if (r) {
		;
	} else if (m.kind == SD_MSG_SUMMARY) {
		return answer_summary(s, result, maxlen);
	} else if (m.kind == SD_MSG_WHY) {
		mutex_lock(&s->event_mutex);
		strscpy(result, s->why, maxlen);
		mutex_unlock(&s->event_mutex);
		return 1;
	} else if (m.kind == SD_MSG_EXTEND) {
		r = extend(st, &m, result, maxlen, &why);
	} else if (m.kind == SD_MSG_SHRINK) {
		r = shrink(s, &m, result, maxlen, &why);
	} else {
		r = serial_message(s, &m, &why);
	}
	if (r < 0) {
		remember_why(s, why);
		DMERR("%s: message %s refused (%d): %s",
		      dm_device_name(dm_table_get_md(ti->table)), argc ? argv[0] : "", r, why);
	}
	return r;
}

/* ---- status ------------------------------------------------------------ */

static void store_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			 char *result, unsigned int maxlen)
{
	struct sd_store_target *st = ti->private;
	struct sd_text t;

	sd_text_init(&t, result, maxlen);
	switch (type) {
	case STATUSTYPE_INFO:
		sd_status_store(st->store, &t);
		break;
	case STATUSTYPE_TABLE:
		sd_status_table(st->store, &t);
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

struct target_type sd_store_type = {
	.name = SNAPDIFF_TARGET_STORE,
	.version = { SNAPDIFF_VERSION_MAJOR, SNAPDIFF_VERSION_MINOR, SNAPDIFF_VERSION_PATCH },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = store_ctr,
	.dtr = store_dtr,
	.map = store_map,
	.postsuspend = store_postsuspend,
	.resume = store_resume,
	.message = store_message,
	.status = store_status,
};
