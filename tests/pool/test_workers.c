/* SPDX-License-Identifier: MIT */
/* Workers come and go: by their jobs and age, and as there is work. No job notices. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

/* ---- recycling ---- */

enum { MANY = 2000 };

/* How many of n jobs each process ran, the largest first. Says how many processes there were. */
static unsigned count_jobs_by_pid(ox_future *const *fs, unsigned n, unsigned counts[MANY])
{
	static pid_t pids[MANY];
	unsigned used = 0, k;

	for (unsigned i = 0; i < n; i++) {
		EXPECT_EQ(ox_await(fs[i]), 0);
		const pid_t *pid = ox_future_value(fs[i], NULL);
		if (pid == NULL)
			continue;
		for (k = 0; k < used && pids[k] != *pid; k++)
			;
		if (k == used) {
			pids[used] = *pid;
			counts[used++] = 0;
		}
		counts[k]++;
	}
	return used;
}

static int run_many(void *arg)
{
	static ox_future *fs[MANY];
	static unsigned counts[MANY];
	unsigned most = *(const unsigned *)arg, other = 0;
	OX_AUTO_GROUP *g = COLLECT;

	for (unsigned i = 0; i < MANY; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	unsigned pids = count_jobs_by_pid(fs, MANY, counts);
	EXPECT(pids >= MANY / most);
	for (unsigned i = 0; i < pids; i++) {
		EXPECT(counts[i] <= most);
		other += counts[i] != counts[0];
	}
	EXPECT(other > 0);              /* not all of the same number */
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.failed, 0);
	EXPECT_EQ(s.crashed, 0);
	EXPECT_EQ(s.killed, 0);
	EXPECT_EQ(s.late, 0);
	return 0;
}

START_TEST(a_worker_is_replaced_after_max_jobs_and_no_job_fails)
{
	unsigned most = 100;

	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 2, .max_jobs = most), &pool), 0);
	run_real(run_many, &most);
	close_pool(pool);
}
END_TEST

static int run_each_alone(void *arg)
{
	enum { N = 20 };
	ox_future *fs[N];
	static unsigned counts[MANY];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	for (int i = 0; i < N; i++)
		fs[i] = ox_submit(g, pool, &pid_job, NULL, 0);
	EXPECT_EQ(count_jobs_by_pid(fs, N, counts), N);
	EXPECT_EQ(stats_of(pool).crashed, 0);
	return 0;
}

START_TEST(with_max_jobs_1_each_job_has_a_process_of_its_own)
{
	with_pool(run_each_alone, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 2, .max_jobs = 1));
}
END_TEST

/* The last job of a worker runs, and the next is there before it has ended; but only one runs at a time. */
static int overlap(void *arg)
{
	int ms = 100;
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	ox_future *next = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);

	await_begun(1);
	while (stats_of(pool).workers < 2)
		ox_sleep(OX_MS(1));
	EXPECT(!ox_future_done(f));
	EXPECT_EQ(atomic_load(begun), 1);
	EXPECT_EQ(ox_await(f), ms);
	EXPECT_EQ(ox_await(next), ms);
	return 0;
}

START_TEST(the_replacement_is_ready_before_the_last_job_has_ended_and_waits_for_it)
{
	with_pool(overlap, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job), .workers = 1, .max_jobs = 1));
}
END_TEST

static pid_t worker_pid(void)
{
	OX_AUTO_RESULT *r = NULL;
	pid_t pid = 0;

	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	if (r != NULL)
		memcpy(&pid, ox_result_bytes(r).data, sizeof pid);
	return pid;
}

static int grow_old(void *arg)
{
	pid_t first = worker_pid();
	ox_time start = ox_now();
	(void)arg;

	while (worker_pid() == first && ox_now() - start < OX_SEC(20))
		;
	EXPECT(ox_now() - start >= OX_MS(20));
	EXPECT(worker_pid() != first);
	while (stats_of(pool).spawned < 4 && ox_now() - start < OX_SEC(20))     /* idle ones too */
		ox_sleep(OX_MS(5));
	ox_pool_stats s = stats_of(pool);
	EXPECT(s.spawned >= 4);
	EXPECT_EQ(s.failed + s.crashed + s.killed, 0);
	return 0;
}

START_TEST(a_worker_is_replaced_when_it_is_old)
{
	with_pool(grow_old, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job), .workers = 1, .max_age = OX_MS(60)));
}
END_TEST

/* ---- as many as are needed ---- */

static int grow_and_shrink(void *arg)
{
	int ms = 50;
	ox_future *fs[4];
	(void)arg;
	OX_AUTO_GROUP *g = COLLECT;

	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	EXPECT_EQ(stats_of(pool).spawned, 1);
	for (int i = 0; i < 4; i++)
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(3);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(ox_await(fs[i]), ms);
	EXPECT_EQ(stats_of(pool).spawned, 3);
	while (stats_of(pool).workers > 1)
		ox_sleep(OX_MS(5));
	EXPECT_EQ(ox_call(pool, &echo_job, NULL, 0, NULL), 0);
	for (int i = 0; i < 4; i++)     /* and once more */
		fs[i] = ox_submit(g, pool, &sleep_job, &ms, sizeof ms);
	await_begun(7);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(ox_await(fs[i]), ms);
	ox_pool_stats s = stats_of(pool);
	EXPECT(s.spawned >= 4);
	EXPECT_EQ(s.failed + s.crashed + s.killed, 0);
	return 0;
}

START_TEST(a_pool_grows_as_jobs_wait_and_shrinks_when_there_are_none)
{
	with_pool(grow_and_shrink, POOL_OPTIONS(.jobs = OX_JOBS(&sleep_job, &echo_job), .workers = 3, .min_workers = 1,
	                                        .idle_time = OX_MS(30)));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, NULL);
	Suite *s = suite_create("workers");
	TCase *c = new_pool_case(s, "recycling", 60);
	tcase_add_test(c, a_worker_is_replaced_after_max_jobs_and_no_job_fails);
	tcase_add_test(c, with_max_jobs_1_each_job_has_a_process_of_its_own);
	tcase_add_test(c, the_replacement_is_ready_before_the_last_job_has_ended_and_waits_for_it);
	tcase_add_test(c, a_worker_is_replaced_when_it_is_old);
	c = new_pool_case(s, "numbers", 60);
	tcase_add_test(c, a_pool_grows_as_jobs_wait_and_shrinks_when_there_are_none);
	return run_suite(s);
}
