/* SPDX-License-Identifier: MIT */
/*
 * Scopes: cancellation is a state of a scope, not an event. Inside a cancelled scope every yielding call
 * fails with OX_ECANCELED until the scope is left. A timeout, a group's failure, ox_future_cancel() and
 * Ctrl-C all cancel a scope with a cause; the first cause is kept. A scope lives in the caller's frame and is
 * left in the reverse order of entry.
 *
 *	ox_scope s;
 *	ox_scope_enter(&s, OX_SEC(2));
 *	int r = fetch(...);
 *	r = ox_scope_leave(&s, r);              // OX_ETIMEDOUT if this scope's time ran out
 */
#ifndef OXBOW_SCOPE_H
#define OXBOW_SCOPE_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_scope {
	union {
		uint64_t words[24];
		void *align;
	} private_;
} ox_scope;

typedef enum ox_cause {
	OX_CAUSE_NONE,                  /* not cancelled */
	OX_CAUSE_CANCEL,                /* ox_scope_cancel, ox_group_cancel, ox_future_cancel */
	OX_CAUSE_TIMEOUT,               /* a deadline passed */
	OX_CAUSE_FAILURE,               /* another member of a fail-fast group failed */
	OX_CAUSE_CLOSE,                 /* the group is being closed */
	OX_CAUSE_INTERRUPT,             /* Ctrl-C: SIGINT came, see ox_run() */
	OX_CAUSE_DEADLOCK,              /* nothing could run any more */
} ox_cause;

/**
 * Enters a scope that is cancelled after timeout.
 *
 * @s: uninitialised memory in the caller's frame. @timeout: OX_NEVER for none; 0 or less: cancelled from the
 * start.
 * Call from: a coroutine. Since: 0.1
 */
OX_API void ox_scope_enter(ox_scope *s, ox_time timeout);

/**
 * Enters a scope that cancellation from outside does not reach, for clean-up that must await something.
 *
 * @limit: how long at most, as the timeout of ox_scope_enter(): give one. Its own cancel and limit still
 * work.
 * Since: 0.1
 */
OX_API void ox_scope_shield(ox_scope *s, ox_time limit);

/** Ends the shield of a shielded scope: from now on cancellation from outside reaches in. Since: 0.1 */
OX_API void ox_scope_unshield(ox_scope *s);

/**
 * Leaves the scope.
 *
 * @r: the result of the code inside.
 * Returns: r; but OX_ETIMEDOUT if r is OX_ECANCELED and it was this scope's own deadline and nothing around
 * it that cancelled; OX_ECANCELED stays if this scope was cancelled by hand. Since: 0.1
 */
OX_API int ox_scope_leave(ox_scope *s, int r);

/** Cancels the scope and all inside it. Call from: anywhere in the loop's thread while it is entered. Since: 0.1 */
OX_API void ox_scope_cancel(ox_scope *s);

/** True once the scope's own deadline has passed, also after it was left. Since: 0.1 */
OX_API bool ox_scope_expired(const ox_scope *s);

/** The scope's own deadline; OX_NEVER if it has none. Since: 0.1 */
OX_API ox_time ox_scope_deadline(const ox_scope *s);

/**
 * Moves the scope's own deadline.
 *
 * @at: a point of time, OX_NEVER for none. Returns: 0; OX_ESTATE if it has expired, was cancelled or left.
 * Since: 0.1
 */
OX_API int ox_scope_reschedule(ox_scope *s, ox_time at);

/** True if the calling coroutine is inside a cancelled scope. Since: 0.1 */
OX_API bool ox_cancelled(void);

/** Why: the first cause of that. Since: 0.1 */
OX_API ox_cause ox_cancel_cause(void);

/**
 * The deadline that binds the calling coroutine: the minimum of its scopes' up to the nearest shield;
 * INT64_MIN once cancelled; OX_NEVER if there is none. Since: 0.1
 */
OX_API ox_time ox_deadline(void);

OX_END

#endif
