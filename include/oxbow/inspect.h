/* SPDX-License-Identifier: MIT */
/*
 * Seeing inside a loop: which tasks there are and what each waits for, figures, and hooks for tracers. What
 * the loop finds out by itself (a coroutine that holds it up, a deadlock, an error that nobody received)
 * goes to the log hook of <oxbow/log.h>. For gdb there is oxbow-gdb.py.
 */
#ifndef OXBOW_INSPECT_H
#define OXBOW_INSPECT_H

#include <oxbow/base.h>

OX_BEGIN

/**
 * Prints the tree of tasks of this thread's loop: groups, names, where each was spawned, what it waits for
 * and for how long, and its native backtrace.
 *
 * @fd: where to. Returns: 0; OX_ESTATE where no loop runs; -errno of a write that failed.
 * Call from: the loop's thread, a signal handler too. Threads: the loop's only. Since: 0.1
 */
OX_API int ox_dump_tasks(int fd);

#define OX_LATENCY_BUCKETS 40

/** Figures of a loop since its beginning. Times are real ones, under the test clock too. */
typedef struct ox_loop_stats {
	uint64_t turns;                 /* passes over the ready queue that ran something */
	uint64_t polls;                 /* looks at descriptors and timers */
	uint64_t resumes;               /* times that a coroutine was given the thread; mean ready depth: / turns */
	uint64_t spawned;               /* tasks; */
	uint64_t alive;                 /* of these have not ended yet */
	uint64_t ready_max;             /* most coroutines run in one turn */
	uint64_t timers, descriptors;   /* set, and watched, now */
	uint64_t stacks, stacks_max;    /* in use now, and at most so far */
	uint64_t stacks_cached;         /* free and kept for the next spawn */
	uint64_t stalls;                /* runs that the watchdog caught */
	ox_time longest_busy;           /* the longest that the loop was awake between two polls */
	ox_time longest_run;            /* of one coroutine without giving way; 0 unless .measure is set */
	const char *longest_run_name;   /* which; NULL if there is none */
	/* From ready to running, sampled at the last in line of every 16th poll: [i] is how many took at least
	 * 2^i and less than 2^(i+1) ns. */
	uint64_t latency[OX_LATENCY_BUCKETS];
} ox_loop_stats;

/** Gives the figures of this thread's loop. Returns: 0; OX_ESTATE where none runs. Since: 0.1 */
OX_API int ox_loop_get_stats(ox_loop_stats *ret);

/**
 * The span that a part of the sampled latencies did not exceed, rounded up to a power of two.
 *
 * @part: 0.5 for the median, 0.99, 1 for the longest. Returns: nanoseconds; 0 without samples. Since: 0.1
 */
OX_API ox_time ox_latency_quantile(const ox_loop_stats *s, double part);

/** What the tasks of one function needed, measured under ox_run_options.measure. */
typedef struct ox_function_stats {
	const char *name;               /* of the first task of it */
	uint64_t tasks;                 /* that have ended */
	ox_time longest_run;            /* without giving way */
	size_t stack_used;              /* most of the stack that one of them used, bytes */
	size_t stack_size;              /* of that one */
} ox_function_stats;

/**
 * Gives what was measured of each coroutine function of this thread's loop, in the order in which they first
 * ended.
 *
 * @ret: cap entries, as many as there are are filled. Returns: how many functions there are; 0 without
 * .measure; OX_ESTATE where no loop runs. Since: 0.1
 */
OX_API int ox_loop_get_functions(ox_function_stats *ret, size_t cap);

typedef enum ox_trace_kind {
	OX_TRACE_SPAWN,                 /* a task was made */
	OX_TRACE_START,                 /* it runs for the first time */
	OX_TRACE_RUN,                   /* it was given the thread */
	OX_TRACE_PARK,                  /* it waits: for object, of a kind */
	OX_TRACE_WAKE,                  /* it is ready again, with status; the running task itself: it gives way */
	OX_TRACE_END,                   /* its function has returned status */
	OX_TRACE_POLL_BEGIN,            /* the loop looks for events, and may sleep */
	OX_TRACE_POLL_END,
} ox_trace_kind;

typedef struct ox_trace {
	ox_trace_kind kind;
	uint64_t task;                  /* its number in this loop, from 1; 0: none */
	const char *name, *site;        /* of the task */
	const char *wait;               /* what it waits for: "sleep", "read"...; NULL unless PARK */
	const void *object;
	int status;
} ox_trace;

/** Is told of one event. It must not yield, nor take long: it runs between and inside coroutines. */
typedef void ox_trace_fn(void *arg, const ox_trace *event);

/**
 * Has fn called at each event of this thread's loop, until it ends or another is set. Free where none is.
 *
 * @fn: NULL for none. Returns: 0; OX_ESTATE where no loop runs. Since: 0.1
 */
OX_API int ox_instrument(ox_trace_fn *fn, void *arg);

OX_END

#endif
