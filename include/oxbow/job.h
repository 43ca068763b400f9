/* SPDX-License-Identifier: MIT */
/*
 * Jobs: functions that run in a worker process. This header is all that a job function needs; it knows no
 * loop.
 *
 * A worker is forked from the program (by the spawner, early): it has the program's code, constants and the
 * globals as they were then, one thread, and no file of the program's but 0, 1 and 2. In it only the calls of
 * this header work.
 */
#ifndef OXBOW_JOB_H
#define OXBOW_JOB_H

#include <oxbow/base.h>

OX_BEGIN

/** Where a job function writes its result. */
typedef struct ox_reply ox_reply;

/**
 * A job's function.
 *
 * @in, @len: the input, read-only, 16-byte aligned, valid until it returns. @out: the reply, empty.
 * Returns: the job's status: 0 or more or a negative code, passed through unchanged. Process: a worker.
 */
typedef int ox_job_fn(const void *in, size_t len, ox_reply *out);

typedef enum ox_on_cancel {
	OX_KILL,                        /* cancelling a running job kills its worker, after its grace; it is replaced */
	OX_ABANDON,                     /* the job runs out, its result is dropped */
} ox_on_cancel;

/** Causes for which a job with retries is run again. */
typedef enum ox_retry {
	OX_RETRY_CRASH = 1,             /* its worker died */
	OX_RETRY_TIMEOUT = 2,           /* it was killed at its timeout; each attempt has the whole of it */
	OX_RETRY_FAILURE = 4,           /* its function returned a negative status */
} ox_retry;

/** What a job may change of its worker's process and leave behind. */
typedef enum ox_state {
	OX_STATE_CWD = 1,               /* the working directory */
	OX_STATE_UMASK = 2,
	OX_STATE_MASK = 4,              /* signals that are blocked */
	OX_STATE_SIGNALS = 8,           /* what they do */
	OX_STATE_TIMERS = 16,           /* alarm(), setitimer(), timer_create() */
	OX_STATE_LOCALE = 32,
	OX_STATE_FPU = 64,              /* rounding and exceptions */
	OX_STATE_NICE = 128,
	OX_STATE_THREADS = 256,         /* these three cannot be put back */
	OX_STATE_CHILDREN = 512,
	OX_STATE_FILES = 1024,          /* more or fewer open descriptors */
} ox_state;

/** What the pool knows of a job. Define it once, const and static: OX_JOB(score_job, score, .timeout = OX_SEC(5)); */
typedef struct ox_job {
	size_t size;
	const char *name;
	ox_job_fn *fn;
	ox_time timeout;                /* running longer (and grace) kills the worker: OX_ETIMEDOUT. 0: none */
	unsigned retries;               /* how often it is run again, for what retry_on says; at most 255. 0: a crash is its failure */
	ox_on_cancel on_cancel;
	size_t max_result;              /* bytes; 0: the pool's */
	/* The pause before a retry begins with retry_delay and doubles up to retry_max, each shortened at random by up to a half. */
	ox_time retry_delay;            /* 0: 10 ms */
	ox_time retry_max;              /* 0: 5 s */
	unsigned retry_on;              /* ox_retry, or-ed; 0: OX_RETRY_CRASH */
	/*
	 * At its timeout, or when it is cancelled, a running job is told by ox_job_cancelled() and has so long to end: then
	 * what it returns is its result. Its worker is killed after that. 0: at once.
	 */
	ox_time grace;
	unsigned crash_limit;           /* an input that has crashed so many workers is not run again: OX_EQUARANTINED. 0: any number */
	/* ox_job_emit() waits while so many parts, or bytes of them, have not been taken. */
	size_t emit_ahead;              /* 0: 64 */
	size_t emit_ahead_bytes;        /* 0: 4 MiB. One part may be larger */
} ox_job;
#define OX_JOB(name_, fn_, ...) \
	const ox_job name_ = { .size = sizeof(ox_job), .name = #name_, .fn = (fn_), __VA_ARGS__ }

/**
 * Appends bytes to the reply.
 *
 * Returns: 0; OX_ETOOBIG over the limit of the job's result; OX_ENOMEM. A failed reply fails the job with
 * that code if the function returns 0 or more. Process: a worker. Since: 0.1
 */
OX_API int ox_reply_write(ox_reply *out, const void *data, size_t len);

/**
 * Makes room for len more bytes in the reply and returns where to write them: large results are built in
 * place.
 *
 * Returns: the room, 16-byte aligned if the reply was empty, valid until the next call on out; NULL as
 * ox_reply_write() fails. What is not written there is undefined. Process: a worker. Since: 0.1
 */
OX_API void *ox_reply_reserve(ox_reply *out, size_t len);

/** Cuts the reply to its first len bytes. Since: 0.1 */
OX_API void ox_reply_truncate(ox_reply *out, size_t len);

/** The number of bytes in the reply. Since: 0.1 */
OX_API size_t ox_reply_len(const ox_reply *out);

/**
 * Asks whether the job should end: its timeout has passed, or it was cancelled or abandoned. A job with a grace
 * asks now and then; it costs a look at memory.
 *
 * @out: the job's. Returns: true from then on. Process: a worker. Since: 0.1
 */
OX_API bool ox_job_cancelled(const ox_reply *out);

/**
 * The time at which the job should have ended, on the clock of ox_now(): the nearer one of its timeout, from its beginning,
 * and the deadline that its submitter was bound to when it was sent. Its grace comes after that.
 *
 * @out: the job's. Returns: OX_NEVER if there is none. Process: a worker. Since: 0.1
 */
OX_API ox_time ox_job_deadline(const ox_reply *out);

/** How many jobs it was submitted to come after: see .after of ox_submit_with(). Process: a worker. Since: 0.1 */
OX_API size_t ox_job_dependencies(const ox_reply *out);

/**
 * What the i-th of these jobs returned and replied. A large reply lies there as that job's worker has written it.
 *
 * @ret: its bytes, read-only, 16-byte aligned, valid until the job's function returns; NULL if not wanted.
 * Returns: its status; OX_EINVAL, with nothing written, if there is no i-th. Process: a worker. Since: 0.1
 */
OX_API int ox_job_dependency(const ox_reply *out, size_t i, ox_bytes *ret);

/**
 * Gives random numbers that depend on the pool's .seed and on which job it is, in order of submission (for a job that a job
 * has submitted: on that job, and in its order), and on nothing else: each attempt gets the same ones, whichever worker runs
 * it. Not for secrets.
 *
 * Process: a worker. Since: 0.1
 */
OX_API uint64_t ox_job_random(ox_reply *out);
/** The same, in the range from 0 to 1 without 1: a multiple of 2^-53. Since: 0.1 */
OX_API double ox_job_random_double(ox_reply *out);
/** Fills len bytes with them, 8 from each number. Since: 0.1 */
OX_API void ox_job_random_bytes(ox_reply *out, void *buf, size_t len);

/**
 * Finds data that the program shares with all workers of the pool (shared.h), in the version that was current when the
 * job began.
 *
 * @id: ox_shared_id(), which came in the input. Returns: the bytes, read-only, valid until the function returns; {NULL,
 * 0} if there is no such data. Process: a worker. Since: 0.1
 */
OX_API ox_bytes ox_job_shared(const ox_reply *out, uint64_t id);

OX_END

#endif
