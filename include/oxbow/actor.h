/* SPDX-License-Identifier: MIT */
/*
 * Actors: objects that live in a worker process of a pool, and are called there. What is dear to make or to move (a model, a
 * connection, a table) is made once and stays; calls carry only what changes.
 *
 * An actor is made by its constructor, in one worker, from the bytes given to ox_actor_open(). Its calls run there one at a
 * time, in the order in which they were submitted; each is a future like any job. When the worker dies the object is gone,
 * and a policy says what becomes of the actor.
 */
#ifndef OXBOW_ACTOR_H
#define OXBOW_ACTOR_H

#include <oxbow/pool.h>

OX_BEGIN

typedef struct ox_actor ox_actor;

/**
 * Makes the object of an actor.
 *
 * @in, @len: what was given to ox_actor_open(), read-only, valid until it returns. @ret_self: NULL before.
 * Returns: 0 or more; a negative code: there is no object. Process: a worker.
 */
typedef int ox_construct_fn(const void *in, size_t len, void **ret_self);

/** Ends an object. Not called when its worker dies. Process: a worker. */
typedef void ox_destruct_fn(void *self);

/**
 * A call: a job that gets the object.
 *
 * Returns: as a job's function. Process: the actor's worker.
 */
typedef int ox_method_fn(void *self, const void *in, size_t len, ox_reply *out);

/** What can be called. Define it once, const and static: OX_METHOD(add_method, add, .timeout = OX_SEC(1)); */
typedef struct ox_method {
	size_t size;
	const char *name;
	ox_method_fn *fn;
	ox_time timeout;                /* running longer (and grace) kills the worker, and so the object: OX_ETIMEDOUT. 0: none */
	ox_time grace;                  /* as a job's */
	ox_on_cancel on_cancel;         /* OX_ABANDON: a running call that is cancelled runs out, and the object lives */
	size_t max_result;              /* bytes; 0: the pool's */
} ox_method;
#define OX_METHOD(name_, fn_, ...) \
	const ox_method name_ = { .size = sizeof(ox_method), .name = #name_, .fn = (fn_), __VA_ARGS__ }
#define OX_METHODS(...) ((const ox_method *const[]){ __VA_ARGS__, NULL })

/** A kind of actor: OX_ACTOR_TYPE(counter, counter_new, counter_free, .methods = OX_METHODS(&add_method)); */
typedef struct ox_actor_type {
	size_t size;
	const char *name;
	ox_construct_fn *construct;
	ox_destruct_fn *destruct;       /* NULL: nothing is to be done */
	const ox_method *const *methods;        /* NULL-terminated */
	ox_time timeout;                /* of the constructor, and of the destructor: longer kills the worker. 0: none */
} ox_actor_type;
#define OX_ACTOR_TYPE(name_, construct_, destruct_, ...)                                        \
	const ox_actor_type name_ = { .size = sizeof(ox_actor_type), .name = #name_,            \
	                              .construct = (construct_), .destruct = (destruct_), __VA_ARGS__ }

/** What becomes of an actor when its worker dies. The call that ran fails in any case (OX_ECRASHED), and is not repeated. */
typedef enum ox_actor_policy {
	OX_ACTOR_FAIL,                  /* it has failed: all other calls get OX_ELOST until it is closed */
	OX_ACTOR_RESTART,               /* it is made anew from what it was given, in a new worker; the other calls go on, in order */
} ox_actor_policy;

typedef struct ox_actor_options {
	size_t size;
	ox_actor_policy policy;
	unsigned max_restarts;          /* within window; one more, and it has failed. At most 1,000. 0: 3 */
	ox_time window;                 /* 0: 60 s; OX_NEVER: its whole life */
	bool dedicated;                 /* its worker has no other actor and runs no jobs */
	int *ret_init;                  /* where the constructor's code is written when OX_EINIT is returned; NULL: not wanted */
} ox_actor_options;
#define OX_ACTOR_OPTIONS(...) (&(ox_actor_options){ .size = sizeof(ox_actor_options), __VA_ARGS__ })
OX_API void ox_actor_options_init(ox_actor_options *o);

/**
 * Opens an actor in the worker that has the fewest, and waits until its constructor has returned.
 *
 * @type: one of the pool's. @in, @len: given to the constructor, copied; kept for restarts. @o: NULL is all defaults.
 * @ret: owned: ox_actor_close().
 * Returns: 0; OX_EINIT: the constructor returned a negative code, crashed or timed out; OX_EBUSY: with dedicated actors, no
 * worker is left for it; OX_ENOJOB, OX_ECLOSED, OX_ETOOBIG, OX_EINVAL, OX_ENOMEM, OX_ECANCELED.
 * Yields: always. Cancel: ends the constructor, by killing the worker if it runs. Since: 0.1
 */
OX_API OX_YIELDS int ox_actor_open(ox_pool *p, const ox_actor_type *type, const void *in, size_t len,
                                   const ox_actor_options *o, ox_actor **ret);

/**
 * Ends the actor: calls that have not begun fail with OX_ECLOSED, the one that runs runs out, then the destructor runs.
 * Comes before or after the end of the pool, which ends actors too. Takes NULL.
 *
 * Returns: 0; OX_ECRASHED, OX_ETIMEDOUT: the destructor was. Call from: a coroutine, or outside of a loop, where it blocks
 * instead of yielding. Cancel: no. Since: 0.1
 */
OX_API OX_YIELDS int ox_actor_close(ox_actor *a);
static inline void ox_actor_auto_(ox_actor **a) { ox_actor_close(*a); }
#define OX_AUTO_ACTOR __attribute__((cleanup(ox_actor_auto_))) ox_actor

/**
 * Submits a call, as ox_submit() a job.
 *
 * Returns: the future, never NULL. Its failures are a job's and those of the actor's end: OX_ELOST (its worker has died, and
 * the policy was to fail, or it has died too often), OX_EINIT (it could not be made anew), OX_ECLOSED.
 * Yields: as ox_submit(). Since: 0.1
 */
OX_API OX_YIELDS ox_future *ox_actor_submit(ox_group *g, ox_actor *a, const ox_method *m, const void *in, size_t len);

/** Calls and waits, as ox_call(). Since: 0.1 */
OX_API OX_YIELDS int ox_actor_call(ox_actor *a, const ox_method *m, const void *in, size_t len, ox_result **ret);

typedef struct ox_actor_info {
	size_t size;
	int status;                     /* 0: it takes calls; else the code that they get */
	int init_status;                /* of the constructor that ran last */
	unsigned restarts;              /* in its life */
	pid_t pid;                      /* of its worker; 0: it has none at the moment */
} ox_actor_info;

/** Fills in *ret; set ret->size first. Returns: 0; OX_EINVAL. Since: 0.1 */
OX_API int ox_actor_get_info(const ox_actor *a, ox_actor_info *ret);

OX_END

#endif
