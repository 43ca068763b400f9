/* SPDX-License-Identifier: MIT */
/* What a run does when somebody asks it by oxbow set (control.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/batch/runner.h"

static int set_jobs(void *arg, unsigned jobs, struct oxi_buffer *why)
{
	struct batch *b = arg;
	int r = oxi_jobs_set(b, jobs);
	if (r < 0)
		oxi_buffer_add_format(why, "there can be no more than %u jobs at a time", b->lane[OXI_LANE_RUN].wanted);
	return r;
}

static int hold(void *arg, struct oxi_buffer *why)
{
	struct batch *b = arg;
	(void)why;
	b->held = true;
	return 0;
}

static int go_on(void *arg, struct oxi_buffer *why)
{
	struct batch *b = arg;
	(void)why;
	b->held = false;
	oxi_slots_look(b);
	return 0;
}

/* ---- one job ---- */

static bool is_called(struct oxi_job *j, const char *name)
{
	char seq[24];
	snprintf(seq, sizeof(seq), "%llu", (unsigned long long)j->seq);
	oxi_job_name(j);
	return strcmp(name, seq) == 0 || (j->name.len && strcmp(name, j->name.data) == 0);
}

bool oxi_job_cancelled(const struct batch *b, struct oxi_job *j)
{
	for (size_t i = 0; i < b->cancels; i++) {
		if (is_called(j, b->cancelled[i]))
			return true;
	}
	return false;
}

/* One that has not begun is remembered, for nobody knows whether it will come. */
static int remember(struct batch *b, const char *name)
{
	char **grown = realloc(b->cancelled, (b->cancels + 1) * sizeof(*grown));
	if (grown)
		b->cancelled = grown;
	char *copy = grown ? strdup(name) : NULL;
	if (!copy)
		return OX_ENOMEM;
	b->cancelled[b->cancels++] = copy;
	return 0;
}

static int cancel(void *arg, const char *name, struct oxi_buffer *why)
{
	struct batch *b = arg;
	(void)why;
	for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s)) {
		if (s->job && is_called(s->job, name)) {
			s->job->given_up = true;
			oxi_slot_kill(s, BY_CANCEL);
			return 0;
		}
	}
	return remember(b, name);
}

static int output(void *arg, const char *name, const uint64_t from[2], struct oxi_written *ret)
{
	struct batch *b = arg;
	struct slot *s = oxi_slot_first(b);
	while (s && !(s->job && s->live && is_called(s->job, name)))
		s = oxi_slot_next(s);
	if (!s)
		return 0;
	ret->attempt = s->job->attempt;
	int r = oxi_capture_read(&s->job->out, from[0], OXI_PIECE, &ret->data[0]);
	return r < 0 ? r : oxi_capture_read(&s->job->err, from[1], OXI_PIECE, &ret->data[1]);
}

static int set_priority(void *arg, int priority, struct oxi_buffer *why)
{
	struct batch *b = arg;
	if (priority < -20 || priority > 19) {
		oxi_buffer_add_text(why, "the priority of jobs is a niceness, from -20 to 19");
		return OX_EINVAL;
	}
	b->nice = priority;
	return 0;
}

/* ---- status ---- */

static void add_running(struct oxi_json *json, struct slot *s)
{
	oxi_job_name(s->job);
	oxi_json_begin(json, NULL, '{');
	oxi_json_int(json, "job", (int64_t)s->job->seq);
	if (s->job->name.len)
		oxi_json_bytes(json, "name", s->job->name.data, s->job->name.len - 1);
	oxi_json_int(json, "attempt", s->job->attempt);
	oxi_json_int(json, "slot", s->index + 1);
	oxi_json_double(json, "seconds", (double)((oxi_run_now(s->b) - s->began) / 1000000) / 1e3);
	oxi_json_end(json);
}

static int status(void *arg, struct oxi_buffer *ret)
{
	struct batch *b = arg;
	const struct oxi_tally *t = &b->ledger.tally;
	struct oxi_json json = { .out = ret };
	oxi_json_begin(&json, NULL, '{');
	oxi_json_text(&json, "id", b->id);
	oxi_json_int(&json, "jobs", b->lane[OXI_LANE_RUN].wanted);
	oxi_json_bool(&json, "paused", b->held);
	if (b->total)
		oxi_json_int(&json, "total", (int64_t)b->total);
	oxi_json_int(&json, "done", (int64_t)t->done);
	oxi_json_int(&json, "failed", (int64_t)t->failed);
	oxi_json_int(&json, "skipped", (int64_t)t->skipped);
	oxi_json_begin(&json, "running", '[');
	for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s)) {
		if (s->job && s->live)
			add_running(&json, s);
	}
	oxi_json_end(&json);
	oxi_json_end(&json);
	return ret->failed || json.failed ? OX_ENOMEM : 0;
}

const struct oxi_control_ops oxi_steer_ops = {
	.set_jobs = set_jobs, .pause = hold, .resume = go_on, .cancel = cancel, .set_priority = set_priority, .status = status,
	.output = output,
};
