/* SPDX-License-Identifier: MIT */
/*
 * What faults take, N of each on one worker: from a job's crash to the error on its future, from the crash until the replacement runs
 * the next job, and how late a job that is over its timeout has ended. The jobs note the time in memory that was shared before the
 * fork.
 */
#include <signal.h>
#include <sys/mman.h>

#include "bench/oxbow.h"

#define TIMEOUT OX_MS(20)

static volatile uint64_t *noted;         /* when the last job crashed, or began */
static long n;
static ox_pool *pool;

static int crash(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	*noted = now_ns();
	raise(SIGSEGV);
	return 0;
}
static OX_JOB(crash_job, crash);

static int note(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	*noted = now_ns();
	return 0;
}
static OX_JOB(note_job, note);

static int spin(const void *in, size_t len, ox_reply *out)
{
	(void)in, (void)len, (void)out;
	*noted = now_ns();
	while (*noted)
		;
	return 0;
}
static OX_JOB(spin_job, spin, .timeout = TIMEOUT);

static void told(const char *what, uint64_t *took)
{
	char metric[64];

	snprintf(metric, sizeof(metric), "%s-p50", what);
	emit(metric, (double)percentile(took, (size_t)n, 0.5) / 1e6, "ms");
	snprintf(metric, sizeof(metric), "%s-p99", what);
	emit(metric, (double)percentile(took, (size_t)n, 0.99) / 1e6, "ms");
}

static int main_co(void *arg)
{
	uint64_t *error = calloc((size_t)n, sizeof(*error)), *ready = calloc((size_t)n, sizeof(*ready)),
	         *late = calloc((size_t)n, sizeof(*late));
	int r = error && ready && late ? ox_call(pool, &note_job, NULL, 0, NULL) : OX_ENOMEM;

	(void)arg;
	for (long i = 0; r == 0 && i < n; i++) {
		if (ox_call(pool, &crash_job, NULL, 0, NULL) != OX_ECRASHED)
			return OX_EPROTO;
		uint64_t crashed = *noted;
		error[i] = now_ns() - crashed;
		r = ox_call(pool, &note_job, NULL, 0, NULL);
		ready[i] = *noted - crashed;
	}
	for (long i = 0; r == 0 && i < n; i++) {
		if (ox_call(pool, &spin_job, NULL, 0, NULL) != OX_ETIMEDOUT)
			return OX_EPROTO;
		late[i] = now_ns() - *noted - (uint64_t)TIMEOUT;
		r = ox_call(pool, &note_job, NULL, 0, NULL);
	}
	if (r == 0) {
		told("crash-to-error", error);
		told("crash-to-replacement", ready);
		told("timeout-lateness", late);
	}
	free(error);
	free(ready);
	free(late);
	return r;
}

int bench_pool_fault(char **args)
{
	void *shared = mmap(NULL, sizeof(*noted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	n = number(args, 0);
	if (shared == MAP_FAILED)
		DIE("mmap");
	noted = shared;
	return run_with_pool(main_co, NULL, &pool,
			     OX_POOL_OPTIONS(.jobs = OX_JOBS(&crash_job, &note_job, &spin_job), .workers = 1));
}
