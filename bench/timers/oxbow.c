/* SPDX-License-Identifier: MIT */
/* N coroutines that each sleep until a point of time drawn from the first second. */
#include "bench/oxbow.h"

static long n, fired;
static ox_time start;
static uint64_t *late;

static int sleeper(void *due_us)
{
	ox_time due = start + OX_US((intptr_t)due_us);
	int r = ox_sleep_until(due);

	late[fired++] = (uint64_t)(ox_now() - due);
	return r;
}

static int main_co(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	uint32_t seed = 42;
	double cpu = cpu_s();
	long waits = switches();

	(void)arg;
	start = ox_now();
	for (long i = 0; i < n; i++)
		ox_spawn_with(g, sleeper, (void *)(intptr_t)(rnd(&seed) % 1000000), OX_SPAWN_OPTIONS(.stack_size = OX_KIB(64)));
	int r = ox_group_join(g);
	emit("cpu", (cpu_s() - cpu) * 1e3, "ms");
	emit("wakeups", (double)(switches() - waits), "count");
	emit("late-p99", (double)percentile(late, (size_t)fired, 0.99) / 1e6, "ms");
	return r;
}

int bench_timers(char **args)
{
	n = number(args, 0);
	late = calloc((size_t)n, sizeof(*late));
	int failed = late == NULL || run(main_co, NULL) || fired != n;
	free(late);
	return failed;
}
