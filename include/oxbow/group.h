/* SPDX-License-Identifier: MIT */
/*
 * Groups own tasks, jobs and promises: what is started in a group has ended when the group is closed. A group
 * is opened and closed by one coroutine, innermost first, and the code between is inside the group's scope:
 * it is cancelled with its tasks.
 *
 * Default policy: the first failure (a negative status that is not OX_ECANCELED) cancels the rest and the
 * body, and is what ox_group_join() returns. With .policy = OX_COLLECT each error belongs to whoever asks its
 * future.
 */
#ifndef OXBOW_GROUP_H
#define OXBOW_GROUP_H

#include <oxbow/future.h>
#include <oxbow/run.h>

OX_BEGIN

typedef enum ox_group_policy { OX_FAIL_FAST, OX_COLLECT } ox_group_policy;

typedef struct ox_group_options {
	size_t size;
	ox_group_policy policy;
	bool reap;                      /* free each future as it ends: for connection handlers. Do not keep pointers;
	                                 * one that is done when it is returned can be looked at until the next such one */
	const char *name;               /* static text, for reports */
} ox_group_options;
#define OX_GROUP_OPTIONS(...) (&(ox_group_options){ .size = sizeof(ox_group_options), __VA_ARGS__ })
OX_API void ox_group_options_init(ox_group_options *o);

/**
 * Opens a group in the calling coroutine.
 *
 * Returns: owned: ox_group_close() or OX_AUTO_GROUP; NULL without memory or outside a coroutine (calls that
 * take a group answer OX_ENOMEM to NULL, by a failed future). Since: 0.1
 */
OX_API ox_group *ox_group_open(void);
OX_API ox_group *ox_group_open_with(const ox_group_options *o);

/**
 * Cancels what still runs in the group, waits for it, and frees the group with all its futures. Takes NULL.
 *
 * Call from: the coroutine that opened it, innermost group or scope first. Yields: unless nothing runs.
 * Cancel: does not stop the waiting (what it waits for is cancelled already). Since: 0.1
 */
OX_API OX_YIELDS void ox_group_close(ox_group *g);
static inline void ox_group_auto_(ox_group **g) { ox_group_close(*g); }
#define OX_AUTO_GROUP __attribute__((cleanup(ox_group_auto_))) ox_group

/**
 * Waits until everything in the group has ended. Tasks may spawn more meanwhile, and so may the caller
 * afterwards.
 *
 * Returns: 0; the first failure (fail-fast groups); OX_ECANCELED when the caller was cancelled.
 * Cancel: reaches the tasks too; the call returns once they have ended. Since: 0.1
 */
OX_API OX_YIELDS int ox_group_join(ox_group *g);

/**
 * Gives the futures of the group one by one, in the order in which they end.
 *
 * @ret_done: borrowed until the next call on this group, which frees it: a stream of a million tasks takes
 * constant memory. Futures given here must not be used afterwards.
 * Returns: 1 with a future; 0 when nothing is left; OX_ECANCELED (only if none is done), OX_EBUSY (another
 * coroutine waits here), OX_ENOMEM for a NULL group.
 * Yields: unless one is done. Cancel: the tasks go on, unless it is the group that was cancelled. Since: 0.1
 */
OX_API OX_YIELDS int ox_group_next(ox_group *g, ox_future **ret_done);

/** Cancels the group's scope: its tasks, jobs, promises, and its body until it is closed. Since: 0.1 */
OX_API void ox_group_cancel(ox_group *g);

/** The i-th failure of the group in time, i from 0 (the first is what join returns); 0 when there are fewer. Since: 0.1 */
OX_API int ox_group_error(const ox_group *g, size_t i);

/** How many tasks, jobs and promises of the group have not ended. Since: 0.1 */
OX_API size_t ox_group_pending(const ox_group *g);

typedef struct ox_spawn_options {
	size_t size;
	const char *name;               /* static text; 0: the function's name, if spawned by the macro */
	const char *site;               /* static text: OX_SITE */
	size_t stack_size;              /* bytes: 64 KiB, 256 KiB (default) or 1 MiB; others are rounded up */
} ox_spawn_options;
#define OX_SPAWN_OPTIONS(...) (&(ox_spawn_options){ .size = sizeof(ox_spawn_options), __VA_ARGS__ })
OX_API void ox_spawn_options_init(ox_spawn_options *o);

/**
 * Starts fn(arg) as a task of g. It runs for the first time in the next turn, in the order spawned.
 *
 * It always starts, in a cancelled group too, where its first await fails: so arg always changes hands.
 * Returns: the task's future, borrowed until the group closes; never NULL: what goes wrong is an already
 * failed future (OX_ESTATE: the group is closed; OX_ENOMEM: and fn will not run, arg stays the caller's).
 * Call from: a coroutine or a posted function. Threads: the loop's only. Since: 0.1
 */
OX_API ox_future *ox_spawn(ox_group *g, ox_coro *fn, void *arg);
OX_API ox_future *ox_spawn_with(ox_group *g, ox_coro *fn, void *arg, const ox_spawn_options *o);
#ifndef __cplusplus             /* C++ calls the function: its task has no name */
#define ox_spawn(g, fn, arg) ox_spawn_with((g), (fn), (arg), OX_SPAWN_OPTIONS(.name = #fn, .site = OX_SITE))
#endif

/**
 * Starts fn(arg) as a task of g and waits until it calls ox_started(), or ends: for what must be ready before the
 * caller goes on, a server that listens for instance.
 *
 * @ret_started: the value given to ox_started(), written only if it was called; NULL if not wanted.
 * Returns: the task's future, as ox_spawn(). If it is done without ox_started() having been called, the start has
 * failed and its status says why (OX_ESTATE for a task that returned 0 or more); such a failure is the caller's to
 * handle and does not fail the group. The group stays open while a start is pending.
 * Yields: always. Cancel: cancels the task and waits until it has ended, or has started. Since: 0.1
 */
OX_API OX_YIELDS ox_future *ox_group_start(ox_group *g, ox_coro *fn, void *arg, void **ret_started);
OX_API OX_YIELDS ox_future *ox_group_start_with(ox_group *g, ox_coro *fn, void *arg, void **ret_started,
                                                const ox_spawn_options *o);
#ifndef __cplusplus
#define ox_group_start(g, fn, arg, ret_started)                                                 \
	ox_group_start_with((g), (fn), (arg), (ret_started), OX_SPAWN_OPTIONS(.name = #fn, .site = OX_SITE))
#endif

/**
 * Says that the calling task is ready: ox_group_start() returns with value, and the task goes on.
 *
 * Returns: 0; OX_ESTATE if nobody waits for that (the task was only spawned, or has said so before). Since: 0.1
 */
OX_API int ox_started(void *value);

OX_END

#endif
