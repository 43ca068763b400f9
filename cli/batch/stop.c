/* SPDX-License-Identifier: MIT */
/*
 * How a run ends before its input does, and a job before it wants to.
 *
 *	RUNNING --INT, HUP, halt soon--> DRAINING --INT--> STOPPING --INT, 25 s after TERM--> KILLING
 *	   \-----TERM, halt now, deadline-------------------^   QUIT, from anywhere: ---------^
 *
 * DRAINING starts nothing more, STOPPING takes each job through the term-seq, KILLING is SIGKILL for all. One
 * coroutine keeps the time for everything that is due some day: limits of jobs, steps of the term-seqs, the
 * deadline. It sleeps until the first of them, or until it is told of something sooner. All that is counted in
 * active time, which stands still while the run is stopped (SIGTSTP), so that no job pays for it.
 */
#include <unistd.h>

#include "cli/batch/runner.h"
#include "cli/say.h"

static const ox_time TERM_GRACE = OX_SEC(25);   /* Slurm kills 30 s after its TERM */
static const ox_time LOOK_EVERY = OX_MS(100);   /* at limits that move with the median */

/* ---- time ---- */

void oxi_time_sooner(struct batch *b, ox_time at)
{
	if (at < b->keeper_wakes)
		ox_event_set(b->sooner);
}

static ox_time earlier(ox_time a, ox_time b)
{
	return a < b ? a : b;
}

static bool has_share(const struct slot *s)
{
	return s->job && s->job->task->timeout->percent;
}

static ox_time next_wake(struct batch *b)
{
	ox_time next = earlier(b->deadline, b->kill_all);
	for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s)) {
		if (s->live)
			next = earlier(next, s->killed ? s->next_step : s->due);
		if (s->live && !s->killed && has_share(s))
			next = earlier(next, oxi_run_now(b) + LOOK_EVERY);
	}
	return next;
}

void oxi_slot_kill(struct slot *s, enum killed why)
{
	if (!s->live || s->killed || ox_event_is_set(s->over))
		return;
	s->killed = why;
	s->step = 0;
	s->next_step = oxi_run_now(s->b);
	oxi_time_sooner(s->b, s->next_step);
}

/* Takes the steps of the term-seq that are due. */
static void take_steps(struct slot *s, ox_time now)
{
	if (s->lane->which != OXI_LANE_RUN) {
		s->next_step = OX_NEVER;
		if (s->in_trying)
			ox_scope_cancel(&s->trying);
		return;
	}
	const struct oxi_term_seq *seq = &s->b->o->term_seq;
	while (s->next_step <= now) {
		if (s->step == seq->n) {
			s->next_step = OX_NEVER;
			return;
		}
		oxi_reaper_signal(&s->b->reaper, s->index, seq->step[s->step].signal);
		s->next_step = now + seq->step[s->step++].wait;
	}
}

static void look_at_slot(struct slot *s, ox_time now)
{
	if (!s->live)
		return;
	if (!s->killed && has_share(s)) {
		ox_time limit = oxi_task_limit_get(s->job->task);
		s->due = limit == OX_NEVER ? OX_NEVER : s->began + limit;
	}
	if (!s->killed && s->due <= now)
		oxi_slot_kill(s, BY_TIMEOUT);
	if (s->killed)
		take_steps(s, now);
}

/* ---- stages ---- */

static void kill_all(struct batch *b)
{
	for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s)) {
		oxi_slot_kill(s, BY_STOP);
		s->next_step = OX_NEVER;
	}
	oxi_reaper_signal(&b->reaper, OXI_ALL_SLOTS, SIGKILL);
}

static void go_to(struct batch *b, enum stage stage)
{
	if (stage <= b->stage)
		return;
	b->stage = stage;
	oxi_no_more_jobs(b);
	for (struct slot *s = stage == STOPPING ? oxi_slot_first(b) : NULL; s; s = oxi_slot_next(s))
		oxi_slot_kill(s, BY_STOP);
	if (stage == KILLING)
		kill_all(b);
}

static int halt(struct batch *b, enum stage stage, const char *why)
{
	b->halted = true;
	if (!b->exit)
		b->exit = OXI_EXIT_HALTED;
	go_to(b, stage);
	oxi_bar_clear(&b->bar);
	if (!b->o->quiet)
		oxi_say(b->o->command, stage == DRAINING ? "halting (%s): running jobs may finish" : "halting (%s)", why);
	int r = oxi_events_halt(&b->ledger.events, stage == DRAINING ? "soon" : "now", why);
	return r < 0 ? oxi_run_fail(b, OXI_EXIT_OUTPUT, "cannot write the events", r) : 0;
}

int oxi_halt_check(struct batch *b, const struct oxi_job *j)
{
	char why[48];
	if (b->stage != RUNNING || !oxi_halt_due(&b->o->halt, &b->ledger.tally, b->total))
		return 0;
	b->job_code = j ? oxi_outcome_code(j->outcome) : -1;
	oxi_halt_text(&b->o->halt, why, sizeof(why));
	return halt(b, b->o->halt.when == OXI_HALT_SOON ? DRAINING : STOPPING, why);
}

int oxi_time_keep(void *arg)
{
	struct batch *b = arg;
	for (;;) {
		b->keeper_wakes = next_wake(b);
		int r = oxi_run_wait(b, b->sooner, b->keeper_wakes);
		if (r < 0)
			return r;
		ox_time now = oxi_run_now(b);
		b->keeper_wakes = now;          /* what comes up from here on is seen below, or by next_wake() */
		if (b->deadline <= now) {
			b->deadline = OX_NEVER;
			r = b->stage < STOPPING ? halt(b, STOPPING, "deadline") : 0;
			if (r < 0) {
				oxi_run_cancel(b);
				return r;
			}
		}
		if (b->kill_all <= now) {
			b->kill_all = OX_NEVER;
			go_to(b, KILLING);
		}
		for (struct slot *s = oxi_slot_first(b); s; s = oxi_slot_next(s))
			look_at_slot(s, now);
	}
}

/* ---- signals ---- */

static const char *jobs_text(unsigned n)
{
	return n == 1 ? "job" : "jobs";
}

static void interrupted(struct batch *b)
{
	b->exit = OXI_EXIT_INT;
	unsigned n = b->running;
	if (b->stage == RUNNING)
		oxi_say(b->o->command, "interrupted: %u running %s may finish; Ctrl-C again to stop them", n, jobs_text(n));
	else if (b->stage == DRAINING)
		oxi_say(b->o->command, "stopping %u %s; Ctrl-C again to kill them", n, jobs_text(n));
	go_to(b, b->stage == RUNNING ? DRAINING : b->stage == DRAINING ? STOPPING : KILLING);
}

static void hung_up(struct batch *b)
{
	b->exit = OXI_EXIT_HUP;
	if (b->stage == RUNNING)
		oxi_say(b->o->command, "hangup: %u running %s may finish", b->running, jobs_text(b->running));
	go_to(b, DRAINING);
}

/* The whole run stands still until somebody continues us. */
static void stop_ourselves(struct batch *b)
{
	oxi_reaper_signal(&b->reaper, OXI_ALL_SLOTS, SIGTSTP);
	ox_time at = ox_now();
	kill(getpid(), SIGSTOP);
	b->paused += ox_now() - at;
	oxi_reaper_signal(&b->reaper, OXI_ALL_SLOTS, SIGCONT);
}

/* False: there can be no more. */
static bool one_slot_more(struct lane *l)
{
	struct batch *b = l->b;
	if (l->wanted == l->slots_open) {
		if (!oxi_slot_open(l))
			return false;
		b->slots_left++;
		ox_spawn(b->work, oxi_slot_run, &l->slot[l->slots_open - 1]);
	}
	l->wanted++;
	return true;
}

int oxi_jobs_set(struct batch *b, unsigned jobs)
{
	struct lane *l = &b->lane[OXI_LANE_RUN];
	bool enough = true;
	while (enough && l->wanted < jobs && b->stage == RUNNING && b->slots_left > 0)
		enough = one_slot_more(l);
	if (jobs < l->wanted)
		l->wanted = jobs;
	if (b->plan->resources.n)
		oxi_resources_set_jobs(&b->plan->resources, l->wanted);
	oxi_slots_look(b);
	return enough ? 0 : OX_EINVAL;
}

static void change_slots(struct batch *b, int signal)
{
	unsigned now = b->lane[OXI_LANE_RUN].wanted;
	if (signal == SIGUSR1 && oxi_jobs_set(b, now + 1) < 0)
		oxi_say(b->o->command, "SIGUSR1: there can be no more than %u jobs at a time", now);
	else if (signal == SIGUSR2 && now > 1)
		oxi_jobs_set(b, now - 1);
	now = b->lane[OXI_LANE_RUN].wanted;
	if (!b->o->quiet)
		oxi_say(b->o->command, "%u %s at a time", now, jobs_text(now));
}

static void take_signal(struct batch *b, int signal)
{
	oxi_bar_clear(&b->bar);
	switch (signal) {
	case SIGINT:
		interrupted(b);
		break;
	case SIGHUP:
		hung_up(b);
		break;
	case SIGTERM:
		b->exit = OXI_EXIT_TERM;
		go_to(b, STOPPING);
		b->kill_all = earlier(b->kill_all, oxi_run_now(b) + TERM_GRACE);
		oxi_time_sooner(b, b->kill_all);
		break;
	case SIGQUIT:
		b->exit = OXI_EXIT_QUIT;
		go_to(b, KILLING);
		break;
	case SIGTSTP:
		stop_ourselves(b);
		break;
	default:
		change_slots(b, signal);
	}
}

int oxi_signals_hear(void *arg)
{
	struct batch *b = arg;
	for (;;) {
		int signal = ox_signals_next(b->signals, NULL);
		if (signal < 0)
			return signal;
		take_signal(b, signal);
	}
}
