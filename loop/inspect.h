/* SPDX-License-Identifier: MIT */
/*
 * The parts of a loop by which it is seen from outside: figures (stats.c), measurements (measure.c), the
 * watchdog (watchdog.c), deadlocks (deadlock.c), errors that nobody received (unheard.c), SIGQUIT (quit.c),
 * tracers (trace.h).
 */
#ifndef OXBOW_LOOP_INSPECT_H
#define OXBOW_LOOP_INSPECT_H

#include <oxbow/future.h>
#include <oxbow/inspect.h>
#include <oxbow/run.h>
#include <signal.h>
#include <time.h>

#include "loop/backtrace.h"

struct ox_group;
struct ox_loop;
struct oxi_task;
struct oxi_wait;

/* ---- stats.c ---- */

struct oxi_figures {
	uint64_t turns, polls, resumes, spawned, ended, stalls;
	uint64_t polled_resumes;        /* resumes at the last poll */
	uint64_t ready_max;
	uint64_t begun_at;              /* ticks, */
	ox_time begun;                  /* and real time then: the rate of the ticks */
	uint64_t longest_busy;          /* ticks */
	const struct oxi_task *sample;  /* in the ready queue, whose latency is looked at; */
	ox_time sampled;                /* since this real time */
	uint64_t latency[OX_LATENCY_BUCKETS];
};

ox_time oxi_real_now(void);
void oxi_figures_latency(struct oxi_figures *f);        /* the sample runs now */

/* ---- measure.c ---- */

struct oxi_function {
	int (*fn)(void *);
	ox_function_stats stats;
};

struct oxi_measures {
	bool on;
	struct oxi_function *functions;
	size_t len, cap;
	ox_time longest_run;
	const char *longest_run_name;
};

void oxi_measure_run(struct ox_loop *l, struct oxi_task *t, ox_time d);
void oxi_measure_end(struct ox_loop *l, const struct oxi_task *t);      /* it has ended, and has its stack yet */

/* ---- watchdog.c ---- */

struct oxi_watchdog {
	bool made;                      /* the timer exists */
	timer_t timer;
	ox_time stall;                  /* what is reported */
	uint64_t seen;                  /* progress at the last tick */
	unsigned ticks;                 /* without progress since then */
	ox_time since;                  /* real time of the first of them */
	volatile sig_atomic_t resting;  /* the timer is off or slow, and must be set when there is progress */
	volatile sig_atomic_t caught;   /* a stall was seen, and its end is to be told; of: */
	uint64_t task;                  /* 0: something on the thread's own stack */
	const char *name, *site;
	struct oxi_backtrace where;
};

void oxi_watchdog_open(struct ox_loop *l, ox_time stall);
void oxi_watchdog_close(struct ox_loop *l);
void oxi_watchdog_go_on(struct ox_loop *l);     /* there is progress while it rests */
void oxi_watchdog_rest(struct ox_loop *l);      /* the caller of an embedded loop has the thread: no signals */

/* ---- deadlock.c ---- */

/* Nothing is ready and nothing can come: tells it, once; may cancel, which makes something ready. */
void oxi_deadlock(struct ox_loop *l);
/* The running task is about to wait for a lock: tells of a cycle. */
void oxi_deadlock_look(const struct oxi_wait *w);

/* ---- unheard.c ---- */

/* A done future is released. */
void oxi_unheard_future(const ox_future *f);
/* A group has released all its futures. */
void oxi_unheard_group(const struct ox_group *g);

/* ---- quit.c ---- */

/* All loops of the process, for SIGQUIT and for the debugger. */
void oxi_loops_add(struct ox_loop *l);
void oxi_loops_remove(struct ox_loop *l);

#endif
