/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher. What it decides, in the order in which a job meets it:
 *
 * Where it goes. Each kind of job has an estimate of its run time (a moving average), and from it a cost. A
 * worker may owe 2 * batch of cost (2 ms) in all, is filled up again when it owes half of that, and one
 * message carries batch at most: so microsecond jobs go by hundreds, with the next message already waiting
 * when one is done. A job of batch or more costs the whole budget: nothing waits behind it. So does a job of
 * a kind that is not known yet; the allowance grows with each result. What is queued is split evenly between
 * those that can take it, the one that owes least first.
 *
 * When its turn is. There is one queue a priority, each first in, first out; between their heads the one that
 * has waited longest is next, a priority counting as much as so long a wait (10 s). A priority that always won
 * would starve the rest, shares by priority would make an urgent job wait for others that are not; and a job that
 * comes back to the queue has not lost the time that it has waited. One whose key is in use steps aside (dispatch_key.c), and one
 * whose deadline has passed ends instead of beginning.
 *
 * When it comes back. An estimate can be wrong. A worker with more than one lease that has given no result
 * for SLOW (5 ms) is slow: what it has not begun is taken back and goes to the head of the queue. And when a
 * worker has nothing to do and the queue is empty, it gets half of what the most loaded one has not begun.
 * Taking back is a compare-and-swap in shared memory, so a job never runs in two places.
 *
 * How it ends. By its result; by a kill (cancel, timeout), which waits for the end of the worker, because a
 * result that the worker had finished wins; by the worker's death, as a crash if it was the one that ran. All
 * else that the worker had goes back free of charge, also a job that was running when the worker was killed
 * for another one. Timeouts run from the moment when the worker claimed the job, which stands in its slot;
 * here it is only known that no job ends its time sooner than its timeout after it was sent, so the slot is
 * looked at then. A job whose kind has a grace is told first that it should end, and killed so much later (dispatch_doom.c).
 *
 * A few jobs may go to one worker only (dispatch_pin.c), or wait for one a short while (dispatch_affinity.c). They are in
 * queues of their own, so nobody stands behind them; when their worker has room the one who has waited longest is next,
 * they and the others alike.
 *
 * Which workers there are is decided in dispatch_staff.c.
 *
 * When a worker is started again. At once, unless it died before it was ready or without having ended any job
 * (a crash ends one): then after 10 ms, twice that, up to 5 s. So when a spawn is refused. A job that crashes
 * workers is braked by its own retries (dispatch_delay.c). A job for which the owner has asked an end in the meantime
 * gets no retry.
 *
 * A worker:
 *
 *	DOWN --spawn--> STARTING --ready--> READY --killed or died or stopped--> DOWN
 *	  ^                '------- died, counted as failed start -----------------^
 *
 * ops->end() is called last, or in loops that look at the lists anew each time: its owner may submit and
 * cancel in it.
 */
#include "pool/dispatch_state.h"

#include <stdlib.h>

/* ---- time ---- */

static ox_time next_event(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	ox_time at;

	if (w->state == OXI_WORKER_DOWN && d->refuse == 0)
		return w->spawn_at;
	if (w->state != OXI_WORKER_READY || w->killed)
		return OX_NEVER;
	at = oxi_min_time(w->check_at, oxi_dworker_next_change(d, w));
	if (!oxi_list_empty(&w->fond))
		at = oxi_min_time(at, oxi_djob_of(w->fond.next)->extra->until);
	if (w->retry_at > 0)
		at = oxi_min_time(at, w->retry_at);
	if (w->outstanding > 0 && !w->settled && d->refuse == 0 && d->slots > 1)
		at = oxi_min_time(at, oxi_max_time(w->progress_at, w->looked_at) + w->slow);
	return at;
}

/* A tick that comes a little early does no harm, so the timer is not moved for every message. */
void oxi_dispatch_set_timer(struct oxi_dispatch *d, ox_time now)
{
	ox_time at = OX_NEVER;

	for (unsigned i = 0; i < d->slots; i++)
		at = oxi_min_time(at, next_event(d, &d->workers[i]));
	at = oxi_min_time(at, oxi_min_time(d->delay_at, oxi_dispatch_despair_at(d)));
	if (d->queue.count + d->apart > 0 && d->rate_at > now)
		at = oxi_min_time(at, d->rate_at);
	if (!oxi_list_empty(&d->late))
		at = now;
	if (d->timer_at > now && at >= d->timer_at && at - d->timer_at <= OXI_SLOW)
		return;
	d->timer_at = at;
	d->ops->timer(d->transport, at);
}

/* ---- the calls ---- */

struct oxi_dispatch *oxi_dispatch_new(const struct oxi_dispatch_options *o, const struct oxi_dispatch_ops *ops, void *t)
{
	struct oxi_dispatch *d;

	OXI_CHECK(o->workers > 0 && o->workers + o->spare + o->remote <= UINT16_MAX);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->ops = ops;
	d->transport = t;
	d->o = *o;
	d->o.batch = o->batch == 0 ? OX_MS(1) : oxi_min_time(o->batch, OX_SEC(1));
	d->o.max_batch = o->max_batch == 0 || o->max_batch > OXI_CLAIMS / 4 ? OXI_CLAIMS / 4 : o->max_batch;
	d->o.init_limit = o->init_limit == 0 ? 5 : o->init_limit;
	d->o.min_workers = o->min_workers == 0 || o->min_workers > o->workers ? o->workers : o->min_workers;
	d->local = o->workers + o->spare;
	d->slots = d->local + o->remote;
	d->timer_at = OX_NEVER;
	d->o.spawn_deadline = o->spawn_deadline == 0 ? OX_SEC(10) : o->spawn_deadline;
	d->o.ageing = o->ageing == 0 ? OX_SEC(10) : oxi_min_time(o->ageing, OX_SEC(1000000000));
	oxi_dqueue_init(&d->queue);
	oxi_list_init(&d->blocked);
	oxi_list_init(&d->late);
	for (unsigned slot = 0; slot < OXI_DELAY_SLOTS; slot++)
		oxi_list_init(&d->delayed[slot]);
	d->delay_at = OX_NEVER;
	d->kinds = calloc(o->jobs + 1, sizeof(*d->kinds));
	d->workers = calloc(d->slots, sizeof(*d->workers));
	if (d->kinds == NULL || d->workers == NULL) {
		oxi_dispatch_free(d);
		return NULL;
	}
	for (unsigned i = 0; i < o->jobs; i++) {
		oxi_dkind_set_cost(d, &d->kinds[i]);
		if (o->policy != NULL)
			d->kinds[i].policy = o->policy[i];
		oxi_policy_fill_in(&d->kinds[i].policy);
	}
	d->o.policy = NULL;
	for (unsigned i = 0; i < d->slots; i++) {
		oxi_list_init(&d->workers[i].leases);
		oxi_list_init(&d->workers[i].pins);
		oxi_list_init(&d->workers[i].hungry);
		oxi_list_init(&d->workers[i].fond);
		d->workers[i].check_at = d->workers[i].spawn_at = OX_NEVER;
		d->workers[i].remote = i >= d->local;
		d->workers[i].slow = i >= d->local ? OXI_SLOW_REMOTE : OXI_SLOW;
	}
	return d;
}

void oxi_dispatch_free(struct oxi_dispatch *d)
{
	if (d == NULL)
		return;
	OXI_CHECK(d->counts.queued == 0 && d->counts.leased == 0);
	for (unsigned i = 0; d->workers != NULL && i < d->slots; i++)
		for (unsigned c = 0; c < OXI_CLAIMS && d->workers[i].outstanding > 0; c++)
			if (d->workers[i].cells[c].key != NULL) /* of an abandoned job, whose worker's end was not told */
				oxi_dkey_leave(d, d->workers[i].cells[c].key);
	OXI_CHECK(d->keys.count == 0);
	free(d->workers);
	free(d->kinds);
	free(d->homes);
	free(d);
}

void oxi_dispatch_start(struct oxi_dispatch *d, ox_time now)
{
	d->epoch = now;
	for (d->staffed = 0; !d->o.remote_only && d->staffed < d->o.min_workers; d->staffed++)
		oxi_dworker_start(d, &d->workers[d->staffed], now);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_submit(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	OXI_CHECK(job->index < d->o.jobs && job->priority >= -OXI_PRIORITY_MAX && job->priority <= OXI_PRIORITY_MAX);
	job->lease = 0;
	job->failures = job->doomed = job->nesting = 0;
	if (d->refuse < 0) {
		oxi_list_init(&job->link);
		oxi_djob_end(d, job, OXI_END_LIMIT, d->refuse);
		return;
	}
	oxi_djob_enqueue(d, job, OXI_LAST, now);
}

bool oxi_dispatch_eager(const struct oxi_dispatch *d)
{
	if (d->accepting == 0 || d->queue.count == 0)
		return false;
	return d->queue.count * (ox_time)d->kinds[oxi_dqueue_next(d, &d->queue)->index].cost >= d->o.batch;
}

static void assign(struct oxi_dispatch *d, ox_time now)
{
	oxi_dispatch_send_queue(d, now);
	oxi_dispatch_share_work(d, now);
	oxi_dispatch_grow(d, now);
}

void oxi_dispatch_flush(struct oxi_dispatch *d, ox_time now)
{
	assign(d, now);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_tick(struct oxi_dispatch *d, ox_time now)
{
	d->timer_at = OX_NEVER;
	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[i];

		if (w->state == OXI_WORKER_DOWN && d->refuse == 0 && w->spawn_at <= now)
			oxi_dworker_start(d, w, now);
		if (w->state == OXI_WORKER_READY && !w->killed && w->check_at <= now)
			oxi_dworker_check_timeouts(d, w, now);
		if (w->retry_at <= now)
			w->retry_at = 0;
		oxi_affinity_give_up(d, w, now);
	}
	oxi_dispatch_end_delays(d, now);
	oxi_dispatch_despair(d, now);
	oxi_dispatch_relieve_slow(d, now);
	assign(d, now);
	for (unsigned i = 0; i < d->slots; i++)
		oxi_dworker_change(d, &d->workers[i], now);
	oxi_dispatch_end_late(d);
	oxi_dispatch_set_timer(d, now);
}

/* NULL for a generation that is over. */
static struct oxi_dworker *worker_of(struct oxi_dispatch *d, unsigned slot, uint32_t generation)
{
	OXI_CHECK(slot < d->slots);
	if (d->workers[slot].generation == generation && d->workers[slot].state != OXI_WORKER_DOWN)
		return &d->workers[slot];
	d->counts.late++;
	return NULL;
}

void oxi_dispatch_ready(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w == NULL || w->state != OXI_WORKER_STARTING)
		return;
	w->state = OXI_WORKER_READY;
	d->counts.starting--;
	d->counts.ready++;
	d->start_failures = 0;
	d->helpless_since = 0;
	w->refused = false;
	w->looked_at = w->retry_at = 0;
	oxi_dworker_begin_life(d, w, now);
	oxi_pins_bind(w);
	oxi_dworker_set_accepting(d, w);
	if (d->refuse < 0)
		oxi_dworker_stop(d, w, now);
	oxi_dispatch_set_timer(d, now);
}

uint32_t oxi_dispatch_join(struct oxi_dispatch *d, unsigned slot, ox_time now)
{
	struct oxi_dworker *w = &d->workers[slot];

	OXI_CHECK(slot < d->slots && w->remote && w->state == OXI_WORKER_DOWN);
	oxi_dworker_enter(d, w);
	oxi_dispatch_ready(d, slot, w->generation, now);
	return w->generation;
}

void oxi_dispatch_leave(struct oxi_dispatch *d, unsigned slot, uint32_t generation)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w == NULL)
		return;
	w->stopped = true;
	w->fini_by = 0;
	oxi_dworker_set_accepting(d, w);
}

bool oxi_dispatch_returned(struct oxi_dispatch *d, unsigned slot, uint64_t lease, ox_time now)
{
	struct oxi_djob *job = oxi_dispatch_find(d, slot, lease);

	if (job == NULL)
		return false;
	oxi_dispatch_late(d, job, now);
	oxi_dispatch_set_timer(d, now);
	return true;
}

static void count_failed_start(struct oxi_dispatch *d)
{
	d->start_failures++;
	if (d->start_failures >= d->o.init_limit && d->counts.ready == 0 && d->refuse == 0)
		oxi_dispatch_refuse_all(d, OX_EINIT);
}

void oxi_dispatch_init_failed(struct oxi_dispatch *d, unsigned slot, uint32_t generation, int status, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	(void)status;
	if (w == NULL || w->state != OXI_WORKER_STARTING || w->failed_start)
		return;
	w->failed_start = true;
	count_failed_start(d);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_refused(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w == NULL || w->state != OXI_WORKER_STARTING)
		return;
	oxi_dworker_refused(d, w, now);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_excuse(struct oxi_dispatch *d, unsigned slot, uint32_t generation)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w != NULL)
		w->failed_start = true;         /* counted already, as it were */
}

struct oxi_djob *oxi_dispatch_find(struct oxi_dispatch *d, unsigned slot, uint64_t lease)
{
	struct oxi_dworker *w;
	struct oxi_dcell *c;

	OXI_CHECK(slot < d->slots);
	w = &d->workers[slot];
	c = oxi_lease_cell(w, lease);
	if (OXI_LIKELY(c->lease == lease && c->job != NULL))
		return c->job;
	d->counts.late++;
	if (lease != 0 && c->lease == lease) {    /* the abandoned job has ended */
		w->ended++;
		w->fini_by = 0;
		oxi_lease_free_cell(d, w, c);
	}
	return NULL;
}

const struct oxi_djob *oxi_dispatch_look(struct oxi_dispatch *d, unsigned slot, uint64_t lease)
{
	const struct oxi_dcell *c = oxi_lease_cell(&d->workers[slot], lease);

	return lease != 0 && c->lease == lease ? c->job : NULL;
}

/* Its worker has done with it. */
static void give_back(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	struct oxi_dworker *w = &d->workers[job->slot];

	OXI_CHECK(job->state == OXI_LEASED);
	oxi_lease_drop(d, job);
	w->progress_at = now;
	w->fini_by = now + OXI_FINI;
	w->settled = false;
}

/* Its worker has said how it went. */
static void end_attempt(struct oxi_dispatch *d, struct oxi_djob *job, ox_time run_time, ox_time now)
{
	struct oxi_dworker *w = &d->workers[job->slot];

	w->ended++;
	give_back(d, job, now);
	oxi_dkind_learn(d, job->index, run_time);
	w->misfires = 0;
	oxi_dworker_retire_if_due(d, w, now);
}

void oxi_dispatch_done(struct oxi_dispatch *d, struct oxi_djob *job, int status, ox_time run_time, ox_time now)
{
	end_attempt(d, job, run_time, now);
	oxi_djob_end(d, job, OXI_END_RESULT, status);
}

bool oxi_dispatch_failed(struct oxi_dispatch *d, struct oxi_djob *job, ox_time run_time, ox_time now)
{
	if (job->doomed || !oxi_djob_may_retry(d, job, OX_RETRY_FAILURE))
		return false;
	end_attempt(d, job, run_time, now);
	oxi_djob_retry(d, job, now);
	return true;
}

void oxi_dispatch_late(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	give_back(d, job, now);
	if (job->doomed)
		oxi_djob_end(d, job, (enum oxi_end)(job->doomed - 1), job->doom);
	else if (d->refuse < 0)
		oxi_djob_end(d, job, OXI_END_LIMIT, d->refuse);
	else if ((job->dated && d->ops->deadline(d->transport, job) <= now) || oxi_djob_is_pinned(job))         /* those behind it go on */
		oxi_djob_end(d, job, OXI_END_CANCEL, OX_ECANCELED);
	else
		oxi_djob_enqueue(d, job, OXI_FIRST, now);
}

void oxi_dispatch_condemn(struct oxi_dispatch *d, unsigned slot, uint32_t generation, int status, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);
	struct oxi_running r = { .lease = 0 };
	struct oxi_dcell *c;

	if (w == NULL || w->killed)
		return;
	d->ops->running(d->transport, slot, &r);
	c = oxi_lease_cell(w, r.lease);
	if (r.lease != 0 && c->lease == r.lease && c->job != NULL && !c->job->doomed)
		oxi_djob_doom(c->job, OXI_END_LIMIT, status);
	oxi_dworker_kill(d, w);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_retire(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w == NULL)
		return;
	w->retire_at = now;
	oxi_dworker_retire_if_due(d, w, now);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_spoiled(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);

	if (w == NULL)
		return;
	if (d->refuse == 0)
		oxi_lease_take_back_last(d, w, w->outstanding, true, now);
	oxi_dispatch_retire(d, slot, generation, now);
}

bool oxi_dispatch_owes(const struct oxi_dispatch *d, unsigned slot)
{
	return d->workers[slot].outstanding > 0;
}

uint64_t oxi_dispatch_mark(const struct oxi_dispatch *d, unsigned slot)
{
	return d->workers[slot].counter;
}

static bool is_after(uint64_t lease, uint64_t mark)
{
	return (lease & (((uint64_t)1 << OXI_LEASE_BITS) - 1)) > mark;
}

/* Its leases are in order; of those abandoned, only the last can still run. */
bool oxi_dispatch_past(struct oxi_dispatch *d, unsigned slot, uint64_t mark)
{
	struct oxi_dworker *w = &d->workers[slot];

	if (!oxi_list_empty(&w->leases) && !is_after(oxi_djob_of(w->leases.next)->lease, mark))
		return false;
	return w->abandoned == 0 || oxi_lease_cell(w, w->abandoned)->lease != w->abandoned || is_after(w->abandoned, mark);
}

/* Why the job of a dead worker needs a retry to go on; 0: it does not. */
static unsigned retry_cause(const struct oxi_dworker *w, const struct oxi_djob *job, bool is_culprit)
{
	if (job->doomed)
		return job->doomed == OXI_END_TIMEOUT + 1 ? OX_RETRY_TIMEOUT : 0;
	if (job->nesting & OXI_OUTER)           /* killed for the one inside, it is gone as well */
		return OX_RETRY_CRASH;
	return (is_culprit || job->nesting) && !w->killed ? OX_RETRY_CRASH : 0;
}

/* Empties a dead worker's leases: to the queue's head in order, to ended what is doomed or has crashed for good. */
static void recover(struct oxi_dispatch *d, struct oxi_dworker *w, uint64_t culprit, int status, struct oxi_list *ended,
		    ox_time now)
{
	oxi_affinity_give_up(d, w, OX_NEVER);
	while (!oxi_list_empty(&w->leases)) {
		struct oxi_djob *job = oxi_djob_of(w->leases.prev);
		unsigned cause = retry_cause(w, job, job->lease == culprit);

		int refused = cause == OX_RETRY_CRASH && d->ops->crashed != NULL ? d->ops->crashed(d->transport, job) : 0;
		oxi_lease_drop(d, job);
		if (refused == 0 && cause != 0 && status != OX_ESANDBOX && oxi_djob_may_retry(d, job, cause)) {
			job->doomed = 0;
			oxi_djob_retry(d, job, now);
			continue;
		}
		if (cause == OX_RETRY_CRASH) {
			oxi_djob_doom(job, OXI_END_CRASH, refused < 0 ? refused : status);
		} else if (!job->doomed && d->refuse < 0) {
			oxi_djob_doom(job, OXI_END_LIMIT, d->refuse);
		}
		if (job->doomed) {
			job->state = OXI_ENDED;
			oxi_list_prepend(ended, &job->link);
		} else {
			oxi_djob_enqueue(d, job, OXI_FIRST, now);
			d->ops->again(d->transport, job);
		}
	}
	for (unsigned i = 0; i < OXI_CLAIMS && w->outstanding > 0; i++)
		if (w->cells[i].lease != 0)     /* abandoned */
			oxi_lease_free_cell(d, w, &w->cells[i]);
	OXI_CHECK(w->nested == 0);
	oxi_dworker_yield_to_heir(d, w);
	w->check_at = OX_NEVER;
	w->shortest = 0;
}

/* The slot is empty; when it is filled again. */
static void bring_down(struct oxi_dispatch *d, struct oxi_dworker *w, bool served, ox_time now)
{
	bool was_starting = w->state == OXI_WORKER_STARTING;

	if (was_starting)
		d->counts.starting--;
	else
		d->counts.ready--;
	if (!w->killed && !w->stopped)
		d->counts.crashed++;
	w->state = OXI_WORKER_DOWN;
	oxi_dworker_set_accepting(d, w);
	w->misfires = served || w->killed || w->stopped ? 0 : w->misfires + 1;
	w->spawn_at = w->parting || w->remote ? OX_NEVER : w->misfires == 0 ? now : now + oxi_dworker_backoff(w->misfires);
	if (was_starting && !w->failed_start)
		count_failed_start(d);
	if (w->state == OXI_WORKER_DOWN && d->refuse == 0 && w->spawn_at <= now)
		oxi_dworker_start(d, w, now);
}

void oxi_dispatch_lost(struct oxi_dispatch *d, unsigned slot, uint32_t generation, uint64_t culprit, int status,
		       ox_time now)
{
	struct oxi_dworker *w = worker_of(d, slot, generation);
	struct oxi_list ended, *e;

	if (w == NULL)
		return;
	oxi_list_init(&ended);
	recover(d, w, culprit, status, &ended, now);
	bring_down(d, w, w->ended > 0 || culprit != 0, now);
	while ((e = oxi_list_shift(&ended)) != NULL) {
		struct oxi_djob *job = oxi_djob_of(e);

		oxi_djob_end(d, job, (enum oxi_end)(job->doomed - 1), job->doom);
	}
	oxi_pins_lose(d, w, generation);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_close(struct oxi_dispatch *d, ox_time now)
{
	if (d->refuse == 0)
		d->refuse = OX_ECLOSED;
	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[i];

		if (w->state != OXI_WORKER_READY || w->stopped || w->killed)
			continue;
		oxi_lease_take_back_last(d, w, w->outstanding, true, now);
		oxi_dworker_stop(d, w, now);
	}
	oxi_dispatch_refuse_all(d, d->refuse);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_get_counts(const struct oxi_dispatch *d, struct oxi_dispatch_counts *ret)
{
	*ret = d->counts;
	ret->refuse = d->refuse;
	ret->busy = ret->refused = 0;
	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_running r = { .lease = 0 };

		if (d->workers[i].outstanding > 0)
			d->ops->running(d->transport, i, &r);
		ret->busy += r.lease != 0;
		ret->refused += d->workers[i].refused;
	}
}
