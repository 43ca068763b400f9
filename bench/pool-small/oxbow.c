/* SPDX-License-Identifier: MIT */
/*
 * Calls of 64 bytes that answer 8: N of them through futures, up to IN_FLIGHT at a time; N through a map; then one at a time, for the
 * round trip.
 */
#include "bench/oxbow.h"

#define IN_FLIGHT 2048

static long n;
static ox_pool *pool;

static int increment(const void *in, size_t len, ox_reply *out)
{
	uint64_t x;

	if (len != 64)
		return OX_EINVAL;
	memcpy(&x, in, sizeof(x));
	x++;
	return ox_reply_write(out, &x, sizeof(x));
}
static OX_JOB(increment_job, increment);

static uint64_t input[8];
static uint64_t sum;

static int add(const ox_future *f)
{
	size_t len;
	const uint64_t *value = ox_future_value(f, &len);

	if (!value || len != sizeof(*value))
		return ox_future_status(f) < 0 ? ox_future_status(f) : OX_EPROTO;
	sum += *value;
	return 0;
}

static int report(const char *metric, uint64_t start)
{
	if (sum != (uint64_t)n * (uint64_t)(n + 1) / 2)
		return OX_EPROTO;
	emit(metric, (double)n / ((double)(now_ns() - start) / 1e9), "tasks/s");
	return 0;
}

static int by_futures(void)
{
	OX_AUTO_GROUP *g = ox_group_open();
	uint64_t start = now_ns();
	ox_future *f;
	int r = 0;

	sum = 0;
	for (long sent = 0, got = 0; r >= 0 && got < n;) {
		if (sent < n && sent - got < IN_FLIGHT) {
			input[0] = (uint64_t)sent++;
			ox_submit(g, pool, &increment_job, input, sizeof(input));
		} else {
			r = ox_group_next(g, &f) == 1 ? add(f) : OX_EPROTO;
			got++;
		}
	}
	return r < 0 ? r : report("tput", start);
}

static int next_input(void *arg, ox_bytes *ret_in)
{
	long *sent = arg;

	if (*sent == n)
		return 0;
	input[0] = (uint64_t)(*sent)++;
	*ret_in = (ox_bytes){ input, sizeof(input) };
	return 1;
}

static int by_map(void)
{
	long sent = 0;
	OX_AUTO_MAP *m = ox_map_open(pool, OX_MAP_OPTIONS(.job = &increment_job, .next = next_input, .arg = &sent,
							  .unordered = true, .in_flight = IN_FLIGHT));
	uint64_t start = now_ns();
	ox_future *f;
	int r;

	sum = 0;
	while ((r = ox_map_next(m, &f)) == 1)
		if ((r = add(f)) < 0)
			break;
	return r < 0 ? r : report("tput-map", start);
}

static int round_trips(long count, const char *metric)
{
	uint64_t *took = calloc((size_t)count, sizeof(*took));
	int r = took ? 0 : OX_ENOMEM;

	for (long i = 0; r >= 0 && i < count; i++) {
		uint64_t start = now_ns();

		r = ox_call(pool, &increment_job, input, sizeof(input), NULL);
		took[i] = now_ns() - start;
	}
	if (r >= 0 && metric)
		emit(metric, (double)percentile(took, (size_t)count, 0.5) / 1e3, "us");
	free(took);
	return r;
}

static int main_co(void *arg)
{
	int r = round_trips(100, NULL); /* the workers are up */

	(void)arg;
	if (r >= 0)
		r = by_futures();
	if (r >= 0)
		r = by_map();
	return r < 0 ? r : round_trips(n / 50, "rtt");
}

static int rtt_co(void *arg)
{
	(void)arg;
	return round_trips(n, "rtt");
}

static int bench(ox_coro *fn, char **args)
{
	n = number(args, 0);
	return run_with_pool(fn, NULL, &pool,
			     OX_POOL_OPTIONS(.jobs = OX_JOBS(&increment_job), .workers = (unsigned)number(args, 1)));
}

int bench_pool_small(char **args)
{
	return bench(main_co, args);
}

int bench_pool_rtt(char **args)
{
	return bench(rtt_co, args);
}
