/* SPDX-License-Identifier: MIT */
/*
 * A slot takes a job from its lane, waits for its turn in the gate, starts it, reads what it writes, waits for its end, and
 * hands it on: to the ledger and the printer, or to the retries.
 *
 * The gate is a queue for one: who stands in it waits until fewer than `wanted` jobs run and nothing holds back
 * the next start. Fewer slots (SIGUSR2) means that the gate lets fewer through; slots themselves only end with the
 * run.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/runner.h"
#include "cli/quote.h"

static const ox_time LOOK_AGAIN = OX_SEC(1);

/* ---- starting ---- */

static int add_first_word(struct slot *s, const struct oxi_job *j, enum oxi_extra which)
{
	size_t from = s->words.len;
	size_t n = oxi_job_expand(j, j->task->extra[which], s->index, &s->words);
	if (s->words.failed)
		return OX_ENOMEM;
	if (n == 0)
		return OX_EINVAL;
	s->words.len = from + strlen(s->words.data + from) + 1;
	return 0;
}

static int make_all_words(struct slot *s, struct oxi_job *j)
{
	const struct oxi_task *t = j->task;
	s->words.len = s->words_from = 0;
	if (j->fault)
		return OX_EINVAL;
	int r = t->extra[OXI_CWD] ? add_first_word(s, j, OXI_CWD) : 0;
	if (r == 0 && t->extra[OXI_INPUT])
		r = add_first_word(s, j, OXI_INPUT);
	if (r == 0 && t->env && oxi_job_expand(j, t->env, s->index, &s->words) != t->envs)
		r = s->words.failed ? OX_ENOMEM : OX_EINVAL;
	if (r < 0)
		return r;
	s->envs = t->envs + oxi_lease_env(&s->b->plan->resources, &s->lease, &s->words);
	s->words_from = s->words.len;
	size_t n = oxi_job_expand(j, &t->command, s->index, &s->words);
	if (t->extra[OXI_TAG]) {
		size_t words = oxi_job_expand(j, t->extra[OXI_TAG], s->index, &j->tag);
		if (j->tag.failed)
			return OX_ENOMEM;
		if (words == 0)
			return OX_EINVAL;
		j->tag.len = strlen(j->tag.data);
	}
	return s->words.failed ? OX_ENOMEM : n == 0 ? OX_EINVAL : (int)n;
}

/*
 * Makes the job's words. Returns their number; OX_EINVAL: a place's regular expression costs too much for the value; OX_ENOMEM.
 * Then it has none: what was made may end in the middle of one.
 */
static int make_words(struct slot *s, struct oxi_job *j)
{
	int n = make_all_words(s, j);
	if (n < 0)
		s->words.len = s->words_from = j->tag.len = 0;
	return n;
}

struct oxi_buffer oxi_slot_command(const struct slot *s)
{
	return (struct oxi_buffer){ .data = s->words.data + s->words_from, .len = s->words.len - s->words_from };
}

int oxi_slot_note(struct slot *s, const char *word, const char *what)
{
	struct oxi_buffer note = { 0 };
	oxi_job_note(&note, s->b->o->command, word, what);
	int r = note.failed ? OX_ENOMEM : oxi_capture_add(&s->job->err, note.data, note.len);
	if (r >= 0 && s->b->o->line_buffer)
		r = oxi_printer_add(&s->b->printer, s->job, 1, &s->line[1], note.data, note.len, true);
	oxi_buffer_free(&note);
	return r < 0 ? oxi_run_fail(s->b, OXI_EXIT_OUTPUT, "cannot keep a job's output", r) : 0;
}

/* The command line, as a shell would read it, to the job's output (a dry run) or at once to standard error (-v). */
static int show_command(struct slot *s)
{
	struct batch *b = s->b;
	static const char *const kinds[OXI_LANES] = { "", "call ", "fetch " };
	struct oxi_buffer line = { 0 }, words = oxi_slot_command(s);
	oxi_buffer_add_text(&line, kinds[s->lane->which]);
	if (s->job->task->job)
		oxi_buffer_add_format(&line, "%s ", s->job->task->job->name);
	oxi_buffer_add_quoted_words(&line, words.data, words.len, false);
	oxi_buffer_add_char(&line, '\n');
	int r = line.failed ? OX_ENOMEM : 0;
	if (r == 0 && b->o->dry_run) {
		r = oxi_capture_add(&s->job->out, line.data, line.len);
	} else if (r == 0) {
		oxi_bar_clear(&b->bar);
		r = oxi_sink_write(&(struct oxi_sink){ .fd = STDERR_FILENO }, line.data, line.len);
	}
	oxi_buffer_free(&line);
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot show the command", r) : 0;
}

/* What stands in the line buffers when the job has ended is shown without its newline. */
static int end_lines(struct slot *s)
{
	int r = 0;
	for (int which = 0; which < 2 && r >= 0 && s->b->o->line_buffer; which++)
		r = oxi_printer_add(&s->b->printer, s->job, which, &s->line[which], "", 0, true);
	return r < 0 ? oxi_output_fail(s->b, r) : 0;
}

/* From here on it can be killed, and has its limit of time. */
static void begin(struct slot *s)
{
	struct batch *b = s->b;
	s->serial++;
	ox_event_clear(s->over);
	s->killed = s->cause = ALIVE;
	s->live = true;
	s->paused = b->paused;
	s->began = oxi_run_now(b);
	ox_time limit = oxi_task_limit_get(s->job->task);
	s->due = limit == OX_NEVER ? OX_NEVER : s->began + limit;
	oxi_time_sooner(b, s->due);
}

int oxi_slot_try(struct slot *s, int (*fn)(struct slot *s, const char *word))
{
	struct batch *b = s->b;
	struct oxi_job *j = s->job;
	j->ended = (struct oxi_report){ .began = ox_now() };
	int r = b->ledger.events.on ? oxi_events_start(&b->ledger.events, j, s->index, getpid()) : 0;
	if (r < 0)
		return oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", r);
	ox_scope_enter(&s->trying, OX_NEVER);
	s->in_trying = true;
	if (b->stage >= STOPPING)
		oxi_slot_kill(s, BY_STOP);
	r = fn(s, oxi_slot_command(s).data);
	s->in_trying = false;
	r = ox_scope_leave(&s->trying, r);
	j->ended.ended = ox_now();
	j->wall = j->ended.ended - j->ended.began - (b->paused - s->paused);
	return r;
}

static int (*const CARRY_OUT[OXI_LANES])(struct slot *s, size_t n) = {
	[OXI_LANE_RUN] = oxi_program_run, [OXI_LANE_CALL] = oxi_call_run, [OXI_LANE_FETCH] = oxi_fetch_run,
};

static int run_attempt(struct slot *s)
{
	const struct oxi_batch_options *o = s->b->o;
	if (s->job->outcome.status == OXI_SKIPPED || oxi_job_cancelled(s->b, s->job)) {
		s->job->outcome.status = OXI_SKIPPED;
		s->job->ended.began = s->job->ended.ended = ox_now();
		s->words.len = s->words_from = 0;
		if (s->job->task->prepare)              /* it was never prepared, and has no words */
			return 0;
		return make_words(s, s->job) == OX_ENOMEM ? oxi_run_fail(s->b, OXI_EXIT_OUTPUT, "job", OX_ENOMEM) : 0;
	}
	struct oxi_declared files = { 0 };
	int n = make_words(s, s->job);
	int r = n < 0 || o->dry_run ? 1 : oxi_files_begin(s, &files);
	if (r <= 0)
		return r;
	s->job->attempt++;
	if (n == OX_EINVAL) {
		s->job->outcome = (struct oxi_outcome){ .status = OXI_FAILED, .exit = 126 };
		s->job->ended.began = s->job->ended.ended = ox_now();
		return oxi_slot_note(s, "a placeholder", s->job->fault ? s->job->fault : "its regular expression costs too much for this value");
	}
	if (n < 0)
		return oxi_run_fail(s->b, OXI_EXIT_OUTPUT, "job", n);
	r = o->dry_run || o->verbose ? show_command(s) : 0;
	if (r >= 0 && !o->dry_run) {
		begin(s);
		r = CARRY_OUT[s->lane->which](s, (size_t)n);
	} else {
		s->job->outcome = (struct oxi_outcome){ .status = OXI_OK };
	}
	r = oxi_files_end(s, &files, r);
	return r < 0 || o->dry_run ? r : end_lines(s);
}

/* ---- the gate ---- */

/* Until when the next start has to wait; 0: it may be now. */
static ox_time held_back(struct lane *l)
{
	struct batch *b = l->b;
	b->busy = NULL;
	if (l->running >= l->wanted || b->held)
		return OX_NEVER;
	if (b->o->dry_run || !oxi_throttle_any(&b->o->throttle))
		return 0;
	ox_time now = oxi_run_now(b);
	b->busy = oxi_throttle_busy(&b->throttle, now);
	if (b->busy)
		return now + LOOK_AGAIN;
	ox_time wait = oxi_throttle_take(&b->throttle, now);
	return wait ? now + wait : 0;
}

/* What s's job needs, which may be with others until one of them ends. Returns: 1; 0; OX_ENOMEM. */
static int take_needs(struct slot *s, const struct oxi_needs *needs)
{
	struct oxi_resources *all = &s->b->plan->resources;
	if (all->n == 0)
		return 1;
	int r = oxi_resources_take(all, needs, &s->lease);
	if (r == 0)
		s->b->busy = oxi_resources_lack(all, needs);
	return r;
}

/* Waits for the turn to start a job, and takes it. Returns: 0; OX_ECLOSED: nothing starts any more. */
static int pass_gate(struct slot *s, const struct oxi_needs *needs)
{
	struct lane *l = s->lane;
	struct batch *b = l->b;
	ox_time until = 0;
	int taken = 0;
	int r = ox_lock_acquire(l->gate);
	if (r < 0)
		return r;
	while (r == 0 && b->stage == RUNNING) {
		until = held_back(l);
		if (until == 0 && (taken = take_needs(s, needs)) != 0)
			break;
		r = oxi_run_wait(b, l->room, until == 0 ? OX_NEVER : until);
	}
	ox_lock_release(l->gate);
	if (taken < 0)
		return oxi_run_fail(b, OXI_EXIT_OUTPUT, "job", taken);
	if (r == 0 && b->stage != RUNNING)
		r = OX_ECLOSED;
	if (r == 0) {
		l->running++;
		b->running++;
	}
	return r;
}

static void leave_gate(struct slot *s)
{
	struct batch *b = s->b;
	s->lane->running--;
	b->running--;
	if (b->plan->resources.n)
		oxi_resources_give(&b->plan->resources, &s->lease);
	oxi_slots_look(b);
}

void oxi_slots_look(struct batch *b)
{
	for (int i = 0; i < OXI_LANES; i++) {
		if (b->lane[i].room)
			ox_event_set(b->lane[i].room);
	}
}

static int run_job(struct slot *s, struct oxi_job *j)
{
	struct batch *b = s->b;
	int r = pass_gate(s, &j->task->needs);
	if (r == OX_ECLOSED) {
		oxi_job_free(j);
		return 0;
	}
	if (r >= 0) {
		s->job = j;
		j->slot = s->index;
		r = run_attempt(s);
		s->live = false;
		s->job = NULL;
		leave_gate(s);
	}
	if (r < 0) {
		oxi_job_free(j);
		return r;
	}
	struct oxi_buffer words = oxi_slot_command(s);
	oxi_buffer_add(&j->words, words.data, words.len);
	return oxi_job_ended(b, j);
}

int oxi_slot_run(void *arg)
{
	struct slot *s = arg;
	struct batch *b = s->b;
	void *job;
	int r;
	while ((r = ox_queue_get(s->lane->jobs, &job)) == 0 && (r = run_job(s, job)) >= 0)
		;
	if (--b->slots_left == 0)
		oxi_slots_ended(b);
	return r == OX_ECLOSED ? 0 : r;
}

/* ---- retries ---- */

/* Waits until j is due, or another one is sooner, which is then taken instead. */
static int wait_until_due(struct batch *b, struct oxi_job **j)
{
	while (oxi_run_now(b) < (*j)->due) {
		int r = oxi_run_wait(b, b->retry_sooner, (*j)->due);
		if (r >= 0)
			r = ox_queue_try_put(b->retries, *j);
		if (r < 0)
			return r;
		*j = NULL;
		void *item;
		r = ox_queue_try_get(b->retries, &item);
		if (r < 0)
			return r;
		*j = item;
	}
	return 0;
}

int oxi_retry_run(void *arg)
{
	struct batch *b = arg;
	void *item;
	int r;
	while ((r = ox_queue_get(b->retries, &item)) == 0) {
		struct oxi_job *j = item;
		r = wait_until_due(b, &j);
		if (r == 0)
			r = ox_queue_put(b->lane[oxi_task_lane(j->task)].jobs, j);
		if (r < 0) {
			oxi_job_free(j);
			break;
		}
	}
	return r == OX_ECLOSED ? 0 : r;
}

/* ---- slots ---- */

static struct slot *first_from(struct batch *b, int lane)
{
	while (lane < OXI_LANES && b->lane[lane].slots_open == 0)
		lane++;
	return lane < OXI_LANES ? b->lane[lane].slot : NULL;
}

struct slot *oxi_slot_first(struct batch *b)
{
	return first_from(b, 0);
}

struct slot *oxi_slot_next(struct slot *s)
{
	return s->index + 1 < s->lane->slots_open ? s + 1 : first_from(s->b, (int)s->lane->which + 1);
}

bool oxi_slot_open(struct lane *l)
{
	if (l->slots_open == l->slots_max)
		return false;
	struct slot *s = &l->slot[l->slots_open];
	*s = (struct slot){ .b = l->b, .lane = l, .index = l->slots_open, .ended = ox_queue_new(1), .over = ox_event_new() };
	s->due = s->next_step = OX_NEVER;
	l->slots_open++;
	return s->ended && s->over;
}

void oxi_slots_free(struct lane *l)
{
	for (unsigned i = 0; i < l->slots_open; i++) {
		struct slot *s = &l->slot[i];
		ox_queue_free(s->ended);
		ox_event_free(s->over);
		oxi_buffer_free(&s->words);
		oxi_buffer_free(&s->line[0]);
		oxi_buffer_free(&s->line[1]);
	}
	free(l->slot);
}
