/* SPDX-License-Identifier: MIT */
/*
 * Whatever anyone has seen of a job's end is on record: output is shown, and the event sent, only after this has
 * returned. It may wait, for the group commit of a run that leaves a record. What was interrupted is not
 * recorded as done: it has a place in the counts and in the events, not in the job log, so that a later run with
 * the same log does it again.
 */
#include "cli/batch/ledger.h"

#include <string.h>

#include "cli/batch/joblog.h"
#include "cli/batch/results.h"

static int write_results(struct oxi_ledger *l, struct oxi_job *j)
{
	struct oxi_buffer path = { 0 };
	size_t n = oxi_job_expand(j, j->task->extra[OXI_RESULTS], j->slot, &path);
	int r = path.failed ? OX_ENOMEM : n == 0 ? OX_EINVAL : 0;
	if (r == 0)
		r = oxi_results_inside(path.data, l->results_text) ? oxi_results_write(path.data, j, &j->words) : -EPERM;
	oxi_buffer_free(&path);
	if (r < 0)
		l->failed = "cannot write the results";
	return r;
}

static int write_joblog(struct oxi_ledger *l, const struct oxi_job *j)
{
	struct oxi_buffer line = { 0 };
	oxi_joblog_line(j, oxi_wall_clock(j->ended.began), &j->words, &line);
	int r = oxi_joblog_write(l->joblog, &line);
	oxi_buffer_free(&line);
	if (r < 0)
		l->failed = "cannot write the job log";
	return r;
}

int oxi_ledger_commit(struct oxi_ledger *l, struct oxi_job *j)
{
	int r = oxi_durable_record(&l->durability, j);
	if (r < 0)
		l->failed = "cannot record a job";
	if (r >= 0 && j->task->extra[OXI_RESULTS] && j->attempt)
		r = write_results(l, j);
	if (r >= 0 && l->joblog >= 0 && j->attempt && j->outcome.status != OXI_INTERRUPTED)
		r = write_joblog(l, j);
	if (r < 0)
		return r;
	oxi_tally_add(&l->tally, j->outcome);
	if (j->outcome.status == OXI_OK || j->outcome.status == OXI_FAILED)
		oxi_task_add_time(j->task, j->wall);
	r = j->attempt ? oxi_events_finish(&l->events, j) : 0;
	if (r < 0)
		l->failed = "cannot write the events";
	return r;
}
