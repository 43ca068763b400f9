/* SPDX-License-Identifier: MIT */
/* The short way between main and workers: what goes by shared memory and what by the channel comes in one order, once. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"
#include "tests/support/random.h"

#define COLLECT ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT))

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

/* Its place in the order in which jobs began; in and out of any size. */
static int take_number(const void *in, size_t len, ox_reply *out)
{
	uint64_t number = (uint64_t)atomic_fetch_add(begun, 1);
	(void)in;
	if (len % 7 == 0)
		ox_job_log(out, OX_LOG_DEBUG, "%zu bytes", len);
	ox_reply_write(out, &number, sizeof number);
	return ox_reply_write(out, in, len);
}
static OX_JOB(number_job, take_number);

/* Lengths such that messages are short and long, and so many that all inboxes are full at times. */
enum { JOBS = 20000, ROUND = 2000 };

static int number_many(void *arg)
{
	static uint8_t in[OX_KIB(8)];
	uint64_t seed = 7;
	unsigned done = 0;
	(void)arg;
	while (done < JOBS) {
		OX_AUTO_GROUP *g = ox_group_open();
		ox_future *f[ROUND];
		unsigned n = 1 + (unsigned)random_below(&seed, ROUND);
		size_t most = random_below(&seed, 3) == 0 ? sizeof in : 100;
		for (unsigned i = 0; i < n; i++)
			f[i] = ox_submit(g, pool, &number_job, in, random_below(&seed, most));
		for (unsigned i = 0; i < n; i++) {
			uint64_t number;
			EXPECT_EQ(ox_await(f[i]), 0);
			size_t len = 0;
			const void *result = ox_future_value(f[i], &len);
			EXPECT(len >= sizeof number);
			memcpy(&number, result, sizeof number);
			EXPECT_EQ(number, done + i);
		}
		done += n;
	}
	return 0;
}

START_TEST(jobs_run_in_order_whichever_way_they_came)
{
	with_pool(number_many, POOL_OPTIONS(.jobs = OX_JOBS(&number_job), .workers = 1));
}
END_TEST

static int ms_job_fn(const void *in, size_t len, ox_reply *out)
{
	(void)len, (void)out;
	nanosleep(&(struct timespec){ .tv_nsec = *(const int *)in * 1000000L }, NULL);
	atomic_fetch_add(begun, 1);
	return *(const int *)in;
}
static OX_JOB(ms_job, ms_job_fn);

/* Main sits while its worker works, leaves the results, rings, and is killed: what it left counts, and runs no second time. */
static int kill_after_the_ring(void *arg)
{
	enum { N = 8 };
	OX_AUTO_RESULT *r = NULL;
	pid_t worker;
	(void)arg;
	EXPECT_EQ(ox_call(pool, &pid_job, NULL, 0, &r), 0);
	memcpy(&worker, ox_result_bytes(r).data, sizeof worker);
	OX_AUTO_GROUP *g = COLLECT;
	ox_future *f[N];
	int ms = 5;
	for (int i = 0; i < N; i++)
		f[i] = ox_submit(g, pool, &ms_job, &ms, sizeof ms);
	ox_yield();
	await_begun(N);
	kill(worker, SIGKILL);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(ox_await(f[i]), ms);
	EXPECT_EQ(atomic_load(begun), N);
	return 0;
}

START_TEST(results_that_a_killed_worker_has_left_count)
{
	with_pool(kill_after_the_ring, POOL_OPTIONS(.jobs = OX_JOBS(&ms_job, &pid_job), .workers = 1));
}
END_TEST

/* Closes all its process has of what is called eventfd: with it the bell that it would ring. */
static int close_bells(const void *in, size_t len, ox_reply *out)
{
	char link[64];
	DIR *d = opendir("/proc/self/fd");
	(void)in, (void)len, (void)out;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);
		link[n > 0 ? n : 0] = '\0';
		if (strstr(link, "eventfd") != NULL)
			close(atoi(e->d_name));
	}
	closedir(d);
	return 0;
}
static OX_JOB(close_job, close_bells);

static int close_all_bells(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(ox_call(pool, &close_job, NULL, 0, NULL), OX_ECRASHED);
		EXPECT_EQ(ox_call(pool, &echo_job, "x", 1, NULL), 0);
	}
	return 0;
}

START_TEST(a_job_that_closes_the_bells_costs_its_worker_and_nothing_hangs)
{
	with_pool(close_all_bells, POOL_OPTIONS(.jobs = OX_JOBS(&close_job, &echo_job), .workers = 1));
}
END_TEST

/* Calls of one job each from many coroutines: bells are rung all the time, and at times by both at once. */
static int call_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 500; i++)
		EXPECT_EQ(ox_call(pool, &echo_job, &i, sizeof i, NULL), 0);
	return 0;
}

static int call_from_many(void *arg)
{
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open();
	for (int i = 0; i < 20; i++)
		ox_spawn(g, call_often, NULL);
	return ox_group_join(g);
}

START_TEST(no_ring_is_lost)
{
	with_pool(call_from_many, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 3));
}
END_TEST

/* The channel opens in the middle of a job: what that adds to the process is not taken for the job's. */
static int log_line(const void *in, size_t len, ox_reply *out)
{
	pid_t self = getpid();
	(void)in;
	ox_job_log(out, OX_LOG_DEBUG, "%zu bytes", len);
	return ox_reply_write(out, &self, sizeof self);
}
static OX_JOB(log_job, log_line);

static int open_the_channel(void *arg)
{
	pid_t pids[3];
	const ox_job *const jobs[3] = { &pid_job, &log_job, &pid_job };
	(void)arg;
	for (int i = 0; i < 3; i++) {
		OX_AUTO_RESULT *r = NULL;
		EXPECT_EQ(ox_call(pool, jobs[i], NULL, 0, &r), 0);
		memcpy(&pids[i], ox_result_bytes(r).data, sizeof pids[i]);
	}
	EXPECT_EQ(pids[1], pids[0]);
	EXPECT_EQ(pids[2], pids[0]);
	EXPECT_EQ(stats_of(pool).spoiled, 0);
	return 0;
}

START_TEST(a_worker_that_opens_its_channel_in_a_job_stays)
{
	with_pool(open_the_channel, POOL_OPTIONS(.jobs = OX_JOBS(&pid_job, &log_job), .workers = 1, .strict_state = true));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, NULL);
	Suite *s = suite_create("bell");
	TCase *c = new_pool_case(s, "bell", 60);
	tcase_add_test(c, jobs_run_in_order_whichever_way_they_came);
	tcase_add_test(c, results_that_a_killed_worker_has_left_count);
	tcase_add_test(c, a_job_that_closes_the_bells_costs_its_worker_and_nothing_hangs);
	tcase_add_test(c, no_ring_is_lost);
	tcase_add_test(c, a_worker_that_opens_its_channel_in_a_job_stays);
	return run_suite(s);
}
