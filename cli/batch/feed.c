/* SPDX-License-Identifier: MIT */
/*
 * One feeder for each lane takes jobs from the plan and puts them into the lane's queue, which holds as many as there are
 * slots: nothing is made before somebody is about to run it. Each job takes a place in the window first, which the printer
 * gives back. A lane's feeder ends when the plan will have no more for it; the run's jobs are all done when every feeder has
 * ended and every job that was fed is settled.
 */
#include "cli/batch/runner.h"
#include "cli/say.h"

static void drop(void *job)
{
	oxi_job_free(job);
}

void oxi_no_more_jobs(struct batch *b)
{
	for (int i = 0; i < OXI_LANES; i++) {
		struct lane *l = &b->lane[i];
		if (!l->jobs)
			continue;
		ox_queue_shut(l->jobs, drop);           /* the feeder meets a shut queue */
		ox_event_set(l->room);
		if (l->in_feed)
			ox_scope_cancel(&l->feeding);
	}
	ox_queue_shut(b->retries, drop);
	ox_queue_shut(b->printer.window, NULL);
	ox_event_set(b->retry_sooner);
}

static bool is_all_fed(const struct batch *b)
{
	for (int i = 0; i < OXI_LANES; i++) {
		if (b->lane[i].jobs && !b->lane[i].all_fed)
			return false;
	}
	return true;
}

static void look_for_end(struct batch *b)
{
	if (b->finished == b->fed && is_all_fed(b))
		oxi_no_more_jobs(b);
}

int oxi_job_settled(struct batch *b, const struct oxi_job *j)
{
	int r = oxi_plan_settle(b->plan, j);
	b->finished++;
	look_for_end(b);
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_OUTPUT, "job", r) : 0;
}

/* What was fed is run to its end; after what only we are to blame for, nothing is. */
static int input_error(struct batch *b, int r)
{
	if (b->plan->why.len == 0)
		return oxi_run_fail(b, OXI_EXIT_INPUT, "cannot read the input", r);
	b->exit = OXI_EXIT_INPUT;
	oxi_bar_clear(&b->bar);
	oxi_say(b->o->command, "%.*s", (int)b->plan->why.len, b->plan->why.data);
	return 0;
}

/* A task whose rows cannot be read gives no more, and what comes after it would wait for ever: nobody feeds any more. */
static int end_feeding(struct batch *b, int r)
{
	r = input_error(b, r);
	b->feeding_ended = true;
	for (int i = 0; i < OXI_LANES; i++) {
		if (b->lane[i].in_feed)
			ox_scope_cancel(&b->lane[i].feeding);
	}
	return r;
}

int oxi_plan_read(void *batch)
{
	struct batch *b = batch;
	int r = b->plan->read(b->plan->read_arg, b->plan);
	return r < 0 && r != OX_ECANCELED ? input_error(b, r) : r;
}

/* The next job of the lane. Returns: 1; 0: there are no more; what was said, OX_ECANCELED. */
static int next_job(struct lane *l, struct oxi_job **ret)
{
	struct batch *b = l->b;
	int r;
	while ((r = oxi_plan_next(b->plan, l->which, ret)) == OXI_PLAN_LATER) {
		r = oxi_run_wait(b, b->plan->news, OX_NEVER);
		if (r < 0)
			return r;
	}
	return r < 0 && r != OX_ECANCELED ? end_feeding(b, r) : r;
}

static int feed_all(struct lane *l)
{
	struct batch *b = l->b;
	for (;;) {
		struct oxi_job *j;
		int r = ox_queue_put(b->printer.window, b);
		if (r == 0)
			r = next_job(l, &j);
		if (r <= 0)
			return r;
		r = ox_queue_put(l->jobs, j);
		if (r < 0) {
			oxi_job_free(j);
			return r;
		}
		b->fed++;
	}
}

int oxi_feed(void *lane)
{
	struct lane *l = lane;
	struct batch *b = l->b;
	ox_scope_enter(&l->feeding, OX_NEVER);
	l->in_feed = true;
	int r = b->feeding_ended ? 0 : feed_all(l);    /* another lane's feeder may have met the end of the input */
	l->in_feed = false;
	r = ox_scope_leave(&l->feeding, r);
	if (r == OX_ECANCELED && (b->stage != RUNNING || b->feeding_ended) && !ox_cancelled())
		r = 0;
	l->all_fed = true;
	if (r == 0 && b->stage == RUNNING && b->exit == 0 && is_all_fed(b)) {
		b->total = b->plan->jobs;
		r = oxi_halt_check(b, NULL);    /* a percentage has a meaning now */
	}
	look_for_end(b);
	return r == OX_ECLOSED ? 0 : r;         /* closed under us: the batch drains */
}
