/* SPDX-License-Identifier: MIT */
/* What a pool measures of its jobs, and its trace: the calls of the pool's own files. */
#ifndef OXBOW_POOL_MEASURE_H
#define OXBOW_POOL_MEASURE_H

#include <oxbow/metrics.h>

enum { OXI_JOB_TIMES = OX_JOB_ROUND_TRIP + 1 };

struct oxi_measured {
	ox_histogram time[OXI_JOB_TIMES];
	uint64_t done, failed, cancelled;
};

/* One a kind; NULL without memory. */
struct oxi_measured *oxi_measured_new(unsigned kinds);

/* A result that has come: when the job entered the queue, began and how long it ran (both as the worker says), and now. */
struct oxi_times {
	ox_time queued, begun, run, now;
};
void oxi_measured_add(struct oxi_measured *m, const struct oxi_times *t);

/* ---- the trace ---- */

struct oxi_trace;

/* A job's time in a worker. status: of the job; signal: that killed it, or -1: it returned. */
struct oxi_trace_job {
	const char *name;
	unsigned slot;
	ox_time begun, run;
	int status;
	size_t result_len;
};
void oxi_trace_job(struct oxi_trace *t, const struct oxi_trace_job *job);
/* Something that happened: "spawned", "crashed"; pid and signal may be 0. slot: UINT_MAX: to none in particular. */
void oxi_trace_event(struct oxi_trace *t, const char *name, unsigned slot, pid_t pid, int signal);
void oxi_trace_close(struct oxi_trace *t);      /* writes what there is; takes NULL */

#endif
