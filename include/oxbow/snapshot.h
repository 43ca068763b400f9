/* SPDX-License-Identifier: MIT */
/*
 * Snapshot jobs: a function that runs beside the program on the program's memory as it is at this moment. The process is
 * forked, so nothing is copied into a message: a store can be written out, an index built, a graph searched,
 * while the program goes on changing it. What it replies comes back as the result of a job does, and it is limited,
 * cancelled and reported like one. It needs no pool.
 *
 * The function has the memory and one thread, that of the call, and no descriptor of the program's but 1 and 2
 * (0 is empty). Other threads of the program are not there, but what they held at this moment is: a lock of theirs is
 * locked for ever. So the function may compute, allocate (the C library sees to that), read and write files of its own,
 * and use locks and libraries that no other thread was in. Of Oxbow's calls only ox_reply_...(), ox_job_cancelled() and
 * ox_strerror() work there; the others say OX_EFORKED.
 */
#ifndef OXBOW_SNAPSHOT_H
#define OXBOW_SNAPSHOT_H

#include <oxbow/pool.h>
#include <oxbow/sync.h>

OX_BEGIN

/**
 * A snapshot's function.
 *
 * @arg: as it was given: in the memory of that moment. @out: the reply, empty.
 * Returns: the status: 0 or more or a negative code, passed through unchanged. Process: a forked child.
 */
typedef int ox_snapshot_fn(void *arg, ox_reply *out);

typedef struct ox_snapshot_options {
	size_t size;
	const char *name;               /* static text, for reports; NULL: "snapshot" */
	ox_time timeout;                /* running longer kills it: OX_ETIMEDOUT. 0: none */
	ox_time grace;                  /* at its timeout, or when cancelled, it is told by ox_job_cancelled() and has so long to
	                                 * end; 0: killed at once */
	size_t max_result;              /* bytes; 0: 1 GiB */
	ox_limiter *limiter;            /* so many at a time. NULL: as many as ox_cpu_count() in this loop */
	int nice;                       /* added to the program's */
	size_t max_data;                /* bytes of memory that it may have more than the program has now; 0: as the program */
	size_t max_file_size;           /* bytes of a file that it writes (RLIMIT_FSIZE); 0: as the program */
	size_t max_files;               /* descriptors (RLIMIT_NOFILE); 0: as the program */
	size_t max_core;                /* bytes of a core dump; 0: none is made */
} ox_snapshot_options;
#define OX_SNAPSHOT_OPTIONS(...) (&(ox_snapshot_options){ .size = sizeof(ox_snapshot_options), __VA_ARGS__ })
OX_API void ox_snapshot_options_init(ox_snapshot_options *o);

/**
 * Forks now, runs fn(arg, reply) there, and waits for it.
 *
 * "Now" is when the limiter has let it in. Forking takes about two milliseconds for each 100 MB that the program has
 * in memory, and nothing else of the loop runs meanwhile.
 *
 * @o: NULL for the defaults. @ret: written if the status is 0 or more. Owned: ox_result_free() or OX_AUTO_RESULT. NULL if
 * not wanted.
 * Returns: the function's status; OX_ECRASHED, OX_EOOM, OX_ETIMEDOUT, OX_ETOOBIG (over max_result), OX_ENOMEM, OX_EINVAL,
 * OX_ECANCELED, OX_EFORKED, OX_ESTATE (outside a coroutine), -EAGAIN and others: it could not be forked. Cancel: it is told
 * and killed. Since: 0.1
 */
OX_API OX_YIELDS int ox_snapshot_call(ox_snapshot_fn *fn, void *arg, const ox_snapshot_options *o, ox_result **ret);

/**
 * The same as a future: when it returns, the process has been forked, and the program may change everything again.
 *
 * Returns: the future, as ox_submit(): never NULL. ox_future_crash() and ox_future_run_time() tell of it.
 * Yields: while the limiter is at its end. Since: 0.1
 */
OX_API OX_YIELDS ox_future *ox_snapshot_submit(ox_group *g, ox_snapshot_fn *fn, void *arg, const ox_snapshot_options *o);

OX_END

#endif
