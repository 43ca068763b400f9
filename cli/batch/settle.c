/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a job that has ended: it is written down, looked at for a halt, told to the plan, and shown; or it is tried
 * again. Writing down waits for a disk, which a slot should not: where a run leaves a record, slots put their jobs into a
 * queue, and settlers, as many as may wait for one commit, take them from there. The queue is short, so a slow disk slows
 * the slots.
 */
#include "cli/batch/runner.h"

static void learn_mean(struct batch *b, ox_time wall)
{
	uint64_t n = b->ledger.tally.done;
	b->mean += (wall - b->mean) / (ox_time)(n < 1 ? 1 : n < 32 ? n : 32);
}

/* "thumb[3]" of several, else "thumb". */
void oxi_job_name(struct oxi_job *j)
{
	const struct oxi_task *t = j->task;
	if (!t->name || j->name.len)
		return;
	oxi_buffer_add_text(&j->name, t->name);
	if (t->in || t->source)
		oxi_buffer_add_format(&j->name, "[%llu]", (unsigned long long)j->index);
	oxi_buffer_add_char(&j->name, '\0');
}

static int settle(struct batch *b, struct oxi_job *j)
{
	oxi_job_name(j);
	int r = oxi_ledger_commit(&b->ledger, j);
	if (r < 0)
		oxi_run_fail(b, OXI_EXIT_OUTPUT, b->ledger.failed ? b->ledger.failed : "job", r);
	if (r >= 0) {
		learn_mean(b, j->wall);
		r = oxi_halt_check(b, j);
	}
	int e = oxi_job_settled(b, j);
	r = r < 0 ? r : e;
	if (r >= 0)
		r = ox_queue_put(b->printer.done, j);
	if (r < 0)
		oxi_job_free(j);
	return r;
}

static int try_again(struct batch *b, struct oxi_job *j)
{
	ox_time wait = oxi_backoff_wait(j->task->retry->backoff, j->attempt, oxi_run_random(b));
	int r = oxi_durable_attempt(&b->ledger.durability, j);
	if (r >= 0)
		r = oxi_events_finish(&b->ledger.events, j);
	if (r >= 0)
		r = oxi_events_retry(&b->ledger.events, j, wait);
	if (r < 0) {
		oxi_job_free(j);
		return oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", r);
	}
	oxi_job_again(j);
	j->due = oxi_run_now(b) + wait;
	if (ox_queue_try_put(b->retries, j) < 0) {
		oxi_job_free(j);                /* shut meanwhile */
		return 0;
	}
	ox_event_set(b->retry_sooner);
	return 0;
}

int oxi_job_ended(struct batch *b, struct oxi_job *j)
{
	if (b->stage == RUNNING && !j->given_up && oxi_retry_wanted(j->task->retry, j->attempt, j->outcome))
		return try_again(b, j);
	if (!b->ended)
		return settle(b, j);
	int r = ox_queue_put(b->ended, j);
	if (r < 0)
		oxi_job_free(j);
	return r;
}

int oxi_settle_run(void *batch)
{
	struct batch *b = batch;
	void *job;
	int r;
	while ((r = ox_queue_get(b->ended, &job)) == 0 && (r = settle(b, job)) >= 0)
		;
	if (--b->settlers_left == 0)
		ox_queue_shut(b->printer.done, NULL);
	return r == OX_ECLOSED ? 0 : r;
}

void oxi_slots_ended(struct batch *b)
{
	ox_queue_shut(b->ended ? b->ended : b->printer.done, NULL);
}
