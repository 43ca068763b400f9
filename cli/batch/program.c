/* SPDX-License-Identifier: MIT */
/*
 * Jobs that are programs. The reaper starts them and says how they ended; this is the runner's side of it.
 *
 * A job is over when its own process has ended and either both of its pipes have, or nothing of its process group is
 * left. So a job may leave a daemon behind that has its output still open, and is not waited for; and output of
 * a child that it left in its group is. A job that we end is over when its group is empty and nothing that left
 * the group is found. The reaper says when that is (`over`).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/runner.h"

/* ---- starting ---- */

static int start(struct slot *s, size_t n, int out, int err)
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	int r = oxi_reaper_start(&b->reaper, &(struct oxi_start){
		.slot = s->index, .serial = s->serial, .seq = j->seq, .attempt = j->attempt,
		.words = s->words.data, .len = s->words.len, .env = s->envs, .n = n,
		.nice = j->task->nice + b->nice,
		.cwd = j->task->extra[OXI_CWD] != NULL,
		.input = j->task->extra[OXI_INPUT] ? j->task->input_kind : OXI_STDIN_NULL,
		.report = b->ledger.events.on, .out = out, .err = err,
	});
	if (r == -E2BIG) {
		s->report = (struct oxi_report){ .kind = OXI_ENDED, .error = E2BIG, .alone = true };
		s->report.began = s->report.ended = ox_now();
		ox_event_set(s->over);
		return ox_queue_try_put(s->ended, s);
	}
	if (r >= 0 && b->stage >= STOPPING)
		oxi_slot_kill(s, BY_STOP);      /* the end was called for while it was about to start */
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_WORKERS, "cannot start a job", r) : 0;
}

static int make_pipe(struct batch *b, int *fds)
{
	if (pipe2(fds, O_CLOEXEC) == 0)
		return 0;
	return oxi_run_fail(b, OXI_EXIT_WORKERS, "cannot make a pipe (fewer jobs at a time may help)", -errno);
}

static void close_pipe(const int *fds)
{
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int run_captured(struct slot *s, size_t n)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int r = make_pipe(s->b, out);
	if (r >= 0)
		r = make_pipe(s->b, err);
	if (r >= 0)
		r = start(s, n, out[1], err[1]);
	if (r >= 0) {
		close(out[1]);
		close(err[1]);
		out[1] = err[1] = -1;
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		fcntl(err[0], F_SETFL, O_NONBLOCK);
		r = oxi_slot_read(s, out[0], err[0]);
	}
	close_pipe(out);
	close_pipe(err);
	return r;
}

/* ---- its end ---- */

/* What the reaper says about the end, and what it means. */
static int take_report(struct slot *s)
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	j->ended = s->report;
	j->outcome = oxi_job_outcome(&s->report);
	ox_time wall = s->report.ended - s->report.began - (b->paused - s->paused);
	j->wall = wall > 0 ? wall : 0;
	if (s->killed == BY_TIMEOUT)
		j->outcome.status = OXI_TIMEOUT;
	else if (s->killed == BY_CANCEL)
		j->outcome.status = OXI_FAILED;
	else if (s->cause == BY_STOP)
		j->outcome.status = OXI_INTERRUPTED;
	if (!s->report.error)
		return 0;
	static const char *const stages[] = {
		NULL, "cannot change to its folder", "cannot open its input", "cannot set its limits",
	};
	bool missing = s->report.error == ENOENT && s->report.stage == OXI_AT_EXEC;
	const char *what = missing ? "not found" : strerror(s->report.error);
	char text[128];
	if (stages[s->report.stage])
		snprintf(text, sizeof(text), "%s: %s", stages[s->report.stage], what);
	else
		snprintf(text, sizeof(text), "%s", what);
	return oxi_slot_note(s, oxi_slot_command(s).data, text);
}

static int wait_for_end(struct slot *s)
{
	void *token;
	int r = ox_queue_get(s->ended, &token);
	if (r >= 0 && s->killed)
		r = ox_event_wait(s->over);
	return r < 0 ? r : take_report(s);
}

int oxi_program_run(struct slot *s, size_t n)
{
	int r = s->b->o->ungroup ? start(s, n, STDOUT_FILENO, STDERR_FILENO) : run_captured(s, n);
	return r < 0 ? r : wait_for_end(s);
}

/* ---- reports ---- */

static int take(struct batch *b, const struct oxi_report *report)
{
	struct lane *l = &b->lane[OXI_LANE_RUN];
	struct slot *s = &l->slot[report->slot];
	if (report->slot >= l->slots_open || report->serial != s->serial)
		return 0;
	int r = 0;
	if (report->kind == OXI_STARTED && s->job)
		r = oxi_events_start(&b->ledger.events, s->job, s->index, report->pid);
	if (r < 0)
		return oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", r);
	if (report->kind == OXI_ENDED) {
		s->report = *report;
		s->cause = s->killed;
		r = ox_queue_try_put(s->ended, s);
	}
	if (report->kind == OXI_GONE || (report->kind == OXI_ENDED && report->alone)) {
		ox_event_set(s->over);
		if (s->in_reading && !s->showing)
			ox_scope_cancel(&s->reading);
	}
	return r;
}

int oxi_reaper_hear(void *arg)
{
	struct batch *b = arg;
	for (;;) {
		struct oxi_report report;
		int r = oxi_reaper_next(&b->reaper, &report);
		if (r == 0)
			r = ox_wait_fd(b->reaper.fd, OX_READABLE);
		else if (r > 0)
			r = take(b, &report);
		if (r >= 0)
			continue;
		oxi_run_fail(b, OXI_EXIT_WORKERS, "the process that starts the jobs is gone", r);
		oxi_run_cancel(b);
		return r;
	}
}
