/* SPDX-License-Identifier: MIT */
/*
 * Jobs of jobs. A job submits others to its own pool and waits for them. They are its children: counted as jobs of the
 * pool, run by any of its workers, and ended with it. A job that waits for one that nobody has begun runs it itself, on the
 * spot; so any depth works with any number of workers, one included.
 */
#ifndef OXBOW_NESTED_H
#define OXBOW_NESTED_H

#include <oxbow/job.h>

OX_BEGIN

/**
 * Submits a job of the same pool from within a job. Does not wait: what may go wrong later is the status that
 * ox_job_await() gives.
 *
 * @in, @len: the input, copied. @ret_ticket: names it, to this job alone.
 * Returns: 0; OX_ENOJOB; OX_EBUSY: 1,024 of its jobs have not been awaited; OX_ECANCELED: it was told to end; OX_ETOOBIG,
 * OX_ENOMEM. Process: a worker. Since: 0.1
 */
OX_API int ox_job_submit(ox_reply *out, const ox_job *job, const void *in, size_t len, uint64_t *ret_ticket);

/**
 * Waits for a submitted job, or runs it here if it has not begun.
 *
 * @ticket: each can be awaited once. @ret: the result, read-only, borrowed until the next call of this job that waits
 * (this one, ox_job_run(), ox_job_call()) or its end; written if 0 or more is returned. NULL if not wanted.
 * Returns: the job's status, with codes as of ox_submit(); OX_EDEPTH: 64 jobs stand in one another already; OX_ECANCELED: this
 * job was told to end; OX_EINVAL: no such ticket. Process: a worker. Since: 0.1
 */
OX_API int ox_job_await(ox_reply *out, uint64_t ticket, ox_bytes *ret);

/** Submits a job and waits for it. Returns: as the two. Process: a worker. Since: 0.1 */
OX_API int ox_job_run(ox_reply *out, const ox_job *job, const void *in, size_t len, ox_bytes *ret);

OX_END

#endif
