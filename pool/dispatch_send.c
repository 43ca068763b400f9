/* SPDX-License-Identifier: MIT */
/*
 * Where jobs go, and when one comes back: the dispatcher's two decisions. Each worker gets one message in a round, of what is
 * queued an even share; what stands behind a job that takes long, or too much of the rest when others have nothing to
 * do, is taken back and sent anew. The rules are in the essay of dispatch.c.
 *
 * Where the rate is limited, each job that is sent moves the time of the next one on by the interval, from a time that lags
 * behind by a lump at most: so in any time t no more are sent than fit into t and a lump, and one. What is sent again counts
 * again.
 */
#include "pool/dispatch_state.h"

/* ---- sending ---- */

static bool takes(const struct oxi_dworker *w, ox_time now)
{
	return w->accepting && w->retry_at == 0 && !oxi_dworker_is_slow(w, now);
}

/*
 * The one that owes least of those that take jobs now and got none in this round. *ret_takers: how many they
 * are; where some have nothing to do only these count. NULL: none.
 */
static struct oxi_dworker *pick(struct oxi_dispatch *d, unsigned *ret_takers, ox_time now)
{
	struct oxi_dworker *best = NULL;
	unsigned all = 0, idle = 0;

	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[(d->turn + i) % d->slots];

		if (!takes(w, now) || w->round == d->round)
			continue;
		all++;
		idle += w->outstanding == 0;
		if (best == NULL || w->load < best->load)
			best = w;
	}
	*ret_takers = idle > 0 ? idle : all;
	return best;
}

void oxi_dispatch_count_sent(struct oxi_dispatch *d, ox_time now)
{
	if (d->o.interval > 0)
		d->rate_at = oxi_max_time(d->rate_at, now - OXI_LUMP) + d->o.interval;
}

/* It is its turn. False: it is too late for it, or it has to wait for others of its key; it has left the queue. */
static bool may_go(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	if (job->dated && d->ops->deadline(d->transport, job) <= now) {
		oxi_dispatch_set_late(d, job);
		return false;
	}
	return !oxi_djob_step_aside(d, job);
}

/* Whose turn it is of those that may go to any worker, if this one takes it; NULL: nobody's. */
static struct oxi_djob *next_of_all(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	while (d->queue.count > 0) {
		struct oxi_djob *job = oxi_dqueue_next(d, &d->queue);

		if (OXI_LIKELY(job->extra == NULL) || !oxi_affinity_waits(d, job, w, now))
			return job;
	}
	return NULL;
}

/* The same of those that wait for this worker alone. NULL too if it is the turn of one that does not, and w would take it. */
static struct oxi_djob *next_of_its_own(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	struct oxi_djob *best = oxi_list_empty(&w->fond) ? NULL : oxi_djob_of(w->fond.next);

	(void)now;
	OXI_LIST_EACH(e, &w->hungry) {
		const struct oxi_pin *pin = OXI_CONTAINER(e, struct oxi_pin, hungry);
		struct oxi_djob *job = oxi_djob_of(pin->queue.next);

		if (pin->generation == w->generation && (best == NULL || oxi_djob_turn(d, job) < oxi_djob_turn(d, best)))
			best = job;
	}
	if (best != NULL && w->accepting && d->queue.count > 0 &&
	    oxi_djob_turn(d, oxi_dqueue_next(d, &d->queue)) < oxi_djob_turn(d, best))
		return NULL;
	return best;
}

typedef struct oxi_djob *next_fn(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now);

/* Leases jobs whose turn it is, at most limit; gives how many. */
static unsigned lease_jobs(struct oxi_dispatch *d, struct oxi_dworker *w, next_fn *next, struct oxi_djob **jobs, unsigned limit,
			   ox_time now)
{
	ox_time before = w->load;
	struct oxi_djob *job;
	unsigned n = 0;

	while (n < limit && d->rate_at <= now && !oxi_dworker_is_used_up(w) && (job = next(d, w, now)) != NULL) {
		ox_time load = w->load + d->kinds[job->index].cost;

		if ((job->dated || job->extra != NULL) && !may_go(d, job, now))
			continue;
		if (w->outstanding > 0 && (load > oxi_dispatch_budget(d) || load - before > d->o.batch))
			break;
		oxi_djob_dequeue(d, job);
		oxi_lease_take(d, w, job, now);
		oxi_dispatch_count_sent(d, now);
		jobs[n++] = job;
	}
	oxi_dworker_set_accepting(d, w);
	return n;
}

static void send_jobs(struct oxi_dispatch *d, struct oxi_dworker *w, struct oxi_djob **jobs, unsigned n, ox_time now)
{
	if (d->ops->send(d->transport, oxi_dworker_slot(d, w), jobs, n) >= 0) {
		oxi_dworker_retire_if_due(d, w, now);
		return;
	}
	while (n > 0) {
		oxi_lease_drop(d, jobs[--n]);
		oxi_djob_enqueue(d, jobs[n], OXI_FIRST, now);
	}
	w->retry_at = now + OXI_RETRY;
}

/* One message for each worker that takes one. False: none was sent, or nothing is left to send. */
static bool send_round(struct oxi_dispatch *d, ox_time now)
{
	struct oxi_djob *jobs[OXI_CLAIMS / 4];
	unsigned takers, sent = 0;

	d->round++;
	while (d->queue.count > 0) {
		struct oxi_dworker *w = pick(d, &takers, now);
		unsigned share, n;

		if (w == NULL)
			return sent > 0;
		share = (d->queue.count + takers - 1) / takers;
		n = lease_jobs(d, w, next_of_all, jobs, share < d->o.max_batch ? share : d->o.max_batch, now);
		if (n == 0)
			return false;   /* not yet, or it is a long job and nobody is free: it keeps its turn */
		w->round = d->round;
		if (d->o.min_workers == d->o.workers)   /* else the first ones are kept busy, so that the last ones can go */
			d->turn = oxi_dworker_slot(d, w) + 1;
		send_jobs(d, w, jobs, n, now);
		sent++;
	}
	return false;
}

/* Messages for workers that jobs wait for and that have room. */
static void send_apart(struct oxi_dispatch *d, ox_time now)
{
	struct oxi_djob *jobs[OXI_CLAIMS / 4];

	for (unsigned i = 0; i < d->slots && d->apart > 0; i++) {
		struct oxi_dworker *w = &d->workers[i];
		unsigned n;

		while (oxi_dworker_has_room(d, w) && w->retry_at == 0 && !oxi_dworker_is_slow(w, now) &&
		       (n = lease_jobs(d, w, next_of_its_own, jobs, d->o.max_batch, now)) > 0)
			send_jobs(d, w, jobs, n, now);
	}
}

void oxi_dispatch_send_queue(struct oxi_dispatch *d, ox_time now)
{
	send_apart(d, now);
	while (d->accepting > 0 && send_round(d, now))
		;
	send_apart(d, now);             /* what the rounds have put aside */
}

/* ---- taking back ---- */

/* Is there a worker that moves? Else what a slow one has is as well off where it is. */
static bool others_move(const struct oxi_dispatch *d, const struct oxi_dworker *slow, ox_time now)
{
	for (unsigned i = 0; i < d->slots; i++) {
		const struct oxi_dworker *w = &d->workers[i];

		if (w != slow && oxi_dworker_takes_jobs(d, w) && !w->dedicated && w->retry_at == 0 && !oxi_dworker_is_slow(w, now))
			return true;
	}
	return false;
}

/*
 * One look at a slow worker is enough if all that has not begun could be taken back then, or nothing but the
 * running job is there; else it is looked at again. A worker that has nothing left has begun nothing (it is
 * stopped, or gets no CPU): others first.
 */
static void relieve(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	struct oxi_running r = { .lease = 0 };

	w->looked_at = now;
	if (others_move(d, w, now)) {
		w->settled = true;
		if (oxi_lease_take_back_last(d, w, w->outstanding, false, now) > 0 && w->outstanding == 0)
			w->retry_at = now + OXI_RETRY;
	} else if (w->outstanding == 1) {
		d->ops->running(d->transport, oxi_dworker_slot(d, w), &r);
		w->settled = r.lease != 0;
	}
}

void oxi_dispatch_relieve_slow(struct oxi_dispatch *d, ox_time now)
{
	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[i];

		if (w->state == OXI_WORKER_READY && !w->killed && oxi_dworker_is_slow(w, now) && !w->settled &&
		    now - w->looked_at >= w->slow)
			relieve(d, w, now);
	}
}

/* The worker whose leases another one should share: half a message of work at least. NULL: none. */
static struct oxi_dworker *most_loaded(struct oxi_dispatch *d)
{
	struct oxi_dworker *most = NULL;

	for (unsigned i = 0; i < d->slots; i++) {
		struct oxi_dworker *w = &d->workers[i];

		if (oxi_dworker_takes_jobs(d, w) && w->outstanding > 1 && w->load > d->o.batch / 2 && (most == NULL || w->load > most->load))
			most = w;
	}
	return most;
}

void oxi_dispatch_share_work(struct oxi_dispatch *d, ox_time now)
{
	unsigned takers;
	struct oxi_dworker *idle, *most;

	while (d->queue.count == 0 && d->accepting > 0 && d->rate_at <= now) {
		d->round++;
		idle = pick(d, &takers, now);
		if (idle == NULL || idle->outstanding > 0)
			return;
		most = most_loaded(d);
		if (most == NULL || oxi_lease_take_back_last(d, most, most->outstanding / 2, false, now) == 0)
			return;
		oxi_dispatch_send_queue(d, now);
	}
}
