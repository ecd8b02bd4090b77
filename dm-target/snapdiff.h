/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * snapdiff.h - the objects of the module and who calls whom.
 *
 *	store-target.c	table, messages, status of a store	}
 *	origin.c	a write to a live volume		} device-mapper's side
 *	image.c		reads of the past, writes to an overlay	}
 *	store.c		life of a store, its instances and events
 *	range.c		devices of ranges; extend
 *	segment.c	buffers: places with pages, written as one
 *	segment-find.c	which places are in a buffer
 *	segment-write.c	what becomes of a buffer that is full
 *	segment-split.c	what is ready of a buffer does not wait for the rest
 *	wait.c		writers in line for a place or a buffer
 *	job.c		carries out the steps of a COW job (core/cow.c)
 *	passdown.c	discards that are not copied
 *	gate.c		what a write passes, and a take closes
 *	image-read.c	where an image's data is
 *	image-write.c	steps of a write to an image
 *	overlay.c	what was written to an image
 *	snapshot.c	life of a snapshot, its end, and reaping
 *	take.c		N origins at one instant
 *	drop.c		hold, overflow, stall
 *	shrink.c	taking a range back: message, undoing, release of the device
 *	evacuate.c	moves what a shrinking range holds to others
 *	status.c	collects what core/emit.c prints
 *
 * Objects outlive the tables ("instances") that show them: a reload builds a
 * second struct dm_target for the same object.  Identity: a store is its mapped
 * device and chunk size; an origin is its mapped device, name, device and start.
 *
 * Locks, outermost first:
 *
 *	store->take_mutex   one take, delete, detach or set at a time.  May be
 *			    held for a take's time limit.  Extend never wants it.
 *	store->extend_mutex which tables and ranges come to the store.  Held while
 *			    devices of ranges are opened, which may take as long
 *			    as their disks like: only extend and tables of the
 *			    store want it.  Not together with the two around it.
 *	store->snap_mutex   the list of snapshots, and what state they are in.
 *			    A take wants it with its gates closed: keep it short.
 *	sd_registry	    which stores, origins, instances, images and ranges
 *			    exist.  Never held while devices are opened or while
 *			    waiting for I/O or for reaping: all resumes, status
 *			    and extends want it.
 *	origin->map_lock    (and an overlay's) the chunk map; spinlock, process context.  "The
 *			    publishing lock": publishing, takes and ends of
 *			    snapshots exclude each other here.
 *	store->lock	    space, policy, segments, waiting jobs; seqlock, process
 *			    context.  Status only reads its sequence.
 *	origin->cell_lock   locked chunks and tracked reads; interrupts off.
 *	origin->gate_lock   parked jobs, parked image reads; interrupts off.
 *
 * store->event_mutex is a leaf, taken by the event work and by resume/suspend.
 */
#ifndef SD_SNAPDIFF_H
#define SD_SNAPDIFF_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/device-mapper.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/sched/mm.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "core/cells.h"
#include "core/cow.h"
#include "core/emit.h"
#include "core/map.h"
#include "core/parse.h"
#include "core/policy.h"
#include "core/space.h"
#include "uapi/dm-snapdiff.h"

#define DM_MSG_PREFIX "snapdiff"

/* The most that one copy reads and one segment writes: 1 MiB. */
#define SD_PIECE_SECTORS 2048U
#define SD_PIECE_PAGES (SD_PIECE_SECTORS >> (PAGE_SHIFT - SECTOR_SHIFT))

/* A segment that is not full is written after this long. */
#define SD_SEGMENT_AGE (10 * HZ)

struct sd_evac;
struct sd_job;
struct sd_origin;
struct sd_overlay;
struct sd_segment;
struct sd_store;

extern struct mutex sd_registry;

/*
 * The registry for somebody who allocates while it is held: without I/O.  Else
 * memory might be won by writing to an origin whose writes wait for a place,
 * and the extend that would bring one waits for the registry (protocol 19).
 */
static inline unsigned int sd_registry_lock_noio(void)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&sd_registry);
	return noio;
}

static inline void sd_registry_unlock_noio(unsigned int noio)
{
	mutex_unlock(&sd_registry);
	memalloc_noio_restore(noio);
}

extern struct list_head sd_stores; /* struct sd_store.link, under sd_registry */
/*
 * Stores without a table whose origins are still there, because somebody put
 * another table in the store's place by force.  Nothing but their origins
 * counts: these are live volumes, and no range may come to lie on one.
 */
extern struct list_head sd_ended_stores;
extern struct workqueue_struct *sd_free_wq; /* frees stores and origins */
extern atomic_t sd_store_count;		/* stores whose memory is not freed yet */
extern wait_queue_head_t sd_no_store;

/* ---- store ------------------------------------------------------------- */

/*
 * A range's device, by slot; written once under sd_registry, then constant but
 * for failed, reads and phase.  Gone with its range, see shrink.c.
 */
struct sd_range_dev {
	struct block_device *bdev;
	dev_t devt;
	u32 block;		/* logical block size, sectors */
	u64 disk_dev;		/* whole disk and sector there, for overlaps */
	u64 disk_start;
	u64 start;		/* as in struct sd_range_id, readable without a lock */
	bool failed;		/* a write failed: exceptions may have moved away */
	/*
	 * Image reads under way.  They are counted in the phase of the moment,
	 * under the lock under which they looked up and under store->lock.  So
	 * whoever changes places, then the phase, and then waits until the old
	 * phase has no reads, has waited for all that saw the old places, and
	 * not for those that come later.
	 */
	atomic_t reads[2];
	u8 phase;		/* under store->lock */
};

/* One image read counted on a range; dev is NULL if none. */
struct sd_range_read {
	struct sd_range_dev *dev;
	u8 phase;
};

/* One table of a store; the store's ranges are held open in each. */
struct sd_store_target {
	struct list_head link;		/* store->instances */
	struct dm_target *ti;
	struct sd_store *store;
	struct sd_store_options opt;	/* take effect at resume */
	struct list_head devs;		/* struct held_dev of range.c; sd_registry */
	bool resumed;
	u32 releasing;			/* devices on their way out, see shrink.c; sd_registry */
};

struct sd_store {
	struct list_head link;
	struct kref ref;
	dev_t devt;			/* of the mapped device */
	u32 chunk;			/* sectors */
	u32 chunk_shift;		/* log2 of it */
	u32 chunk_pages;
	bool live;			/* was resumed once */
	bool dying;
	bool ended;			/* in sd_ended_stores; under sd_registry */

	struct mutex take_mutex;
	struct mutex extend_mutex;
	struct mutex snap_mutex;
	struct mutex event_mutex;

	/* under sd_registry */
	struct list_head instances;
	struct list_head origins;	/* struct sd_origin.link */
	struct sd_range_dev *devs[SNAPDIFF_RANGES_MAX];

	/* under event_mutex */
	struct sd_store_target *active;
	bool event_missed;

	/* under snap_mutex */
	struct list_head snapshots;	/* struct sd_snapshot.link, oldest first */
	struct list_head overlays;	/* struct sd_overlay.link */
	u32 nr_snapshots;
	u32 last_layer;

	/* under lock */
	seqlock_t lock;
	struct sd_space space;
	struct sd_policy policy;
	struct list_head segments;	/* struct sd_segment.link: all with pages */
	struct sd_segment *open;
	bool opening;			/* somebody allocates the next one */
	u64 buffered;			/* sectors of pages in segments */
	u64 remainders;			/* of them: in segments whose reads are slow */
	struct list_head held;		/* struct sd_job.held_link: counted as held, in line */
	struct list_head held_awake;	/* the same, woken */
	struct list_head place_waiters;	/* struct sd_stand.turn: lines for a free place */
	struct list_head buffer_waiters; /* struct sd_stand.turn: lines for a buffer */
	u64 awake;			/* parts wanted by those who were woken, see wait.c */
	bool memory_short;		/* until memory_work nobody is woken */
	struct list_head image_writers;	/* struct sd_read.wait: for a place, buffer or segment */
	u32 overlays_waiting;		/* ended, but a write in place is under way */
	unsigned long buffer_freed;	/* jiffies of the last release of a buffer */
	struct sd_segment *spare;	/* with its pages, for when memory is short */
	bool spare_used;
	bool drop_waits;		/* for places in segments that are being written */
	unsigned long drop_since;	/* jiffies */
	u32 buffer;			/* limit, sectors */
	u32 stall_ms;
	struct sd_evac *evac;		/* while a range shrinks; freed by its work only */
	u32 moving;			/* places that a batch of it has twice */
	unsigned long moving_since;	/* jiffies */

	bool discard_copy;		/* read without lock */
	char why[160];			/* under event_mutex: see message "why" */

	struct workqueue_struct *ask_wq;	/* writers that were woken: never waits for a device */
	struct workqueue_struct *write_wq;	/* segment writes: blocks on ranges */
	struct workqueue_struct *written_wq;	/* their ends: never waits for a device */
	struct workqueue_struct *admin_wq;	/* reaping, drops, events */
	struct workqueue_struct *shrink_wq;	/* evacuation: blocks on ranges */
	struct work_struct event_work;
	struct delayed_work drop_work;
	struct delayed_work hold_work;
	struct delayed_work age_work;
	struct delayed_work split_work;
	struct delayed_work stall_work;
	struct delayed_work memory_work;
	struct delayed_work image_work;
	struct delayed_work shrink_work;

	struct work_struct free_work;

	struct bio_set bios;		/* writes of segments */
	struct bio_set image_bios;	/* reads and writes of images that block */
	atomic_t place_writes;		/* writes in place, of overlays, under way on ranges */
	wait_queue_head_t idle;		/* no segments; nothing under way on ranges; nothing releasing */
};

/* For the cells: regions of one piece. */
static inline u32 sd_region_shift(const struct sd_store *s)
{
	return ilog2(SD_PIECE_SECTORS) - s->chunk_shift;
}

static inline u64 sd_to_chunk(const struct sd_store *s, sector_t sector)
{
	return sector >> s->chunk_shift;
}

/*
 * Reference a store by its device: the word in a table of an origin or image.
 * Under sd_registry. NULL: no such store, or it was never resumed.
 */
struct sd_store *sd_store_of(dev_t devt);
void sd_store_get(struct sd_store *s);
void sd_store_put(struct sd_store *s);

/*
 * Make the instance's store, or find it.  Takes extend_mutex and sd_registry, and
 * opens devices.  Memory without I/O: the caller says so.
 */
int sd_store_attach(struct sd_store_target *st, const struct sd_store_table *t, const char **why);
/* The instance goes; the last one ends the store. Takes extend_mutex and sd_registry. */
void sd_store_detach(struct sd_store_target *st);
/* The last origin of a store that has ended is gone. Under sd_registry. */
void sd_store_unlink_ended(struct sd_store *s);
void sd_store_resume(struct sd_store_target *st);
void sd_store_postsuspend(struct sd_store_target *st);

/* Carry out what a policy function asked for (SD_POLICY_*). Under store->lock. */
void sd_store_act(struct sd_store *s, unsigned int flags);
/*
 * A work of admin_wq at this time, or earlier if it is to run earlier already:
 * it finds out itself what is due. Under store->lock; does not sleep.
 */
void sd_store_run_by(struct sd_store *s, struct delayed_work *work, unsigned long due);
void sd_store_options(struct sd_store *s, struct sd_store_options *opt);
/* Something that user space should see has changed. */
void sd_store_note(struct sd_store *s);
/* Free space changed by other means than a job: levels follow. Takes store->lock. */
void sd_store_space_changed(struct sd_store *s, bool extended);

/* ---- ranges ------------------------------------------------------------ */

/* Whole disk and first sector there, so that partitions compare with disks. */
void sd_disk_place(struct block_device *bdev, u64 start, u64 *disk_dev, u64 *disk_start);
/* Is this mapped device a store, origin or image of ours? Under sd_registry. */
bool sd_is_ours(dev_t devt);
/* A range of any store that shares a sector, or an origin. Under sd_registry. */
bool sd_conflict_ranges(u64 disk_dev, u64 disk_start, u64 len);
/* Does a store have a range on this mapped device? Under sd_registry. */
bool sd_is_range_device(dev_t devt);
/* Any origin, but @except, and but one on the mapped device @self whose store has ended. */
bool sd_conflict_origins(u64 disk_dev, u64 disk_start, u64 len, const struct sd_origin *except,
			 dev_t self);

/*
 * The next four under extend_mutex; they open or close devices, and take
 * sd_registry.  Memory without I/O: the caller says so.
 *
 * Give a range to the store: all or nothing.  1: already there.
 */
int sd_range_add(struct sd_store_target *st, const struct sd_range_words *w, const char **why);
/* Open every range of the store for this instance, which is listed already. */
int sd_ranges_hold(struct sd_store_target *st, const char **why);
/* For an instance that is not listed any more: without locks, too. */
void sd_ranges_release(struct sd_store_target *st);
/* Does the store have a range with exactly these words? */
bool sd_range_known(struct sd_store_target *st, const struct sd_range_words *w);
/* An image read of a range is over. Any context. */
void sd_range_read_end(struct sd_store *s, struct sd_range_read *read);
/* No image reads are under way on any range. Under store->lock. */
bool sd_ranges_unread(const struct sd_store *s);
/*
 * Every table lets a device go once: first they are noted, under sd_registry,
 * then closed, without a lock, because closing may take long, and then, under
 * sd_registry, the tables may go too.
 */
void sd_range_unhold(struct sd_store *s, dev_t devt, struct list_head *list);
void sd_range_close(struct list_head *list);
void sd_range_closed(struct sd_store *s, struct list_head *list);

/* ---- shrinking --------------------------------------------------------- */

/*
 * Messages "shrink" and "shrink ... cancel". 0, or 1 with *answer, or -errno
 * with *why. Takes sd_registry for a moment; may sleep.
 */
int sd_shrink(struct sd_store *s, const struct sd_message *m, const char **answer,
	      const char **why);
/* A writer finds no place: undo a shrink, and try again. False: none is left. Under store->lock. */
bool sd_shrink_yield(struct sd_store *s);
/* Allocation in a shrinking range is legal again. Under store->lock. */
void sd_shrink_undo(struct sd_store *s, u32 slot, enum sd_shrink cause);
/* If the range is empty, take it out of the store. False: not yet. May sleep. */
bool sd_shrink_finish(struct sd_store *s, u32 slot);

/* NULL: no memory. */
struct sd_evac *sd_evac_alloc(void);
void sd_evac_free(struct sd_evac *e);
u64 sd_evac_bytes(void);
void sd_shrink_work(struct work_struct *work);
/* After the work was cancelled for good: free what it leaves. */
void sd_evac_end(struct sd_store *s);

/* ---- origins ----------------------------------------------------------- */

/* One origin's writers in a line, and its place among the origins there. */
struct sd_stand {
	struct list_head jobs;	/* struct sd_job.wait */
	struct list_head turn;
};

struct sd_origin {
	struct list_head link;		/* store->origins */
	struct kref ref;
	struct sd_store *store;
	char name[SNAPDIFF_NAME_MAX + 1];
	dev_t devt;			/* of the mapped device */
	dev_t under;			/* device below */
	u64 start;
	u64 size;			/* sectors; grows at a resume, under map_lock */
	u64 reach;			/* the longest that a table ever said; under sd_registry */
	u64 disk_dev, disk_start;	/* for overlaps */
	struct block_device *bdev;	/* valid while an instance exists */

	/* under sd_registry */
	u32 instances;
	struct sd_origin_target *active;	/* resumed last */
	bool gone;			/* its target went away */
	bool detached;
	u32 detaches;

	spinlock_t map_lock;
	struct sd_map *map;

	spinlock_t cell_lock;
	struct sd_cells jobs;
	struct sd_cells reads;

	/* gate.c */
	struct percpu_ref gate;
	spinlock_t gate_lock;
	bool gate_closed;
	struct list_head parked;	/* struct sd_job.wait */
	wait_queue_head_t gate_wait;
	struct completion gate_atomic;

	/* Even: watched. Odd: unwatched. Grows at postsuspend and at resume. */
	u32 watch_seq;
	bool requeue;			/* noflush suspend under way */
	struct list_head stranded;	/* struct sd_read.wait: until watched; gate_lock */
	struct delayed_work strand_work;

	/*
	 * Its own, so that an origin on a device that hangs stops no other one
	 * (protocol 15): the work of its jobs, and bios for when memory is short.
	 */
	struct workqueue_struct *job_wq;
	struct bio_set bios;
	struct work_struct free_work;

	struct work_struct reap_work;
	struct mutex reap_mutex;
	atomic64_t copied;
	atomic64_t read_waits;

	/* under store->lock */
	struct sd_stand for_place, for_buffer;
	u32 reading;			/* parts into which its copies read */
	u32 image_reading;		/* the same for writes to its images */
	unsigned long share_back;	/* jiffies: reading fell below its share */
	u64 awake;			/* parts wanted by those who were woken */
};

struct sd_origin_target {
	struct dm_target *ti;
	struct sd_origin *origin;
	struct dm_dev *dev;
	struct dm_dev *store_dev;
	u32 made_after;			/* origin->detaches at construction */
	bool foreign_before;		/* a foreign table was live at construction */
	struct task_struct *replaced_by; /* who resumed our next table; compared only */
	void *top;			/* for the origin's map, if this table is longer */
};

void sd_origin_get(struct sd_origin *o);
void sd_origin_put(struct sd_origin *o);
/* By name, attached, not gone. Under sd_registry. */
struct sd_origin *sd_origin_find(struct sd_store *s, const char *name);
enum sd_watch sd_origin_watch(const struct sd_origin *o);
int sd_origin_detach(struct sd_store *s, const char *name, bool force, const char **why);

static inline bool sd_watched(u32 seq)
{
	return !(seq & 1);
}

extern struct target_type sd_origin_type;
extern struct target_type sd_image_type;
extern struct target_type sd_store_type;

/* ---- gate -------------------------------------------------------------- */

int sd_gate_init(struct sd_origin *o);
void sd_gate_exit(struct sd_origin *o);
bool sd_gate_enter(struct sd_origin *o);
void sd_gate_leave(struct sd_origin *o);
/* Stand in o->parked until the gate opens; false: it is open, enter again. */
bool sd_gate_park(struct sd_origin *o, struct sd_job *job);
void sd_gate_prepare(struct sd_origin *o);	/* to atomic mode; then sd_gate_prepared() */
void sd_gate_prepared(struct sd_origin *o);
void sd_gate_unprepare(struct sd_origin *o);	/* back to percpu mode */
void sd_gate_close(struct sd_origin *o);
/* True when drained before @deadline (jiffies). */
bool sd_gate_drain(struct sd_origin *o, unsigned long deadline);
void sd_gate_open(struct sd_origin *o);

/* ---- jobs -------------------------------------------------------------- */

/*
 * One per bio that changes an origin, in its per-bio data.  Owned by exactly
 * one context at a time: a running work, a read under way, or one list.
 */
struct sd_job {
	struct sd_origin *origin;
	struct dm_target *ti;
	struct bio *bio;
	bool in_gate;		/* the bio itself is inside the gate (see end_io) */
	bool started;		/* the fields below are valid */
	struct sd_cow cow;
	u8 event;		/* enum sd_cow_event for the next run of work */
	bool windowed;		/* write-zeroes or discard: window by window */
	bool singly;		/* a read failed: copy chunk by chunk */
	bool bad;		/* the chunk being copied is unreadable */
	bool redo;		/* woken to do the same action again */
	sector_t cursor;	/* windowed: next sector on the origin */
	sector_t end;
	u64 first, last;	/* window, chunks */
	u64 run_first;		/* the piece being copied */
	u32 run;
	u32 got;		/* parts taken of it */
	u32 reserved;		/* exceptions reserved in the map */
	u32 snapshot;		/* newest live one at the look-up */
	u32 watch_seq;		/* at the beginning of the read */
	struct sd_segment *seg;
	u32 part;
	blk_status_t status;
	u64 held_since;		/* ms */
	bool held;		/* counted as held; under store->lock */
	bool woken;		/* counted as awake; set under store->lock */
	bool in_front;		/* where it stands if it has to wait again */
	unsigned long starved_since; /* first wait for a buffer: jiffies, not 0; 0: none */
	struct sd_cell cell;
	struct sd_cell drain;
	struct list_head wait;
	struct list_head held_link;
	struct work_struct work;
};

/*
 * An ordinary write is cut so that it lies in one region of 1 MiB: one piece of
 * buffer can hold what it covers, and it waits for few others.  .map context.
 */
static inline void sd_cut(struct bio *bio, sector_t sector)
{
	sector_t end = (sector / SD_PIECE_SECTORS + 1) * SD_PIECE_SECTORS;

	if (sector + bio_sectors(bio) > end)
		dm_accept_partial_bio(bio, end - sector);
}

/* Begin. The bio is the job's from here on. .map context or worker. */
void sd_job_start(struct sd_job *job);
/*
 * Let a waiting job go on: with the answer to its action, or by doing the
 * action again. Any context. The job must stand in no list any more.
 */
void sd_job_wake(struct sd_job *job, enum sd_cow_event event);
void sd_job_redo(struct sd_job *job);
/* Wake all that became ready when cells were left. */
void sd_jobs_ready(struct list_head *ready);
/* A discard that copies nothing. .map context. */
void sd_passdown_start(struct sd_job *job);
/* Sub-bio for sectors [from, to) of the origin, same operation as job->bio. */
struct bio *sd_job_sub_bio(struct sd_job *job, sector_t from, sector_t to);
/* End the job's bio. */
void sd_job_end(struct sd_job *job, blk_status_t status);

/* ---- snapshots --------------------------------------------------------- */

#define SD_CAUSE_DELETED (-1)

struct sd_snapshot_origin {
	struct sd_origin *origin;
	u64 size;
};

struct sd_snapshot {
	struct list_head link;
	struct kref ref;
	struct sd_store *store;
	char name[SNAPDIFF_NAME_MAX + 1];
	u32 layer;
	u32 images;		/* under snap_mutex */
	bool reaped;		/* by the drop that ended it; under snap_mutex */
	u64 time_s;
	int cause;		/* enum sd_cause or DELETED; NONE: live. Protocol 2 */
	u32 count;
	struct sd_snapshot_origin of[];
};

static inline bool sd_snapshot_live(const struct sd_snapshot *snap)
{
	/* Pairs with the release in sd_snapshot_end(). */
	return smp_load_acquire(&snap->cause) == SD_CAUSE_NONE;
}

struct sd_snapshot *sd_snapshot_find(struct sd_store *s, const char *name); /* snap_mutex */
/* The same for an image: counted in snap->images until released. Takes snap_mutex. */
struct sd_snapshot *sd_snapshot_show(struct sd_store *s, const char *name);
void sd_snapshot_release(struct sd_snapshot *snap);
void sd_snapshot_put(struct sd_snapshot *snap);
/*
 * The end of a snapshot, by a cause. Under snap_mutex. In this order: images
 * see it, the maps see it (under the publishing lock), writers are released,
 * reaping begins.
 */
void sd_snapshot_end(struct sd_snapshot *snap, int cause);
bool sd_snapshot_has(const struct sd_snapshot *snap, const struct sd_origin *o);
/* All live snapshots of which the origin is part. Takes snap_mutex. */
void sd_origin_invalidate(struct sd_origin *o, enum sd_cause cause);
/* Live snapshots that show @place at @chunk. Takes snap_mutex. */
void sd_place_lost(struct sd_origin *o, u64 chunk, sd_place_t place, enum sd_cause cause);
void sd_store_end_all(struct sd_store *s, enum sd_cause cause);
/* Empty the list; images that still show a snapshot keep it. */
void sd_snapshots_forget(struct sd_store *s);
int sd_snapshot_delete(struct sd_store *s, const char *name, const char **why);
/* Free what nobody needs any more, to the end. May sleep. */
void sd_origin_reap(struct sd_origin *o);
void sd_origin_reap_work(struct work_struct *work);
/* The same for any map, by one caller at a time. */
void sd_map_reap_all(struct sd_store *s, struct sd_map *map, spinlock_t *map_lock);

int sd_take(struct sd_store *s, const struct sd_message *m, const char **why);

/* ---- running out ------------------------------------------------------- */

void sd_drop_work(struct work_struct *work);
void sd_hold_work(struct work_struct *work);
void sd_stall_work(struct work_struct *work);
/* Another stall limit: all that is armed for the old one. Under store->lock. */
void sd_stall_changed(struct sd_store *s);

/* ---- images ------------------------------------------------------------ */

struct sd_image_link {
	struct list_head link;
	dev_t devt;
};
extern struct list_head sd_images; /* under sd_registry */

/* Image reads that wait until their origin is watched again, or is gone. */
void sd_reads_retry(struct sd_origin *o);
void sd_strand_work(struct work_struct *work);

/* Queue all image writes in line: they look for themselves. Under store->lock. */
void sd_image_writers_wake(struct sd_store *s);
void sd_image_writers_retry(struct sd_store *s);	/* takes store->lock */
void sd_image_work(struct work_struct *work);

/* ---- overlays ---------------------------------------------------------- */

/* What was written to one writable image. See overlay.c. */
struct sd_overlay {
	struct list_head link;		/* store->overlays */
	struct kref ref;
	struct sd_snapshot *snap;	/* with a reference */
	struct sd_origin *origin;	/* kept by the snapshot */
	dev_t devt;			/* of the mapped device */
	u32 instances;			/* tables that show it; under snap_mutex */
	spinlock_t map_lock;		/* as origin->map_lock; never both at once */
	struct sd_map *map;
	spinlock_t cell_lock;
	struct sd_cells cells;		/* struct sd_write.cell */
	atomic_t in_place;		/* writes to its places on ranges under way */
	bool reap_tried;		/* by the drop that ended it; under snap_mutex */
	bool reap_waits;		/* for the last of them; under store->lock */
	struct mutex reap_mutex;
	struct work_struct reap_work;
};

/*
 * The overlay of a mapped device, for one more table: found, or made if
 * @writable; else *result may be NULL. @size in sectors. May sleep.
 */
int sd_overlay_open(struct sd_snapshot *snap, struct sd_origin *o, dev_t devt, u64 size,
		    bool writable, struct sd_overlay **result, const char **why);
/* A table goes; NULL is allowed. The last one throws the overlay away. Takes snap_mutex. */
void sd_overlay_close(struct sd_overlay *ov);
void sd_overlay_get(struct sd_overlay *ov);
void sd_overlay_put(struct sd_overlay *ov);
/* Step of sd_snapshot_end(). Under snap_mutex. */
void sd_overlays_end(struct sd_snapshot *snap);
/* Free the places of the ended overlays of a snapshot. Takes snap_mutex; may sleep. */
void sd_overlays_reap(struct sd_snapshot *snap);
/* False: a write in place is under way; reaping follows it. May sleep. */
bool sd_overlay_reap(struct sd_overlay *ov);
/* A write in place: true and counted until the end, or false: the snapshot has ended. */
bool sd_overlay_write_begin(struct sd_overlay *ov);
void sd_overlay_write_end(struct sd_overlay *ov);
/*
 * Lock chunks of it against writes, for moving them: at once or not at all, as a
 * write may hold its chunks for as long as it waits for a place.
 */
bool sd_overlay_try_lock(struct sd_overlay *ov, struct sd_cell *cell, u64 first, u64 last);
void sd_overlay_unlock(struct sd_overlay *ov, struct sd_cell *cell);
/* As sd_map_lookup(). Takes map_lock. */
bool sd_overlay_lookup(struct sd_overlay *ov, u64 first, u32 max, sd_place_t *place, u32 *run);
u64 sd_overlay_places(const struct sd_overlay *ov);
/* Sectors it holds, chunks it can still take. NULL: none. No lock. */
void sd_overlay_facts(const struct sd_overlay *ov, u64 *sectors, u64 *to_come);

/* ---- status ------------------------------------------------------------ */

void sd_status_summary(struct sd_store *s, struct sd_text *t);
void sd_status_store(struct sd_store *s, struct sd_text *t);
void sd_status_table(struct sd_store *s, struct sd_text *t);

#endif /* SD_SNAPDIFF_H */
