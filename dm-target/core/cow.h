/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cow.h - the order of steps of a COW job, as a state machine.
 *
 * One job per bio that changes an origin and met a chunk that is not safe (or
 * a closed gate).  The machine holds no lock and touches no data: it is told
 * what happened (event) and says what to do next (action).  The module and the
 * user-space protocol model carry the actions out, so a step left out here is
 * found there.  The order, and the race that each step closes, stand in cow.c.
 *
 * Actions and the events that may answer them:
 *
 *  LOCK      lock the cells of the job's window             -> OK (when locked)
 *  LOOKUP    under the map lock: find the first run that is
 *            not safe; note the newest live snapshot        -> RUN | SAFE
 *  TAKE      take places and pages for (a part of) the run,
 *            reserve room in the map                -> OK | ABANDON | REQUEUE
 *            (waiting for space or buffers is inside; ABANDON: a snapshot
 *            ended meanwhile; REQUEUE: noflush suspend; DISCARD
 *            comes after both and gives back what was taken)
 *  READ      read the old data                              -> OK | FAIL | ABANDON
 *  MARK_BAD  a single chunk is unreadable: its exception
 *            becomes a bad one (the glue retries a failed
 *            run chunk by chunk by itself)                  -> OK
 *  PUBLISH   under the map lock: if the noted snapshot is
 *            live and still the newest and the origin was
 *            watched since READ: publish                    -> OK | ABANDON
 *  DRAIN     wait for image reads of the origin that
 *            entered before                                 -> OK
 *  MARK_SAFE under the map lock                             -> OK
 *  DISCARD   give places, pages and reservation back, as
 *            far as they are held                           -> OK
 *  UNLOCK    leave the cells                                -> OK
 *  GATE      enter the gate                                 -> OK | CLOSED
 *  CONFIRM   in the gate: are all chunks of the window safe -> SAFE | RUN
 *  LEAVE     leave the gate                                 -> OK
 *  PARK      wait until the gate opens                      -> OK | REQUEUE
 *  SUBMIT    submit; the gate is left at completion: the end
 *  GIVE_BACK complete the bio with "requeue": the end
 */
#ifndef SD_CORE_COW_H
#define SD_CORE_COW_H

#include "port.h"

enum sd_cow_action {
	SD_COW_LOCK,
	SD_COW_LOOKUP,
	SD_COW_TAKE,
	SD_COW_READ,
	SD_COW_MARK_BAD,
	SD_COW_PUBLISH,
	SD_COW_DRAIN,
	SD_COW_MARK_SAFE,
	SD_COW_DISCARD,
	SD_COW_UNLOCK,
	SD_COW_GATE,
	SD_COW_CONFIRM,
	SD_COW_LEAVE,
	SD_COW_PARK,
	SD_COW_SUBMIT,
	SD_COW_GIVE_BACK,
	SD_COW_NONE,	/* an event after the end: do nothing */
};

enum sd_cow_event {
	SD_COW_START,	/* to begin, and to begin again with the next window */
	SD_COW_OK,
	SD_COW_RUN,
	SD_COW_SAFE,
	SD_COW_FAIL,
	SD_COW_ABANDON,
	SD_COW_CLOSED,
	SD_COW_REQUEUE,
};

struct sd_cow {
	u8 action;	/* enum sd_cow_action: what was asked for last */
	bool requeue;	/* after UNLOCK comes GIVE_BACK */
};

enum sd_cow_action sd_cow_step(struct sd_cow *job, enum sd_cow_event event);
const char *sd_cow_action_name(enum sd_cow_action a);

#endif /* SD_CORE_COW_H */
