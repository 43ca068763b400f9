/* SPDX-License-Identifier: MIT */
/* N parked coroutines: what one costs. STACK_KIB is its stack's class, 64 if not given; each has a guard below it. */
#include "bench/oxbow.h"

static long n, parked;
static size_t stack;

static int park_at(void *gate)
{
	volatile char frame[256];       /* a little live state, as the peers have */

	frame[0] = 1;
	parked++;
	int r = ox_await(gate);
	return r < 0 ? r : frame[0] - 1;
}

static long mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	long lines = 0;

	for (int c; f && (c = getc(f)) != EOF;)
		lines += c == '\n';
	if (f)
		fclose(f);
	return lines;
}

static int main_co(void *arg)
{
	OX_AUTO_GROUP *gates = ox_group_open();
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *gate = ox_promise(gates);
	double rss = status_bytes("VmRSS:"), pte = status_bytes("VmPTE:");
	long maps = mappings();

	(void)arg;
	for (long i = 0; i < n; i++) {
		ox_future *f = ox_spawn_with(g, park_at, gate, OX_SPAWN_OPTIONS(.stack_size = stack));
		if (ox_future_done(f))
			break;
	}
	ox_yield();
	emit("reached", (double)parked, "coroutines");
	emit("rss", (status_bytes("VmRSS:") - rss) / (double)parked, "B");
	emit("pagetables", (status_bytes("VmPTE:") - pte) / (double)parked, "B");
	emit("mappings", (double)(mappings() - maps), "count");
	ox_promise_resolve(gate, 0, NULL, 0);
	return ox_group_join(g);
}

int bench_idle(char **args)
{
	n = number(args, 0);
	stack = OX_KIB(args[1] ? number(args, 1) : 64);
	return run(main_co, NULL) || parked != n;
}
