/* SPDX-License-Identifier: MIT */
/*
 * The inside of the loop, for loop/ itself and for the folders that stand on it (loop/io, loop/http, pool).
 * The layers, lowest first, each a file:
 *
 *	switch_*.S, switch.c   one stack to another
 *	stack.c                guarded stacks from a lazily committed arena
 *	timer.c                a heap of deadlines
 *	reactor.c              libevent: what is ready, and when to wake (the only includer of libevent here)
 *	sched.c                the ready queue, the turn, and the one parking primitive
 *	scope.c                cancellation as a state, deadlines
 *	future.c wait.c        status, value, waiters; await and its friends
 *	group.c task.c         ownership; coroutines
 *	select.c               waiting at an object, for one thing or for the first of several: select.h
 *	queue.c post.c ...     built on the above
 *	inspect.h              what looks at all this from outside: dumps, the watchdog, deadlocks, figures
 *
 * A turn: run every coroutine that is ready now, in order; run the hooks armed meanwhile; poll, fire timers.
 */
#ifndef OXBOW_LOOP_LOOP_H
#define OXBOW_LOOP_LOOP_H

#include <oxbow/future.h>
#include <oxbow/group.h>
#include <oxbow/log.h>
#include <oxbow/run.h>
#include <oxbow/scope.h>

#include "include/private/check.h"
#include "include/private/list.h"

/* What the other libraries of this tree use too: exported by liboxbow under the version node OXBOW_PRIVATE. */
#define OXI_SHARED __attribute__((visibility("default")))

struct oxi_task;
struct oxi_scope;

/* ---- memory: every allocation of liboxbow outside workers goes through these, so that tests can fail the n-th ---- */

OXI_SHARED void *oxi_alloc(size_t len);            /* zeroed; NULL without memory */
OXI_SHARED void *oxi_realloc(void *p, size_t len);
OXI_SHARED void oxi_free(void *p);

/* ---- messages to nobody in particular (log.c): cut at 1 KiB; free where no hook is set ---- */

bool oxi_log_heard(void);               /* somebody listens */
int oxi_log_fd(void);                   /* where a signal handler may write instead: ox_log_stderr()'s; -1: nowhere */
OXI_SHARED void oxi_log(ox_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- parking: the one way to wait (sched.c) ---- */

typedef enum oxi_abort_answer {
	OXI_ABORTED,                    /* taken back: the wait ends now with OX_ECANCELED */
	OXI_LATER,                      /* cannot be taken back: oxi_wake() will come, the waiter goes on waiting */
} oxi_abort_answer;

/*
 * A wait record lives in the frame of the coroutine that waits. The waiter links it (or something that points
 * to it) where the waking side finds it, then parks; the waking side unlinks it and calls oxi_wake() once.
 * When the coroutine's scope is cancelled meanwhile, abort is called once: it unlinks and answers
 * OXI_ABORTED, or starts the end of what is waited for and answers OXI_LATER.
 */
struct oxi_wait {
	struct oxi_list link;           /* for the waking side's list of waiters */
	struct oxi_task *task;
	oxi_abort_answer (*abort)(struct oxi_wait *w);
	const char *kind;               /* "sleep", "read", "job": for reports */
	const void *object;             /* what is waited for; begins with its magic word, as every object does */
	ox_time since;                  /* loop time at parking */
	int fd;                         /* the descriptor waited for; -1: none. For reports */
	int result;
	bool parked;                    /* in oxi_park() and not woken yet */
};

/*
 * 0 if the calling coroutine may start an operation that yields; OX_ECANCELED in a cancelled scope, OX_ESTATE
 * outside a coroutine, OX_EFORKED. Every OX_YIELDS call begins with it, before it looks at anything: for
 * fairness it lets the others run when the coroutine has begun many operations in a row without parking.
 */
OXI_SHARED int oxi_checkpoint(void);

/*
 * The same in two halves, for a call that must not let others run before it has looked at its objects: they might
 * be gone. One that has not parked meanwhile gives way when it is done.
 */
int oxi_may_begin(void);
void oxi_give_way(void);

/*
 * The same for a call on an object that another coroutine may close meanwhile: while the others run, a wait that is not
 * parked is in the list. Whoever closes the object puts OX_ECLOSED into the results of all waits in it, which is then
 * the answer.
 */
int oxi_checkpoint_at(struct oxi_list *waits);

/* Fills in a record, and links it nowhere. A wait for a descriptor sets fd afterwards. */
OXI_SHARED void oxi_wait_init(struct oxi_wait *w, const char *kind, const void *object, oxi_abort_answer (*abort)(struct oxi_wait *));

/*
 * Parks until oxi_wake(w, result), and returns that result, or OX_ECANCELED when aborted. If the scope is
 * cancelled already, abort is called at once. The caller has linked the record.
 */
OXI_SHARED int oxi_park(struct oxi_wait *w);

/* Makes the parked coroutine ready, once. Any order with others is FIFO. Loop's thread only. */
OXI_SHARED void oxi_wake(struct oxi_wait *w, int result);

/* Takes every wait out of a list (of their links) and wakes it. */
void oxi_wake_all(struct oxi_list *waits, int result);

/* Reads the clock, in the run's (perhaps virtual) time. */
OXI_SHARED ox_time oxi_now(void);

/* ---- hooks (sched.c) ---- */

/* Runs fn once, on the thread's own stack, at the end of this turn's coroutines, before the poll. For batching. */
struct oxi_hook {
	struct oxi_list link;
	void (*fn)(struct oxi_hook *h);
};
OXI_SHARED void oxi_hook_init(struct oxi_hook *h, void (*fn)(struct oxi_hook *));
OXI_SHARED void oxi_hook_arm(struct oxi_hook *h);          /* nothing if armed already */
OXI_SHARED void oxi_hook_disarm(struct oxi_hook *h);

/*
 * Runs fn once when the running loop ends, after all coroutines have ended and before the poller is gone: for
 * what outlives a run (a pool) or is kept per loop (the HTTP client's connections). The last one first: it may
 * stand on what the others have to end. Disarm it with oxi_hook_disarm().
 */
OXI_SHARED void oxi_hook_at_end(struct oxi_hook *h);

/* A place per loop for a module's state (the HTTP client's multi handle, say), found by the address of a static key. */
OXI_SHARED void *oxi_loop_get(const void *key);
OXI_SHARED int oxi_loop_put(const void *key, void *value);         /* NULL takes it out; OX_ENOMEM */

/* True in a coroutine or a posted function, hook, timer or watch of a running loop in this thread. */
bool oxi_loop_running(void);

/* While the count is above 0 something real is pending: the test clock does not jump. */
OXI_SHARED void oxi_loop_hold(int delta);

/* ---- timers (timer.c) ---- */

/* fire runs on the thread's own stack between coroutines; the timer is unset then and may be set again. */
struct oxi_timer {
	ox_time at;
	size_t index;                   /* in the heap, + 1; 0: not set */
	void (*fire)(struct oxi_timer *t);
};
OXI_SHARED void oxi_timer_init(struct oxi_timer *t, void (*fire)(struct oxi_timer *));
OXI_SHARED int oxi_timer_set(struct oxi_timer *t, ox_time at);     /* moves it when set; OX_NEVER clears; OX_ENOMEM */
OXI_SHARED void oxi_timer_clear(struct oxi_timer *t);

/* ---- the reactor's two kinds of descriptor (reactor.c) ---- */

/*
 * A foreign descriptor (libcurl's, ZeroMQ's, a pidfd): level-triggered, persistent; fn is called on the
 * thread's own stack in every poll while an asked event is there. fn may change or free the watch, and any
 * other. Closing the fd comes after oxi_watch_free(). Belongs to the running loop, and must be freed before
 * it ends.
 */
struct oxi_watch;
OXI_SHARED struct oxi_watch *oxi_watch_new(int fd, void (*fn)(void *arg, int fd, unsigned events), void *arg);     /* NULL: memory */
OXI_SHARED int oxi_watch_set(struct oxi_watch *w, unsigned events);        /* OX_READABLE | OX_WRITABLE, 0: none; -errno */
OXI_SHARED void oxi_watch_free(struct oxi_watch *w);                       /* takes NULL */

/*
 * A descriptor of our own (a stream's, a listener's): registered once, persistent and edge-triggered. Whoever
 * uses it tries the system call first and waits after EAGAIN only.
 */
#define OXI_HANG_UP 4u                  /* beside OX_READABLE: the peer has closed its side (its edge comes only once) */
struct oxi_fd;
int oxi_fd_new(int fd, void (*fn)(void *arg, unsigned events), void *arg, struct oxi_fd **ret);
void oxi_fd_free(struct oxi_fd *f);                             /* does not close the descriptor; takes NULL */

/* The event_base of the running loop, for the HTTP server. */
struct event_base;
OXI_SHARED struct event_base *oxi_loop_event_base(void);

/* ---- futures that are not tasks: jobs, promises (future.c, group.c) ---- */

struct oxi_future_ops {
	const char *kind;                               /* "job", "promise" */
	bool (*cancel)(ox_future *f, ox_cause cause);   /* begin to end it; resolves now or later. False: cancelled already */
	void (*release)(ox_future *f);                  /* free it: done, and nobody's any more */
	const char *(*name)(const ox_future *f);        /* for reports; NULL: it has none */
};

#define OXI_FUTURE_MAGIC 0x6675747572650001ull

struct ox_future {
	uint64_t magic;
	const struct oxi_future_ops *ops;
	struct ox_group *group;         /* NULL: in no group (ox_call) */
	struct oxi_list link;           /* in the group: pending externals, done, or handed out */
	struct oxi_list waiters;        /* struct oxi_wait.link or a gather's entries */
	const void *value;
	size_t value_len;
	int status;
	uint8_t origin;                 /* ox_origin; NONE: not done */
	uint8_t flags;                  /* OXI_FUTURE_... */
	uint16_t spare;                 /* for the owner */
};
#define OXI_FUTURE_CANCELLED 1u         /* a cancel has been asked for */
#define OXI_FUTURE_STATIC    2u         /* the stand-in for one that could not be made */
#define OXI_FUTURE_STARTERS  4u         /* a task that failed before ox_started(): its failure is not the group's */
#define OXI_FUTURE_HEARD     8u         /* somebody has been told its status */
#define OXI_FUTURE_STILLBORN 16u        /* was done when it was returned: to be looked at, also in a reaping group */
#define OXI_FUTURE_STARTING  32u        /* ox_group_start() has not returned it yet: not to be given out or reaped */

/* Who waits for a future. notify unlinks nothing: the list is taken apart before. */
struct oxi_waiter {
	struct oxi_list link;
	void (*notify)(struct oxi_waiter *w, ox_future *f);
};

/* Initialises an embedded future, pending, and enters it into g (NULL: none). OX_ESTATE: g is closed, nothing done. */
int oxi_future_init(ox_future *f, ox_group *g, const struct oxi_future_ops *ops);

/* Makes it done: waiters wake, the group hears. May call ops->release at once (reaping group). */
void oxi_future_resolve(ox_future *f, int status, ox_origin origin);

/* A future that has failed from the start, in g; a static one if there is no memory or g is NULL or closed. */
ox_future *oxi_future_failed(ox_group *g, int status);

/* Somebody has been told its status: it need not be reported. */
void oxi_future_heard(const ox_future *f);

/* Takes a done future out of its group and releases it. */
void oxi_future_release(ox_future *f);

/*
 * A task inside the scope of g (NULL: of the main coroutine) whose future is not g's: the caller keeps g from closing until
 * the task has ended, hears of that by a waiter, and releases the future. 0; OX_ENOMEM, OX_EINVAL. Loop's thread.
 */
int oxi_spawn_aside(ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o, ox_future **ret);

/* The scope's effective deadline of a group (what a job in it must obey). */
ox_time oxi_group_deadline(const ox_group *g);

/* The innermost scope of the calling coroutine; NULL: there is none. And the deadline that binds whoever is in a scope. */
const struct oxi_scope *oxi_scope_here(void);
ox_time oxi_scope_effective_deadline(const struct oxi_scope *s);

/* A deadline as other processes know it: on the monotonic clock. OX_NEVER in virtual time, which is the loop's alone. */
ox_time oxi_real_deadline(ox_time at);

/* ---- fork ---- */

/* True in a child forked from the process that first used the library (heritage of the spawner and workers aside). */
OXI_SHARED bool oxi_forked(void);
void oxi_fork_mark(void);               /* what it compares with is set here; ox_run and ox_pool_open begin with it */

#endif
