/* SPDX-License-Identifier: MIT */
/*
 * spawn: N coroutines in groups of ALIVE; each parks at a gate that opens once its whole group exists, then ends and is joined.
 * spawn-join: N coroutines that end at once, in groups of 100: what starting and ending one costs by itself.
 */
#include "bench/oxbow.h"

static long n, alive, done;

static int wait_at(void *gate)
{
	int r = ox_await(gate);

	done++;
	return r;
}

static int one_group(ox_group *gates)
{
	ox_future *gate = ox_promise(gates), *opened;
	OX_AUTO_GROUP *g = ox_group_open();

	for (long i = 0; i < alive; i++)
		ox_spawn(g, wait_at, gate);
	ox_yield();                     /* now each of them is parked */
	ox_promise_resolve(gate, 0, NULL, 0);
	int r = ox_group_join(g);
	if (r == 0)
		r = ox_group_next(gates, &opened);      /* frees the one before */
	return r < 0 ? r : 0;
}

static int main_co(void *arg)
{
	OX_AUTO_GROUP *gates = ox_group_open();
	uint64_t start = now_ns();

	(void)arg;
	while (done < n / alive * alive) {
		int r = one_group(gates);
		if (r < 0)
			return r;
	}
	emit("spawn", (double)done / ((double)(now_ns() - start) / 1e9), "1/s");
	return 0;
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int join_all(void *arg)
{
	uint64_t start = now_ns();

	(void)arg;
	for (long i = 0; i < n / 100; i++) {
		OX_AUTO_GROUP *g = ox_group_open();

		for (int k = 0; k < 100; k++)
			ox_spawn(g, nothing, NULL);
		int r = ox_group_join(g);
		if (r < 0)
			return r;
	}
	emit("spawn-join", (double)(now_ns() - start) / (double)(n / 100 * 100), "ns");
	return 0;
}

int bench_spawn_join(char **args)
{
	n = number(args, 0);
	return run(join_all, NULL);
}

int bench_spawn(char **args)
{
	n = number(args, 0);
	alive = number(args, 1);
	return run(main_co, NULL);
}
