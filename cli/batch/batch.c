/* SPDX-License-Identifier: MIT */
/*
 * The runner. Three kinds of coroutine in a row, with bounded queues between them, so that a slow end of the
 * row slows its beginning and neither the input nor the output is ever held as a whole:
 *
 *	feeder (input -> jobs)  --jobs-->  slots (start, collect output)  --done-->  printer
 *
 * They are one fail-fast group, `work`: the first that fails ends the batch, having said why by fail().
 * Around it stands the group `watch`, of those that look on: reports of the reaper, signals, the reader of
 * our standard output, the progress line. It ends when the work has.
 *
 *	RUNNING --SIGINT--> DRAINING --SIGINT--> STOPPING (TERM, then KILL, then no more waiting)
 *	   \--------------------SIGTERM------------^
 */
#include "cli/batch/batch.h"

#include <fcntl.h>
#include <oxbow/group.h>
#include <oxbow/queue.h>
#include <oxbow/run.h>
#include <oxbow/signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/bar.h"
#include "cli/batch/print.h"
#include "cli/command.h"
#include "cli/quote.h"
#include "cli/say.h"

#define WINDOW     4096                 /* jobs that may be on their way, fed and not shown */
#define TERM_GRACE OX_MS(500)           /* from TERM to KILL, and from KILL to the end of waiting */
#define PIECE      OX_KIB(64)

enum stage { RUNNING, DRAINING, STOPPING };

struct batch {
	const struct oxi_batch_options *o;
	const struct oxi_template *t;
	struct oxi_input *in;
	struct oxi_reaper reaper;
	struct oxi_spill spill;
	struct oxi_bar bar;
	struct oxi_printer printer;
	ox_queue *jobs;                 /* of struct oxi_job: to be started */
	struct slot *slot;
	unsigned slots_left, running;
	enum stage stage;
	ox_signals *signals;            /* SIGINT, SIGTERM */
	int exit;                       /* 0: as the jobs say */
	uint64_t total;                 /* jobs there will be; 0: unknown */
	ox_time began;
	ox_group *work, *watch;         /* work: NULL once it has ended */
	char piece[PIECE];              /* what was read last: used before the next wait */
};

struct slot {
	struct batch *b;
	unsigned index;
	ox_queue *ended;                /* of struct oxi_ended: the report about its job, at most one */
	struct oxi_ended report;
	struct oxi_buffer words;
};

/* Says why the batch cannot go on, once, and settles its exit code. Returns r, for a coroutine's end. */
static int fail(struct batch *b, int code, const char *what, int r)
{
	if (b->exit == 0 && r != OX_ECANCELED) {
		b->exit = code;
		if (code != OXI_EXIT_PIPE)
			oxi_say("run", "%s: %s", what, ox_strerror(r));
	}
	return r;
}

/* Ends the work at once, from outside of it. */
static void cancel_work(struct batch *b)
{
	if (b->work)
		ox_group_cancel(b->work);
}

/* ---- feeder ---- */

/* What was fed is run to its end; after what only we are to blame for, nothing is. */
static int input_error(struct batch *b, int r)
{
	if (b->in->why.len == 0)
		return fail(b, OXI_EXIT_INPUT, "cannot read the input", r);
	b->exit = OXI_EXIT_INPUT;
	oxi_bar_clear(&b->bar);
	oxi_say("run", "%.*s", (int)b->in->why.len, b->in->why.data);
	return 0;
}

static int feed_all(struct batch *b)
{
	for (uint64_t seq = 1;; seq++) {
		int r = ox_queue_put(b->printer.window, b);
		if (r < 0)
			return r;
		r = oxi_input_next(b->in);
		if (r == 0 || r == OX_ECANCELED)
			return r;
		if (r < 0)
			return input_error(b, r);
		struct oxi_job *j = oxi_job_new(seq, b->in->value, b->in->n, &b->spill);
		r = j ? ox_queue_put(b->jobs, j) : fail(b, OXI_EXIT_OUTPUT, "job", OX_ENOMEM);
		if (r < 0) {
			oxi_job_free(j);
			return r;
		}
	}
}

static int feed(void *arg)
{
	struct batch *b = arg;
	int r = feed_all(b);
	ox_queue_shut(b->jobs, NULL);
	return r == OX_ECLOSED ? 0 : r;         /* closed under us: the batch drains */
}

/* ---- slots ---- */

struct drain {
	struct batch *b;
	struct oxi_capture *into;
	int fd;
};

/* Reads a pipe to its end. */
static int drain(void *arg)
{
	struct drain *d = arg;
	for (;;) {
		int r = ox_wait_fd(d->fd, OX_READABLE);
		if (r < 0)
			return r;
		ssize_t n = read(d->fd, d->b->piece, PIECE);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(d->b, OXI_EXIT_WORKERS, "cannot read a job's output", -errno);
		r = n > 0 ? oxi_capture_add(d->into, d->b->piece, (size_t)n) : 0;
		if (r < 0)
			return fail(d->b, OXI_EXIT_OUTPUT, "cannot keep a job's output in TMPDIR", r);
	}
}

static int drain_both(struct batch *b, struct oxi_job *j, int out, int err)
{
	struct drain from_out = { b, &j->out, out }, from_err = { b, &j->err, err };
	OX_AUTO_GROUP *g = ox_group_open();
	ox_spawn(g, drain, &from_err);
	int r = drain(&from_out);
	if (r < 0)
		ox_group_cancel(g);             /* the job may wait for us to read the one while we wait for the other */
	int joined = ox_group_join(g);
	return r < 0 && r != OX_ECANCELED ? r : joined < 0 ? joined : r;
}

static int wait_for_end(struct slot *s, struct oxi_job *j)
{
	void *report;
	int r = ox_queue_get(s->ended, &report);
	if (r < 0)
		return r;
	j->ended = *(struct oxi_ended *)report;
	if (!j->ended.error)
		return 0;
	return oxi_job_note(j, s->words.data, j->ended.error == ENOENT ? "not found" : strerror(j->ended.error));
}

static int start(struct slot *s, size_t n, int out, int err)
{
	int r = oxi_reaper_start(&s->b->reaper, s->index, s->words.data, s->words.len, n, out, err);
	if (r == -E2BIG) {
		s->report = (struct oxi_ended){ .slot = s->index, .error = E2BIG };
		return ox_queue_try_put(s->ended, &s->report);
	}
	return r < 0 ? fail(s->b, OXI_EXIT_WORKERS, "cannot start a job", r) : 0;
}

/* Makes the job's two pipes and starts it. The read ends are left in ret_fds. */
static int start_captured(struct slot *s, size_t n, int *ret_fds)
{
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC) < 0)
		return fail(s->b, OXI_EXIT_WORKERS, "cannot make a pipe (fewer jobs at a time may help)", -errno);
	if (pipe2(err, O_CLOEXEC) < 0) {
		int r = -errno;
		close(out[0]);
		close(out[1]);
		return fail(s->b, OXI_EXIT_WORKERS, "cannot make a pipe (fewer jobs at a time may help)", r);
	}
	int r = start(s, n, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	ret_fds[0] = out[0];
	ret_fds[1] = err[0];
	return r;
}

static void quote_words(struct oxi_buffer *line, const struct oxi_buffer *words)
{
	const char *end = words->data + words->len;
	for (const char *p = words->data; p < end; p += strlen(p) + 1) {
		if (p > words->data)
			oxi_buffer_add_char(line, ' ');
		oxi_buffer_add_quoted(line, p, strlen(p));
	}
	oxi_buffer_add_char(line, '\n');
}

/* The command line, as a shell would read it, to the job's output (a dry run) or at once to standard error (-v). */
static int show_command(struct slot *s, struct oxi_job *j)
{
	struct oxi_buffer line = { 0 };
	quote_words(&line, &s->words);
	int r = line.failed ? OX_ENOMEM : 0;
	if (r == 0 && s->b->o->dry_run)
		r = oxi_capture_add(&j->out, line.data, line.len);
	else if (r == 0) {
		oxi_bar_clear(&s->b->bar);
		r = oxi_sink_write(&(struct oxi_sink){ .fd = STDERR_FILENO }, line.data, line.len);
	}
	oxi_buffer_free(&line);
	return r < 0 ? fail(s->b, OXI_EXIT_OUTPUT, "cannot show the command", r) : 0;
}

static int run_captured(struct slot *s, struct oxi_job *j, size_t n)
{
	int fds[2] = { -1, -1 };
	int r = start_captured(s, n, fds);
	if (r >= 0)
		r = drain_both(s->b, j, fds[0], fds[1]);
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return r;
}

static int run_job(struct slot *s, struct oxi_job *j)
{
	const struct oxi_batch_options *o = s->b->o;
	size_t n = oxi_job_words(j, s->b->t, s->index + 1, &s->words);
	if (s->words.failed)
		return fail(s->b, OXI_EXIT_OUTPUT, "job", OX_ENOMEM);
	if (n == 0) {
		j->ended.error = E2BIG;
		return oxi_job_note(j, "a placeholder", "its regular expression costs too much for this value");
	}
	int r = o->dry_run || o->verbose ? show_command(s, j) : 0;
	if (r < 0 || o->dry_run)
		return r;
	r = o->ungroup ? start(s, n, STDOUT_FILENO, STDERR_FILENO) : run_captured(s, j, n);
	return r < 0 ? r : wait_for_end(s, j);
}

static int run_slot(void *arg)
{
	struct slot *s = arg;
	struct batch *b = s->b;
	void *item;
	int r;
	while ((r = ox_queue_get(b->jobs, &item)) == 0) {
		struct oxi_job *j = item;
		b->running++;
		r = run_job(s, j);
		b->running--;
		if (r >= 0)
			r = ox_queue_put(b->printer.done, j);
		if (r < 0) {
			oxi_job_free(j);
			break;
		}
	}
	if (--b->slots_left == 0)
		ox_queue_shut(b->printer.done, NULL);
	return r == OX_ECLOSED ? 0 : r;
}

/* ---- printer ---- */

static int print(void *arg)
{
	struct batch *b = arg;
	int r = oxi_printer_run(&b->printer);
	return r < 0 ? fail(b, r == -EPIPE ? OXI_EXIT_PIPE : OXI_EXIT_OUTPUT, "cannot write the output", r) : 0;
}

/* ---- those that look on ---- */

static int hear_reaper(void *arg)
{
	struct batch *b = arg;
	for (;;) {
		struct oxi_ended e;
		int r = oxi_reaper_next(&b->reaper, &e);
		if (r == 0)
			r = ox_wait_fd(b->reaper.fd, OX_READABLE);
		else if (r > 0) {
			b->slot[e.slot].report = e;
			r = ox_queue_try_put(b->slot[e.slot].ended, &b->slot[e.slot].report);
		}
		if (r >= 0)
			continue;
		fail(b, OXI_EXIT_WORKERS, "the process that starts the jobs is gone", r);
		cancel_work(b);
		return r;
	}
}

static int stop_jobs(void *arg)
{
	struct batch *b = arg;
	oxi_reaper_signal(&b->reaper, SIGTERM);
	int r = ox_sleep(TERM_GRACE);
	if (r < 0)
		return r;
	oxi_reaper_signal(&b->reaper, SIGKILL);
	r = ox_sleep(TERM_GRACE);
	cancel_work(b);
	return r;
}

static void interrupted(struct batch *b, int signal)
{
	b->exit = signal == SIGTERM ? OXI_EXIT_TERM : OXI_EXIT_INT;
	ox_queue_shut(b->jobs, oxi_job_free);           /* nothing new starts; the feeder meets a shut queue */
	ox_queue_shut(b->printer.window, NULL);
	enum stage stage = signal == SIGTERM || b->stage != RUNNING ? STOPPING : DRAINING;
	oxi_bar_clear(&b->bar);
	if (stage == DRAINING)
		oxi_say("run", "interrupted: %u running jobs may finish; Ctrl-C again to stop them", b->running);
	else if (b->stage != STOPPING)
		ox_spawn(b->watch, stop_jobs, b);
	b->stage = stage;
}

static int hear_signals(void *arg)
{
	struct batch *b = arg;
	for (;;) {
		int signal = ox_signals_next(b->signals, NULL);
		if (signal < 0)
			return signal;
		interrupted(b, signal);
	}
}

static int watch_reader(void *arg)
{
	struct batch *b = arg;
	struct oxi_sink out = oxi_sink_of(STDOUT_FILENO);
	int r = oxi_sink_wait_closed(&out);
	if (r == -EPIPE) {
		b->exit = OXI_EXIT_PIPE;
		cancel_work(b);
	}
	return r;
}

static void bar_text(void *arg, char *line, size_t cap)
{
	struct batch *b = arg;
	const struct oxi_tally *t = &b->printer.tally;
	size_t n = (size_t)snprintf(line, cap, "%llu", (unsigned long long)t->done);
	if (b->total && n < cap)
		n += (size_t)snprintf(line + n, cap - n, " of %llu (%d%%)", (unsigned long long)b->total,
		                      (int)(100.0 * (double)t->done / (double)b->total));
	if (n < cap)
		n += (size_t)snprintf(line + n, cap - n, " jobs done, %u running, %llu failed", b->running,
		                      (unsigned long long)t->failed);
	if (b->total && t->done && n < cap) {
		double left = (double)(ox_now() - b->began) / 1e9 * ((double)b->total / (double)t->done - 1);
		snprintf(line + n, cap - n, ", %.0f s left", left);
	}
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
	for (unsigned i = 0; i < b->o->jobs; i++)
		ox_spawn(b->work, run_slot, &b->slot[i]);
	ox_spawn(b->work, feed, b);
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
		ox_spawn(watch, hear_reaper, b);
	ox_spawn(watch, hear_signals, b);
	ox_spawn(watch, watch_reader, b);
	if (b->o->bar)
		ox_spawn(watch, draw_bar, b);
	int r = run_work(b);
	return r < 0 ? fail(b, OXI_EXIT_WORKERS, "the batch ended early", r) : 0;
}

static bool open_slots(struct batch *b)
{
	b->slot = calloc(b->o->jobs, sizeof(*b->slot));
	if (!b->slot)
		return false;
	bool ok = true;
	for (unsigned i = 0; i < b->o->jobs; i++) {
		b->slot[i] = (struct slot){ .b = b, .index = i, .ended = ox_queue_new(1) };
		ok &= b->slot[i].ended != NULL;
	}
	return ok;
}

static void close_slots(struct batch *b)
{
	for (unsigned i = 0; b->slot && i < b->o->jobs; i++) {
		ox_queue_free(b->slot[i].ended);
		oxi_buffer_free(&b->slot[i].words);
	}
	free(b->slot);
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

static int batch_main(void *arg)
{
	struct batch *b = arg;
	b->jobs = ox_queue_new(b->o->jobs);
	b->printer.window = ox_queue_new(b->printer.window_len);
	b->printer.done = ox_queue_new(b->printer.window_len);
	b->began = ox_now();
	int r = OX_SIGNALS_OPEN(&b->signals, SIGINT, SIGTERM);
	if (r == 0 && b->jobs && b->printer.window && b->printer.done && open_slots(b))
		r = run_groups(b);
	else
		fail(b, OXI_EXIT_OUTPUT, "batch", r < 0 ? r : OX_ENOMEM);
	close_slots(b);
	close_queue(b->jobs, oxi_job_free);
	close_queue(b->printer.done, oxi_job_free);
	close_queue(b->printer.window, drop_nothing);
	oxi_bar_clear(&b->bar);
	ox_signals_close(b->signals);
	return r;
}

static void report(const struct batch *b)
{
	const struct oxi_tally *t = &b->printer.tally;
	if (t->failed == 0 || b->o->quiet || b->exit == OXI_EXIT_PIPE)
		return;
	struct oxi_buffer text = { 0 };
	oxi_tally_text(t, &text);
	if (!text.failed)
		oxi_say("run", "%s", text.data);
	oxi_buffer_free(&text);
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

static int run_with_reaper(struct batch *b)
{
	raise_descriptor_limit();
	int r = ox_run(batch_main, b, NULL);
	if (r < 0 && b->exit == 0 && r != OX_ECANCELED)
		fail(b, OXI_EXIT_WORKERS, "cannot run the batch", r);
	oxi_spill_close(&b->spill);
	report(b);
	return b->exit ? b->exit : b->printer.tally.failed ? OXI_EXIT_FAILED : OXI_EXIT_OK;
}

int oxi_batch_run(const struct oxi_batch_options *o, const struct oxi_template *t, struct oxi_input *in)
{
	struct batch *b = calloc(1, sizeof(*b));
	int r = b ? 0 : OX_ENOMEM;
	if (r == 0 && !o->dry_run)
		r = oxi_reaper_open(o->jobs, &b->reaper);
	if (r < 0) {
		oxi_say("run", "cannot start the process that starts the jobs: %s", ox_strerror(r));
		free(b);
		return OXI_EXIT_WORKERS;
	}
	b->o = o;
	b->t = t;
	b->in = in;
	b->spill = (struct oxi_spill)OXI_SPILL_INIT;
	b->slots_left = o->jobs;
	b->total = oxi_input_total(in);
	b->printer = (struct oxi_printer){
		.bar = &b->bar, .keep_order = o->keep_order || o->dry_run, .tag = o->tag,
		.window_len = WINDOW + o->jobs,
	};
	int code = run_with_reaper(b);
	if (!o->dry_run)
		oxi_reaper_close(&b->reaper);
	free(b);
	return code;
}
