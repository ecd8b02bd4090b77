// SPDX-License-Identifier: GPL-2.0-only
/*
 * cow.c - the order of steps of a COW job.
 *
 * A write wants to change chunks whose old data some live snapshot needs.  The
 * whole difficulty is that takes, deletes, drops, suspends, other writers and
 * image reads go on meanwhile.  Each step is where it is because of one race:
 *
 *  LOCK before LOOKUP: two writers to one chunk.  The second would read what
 *      the first has written meanwhile and keep it as old data.  So the cells
 *      come first, and only then is looked up what is still to be copied; the
 *      look-up made before waiting for the cells counts for nothing.
 *  LOOKUP notes the newest live snapshot: it names the one for which the copy
 *      is made.  While the job reads, that snapshot can end; its chunks then
 *      are safe and writers go past this job without waiting for its cells, so
 *      what it reads may be new data.  Or a take can come, and the copy would
 *      land in a layer for which nobody checked that the chunk is unwritten.
 *  PUBLISH therefore asks again under the map lock, the lock under which
 *      snapshots end and layers change, whether the noted snapshot is still
 *      live and the newest, and the origin was watched all through the read
 *      (a foreign table lets writes pass unseen).  If not: DISCARD and LOOKUP.
 *  TAKE before READ, all or nothing, in the order of arrival: who holds buffers
 *      waits only for its own read; so buffers always come back.  Room in the
 *      map is part of it: publishing must not fail, for then the writer would
 *      have to wait for memory while it holds everything.
 *  DRAIN after PUBLISH: an image read that looked up before the publishing
 *      goes to the origin and must get there before the write.  Those that
 *      look up after it find the exception.  Draining before publishing would
 *      let a new read in between.
 *  MARK_SAFE after DRAIN: from here on other writers pass without any lock.
 *      Done earlier, their writes could overtake the reads being drained.
 *      It holds for the layer in which was published: if a take came since,
 *      the chunk is not safe for the new one, and LOOKUP says so.
 *  UNLOCK before GATE: a take closes the gate and waits for whoever is inside.
 *      A job that held the gate while it copies would stall every take; one
 *      that waited at the gate with cells held would stall other writers, and
 *      with the gates of stacked origins could close a circle.
 *  CONFIRM in the gate: a take may have come between MARK_SAFE and GATE; the
 *      write then belongs to the time after it and must copy again, for it
 *      would change what the new snapshot shows.  No take can come once inside
 *      the gate, so the answer SAFE stays true until the write has completed.
 *      CONFIRM reads the layer and the map after entering (acquire), or a weakly
 *      ordered CPU may have read them before.
 *  LEAVE before LOCK: as UNLOCK before GATE.
 *  SUBMIT is reached from CONFIRM answered SAFE and from nowhere else.
 *
 * A noflush suspend gives parked bios back (GIVE_BACK), after everything held
 * is returned.  DISCARD and UNLOCK come first on each of these ways.
 *
 * Events that cannot come in a state are warned of and answered with the most
 * careful step that keeps what is held balanced; none of them leads to SUBMIT.
 */
#include "cow.h"

/* The write waits for its chunks to be copied: cells held, no gate. */
static enum sd_cow_action copying(struct sd_cow *job, enum sd_cow_event event)
{
	switch ((enum sd_cow_action)job->action) {
	case SD_COW_LOOKUP:
		if (event == SD_COW_RUN)
			return SD_COW_TAKE;
		if (event == SD_COW_SAFE)
			return SD_COW_UNLOCK;
		WARN_ON(1);
		return SD_COW_LOOKUP;
	case SD_COW_TAKE:
		if (event == SD_COW_OK)
			return SD_COW_READ;
		if (event == SD_COW_REQUEUE)
			job->requeue = true;
		else
			WARN_ON(event != SD_COW_ABANDON);
		return SD_COW_DISCARD;
	case SD_COW_READ:
		if (event == SD_COW_OK)
			return SD_COW_PUBLISH;
		if (event == SD_COW_FAIL)
			return SD_COW_MARK_BAD;
		WARN_ON(event != SD_COW_ABANDON);
		return SD_COW_DISCARD;
	case SD_COW_MARK_BAD:
		return WARN_ON(event != SD_COW_OK) ? SD_COW_DISCARD : SD_COW_PUBLISH;
	case SD_COW_PUBLISH:
		if (event == SD_COW_OK)
			return SD_COW_DRAIN;
		WARN_ON(event != SD_COW_ABANDON);
		return SD_COW_DISCARD;
	case SD_COW_DRAIN:
		return WARN_ON(event != SD_COW_OK) ? SD_COW_DRAIN : SD_COW_MARK_SAFE;
	case SD_COW_MARK_SAFE:
		WARN_ON(event != SD_COW_OK);
		return SD_COW_LOOKUP;
	default:	/* SD_COW_DISCARD */
		WARN_ON(event != SD_COW_OK);
		return job->requeue ? SD_COW_UNLOCK : SD_COW_LOOKUP;
	}
}

/* From the cells to the gate and through it: no cells held. */
static enum sd_cow_action passing(struct sd_cow *job, enum sd_cow_event event)
{
	switch ((enum sd_cow_action)job->action) {
	case SD_COW_UNLOCK:
		WARN_ON(event != SD_COW_OK);
		return job->requeue ? SD_COW_GIVE_BACK : SD_COW_GATE;
	case SD_COW_GATE:
		if (event == SD_COW_OK)
			return SD_COW_CONFIRM;
		WARN_ON(event != SD_COW_CLOSED);
		return SD_COW_PARK;
	case SD_COW_CONFIRM:
		if (event == SD_COW_SAFE)
			return SD_COW_SUBMIT;
		WARN_ON(event != SD_COW_RUN);
		return SD_COW_LEAVE;
	case SD_COW_LEAVE:
		WARN_ON(event != SD_COW_OK);
		return SD_COW_LOCK;
	default:	/* SD_COW_PARK */
		if (event == SD_COW_REQUEUE)
			return SD_COW_GIVE_BACK;
		WARN_ON(event != SD_COW_OK);
		return SD_COW_GATE;
	}
}

enum sd_cow_action sd_cow_step(struct sd_cow *job, enum sd_cow_event event)
{
	enum sd_cow_action next;

	switch ((enum sd_cow_action)job->action) {
	case SD_COW_SUBMIT:
	case SD_COW_GIVE_BACK:
	case SD_COW_NONE:
		/* the bio is gone; only a new window may begin */
		next = WARN_ON(event != SD_COW_START) ? SD_COW_NONE : SD_COW_LOCK;
		job->requeue = false;
		break;
	case SD_COW_LOCK:
		/* a job filled with zeroes stands here before it has begun */
		if (event == SD_COW_START) {
			job->requeue = false;
			next = SD_COW_LOCK;
			break;
		}
		WARN_ON(event != SD_COW_OK);
		next = SD_COW_LOOKUP;
		break;
	case SD_COW_UNLOCK:
	case SD_COW_GATE:
	case SD_COW_CONFIRM:
	case SD_COW_LEAVE:
	case SD_COW_PARK:
		next = passing(job, event);
		break;
	default:
		next = copying(job, event);
		break;
	}
	job->action = next;
	return next;
}

const char *sd_cow_action_name(enum sd_cow_action a)
{
	static const char *const names[] = {
		[SD_COW_LOCK] = "lock",
		[SD_COW_LOOKUP] = "lookup",
		[SD_COW_TAKE] = "take",
		[SD_COW_READ] = "read",
		[SD_COW_MARK_BAD] = "mark-bad",
		[SD_COW_PUBLISH] = "publish",
		[SD_COW_DRAIN] = "drain",
		[SD_COW_MARK_SAFE] = "mark-safe",
		[SD_COW_DISCARD] = "discard",
		[SD_COW_UNLOCK] = "unlock",
		[SD_COW_GATE] = "gate",
		[SD_COW_CONFIRM] = "confirm",
		[SD_COW_LEAVE] = "leave",
		[SD_COW_PARK] = "park",
		[SD_COW_SUBMIT] = "submit",
		[SD_COW_GIVE_BACK] = "give-back",
		[SD_COW_NONE] = "none",
	};

	if ((unsigned int)a >= ARRAY_SIZE(names))
		return "?";
	return names[a];
}
