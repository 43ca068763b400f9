/* SPDX-License-Identifier: MIT */
/*
 * Seeing inside a pool: how long jobs wait, run and are away, figures as a monitoring system reads them, and a trace of
 * who ran what when.
 */
#ifndef OXBOW_METRICS_H
#define OXBOW_METRICS_H

#include <oxbow/pool.h>

OX_BEGIN

#define OX_HISTOGRAM_BUCKETS 164

/**
 * Spans of time, counted in buckets that are a quarter of their lower bound wide, or 1 ns: what is read from them is
 * at most a quarter too long.
 */
typedef struct ox_histogram {
	uint64_t count;
	ox_time sum, max;               /* ns */
	uint64_t bucket[OX_HISTOGRAM_BUCKETS];  /* the last one has all that is longer than its lower bound: 32 minutes */
} ox_histogram;

/** Counts a span; one below 0 counts as 0. Since: 0.1 */
OX_API void ox_histogram_add(ox_histogram *h, ox_time span);

/** The shortest span that is counted in a bucket. @bucket: below OX_HISTOGRAM_BUCKETS. Since: 0.1 */
OX_API ox_time ox_histogram_bound(unsigned bucket);

/**
 * The span that a part of those counted did not exceed.
 *
 * @part: 0.5 for the median, 0.99, 1 for the longest. Returns: ns, at most a quarter too long; 0 if none was counted.
 * Since: 0.1
 */
OX_API ox_time ox_histogram_quantile(const ox_histogram *h, double part);

/** Times of a job that has given a result, also a negative status. */
typedef enum ox_job_time {
	OX_JOB_QUEUE,                   /* from when it was submitted, or went back to the queue to be retried, until it began */
	OX_JOB_RUN,                     /* in the worker, measured there */
	OX_JOB_ROUND_TRIP,              /* from that same moment until its result was here */
} ox_job_time;

/**
 * Copies a histogram of a pool that measures: ox_pool_options.measure.
 *
 * @job: one of the pool's. Returns: 0; OX_ENOJOB; OX_EINVAL; OX_ESTATE: the pool does not measure; OX_EFORKED.
 * Call from: the thread of the pool's loop. Since: 0.1
 */
OX_API int ox_pool_get_histogram(const ox_pool *p, const ox_job *job, ox_job_time which, ox_histogram *ret);

/**
 * Writes the figures of pools as text for Prometheus (exposition format 0.0.4): counters and gauges of ox_pool_stats,
 * labelled with the pool's name, and for pools that measure histograms and ends of each job.
 *
 * @pools: n of them, of different names. @buf: cap bytes, always ended by a NUL; NULL if cap is 0.
 * Returns: the length of the whole text, as snprintf(); what did not fit was left out. OX_EFORKED.
 * Call from: the thread of the pools' loop. Since: 0.1
 */
OX_API ssize_t ox_pool_prometheus(ox_pool *const *pools, size_t n, char *buf, size_t cap);

/**
 * Begins to write a trace of the pool to a file, in the JSON array format of Chrome's trace events, which Perfetto and
 * chrome://tracing show: a track for each worker with its jobs, its births, crashes and kills. A thread writes, so the loop never
 * waits for the disk; what the thread cannot keep up with is left out and counted in the last event. The file is a JSON
 * array after each write, also if the program dies: at worst its last bytes are missing, which those programs allow.
 *
 * @path: created, or overwritten; NULL: ends the trace, as closing the pool does. @limit: bytes that the file may have; 0:
 * 64 MiB. Returns: 0; OX_EBUSY: there is a trace; OX_ENOMEM; OX_EFORKED; -errno, -ESPIPE for a file that is none.
 * Call from: the thread of the pool's loop. Since: 0.1
 */
OX_API int ox_pool_trace(ox_pool *p, const char *path, size_t limit);

OX_END

#endif
