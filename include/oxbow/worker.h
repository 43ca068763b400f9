/* SPDX-License-Identifier: MIT */
/*
 * Working for a pool on another machine. A pool that listens (ox_pool_options.listen) writes a join file; a program that
 * has the file and knows the pool's jobs by name joins it, and runs them in processes of its own. It can be the same
 * program, another one, or `oxbow worker` with a plugin.
 *
 *	int main(void)
 *	{
 *		return ox_worker_join("join", OX_JOBS(&score_job)) < 0;
 *	}
 *
 * The connection is encrypted and both ends prove themselves by the keys in the file: who can read it may join.
 */
#ifndef OXBOW_WORKER_H
#define OXBOW_WORKER_H

#include <oxbow/pool.h>

OX_BEGIN

typedef struct ox_worker_options {
	size_t size;
	unsigned slots;                 /* jobs at a time, one process each; 0: ox_cpu_count() */
	int (*worker_init)(void *arg);  /* as of ox_pool_options, in each of the processes */
	void (*worker_fini)(void *arg);
	void *worker_arg;
	ox_time until;                  /* takes no more jobs after so long, and ends with those it has; 0: never */
	ox_time idle;                   /* the same when it had no job for so long, connected or not; 0: never */
	bool keep_signals;              /* leave SIGINT and SIGTERM alone. Else the first SIGINT has it end with the jobs it
	                                 * has, a second one and SIGTERM at once */
} ox_worker_options;
#define OX_WORKER_OPTIONS(...) (&(ox_worker_options){ .size = sizeof(ox_worker_options), __VA_ARGS__ })
OX_API void ox_worker_options_init(ox_worker_options *o);

/**
 * Joins a pool and works for it until the pool is closed.
 *
 * Runs a loop of its own. What cannot be reached, or is lost, is tried again, with pauses up to 2 s; the file is read anew
 * each time, so that a pool which was started again under the same name gets its hosts back. When the connection is
 * lost the jobs that run are killed: the pool gives them to others. A job whose result was on its way at that moment
 * may so run twice; its future still resolves once.
 *
 * @file: the join file. @jobs: what this program can do, as for the pool: names are compared, functions are this
 * program's own; timeouts, retries and the like are the pool's. There may be more than the pool has.
 * Returns: 0: the pool was closed, or SIGINT, until or idle ended it. OX_EPROTO: the file is not one (what is wrong is
 * told the log hook); OX_EAUTH: the pool does not accept the file's key; OX_EVERSION: another version of the library or
 * protocol; OX_ENOJOB: the pool has a job that is not among jobs; OX_EINIT: no worker could be set up; OX_ECANCELED:
 * SIGTERM, or the second SIGINT; OX_EINVAL, OX_ESTATE (inside of a loop, or threads and no spawner: see
 * ox_pool_prepare()), OX_ENOMEM, OX_EFORKED, -errno.
 * Call from: an ordinary thread, in a program that has one thread. After fork: no. Since: 0.1
 */
OX_API int ox_worker_join(const char *file, const ox_job *const *jobs);

/** The same with options; NULL: all defaults. Since: 0.1 */
OX_API int ox_worker_join_with(const char *file, const ox_job *const *jobs, const ox_worker_options *o);

OX_END

#endif
