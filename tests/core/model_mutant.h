// SPDX-License-Identifier: GPL-2.0-or-later
// Steps of the protocol left out or done wrongly, one at a time, to see whether the model finds it.
// Numbers are those of docs/protocol.md.
#pragma once

// clang-format off
#define MODEL_MUTANTS(X) \
	/* a job */ \
	X(NO_CELLS) /* jobs do not lock their chunks (1, 16) */ \
	X(NO_LOOKUP) /* what was to copy is not looked up again under the cells (1) */ \
	X(NO_RESERVE) /* no room in the map is taken before the copy */ \
	X(READ_LATE) /* published before the old data is there */ \
	X(NO_MARK_BAD) /* what could not be read is published as data (24) */ \
	X(NO_PUBLISH) /* marked safe without an exception */ \
	X(PUBLISH_ABANDONED) /* a copy is published though its snapshot ended (4) */ \
	X(PUBLISH_UNLOCKED) /* that is asked, but not under the lock that publishes (4) */ \
	X(PUBLISH_UNWATCHED) /* a copy is published though a foreign table let writes pass (3) */ \
	X(NO_DRAIN) /* image reads are not waited for (8) */ \
	X(DRAIN_EARLY) /* they are, before publishing (8) */ \
	X(NO_MARK_SAFE) /* chunks that are copied never become safe */ \
	X(SAFE_FOR_NEWEST) /* they become safe for the layer of that moment, not of the publish */ \
	X(NO_DISCARD) /* what an abandoned copy holds is not given back */ \
	X(NO_UNLOCK) /* cells are never left */ \
	X(GATE_IGNORED) /* a closed gate lets pass (10) */ \
	X(LOOKED_BEFORE_GATE) /* layer and map are read before the gate is entered, as a processor \
				 may without the acquire (9) */ \
	X(NO_CONFIRM) /* the write goes without a last look-up in the gate (10) */ \
	X(NO_LEAVE) /* the gate is kept while copying again (10) */ \
	/* image reads */ \
	X(NO_TRACKING) /* they do not register (8) */ \
	X(TRACKS_LATE) /* they register after their look-up (8) */ \
	X(NO_VALIDITY) /* they do not ask at their end whether their snapshot lives (2) */ \
	X(READ_UNWATCHED) /* they believe an origin that was not watched (3) */ \
	X(READ_UNREFERRED) /* they keep no reference to the buffer (6) */ \
	/* takes and ends */ \
	X(NO_GATE_DRAIN) /* a take does not wait for writes in flight */ \
	X(VALID_TOO_LONG) /* the end of a snapshot is marked after its places were freed (2) */ \
	/* the diff storage */ \
	X(FREED_WHILE_WRITTEN) /* a place is free before its segment is written (6) */ \
	X(GONE_BEFORE_WRITTEN) /* a buffer is forgotten before it is written (6) */ \
	X(EXTEND_UNTOLD) /* an extend does not tell those who are held (13) */ \
	X(MOVES_BUFFERED) /* an evacuation moves what is in a buffer still (6) */ \
	X(SWITCHED_BEFORE_WRITTEN) /* it changes the place before the new one is written (6) */ \
	X(MOVED_UNASKED) /* it frees the old place though the exception left it (6) */ \
	X(MOVED_UNDER_READERS) /* it does not wait for those who read the old place (6) */ \
	X(LEFT_UNDER_READERS) /* a range leaves though a freed place of it is read (6) */ \
	/* overlays */ \
	X(OVERLAY_NOT_LOCKED) /* an evacuation does not lock what changes in place (6) */ \
	X(OVERLAY_CHANGES_WRITTEN) /* a chunk is changed in a buffer that is being written (6) */
// clang-format on

enum class Mutant {
	NONE,
#define MODEL_MUTANT(name) name,
	MODEL_MUTANTS(MODEL_MUTANT)
#undef MODEL_MUTANT
		COUNT
};

inline const char *nameOf(Mutant mutant)
{
	static constexpr const char *names[] = {"NONE",
#define MODEL_MUTANT(name) #name,
						MODEL_MUTANTS(MODEL_MUTANT)
#undef MODEL_MUTANT
	};

	return names[static_cast<int>(mutant)];
}
