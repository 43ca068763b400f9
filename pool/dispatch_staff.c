/* SPDX-License-Identifier: MIT */
/*
 * Which workers there are. There are `workers` places; a place is a slot and, if there are spares, a second one. Between
 * min_workers and all places have a worker.
 *
 * Growing and shrinking. What is queued and finds nobody to take it starts a worker more; one above min_workers that
 * had nothing to do for a while ends. The first places get the jobs, so that it is the last ones that have nothing
 * to do.
 *
 * Retiring. A worker has a quota of jobs and an age, each up to a quarter below what was asked for, so that
 * workers which began together do not end together. It never gets more than its quota. When the last of it has been
 * sent, or when it has ended a job and is too old, an heir is started in the place's other slot and the worker is told to
 * end, which it does when its jobs are done:
 *
 *	elder	READY, takes jobs ──due──> stopped: its last jobs ──they end──> worker_fini ──> slot empty
 *	heir	                           STARTING, READY           takes jobs
 *
 * The heir holds back until the elder owes nothing, so no more than `workers` jobs run at a time. If the other
 * slot is missing, or not empty yet, the worker ends all the same and is replaced in its own. One that does not end is killed after OXI_FINI.
 *
 * Being refused. A worker that cannot be started, for want of processes or memory, is tried again ever more slowly, and
 * the pool goes on with those that it has. If it has none, jobs that have waited for spawn_deadline fail; the pool goes
 * on trying.
 */
#include "pool/dispatch_state.h"

/* 10 ms, 20 ms ... 5 s */
ox_time oxi_dworker_backoff(unsigned n)
{
	return n > 10 ? OXI_BRAKE : oxi_min_time(OXI_RETRY << (n - 1), OXI_BRAKE);
}

void oxi_dworker_enter(struct oxi_dispatch *d, struct oxi_dworker *w)
{
	w->state = OXI_WORKER_STARTING;
	w->generation++;
	w->killed = w->stopped = w->parting = w->failed_start = false;
	w->ended = 0;
	d->counts.starting++;
	d->counts.spawned++;
}

void oxi_dworker_start(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	oxi_dworker_enter(d, w);
	int r = d->ops->spawn(d->transport, oxi_dworker_slot(d, w), w->generation);
	if (r < 0)
		oxi_dworker_refused(d, w, now);
	if (r == OX_EINIT && d->refuse == 0)
		oxi_dispatch_refuse_all(d, OX_EINIT);
}

void oxi_dworker_refused(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	w->state = OXI_WORKER_DOWN;
	w->refused = true;
	d->counts.starting--;
	d->counts.spawned--;
	w->spawn_at = now + oxi_dworker_backoff(++w->misfires);
	if (d->helpless_since == 0 && d->counts.ready == 0)
		d->helpless_since = now;
}

void oxi_dworker_kill(struct oxi_dispatch *d, struct oxi_dworker *w)
{
	if (w->killed)
		return;
	w->killed = true;
	d->counts.killed++;
	oxi_affinity_give_up(d, w, OX_NEVER);
	oxi_dworker_set_accepting(d, w);
	d->ops->kill(d->transport, oxi_dworker_slot(d, w));
}

void oxi_dworker_stop(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	w->stopped = true;
	w->fini_by = now + OXI_FINI;
	oxi_affinity_give_up(d, w, OX_NEVER);
	oxi_dworker_set_accepting(d, w);
	d->ops->stop(d->transport, oxi_dworker_slot(d, w));
}

/* ---- retiring ---- */

/* n, or up to a quarter less: by the worker, and the same in every run. */
static int64_t spread(const struct oxi_dispatch *d, const struct oxi_dworker *w, int64_t n)
{
	uint64_t x = ((uint64_t)oxi_dworker_slot(d, w) << 32 | w->generation) * 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;        /* splitmix64's finish */
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return n - (int64_t)((x ^ x >> 31) % ((uint64_t)n / 4 + 1));
}

void oxi_dworker_begin_life(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	uint64_t most = d->o.max_jobs < INT64_MAX ? d->o.max_jobs : INT64_MAX;

	w->progress_at = now;
	w->quota = UINT64_MAX;
	w->retire_at = OX_NEVER;
	if (w->remote)
		return;                 /* its host replaces its processes */
	w->quota = most > 0 ? (uint64_t)spread(d, w, (int64_t)most) : UINT64_MAX;
	w->retire_at = d->o.max_age > 0 ? now + spread(d, w, d->o.max_age) : OX_NEVER;
}

/* The other slot of a worker's place. NULL: it has none. */
static struct oxi_dworker *partner(struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	unsigned slot = oxi_dworker_slot(d, w);
	unsigned other = slot < d->o.workers ? slot + d->o.workers : slot - d->o.workers;

	return !w->remote && other < d->local ? &d->workers[other] : NULL;
}

static struct oxi_dworker *empty_place(struct oxi_dispatch *d)
{
	for (unsigned i = 0; i < d->o.workers; i++)
		if (oxi_dworker_is_empty(&d->workers[i]) && oxi_dworker_is_empty(partner(d, &d->workers[i])))
			return &d->workers[i];
	return NULL;
}

static void retire(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	struct oxi_dworker *heir = partner(d, w);

	if (heir != NULL && oxi_dworker_is_empty(heir)) {
		w->parting = true;
		if (w->outstanding > 0) {
			w->heir = oxi_dworker_slot(d, heir) + 1;
			heir->elder = oxi_dworker_slot(d, w) + 1;
		}
		oxi_dworker_start(d, heir, now);
	}
	oxi_dworker_stop(d, w, now);
}

void oxi_dworker_retire_if_due(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	if (oxi_dworker_takes_jobs(d, w) && w->pin_count == 0 && (oxi_dworker_is_used_up(w) || now >= w->retire_at))
		retire(d, w, now);
}

void oxi_dworker_yield_to_heir(struct oxi_dispatch *d, struct oxi_dworker *w)
{
	if (w->heir == 0)
		return;
	struct oxi_dworker *heir = &d->workers[w->heir - 1];
	w->heir = heir->elder = 0;
	oxi_dworker_set_accepting(d, heir);
}

/* ---- as many as are needed ---- */

static bool is_surplus(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	return !w->remote && d->staffed > d->o.min_workers && oxi_dworker_takes_jobs(d, w) && w->outstanding == 0 && w->pin_count == 0;
}

ox_time oxi_dworker_next_change(const struct oxi_dispatch *d, const struct oxi_dworker *w)
{
	if (w->state != OXI_WORKER_READY || w->killed || w->outstanding > 0 || d->refuse < 0)
		return OX_NEVER;
	if (w->stopped)
		return w->fini_by;
	if (w->elder != 0 || w->pin_count > 0)
		return OX_NEVER;
	return oxi_min_time(w->retire_at, is_surplus(d, w) ? w->progress_at + d->o.idle : OX_NEVER);
}

void oxi_dworker_change(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	if (oxi_dworker_next_change(d, w) > now)
		return;
	if (w->stopped && w->fini_by == 0) {
		w->fini_by = now + OXI_FINI;
	} else if (w->stopped) {
		oxi_dworker_kill(d, w);
	} else if (is_surplus(d, w) && w->progress_at + d->o.idle <= now) {
		w->parting = true;
		d->staffed--;
		oxi_dworker_stop(d, w, now);
	} else {
		oxi_dworker_retire_if_due(d, w, now);
	}
}

/* How many workers are on their way, to take jobs at once. */
static unsigned count_coming(const struct oxi_dispatch *d)
{
	unsigned n = 0;

	for (unsigned i = 0; i < d->slots; i++) {
		const struct oxi_dworker *w = &d->workers[i];

		n += w->state == OXI_WORKER_STARTING || (w->state == OXI_WORKER_DOWN && w->spawn_at != OX_NEVER);
	}
	return n;
}

struct oxi_dworker *oxi_dispatch_hire(struct oxi_dispatch *d, ox_time now)
{
	struct oxi_dworker *w = !d->o.remote_only && d->staffed < d->o.workers ? empty_place(d) : NULL;

	if (w == NULL)
		return NULL;
	d->staffed++;
	oxi_dworker_start(d, w, now);
	return w;
}

void oxi_dispatch_grow(struct oxi_dispatch *d, ox_time now)
{
	if (d->o.remote_only || d->staffed >= d->o.workers || d->queue.count == 0 || d->accepting > 0 || d->refuse < 0)
		return;
	for (unsigned n = count_coming(d); n < d->queue.count && oxi_dispatch_hire(d, now) != NULL; n++)
		;
}

/* ---- none ---- */

ox_time oxi_dispatch_despair_at(const struct oxi_dispatch *d)
{
	ox_time at = OX_NEVER;

	if (d->helpless_since == 0 || d->refuse < 0 || d->o.spawn_deadline == OX_NEVER)
		return OX_NEVER;
	for (unsigned level = 0; level < OXI_LEVELS; level++)
		if (!oxi_list_empty(&d->queue.level[level])) {
			ox_time since = oxi_max_time(d->helpless_since, oxi_djob_of(d->queue.level[level].next)->at);
			at = oxi_min_time(at, since + d->o.spawn_deadline);
		}
	return at;
}

void oxi_dispatch_despair(struct oxi_dispatch *d, ox_time now)
{
	while (oxi_dispatch_despair_at(d) <= now)
		for (unsigned level = 0; level < OXI_LEVELS; level++) {
			struct oxi_djob *job = oxi_djob_of(d->queue.level[level].next);

			if (oxi_list_empty(&d->queue.level[level]) || job->at + d->o.spawn_deadline > now)
				continue;
			oxi_djob_dequeue(d, job);
			oxi_djob_end(d, job, OXI_END_LIMIT, OX_EINIT);
		}
}
