/* SPDX-License-Identifier: MIT */
/*
 * Callbacks: functions of the main process that a job calls from its worker. One runs there as a coroutine, so it may
 * fetch, query and sleep with all of Oxbow's calls, and its answer comes back to the job, which waits.
 */
#ifndef OXBOW_CALLBACK_H
#define OXBOW_CALLBACK_H

#include <oxbow/job.h>

OX_BEGIN

/** Where a callback writes its answer. */
typedef struct ox_answer ox_answer;

/**
 * A callback's function, run as a coroutine in the scope of the group that the job belongs to (of the main coroutine, for
 * a job of ox_call()). It is cancelled when its job ends in any way, and that job's future waits for its end.
 *
 * @arg: call_arg of the pool. @in, @len: from the job, 16-byte aligned, valid until it returns. @out: the answer, empty.
 * Returns: what ox_job_call() returns: 0 or more with the answer, or a negative code. Process: the main one. May yield.
 */
typedef int ox_callback_fn(void *arg, const void *in, size_t len, ox_answer *out);

/** What the pool knows of a callback. Define it once, const and static: OX_CALLBACK(fetch_call, fetch, .limit = 8); */
typedef struct ox_callback {
	size_t size;
	const char *name;
	ox_callback_fn *fn;
	unsigned limit;                 /* run at a time, the others wait in turn; 0: any number (each worker waits for one) */
	size_t stack_size;              /* of the coroutine, as of ox_spawn_options; 0: the default */
} ox_callback;
#define OX_CALLBACK(name_, fn_, ...) \
	const ox_callback name_ = { .size = sizeof(ox_callback), .name = #name_, .fn = (fn_), __VA_ARGS__ }
#define OX_CALLS(...) ((const ox_callback *const[]){ __VA_ARGS__, NULL })

/**
 * Calls a function of the main process and waits for its answer.
 *
 * @call: one of the pool's .calls. @ret: the answer, read-only, 16-byte aligned, borrowed until the next call of the job that
 * waits (this one, ox_job_await(), ox_job_run()) or its end; written if 0 or more is returned. NULL if not wanted.
 * Returns: what the function returned; OX_ENOJOB: not one of the pool's; OX_ECANCELED: the job was told to end; OX_ECLOSED,
 * OX_ENOMEM, OX_ETOOBIG (@len over the limit of the job's result). Process: a worker. Since: 0.1
 */
OX_API int ox_job_call(ox_reply *out, const ox_callback *call, const void *in, size_t len, ox_bytes *ret);

/**
 * Appends bytes to the answer.
 *
 * Returns: 0; OX_ENOMEM, which is also what the job gets if the function returns 0 or more. Call from: the callback's
 * function. Since: 0.1
 */
OX_API int ox_answer_write(ox_answer *out, const void *data, size_t len);

OX_END

#endif
