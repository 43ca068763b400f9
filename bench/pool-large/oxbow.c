/* SPDX-License-Identifier: MIT */
/*
 * COUNT calls that reverse SIZE bytes, then COUNT that add up their words, on 2 workers. "pool-large": the argument lies in a buffer of
 * the caller's and the answer is copied into another, so each byte is copied in and out. "pool-in-place": the argument was built in a
 * blob, and the answer is looked at where it lies.
 */
#include "bench/oxbow.h"
#include "work.h"

#define WORKERS 2

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
static ox_blob *blob[WORKERS];          /* in place: as many arguments as are worked on at once; else NULL */

struct round {
	const ox_job *job;
	const uint8_t *src;
	uint8_t *dst;
	long left;                      /* calls to begin */
};

/* A result is given back before the next call, whose result then lies where it lay: what is in the cache is used again. */
static int caller(void *arg)
{
	struct round *t = arg;
	const uint8_t *in = blob[0] ? ox_blob_data(blob[t->left % WORKERS]) : t->src;
	int r = 0;

	while (r >= 0 && t->left > 0) {
		ox_result *result;

		t->left--;
		r = ox_call(pool, t->job, in, size, &result);
		if (r < 0)
			break;
		ox_bytes value = ox_result_bytes(result);
		if (blob[0])
			t->dst[size - 1] = ((const uint8_t *)value.data)[value.len - 1];
		else
			memcpy(t->dst, value.data, value.len);
		ox_result_free(result);
	}
	return r;
}

/* One call for each worker at a time, as the limit in shm.c has one for each of its slots. */
static int calls(struct round t)
{
	OX_AUTO_GROUP *g = ox_group_open();

	for (int i = 0; i < WORKERS; i++)
		ox_spawn(g, caller, &t);
	return ox_group_join(g);
}

static int timed(const char *what, const ox_job *job, const uint8_t *src, uint8_t *dst)
{
	char metric[64];
	struct round t = { .job = job, .src = src, .dst = dst, .left = 8 * WORKERS };
	int r = calls(t);               /* warm: whoever does touch a piece of memory has touched it */
	uint64_t start = now_ns();

	if (r == 0)
		t.left = count, r = calls(t);
	snprintf(metric, sizeof(metric), "%s-%s", what, label);
	if (r == 0)
		emit(metric, (double)size * (double)count / (double)(now_ns() - start), "GB/s");
	return r;
}

static void fill(uint8_t *argument)
{
	memset(argument, 1, size);
	argument[0] = 2;
}

static int main_co(void *in_place)
{
	uint8_t *src = malloc(size), *dst = malloc(size);
	int r = src && dst ? 0 : OX_ENOMEM;

	for (int i = 0; r == 0 && in_place && i < WORKERS; i++) {
		blob[i] = ox_blob_new(pool, size);
		if (blob[i])
			fill(ox_blob_data(blob[i]));
		else
			r = OX_ENOMEM;
	}
	if (r == 0) {
		fill(src);
		memset(dst, 1, size);
		r = timed("rev", &reverse_job, src, dst);
	}
	if (r == 0 && dst[size - 1] != 2)
		r = OX_EPROTO;
	if (r == 0)
		r = timed("sum", &add_job, src, dst);
	for (int i = 0; i < WORKERS; i++) {
		ox_blob_free(blob[i]);
		blob[i] = NULL;
	}
	free(src);
	free(dst);
	return r;
}

static int bench(char **args, void *in_place)
{
	for (int failed; *args; args += 3) {            /* LABEL SIZE COUNT, as often as given */
		label = args[0];
		size = (size_t)number(args, 1);
		count = number(args, 2);
		failed = run_with_pool(main_co, in_place, &pool,
				       OX_POOL_OPTIONS(.jobs = OX_JOBS(&reverse_job, &add_job), .workers = WORKERS));
		if (failed)
			return failed;
	}
	return 0;
}

int bench_pool_large(char **args)
{
	return bench(args, NULL);
}

int bench_pool_in_place(char **args)
{
	return bench(args, args);
}
