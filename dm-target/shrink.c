// SPDX-License-Identifier: GPL-2.0-only
/*
 * shrink.c - taking a range back from a running store.
 *
 * In order, and what each step closes:
 *
 *  1. The message marks the range, under store->lock.  From here on nothing
 *     new gets a place there.  The one segment that may be open there is
 *     sealed; one whose pages are just being allocated is sealed after its
 *     first job (take_parts), and failed data that is on its way there is
 *     found by a later pass.  Free space falls by what was free there: the
 *     low-water level follows at once.
 *  2. The work (evacuate.c) moves what snapshots still need, batch by batch,
 *     until no place is taken.  What nobody needs is left to the reaping.
 *  3. *Leaving*: no place is taken, no buffer lies there, no image read is
 *     under way.  An image read is counted under the lock of its look-up, and
 *     a place that can be looked up is taken: so none can begin any more.
 *     From here on the shrink cannot be undone, and a new table does not open
 *     the device.
 *  4. Every table, live or loaded, lets the device go, without a lock:
 *     closing may take long.  A table cannot go away meanwhile (releasing).
 *  5. The range leaves the counters and the status, its slot is empty, the
 *     event comes.  Who sees one of these finds the device closed.
 *
 * Until 3 the shrink can be undone at any moment, by one call under
 * store->lock: because the user says so, because the evacuation finds no place,
 * or because a writer would have to wait for a place: the origin comes first.
 * A writer undoes one shrink after the other until it has a place; if it has to
 * wait all the same, none is left, so that whatever a drop or a delete frees is
 * free indeed.  The places of a batch on its way stay taken, and the work gives
 * them back.
 */
#include <linux/sched/mm.h>

#include "segment.h"

/* ---- the message ------------------------------------------------------- */

/* Without opening it: a range is to be taken back because its device is gone, too. */
static int find_device(const char *word, dev_t *devt)
{
	unsigned int major, minor;

	if (*word == '/')
		return lookup_bdev(word, devt);
	if (sscanf(word, "%u:%u", &major, &minor) != 2)
		return -EINVAL;
	*devt = MKDEV(major, minor);
	return MAJOR(*devt) == major && MINOR(*devt) == minor ? 0 : -ENOENT;
}

void sd_shrink_undo(struct sd_store *s, u32 slot, enum sd_shrink cause)
{
	const struct sd_range_dev *d = s->devs[slot];

	if (!sd_space_unshrink(&s->space, slot, cause))
		return;
	if (cause == SD_SHRINK_NO_SPACE)
		DMWARN("range %u:%u %llu: shrink undone: no free place is left elsewhere",
		       MAJOR(d->devt), MINOR(d->devt), d->start);
	sd_store_act(s, sd_policy_note(&s->policy) |
				sd_policy_space(&s->policy, s->space.free, false));
}

bool sd_shrink_yield(struct sd_store *s)
{
	u32 slot = sd_space_yields(&s->space);

	if (slot == SD_NO_SLOT)
		return false;
	sd_shrink_undo(s, slot, SD_SHRINK_NO_SPACE);
	return true;
}

/* Under store->lock. */
static int cancel(struct sd_store *s, u32 slot, const char **answer, const char **why)
{
	const struct sd_range *r = s->space.ranges[slot];

	*why = "the range is free already and about to leave: extend it again";
	if (r->leaving)
		return -EBUSY;
	*answer = "not shrinking";
	if (r->shrink != SD_SHRINK_MOVING)
		return 1;
	sd_shrink_undo(s, slot, SD_SHRINK_CANCELLED);
	return 0;
}

/* Under store->lock. */
static int begin(struct sd_store *s, u32 slot, struct sd_evac **fresh, const char **answer,
		 const char **why)
{
	int r;

	r = sd_space_shrink(&s->space, slot, why);
	if (r == 1)
		*answer = "already shrinking";
	if (r)
		return r;
	if (s->open && s->open->run.slot == slot)
		sd_segment_seal_open(s);
	if (!s->evac) {
		s->evac = *fresh;
		*fresh = NULL;
	}
	sd_store_act(s, sd_policy_note(&s->policy) |
				sd_policy_space(&s->policy, s->space.free, false));
	mod_delayed_work(s->shrink_wq, &s->shrink_work, 0);
	return 0;
}

static int shrink(struct sd_store *s, const struct sd_message *m, struct sd_evac **fresh,
		  const char **answer, const char **why)
{
	u32 slot = SD_NO_SLOT;
	dev_t devt;
	int r;

	*why = "no device of this name";
	r = find_device(m->range.dev, &devt);
	if (r)
		return r == -ENOTBLK ? r : -ENOENT;
	mutex_lock(&sd_registry);
	*why = "the store is going away";
	r = -ENXIO;
	if (!s->dying) {
		*why = "the store has no range of these words: DEV START LEN";
		r = -ENOENT;
		slot = sd_space_slot_of(&s->space, devt, m->range.start, m->range.len);
	}
	if (slot != SD_NO_SLOT) {
		write_seqlock(&s->lock);
		r = m->cancel ? cancel(s, slot, answer, why) : begin(s, slot, fresh, answer, why);
		write_sequnlock(&s->lock);
	}
	mutex_unlock(&sd_registry);
	return r;
}

int sd_shrink(struct sd_store *s, const struct sd_message *m, const char **answer,
	      const char **why)
{
	unsigned int noio = memalloc_noio_save();
	struct sd_evac *fresh = NULL;
	int r = 0;

	/* All memory that moving needs, now: later none is asked for. */
	if (!m->cancel) {
		fresh = sd_evac_alloc();
		*why = "no memory for moving what the range holds";
		if (!fresh)
			r = -ENOMEM;
	}
	if (!r)
		r = shrink(s, m, &fresh, answer, why);
	sd_evac_free(fresh);
	memalloc_noio_restore(noio);
	return r;
}

/* ---- the end ----------------------------------------------------------- */

/* Step 3. */
static bool leave(struct sd_store *s, u32 slot, struct list_head *held)
{
	struct sd_range_dev *d;
	bool gone;

	mutex_lock(&sd_registry);
	write_seqlock(&s->lock);
	d = s->devs[slot];
	gone = !READ_ONCE(s->dying) && !sd_segment_in_range(s, slot) &&
	       !atomic_read(&d->reads[0]) && !atomic_read(&d->reads[1]) &&
	       sd_space_leave(&s->space, slot);
	write_sequnlock(&s->lock);
	if (gone)
		sd_range_unhold(s, d->devt, held);
	mutex_unlock(&sd_registry);
	return gone;
}

bool sd_shrink_finish(struct sd_store *s, u32 slot)
{
	struct sd_range_dev *d;
	struct sd_range *r;
	LIST_HEAD(held);

	if (!leave(s, slot, &held))
		return false;
	/* A close that finds dirty pages writes them, under a lock that extend wants too. */
	sync_blockdev(s->devs[slot]->bdev);
	sd_range_close(&held);

	mutex_lock(&sd_registry);
	write_seqlock(&s->lock);
	d = s->devs[slot];
	s->devs[slot] = NULL;
	r = sd_space_remove(&s->space, slot);
	sd_store_act(s, sd_policy_note(&s->policy) |
				sd_policy_space(&s->policy, s->space.free, false));
	write_sequnlock(&s->lock);
	sd_range_closed(s, &held);
	mutex_unlock(&sd_registry);
	sd_range_free(r);
	kfree(d);
	return true;
}
