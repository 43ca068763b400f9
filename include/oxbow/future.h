/* SPDX-License-Identifier: MIT */
/*
 * Futures: the one thing that can be awaited. A task is a future fed by a coroutine, a job one fed by a
 * worker process, a promise one fed by whoever resolves it. Each belongs to a group and lives until that
 * group is closed, so nobody frees a future. Where a call takes futures, NULL counts as one that has failed
 * with OX_ENOMEM.
 */
#ifndef OXBOW_FUTURE_H
#define OXBOW_FUTURE_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_future ox_future;
typedef struct ox_group ox_group;

/** Where the status of a future came from, so that a job that returns -ECANCELED is not a cancelled job. */
typedef enum ox_origin {
	OX_ORIGIN_NONE,                 /* not done yet */
	OX_ORIGIN_COROUTINE,            /* a coroutine's return value */
	OX_ORIGIN_PROMISE,              /* ox_promise_resolve() */
	OX_ORIGIN_JOB,                  /* a job function's return value */
	OX_ORIGIN_CRASH,                /* the worker died while it ran the job */
	OX_ORIGIN_CANCEL,               /* cancelled */
	OX_ORIGIN_TIMEOUT,              /* the job's own timeout */
	OX_ORIGIN_LIMIT,                /* a limit of the library or of the pool: memory, size, state, init */
} ox_origin;

/** True once the future has its status. Since: 0.1 */
OX_API bool ox_future_done(const ox_future *f);

/** The status of a done future; OX_EBUSY while it is not done. NULL: OX_ENOMEM. Since: 0.1 */
OX_API int ox_future_status(const ox_future *f);

/** Where that status came from. Since: 0.1 */
OX_API ox_origin ox_future_origin(const ox_future *f);

/**
 * The bytes that a job replied or a promise was resolved with.
 *
 * @ret_len: their number; NULL if not wanted.
 * Returns: borrowed until the group closes; NULL when there are none or the future is not done. Since: 0.1
 */
OX_API const void *ox_future_value(const ox_future *f, size_t *ret_len);

/**
 * Cancels a task, job or promise: what it awaits fails with OX_ECANCELED; a queued job is removed, a running
 * one's worker is killed (unless the job is marked OX_ABANDON).
 *
 * Returns: true if this call cancelled it; false if it was done or cancelled already. Does not wait.
 * Since: 0.1
 */
OX_API bool ox_future_cancel(ox_future *f);

/**
 * Waits for a future.
 *
 * Returns: its status; OX_ESTATE outside a coroutine, or when a task awaits itself.
 * Yields: unless it is done. Cancel: cancels the future, waits for its end, and returns its status then.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_await(ox_future *f);

/**
 * Waits for a future, at most timeout long; then cancels it and waits until it has ended.
 *
 * @timeout: 0 or less: a done future still gives its status, any other is cancelled at once.
 * Returns: the status; OX_ETIMEDOUT when time ran out and the future ended as cancelled (any other end, an
 * error of its clean-up say, wins). Cancel: as ox_await(). Since: 0.1
 */
OX_API OX_YIELDS int ox_wait_for(ox_future *f, ox_time timeout);

/**
 * Waits until one of the futures is done.
 *
 * @fs: n futures, only read. @n: at least 1.
 * Returns: index of the first done future (lowest wins); OX_EINVAL, OX_ECANCELED, OX_ENOMEM.
 * Yields: unless one is done already. Cancel: the futures go on. Since: 0.1
 */
OX_API OX_YIELDS int ox_wait_any(ox_future *const *fs, size_t n);

/**
 * Waits until all are done or the first one has failed, in time, not in order.
 *
 * Returns: 0; the first failure, at once, while the others go on; OX_ENOMEM.
 * Yields: unless that is so already. Cancel: cancels all the futures and waits for them; returns OX_ECANCELED
 * (if all were done already, they keep their values). Since: 0.1
 */
OX_API OX_YIELDS int ox_gather(ox_future *const *fs, size_t n);
#define OX_GATHER(...)                                                                          \
	ox_gather((ox_future *const[]){ __VA_ARGS__ },                                          \
	          sizeof((ox_future *const[]){ __VA_ARGS__ }) / sizeof(ox_future *))

typedef enum ox_wait_mode { OX_WAIT_FIRST_DONE, OX_WAIT_FIRST_FAILURE, OX_WAIT_ALL } ox_wait_mode;

/**
 * Waits until what is said by until, or until timeout has passed; cancels nothing. Ask each future
 * afterwards.
 *
 * @timeout: OX_NEVER for no limit.
 * Returns: the number of done futures at the time of return; OX_ECANCELED (the futures go on), OX_ENOMEM.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_wait(ox_future *const *fs, size_t n, ox_wait_mode until, ox_time timeout);

/**
 * Makes a future that somebody resolves by hand: a callback, a thread (by ox_post), another coroutine.
 *
 * The group waits for it as for a task; when the group's scope is cancelled, it is done with OX_ECANCELED.
 * Returns: the future; an already failed one when g is closed or memory is short. Since: 0.1
 */
OX_API ox_future *ox_promise(ox_group *g);

/**
 * Gives a promise its status and a copy of len bytes of value.
 *
 * Returns: 0; OX_ESTATE if it is done already, or no promise; OX_ENOMEM. Threads: the loop's only. Since: 0.1
 */
OX_API int ox_promise_resolve(ox_future *f, int status, const void *value, size_t len);

OX_END

#endif
