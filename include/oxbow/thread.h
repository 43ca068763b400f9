/* SPDX-License-Identifier: MIT */
/*
 * Threads, for C that blocks: a call runs in a thread of its own while other coroutines go on, and its caller
 * waits for the result. The threads are the library's, shared by all loops of the process: made when needed,
 * kept for a few seconds, gone when the last loop ends.
 *
 * CPU-bound work belongs into a pool of processes (pool.h): a job can be killed, a thread cannot.
 */
#ifndef OXBOW_THREAD_H
#define OXBOW_THREAD_H

#include <oxbow/sync.h>

OX_BEGIN

typedef struct ox_thread_options {
	size_t size;
	/*
	 * What becomes of a call whose caller is cancelled. NULL: the caller waits until fn has ended.
	 * Otherwise it leaves at once with OX_ECANCELED, and fn goes on alone; abandoned(arg, result) then
	 * frees, in fn's thread, what both had.
	 */
	void (*abandoned)(void *arg, void *result);
	/*
	 * NULL: at most 64 calls run at a time in the process. Otherwise as many as this one has tokens for,
	 * whatever else runs. The token comes back when fn has ended, also in an abandoned call, and the
	 * limiter is not freed before, or after the run.
	 */
	ox_limiter *limiter;
} ox_thread_options;
#define OX_THREAD_OPTIONS(...) (&(ox_thread_options){ .size = sizeof(ox_thread_options), __VA_ARGS__ })
OX_API void ox_thread_options_init(ox_thread_options *o);

/**
 * Calls fn(arg) in a thread and waits for its result.
 *
 * fn has a big stack (8 MiB) and all signals but those of crashes blocked. It must not call anything of this
 * library but what says "Threads: any", and has to return: there is no way to end it. At most 64 such calls
 * run at a time in the process, further ones wait in order.
 *
 * @arg: fn's until the call has returned. @ret: what fn returned; NULL if not wanted.
 * Returns: 0; OX_ECANCELED: fn was not called, and will not be; OX_ENOMEM, -EAGAIN (no more threads),
 * OX_ESTATE, OX_EFORKED.
 * Yields: always. Cancel: a call that has not begun is taken back; once it has, this returns when fn has, and
 * 0. Since: 0.1
 */
OX_API OX_YIELDS int ox_thread_call(void *(*fn)(void *arg), void *arg, void **ret);

/**
 * The same with options.
 *
 * With .abandoned, OX_ECANCELED says that arg was given away: abandoned(arg, result) is called once in any
 * case, after fn has returned, or at once with a NULL result if fn never began. After every other result arg
 * is the caller's again. An abandoned call does not keep ox_run() from returning; it then goes on until fn
 * ends or the process does.
 *
 * @o: NULL for the defaults.
 * Returns: as ox_thread_call(). Since: 0.1
 */
OX_API OX_YIELDS int ox_thread_call_with(void *(*fn)(void *arg), void *arg, const ox_thread_options *o, void **ret);

/**
 * Calls fn(arg) at once on the thread's own stack (8 MiB, usually), and returns what it returns: for C that
 * needs more stack than a coroutine has, and does not block. Nothing else of the loop runs meanwhile, and fn
 * must not yield (OX_ESTATE). Costs two switches.
 *
 * Call from: a coroutine; elsewhere it is a plain call. Threads: any. Since: 0.1
 */
OX_API void *ox_run_on_big_stack(void *(*fn)(void *arg), void *arg);

OX_END

#endif
