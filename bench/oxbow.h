/* SPDX-License-Identifier: MIT */
/* What the parts of oxbow-bench share: a workload is a function of the words after its name, with an exit status. */
#ifndef BENCH_OXBOW_H
#define BENCH_OXBOW_H

#include <oxbow/oxbow.h>

#include "bench.h"

typedef int workload(char **args);      /* args: ended by NULL */
workload bench_batch, bench_child, bench_crawl, bench_echo, bench_file, bench_idle, bench_pool_cpu, bench_pool_fault,
	bench_pool_in_place, bench_pool_large, bench_pool_rtt, bench_pool_small, bench_spawn, bench_spawn_join, bench_switch, bench_sync, bench_ticker, bench_timers,
	bench_tls;

/* The i-th word as a number. */
static inline long number(char **args, int i)
{
	return atol(args[i]);
}

/* Runs a coroutine; an exit status. */
static inline int run(ox_coro *fn, void *arg)
{
	int r = ox_run(fn, arg, NULL);

	if (r < 0)
		fprintf(stderr, "oxbow-bench: %s\n", ox_strerror(r));
	return r < 0;
}

/* The same with a pool that is open around it. */
static inline int run_with_pool(ox_coro *fn, void *arg, ox_pool **pool, const ox_pool_options *o)
{
	int r = ox_pool_open(o, pool);

	if (r < 0) {
		fprintf(stderr, "oxbow-bench: the pool: %s\n", ox_strerror(r));
		return 1;
	}
	r = run(fn, arg);
	ox_pool_close(*pool);
	return r;
}

#endif
