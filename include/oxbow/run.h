/* SPDX-License-Identifier: MIT */
/*
 * Running the loop, sleeping, and the few calls about the coroutine that makes them.
 *
 * There is one loop per thread; it lives from ox_run() to its return and is found by the running coroutine,
 * so that no call takes it as a parameter. Coroutines never change threads.
 */
#ifndef OXBOW_RUN_H
#define OXBOW_RUN_H

#include <oxbow/base.h>

OX_BEGIN

/** A coroutine's function. Its result, 0 or more or a negative code, becomes the status of its future. */
typedef int ox_coro(void *arg);

/** A loop, as other threads name it in ox_post(). */
typedef struct ox_loop ox_loop;

struct ox_test_options;
struct event_base;

typedef enum ox_deadlock {
	OX_DEADLOCK_REPORT,             /* the log hook is told who waits for what */
	OX_DEADLOCK_CANCEL,             /* and the main coroutine is cancelled; ox_run() returns -EDEADLK */
} ox_deadlock;

typedef struct ox_run_options {
	size_t size;
	size_t stack_size;              /* of the main coroutine, bytes; 0: 256 KiB */
	bool keep_sigpipe;              /* true: leave the action of SIGPIPE alone (else ignored during ox_run) */
	bool no_overflow_report;        /* true: install no SIGSEGV handler that names an overflown coroutine */
	const struct ox_test_options *test;     /* virtual time and seeded order: see ox_test.h */
	struct event_base *event_base;  /* libevent's, borrowed: the loop uses it, and its other events run too. NULL: an own one */
	bool keep_sigint;               /* true: leave the action of SIGINT alone; see below */
	ox_time stall;                  /* a coroutine that runs this long without giving way is reported while it does;
	                                 * 0: 100 ms, OX_NEVER: off */
	ox_deadlock deadlock;           /* what happens when every coroutine waits and nothing can wake any */
	bool dump_on_sigquit;           /* SIGQUIT prints the tasks of every loop with this option to report_fd */
	bool measure;                   /* time each run of a coroutine and look how much stack it used: for
	                                 * ox_loop_get_functions(); costs some 10 us a task */
	int report_fd;                  /* for what cannot wait for the log hook: SIGQUIT's dump, a stall while it lasts;
	                                 * 0: standard error (a stall only if the hook is ox_log_stderr) */
} ox_run_options;
#define OX_RUN_OPTIONS(...) (&(ox_run_options){ .size = sizeof(ox_run_options), __VA_ARGS__ })
OX_API void ox_run_options_init(ox_run_options *o);

/**
 * Runs fn as the main coroutine until it has ended, and leaves nothing behind.
 *
 * Blocks the thread. Every task belongs to a group, and every group was closed by the coroutine that opened
 * it; a group that fn left open is closed (cancelled and awaited) here.
 *
 * Ctrl-C: the first SIGINT cancels the scope of fn, with OX_CAUSE_INTERRUPT, and ox_run() returns what fn returns; the
 * second one ends the process as ever. That holds for the first loop of a process, and only if SIGINT has its
 * default action when it begins; ox_signals_open() takes SIGINT out of it.
 *
 * @fn, @arg: the main coroutine. @opts: NULL for the defaults.
 * Returns: what fn returned; OX_ESTATE inside a running loop; OX_ENOMEM or -errno when the loop could not be
 * made; -EDEADLK when a deadlock ended it (OX_DEADLOCK_CANCEL, or the test clock); OX_EFORKED.
 * Call from: an ordinary thread. Threads: any, each has its own loop. After fork: no. Since: 0.1
 */
OX_API int ox_run(ox_coro *fn, void *arg, const ox_run_options *opts);

/**
 * Sleeps for d nanoseconds, never less. 0 or less: lets the others run once, as ox_yield().
 *
 * Returns: 0; OX_ECANCELED, OX_ESTATE.
 * Yields: always, unless cancelled already. Cancel: wakes at once. Since: 0.1
 */
OX_API OX_YIELDS int ox_sleep(ox_time d);

/** Sleeps until ox_now() is at least at. Otherwise as ox_sleep(). Since: 0.1 */
OX_API OX_YIELDS int ox_sleep_until(ox_time at);

/**
 * Goes to the end of the ready queue: every coroutine that could run does so once before this call returns.
 *
 * Returns: 0; OX_ECANCELED, OX_ESTATE. Since: 0.1
 */
OX_API OX_YIELDS int ox_yield(void);

/** The monotonic time now; inside a run under the test clock, the virtual one. Threads: any. Since: 0.1 */
OX_API ox_time ox_now(void);

/** The loop of this thread; NULL where none runs. Since: 0.1 */
OX_API ox_loop *ox_loop_self(void);

/**
 * Has fn(arg) called on a loop's thread, soon, from whatever thread or coroutine.
 *
 * fn runs between two coroutines, on the thread's own stack: it must not yield; to start work it resolves a
 * promise or puts into a queue. Calls are made in the order posted. One that posts itself again runs in the
 * next turn, so it starves nobody.
 *
 * Returns: 0; OX_ENOMEM; OX_ECLOSED when the loop is ending and will not call fn; OX_EFORKED. The caller
 * makes sure that ox_run() has not returned yet.
 * Call from: anywhere but a signal handler. Threads: any. After fork: no. Since: 0.1
 */
OX_API int ox_post(ox_loop *loop, void (*fn)(void *arg), void *arg);

#define OX_READABLE 1u
#define OX_WRITABLE 2u

/**
 * Waits until a descriptor that is not one of Oxbow's streams is ready: level-triggered, once.
 *
 * @fd: anything that epoll takes. @events: OX_READABLE, OX_WRITABLE or both.
 * Returns: the ready events (an error or hang-up counts as both); OX_EBUSY when another coroutine waits for
 * the same fd and event; -EBADF, -EPERM (a regular file), OX_ECANCELED, OX_ENOMEM, OX_ESTATE.
 * Yields: always. Cancel: the fd is left alone. Since: 0.1
 */
OX_API OX_YIELDS int ox_wait_fd(int fd, unsigned events);

/** The name of the calling coroutine (ox_spawn_options.name, or its function's); NULL outside of one. Since: 0.1 */
OX_API const char *ox_task_name(void);

OX_END

#endif
