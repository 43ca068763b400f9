/* SPDX-License-Identifier: MIT */
/*
 * Jobs that shall end before they have: they were cancelled, or have used up their time. One that has begun is doomed: told that
 * it should end, and when its grace has passed its worker is killed; which it was is known here and becomes its end, unless a
 * result comes first. When to look is check_at of the worker.
 */
#include "pool/dispatch_state.h"

void oxi_djob_doom(struct oxi_djob *job, enum oxi_end how, int status)
{
	job->doomed = (uint8_t)(how + 1);
	job->doom = status;
}

static ox_time grace_of(const struct oxi_dispatch *d, const struct oxi_djob *job)
{
	return d->kinds[job->index].policy.grace;
}

/* When what runs in a cell since then is to be told that it should end; and when it is to be killed. */
static ox_time tell_time(const struct oxi_dcell *c, ox_time since)
{
	if (c->job == NULL)
		return OX_NEVER;        /* was told when it was abandoned */
	return c->job->doomed ? 0 : c->job->timeout > 0 ? since + c->job->timeout : OX_NEVER;
}

static ox_time kill_time(const struct oxi_dispatch *d, const struct oxi_dworker *w, const struct oxi_dcell *c, ox_time since)
{
	if (c->job == NULL)
		return c->lease == w->abandoned && w->abandoned_timeout > 0 ? since + w->abandoned_timeout : OX_NEVER;
	if (c->job->doomed)
		return c->job->at;
	return c->job->timeout > 0 ? since + c->job->timeout + grace_of(d, c->job) : OX_NEVER;
}

/* Has a job that runs since then told, or its worker killed, if it is time for that. True: killed. */
static bool check_time(struct oxi_dispatch *d, struct oxi_dworker *w, const struct oxi_dcell *c, ox_time since, ox_time now)
{
	ox_time tell_at = tell_time(c, since), kill_at = kill_time(d, w, c, since);

	if (now >= kill_at) {
		if (c->job != NULL && !c->job->doomed)
			oxi_djob_doom(c->job, OXI_END_TIMEOUT, OX_ETIMEDOUT);
		oxi_dworker_kill(d, w);
		return true;
	}
	if (now >= tell_at)
		d->ops->tell(d->transport, oxi_dworker_slot(d, w), c->lease);
	w->check_at = oxi_min_time(w->check_at, now >= tell_at ? kill_at : oxi_min_time(tell_at, kill_at));
	return false;
}

/* Those that stand in one another run all of them. */
static bool check_nested(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	OXI_LIST_EACH(e, &w->leases) {
		const struct oxi_djob *job = oxi_djob_of(e);

		if (job->nesting && check_time(d, w, oxi_lease_cell(w, job->lease), job->at, now))
			return true;
	}
	return false;
}

void oxi_dworker_check_timeouts(struct oxi_dispatch *d, struct oxi_dworker *w, ox_time now)
{
	struct oxi_running r = { .lease = 0 };
	const struct oxi_dcell *c;

	d->ops->running(d->transport, oxi_dworker_slot(d, w), &r);
	c = oxi_lease_cell(w, r.lease);
	if (r.lease == 0 || c->lease != r.lease)
		c = NULL;
	w->check_at = OX_NEVER;
	if (w->nested > 0 && check_nested(d, w, now))
		return;
	if (c != NULL && (c->job == NULL || !c->job->nesting) && check_time(d, w, c, r.since, now))
		return;
	if (w->outstanding > 0 && (c == NULL || w->outstanding > 1) && w->shortest > 0)
		w->check_at = oxi_min_time(w->check_at, now + w->shortest);
	OXI_LIST_EACH(e, &w->leases)
		if (oxi_djob_of(e)->doomed && !oxi_djob_of(e)->nesting && (c == NULL || oxi_djob_of(e) != c->job))
			w->check_at = oxi_min_time(w->check_at, now + OXI_SLOW);
}

/* The job goes on without its owner: its cell stays, so that the worker counts as busy until the result comes. */
static void abandon_job(struct oxi_dispatch *d, struct oxi_djob *job)
{
	struct oxi_dworker *w = &d->workers[job->slot];

	oxi_lease_cell(w, job->lease)->job = NULL;
	oxi_lease_cell(w, job->lease)->key = oxi_djob_pass_on(job);
	w->abandoned = job->lease;
	w->abandoned_timeout = job->timeout > 0 ? job->timeout + grace_of(d, job) : 0;
	d->ops->tell(d->transport, job->slot, job->lease);
	oxi_list_remove(&job->link);
	job->lease = 0;
	d->counts.leased--;
}

/* For a job that has begun and whose worker must go; ends when the worker has gone. */
static void kill_job(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status, ox_time now)
{
	struct oxi_dworker *w = &d->workers[job->slot];

	oxi_djob_doom(job, how, status);
	job->at = now + grace_of(d, job);
	if (!w->killed)
		oxi_dworker_check_timeouts(d, w, now);
	oxi_dispatch_set_timer(d, now);
}

void oxi_dispatch_cancel(struct oxi_dispatch *d, struct oxi_djob *job, enum oxi_end how, int status, bool abandon,
			 ox_time now)
{
	if (job->state == OXI_ENDED)
		return;
	if (job->doomed) {
		job->retries = 0;       /* a timeout is its end now */
		return;
	}
	if (job->state != OXI_LEASED)
		oxi_djob_dequeue(d, job);
	else if (oxi_lease_take_back(d, job) != OXI_TAKEN) {
		if (!abandon || job->nesting) {         /* whose would the one inside be? */
			kill_job(d, job, how, status, now);
			return;
		}
		abandon_job(d, job);
	}
	oxi_djob_end(d, job, how, status);
}
