/* SPDX-License-Identifier: MIT */
/*
 * oxbow-bench WORKLOAD ARG...: Oxbow's side of the benchmarks, on the installed headers only. BASELINE.md's last section says what
 * each workload does and prints; its source lies in the workload's folder, beside the peers. pool-rtt, pool-fault and ticker are for ./gates.
 */
#include "bench/oxbow.h"

static const struct {
	const char *name, *args;
	int least;                      /* words needed */
	workload *fn;
} workloads[] = {
	{ "switch", "N", 1, bench_switch },
	{ "spawn", "N ALIVE", 2, bench_spawn },
	{ "spawn-join", "N", 1, bench_spawn_join },
	{ "file", "N", 1, bench_file },
	{ "child", "N", 1, bench_child },
	{ "sync", "N", 1, bench_sync },
	{ "idle", "N [STACK_KIB]", 1, bench_idle },
	{ "timers", "N", 1, bench_timers },
	{ "tls", "CERT.pem", 1, bench_tls },
	{ "echo", "PORT SIZE", 1, bench_echo },
	{ "pool-small", "N WORKERS", 2, bench_pool_small },
	{ "pool-rtt", "N WORKERS", 2, bench_pool_rtt },
	{ "pool-large", "LABEL SIZE COUNT", 3, bench_pool_large },
	{ "pool-in-place", "LABEL SIZE COUNT", 3, bench_pool_in_place },
	{ "pool-fault", "N", 1, bench_pool_fault },
	{ "pool-cpu", "N ITERATIONS WORKERS", 3, bench_pool_cpu },
	{ "ticker", "SECONDS WORKERS", 2, bench_ticker },
	{ "batch", "J [--shell TEXT | CMD...]", 2, bench_batch },
	{ "crawl", "URL CONNECTIONS WORKERS", 3, bench_crawl },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (argc > 1 && strcmp(argv[1], workloads[i].name) == 0 && argc - 2 >= workloads[i].least)
			return workloads[i].fn(argv + 2);
	fputs("usage: oxbow-bench WORKLOAD ARG...\n", stderr);
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		fprintf(stderr, "  %s %s\n", workloads[i].name, workloads[i].args);
	return 2;
}
