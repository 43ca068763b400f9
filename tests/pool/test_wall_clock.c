/* SPDX-License-Identifier: MIT */
/*
 * F28: the wall clock jumps, in the program and in its workers, and nothing fires early or late. The clock is this
 * program's own: it defines the C library's calls that tell the time, for the libraries too, and adds what stands in
 * memory that all processes share. The monotonic clock is the kernel's.
 */
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tests/pool/pool_support.h"

#define DAY 86400

static _Atomic int64_t *shift;          /* seconds */
static _Atomic int asked;               /* how often this process was told the wall clock's time */

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	long r = syscall(SYS_clock_gettime, clock, ret);

	if (r == 0 && clock == CLOCK_REALTIME && shift != NULL) {
		ret->tv_sec += (time_t)atomic_load(shift);
		atomic_fetch_add(&asked, 1);
	}
	return (int)r;
}

time_t time(time_t *ret)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (ret != NULL)
		*ret = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec t;
	(void)zone;

	clock_gettime(CLOCK_REALTIME, &t);
	*ret = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
	return 0;
}

static ox_pool *pool;

static int tell_time(const void *in, size_t len, ox_reply *out)
{
	time_t now = time(NULL);
	(void)in, (void)len;

	return ox_reply_write(out, &now, sizeof now);
}
static OX_JOB(time_job, tell_time);

static int wait_here(const void *in, size_t len, ox_reply *out)
{
	int ms = *(const int *)in;
	(void)len, (void)out;

	atomic_fetch_add(begun, 1);
	syscall(SYS_nanosleep, &(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
	return ms;
}
static OX_JOB(patient_job, wait_here, .timeout = OX_SEC(3600));
static OX_JOB(hasty_job, wait_here, .timeout = OX_MS(100));

static int jump(void *arg)
{
	static const int64_t jumps[] = { DAY, -DAY, 0, -DAY, DAY };
	int ms = 300, long_ms = 60000;
	(void)arg;
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
		ox_future *patient = ox_submit(g, pool, &patient_job, &ms, sizeof ms);
		ox_future *hasty = ox_submit(g, pool, &hasty_job, &long_ms, sizeof long_ms);
		await_begun(2 * (int)i + 2);
		ox_time begin = ox_now();
		atomic_store(shift, jumps[i]);
		EXPECT_EQ(ox_wait_for(patient, OX_SEC(3600)), ms);
		EXPECT_EQ(ox_await(hasty), OX_ETIMEDOUT);
		EXPECT(ox_now() - begin < OX_SEC(30));  /* and not when the day is over */

		OX_AUTO_RESULT *r = NULL;
		time_t there = 0, here = time(NULL);
		EXPECT_EQ(ox_call(pool, &time_job, NULL, 0, &r), 0);
		if (r != NULL)
			there = *(const time_t *)ox_result_bytes(r).data;
		EXPECT(there - here >= -60 && there - here <= 60);      /* the worker saw the jump too */
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.killed, 5);         /* the hasty ones */
	EXPECT_EQ(s.crashed, 0);
	EXPECT_EQ(s.spawned, 2 + 5);    /* none was too old, or idle for too long */
	EXPECT(atomic_load(&asked) > 0);
	return 0;
}

START_TEST(f28_a_wall_clock_that_jumps_by_a_day_changes_no_timeout_and_no_workers_life)
{
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&patient_job, &hasty_job, &time_job), .workers = 2,
	                                           .max_age = OX_SEC(7200), .idle_time = OX_SEC(3600), .stall = OX_SEC(3600)), &pool), 0);
	run_real(jump, NULL);
	close_pool(pool);
}
END_TEST

int main(int argc, char **argv)
{
	static const struct driver none[] = { { NULL, NULL } };

	shift = mmap(NULL, sizeof *shift, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pool_main(argc, argv, none);
	Suite *s = suite_create("wall clock");
	tcase_add_test(new_pool_case(s, "jumps", 120), f28_a_wall_clock_that_jumps_by_a_day_changes_no_timeout_and_no_workers_life);
	return run_suite(s);
}
