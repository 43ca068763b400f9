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
 * looked at then.
 *
 * When a worker is started again. At once, unless it died before it was ready or without having ended any job
 * (a crash ends one): then after 10 ms, twice that, up to 5 s. So when a spawn is refused. A job that crashes
 * workers is braked by its own retries.
 *
 * A worker:
 *
 *	DOWN --spawn--> STARTING --ready--> READY --killed or died or stopped--> DOWN
 *	  ^                '------- died, counted as failed start -----------------^
 *
 * Leases are numbered per slot and never used twice: slot in the upper bits, a counter in the lower ones.
 * Cell lease % OXI_CLAIMS finds the job, here and in the worker's slot, so a number whose cell is still taken
 * is left out.
 *
 * ops->end() is called last, or in loops that look at the lists anew each time: its owner may submit and
 * cancel in it.
 */
#include "pool/dispatch.h"

#include <stdlib.h>
#include <string.h>

#include "include/private/check.h"
#include "pool/heritage.h"

#define SLOW     OX_MS(5)
#define RETRY    OX_MS(10)      /* after a send that was refused; a crashed job's and a failed worker's first delay */
#define BRAKE    OX_SEC(5)      /* the longest of these delays */

enum { LEASE_BITS = 46 };       /* of the counter; the slot has the 16 above, and two are left for a claim's state */

enum worker_state { DOWN, STARTING, READY };

struct cell {
	uint64_t lease;                 /* 0: free */
	struct oxi_djob *job;           /* NULL: abandoned, but it still runs */
	uint32_t cost;
};

struct worker {
	enum worker_state state;
	uint32_t generation;
	bool killed;                    /* READY: by us; its end is awaited */
	bool stopped;                   /* was told to end */
	bool failed_start;              /* STARTING: said so; counted */
	bool served;                    /* has ended a job */
	bool accepting;                 /* counted in dispatch.accepting */
	unsigned misfires;              /* in a row: starts that were refused or came to nothing */
	unsigned outstanding;           /* leases, abandoned ones included */
	ox_time load;                   /* their cost */
	ox_time progress_at;            /* of the last result, or of the first lease */
	bool settled;                   /* slow, and all that it owes has begun */
	ox_time looked_at;              /* last time it was found slow */
	ox_time check_at;               /* when to look whether a job has run too long; OX_NEVER */
	ox_time shortest;               /* timeout of its leases since it had none; 0: none has one */
	ox_time retry_at;               /* no sends before */
	ox_time spawn_at;               /* DOWN */
	ox_time abandoned_timeout;      /* of the job abandoned last */
	uint64_t abandoned;             /* its lease */
	uint64_t counter;               /* of leases */
	unsigned round;                 /* of sends, in which it last got a message */
	struct oxi_list leases;         /* of live jobs, in order of sending */
	struct cell cells[OXI_CLAIMS];
};

struct kind {
	ox_time estimate;
	uint32_t samples;
	uint32_t cost;                  /* of one job, as the estimate stands */
};

struct oxi_dispatch {
	const struct oxi_dispatch_ops *ops;
	void *transport;
	struct oxi_dispatch_options o;
	struct oxi_dispatch_counts counts;
	int refuse;                     /* closed or broken: the code that jobs get; 0: neither */
	unsigned accepting;             /* workers that would take a job */
	unsigned start_failures;        /* in a row, of all workers */
	unsigned turn;                  /* the worker looked at first, of equals */
	unsigned round;                 /* of sends: each worker gets one message in it */
	ox_time timer_at;               /* as told to ops->timer */
	struct oxi_list queue;
	struct oxi_list delayed;        /* by ready_at */
	unsigned waiting;               /* in the queue */
	struct kind *kinds;
	struct worker *workers;
};

static struct oxi_djob *job_of(struct oxi_list *link)
{
	return OXI_CONTAINER(link, struct oxi_djob, link);
}

static ox_time min_time(ox_time a, ox_time b)
{
	return a < b ? a : b;
}

static ox_time max_time(ox_time a, ox_time b)
{
	return a > b ? a : b;
}

static unsigned slot_of(const struct oxi_dispatch *d, const struct worker *w)
{
	return (unsigned)(w - d->workers);
}

/* 10 ms, 20 ms ... 5 s */
static ox_time backoff(unsigned n)
{
	return n > 10 ? BRAKE : min_time(RETRY << (n - 1), BRAKE);
}

/* ---- estimates ---- */

static ox_time budget(const struct oxi_dispatch *d)
{
	return 2 * d->o.batch;
}

static void set_cost(const struct oxi_dispatch *d, struct kind *k)
{
	ox_time cost = d->o.batch / d->o.max_batch;     /* so that max_batch jobs fill a message */

	if (k->samples == 0 || d->o.one_at_a_time || k->estimate >= d->o.batch) {
		k->cost = (uint32_t)budget(d);
		return;
	}
	cost = max_time(cost, budget(d) / k->samples);  /* no more than there are results to judge by */
	k->cost = (uint32_t)max_time(max_time(cost, k->estimate), 1);
}

static void learn(const struct oxi_dispatch *d, uint16_t index, ox_time run_time)
{
	struct kind *k = &d->kinds[index];

	k->estimate = k->samples == 0 ? run_time : k->estimate + (run_time - k->estimate) / 8;
	if (k->samples < 4 * OXI_CLAIMS)
		k->samples++;
	set_cost(d, k);
}

/* ---- the ends of jobs ---- */

static void end_job(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status)
{
	job->state = OXI_ENDED;
	if (how == OXI_END_CANCEL)
		d->counts.ended_cancelled++;
	else if (how == OXI_END_RESULT && status >= 0)
		d->counts.ended_ok++;
	else
		d->counts.ended_failed++;
	d->ops->end(d->transport, job, how, status);
}

/* ---- the queue ---- */

static void enqueue(struct oxi_dispatch *d, struct oxi_djob *job, struct oxi_list *after)
{
	job->state = OXI_QUEUED;
	job->ready_at = 0;
	oxi_list_insert(after, &job->link);
	d->waiting++;
	d->counts.queued++;
}

static void delay(struct oxi_dispatch *d, struct oxi_djob *job, ox_time until)
{
	struct oxi_list *after = d->delayed.prev;

	while (after != &d->delayed && job_of(after)->ready_at > until)
		after = after->prev;
	job->state = OXI_QUEUED;
	job->ready_at = until;
	oxi_list_insert(after, &job->link);
	d->counts.queued++;
}

static void dequeue(struct oxi_dispatch *d, struct oxi_djob *job)
{
	oxi_list_remove(&job->link);
	d->counts.queued--;
	if (job->ready_at == 0)
		d->waiting--;
}

static void end_queue(struct oxi_dispatch *d, struct oxi_list *queue)
{
	while (!oxi_list_empty(queue)) {
		struct oxi_djob *job = job_of(queue->next);

		dequeue(d, job);
		end_job(d, job, OXI_END_LIMIT, d->refuse);
	}
}

static void refuse_all(struct oxi_dispatch *d, int status)
{
	d->refuse = status;
	end_queue(d, &d->queue);
	end_queue(d, &d->delayed);
}

/* ---- leases ---- */

static bool sends_to(const struct oxi_dispatch *d, const struct worker *w)
{
	return d->refuse == 0 && w->state == READY && !w->killed && !w->stopped;
}

/* To be called when anything has changed that it depends on. */
static void set_accepting(struct oxi_dispatch *d, struct worker *w)
{
	bool accepting = sends_to(d, w) && w->load <= d->o.batch && w->outstanding <= d->o.max_batch;

	if (accepting == w->accepting)
		return;
	w->accepting = accepting;
	d->accepting += accepting ? 1 : -1u;
}

static struct cell *cell_of(struct worker *w, uint64_t lease)
{
	return &w->cells[lease % OXI_CLAIMS];
}

static void take_lease(struct oxi_dispatch *d, struct worker *w, struct oxi_djob *job, ox_time now)
{
	struct cell *c;

	do
		c = cell_of(w, ++w->counter);
	while (c->lease != 0);
	*c = (struct cell){
		.lease = (uint64_t)slot_of(d, w) << LEASE_BITS | w->counter, .job = job, .cost = d->kinds[job->index].cost,
	};
	job->state = OXI_LEASED;
	job->lease = c->lease;
	job->slot = slot_of(d, w);
	oxi_list_append(&w->leases, &job->link);
	d->counts.leased++;
	if (w->outstanding++ == 0)
		w->progress_at = now;
	w->load += c->cost;
	w->settled = false;
	if (job->timeout > 0) {
		w->shortest = w->shortest == 0 ? job->timeout : min_time(w->shortest, job->timeout);
		w->check_at = min_time(w->check_at, now + job->timeout);
	}
}

static void free_cell(struct oxi_dispatch *d, struct worker *w, struct cell *c)
{
	w->load -= c->cost;
	w->outstanding--;
	*c = (struct cell){ .lease = 0 };
	if (w->outstanding == 0) {
		w->check_at = OX_NEVER;
		w->shortest = 0;
	}
	set_accepting(d, w);
}

/* The job has no lease any more, and is in no list. */
static void drop_lease(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct worker *w = &d->workers[job->slot];

	free_cell(d, w, cell_of(w, job->lease));
	oxi_list_remove(&job->link);
	job->lease = 0;
	d->counts.leased--;
}

static bool take_back(struct oxi_dispatch *d, struct oxi_djob *job)
{
	if (job->doomed || !d->ops->take_back(d->transport, job->slot, job->lease))
		return false;
	drop_lease(d, job);
	return true;
}

/* Takes back at most n jobs that have not begun, the last ones first, which then stand at the head of the queue in order. */
static unsigned take_back_last(struct oxi_dispatch *d, struct worker *w, unsigned n)
{
	unsigned taken = 0;

	for (struct oxi_list *e = w->leases.prev, *before; e != &w->leases && taken < n; e = before) {
		before = e->prev;
		if (!take_back(d, job_of(e)))
			break;
		enqueue(d, job_of(e), &d->queue);
		taken++;
	}
	return taken;
}

/* ---- workers ---- */

static void start(struct oxi_dispatch *d, struct worker *w, ox_time now)
{
	w->state = STARTING;
	w->generation++;
	w->killed = w->stopped = w->failed_start = w->served = false;
	d->counts.starting++;
	d->counts.spawned++;
	if (d->ops->spawn(d->transport, slot_of(d, w), w->generation) >= 0)
		return;
	w->state = DOWN;
	d->counts.starting--;
	d->counts.spawned--;
	w->spawn_at = now + backoff(++w->misfires);
}

static void kill_worker(struct oxi_dispatch *d, struct worker *w)
{
	if (w->killed)
		return;
	w->killed = true;
	d->counts.killed++;
	set_accepting(d, w);
	d->ops->kill(d->transport, slot_of(d, w));
}

static void stop_worker(struct oxi_dispatch *d, struct worker *w)
{
	w->stopped = true;
	set_accepting(d, w);
	d->ops->stop(d->transport, slot_of(d, w));
}

static void doom(struct oxi_djob *job, enum oxi_end how, int status)
{
	job->doomed = (uint8_t)(how + 1);
	job->doom = status;
}

/*
 * Looks whether the job that runs has used up its time, or is one that must be killed. One that must be
 * killed and does not run has just ended, or is just beginning: its result comes, or the next look finds it
 * running.
 */
static void check_timeouts(struct oxi_dispatch *d, struct worker *w, ox_time now)
{
	struct oxi_running r = { .lease = 0 };
	const struct cell *c;
	ox_time timeout = 0;

	d->ops->running(d->transport, slot_of(d, w), &r);
	c = cell_of(w, r.lease);
	if (r.lease == 0 || c->lease != r.lease)
		c = NULL;
	if (c != NULL && c->job != NULL && c->job->doomed) {
		kill_worker(d, w);
		return;
	}
	if (c != NULL)
		timeout = c->job != NULL ? c->job->timeout : r.lease == w->abandoned ? w->abandoned_timeout : 0;
	if (timeout > 0 && now - r.since >= timeout) {
		if (c->job != NULL)
			doom(c->job, OXI_END_TIMEOUT, OX_ETIMEDOUT);
		kill_worker(d, w);
		return;
	}
	w->check_at = timeout > 0 ? r.since + timeout : OX_NEVER;
	if (w->outstanding > 0 && (c == NULL || w->outstanding > 1) && w->shortest > 0)
		w->check_at = min_time(w->check_at, now + w->shortest);
	OXI_LIST_EACH(e, &w->leases)
		if (job_of(e)->doomed)
			w->check_at = min_time(w->check_at, now + SLOW);
}

/* ---- time ---- */

static ox_time next_event(const struct oxi_dispatch *d, const struct worker *w)
{
	ox_time at;

	if (w->state == DOWN && d->refuse == 0)
		return w->spawn_at;
	if (w->state != READY || w->killed)
		return OX_NEVER;
	at = w->check_at;
	if (w->retry_at > 0)
		at = min_time(at, w->retry_at);
	if (w->outstanding > 0 && !w->settled && sends_to(d, w) && d->o.workers > 1)
		at = min_time(at, max_time(w->progress_at, w->looked_at) + SLOW);
	return at;
}

/* A tick that comes a little early does no harm, so the timer is not moved for every message. */
static void set_timer(struct oxi_dispatch *d, ox_time now)
{
	ox_time at = OX_NEVER;

	for (unsigned i = 0; i < d->o.workers; i++)
		at = min_time(at, next_event(d, &d->workers[i]));
	if (!oxi_list_empty(&d->delayed))
		at = min_time(at, job_of(d->delayed.next)->ready_at);
	if (d->timer_at > now && at >= d->timer_at && at - d->timer_at <= SLOW)
		return;
	d->timer_at = at;
	d->ops->timer(d->transport, at);
}

/* ---- sending ---- */

static bool is_slow(const struct worker *w, ox_time now)
{
	return w->outstanding > 0 && now - w->progress_at >= SLOW;
}

static bool takes(const struct worker *w, ox_time now)
{
	return w->accepting && w->retry_at == 0 && !is_slow(w, now);
}

/*
 * The one that owes least of those that take jobs now and got none in this round. *ret_takers: how many they
 * are; where some have nothing to do only these count. NULL: none.
 */
static struct worker *pick(struct oxi_dispatch *d, unsigned *ret_takers, ox_time now)
{
	struct worker *best = NULL;
	unsigned all = 0, idle = 0;

	for (unsigned i = 0; i < d->o.workers; i++) {
		struct worker *w = &d->workers[(d->turn + i) % d->o.workers];

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

/* Leases jobs from the head of the queue, at most limit; gives how many. */
static unsigned lease_jobs(struct oxi_dispatch *d, struct worker *w, struct oxi_djob **jobs, unsigned limit, ox_time now)
{
	ox_time before = w->load;
	unsigned n = 0;

	while (n < limit && d->waiting > 0) {
		struct oxi_djob *job = job_of(d->queue.next);
		ox_time load = w->load + d->kinds[job->index].cost;

		if (w->outstanding > 0 && (load > budget(d) || load - before > d->o.batch))
			break;
		dequeue(d, job);
		take_lease(d, w, job, now);
		jobs[n++] = job;
	}
	set_accepting(d, w);
	return n;
}

static void send_jobs(struct oxi_dispatch *d, struct worker *w, struct oxi_djob **jobs, unsigned n, ox_time now)
{
	if (d->ops->send(d->transport, slot_of(d, w), jobs, n) >= 0)
		return;
	while (n > 0) {
		drop_lease(d, jobs[--n]);
		enqueue(d, jobs[n], &d->queue);
	}
	w->retry_at = now + RETRY;
}

/* One message for each worker that takes one. False: none was sent, or nothing is left to send. */
static bool send_round(struct oxi_dispatch *d, ox_time now)
{
	struct oxi_djob *jobs[OXI_CLAIMS / 4];
	unsigned takers, sent = 0;

	d->round++;
	while (d->waiting > 0) {
		struct worker *w = pick(d, &takers, now);
		unsigned share, n;

		if (w == NULL)
			return sent > 0;
		share = (d->waiting + takers - 1) / takers;
		n = lease_jobs(d, w, jobs, share < d->o.max_batch ? share : d->o.max_batch, now);
		if (n == 0)
			return false;   /* the next job is a long one, and nobody is free: it keeps its turn */
		w->round = d->round;
		d->turn = slot_of(d, w) + 1;
		send_jobs(d, w, jobs, n, now);
		sent++;
	}
	return false;
}

static void send_queue(struct oxi_dispatch *d, ox_time now)
{
	while (d->accepting > 0 && send_round(d, now))
		;
}

/* ---- taking back ---- */

/* Is there a worker that moves? Else what a slow one has is as well off where it is. */
static bool others_move(const struct oxi_dispatch *d, const struct worker *slow, ox_time now)
{
	for (unsigned i = 0; i < d->o.workers; i++) {
		const struct worker *w = &d->workers[i];

		if (w != slow && sends_to(d, w) && w->retry_at == 0 && !is_slow(w, now))
			return true;
	}
	return false;
}

/*
 * One look at a slow worker is enough if all that has not begun could be taken back then, or nothing but the
 * running job is there; else it is looked at again. A worker that has nothing left has begun nothing (it is
 * stopped, or gets no CPU): others first.
 */
static void relieve(struct oxi_dispatch *d, struct worker *w, ox_time now)
{
	struct oxi_running r = { .lease = 0 };

	w->looked_at = now;
	if (others_move(d, w, now)) {
		w->settled = true;
		if (take_back_last(d, w, w->outstanding) > 0 && w->outstanding == 0)
			w->retry_at = now + RETRY;
	} else if (w->outstanding == 1) {
		d->ops->running(d->transport, slot_of(d, w), &r);
		w->settled = r.lease != 0;
	}
}

static void relieve_slow(struct oxi_dispatch *d, ox_time now)
{
	for (unsigned i = 0; i < d->o.workers; i++) {
		struct worker *w = &d->workers[i];

		if (sends_to(d, w) && is_slow(w, now) && !w->settled && now - w->looked_at >= SLOW)
			relieve(d, w, now);
	}
}

/* The worker whose leases another one should share: half a message of work at least. NULL: none. */
static struct worker *most_loaded(struct oxi_dispatch *d)
{
	struct worker *most = NULL;

	for (unsigned i = 0; i < d->o.workers; i++) {
		struct worker *w = &d->workers[i];

		if (sends_to(d, w) && w->outstanding > 1 && w->load > d->o.batch / 2 && (most == NULL || w->load > most->load))
			most = w;
	}
	return most;
}

static void share_work(struct oxi_dispatch *d, ox_time now)
{
	unsigned takers;
	struct worker *idle, *most;

	while (d->waiting == 0 && d->accepting > 0) {
		d->round++;
		idle = pick(d, &takers, now);
		if (idle == NULL || idle->outstanding > 0)
			return;
		most = most_loaded(d);
		if (most == NULL || take_back_last(d, most, most->outstanding / 2) == 0)
			return;
		send_queue(d, now);
	}
}

/* ---- the calls ---- */

struct oxi_dispatch *oxi_dispatch_new(const struct oxi_dispatch_options *o, const struct oxi_dispatch_ops *ops, void *t)
{
	struct oxi_dispatch *d;

	OXI_CHECK(o->workers > 0 && o->workers <= UINT16_MAX);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->ops = ops;
	d->transport = t;
	d->o = *o;
	d->o.batch = o->batch == 0 ? OX_MS(1) : min_time(o->batch, OX_SEC(1));
	d->o.max_batch = o->max_batch == 0 || o->max_batch > OXI_CLAIMS / 4 ? OXI_CLAIMS / 4 : o->max_batch;
	d->o.init_limit = o->init_limit == 0 ? 5 : o->init_limit;
	d->timer_at = OX_NEVER;
	oxi_list_init(&d->queue);
	oxi_list_init(&d->delayed);
	d->kinds = calloc(o->jobs + 1, sizeof(*d->kinds));
	d->workers = calloc(o->workers, sizeof(*d->workers));
	if (d->kinds == NULL || d->workers == NULL) {
		oxi_dispatch_free(d);
		return NULL;
	}
	for (unsigned i = 0; i < o->jobs; i++)
		set_cost(d, &d->kinds[i]);
	for (unsigned i = 0; i < o->workers; i++) {
		oxi_list_init(&d->workers[i].leases);
		d->workers[i].check_at = OX_NEVER;
	}
	return d;
}

void oxi_dispatch_free(struct oxi_dispatch *d)
{
	if (d == NULL)
		return;
	OXI_CHECK(d->counts.queued == 0 && d->counts.leased == 0);
	free(d->workers);
	free(d->kinds);
	free(d);
}

void oxi_dispatch_start(struct oxi_dispatch *d, ox_time now)
{
	for (unsigned i = 0; i < d->o.workers; i++)
		start(d, &d->workers[i], now);
	set_timer(d, now);
}

void oxi_dispatch_submit(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	(void)now;
	OXI_CHECK(job->index < d->o.jobs);
	job->lease = 0;
	job->crashes = job->doomed = 0;
	if (d->refuse < 0) {
		oxi_list_init(&job->link);
		end_job(d, job, OXI_END_LIMIT, d->refuse);
		return;
	}
	enqueue(d, job, d->queue.prev);
}

bool oxi_dispatch_eager(const struct oxi_dispatch *d)
{
	if (d->accepting == 0 || d->waiting == 0)
		return false;
	return d->waiting * (ox_time)d->kinds[job_of(d->queue.next)->index].cost >= d->o.batch;
}

void oxi_dispatch_flush(struct oxi_dispatch *d, ox_time now)
{
	send_queue(d, now);
	share_work(d, now);
	set_timer(d, now);
}

void oxi_dispatch_tick(struct oxi_dispatch *d, ox_time now)
{
	d->timer_at = OX_NEVER;
	for (unsigned i = 0; i < d->o.workers; i++) {
		struct worker *w = &d->workers[i];

		if (w->state == DOWN && d->refuse == 0 && w->spawn_at <= now)
			start(d, w, now);
		if (w->state == READY && !w->killed && w->check_at <= now)
			check_timeouts(d, w, now);
		if (w->retry_at <= now)
			w->retry_at = 0;
	}
	while (!oxi_list_empty(&d->delayed) && job_of(d->delayed.next)->ready_at <= now) {
		struct oxi_djob *job = job_of(d->delayed.next);

		dequeue(d, job);
		enqueue(d, job, d->queue.prev);
	}
	relieve_slow(d, now);
	oxi_dispatch_flush(d, now);
}

/* The job goes on without its owner: its cell stays, so that the worker counts as busy until the result comes. */
static void abandon_job(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct worker *w = &d->workers[job->slot];

	cell_of(w, job->lease)->job = NULL;
	w->abandoned = job->lease;
	w->abandoned_timeout = job->timeout;
	oxi_list_remove(&job->link);
	job->lease = 0;
	d->counts.leased--;
}

/* For a job that has begun and whose worker must go; ends when the worker has gone. */
static void kill_job(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status, ox_time now)
{
	struct worker *w = &d->workers[job->slot];

	doom(job, how, status);
	if (!w->killed)
		check_timeouts(d, w, now);
	set_timer(d, now);
}

void oxi_dispatch_cancel(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status, bool abandon,
			 ox_time now)
{
	if (job->state == OXI_ENDED || job->doomed)
		return;
	if (job->state == OXI_QUEUED)
		dequeue(d, job);
	else if (!take_back(d, job)) {
		if (!abandon) {
			kill_job(d, job, how, status, now);
			return;
		}
		abandon_job(d, job);
	}
	end_job(d, job, how, status);
}

/* NULL for a generation that is over. */
static struct worker *worker_of(struct oxi_dispatch *d, unsigned slot, uint32_t generation)
{
	OXI_CHECK(slot < d->o.workers);
	if (d->workers[slot].generation == generation && d->workers[slot].state != DOWN)
		return &d->workers[slot];
	d->counts.late++;
	return NULL;
}

void oxi_dispatch_ready(struct oxi_dispatch *d, unsigned slot, uint32_t generation, ox_time now)
{
	struct worker *w = worker_of(d, slot, generation);

	if (w == NULL || w->state != STARTING)
		return;
	w->state = READY;
	d->counts.starting--;
	d->counts.ready++;
	d->start_failures = 0;
	w->looked_at = w->retry_at = 0;
	set_accepting(d, w);
	if (d->refuse < 0)
		stop_worker(d, w);
	set_timer(d, now);
}

static void count_failed_start(struct oxi_dispatch *d)
{
	d->start_failures++;
	if (d->start_failures >= d->o.init_limit && d->counts.ready == 0 && d->refuse == 0)
		refuse_all(d, OX_EINIT);
}

void oxi_dispatch_init_failed(struct oxi_dispatch *d, unsigned slot, uint32_t generation, int status, ox_time now)
{
	struct worker *w = worker_of(d, slot, generation);

	(void)status;
	if (w == NULL || w->state != STARTING || w->failed_start)
		return;
	w->failed_start = true;
	count_failed_start(d);
	set_timer(d, now);
}

struct oxi_djob *oxi_dispatch_find(struct oxi_dispatch *d, unsigned slot, uint64_t lease)
{
	struct worker *w;
	struct cell *c;

	OXI_CHECK(slot < d->o.workers);
	w = &d->workers[slot];
	c = cell_of(w, lease);
	if (OXI_LIKELY(c->lease == lease && c->job != NULL))
		return c->job;
	d->counts.late++;
	if (lease != 0 && c->lease == lease)
		free_cell(d, w, c);     /* the abandoned job has ended */
	return NULL;
}

void oxi_dispatch_done(struct oxi_dispatch *d, struct oxi_djob *job, int status, ox_time run_time, ox_time now)
{
	struct worker *w = &d->workers[job->slot];

	OXI_CHECK(job->state == OXI_LEASED);
	drop_lease(d, job);
	learn(d, job->index, run_time);
	w->progress_at = now;
	w->settled = false;
	w->served = true;
	w->misfires = 0;
	end_job(d, job, OXI_END_RESULT, status);
}

/* The job was running when its worker died. True: that was its last attempt. */
static bool crashed(struct oxi_dispatch *d, struct oxi_djob *job, ox_time now)
{
	if (job->crashes++ >= job->retries || d->refuse < 0)
		return true;
	d->counts.retried++;
	delay(d, job, now + backoff(job->crashes));
	return false;
}

/* Empties a dead worker's leases: to the queue's head in order, to ended what is doomed or has crashed for good. */
static void recover(struct oxi_dispatch *d, struct worker *w, uint64_t culprit, int status, struct oxi_list *ended,
		    ox_time now)
{
	while (!oxi_list_empty(&w->leases)) {
		struct oxi_djob *job = job_of(w->leases.prev);
		bool is_culprit = job->lease == culprit && !w->killed;

		drop_lease(d, job);
		if (!job->doomed && is_culprit) {
			if (!crashed(d, job, now))
				continue;
			doom(job, OXI_END_CRASH, status);
		} else if (!job->doomed && d->refuse < 0) {
			doom(job, OXI_END_LIMIT, d->refuse);
		}
		if (job->doomed) {
			job->state = OXI_ENDED;
			oxi_list_prepend(ended, &job->link);
		} else {
			enqueue(d, job, &d->queue);
		}
	}
	w->outstanding = 0;
	w->load = 0;
	memset(w->cells, 0, sizeof(w->cells));
	w->check_at = OX_NEVER;
	w->shortest = 0;
}

/* The slot is empty; when it is filled again. */
static void bring_down(struct oxi_dispatch *d, struct worker *w, bool served, ox_time now)
{
	bool was_starting = w->state == STARTING;

	if (was_starting)
		d->counts.starting--;
	else
		d->counts.ready--;
	if (!w->killed && !w->stopped)
		d->counts.crashed++;
	w->state = DOWN;
	set_accepting(d, w);
	w->misfires = served || w->killed ? 0 : w->misfires + 1;
	w->spawn_at = w->misfires == 0 ? now : now + backoff(w->misfires);
	if (was_starting && !w->failed_start)
		count_failed_start(d);
	if (w->state == DOWN && d->refuse == 0 && w->spawn_at <= now)
		start(d, w, now);
}

void oxi_dispatch_lost(struct oxi_dispatch *d, unsigned slot, uint32_t generation, uint64_t culprit, int status,
		       ox_time now)
{
	struct worker *w = worker_of(d, slot, generation);
	struct oxi_list ended, *e;

	if (w == NULL)
		return;
	oxi_list_init(&ended);
	recover(d, w, culprit, status, &ended, now);
	bring_down(d, w, w->served || culprit != 0, now);
	while ((e = oxi_list_shift(&ended)) != NULL) {
		struct oxi_djob *job = job_of(e);

		end_job(d, job, (enum oxi_end)(job->doomed - 1), job->doom);
	}
	set_timer(d, now);
}

void oxi_dispatch_close(struct oxi_dispatch *d, ox_time now)
{
	if (d->refuse == 0)
		d->refuse = OX_ECLOSED;
	for (unsigned i = 0; i < d->o.workers; i++) {
		struct worker *w = &d->workers[i];

		if (w->state != READY || w->stopped || w->killed)
			continue;
		take_back_last(d, w, w->outstanding);
		stop_worker(d, w);
	}
	refuse_all(d, d->refuse);
	set_timer(d, now);
}

void oxi_dispatch_get_counts(const struct oxi_dispatch *d, struct oxi_dispatch_counts *ret)
{
	*ret = d->counts;
	ret->busy = 0;
	for (unsigned i = 0; i < d->o.workers; i++) {
		struct oxi_running r = { .lease = 0 };

		if (d->workers[i].outstanding > 0)
			d->ops->running(d->transport, i, &r);
		ret->busy += r.lease != 0;
	}
}
