/* SPDX-License-Identifier: MIT */
/*
 * The runner. Kinds of coroutine in a row, with bounded queues between them, so that a slow end of the row slows
 * its beginning and neither the input nor the output is ever held as a whole:
 *
 *	plan -> feeders  --jobs-->  slots (start, collect output)  --done-->  printer
 *	   ^                 ^-------- retries (wait) <---/ |
 *	   \-------------------- a job has ended <---------/
 *
 * They are one fail-fast group, `work`: the first that fails ends the batch, having said why by oxi_run_fail().
 * Around it stands the group `watch`, of those that look on: reports of the reaper, time, signals, the reader of
 * our standard output, the progress line. It ends when the work has.
 *
 * Slots and feeders come in lanes, one for each way to carry out a job. The feeders have done their work when the plan has
 * no more jobs, the slots theirs when every job that was fed is finished for good (feed.c), or the run is stopped (stop.c).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <oxbow/pool.h>

#include "cli/batch/joblog.h"
#include "cli/batch/progress.h"
#include "cli/batch/runner.h"
#include "cli/mix.h"
#include "cli/say.h"

#define WINDOW     4096                 /* jobs that may be on their way, fed and not shown */
#define MORE_SLOTS 64                   /* that SIGUSR1 can add */
#define FETCHES    16
#define SETTLERS   64                   /* jobs that may wait to be written down */
#define PRINTED    OX_KIB(64)           /* bytes that are kept of what a function prints */

int oxi_run_fail(struct batch *b, int code, const char *what, int r)
{
	if ((b->exit == 0 || b->exit == OXI_EXIT_HALTED) && r != OX_ECANCELED) {
		b->exit = code;
		if (code != OXI_EXIT_PIPE)
			oxi_say(b->o->command, "%s: %s", what, ox_strerror(r));
	}
	return r;
}

int oxi_output_fail(struct batch *b, int r)
{
	return oxi_run_fail(b, r == -EPIPE ? OXI_EXIT_PIPE : OXI_EXIT_OUTPUT, "cannot write the output", r);
}

void oxi_run_cancel(struct batch *b)
{
	if (b->work)
		ox_group_cancel(b->work);
}

ox_time oxi_run_now(const struct batch *b)
{
	return ox_now() - b->paused;
}

int oxi_run_wait(struct batch *b, ox_event *e, ox_time until)
{
	ox_scope s;
	ox_scope_enter(&s, until == OX_NEVER ? OX_NEVER : until - oxi_run_now(b));
	int r = ox_scope_leave(&s, ox_event_wait(e));
	ox_event_clear(e);
	return r == OX_ETIMEDOUT ? 0 : r;
}

uint64_t oxi_run_random(struct batch *b)
{
	return oxi_mix(b->chance += OXI_MIX_STEP);
}

/* ---- those that look on ---- */

static int print(void *arg)
{
	struct batch *b = arg;
	int r = oxi_printer_run(&b->printer);
	return r < 0 ? oxi_output_fail(b, r) : 0;
}

static int watch_reader(void *arg)
{
	struct batch *b = arg;
	struct oxi_sink out = oxi_sink_of(STDOUT_FILENO);
	int r = oxi_sink_wait_closed(&out);
	if (r == -EPIPE) {
		b->exit = OXI_EXIT_PIPE;
		oxi_run_cancel(b);
	}
	return r;
}

static void bar_text(void *arg, char *line, size_t cap)
{
	struct batch *b = arg;
	struct oxi_progress p = {
		.tally = &b->ledger.tally, .total = b->total, .running = b->running,
		.slots = b->lane[OXI_LANE_RUN].wanted,
		.elapsed = oxi_run_now(b) - b->began, .mean = b->mean, .busy = b->busy, .bar = b->o->bar,
	};
	oxi_progress_text(&p, oxi_bar_columns(), line, cap);
}

static int draw_bar(void *arg)
{
	struct batch *b = arg;
	return oxi_bar_run(&b->bar, bar_text, b);
}

/* ---- the whole ---- */

static int run_work(struct batch *b)
{
	b->work = ox_group_open_with(OX_GROUP_OPTIONS(.name = "work"));
	ox_spawn(b->work, print, b);
	for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s))
		ox_spawn(b->work, oxi_slot_run, s);
	ox_spawn(b->work, oxi_retry_run, b);
	if (b->plan->read)
		ox_spawn(b->work, oxi_plan_read, b);
	for (b->settlers_left = 0; b->ended && b->settlers_left < SETTLERS; b->settlers_left++)
		ox_spawn(b->work, oxi_settle_run, b);
	for (int i = 0; i < OXI_LANES; i++) {
		if (b->lane[i].jobs)
			ox_spawn(b->work, oxi_feed, &b->lane[i]);
	}
	int r = ox_group_join(b->work);
	ox_group_close(b->work);
	b->work = NULL;
	return r;
}

static int run_groups(struct batch *b)
{
	OX_AUTO_GROUP *watch = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .name = "watch"));
	b->watch = watch;
	if (!b->o->dry_run)
		ox_spawn(watch, oxi_reaper_hear, b);
	ox_spawn(watch, oxi_time_keep, b);
	ox_spawn(watch, oxi_signals_hear, b);
	ox_spawn(watch, watch_reader, b);
	if (b->ended)
		ox_spawn(watch, oxi_state_commit_run, b->ledger.durability.state);
	if (b->control.listener)
		ox_spawn(watch, oxi_control_run, &b->control);
	if ((b->o->bar || b->o->eta) && isatty(STDERR_FILENO))
		ox_spawn(watch, draw_bar, b);
	int r = run_work(b);
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_WORKERS, "the batch ended early", r) : 0;
}

static int due_first(const void *a, const void *b)
{
	ox_time x = ((const struct oxi_job *)a)->due, y = ((const struct oxi_job *)b)->due;
	return (x > y) - (x < y);
}

static bool colour(enum oxi_when when, int fd)
{
	return when == OXI_WHEN_ALWAYS || (when == OXI_WHEN_AUTO && oxi_colour(fd));
}

static void open_printer(struct batch *b)
{
	size_t window = WINDOW + b->o->jobs;
	b->printer = (struct oxi_printer){
		.bar = &b->bar, .keep_order = b->o->keep_order || b->o->dry_run,
		.shown = b->o->line_buffer && !b->o->dry_run,
		.tag = b->o->tag != NULL, .window_len = window, .voice = ox_lock_new(),
		.window = ox_queue_new(window), .done = ox_queue_new(window),
		.sink = { oxi_sink_of(STDOUT_FILENO), oxi_sink_of(STDERR_FILENO) },
		.colour = { colour(b->o->colour, STDOUT_FILENO), colour(b->o->colour, STDERR_FILENO) },
	};
}

static bool open_lane(struct batch *b, enum oxi_lane which)
{
	struct lane *l = &b->lane[which];
	l->jobs = ox_queue_new(l->wanted);
	l->gate = ox_lock_new();
	l->room = ox_event_new();
	l->slot = calloc(l->slots_max, sizeof(*l->slot));
	bool ok = l->jobs && l->gate && l->room && l->slot;
	for (unsigned i = 0; ok && i < l->wanted; i++)
		ok = oxi_slot_open(l);
	b->slots_left += l->slots_open;
	return ok;
}

/* Everything that needs the loop. False: no memory. */
static bool open_all(struct batch *b)
{
	open_printer(b);
	b->retries = ox_queue_new_priority(b->printer.window_len, due_first);
	b->retry_sooner = ox_event_new();
	b->sooner = ox_event_new();
	b->plan->news = ox_event_new();
	b->plan->spill = &b->spill;
	b->files.lock = ox_lock_new();
	b->files.ephemeral = b->o->state.ephemeral;
	b->printer.state = b->ledger.durability.state;
	b->ended = b->printer.state ? ox_queue_new(SETTLERS) : NULL;
	bool ok = b->files.lock && b->printer.voice && b->printer.window && b->printer.done && b->retries && b->retry_sooner && b->sooner &&
	          b->plan->news && (b->ended || !b->printer.state);
	for (int i = 0; ok && i < OXI_LANES; i++)
		ok = b->lane[i].slots_max == 0 || open_lane(b, (enum oxi_lane)i);
	return ok && (b->events < 0 || oxi_events_begin(&b->ledger.events, b->events) == 0);
}

static void close_queue(ox_queue *q, void (*drop)(void *item))
{
	if (q)
		ox_queue_shut(q, drop);
	ox_queue_free(q);
}

static void drop_nothing(void *item)
{
	(void)item;
}

static void close_lane(struct lane *l)
{
	oxi_slots_free(l);
	close_queue(l->jobs, oxi_job_free);
	ox_lock_free(l->gate);
	ox_event_free(l->room);
}

static void close_all(struct batch *b)
{
	oxi_control_close(&b->control);
	oxi_files_close(&b->files);
	oxi_events_close(&b->ledger.events);
	for (int i = 0; i < OXI_LANES; i++)
		close_lane(&b->lane[i]);
	close_queue(b->ended, oxi_job_free);
	close_queue(b->retries, oxi_job_free);
	close_queue(b->printer.done, oxi_job_free);
	close_queue(b->printer.window, drop_nothing);
	ox_lock_free(b->printer.voice);
	ox_event_free(b->retry_sooner);
	ox_event_free(b->plan->news);
	b->plan->news = NULL;
	ox_event_free(b->sooner);
	oxi_bar_clear(&b->bar);
}

/* Jobs that were never finished; of those that were not even read nobody knows, unless the total is known. */
static uint64_t skipped(const struct batch *b)
{
	const struct oxi_tally *t = &b->ledger.tally;
	uint64_t fed = b->fed + b->ledger.durability.known, known = b->total > fed ? b->total : fed, settled = t->done + t->interrupted;
	return known > settled ? known - settled : 0;
}

static int exit_code(const struct batch *b)
{
	uint64_t failed = b->ledger.tally.failed;
	if (b->exit == OXI_EXIT_HALTED && b->o->exit_mode == OXI_EXIT_JOB && b->job_code >= 0)
		return b->job_code;
	if (b->exit)
		return b->exit;
	if (b->o->exit_mode == OXI_EXIT_COUNT)
		return failed > 100 ? 101 : (int)failed;
	return failed ? OXI_EXIT_FAILED : OXI_EXIT_OK;
}

static int open_signals(struct batch *b)
{
	struct sigaction hup;
	int signals[] = { SIGINT, SIGTERM, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGHUP };
	size_t n = sizeof(signals) / sizeof(signals[0]);
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler == SIG_IGN)
		n--;                            /* nohup */
	return ox_signals_open(signals, n, &b->signals);
}

/* Who has no socket is not steered, but runs: the folder may be on a file system that has none. */
static void open_control(struct batch *b)
{
	const struct oxi_state *state = b->ledger.durability.state;
	if (!state)
		return;
	int r = oxi_control_open(oxi_state_dir(state), &oxi_steer_ops, b, &b->control);
	if (r < 0)
		oxi_say(b->o->command, "oxbow set will not reach this run: no socket can be made in its folder: %s", ox_strerror(r));
}

static int begin_record(struct batch *b)
{
	char cwd[4096];
	return oxi_durable_begin(&b->ledger.durability, b->plan, &(struct oxi_run_info){
		.id = b->id, .command = b->o->command, .argv = b->o->argv, .cwd = getcwd(cwd, sizeof(cwd)) ? cwd : NULL,
		.file = b->o->file, .began = oxi_wall_clock(b->began), .writers = SETTLERS,
	});
}

static int run_recorded(struct batch *b)
{
	int r = begin_record(b);
	if (r < 0) {
		b->exit = OXI_EXIT_OUTPUT;
		return r;
	}
	open_control(b);
	r = oxi_durable_catch_up(&b->ledger.durability, &b->printer);
	if (r < 0)
		return oxi_output_fail(b, r);
	r = oxi_events_run(&b->ledger.events, b->id, b->o->argv, b->total);
	if (r >= 0)
		r = run_groups(b);
	else
		oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", r);
	int e = r < 0 ? 0 : oxi_events_end(&b->ledger.events, &b->ledger.tally, skipped(b), exit_code(b));
	if (e < 0)
		r = oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", e);
	e = oxi_durable_end(&b->ledger.durability, skipped(b), exit_code(b));
	if (e < 0 && b->exit == 0)
		b->exit = OXI_EXIT_OUTPUT;
	return r;
}

static int batch_main(void *arg)
{
	struct batch *b = arg;
	b->began = ox_now();
	b->deadline = b->o->deadline ? b->began + b->o->deadline : OX_NEVER;
	b->kill_all = b->keeper_wakes = OX_NEVER;
	int r = open_signals(b);
	if (r == 0 && open_all(b))
		r = run_recorded(b);
	else
		oxi_run_fail(b, OXI_EXIT_OUTPUT, "batch", r < 0 ? r : OX_ENOMEM);
	close_all(b);
	oxi_state_close(b->ledger.durability.state);
	b->ledger.durability.state = NULL;
	ox_signals_close(b->signals);
	return r;
}

static void report(const struct batch *b)
{
	const struct oxi_tally *t = &b->ledger.tally;
	if (b->o->quiet || b->exit == OXI_EXIT_PIPE)
		return;
	struct oxi_buffer text = { 0 };
	oxi_tally_text(t, &text);
	if (!text.failed && (t->failed || t->fresh))
		oxi_say(b->o->command, "%s", text.data);
	oxi_buffer_free(&text);
	if (b->halted || t->interrupted)
		oxi_say(b->o->command, "%llu jobs were stopped, %llu were not run", (unsigned long long)t->interrupted,
		        (unsigned long long)skipped(b));
}

/* Each job takes two descriptors here. The jobs themselves, children of the reaper, keep the limit as it was. */
static void raise_descriptor_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* ---- before and after the loop ---- */

/* Files that the run writes are opened before the reaper is forked, so that a mistake costs no job. */
static int open_files(struct batch *b)
{
	const char *joblog = b->o->dry_run ? NULL : b->o->joblog, *events = b->o->dry_run ? NULL : b->o->events;
	bool resumed = oxi_durable_from_log(&b->o->state);
	int code = resumed ? oxi_durable_log(&b->ledger.durability, b->plan, b->o->joblog, b->o->dry_run) : 0;
	if (code)
		return code;
	int fd = joblog ? oxi_joblog_open(joblog, resumed) : -1;
	if (joblog && fd < 0) {
		oxi_say(b->o->command, "cannot write the job log %s: %s", joblog, ox_strerror(fd));
		return OXI_EXIT_OUTPUT;
	}
	b->ledger.joblog = fd;
	b->events = events ? oxi_events_open(events) : -1;
	if (!events || b->events >= 0)
		return 0;
	oxi_say(b->o->command, "cannot write the events to %s: %s", events, ox_strerror(b->events));
	return OXI_EXIT_OUTPUT;
}

static int open_workers(struct batch *b)
{
	if (!b->o->functions || b->o->dry_run)
		return 0;
	return ox_pool_open(OX_POOL_OPTIONS(.jobs = b->o->functions, .workers = b->o->jobs, .output = OX_OUTPUT_CAPTURE,
	                                    .capture = PRINTED), &b->workers);
}

static int run_with_reaper(struct batch *b)
{
	raise_descriptor_limit();
	int e = open_workers(b);
	if (e < 0) {
		oxi_say(b->o->command, "cannot start workers: %s", ox_strerror(e));
		return OXI_EXIT_WORKERS;
	}
	int r = ox_run(batch_main, b, OX_RUN_OPTIONS(.stall = OX_NEVER));
	if (r < 0 && b->exit == 0 && r != OX_ECANCELED)
		oxi_run_fail(b, OXI_EXIT_WORKERS, "cannot run the batch", r);
	if (b->workers)
		ox_pool_close(b->workers);
	report(b);
	return exit_code(b);
}

static int open_and_run(struct batch *b)
{
	int code = b->o->dry_run ? 0 : oxi_durable_open(&b->ledger.durability, b->id);
	if (code == 0)
		code = open_files(b);
	if (code)
		return code;
	int r = b->o->dry_run ? 0 : oxi_reaper_open(b->lane[OXI_LANE_RUN].slots_max, &b->o->child, b->id, &b->reaper);
	if (r < 0) {
		oxi_say(b->o->command, "cannot start the process that starts the jobs: %s", ox_strerror(r));
		return OXI_EXIT_WORKERS;
	}
	code = run_with_reaper(b);
	if (!b->o->dry_run)
		oxi_reaper_close(&b->reaper);
	return code;
}

/*
 * Which lanes there are, and how wide. Calls have two places for each worker: one that runs and one that waits for it, so
 * that no worker waits for us.
 */
static void plan_lanes(struct batch *b)
{
	const unsigned wanted[OXI_LANES] = {
		[OXI_LANE_RUN] = b->o->jobs, [OXI_LANE_CALL] = b->o->functions ? 2 * b->o->jobs : 0,
		[OXI_LANE_FETCH] = b->plan->read || b->plan->left[OXI_LANE_FETCH] ? b->o->fetches : 0,
	};
	for (int i = 0; i < OXI_LANES; i++)
		b->lane[i] = (struct lane){ .b = b, .which = (enum oxi_lane)i, .wanted = wanted[i], .slots_max = wanted[i] };
	b->lane[OXI_LANE_RUN].slots_max += MORE_SLOTS;
	b->plan->ahead = 2 * (b->o->jobs + b->o->fetches);
}

int oxi_batch_run(const struct oxi_batch_options *o, struct oxi_plan *plan)
{
	struct batch *b = calloc(1, sizeof(*b));
	uint64_t id = 0;
	if (!b || getrandom(&b->chance, sizeof(b->chance), 0) < 0 || getrandom(&id, sizeof(id), 0) < 0) {
		oxi_say(o->command, "cannot begin: %s", strerror(errno));
		free(b);
		return OXI_EXIT_WORKERS;
	}
	snprintf(b->id, sizeof(b->id), "%016llx", (unsigned long long)id);
	b->o = o;
	b->plan = plan;
	b->spill = (struct oxi_spill)OXI_SPILL_INIT;
	b->total = oxi_plan_total(plan);
	b->job_code = b->events = b->ledger.joblog = -1;
	b->ledger.results_text = o->results;
	b->throttle.o = o->throttle;
	b->ledger.durability = (struct oxi_durability){ .o = &o->state, .command = o->command, .dry = o->dry_run,
	                                                .tally = &b->ledger.tally };
	plan_lanes(b);
	int code = open_and_run(b);
	oxi_durable_free(&b->ledger.durability);
	oxi_spill_close(&b->spill);
	if (b->ledger.joblog >= 0)
		close(b->ledger.joblog);
	for (size_t i = 0; i < b->cancels; i++)
		free(b->cancelled[i]);
	free(b->cancelled);
	free(b);
	return code;
}

void oxi_batch_options_init(struct oxi_batch_options *o, const char *command)
{
	*o = (struct oxi_batch_options){ .command = command, .jobs = ox_cpu_count(), .fetches = FETCHES, .retry.tries = 1 };
	oxi_retry_on_all(&o->retry.on);
	oxi_term_seq_parse(OXI_TERM_SEQ, &o->term_seq);
}
