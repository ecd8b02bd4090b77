/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image.h - what the files of the target "snapdiff" share.
 *
 *	image.c		device-mapper's side: tables, .map, status
 *	image-read.c	where an image's data is, and the reads that block
 *	image-write.c	writes to a writable image
 *	overlay.c	life of an overlay
 */
#ifndef SD_IMAGE_H
#define SD_IMAGE_H

#include <linux/blk-cgroup.h>

#include "segment.h"

struct sd_image {
	struct sd_image_link link;
	struct dm_target *ti;
	struct dm_dev *store_dev;
	struct dm_dev *dev;		/* the device below the origin */
	struct sd_snapshot *snap;
	struct sd_origin *origin;
	struct workqueue_struct *wq;	/* its reads and writes that block: no other image waits for them */
	struct sd_overlay *overlay;	/* what was written to the device; NULL: nothing can be */
	bool writable;
	bool requeue;			/* noflush suspend under way */
};

enum sd_from { SD_FROM_NOWHERE, SD_FROM_ORIGIN, SD_FROM_RANGE };

/* Per-bio data of an image read; a write reads what is around it as one. */
struct sd_read {
	struct sd_image *image;
	struct bio *bio;
	struct sd_cell cell;
	enum sd_from from;		/* what .end_io has to undo */
	bool submit;			/* all that the work has to do: bio is mapped */
	struct sd_range_read range;	/* FROM_RANGE */
	u32 watch_seq;
	struct bvec_iter iter;		/* as it came, after cutting */
	unsigned long since;		/* jiffies when it was stranded first; 0: never */
	struct list_head wait;		/* origin->stranded, or store->image_writers */
	struct work_struct work;
};

/* Per-bio data of an image write; see image-write.c. */
struct sd_write {
	struct sd_read read;
	struct sd_cell cell;		/* its chunks, in overlay->cells */
	u32 done;			/* sectors of the bio */
	unsigned long waits;		/* jiffies since it waits for a place or buffer; 0: does not */
};

/* Where the data of a run of chunks is. */
struct sd_where {
	bool at_origin;
	sd_place_t place;
	u32 run;		/* chunks */
	struct sd_segment *seg;	/* buffer, with a reference */
	u32 part;
	struct sd_range_read range; /* neither: the read is counted there */
};

/*
 * A first write to a chunk waits for the reads of it that are on their way to
 * the origin.  So these must not be slowed down by limits that the reader's
 * control group has on a disk below: the writer would be (protocol 40).  Devices
 * between here and that disk choose the group of whoever submits; so such a read
 * is submitted by a work, which belongs to no group.  Limits on the image's own
 * device hold: they act before the read comes here.
 */
static inline bool sd_read_may_be_limited(struct bio *bio)
{
	struct cgroup_subsys_state *group = bio_blkcg_css(bio);

	return group && group != blkcg_root_css;
}

/* After bio_set_dev(), which chooses the group anew. Any context. */
static inline void sd_read_leave_group(struct bio *bio)
{
	bio_associate_blkg_from_css(bio, blkcg_root_css);
}

static inline bool sd_image_must_give_back(const struct sd_image *image)
{
	return READ_ONCE(image->requeue) && dm_noflush_suspending(image->ti);
}

/* A place with larger blocks than the image: such I/O takes the slow way. */
static inline bool sd_misaligned(const struct sd_store *s, sd_place_t place, sector_t sector,
				 u32 sectors)
{
	return (sector | sectors) & (s->devs[sd_place_slot(place)]->block - 1);
}

static inline u32 sd_offset_in_chunk(const struct sd_store *s, sector_t sector)
{
	return (sector & (s->chunk - 1)) << SECTOR_SHIFT;
}

/* Where on its range's device a place has this sector of the image. */
static inline sector_t sd_range_sector(const struct sd_store *s, sd_place_t place, sector_t sector)
{
	return s->devs[sd_place_slot(place)]->start +
	       (sd_place_index(place) << s->chunk_shift) + (sector & (s->chunk - 1));
}

/* ---- image-read.c ------------------------------------------------------ */

/* Prepare for a read of the image that is not queued: r may stand on the stack. No lock. */
void sd_read_init(struct sd_read *r, struct sd_image *image, struct bio *bio);
/* The same for one that may be: its work reads the slow way. */
void sd_read_start(struct sd_read *r, struct sd_image *image, struct bio *bio);
/*
 * Where is the first run of chunks in [first, last]?  If at the origin, the
 * read is tracked until sd_read_leave().  Process context, does not sleep.
 */
void sd_read_find(struct sd_read *r, u64 first, u64 last, struct sd_where *w);
void sd_read_leave(struct sd_read *r);
/*
 * For a read that was found on a range, and is counted there.  False: the
 * snapshot has ended, do not touch it, the count is given back.  True: the
 * range stays open until sd_range_read_end().
 */
bool sd_range_is_open(struct sd_read *r, struct sd_where *w);
/* Where an overlay has the first run of chunks, if it does: as sd_read_find(). */
bool sd_overlay_find(struct sd_overlay *ov, u64 first, u32 max, struct sd_where *w);
/* Between a buffer, from @offset bytes behind the part on, and a bio. */
void sd_copy_pages(struct sd_segment *seg, u32 part, u32 offset, struct bio *bio,
		   struct bvec_iter iter, bool to_bio);
/* A part of the bio as a bio of its own on @bdev; may sleep. */
struct bio *sd_read_piece(struct sd_read *r, u32 from, u32 sectors, struct block_device *bdev);
/* A whole place to or from pages of a segment. Sleeps. Between begin and end, see above. */
blk_status_t sd_place_io(struct sd_store *s, sd_place_t place, struct sd_segment *seg, u32 part,
			 blk_opf_t opf);
/*
 * All of r->iter, run by run, by I/O that blocks.  False: the origin is or was
 * not watched; the caller strands the read or gives up.
 */
bool sd_read_slowly(struct sd_read *r, blk_status_t *status);
/* Queue r->work when the origin is watched, or gone, or at the stall limit. Any context. */
void sd_read_strand(struct sd_read *r);
bool sd_read_strand_is_over(const struct sd_read *r);
void sd_read_queue(struct sd_read *r);
/* A mapped read that its reader's control group may limit: submit it without. Any context. */
void sd_read_submit_later(struct sd_read *r);

/* ---- image-write.c ----------------------------------------------------- */

/* The bio is the write's from here on. .map context. */
void sd_write_start(struct sd_image *image, struct bio *bio);

#endif /* SD_IMAGE_H */
