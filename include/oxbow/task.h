/* SPDX-License-Identifier: MIT */
/*
 * What a task carries: values that its children inherit, and calls to be made at its end.
 */
#ifndef OXBOW_TASK_H
#define OXBOW_TASK_H

#include <oxbow/base.h>

OX_BEGIN

/**
 * A task-local variable, known by its address: make it a static one.
 *
 *	static const ox_local user = { "user" };
 *
 * Each task has its own value. A task that is spawned begins with the values that its spawner has then; what
 * either sets afterwards the other does not see.
 */
typedef struct ox_local {
	const char *name;               /* for the eye */
} ox_local;

/** The calling task's value; NULL if neither it nor one it descends from has set any, and outside of a task. Since: 0.1 */
OX_API void *ox_local_get(const ox_local *local);

/**
 * Sets the calling task's value, for itself and for the tasks that it spawns from now on.
 *
 * @value: borrowed: it must outlive all tasks that may have inherited it. NULL is as if it had never been
 * set.
 * Returns: 0; OX_ENOMEM (nothing has changed), OX_ESTATE outside of a task. Since: 0.1
 */
OX_API int ox_local_set(const ox_local *local, void *value);

/**
 * Has fn(arg) called when the calling task ends, however it ends: after its function has returned and the
 * groups that it left open are closed, last deferred first.
 *
 * fn runs as part of the task. It may yield; in a cancelled task that fails with OX_ECANCELED as anywhere,
 * unless it is inside a shield of its own: give that a limit. It may defer more. What it should see at the
 * end is not in the frame of the task's function, which is gone.
 *
 * Returns: 0; OX_ENOMEM: fn will not be called; OX_ESTATE outside of a task. Since: 0.1
 */
OX_API int ox_defer(void (*fn)(void *arg), void *arg);

OX_END

#endif
