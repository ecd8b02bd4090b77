// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - target "snapdiff": one origin as it was at one snapshot, read-only
 * or writable.  Device-mapper's side; where the data comes from and which races
 * are closed stands in image-read.c, what happens to writes in image-write.c.
 */
#include <linux/module.h>

#include "image.h"

/* ---- device-mapper's side ---------------------------------------------- */

static int serve_from_range(struct sd_read *r, struct sd_where *w, sector_t sector)
{
	struct sd_store *s = r->image->origin->store;
	struct bio *bio = r->bio;

	if (sd_misaligned(s, w->place, sector, bio_sectors(bio))) {
		sd_range_read_end(s, &w->range); /* it will look up again */
		sd_read_queue(r);
		return DM_MAPIO_SUBMITTED;
	}
	if (!sd_range_is_open(r, w))
		return DM_MAPIO_KILL;
	r->from = SD_FROM_RANGE;
	r->range = w->range;
	bio_set_dev(bio, w->range.dev->bdev);
	bio->bi_iter.bi_sector = sd_range_sector(s, w->place, sector);
	return DM_MAPIO_REMAPPED;
}

static int serve_from_origin(struct sd_read *r, sector_t sector)
{
	struct sd_origin *o = r->image->origin;

	r->watch_seq = READ_ONCE(o->watch_seq);
	if (!sd_watched(r->watch_seq)) {
		sd_read_leave(r);
		sd_read_strand(r);
		return DM_MAPIO_SUBMITTED;
	}
	r->from = SD_FROM_ORIGIN;
	bio_set_dev(r->bio, r->image->dev->bdev);
	r->bio->bi_iter.bi_sector = o->start + sector;
	if (!sd_read_may_be_limited(r->bio))
		return DM_MAPIO_REMAPPED;
	sd_read_submit_later(r);
	return DM_MAPIO_SUBMITTED;
}

static int map_read(struct sd_image *image, struct sd_read *r)
{
	struct sd_store *s = image->origin->store;
	struct bio *bio = r->bio;
	sector_t sector = bio->bi_iter.bi_sector, end;
	struct sd_where w;

	sd_read_find(r, sd_to_chunk(s, sector), sd_to_chunk(s, sector + bio_sectors(bio) - 1), &w);
	end = (sd_to_chunk(s, sector) + w.run) << s->chunk_shift;
	if (sector + bio_sectors(bio) > end)
		dm_accept_partial_bio(bio, end - sector);
	r->iter = bio->bi_iter;

	if (w.at_origin)
		return serve_from_origin(r, sector);
	if (w.place == SD_PLACE_BAD)
		return DM_MAPIO_KILL;
	if (!w.seg)
		return serve_from_range(r, &w, sector);
	sd_copy_pages(w.seg, w.part, sd_offset_in_chunk(s, sector), bio, bio->bi_iter, true);
	sd_segment_put(w.seg);
	bio_endio(bio);
	return DM_MAPIO_SUBMITTED;
}

static int image_map(struct dm_target *ti, struct bio *bio)
{
	struct sd_image *image = ti->private;
	struct sd_write *w = dm_per_bio_data(bio, sizeof(*w));

	sd_read_start(&w->read, image, bio);
	if (op_is_flush(bio->bi_opf) && !bio_sectors(bio)) {
		bio_endio(bio); /* an overlay ends with its device: no durability is owed */
		return DM_MAPIO_SUBMITTED;
	}
	if (!sd_snapshot_live(image->snap))
		return DM_MAPIO_KILL;
	bio_clear_polled(bio);
	if (bio_op(bio) == REQ_OP_READ)
		return map_read(image, &w->read);
	if (bio_op(bio) != REQ_OP_WRITE || !image->writable)
		return DM_MAPIO_KILL;
	sd_cut(bio, bio->bi_iter.bi_sector);
	sd_write_start(image, bio);
	return DM_MAPIO_SUBMITTED;
}

static int image_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error)
{
	struct sd_write *w = dm_per_bio_data(bio, sizeof(*w));
	struct sd_read *r = &w->read;
	struct sd_image *image = r->image;
	struct sd_origin *o = image->origin;
	bool unwatched = false;

	if (r->from == SD_FROM_RANGE) {
		sd_range_read_end(o->store, &r->range);
	} else if (r->from == SD_FROM_ORIGIN) {
		sd_read_leave(r);
		unwatched = READ_ONCE(o->watch_seq) != r->watch_seq;
	}
	r->from = SD_FROM_NOWHERE;
	if (*error || bio_op(bio) != REQ_OP_READ)
		return DM_ENDIO_DONE;
	if (!sd_snapshot_live(image->snap)) {
		*error = BLK_STS_IOERR;
		return DM_ENDIO_DONE;
	}
	if (!unwatched)
		return DM_ENDIO_DONE;
	sd_read_strand(r);
	return DM_ENDIO_INCOMPLETE;
}

/* A noflush suspend gets its stranded reads and waiting writes back (protocol 3, 14). */
static void image_presuspend(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	if (!dm_noflush_suspending(ti))
		return;
	WRITE_ONCE(image->requeue, true);
	/* ours are given back, others wait again */
	sd_reads_retry(image->origin);
	sd_image_writers_retry(image->origin->store);
}

static void image_presuspend_undo(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	WRITE_ONCE(image->requeue, false);
}

static void image_resume(struct dm_target *ti)
{
	image_presuspend_undo(ti);
}

/* ---- constructor ------------------------------------------------------- */

/* With a reference, or NULL. An image in place of a range would hide its data. */
static struct sd_store *find_store(struct sd_image *image, dev_t self)
{
	struct sd_store *s;

	mutex_lock(&sd_registry);
	s = sd_store_of(image->store_dev->bdev->bd_dev);
	if (s && (!s->live || s->dying || sd_is_range_device(self)))
		s = NULL;
	if (s)
		sd_store_get(s);
	mutex_unlock(&sd_registry);
	return s;
}

static int find_snapshot(struct sd_image *image, struct sd_store *s,
			 const struct sd_image_table *t, const char **why)
{
	struct sd_snapshot *snap;
	u32 i;

	*why = "the device is no snapdiff-store with a live table, or the image would cover a range";
	if (!s)
		return -ENOENT;
	*why = "the store has no snapshot of this name";
	snap = sd_snapshot_show(s, t->snapshot);
	if (!snap)
		return -ENOENT;
	*why = "the snapshot does not contain an origin of this name";
	for (i = 0; i < snap->count; i++)
		if (!strcmp(snap->of[i].origin->name, t->origin))
			break;
	if (i == snap->count)
		goto put;
	*why = "an image must be as long as its origin was at the take";
	if (snap->of[i].size != image->ti->len)
		goto put;
	image->snap = snap;
	image->origin = snap->of[i].origin;
	return 0;
put:
	sd_snapshot_release(snap);
	return -EINVAL;
}

static int open_below(struct sd_image *image, const char **why)
{
	dev_t under = image->origin->under;
	char number[24];

	scnprintf(number, sizeof(number), "%u:%u", MAJOR(under), MINOR(under));
	*why = "the device below the origin cannot be opened";
	return dm_get_device(image->ti, number, SD_OPEN_RW, &image->dev);
}

static int image_open(struct sd_image *image, const struct sd_image_table *t)
{
	struct dm_target *ti = image->ti;
	dev_t self = disk_devt(dm_disk(dm_table_get_md(ti->table)));
	struct sd_store *s;
	const char *why;
	int r;

	r = dm_get_device(ti, t->store_dev, SD_OPEN_RW, &image->store_dev);
	if (r) {
		ti->error = "the store's device cannot be opened";
		return r;
	}
	s = find_store(image, self);
	r = find_snapshot(image, s, t, &why);
	if (!r)
		r = open_below(image, &why);
	if (!r) {
		r = sd_overlay_open(image->snap, image->origin, self, ti->len, t->writable,
				    &image->overlay, &why);
		if (r)
			dm_put_device(ti, image->dev);
	}
	if (s)
		sd_store_put(s); /* the snapshot has its own reference */
	if (!r) {
		image->link.devt = self;
		mutex_lock(&sd_registry);
		list_add_tail(&image->link.link, &sd_images);
		mutex_unlock(&sd_registry);
		return 0;
	}
	ti->error = (char *)why;
	if (image->snap)
		sd_snapshot_release(image->snap);
	dm_put_device(ti, image->store_dev);
	return r;
}

static int image_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct sd_image *image;
	struct sd_image_table t;
	const char *why;
	int r;

	r = sd_parse_image(argc, argv, &t, &why);
	if (r) {
		ti->error = (char *)why;
		return r;
	}
	if (ti->begin) {
		ti->error = "an image begins at sector 0 of its device";
		return -EINVAL;
	}
	image = kzalloc(sizeof(*image), GFP_KERNEL);
	if (!image) {
		ti->error = "no memory for the target";
		return -ENOMEM;
	}
	image->ti = ti;
	image->writable = t.writable;
	image->wq = alloc_workqueue("snapdiff-image", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!image->wq) {
		ti->error = "no memory for the target";
		kfree(image);
		return -ENOMEM;
	}
	r = image_open(image, &t);
	if (r) {
		destroy_workqueue(image->wq);
		kfree(image);
		return r;
	}
	ti->private = image;
	ti->num_flush_bios = 1;
	ti->per_io_data_size = sizeof(struct sd_write);
	return 0;
}

static void image_dtr(struct dm_target *ti)
{
	struct sd_image *image = ti->private;

	mutex_lock(&sd_registry);
	list_del(&image->link.link);
	mutex_unlock(&sd_registry);
	/* The timer of stranded reads must not outlive the last image; others arm it anew. */
	cancel_delayed_work_sync(&image->origin->strand_work);
	sd_reads_retry(image->origin);
	destroy_workqueue(image->wq); /* its last works have ended their bios, and return */
	sd_overlay_close(image->overlay);
	dm_put_device(ti, image->dev);
	sd_snapshot_release(image->snap); /* last: it keeps origin and store */
	dm_put_device(ti, image->store_dev);
	kfree(image);
}

static void image_status(struct dm_target *ti, status_type_t type, unsigned int flags,
			 char *result, unsigned int maxlen)
{
	struct sd_image *image = ti->private;
	int cause = READ_ONCE(image->snap->cause);
	u64 overlay, to_come;
	struct sd_text t;

	sd_text_init(&t, result, maxlen);
	switch (type) {
	case STATUSTYPE_INFO:
		sd_emit_word(&t, image->snap->name);
		sd_emit_word(&t, image->origin->name);
		sd_emit_word(&t, cause ? "invalid" : "live");
		sd_emit_word(&t, sd_cause_name(cause));
		sd_emit_word(&t, image->writable ? "rw" : "ro");
		sd_overlay_facts(image->overlay, &overlay, &to_come);
		sd_emit_u64(&t, overlay);
		sd_emit_u64(&t, to_come);
		break;
	case STATUSTYPE_TABLE:
		sd_emit_word(&t, image->store_dev->name);
		sd_emit_word(&t, image->snap->name);
		sd_emit_word(&t, image->origin->name);
		sd_emit_word(&t, image->writable ? "rw" : "ro");
		break;
	case STATUSTYPE_IMA:
		*result = '\0';
		break;
	}
}

static int image_iterate_devices(struct dm_target *ti, iterate_devices_callout_fn fn, void *data)
{
	struct sd_image *image = ti->private;

	return fn(ti, image->dev, image->origin->start, ti->len, data);
}

struct target_type sd_image_type = {
	.name = SNAPDIFF_TARGET_IMAGE,
	.version = { SNAPDIFF_VERSION_MAJOR, SNAPDIFF_VERSION_MINOR, SNAPDIFF_VERSION_PATCH },
	.features = DM_TARGET_SINGLETON,
	.module = THIS_MODULE,
	.ctr = image_ctr,
	.dtr = image_dtr,
	.map = image_map,
	.end_io = image_end_io,
	.presuspend = image_presuspend,
	.presuspend_undo = image_presuspend_undo,
	.resume = image_resume,
	.status = image_status,
	.iterate_devices = image_iterate_devices,
};
