// SPDX-License-Identifier: GPL-2.0-only
/*
 * passdown.c - discards under "discard=ignore".
 *
 * A discard is advice.  What it covers of chunks that are not safe completes
 * without reaching the origin, so that a weekly fstrim does not copy all free
 * space; what it covers of safe chunks is passed down, piece by piece, each
 * inside the gate.
 */
#include "snapdiff.h"

#define PASSDOWN_MAX ((sector_t)1 << 21)

static void passdown_end(struct bio *bio)
{
	struct sd_job *job = bio->bi_private;
	blk_status_t status = bio->bi_status;

	bio_put(bio);
	sd_gate_leave(job->origin);
	if (status)
		sd_job_end(job, status);
	else
		queue_work(job->origin->job_wq, &job->work);
}

/* Skip what is not safe; returns the end of the safe piece at the cursor. */
static sector_t next_piece(struct sd_job *job)
{
	struct sd_origin *o = job->origin;
	struct sd_store *s = o->store;
	u64 last = sd_to_chunk(s, job->end - 1);

	while (job->cursor < job->end) {
		u64 chunk = sd_to_chunk(s, job->cursor);
		u64 run = sd_map_safe_run(o->map, chunk, last);

		if (run)
			return min_t(sector_t, job->end, (sector_t)(chunk + run) << s->chunk_shift);
		job->cursor = min_t(sector_t, job->end, (sector_t)(chunk + 1) << s->chunk_shift);
	}
	return job->end;
}

static void passdown_work(struct work_struct *work)
{
	struct sd_job *job = container_of(work, struct sd_job, work);
	struct sd_origin *o = job->origin;
	sector_t end;
	struct bio *bio;

	/* The gate is closed for the length of a take at most: parking is enough. */
	while (!sd_gate_enter(o))
		if (sd_gate_park(o, job))
			return;
	end = next_piece(job);
	if (job->cursor >= job->end) {
		sd_gate_leave(o);
		sd_job_end(job, BLK_STS_OK);
		return;
	}
	end = min_t(sector_t, end, job->cursor + PASSDOWN_MAX);
	bio = sd_job_sub_bio(job, job->cursor, end);
	bio->bi_end_io = passdown_end;
	job->cursor = end;
	submit_bio_noacct(bio);
}

void sd_passdown_start(struct sd_job *job)
{
	INIT_LIST_HEAD(&job->wait);
	INIT_WORK(&job->work, passdown_work);
	queue_work(job->origin->job_wq, &job->work);
}
