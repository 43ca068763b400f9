/* SPDX-License-Identifier: MIT */
/*
 * COUNT calls that reverse SIZE bytes, then COUNT that add up their words, on 2 workers. The argument lies in a buffer of the caller's and
 * the answer is copied into another, so each byte is copied in and out.
 */
#include "bench/oxbow.h"
#include "work.h"

#define WORKERS 2
#define IN_FLIGHT (2 * WORKERS)

static int reverse_bytes(const void *in, size_t len, ox_reply *out)
{
	void *to = ox_reply_reserve(out, len);

	if (!to)
		return OX_ETOOBIG;
	reverse(to, in, len);
	return 0;
}
static OX_JOB(reverse_job, reverse_bytes);

static int add_words(const void *in, size_t len, ox_reply *out)
{
	uint64_t sum = add(in, len);

	return ox_reply_write(out, &sum, sizeof(sum));
}
static OX_JOB(add_job, add_words);

static ox_pool *pool;
static const char *label;
static size_t size;
static long count;

static int calls(const ox_job *job, long todo, const uint8_t *src, uint8_t *dst)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;

	for (long sent = 0, got = 0; got < todo;) {
		if (sent < todo && sent - got < IN_FLIGHT) {
			ox_submit(g, pool, job, src, size);
			sent++;
			continue;
		}
		size_t len = 0;
		int r = ox_group_next(g, &f);
		const void *value = r == 1 ? ox_future_value(f, &len) : NULL;

		if (!value)
			return r < 0 ? r : ox_future_status(f) < 0 ? ox_future_status(f) : OX_EPROTO;
		memcpy(dst, value, len);
		got++;
	}
	return 0;
}

static int timed(const char *what, const ox_job *job, const uint8_t *src, uint8_t *dst)
{
	char metric[64];
	int r = calls(job, WORKERS, src, dst);          /* warm */
	uint64_t start = now_ns();

	if (r == 0)
		r = calls(job, count, src, dst);
	snprintf(metric, sizeof(metric), "%s-%s", what, label);
	if (r == 0)
		emit(metric, (double)size * (double)count / (double)(now_ns() - start), "GB/s");
	return r;
}

static int main_co(void *arg)
{
	uint8_t *src = malloc(size), *dst = malloc(size);
	int r = src && dst ? 0 : OX_ENOMEM;

	(void)arg;
	if (r == 0) {
		memset(src, 1, size);
		src[0] = 2;
		memset(dst, 1, size);
		r = timed("rev", &reverse_job, src, dst);
	}
	if (r == 0 && dst[size - 1] != 2)
		r = OX_EPROTO;
	if (r == 0)
		r = timed("sum", &add_job, src, dst);
	free(src);
	free(dst);
	return r;
}

int bench_pool_large(char **args)
{
	for (int failed; *args; args += 3) {            /* LABEL SIZE COUNT, as often as given */
		label = args[0];
		size = (size_t)number(args, 1);
		count = number(args, 2);
		failed = run_with_pool(main_co, NULL, &pool,
				       OX_POOL_OPTIONS(.jobs = OX_JOBS(&reverse_job, &add_job), .workers = WORKERS));
		if (failed)
			return failed;
	}
	return 0;
}
