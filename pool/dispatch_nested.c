/* SPDX-License-Identifier: MIT */
/*
 * Jobs that stand in one another. A job that waits for one of its own is asked to run it itself if nobody has begun it: it is
 * taken out of the queue, or back from where it was sent, and sent to this worker as begun, past all that the worker has.
 * So whoever waits, waits for one that runs: what stands innermost in a worker waits for nobody or for one that is running
 * elsewhere, and as nobody waits for any but his own children, there is no circle.
 *
 * In a worker's leases they stand in a row, the outermost first. Each keeps its own time limits, from when it began; when one
 * is over, or when the worker dies, all are gone: those outside of the one that was killed for have crashed.
 */
#include "pool/dispatch_state.h"

struct oxi_djob *oxi_dispatch_peek(const struct oxi_dispatch *d, unsigned slot, uint64_t lease)
{
	const struct oxi_dcell *c = &d->workers[slot].cells[lease % OXI_CLAIMS];

	return lease != 0 && c->lease == lease ? c->job : NULL;
}

bool oxi_dispatch_run_inside(struct oxi_dispatch *d, struct oxi_djob *job, struct oxi_djob *outer, ox_time now)
{
	struct oxi_running r = { .lease = 0 };
	struct oxi_dworker *w;

	if (outer->state != OXI_LEASED || outer->doomed || d->refuse < 0 || d->rate_at > now)
		return false;
	w = &d->workers[outer->slot];
	d->ops->running(d->transport, outer->slot, &r);
	if (w->state != OXI_WORKER_READY || w->killed || r.lease != outer->lease)
		return false;
	if (job->state == OXI_QUEUED)
		oxi_djob_dequeue(d, job);
	else if (job->state != OXI_LEASED || !oxi_lease_take_back(d, job))
		return false;
	oxi_lease_take(d, w, job, now);
	oxi_list_remove(&job->link);            /* in the order in which they run, whatever the worker has besides */
	oxi_list_insert(&outer->link, &job->link);
	if (d->ops->run(d->transport, outer->slot, job) < 0) {
		oxi_lease_drop(d, job);
		oxi_djob_enqueue(d, job, OXI_FIRST, now);
		return false;
	}
	if (!outer->nesting) {
		w->nested++;
		outer->at = r.since;
	}
	outer->nesting |= OXI_OUTER;
	w->nested++;
	job->nesting = OXI_INNER;
	job->at = now;
	oxi_dispatch_count_sent(d, now);
	return true;
}
