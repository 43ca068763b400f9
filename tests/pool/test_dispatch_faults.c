/* SPDX-License-Identifier: MIT */
/*
 * The fault cases that are decisions and nothing else, on the simulated transport: no process, no clock, and each moment
 * is exact. Those whose names are not here are in test_dispatch.c (F02 F07 F16 F26 F27 F28 F32 F39).
 */
#include <stdlib.h>

#include "tests/support/sim.h"
#include "tests/support/support.h"

static struct sim s;

static void open_sim(unsigned workers, const struct oxi_policy *policy)
{
	sim_open(&s, &(struct oxi_dispatch_options){ .workers = workers, .jobs = 1, .policy = policy }, 1);
	sim_start(&s);
	sim_run_until(&s, s.now + OX_MS(5));
}

static void submit(struct sim_job *job, ox_time run)
{
	*job = (struct sim_job){ .run = run };
	sim_submit(&s, job);
}

static struct oxi_dispatch_counts counts(void)
{
	struct oxi_dispatch_counts c;

	oxi_dispatch_get_counts(s.d, &c);
	return c;
}

static void assert_end(const struct sim_job *job, enum oxi_end how, int status)
{
	ck_assert_uint_eq(job->ends, 1);
	ck_assert_int_eq(job->how, how);
	ck_assert_int_eq(job->end_status, status);
}

/* A bad job between a long one and four short ones, on two workers. */
struct six {
	struct sim_job long_one, bad, queued[4];
};

static void submit_six(struct six *j)
{
	submit(&j->long_one, OX_SEC(1));
	submit(&j->bad, OX_MS(10));
	for (int i = 0; i < 4; i++)
		submit(&j->queued[i], OX_MS(1));
}

static void assert_rest_unaffected(const struct six *j)
{
	assert_end(&j->long_one, OXI_END_RESULT, 0);
	ck_assert_uint_eq(j->long_one.begun, 1);
	for (int i = 0; i < 4; i++) {
		assert_end(&j->queued[i], OXI_END_RESULT, 0);
		ck_assert_uint_eq(j->queued[i].begun, 1);
	}
}

START_TEST(f01_a_crash_is_told_within_10_ms_and_the_worker_replaced_within_50)
{
	struct six j;

	open_sim(2, NULL);
	submit_six(&j);
	j.bad.crashes = true;
	while (j.bad.ends == 0)
		ck_assert(sim_step(&s));
	ox_time died = j.bad.begun_at + j.bad.run / 2;
	ck_assert_int_le(s.now - died, OX_MS(10));
	assert_end(&j.bad, OXI_END_CRASH, OX_ECRASHED);
	while (counts().ready < 2)
		ck_assert(sim_step(&s));
	ck_assert_int_le(s.now - died, OX_MS(50));
	ck_assert(sim_drain(&s, OX_SEC(5)));
	assert_rest_unaffected(&j);
	ck_assert_uint_eq(counts().crashed, 1);
	sim_close(&s);
}
END_TEST

/* An exit with 0 in the middle of a job is a death like any other: that the worker was not told to end decides. */
START_TEST(f04_a_worker_that_exits_with_a_job_has_crashed_and_one_that_was_told_has_not)
{
	struct six j;

	open_sim(2, NULL);
	submit_six(&j);
	while (j.bad.begun == 0)
		ck_assert(sim_step(&s));
	ox_time exited = s.now;
	sim_die(&s, j.bad.slot);
	while (j.bad.ends == 0)
		ck_assert(sim_step(&s));
	ck_assert_int_le(s.now - exited, OX_MS(1));
	assert_end(&j.bad, OXI_END_CRASH, OX_ECRASHED);
	ck_assert(sim_drain(&s, OX_SEC(5)));
	assert_rest_unaffected(&j);
	ck_assert_uint_eq(counts().crashed, 1);
	oxi_dispatch_close(s.d, s.now);
	while (sim_step(&s))
		;
	ck_assert_uint_eq(counts().crashed, 1);
	sim_close(&s);
}
END_TEST

START_TEST(f06_a_worker_that_stands_still_is_killed_by_the_timeout_and_capacity_returns)
{
	struct six j;

	open_sim(2, NULL);
	submit(&j.long_one, OX_SEC(1));
	j.bad = (struct sim_job){ .d = { .timeout = OX_MS(100) }, .run = OX_MS(10) };
	sim_submit(&s, &j.bad);
	while (j.bad.begun == 0)
		ck_assert(sim_step(&s));
	sim_stand(&s, j.bad.slot);
	for (int i = 0; i < 4; i++)
		submit(&j.queued[i], OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(5)));
	assert_end(&j.bad, OXI_END_TIMEOUT, OX_ETIMEDOUT);
	ck_assert_int_ge(j.bad.ended_at - j.bad.begun_at, OX_MS(100));
	ck_assert_int_le(j.bad.ended_at - j.bad.begun_at, OX_MS(105));
	ck_assert_uint_eq(s.kills, 1);
	ck_assert_uint_eq(counts().ready, 2);
	assert_rest_unaffected(&j);
	sim_close(&s);
}
END_TEST

/* That it stands still is seen from outside (parent_checkup.c); what follows is decided here. */
START_TEST(f06_a_worker_that_is_condemned_ends_its_job_as_stuck_and_no_other)
{
	struct six j;

	open_sim(2, NULL);
	submit_six(&j);
	while (j.bad.begun == 0)
		ck_assert(sim_step(&s));
	sim_stand(&s, j.bad.slot);
	sim_run_until(&s, s.now + OX_MS(50));
	oxi_dispatch_condemn(s.d, j.bad.slot, s.w[j.bad.slot].generation, OX_ESTUCK, s.now);
	oxi_dispatch_condemn(s.d, j.bad.slot, s.w[j.bad.slot].generation, OX_ESTUCK, s.now);
	ck_assert(sim_drain(&s, OX_SEC(5)));
	assert_end(&j.bad, OXI_END_LIMIT, OX_ESTUCK);
	ck_assert_uint_eq(s.kills, 1);
	assert_rest_unaffected(&j);
	sim_close(&s);
}
END_TEST

START_TEST(f06_without_a_limit_it_is_waited_for_and_the_others_go_on)
{
	struct six j;

	open_sim(3, NULL);
	submit_six(&j);
	while (j.bad.begun == 0)
		ck_assert(sim_step(&s));
	sim_stand(&s, j.bad.slot);
	sim_run_until(&s, s.now + OX_SEC(100));
	ck_assert_uint_eq(s.ended, 5);
	ck_assert_uint_eq(s.kills, 0);
	assert_rest_unaffected(&j);
	sim_go_on(&s, j.bad.slot);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_end(&j.bad, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

/* ---- F19 ---- */

START_TEST(f19_when_the_spawner_dies_what_ran_follows_its_retries_and_what_waits_is_kept)
{
	struct sim_job running[2], queued[20];

	open_sim(2, NULL);
	submit(&running[0], OX_MS(50));
	running[1] = (struct sim_job){ .d = { .retries = 1 }, .run = OX_MS(50) };
	sim_submit(&s, &running[1]);
	while (running[0].begun == 0 || running[1].begun == 0)
		ck_assert(sim_step(&s));
	for (int i = 0; i < 20; i++)
		submit(&queued[i], OX_MS(1));
	sim_lose_spawner(&s);
	ck_assert(sim_drain(&s, OX_SEC(5)));
	assert_end(&running[0], OXI_END_CRASH, OX_ECRASHED);
	assert_end(&running[1], OXI_END_RESULT, 0);
	ck_assert_uint_eq(running[1].begun, 2);
	for (int i = 0; i < 20; i++) {
		assert_end(&queued[i], OXI_END_RESULT, 0);
		ck_assert_uint_eq(queued[i].begun, 1);
	}
	sim_close(&s);
}
END_TEST

/* One kill takes all that are starting: they did not fail, so the pool does not break. */
START_TEST(f19_workers_that_die_with_the_spawner_while_they_start_break_no_pool)
{
	struct sim_job job;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 16, .jobs = 1 }, 1);
	sim_start(&s);
	submit(&job, OX_MS(1));
	for (int i = 0; i < 5; i++) {
		sim_run_until(&s, s.now + OX_MS(1));
		sim_lose_spawner(&s);
		sim_run_until(&s, s.now + OX_SEC(1));
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_end(&job, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

START_TEST(f19_without_any_spawner_every_job_ends_and_says_so)
{
	struct sim_job running, queued[20], later;

	open_sim(1, NULL);
	running = (struct sim_job){ .d = { .retries = 5 }, .run = OX_MS(50) };
	sim_submit(&s, &running);
	while (running.begun == 0)
		ck_assert(sim_step(&s));
	for (int i = 0; i < 20; i++)
		submit(&queued[i], OX_MS(1));
	s.no_spawner = true;
	sim_lose_spawner(&s);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 20; i++)
		assert_end(&queued[i], OXI_END_LIMIT, OX_EINIT);
	ck_assert_uint_eq(running.ends, 1);
	ck_assert_int_eq(running.end_status, OX_EINIT);         /* it waited for its retry */
	submit(&later, OX_MS(1));
	assert_end(&later, OXI_END_LIMIT, OX_EINIT);
	for (ox_time end = s.now + OX_SEC(10); sim_step(&s);)  /* nobody tries any more */
		ck_assert_int_lt(s.now, end);
	sim_close(&s);
}
END_TEST

/* ---- quarantine ---- */

START_TEST(a_job_whose_crash_is_refused_a_retry_ends_with_the_refusal)
{
	struct sim_job jobs[3];

	open_sim(1, NULL);
	s.crash_limit = 3;
	for (int i = 0; i < 3; i++) {
		jobs[i] = (struct sim_job){ .d = { .retries = (uint8_t)(i == 0 ? 10 : i) }, .run = OX_MS(2), .crashes = true };
		sim_submit(&s, &jobs[i]);
	}
	ck_assert(sim_drain(&s, OX_SEC(60)));
	assert_end(&jobs[0], OXI_END_CRASH, OX_EQUARANTINED);
	ck_assert_uint_eq(jobs[0].begun, 3);
	assert_end(&jobs[1], OXI_END_CRASH, OX_ECRASHED);
	ck_assert_uint_eq(jobs[1].begun, 2);
	assert_end(&jobs[2], OXI_END_CRASH, OX_EQUARANTINED);   /* the last retry is the third crash */
	ck_assert_uint_eq(counts().retried, 2 + 1 + 2);
	sim_close(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dispatch: faults");
	TCase *c = new_case(suite, "cases", 60);

	tcase_add_test(c, f01_a_crash_is_told_within_10_ms_and_the_worker_replaced_within_50);
	tcase_add_test(c, f04_a_worker_that_exits_with_a_job_has_crashed_and_one_that_was_told_has_not);
	tcase_add_test(c, f06_a_worker_that_stands_still_is_killed_by_the_timeout_and_capacity_returns);
	tcase_add_test(c, f06_a_worker_that_is_condemned_ends_its_job_as_stuck_and_no_other);
	tcase_add_test(c, f06_without_a_limit_it_is_waited_for_and_the_others_go_on);
	tcase_add_test(c, f19_when_the_spawner_dies_what_ran_follows_its_retries_and_what_waits_is_kept);
	tcase_add_test(c, f19_workers_that_die_with_the_spawner_while_they_start_break_no_pool);
	tcase_add_test(c, f19_without_any_spawner_every_job_ends_and_says_so);
	tcase_add_test(c, a_job_whose_crash_is_refused_a_retry_ends_with_the_refusal);
	return run_suite(suite);
}
