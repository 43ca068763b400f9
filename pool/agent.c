/* SPDX-License-Identifier: MIT */
/*
 * A program that works for a pool on another machine: a loop, a connection, and a local pool whose jobs come from the
 * wire. All that a pool knows about workers that crash, hang, or eat memory serves here unchanged; what is special is
 * only that jobs and results travel.
 *
 *	read the join file -> session -> over: by the pool (BYE) or by wish: the end
 *	       ^                          '--> refused for good, key not allowed: the end, a failure
 *	       '------- pause, 50 ms to 2 s -----> anything else: the pool is not there, or not any more
 *
 * The file is read anew each time: a pool that was started again has new keys and perhaps a new port. When it is gone and
 * there had been a pool, that pool has been closed.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <oxbow/select.h>
#include <oxbow/signal.h>

#include "pool/agent.h"

#define PAUSE_FIRST OX_MS(50)
#define PAUSE_MAX   OX_SEC(2)
#define MAX_SLOTS   1024u

void ox_worker_options_init(ox_worker_options *o)
{
	*o = (ox_worker_options){ .size = sizeof *o };
}

/* ---- ending ---- */

static void drain(struct oxi_agent *a)
{
	if (a->draining)
		return;
	a->draining = true;
	if (a->session != NULL)
		oxi_session_drain(a->session);
	else
		ox_scope_cancel(a->scope);
}

static void end_now(struct oxi_agent *a)
{
	a->draining = false;
	ox_scope_cancel(a->scope);
}

static int watch_signals(void *arg)
{
	struct oxi_agent *a = arg;
	OX_AUTO_SIGNALS *s = NULL;
	int r = OX_SIGNALS_OPEN(&s, SIGINT, SIGTERM);

	while (r >= 0 && (r = ox_signals_next(s, NULL)) > 0) {
		if (r == SIGTERM || a->draining)
			end_now(a);
		else
			drain(a);
	}
	return r == OX_ECANCELED || r == OX_EBUSY ? 0 : r;
}

static bool has_job(const struct oxi_agent *a)
{
	for (unsigned i = 0; a->session != NULL && i < a->session->bench_count; i++)
		if (!oxi_bench_idle(&a->session->benches[i]))
			return true;
	return false;
}

static int watch_clock(void *arg)
{
	struct oxi_agent *a = arg;
	ox_time until = a->options.until > 0 ? a->begun_at + a->options.until : OX_NEVER;
	int r = 0;

	while (r == 0) {
		if (has_job(a))
			a->busy_at = ox_now();
		ox_time idle = a->options.idle > 0 ? a->busy_at + a->options.idle : OX_NEVER;
		ox_time at = until < idle ? until : idle;
		if (ox_now() >= at) {
			oxi_log(OX_LOG_INFO, at == until ? "the time is up: takes no more jobs" : "had nothing to do: leaves the pool");
			drain(a);
			return 0;
		}
		r = ox_sleep_until(at);
	}
	return r == OX_ECANCELED ? 0 : r;
}

/* ---- joining ---- */

/* What cannot become better by trying again. */
static bool is_final(int r)
{
	return r == OX_ECLOSED || r == OX_EAUTH || r == OX_EVERSION || r == OX_ENOJOB || r == OX_EINIT || r == OX_ECANCELED;
}

static int read_file(const struct oxi_agent *a, struct oxi_join *join)
{
	char error[512];
	int r = oxi_join_read(a->file, join, error, sizeof error);

	if (r == -ENOENT && a->joined)
		return OX_ECLOSED;
	if (r < 0)
		oxi_log(OX_LOG_ERROR, "%s", error);
	return r;
}

static int join_again_and_again(struct oxi_agent *a)
{
	struct oxi_join join;
	ox_time pause = PAUSE_FIRST;
	unsigned endpoint = 0;
	int r, said = 0;

	for (;;) {
		r = read_file(a, &join);
		if (r < 0 && (!a->joined || r == OX_ECLOSED))
			return r;
		bool was_joined = a->joined;
		a->joined = false;
		if (r == 0)
			r = oxi_session_run(a, &join, endpoint % join.endpoints);
		if (a->joined) {
			pause = PAUSE_FIRST;
			said = 0;
		} else {
			endpoint++;
		}
		a->joined |= was_joined;
		if (is_final(r) || a->draining)
			return r;
		if (r != said)
			oxi_log(OX_LOG_WARNING, "not connected to the pool of %s: %s; trying again", a->file, ox_strerror(r));
		said = r;
		r = ox_sleep(pause);
		if (r < 0)
			return r;
		pause = 2 * pause < PAUSE_MAX ? 2 * pause : PAUSE_MAX;
	}
}

static int agent_main(void *arg)
{
	struct oxi_agent *a = arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_scope scope;

	a->scope = &scope;
	a->begun_at = a->busy_at = ox_now();
	ox_scope_enter(&scope, OX_NEVER);
	if (!a->options.keep_signals)
		ox_spawn(g, watch_signals, a);
	if (a->options.until > 0 || a->options.idle > 0)
		ox_spawn(g, watch_clock, a);
	int r = join_again_and_again(a);
	r = ox_scope_leave(&scope, r);
	ox_group_cancel(g);
	return r == OX_ECLOSED || (r == OX_ECANCELED && a->draining) ? 0 : r;
}

/* ---- the call ---- */

static int take_jobs(struct oxi_agent *a, const ox_job *const *jobs)
{
	while (jobs[a->job_count] != NULL)
		if (a->job_count++ == UINT16_MAX)
			return OX_EINVAL;
	a->jobs = oxi_alloc(a->job_count * sizeof *a->jobs);
	a->table = oxi_alloc((a->job_count + 1) * sizeof *a->table);
	if (a->jobs == NULL || a->table == NULL)
		return OX_ENOMEM;
	for (unsigned i = 0; i < a->job_count; i++) {
		if (jobs[i]->fn == NULL || jobs[i]->name == NULL || !oxi_greet_name(jobs[i]->name))
			return OX_EINVAL;
		a->jobs[i] = (ox_job){ .size = sizeof *a->jobs, .name = jobs[i]->name, .fn = jobs[i]->fn, .grace = OX_NEVER / 4,
		                         .emit_ahead = SIZE_MAX, .emit_ahead_bytes = SIZE_MAX };
		a->table[i] = &a->jobs[i];
	}
	return 0;
}

static int take_options(struct oxi_agent *a, const ox_worker_options *o)
{
	ox_worker_options *mine = &a->options;

	ox_worker_options_init(mine);
	if (o != NULL && o->size == 0)
		return OX_EINVAL;
	if (o != NULL)
		memcpy(mine, o, o->size < sizeof *mine ? o->size : sizeof *mine);
	if (mine->slots > MAX_SLOTS || mine->until < 0 || mine->idle < 0 || mine->until > OX_NEVER / 4 || mine->idle > OX_NEVER / 4)
		return OX_EINVAL;
	if (mine->slots == 0)
		mine->slots = ox_cpu_count();
	return 0;
}

int ox_worker_join_with(const char *file, const ox_job *const *jobs, const ox_worker_options *o)
{
	struct oxi_agent a = { .file = file };

	if (file == NULL || jobs == NULL || jobs[0] == NULL)
		return OX_EINVAL;
	if (ox_loop_self() != NULL)
		return OX_ESTATE;
	int r = take_options(&a, o);
	if (r == 0)
		r = take_jobs(&a, jobs);
	if (r == 0)
		r = ox_pool_prepare();
	if (gethostname(a.host, sizeof a.host - 1) < 0 || a.host[0] == '\0')
		snprintf(a.host, sizeof a.host, "localhost");
	if (r == 0)
		r = ox_run(agent_main, &a, OX_RUN_OPTIONS(.stack_size = OX_KIB(256)));
	oxi_free(a.jobs);
	oxi_free(a.table);
	return r;
}

int ox_worker_join(const char *file, const ox_job *const *jobs)
{
	return ox_worker_join_with(file, jobs, NULL);
}
