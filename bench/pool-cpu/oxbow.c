/* SPDX-License-Identifier: MIT */
/* N jobs of ITERATIONS rounds of PBKDF2, the same as job.c's: equal ones, then uneven ones. Each answers the CPU time it took. */
#include <openssl/evp.h>

#include "bench/oxbow.h"

struct task {
	long number, iterations;
};

static long n, iterations;
static ox_pool *pool;

static long cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

static int derive(const void *in, size_t len, ox_reply *out)
{
	const struct task *t = in;
	unsigned char key[32];
	long start = cpu_now();

	if (len != sizeof(*t))
		return OX_EINVAL;
	PKCS5_PBKDF2_HMAC("password", 8, (const unsigned char *)&t->number, sizeof(t->number), (int)t->iterations, EVP_sha256(),
			  sizeof(key), key);
	long took = cpu_now() - start;
	return ox_reply_write(out, &took, sizeof(took));
}
static OX_JOB(derive_job, derive);

static int all(bool uneven)
{
	OX_AUTO_GROUP *g = ox_group_open();
	uint64_t start = now_ns();
	double cpu = 0;
	ox_future *f;
	int r;

	for (long i = 0; i < n; i++) {
		double share = uneven ? 0.1 + 1.8 * (double)i / (double)(n - 1) : 1;
		struct task t = { i, (long)((double)iterations * share) };

		ox_submit(g, pool, &derive_job, &t, sizeof(t));
	}
	while ((r = ox_group_next(g, &f)) == 1) {
		const long *took = ox_future_value(f, NULL);

		if (!took)
			return ox_future_status(f);
		cpu += (double)*took;
	}
	double wall = (double)(now_ns() - start);
	if (!uneven)
		emit("job", cpu / 1e6 / (double)n, "ms");
	emit(uneven ? "speedup-uneven" : "speedup", cpu / wall, "x");
	return r;
}

static int main_co(void *arg)
{
	int r = all(false);

	(void)arg;
	return r < 0 ? r : all(true);
}

int bench_pool_cpu(char **args)
{
	n = number(args, 0);
	iterations = number(args, 1);
	return run_with_pool(main_co, NULL, &pool,
			     OX_POOL_OPTIONS(.jobs = OX_JOBS(&derive_job), .workers = (unsigned)number(args, 2)));
}
