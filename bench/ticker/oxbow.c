/* SPDX-License-Identifier: MIT */
/* A coroutine that ticks every millisecond for SECONDS while each of WORKERS workers computes: how late its ticks are. */
#include "bench/oxbow.h"

static ox_time length;
static unsigned workers;
static ox_pool *pool;

static int spin(const void *in, size_t len, ox_reply *out)
{
	uint64_t until;
	volatile uint64_t work = 0;

	(void)out;
	if (len != sizeof(until))
		return OX_EINVAL;
	memcpy(&until, in, sizeof(until));
	while (now_ns() < until)
		for (int i = 0; i < 10000; i++)
			work += (uint64_t)i;
	return 0;
}
static OX_JOB(spin_job, spin);

static int main_co(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	size_t ticks = (size_t)(length / OX_MS(1));
	uint64_t *late = arg, until = now_ns() + (uint64_t)length;
	int r = 0;

	for (unsigned i = 0; i < workers; i++)
		ox_submit(g, pool, &spin_job, &until, sizeof(until));
	ox_time next = ox_now();
	for (size_t i = 0; r == 0 && i < ticks; i++) {
		r = ox_sleep_until(next += OX_MS(1));
		late[i] = (uint64_t)(ox_now() - next);
	}
	if (r == 0)
		r = ox_group_join(g);
	if (r == 0) {
		emit("late-p50", (double)percentile(late, ticks, 0.5) / 1e6, "ms");
		emit("late-p99", (double)percentile(late, ticks, 0.99) / 1e6, "ms");
		emit("late-p99.9", (double)percentile(late, ticks, 0.999) / 1e6, "ms");
	}
	return r;
}

int bench_ticker(char **args)
{
	length = OX_SEC(number(args, 0));
	workers = (unsigned)number(args, 1);
	uint64_t *late = calloc((size_t)(length / OX_MS(1)) + 1, sizeof(*late));
	int failed = !late || run_with_pool(main_co, late, &pool, OX_POOL_OPTIONS(.jobs = OX_JOBS(&spin_job), .workers = workers));
	free(late);
	return failed;
}
