/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dm-snapdiff.h - what user space and the kernel module say to each other.
 *
 * Everything is text: the tables, messages and status lines of three
 * device-mapper targets.  This file holds the grammar, once.  The kernel
 * parses tables and messages in core/parse.c and emits tables and status in
 * core/emit.c; user space does the opposite in lib/dm/.
 *
 * Units.  Every length and position is in sectors of 512 bytes unless its
 * name says otherwise; times are in milliseconds unless said otherwise.
 * Numbers are decimal, unsigned, without sign, leading "0x" or blanks, and
 * fit 64 bits.  Words are separated by single blanks.
 *
 * NAME   1 to 64 of  A-Z a-z 0-9 _ . + : -   not beginning with '-'.
 * DEV    a path or MAJOR:MINOR in what user space sends; MAJOR:MINOR in what
 *        the kernel emits.
 * GROUP  N or N,last   N is 0 to 4294967295 and stands for the disk the range
 *        lies on; ranges of a group marked "last" are filled after all others.
 *
 * Tables
 * ------
 * store (exactly the line "0 1 ...", the only line of its table):
 *
 *   snapdiff-store CHUNK LOW_WATER HOLD STALL BUFFER
 *                  #FEATURES [FEATURE]...  #RANGES [DEV START LEN GROUP]...
 *
 *   CHUNK      chunk size: a power of two, 8 to 2048 (4 KiB to 1 MiB)
 *   LOW_WATER  free sectors at or below which the store asks for more; 0: never
 *   HOLD       longest hold, 0 to 3600000 ms; 0: writes never wait for space
 *   STALL      stall limit, 100 to 3600000 ms
 *   BUFFER     buffer limit, 2048 (1 MiB) to 16777216 sectors
 *   FEATURE    full=drop-oldest (default) | full=drop-all
 *              discard=ignore (default)   | discard=copy
 *
 * origin (the only line of its table, beginning at sector 0):
 *
 *   snapdiff-origin STORE_DEV NAME DEV START
 *
 * image (the only line of its table, beginning at sector 0, as long as the
 * origin was at the take):
 *
 *   snapdiff STORE_DEV SNAPSHOT ORIGIN ro|rw
 *
 *   rw         what is written goes to an overlay that no other device shows.
 *              It belongs to the mapped device: a reload keeps it (a table with
 *              "ro" then shows it read-only), removing the device throws it
 *              away.  At or below low water a write that needs space waits for
 *              up to the hold time, then fails with ENOSPC
 *
 * Messages (all to the store device, sector 0)
 * --------------------------------------------
 *   extend DEV START LEN [GROUP]   give a range; all or nothing.  A range that
 *                                  the store has already with the same words
 *                                  answers "already there" and changes nothing
 *   shrink DEV START LEN           take a range back: from now on it gives no new
 *                                  places, what it holds moves to other ranges in
 *                                  the background, and then the range is no
 *                                  longer listed and its device is closed.
 *                                  ENOSPC if the others have less free space
 *                                  than it uses; ENOENT if the store has no such
 *                                  range (any more); "already shrinking" if asked
 *                                  again
 *   shrink DEV START LEN cancel    undo that; what has moved stays where it is.
 *                                  "not shrinking" if there is nothing to undo;
 *                                  EBUSY if the range is just leaving
 *   take SNAPSHOT TIMEOUT ORIGIN...   TIMEOUT 1 to 60000 ms.  "*" alone stands
 *                                  for all origins.  Stacked origins are given
 *                                  upper ones first
 *   delete SNAPSHOT                EBUSY while an image of it exists
 *   detach ORIGIN [force]          its target passes everything through from
 *                                  now on, may be removed or replaced without
 *                                  costing a snapshot; EBUSY while live
 *                                  snapshots contain it, unless "force"
 *                                  (which makes them invalid)
 *   set KEY VALUE                  KEY: low_water hold stall buffer full discard
 *   summary                        answers the one line below
 *   why                            answers the reason for which the last refused
 *                                  message was refused, or "-".  Reasons are
 *                                  also said in the kernel log
 *
 * Errors of messages: EINVAL malformed or out of range, ENOENT no such name or
 * device, EEXIST name taken or range in conflict, EBUSY, ENOSPC (take on a
 * full store), ETIMEDOUT (take), ENOMEM, ENXIO (store going away).
 *
 * summary (fewer than 512 bytes):
 *
 *   MODE CAPACITY USED FREE UNUSABLE LOW_WATER LEVEL SEQ HELD HELD_MS
 *        HELD_TOTAL
 *
 *   MODE      active | holding (no free place, writers wait) | full (no free
 *             place and the hold is spent) | dying
 *   CAPACITY  = USED + FREE + UNUSABLE, always
 *   LEVEL     ok | low   (low: LOW_WATER > 0 and FREE <= LOW_WATER)
 *   SEQ       grows by at least one with every change of LEVEL or MODE, with
 *             every take, delete, drop, invalidation, attach, detach, extend,
 *             begin and end of a shrink; each such change is also a device-mapper event of the store
 *   HELD      bios that wait for a free place; HELD_MS age of the oldest, 0: none;
 *             HELD_TOTAL bios that ever had to, since the store was made
 *
 * Status
 * ------
 * store:
 *
 *   SUMMARY BUFFERED BUFFER MEMORY_BYTES #RANGES #ORIGINS #SNAPSHOTS
 *   [range DEV START LEN GROUP RANGE_STATE SHRINK USED FREE
 *          UNUSABLE]...
 *   [origin NAME DEV START SIZE ORIGIN_STATE UNSAFE_CHUNKS BAD_CHUNKS
 *           COPIED_CHUNKS READ_WAITS]...
 *   [snapshot NAME TIME_S OWN SNAPSHOT_STATE CAUSE IMAGES OVERLAY TO_COME
 *             #N [ORIGIN SIZE]...]...
 *
 *   BUFFERED        sectors that wait in memory to be written; BUFFER the limit
 *   RANGE_STATE     ok | failed (a write to it failed; no new places there)
 *   SHRINK          - | moving (it is being shrunk: what it uses moves elsewhere,
 *                   all the rest of it is unusable) | cancelled | no-space (the
 *                   last shrink of it was undone: by a message, or because no
 *                   place was free elsewhere for it or for a write)
 *   DEV of origin   the live volume's own device; START its first sector on the
 *                   device below; SIZE its length
 *   ORIGIN_STATE    watched | unwatched (suspended) | detached
 *   UNSAFE_CHUNKS   chunks a first write to which must copy (0: no live snapshot)
 *   BAD_CHUNKS      chunks whose old data could not be read, at the origin or
 *                   when it was to leave a shrinking range: EIO in images
 *   COPIED_CHUNKS   copies made since the origin was attached
 *   READ_WAITS      times a copy waited for an image read of the same chunks
 *   TIME_S          seconds since 1970 at the take
 *   OWN             sectors that a delete of only this snapshot would free
 *   SNAPSHOT_STATE  live | invalid
 *   CAUSE           - | overflow | origin-gone | origin-forced | store-write
 *                   | no-memory | stall | store-gone
 *   IMAGES          image devices that exist of it
 *   OVERLAY         sectors that overlays of its writable images hold
 *   TO_COME         chunks that writes to these images can still take: the worst
 *                   case still to come is these and all UNSAFE_CHUNKS
 *   order           ranges as given, but a new one stands where the first one
 *                   that was taken back stood; origins as attached; snapshots oldest first
 *
 * origin:  NAME ORIGIN_STATE
 * image:   SNAPSHOT ORIGIN SNAPSHOT_STATE CAUSE ro|rw OVERLAY TO_COME
 *
 * "dmsetup table" answers the line that recreates the device as it is now.
 */
#ifndef DM_SNAPDIFF_UAPI_H
#define DM_SNAPDIFF_UAPI_H

#include <linux/types.h>

/* Versions of the three targets: major changes when this grammar does. */
#define SNAPDIFF_VERSION_MAJOR 1
#define SNAPDIFF_VERSION_MINOR 0
#define SNAPDIFF_VERSION_PATCH 0

#define SNAPDIFF_TARGET_STORE "snapdiff-store"
#define SNAPDIFF_TARGET_ORIGIN "snapdiff-origin"
#define SNAPDIFF_TARGET_IMAGE "snapdiff"

/* Prefix of the device-mapper UUIDs that snapdiff's own tools give. */
#define SNAPDIFF_UUID_PREFIX "SNAPDIFF-"

#define SNAPDIFF_NAME_MAX 64

#define SNAPDIFF_CHUNK_MIN 8U
#define SNAPDIFF_CHUNK_MAX 2048U
#define SNAPDIFF_HOLD_DEFAULT_MS 60000U
#define SNAPDIFF_HOLD_MAX_MS 3600000U
#define SNAPDIFF_STALL_DEFAULT_MS 30000U
#define SNAPDIFF_STALL_MIN_MS 100U
#define SNAPDIFF_STALL_MAX_MS 3600000U
#define SNAPDIFF_BUFFER_DEFAULT 131072U
#define SNAPDIFF_BUFFER_MIN 2048U
#define SNAPDIFF_BUFFER_MAX 16777216U
#define SNAPDIFF_TAKE_TIMEOUT_DEFAULT_MS 2000U
#define SNAPDIFF_TAKE_TIMEOUT_MAX_MS 60000U
#define SNAPDIFF_RANGES_MAX 4096U
#define SNAPDIFF_SUMMARY_MAX 512U

#endif /* DM_SNAPDIFF_UAPI_H */
