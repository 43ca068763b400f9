/* SPDX-License-Identifier: MIT */
/*
 * Data for all workers of a pool: a model, a dictionary, a configuration. One copy of it lies in memory that every
 * worker sees, also one that is started later; a job is told its number in its input, and finds it there.
 *
 *	OX_AUTO_SHARED *model = ox_shared_new(pool, bytes, len);
 *	struct query q = { .model = ox_shared_id(model), ... };
 *	ox_call(pool, &score_job, &q, sizeof q, &result);       // in the job: ox_job_shared(out, q->model)
 *
 * It can be replaced while jobs run: each job sees one version from its beginning to its end, the same of all the
 * shared data of its pool. What no job can see any more is freed.
 */
#ifndef OXBOW_SHARED_H
#define OXBOW_SHARED_H

#include <oxbow/pool.h>

OX_BEGIN

typedef struct ox_shared ox_shared;

/**
 * Puts data where all workers of the pool can read it.
 *
 * @data, @len: copied; memory of an ox_blob or of a job's result of this pool is shared instead, and must not change
 * from then on.
 * Returns: owned: ox_shared_free(); NULL if the pool's memory (arena_bytes, then overflow_bytes) has no room for it, or
 * is closed. Threads: the pool's only. Since: 0.1
 */
OX_API ox_shared *ox_shared_new(ox_pool *p, const void *data, size_t len);

/** Its number, the same for every version, and never another's in this pool. Pass it in the input of a job. Since: 0.1 */
OX_API uint64_t ox_shared_id(const ox_shared *s);

/**
 * Replaces the data by a new version, at once and as a whole. Jobs that begin later see the new one; one that has begun
 * goes on seeing the old one, which is freed when the last of them has ended.
 *
 * Returns: 0; OX_ENOMEM: there is no room for both, and the old version stays; OX_ECLOSED: the pool is closed.
 * Threads: the pool's only. Since: 0.1
 */
OX_API int ox_shared_replace(ox_shared *s, const void *data, size_t len);

/**
 * Takes the data away: jobs that begin later do not find it. Its memory is freed when no job can see it any more. Takes
 * NULL; may come after ox_pool_close().
 *
 * Since: 0.1
 */
OX_API void ox_shared_free(ox_shared *s);
static inline void ox_shared_auto_(ox_shared **s) { ox_shared_free(*s); }
#define OX_AUTO_SHARED __attribute__((cleanup(ox_shared_auto_))) ox_shared

OX_END

#endif
