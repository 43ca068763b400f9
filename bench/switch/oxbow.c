/* SPDX-License-Identifier: MIT */
/* N yields through the run queue between two coroutines. A bare switch is no public call. */
#include "bench/oxbow.h"

static long n;

static int yield_half(void *arg)
{
	(void)arg;
	for (long i = 0; i < n / 2; i++)
		if (ox_yield() < 0)
			return OX_ECANCELED;
	return 0;
}

static int main_co(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	uint64_t start = now_ns();

	ox_spawn(g, yield_half, arg);
	int r = yield_half(arg);
	if (r == 0)
		r = ox_group_join(g);
	if (r == 0)
		emit("yield", (double)(now_ns() - start) / (double)n, "ns");
	return r;
}

int bench_switch(char **args)
{
	n = number(args, 0);
	return run(main_co, NULL);
}
