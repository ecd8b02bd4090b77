// SPDX-License-Identifier: GPL-2.0-only
/*
 * gate.c - what every write to an origin passes, and a take closes.
 *
 * A percpu_ref, so that passing costs no shared cache line.  Killing one waits
 * for an RCU grace period with the gate shut, tens of milliseconds; so a take
 * first switches all gates to atomic mode while they are open, and the closed
 * time is only the drain (protocol 11).
 *
 * The gate covers the last look-up of a write until its completion, never
 * copying (protocol 10).
 */
#include "snapdiff.h"

static struct sd_origin *origin_of(struct percpu_ref *ref)
{
	return container_of(ref, struct sd_origin, gate);
}

/* The last write left a closed gate. Any context. */
static void gate_drained(struct percpu_ref *ref)
{
	wake_up(&origin_of(ref)->gate_wait);
}

static void gate_is_atomic(struct percpu_ref *ref)
{
	complete(&origin_of(ref)->gate_atomic);
}

int sd_gate_init(struct sd_origin *o)
{
	spin_lock_init(&o->gate_lock);
	INIT_LIST_HEAD(&o->parked);
	init_waitqueue_head(&o->gate_wait);
	init_completion(&o->gate_atomic);
	return percpu_ref_init(&o->gate, gate_drained, PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
}

void sd_gate_exit(struct sd_origin *o)
{
	percpu_ref_exit(&o->gate);
}

bool sd_gate_enter(struct sd_origin *o)
{
	if (!percpu_ref_tryget_live(&o->gate))
		return false;
	/*
	 * Acquire: layer and map are read after the gate was seen open
	 * (protocol 9).  Pairs with the barrier in sd_gate_open().
	 */
	smp_rmb();
	return true;
}

void sd_gate_leave(struct sd_origin *o)
{
	percpu_ref_put(&o->gate);
}

bool sd_gate_park(struct sd_origin *o, struct sd_job *job)
{
	unsigned long flags;
	bool closed;

	/* Under the lock that opening takes: nobody parks at an open gate. */
	spin_lock_irqsave(&o->gate_lock, flags);
	closed = o->gate_closed;
	if (closed)
		list_add_tail(&job->wait, &o->parked);
	spin_unlock_irqrestore(&o->gate_lock, flags);
	return closed;
}

void sd_gate_prepare(struct sd_origin *o)
{
	reinit_completion(&o->gate_atomic);
	percpu_ref_switch_to_atomic(&o->gate, gate_is_atomic);
}

void sd_gate_prepared(struct sd_origin *o)
{
	wait_for_completion(&o->gate_atomic);
}

void sd_gate_close(struct sd_origin *o)
{
	unsigned long flags;

	spin_lock_irqsave(&o->gate_lock, flags);
	o->gate_closed = true;
	spin_unlock_irqrestore(&o->gate_lock, flags);
	percpu_ref_kill(&o->gate);
}

bool sd_gate_drain(struct sd_origin *o, unsigned long deadline)
{
	long left = (long)(deadline - jiffies);

	return wait_event_timeout(o->gate_wait, percpu_ref_is_zero(&o->gate),
				  max(left, 1L)) != 0;
}

/* Open a closed gate, drained or not, and let the parked jobs go on. */
void sd_gate_open(struct sd_origin *o)
{
	struct sd_job *job, *next;
	unsigned long flags;
	LIST_HEAD(parked);

	smp_wmb(); /* the new layer is visible before the gate is seen open */
	percpu_ref_resurrect(&o->gate);
	spin_lock_irqsave(&o->gate_lock, flags);
	o->gate_closed = false;
	list_splice_init(&o->parked, &parked);
	spin_unlock_irqrestore(&o->gate_lock, flags);

	list_for_each_entry_safe(job, next, &parked, wait) {
		list_del_init(&job->wait);
		sd_job_wake(job, SD_COW_OK);
	}
}

void sd_gate_unprepare(struct sd_origin *o)
{
	percpu_ref_switch_to_percpu(&o->gate);
}
