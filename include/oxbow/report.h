/* SPDX-License-Identifier: MIT */
/*
 * What a job says while it runs: how far it is, what it is doing, lines for the log, and parts of its result. The first two
 * are stores into shared memory, which the program looks at when it likes. Parts come in order and wait to be taken: the
 * job is held up when too many wait.
 */
#ifndef OXBOW_REPORT_H
#define OXBOW_REPORT_H

#include <oxbow/future.h>
#include <oxbow/job.h>
#include <oxbow/log.h>

OX_BEGIN

/**
 * Says how far the job is. No system call: it may be called in an inner loop.
 *
 * @done, @total: in any unit. Process: a worker. Since: 0.1
 */
OX_API void ox_job_progress(ox_reply *out, uint64_t done, uint64_t total);

/**
 * Says what the job is doing, in a few words. No system call.
 *
 * @text: UTF-8; what is beyond 103 bytes is cut off. NULL: nothing any more. Process: a worker. Since: 0.1
 */
OX_API void ox_job_note(ox_reply *out, const char *text);

/**
 * Sends a line to the log hook of the main process, where "pool NAME: job NAME (worker PID): " stands before it. It never
 * waits: beyond 1,000 lines a second, or 256 that the program has not handled yet, lines are lost, and their number is told.
 *
 * @format: as for printf(); of the line 800 bytes are sent. Process: a worker. Since: 0.1
 */
OX_API void ox_job_log(ox_reply *out, ox_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));

/**
 * Sends a part of the result; ox_emit_next() gives it out. Waits while as many parts, or bytes, as the job's emit_ahead and
 * emit_ahead_bytes say have not been taken.
 *
 * Returns: 0; OX_ECANCELED: the job was told to end, and it would have had to wait; OX_ETOOBIG: over the limit of the
 * job's result; OX_ENOMEM. Process: a worker. Since: 0.1
 */
OX_API int ox_job_emit(ox_reply *out, const void *data, size_t len);

/**
 * Gives the next part that a job has emitted.
 *
 * @f: a job's. @ret: written with 1; borrowed until the next call for f, or until f is released.
 * Returns: 1; 0: the job has ended well, and all was given; what it failed with, once all of its last attempt was given;
 * OX_ELOST while f is not done: the attempt whose parts were given so far is lost, those of the next one follow (what was not
 * given yet is dropped); OX_EBUSY: another coroutine waits here; OX_EINVAL: f is no job; OX_ECANCELED, OX_ENOMEM.
 * Yields: unless there is one. Cancel: the job goes on. Since: 0.1
 */
OX_API OX_YIELDS int ox_emit_next(ox_future *f, ox_bytes *ret);

/**
 * Reads how far a job is, as it said last: while it runs, or in what is left of it when its worker died.
 *
 * @ret_done, @ret_total: written with 1. Returns: 1; 0: it has said nothing, or does not run. Since: 0.1
 */
OX_API int ox_future_progress(const ox_future *f, uint64_t *ret_done, uint64_t *ret_total);

/**
 * Reads the note of a job, as ox_future_progress().
 *
 * @buf: gets the text, cut to cap bytes with its end; control characters are spaces. Returns: its length; 0: none. Since: 0.1
 */
OX_API size_t ox_future_note(const ox_future *f, char *buf, size_t cap);

OX_END

#endif
