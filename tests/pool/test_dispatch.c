/* SPDX-License-Identifier: MIT */
/*
 * The dispatcher on the simulated transport: each decision by itself, then chaos. OXBOW_TEST_SEEDS says how many seeds the chaos
 * runs through, OXBOW_TEST_SEED one to replay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/random.h"
#include "tests/support/sim.h"
#include "tests/support/support.h"

enum { SHORT, LONG, OTHER, KINDS };

static struct sim s;

static void open_sim(unsigned workers)
{
	sim_open(&s, &(struct oxi_dispatch_options){ .workers = workers, .jobs = KINDS }, 1);
	sim_start(&s);
	sim_run_until(&s, s.now + OX_MS(5));
}

static void submit_n(struct sim_job *jobs, unsigned n, uint16_t index, ox_time run)
{
	for (unsigned i = 0; i < n; i++) {
		jobs[i] = (struct sim_job){ .d = { .index = index }, .run = run };
		sim_submit(&s, &jobs[i]);
	}
}

/* Lets the dispatcher learn how long a kind runs. */
static void warm_up(uint16_t index, ox_time run)
{
	enum { N = 3000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));

	submit_n(jobs, N, index, run);
	ck_assert(sim_drain(&s, OX_SEC(100)));
	sim_run_until(&s, s.now + OX_MS(1));
	free(jobs);
}

static void open_with(const struct oxi_policy *r, uint64_t seed)
{
	struct oxi_policy policy[KINDS] = { [LONG] = *r };

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .policy = policy, .seed = seed }, 1);
	sim_start(&s);
	sim_run_until(&s, s.now + OX_MS(5));
}

static struct oxi_dispatch_counts counts(void)
{
	struct oxi_dispatch_counts c;

	oxi_dispatch_get_counts(s.d, &c);
	return c;
}

static void assert_ended(const struct sim_job *jobs, unsigned n, enum oxi_end how, int status)
{
	for (unsigned i = 0; i < n; i++) {
		ck_assert_uint_eq(jobs[i].ends, 1);
		ck_assert_int_eq(jobs[i].how, how);
		ck_assert_int_eq(jobs[i].end_status, status);
	}
}

/* ---- where jobs go ---- */

START_TEST(a_job_is_small)
{
	ck_assert_uint_le(sizeof(struct oxi_djob), 72);         /* F26 */
}
END_TEST

START_TEST(jobs_run_once_and_their_status_passes)
{
	struct sim_job jobs[20];

	open_sim(2);
	submit_n(jobs, 20, SHORT, OX_US(10));
	jobs[7].status = -5;
	jobs[8].status = 12;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(jobs[i].begun, 1);
	assert_ended(jobs, 7, OXI_END_RESULT, 0);
	assert_ended(&jobs[7], 1, OXI_END_RESULT, -5);
	assert_ended(&jobs[8], 1, OXI_END_RESULT, 12);
	ck_assert_uint_eq(counts().ended_ok, 19);
	ck_assert_uint_eq(counts().ended_failed, 1);
	sim_close(&s);
}
END_TEST

START_TEST(an_unknown_kind_goes_one_at_a_time_and_then_by_hundreds)
{
	enum { N = 20000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));

	open_sim(1);
	submit_n(jobs, N, SHORT, OX_US(2));
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_eq(s.w[0].inbox_tail, 1);
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_uint_lt(s.sends, N / 50);
	ck_assert_uint_eq(s.taken_back, 0);
	sim_close(&s);
	free(jobs);
}
END_TEST

START_TEST(a_worker_never_owes_more_leases_than_it_has_cells_for)
{
	enum { N = 5000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));

	open_sim(1);
	warm_up(SHORT, 1);
	submit_n(jobs, N, SHORT, 1);
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_gt(counts().leased, 256);
	ck_assert_uint_le(counts().leased, 512);
	ck_assert(sim_drain(&s, OX_SEC(10)));
	sim_close(&s);
	free(jobs);
}
END_TEST

START_TEST(long_jobs_never_wait_behind_one_another_in_a_worker)
{
	struct sim_job jobs[12];

	open_sim(3);
	warm_up(LONG, OX_MS(2));
	submit_n(jobs, 12, LONG, OX_MS(20));
	while (s.ended < s.submitted) {
		ck_assert_uint_le(counts().leased, 3);
		ck_assert(sim_step(&s));
	}
	ck_assert_uint_eq(s.taken_back, 0);
	sim_close(&s);
}
END_TEST

START_TEST(few_jobs_are_split_between_the_idle)
{
	struct sim_job jobs[8];
	unsigned per_slot[4] = { 0 };

	open_sim(4);
	warm_up(SHORT, OX_US(10));
	submit_n(jobs, 8, SHORT, OX_US(10));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 8; i++)
		per_slot[jobs[i].slot]++;
	for (int i = 0; i < 4; i++)
		ck_assert_uint_eq(per_slot[i], 2);
	sim_close(&s);
}
END_TEST

START_TEST(one_message_carries_about_a_millisecond)
{
	enum { N = 1000 };
	static struct sim_job jobs[N];

	open_sim(1);
	warm_up(SHORT, OX_US(50));
	s.w[0].messages = 0;
	submit_n(jobs, N, SHORT, OX_US(50));
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_eq(s.w[0].messages, 2);          /* one to run, one to have waiting */
	ck_assert_uint_ge(counts().leased, 38);
	ck_assert_uint_le(counts().leased, 40);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_close(&s);
}
END_TEST

START_TEST(jobs_behind_a_long_one_are_taken_elsewhere)
{
	struct sim_job jobs[41];
	unsigned late = 0;
	ox_time begin;

	open_sim(2);
	warm_up(SHORT, OX_US(20));
	begin = s.now;
	submit_n(jobs, 41, SHORT, OX_US(20));
	jobs[0].run = OX_SEC(1);        /* against all expectation */
	sim_run_until(&s, begin + OX_MS(20));
	for (int i = 1; i < 41; i++)
		late += jobs[i].ends == 0;
	ck_assert_uint_eq(late, 0);
	ck_assert_uint_gt(s.taken_back, 0);
	ck_assert(sim_drain(&s, OX_SEC(2)));
	for (int i = 0; i < 41; i++)
		ck_assert_uint_eq(jobs[i].begun, 1);
	sim_close(&s);
}
END_TEST

START_TEST(nothing_is_taken_back_where_nobody_else_moves)
{
	struct sim_job jobs[40];

	open_sim(1);
	warm_up(SHORT, OX_US(20));
	submit_n(jobs, 40, SHORT, OX_US(20));
	jobs[0].run = OX_SEC(1);
	ck_assert(sim_drain(&s, OX_SEC(2)));
	ck_assert_uint_eq(s.taken_back, 0);
	sim_close(&s);
}
END_TEST

START_TEST(an_idle_worker_gets_half_of_what_another_has_not_begun)
{
	static struct sim_job jobs[60];
	struct sim_job blocker = { .d = { .index = LONG }, .run = OX_MS(1) + OX_US(100) };

	open_sim(2);
	warm_up(SHORT, OX_US(30));
	warm_up(LONG, OX_MS(1));
	sim_submit(&s, &blocker);
	oxi_dispatch_flush(s.d, s.now);
	submit_n(jobs, 60, SHORT, OX_US(30));           /* all to the other one: 1.8 ms */
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_gt(s.taken_back, 4);
	ck_assert_int_lt(s.now - blocker.ended_at, OX_US(600));
	sim_close(&s);
}
END_TEST

/* F39 for local workers: the one that stands still keeps what it has begun and nothing else. */
START_TEST(a_worker_that_stands_still_loses_what_it_has_not_begun)
{
	enum { N = 300 };
	static struct sim_job jobs[N];
	unsigned left = 0;

	open_sim(2);
	warm_up(SHORT, OX_US(20));
	sim_stand(&s, 0);
	submit_n(jobs, N, SHORT, OX_US(20));
	sim_run_until(&s, s.now + OX_MS(100));
	for (int i = 0; i < N; i++)
		left += jobs[i].ends == 0;
	ck_assert_uint_le(left, 1);
	sim_go_on(&s, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_close(&s);
}
END_TEST

START_TEST(without_batching_a_worker_has_one_lease)
{
	struct sim_job jobs[50];

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .one_at_a_time = true }, 1);
	sim_start(&s);
	submit_n(jobs, 50, SHORT, OX_US(5));
	while (s.ended < s.submitted) {
		ck_assert(sim_step(&s));
		ck_assert_uint_le(counts().leased, 2);
	}
	sim_close(&s);
}
END_TEST

START_TEST(eager_says_when_a_message_is_full)
{
	static struct sim_job jobs[400];
	unsigned n = 0;

	open_sim(1);
	ck_assert(!oxi_dispatch_eager(s.d));
	warm_up(SHORT, OX_US(10));
	while (!oxi_dispatch_eager(s.d)) {
		ck_assert_uint_lt(n, 200);
		submit_n(&jobs[n++], 1, SHORT, OX_US(10));
	}
	ck_assert_uint_ge(n, 90);
	oxi_dispatch_flush(s.d, s.now);
	ck_assert(!oxi_dispatch_eager(s.d));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_close(&s);
}
END_TEST

START_TEST(a_refused_send_leaves_the_jobs_queued_in_order)
{
	struct sim_job jobs[30];

	open_sim(1);
	warm_up(SHORT, OX_US(100));
	s.faults.send_refused = 1000;
	submit_n(jobs, 30, SHORT, OX_US(100));
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_eq(counts().queued, 30);
	s.faults.send_refused = 0;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 1; i < 30; i++)
		ck_assert_int_gt(jobs[i].begun_at, jobs[i - 1].begun_at);
	sim_close(&s);
}
END_TEST

/* ---- priorities ---- */

static void submit_at(struct sim_job *job, int priority, uint16_t index, ox_time run)
{
	*job = (struct sim_job){ .d = { .index = index, .priority = (int8_t)priority }, .run = run };
	sim_submit(&s, job);
}

START_TEST(jobs_begin_by_priority_and_in_order_within_one)
{
	enum { N = 21 };
	struct sim_job jobs[N];

	open_sim(1);
	warm_up(LONG, OX_MS(2));
	for (int i = 0; i < N; i++)
		submit_at(&jobs[i], i % 7 - 3, LONG, OX_MS(2));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			if (i % 7 > k % 7 || (i % 7 == k % 7 && i < k))
				ck_assert_int_lt(jobs[i].begun_at, jobs[k].begun_at);
	sim_close(&s);
}
END_TEST

START_TEST(an_urgent_job_waits_for_no_more_than_a_worker_owes)
{
	enum { N = 20000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs)), urgent;
	ox_time begin;

	open_sim(2);
	warm_up(SHORT, OX_US(50));
	submit_n(jobs, N, SHORT, OX_US(50));
	oxi_dispatch_flush(s.d, s.now);
	begin = s.now;
	submit_at(&urgent, 1, SHORT, OX_US(50));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_lt(urgent.begun_at - begin, OX_MS(3));
	sim_close(&s);
	free(jobs);
}
END_TEST

/* A new job of the highest priority for each one that ends, so that one is always waiting. */
static void submit_another(struct sim *sim, struct sim_job *job)
{
	if (job->d.priority < OXI_PRIORITY_MAX || sim->submitted > 6000)
		return;
	*job = (struct sim_job){ .d = { .index = LONG, .priority = OXI_PRIORITY_MAX }, .run = OX_MS(10) };
	sim_submit(sim, job);
}

START_TEST(what_waits_grows_older_and_nothing_starves)
{
	struct sim_job urgent[4], patient[2];
	ox_time begin;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 1, .jobs = KINDS, .ageing = OX_SEC(2) }, 1);
	sim_start(&s);
	s.on_end = submit_another;
	warm_up(LONG, OX_MS(1));
	begin = s.now;
	for (int i = 0; i < 4; i++)
		submit_at(&urgent[i], OXI_PRIORITY_MAX, LONG, OX_MS(10));
	submit_at(&patient[0], -OXI_PRIORITY_MAX, LONG, OX_MS(10));
	submit_at(&patient[1], 0, LONG, OX_MS(10));
	ck_assert(sim_drain(&s, OX_SEC(100)));
	ck_assert_int_ge(patient[0].begun_at - begin, OX_SEC(12));      /* six priorities, 2 s each */
	ck_assert_int_lt(patient[0].begun_at - begin, OX_SEC(12) + OX_MS(100));
	ck_assert_int_ge(patient[1].begun_at - begin, OX_SEC(6));
	ck_assert_int_lt(patient[1].begun_at - begin, OX_SEC(6) + OX_MS(100));
	sim_close(&s);
}
END_TEST

START_TEST(a_job_that_comes_back_keeps_its_place)
{
	struct sim_job jobs[60];

	open_sim(1);
	warm_up(SHORT, OX_US(100));
	for (int i = 0; i < 60; i++)
		submit_at(&jobs[i], i < 30 ? 0 : -1, SHORT, OX_US(100));
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_gt(counts().leased, 10);
	sim_die(&s, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 1; i < 60; i++)
		ck_assert_int_gt(jobs[i].begun_at, jobs[i - 1].begun_at);
	sim_close(&s);
}
END_TEST

/* ---- the rate ---- */

START_TEST(a_limited_rate_is_kept_at_any_time_and_used)
{
	enum { N = 1000 };
	static struct sim_job jobs[N];
	ox_time begin;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .interval = OX_MS(1) }, 1);
	s.gap = 0;
	sim_start(&s);
	sim_run_until(&s, s.now + OX_SEC(5));           /* a long rest saves up no more than a lump */
	begin = s.now;
	submit_n(jobs, N, SHORT, OX_US(1));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_ge(s.now - begin, OX_MS(N - 12));
	ck_assert_int_le(s.now - begin, OX_MS(N));
	for (int i = 50; i < N; i++)                    /* 51 jobs in no less than 50 intervals without a lump */
		ck_assert_int_ge(jobs[i].begun_at - jobs[i - 50].begun_at, OX_MS(50) - OX_MS(11));
	sim_close(&s);
}
END_TEST

START_TEST(the_urgent_goes_first_at_a_limited_rate)
{
	struct sim_job jobs[100], urgent;
	unsigned earlier = 0;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .interval = OX_MS(50) }, 1);
	sim_start(&s);
	submit_n(jobs, 100, SHORT, OX_US(1));
	sim_run_until(&s, s.now + OX_SEC(1));
	submit_at(&urgent, 1, SHORT, OX_US(1));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	for (int i = 0; i < 100; i++)
		earlier += jobs[i].begun_at < urgent.begun_at;
	ck_assert_uint_ge(earlier, 20);         /* in a second */
	ck_assert_uint_le(earlier, 22);
	sim_close(&s);
}
END_TEST

/* ---- timeouts and cancels ---- */

/* F07: what the dispatcher decides of it. */
START_TEST(a_timeout_kills_when_the_job_has_run_that_long_and_not_before)
{
	struct sim_job jobs[3];

	open_sim(1);
	submit_n(jobs, 3, LONG, OX_MS(40));
	for (int i = 0; i < 3; i++)
		jobs[i].d.timeout = OX_MS(50);
	jobs[1].run = OX_SEC(100);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&jobs[0], 1, OXI_END_RESULT, 0);
	assert_ended(&jobs[1], 1, OXI_END_TIMEOUT, OX_ETIMEDOUT);
	assert_ended(&jobs[2], 1, OXI_END_RESULT, 0);   /* had waited far longer than its timeout */
	ck_assert_int_ge(jobs[1].ended_at - jobs[1].begun_at, OX_MS(50));
	ck_assert_int_le(jobs[1].ended_at - jobs[1].begun_at, OX_MS(51));
	ck_assert_uint_eq(s.kills, 1);
	ck_assert_uint_eq(counts().ended_failed, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_job_with_grace_is_told_at_its_timeout_and_killed_later_if_it_does_not_end)
{
	struct sim_job deaf = { .d = { .index = LONG, .timeout = OX_MS(50) }, .run = OX_SEC(9) };
	struct sim_job heeding = { .d = { .index = LONG, .timeout = OX_MS(50) }, .run = OX_SEC(9), .heeds = OX_MS(10), .status = 7 };

	open_with(&(struct oxi_policy){ .grace = OX_MS(30) }, 1);
	sim_submit(&s, &deaf);
	sim_submit(&s, &heeding);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&deaf, 1, OXI_END_TIMEOUT, OX_ETIMEDOUT);
	ck_assert_int_ge(deaf.ended_at - deaf.begun_at, OX_MS(80));
	ck_assert_int_le(deaf.ended_at - deaf.begun_at, OX_MS(81));
	assert_ended(&heeding, 1, OXI_END_RESULT, 7);
	ck_assert_int_ge(heeding.ended_at - heeding.begun_at, OX_MS(60));
	ck_assert_int_le(heeding.ended_at - heeding.begun_at, OX_MS(61));
	ck_assert_uint_eq(s.told, 2);
	ck_assert_uint_eq(s.kills, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_cancelled_job_with_grace_is_told_and_killed_later_if_it_does_not_end)
{
	struct sim_job deaf = { .d = { .index = LONG }, .run = OX_SEC(9) };
	struct sim_job heeding = { .d = { .index = LONG }, .run = OX_SEC(9), .heeds = OX_MS(10), .status = 7 };
	ox_time begin;

	open_with(&(struct oxi_policy){ .grace = OX_MS(30) }, 1);
	sim_submit(&s, &deaf);
	sim_submit(&s, &heeding);
	sim_run_until(&s, s.now + OX_MS(5));
	begin = s.now;
	sim_cancel(&s, &deaf, false);
	sim_cancel(&s, &heeding, false);
	ck_assert_uint_eq(s.told, 2);
	ck_assert_uint_eq(s.kills, 0);
	sim_cancel(&s, &heeding, false);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&deaf, 1, OXI_END_CANCEL, OX_ECANCELED);
	ck_assert_int_le(deaf.ended_at - begin, OX_MS(31));
	assert_ended(&heeding, 1, OXI_END_RESULT, 7);           /* it had the time to end as it likes */
	ck_assert_int_le(heeding.ended_at - begin, OX_MS(11));
	ck_assert_uint_eq(s.kills, 1);
	sim_close(&s);
}
END_TEST

START_TEST(an_abandoned_job_is_told)
{
	struct sim_job job = { .d = { .index = LONG }, .run = OX_SEC(9), .heeds = OX_MS(10) }, next;
	ox_time begin;

	open_sim(1);
	sim_submit(&s, &job);
	sim_run_until(&s, s.now + OX_MS(5));
	begin = s.now;
	sim_cancel(&s, &job, true);
	assert_ended(&job, 1, OXI_END_CANCEL, OX_ECANCELED);
	submit_n(&next, 1, LONG, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_le(next.begun_at - begin, OX_MS(11));
	ck_assert_uint_eq(s.kills, 0);
	sim_close(&s);
}
END_TEST

START_TEST(a_timeout_in_the_middle_of_a_batch_costs_that_job_only)
{
	enum { N = 100 };
	static struct sim_job jobs[N];

	open_sim(1);
	warm_up(SHORT, OX_US(20));
	submit_n(jobs, N, SHORT, OX_US(20));
	for (int i = 0; i < N; i++)
		jobs[i].d.timeout = OX_MS(3);
	jobs[17].run = OX_SEC(10);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(jobs[i].begun, 1);
		ck_assert_int_eq(jobs[i].end_status, i == 17 ? OX_ETIMEDOUT : 0);
		if (i > 0)
			ck_assert_int_gt(jobs[i].begun_at, jobs[i - 1].begun_at);
	}
	ck_assert_int_le(jobs[17].ended_at - jobs[17].begun_at, OX_MS(4));
	ck_assert_uint_eq(counts().retried, 0);
	sim_close(&s);
}
END_TEST

START_TEST(cancel_takes_a_job_out_of_the_queue_and_back_from_a_worker)
{
	struct sim_job jobs[60];

	open_sim(1);
	warm_up(SHORT, OX_US(50));
	submit_n(jobs, 60, SHORT, OX_US(50));
	sim_cancel(&s, &jobs[59], false);               /* queued */
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_int_eq(jobs[5].d.state, OXI_LEASED);
	sim_cancel(&s, &jobs[5], false);                /* sent, not begun */
	sim_cancel(&s, &jobs[5], false);                /* has ended: nothing */
	assert_ended(&jobs[59], 1, OXI_END_CANCEL, OX_ECANCELED);
	assert_ended(&jobs[5], 1, OXI_END_CANCEL, OX_ECANCELED);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(jobs[5].begun + jobs[59].begun, 0);
	ck_assert_uint_eq(s.kills, 0);
	ck_assert_uint_eq(counts().ended_cancelled, 2);
	sim_close(&s);
}
END_TEST

START_TEST(cancelling_a_running_job_kills_once_and_its_mates_go_on_in_order)
{
	struct sim_job jobs[40];

	open_sim(1);
	warm_up(SHORT, OX_US(20));
	submit_n(jobs, 40, SHORT, OX_US(20));
	jobs[0].run = OX_SEC(10);
	sim_run_until(&s, s.now + OX_MS(1));
	sim_cancel(&s, &jobs[0], false);
	sim_cancel(&s, &jobs[0], false);
	ck_assert_uint_eq(jobs[0].ends, 0);             /* ends with its worker */
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, 1, OXI_END_CANCEL, OX_ECANCELED);
	assert_ended(jobs + 1, 39, OXI_END_RESULT, 0);
	for (int i = 2; i < 40; i++)
		ck_assert_int_gt(jobs[i].begun_at, jobs[i - 1].begun_at);
	ck_assert_uint_eq(s.kills, 1);
	ck_assert_uint_eq(counts().killed, 1);
	ck_assert_uint_eq(counts().crashed + counts().retried, 0);
	sim_close(&s);
}
END_TEST

START_TEST(an_abandoned_job_ends_at_once_and_runs_out)
{
	struct sim_job job, next;
	uint64_t late = 0;

	open_sim(1);
	submit_n(&job, 1, LONG, OX_MS(30));
	sim_run_until(&s, s.now + OX_MS(1));
	late = counts().late;
	sim_cancel(&s, &job, true);
	assert_ended(&job, 1, OXI_END_CANCEL, OX_ECANCELED);
	ck_assert_uint_eq(counts().busy, 1);
	submit_n(&next, 1, LONG, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_ge(next.begun_at - job.begun_at, OX_MS(30));
	ck_assert_uint_eq(s.kills, 0);
	ck_assert_uint_eq(counts().late, late + 1);
	ck_assert_uint_eq(counts().busy, 0);
	sim_close(&s);
}
END_TEST

START_TEST(an_abandoned_job_still_has_its_timeout)
{
	struct sim_job job, next;

	open_sim(1);
	job = (struct sim_job){ .d = { .index = LONG, .timeout = OX_MS(50) }, .run = OX_SEC(100) };
	sim_submit(&s, &job);
	sim_run_until(&s, s.now + OX_MS(1));
	sim_cancel(&s, &job, true);
	submit_n(&next, 1, LONG, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(s.kills, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_result_that_was_finished_before_the_kill_wins)
{
	struct sim_job job;

	open_sim(1);
	s.latency = OX_MS(2);
	submit_n(&job, 1, LONG, OX_MS(5));
	while (s.w[0].outbox_tail == 0)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &job, false);            /* its result is on the way */
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_RESULT, 0);
	ck_assert_uint_eq(s.kills, 0);
	sim_close(&s);
}
END_TEST

START_TEST(a_cancel_between_claim_and_begin_finds_the_job_later)
{
	struct sim_job job;

	open_sim(1);
	submit_n(&job, 1, LONG, OX_SEC(100));
	while (s.w[0].claimed == 0)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &job, false);
	ck_assert(sim_drain(&s, OX_MS(20)));
	assert_ended(&job, 1, OXI_END_CANCEL, OX_ECANCELED);
	ck_assert_uint_eq(s.kills, 1);
	sim_close(&s);
}
END_TEST

/* ---- deaths ---- */

START_TEST(a_crash_is_the_end_of_one_job)
{
	struct sim_job jobs[50];

	open_sim(1);
	warm_up(SHORT, OX_US(20));
	submit_n(jobs, 50, SHORT, OX_US(20));
	jobs[10].crashes = true;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 50; i++) {
		ck_assert_uint_eq(jobs[i].begun, 1);
		assert_ended(&jobs[i], 1, i == 10 ? OXI_END_CRASH : OXI_END_RESULT, i == 10 ? OX_ECRASHED : 0);
	}
	ck_assert_uint_eq(counts().crashed, 1);
	ck_assert_uint_eq(counts().ready, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_crashed_job_is_run_again_as_often_as_it_may)
{
	struct sim_job job = { .d = { .index = LONG, .retries = 2 }, .run = OX_MS(1), .crashes = true };
	ox_time begin;

	open_sim(2);
	begin = s.now;
	sim_submit(&s, &job);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_CRASH, OX_ECRASHED);
	ck_assert_uint_eq(job.begun, 3);
	ck_assert_uint_eq(counts().retried, 2);
	ck_assert_uint_eq(counts().crashed, 3);
	ck_assert_int_ge(s.now - begin, OX_MS(15));     /* 5 to 10, and 10 to 20 ms */
	sim_close(&s);
}
END_TEST

START_TEST(each_cause_is_retried_if_the_job_says_so)
{
	static const unsigned all = OX_RETRY_CRASH | OX_RETRY_TIMEOUT | OX_RETRY_FAILURE;

	for (unsigned on = 0; on <= all; on++) {
		struct sim_job crash = { .d = { .index = LONG, .retries = 2 }, .run = OX_MS(1), .crashes = true };
		struct sim_job late = { .d = { .index = LONG, .retries = 2, .timeout = OX_MS(2) }, .run = OX_SEC(9) };
		struct sim_job failure = { .d = { .index = LONG, .retries = 2 }, .run = OX_MS(1), .fails = 2 };

		open_with(&(struct oxi_policy){ .retry_on = on }, 1);
		sim_submit(&s, &crash);
		sim_submit(&s, &late);
		sim_submit(&s, &failure);
		ck_assert(sim_drain(&s, OX_SEC(1)));
		assert_ended(&crash, 1, OXI_END_CRASH, OX_ECRASHED);
		assert_ended(&late, 1, OXI_END_TIMEOUT, OX_ETIMEDOUT);
		ck_assert_uint_eq(crash.begun, (on & OX_RETRY_CRASH) != 0 || on == 0 ? 3 : 1);
		ck_assert_uint_eq(late.begun, (on & OX_RETRY_TIMEOUT) != 0 ? 3 : 1);
		ck_assert_uint_eq(failure.begun, (on & OX_RETRY_FAILURE) != 0 ? 3 : 1);
		ck_assert_int_eq(failure.end_status, (on & OX_RETRY_FAILURE) != 0 ? 0 : -1);
		ck_assert_uint_eq(counts().retried, crash.begun + late.begun + failure.begun - 3);
		sim_close(&s);
	}
}
END_TEST

/* When the n attempts of a job that always fails begin, from the second on: the pauses before them. */
static void pauses_of(const struct oxi_policy *r, uint64_t seed, ox_time *pauses, unsigned n)
{
	struct sim_job job = { .d = { .index = LONG, .retries = (uint8_t)n }, .run = OX_US(1), .fails = n + 1 };
	ox_time last;

	open_with(r, seed);
	sim_submit(&s, &job);
	for (unsigned i = 0; i <= n; i++) {
		while (job.begun == i)
			ck_assert(sim_step(&s));
		if (i > 0)
			pauses[i - 1] = job.begun_at - last;
		last = job.begun_at;
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_close(&s);
}

START_TEST(pauses_before_retries_double_up_to_a_limit_and_are_not_all_alike)
{
	static const ox_time expected[] = { OX_MS(100), OX_MS(200), OX_MS(400), OX_MS(800), OX_SEC(1), OX_SEC(1) };
	enum { N = sizeof(expected) / sizeof(expected[0]), SEEDS = 50 };
	struct oxi_policy r = { .retry_delay = OX_MS(100), .retry_max = OX_SEC(1), .retry_on = OX_RETRY_FAILURE };
	ox_time pauses[N], least = OX_NEVER, most = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		pauses_of(&r, seed, pauses, N);
		for (int i = 0; i < N; i++) {
			ck_assert_int_ge(pauses[i], expected[i] / 2);
			ck_assert_int_le(pauses[i], expected[i] + OX_MS(10));
		}
		least = pauses[5] < least ? pauses[5] : least;
		most = pauses[5] > most ? pauses[5] : most;
	}
	ck_assert_int_lt(least, OX_MS(600));
	ck_assert_int_gt(most, OX_MS(900));
}
END_TEST

START_TEST(a_pause_may_be_longer_than_the_ring_of_delays)
{
	struct oxi_policy r = { .retry_delay = OX_SEC(3600), .retry_max = OX_SEC(7200), .retry_on = OX_RETRY_FAILURE };
	ox_time pause;

	pauses_of(&r, 1, &pause, 1);
	ck_assert_int_ge(pause, OX_SEC(1800));
	ck_assert_int_le(pause, OX_SEC(3600) + OX_MS(10));
}
END_TEST

START_TEST(a_job_that_is_cancelled_while_its_timeout_kills_is_not_run_again)
{
	struct oxi_policy r = { .retry_on = OX_RETRY_TIMEOUT };
	struct sim_job job = { .d = { .index = LONG, .retries = 9, .timeout = OX_MS(2) }, .run = OX_SEC(9) };

	open_with(&r, 1);
	sim_submit(&s, &job);
	while (!job.d.doomed)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &job, false);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_TIMEOUT, OX_ETIMEDOUT);
	ck_assert_uint_eq(job.begun, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_job_that_runs_again_after_its_timeout_is_as_free_as_at_first)
{
	struct oxi_policy p = { .retry_on = OX_RETRY_TIMEOUT };
	struct sim_job job = { .d = { .index = LONG, .retries = 9, .timeout = OX_MS(50) }, .run = OX_SEC(9) };
	ox_time begin;

	open_with(&p, 1);
	sim_submit(&s, &job);
	while (job.begun < 2)
		ck_assert(sim_step(&s));
	begin = s.now;
	sim_run_until(&s, begin + OX_MS(40));
	ck_assert_uint_eq(job.running, 1);
	ck_assert_uint_eq(s.kills, 1);
	sim_cancel(&s, &job, false);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_CANCEL, OX_ECANCELED);
	ck_assert_uint_eq(job.begun, 2);
	sim_close(&s);
}
END_TEST

START_TEST(a_hundred_thousand_failures_at_once_are_all_run_again)
{
	enum { N = 100000 };
	struct oxi_policy r = { .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_SEC(60), .retry_max = OX_SEC(60) };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));

	open_with(&r, 1);
	for (int i = 0; i < N; i++) {
		jobs[i] = (struct sim_job){ .d = { .index = LONG, .retries = 1 }, .run = OX_US(1), .fails = 1 };
		sim_submit(&s, &jobs[i]);
	}
	ck_assert(sim_drain(&s, OX_SEC(100)));
	assert_ended(jobs, N, OXI_END_RESULT, 0);
	ck_assert_uint_eq(counts().retried, N);
	sim_close(&s);
	free(jobs);
}
END_TEST

START_TEST(a_delayed_retry_can_be_cancelled)
{
	struct sim_job job = { .d = { .index = LONG, .retries = 200 }, .run = OX_MS(1), .crashes = true };

	open_sim(1);
	sim_submit(&s, &job);
	while (job.d.state != OXI_DELAYED)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &job, false);
	assert_ended(&job, 1, OXI_END_CANCEL, OX_ECANCELED);
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_lost_before_it_began_costs_nothing_F02)
{
	struct sim_job jobs[30];

	open_sim(1);
	warm_up(SHORT, OX_US(20));
	submit_n(jobs, 30, SHORT, OX_US(20));
	oxi_dispatch_flush(s.d, s.now);
	ck_assert_uint_gt(counts().leased, 1);
	sim_die(&s, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, 30, OXI_END_RESULT, 0);
	for (int i = 0; i < 30; i++)
		ck_assert_uint_eq(jobs[i].begun, 1);
	ck_assert_uint_eq(counts().retried, 0);
	ck_assert_uint_eq(counts().crashed, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_finished_result_survives_its_worker)
{
	struct sim_job job;

	open_sim(1);
	submit_n(&job, 1, LONG, OX_MS(5));
	s.faults.dies_finished = 1000;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_RESULT, 0);
	ck_assert_uint_eq(job.begun, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_reply_of_an_attempt_that_is_over_is_dropped_and_counted_F32)
{
	struct sim_job job = { .d = { .index = LONG, .retries = 1 }, .run = OX_MS(1), .crashes = true };
	uint64_t old;

	open_sim(1);
	sim_submit(&s, &job);
	while (job.begun == 0)
		ck_assert(sim_step(&s));
	old = job.d.lease;
	while (job.d.state != OXI_DELAYED)
		ck_assert(sim_step(&s));
	job.crashes = false;
	while (job.begun < 2)
		ck_assert(sim_step(&s));
	ck_assert_uint_ne(job.d.lease, old);
	ck_assert_ptr_null(oxi_dispatch_find(s.d, 0, old));
	ck_assert_ptr_null(oxi_dispatch_find(s.d, 0, old + 1024));
	ck_assert_ptr_null(oxi_dispatch_find(s.d, 0, 0));
	ck_assert_uint_eq(counts().late, 3);
	oxi_dispatch_lost(s.d, 0, 1, 0, OX_ECRASHED, s.now);    /* the first generation, again */
	oxi_dispatch_ready(s.d, 0, 1, s.now);
	ck_assert_uint_eq(counts().late, 5);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&job, 1, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_killed_for_one_job_costs_another_that_ran_by_then_nothing)
{
	struct sim_job jobs[2];

	open_sim(1);
	warm_up(SHORT, OX_US(400));
	submit_n(jobs, 2, SHORT, OX_US(400));
	jobs[0].run = OX_MS(3);
	while (jobs[0].begun == 0)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &jobs[0], false);
	/* the kill hits a moment later: the job has ended, the next one runs */
	s.w[0].culprit = jobs[1].d.lease;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(&jobs[0], 1, OXI_END_CANCEL, OX_ECANCELED);
	assert_ended(&jobs[1], 1, OXI_END_RESULT, 0);
	ck_assert_uint_eq(counts().retried, 0);
	sim_close(&s);
}
END_TEST

/* ---- starting workers ---- */

START_TEST(workers_that_die_at_once_are_started_ever_more_slowly_F16)
{
	unsigned first;

	open_sim(2);
	s.faults.dies_starting = 1000;
	sim_die(&s, 0);
	sim_run_until(&s, s.now + OX_SEC(1));
	first = s.spawns;
	ck_assert_uint_ge(first, 5);
	ck_assert_uint_le(first, 12);
	sim_run_until(&s, s.now + OX_SEC(100));
	ck_assert_uint_ge(s.spawns - first, 18);
	ck_assert_uint_le(s.spawns - first, 25);        /* every 5 s */
	s.faults.dies_starting = 0;
	sim_run_until(&s, s.now + OX_SEC(6));
	ck_assert_uint_eq(counts().ready, 2);           /* the other one had kept the pool from breaking */
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_that_has_served_is_replaced_at_once)
{
	open_sim(1);
	warm_up(SHORT, OX_US(20));
	for (int i = 0; i < 20; i++) {
		struct sim_job job;
		ox_time begin;

		submit_n(&job, 1, SHORT, OX_US(20));
		job.crashes = i % 2 == 0;
		ck_assert(sim_drain(&s, OX_SEC(1)));
		begin = s.now;
		if (i % 2 == 1)
			sim_die(&s, 0);
		while (counts().ready == 0 || s.w[0].state == SIM_DEAD)
			ck_assert(sim_step(&s));
		ck_assert_int_le(s.now - begin, OX_MS(3));
	}
	sim_close(&s);
}
END_TEST

START_TEST(a_pool_whose_workers_never_start_breaks_F16)
{
	struct sim_job jobs[10], later;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .init_limit = 7 }, 1);
	s.faults.init_fails = 1000;
	sim_start(&s);
	submit_n(jobs, 10, SHORT, OX_US(10));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	assert_ended(jobs, 10, OXI_END_LIMIT, OX_EINIT);
	ck_assert_uint_ge(s.spawns, 7);
	ck_assert_uint_le(s.spawns, 8);
	submit_n(&later, 1, SHORT, OX_US(10));
	assert_ended(&later, 1, OXI_END_LIMIT, OX_EINIT);
	sim_run_until(&s, s.now + OX_SEC(100));
	ck_assert_uint_le(s.spawns, 8);
	sim_close(&s);
}
END_TEST

START_TEST(a_refused_spawn_is_tried_again)
{
	struct sim_job job;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 3, .jobs = KINDS, .spawn_deadline = OX_NEVER }, 1);
	s.faults.spawn_refused = 1000;
	sim_start(&s);
	submit_n(&job, 1, SHORT, OX_US(10));
	sim_run_until(&s, s.now + OX_SEC(60));
	ck_assert_uint_eq(s.spawns, 0);
	ck_assert_uint_eq(counts().refused, 3);
	s.faults.spawn_refused = 0;
	ck_assert(sim_drain(&s, OX_SEC(6)));
	assert_ended(&job, 1, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

START_TEST(while_no_worker_can_be_started_a_job_waits_for_spawn_deadline_and_no_longer_F24)
{
	struct sim_job early[10], late[10], last;
	ox_time begin;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .spawn_deadline = OX_SEC(3) }, 1);
	s.faults.spawn_refused = 1000;
	sim_start(&s);
	begin = s.now;
	submit_n(early, 10, SHORT, OX_US(10));
	sim_run_until(&s, s.now + OX_SEC(1));
	submit_n(late, 10, SHORT, OX_US(10));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	assert_ended(early, 10, OXI_END_LIMIT, OX_EINIT);
	assert_ended(late, 10, OXI_END_LIMIT, OX_EINIT);
	ck_assert_int_ge(early[0].ended_at - begin, OX_SEC(3));
	ck_assert_int_le(early[9].ended_at - begin, OX_SEC(3) + OX_MS(10));
	ck_assert_int_ge(late[0].ended_at - begin, OX_SEC(4));
	s.faults.spawn_refused = 0;
	submit_n(&last, 1, SHORT, OX_US(10));   /* the pool is not broken */
	ck_assert(sim_drain(&s, OX_SEC(3)));
	ck_assert(last.end_status == 0 || last.end_status == OX_EINIT);
	sim_run_until(&s, s.now + OX_SEC(6));
	ck_assert_uint_eq(counts().refused, 0);
	ck_assert_uint_eq(counts().ready, 2);
	sim_close(&s);
}
END_TEST

START_TEST(a_job_that_has_waited_long_is_not_given_up_as_soon_as_the_last_worker_is_gone_F24)
{
	struct sim_job first, waits;
	ox_time begin;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 1, .jobs = KINDS, .spawn_deadline = OX_SEC(3) }, 1);
	sim_start(&s);
	submit_n(&first, 1, SHORT, OX_SEC(10));
	submit_n(&waits, 1, SHORT, OX_US(10));
	sim_run_until(&s, s.now + OX_SEC(5));
	s.faults.spawn_refused = 1000;
	begin = s.now;
	sim_die(&s, 0);
	ck_assert(sim_drain(&s, OX_SEC(10)));
	assert_ended(&waits, 1, OXI_END_LIMIT, OX_EINIT);
	ck_assert_int_ge(waits.ended_at - begin, OX_SEC(3));
	sim_close(&s);
}
END_TEST

START_TEST(close_ends_what_has_not_begun_and_lets_the_rest_run_out)
{
	struct sim_job jobs[200], after;
	unsigned done = 0;

	open_sim(2);
	warm_up(SHORT, OX_US(50));
	submit_n(jobs, 200, SHORT, OX_US(50));
	sim_run_until(&s, s.now + OX_MS(1));
	oxi_dispatch_close(s.d, s.now);
	submit_n(&after, 1, SHORT, OX_US(50));
	assert_ended(&after, 1, OXI_END_LIMIT, OX_ECLOSED);
	ck_assert_uint_eq(counts().queued, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 200; i++) {
		ck_assert_uint_eq(jobs[i].ends, 1);
		ck_assert_uint_eq(jobs[i].begun, jobs[i].how == OXI_END_RESULT);
		done += jobs[i].begun;
	}
	ck_assert_uint_gt(done, 10);
	ck_assert_uint_lt(done, 60);
	while (sim_step(&s))
		;
	ck_assert_uint_eq(counts().ready + counts().starting, 0);
	ck_assert_uint_eq(counts().crashed, 0);
	sim_close(&s);
}
END_TEST

/* ---- workers come and go ---- */

START_TEST(an_heir_takes_over_when_the_last_job_of_its_elder_has_ended)
{
	struct sim_job jobs[6];
	unsigned running;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .spare = 2, .max_jobs = 1, .jobs = KINDS }, 1);
	sim_start(&s);
	submit_n(jobs, 6, LONG, OX_MS(50));
	while (s.ended < s.submitted) {
		ck_assert(sim_step(&s));
		running = 0;
		for (unsigned i = 0; i < 6; i++)
			running += jobs[i].running;
		ck_assert_uint_le(running, 2);
	}
	assert_ended(jobs, 6, OXI_END_RESULT, 0);
	for (unsigned i = 2; i < 6; i++)        /* ready before: no time is lost between two jobs */
		ck_assert_int_lt(jobs[i].begun_at - jobs[i - 2].ended_at, OX_MS(1));
	ck_assert_uint_eq(counts().crashed + counts().killed, 0);
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_that_does_not_end_when_told_is_killed)
{
	struct sim_job jobs[2];

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 1, .spare = 1, .max_jobs = 1, .jobs = KINDS }, 1);
	sim_start(&s);
	submit_n(jobs, 1, SHORT, OX_MS(3));
	while (jobs[0].begun == 0)
		ck_assert(sim_step(&s));
	ck_assert(s.w[0].ending);
	s.w[0].ending = false;          /* worker_fini hangs */
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_run_until(&s, s.now + OX_SEC(4));
	ck_assert_uint_eq(s.kills, 0);
	sim_run_until(&s, s.now + OX_SEC(2));
	ck_assert_uint_eq(s.kills, 1);
	ck_assert_uint_eq(counts().ready, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_pool_keeps_its_first_workers_and_the_last_ones_go)
{
	static struct sim_job jobs[200];

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 4, .min_workers = 1, .idle = OX_MS(50), .jobs = KINDS }, 1);
	sim_start(&s);
	ck_assert_uint_eq(counts().starting, 1);
	submit_n(jobs, 4, LONG, OX_MS(20));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(counts().ready, 4);
	for (unsigned i = 4; i < 200; i++) {    /* one at a time needs one worker */
		submit_n(&jobs[i], 1, LONG, OX_MS(2));
		ck_assert(sim_drain(&s, OX_SEC(1)));
	}
	ck_assert_uint_eq(counts().ready, 1);
	ck_assert_uint_eq(counts().spawned, 4);
	sim_close(&s);
}
END_TEST

/* ---- the owner's calls from inside end() ---- */

struct nest {
	struct sim_job *jobs;
	unsigned n, more;
};

/* A group that fails fast, and one that submits as it gets results. */
static void cancel_all_and_submit(struct sim *sim, struct sim_job *job)
{
	struct nest *nest = sim->arg;

	if (job->end_status == OX_ECRASHED)
		for (unsigned i = 0; i < nest->n; i++)
			sim_cancel(sim, &nest->jobs[i], i % 3 == 0);
	if (nest->more > 0) {
		struct sim_job *next = &nest->jobs[nest->n++];

		nest->more--;
		*next = (struct sim_job){ .run = OX_US(10), .d = { .index = SHORT } };
		sim_submit(sim, next);
	}
}

/* ---- jobs for one worker ---- */

static void submit_pinned(struct sim_job *jobs, unsigned n, struct oxi_pin *pin, ox_time run)
{
	for (unsigned i = 0; i < n; i++) {
		jobs[i] = (struct sim_job){ .d = { .index = SHORT }, .pin = pin, .run = run };
		sim_submit(&s, &jobs[i]);
	}
}

static struct oxi_pin *lost_pins[8];
static unsigned lost_count;

static void note_lost(struct sim *sim, struct oxi_pin *pin)
{
	(void)sim;
	lost_pins[lost_count++] = pin;
}

static void clear_lost(struct sim *sim, struct oxi_pin *pin)
{
	note_lost(sim, pin);
	oxi_dispatch_clear(sim->d, pin, OXI_END_LIMIT, OX_ELOST, sim->now);
}

START_TEST(pinned_jobs_run_in_one_worker_in_order_and_by_hundreds)
{
	enum { N = 2000 };
	static struct sim_job jobs[N];
	struct oxi_pin pin;

	open_sim(3);
	warm_up(SHORT, OX_US(5));
	s.sends = 0;
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(jobs, N, &pin, OX_US(5));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, N, OXI_END_RESULT, 0);
	for (int i = 0; i < N; i++) {
		ck_assert_uint_eq(jobs[i].slot, pin.slot);
		ck_assert_uint_eq(jobs[i].begun, 1);
		ck_assert(i == 0 || jobs[i].begun_at >= jobs[i - 1].begun_at);
	}
	ck_assert_uint_lt(s.sends, N / 50);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(pins_go_where_the_fewest_are)
{
	struct oxi_pin pins[6];
	unsigned per_slot[3] = { 0 };

	open_sim(3);
	for (int i = 0; i < 6; i++) {
		ck_assert_int_eq(oxi_dispatch_pin(s.d, &pins[i], false, s.now), 0);
		per_slot[pins[i].slot]++;
	}
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(per_slot[i], 2);
	for (int i = 0; i < 6; i++)
		oxi_dispatch_unpin(s.d, &pins[i], s.now);
	sim_close(&s);
}
END_TEST

START_TEST(nobody_waits_behind_a_pinned_job_that_cannot_go)
{
	struct sim_job busy, pinned[3], others[20];
	struct oxi_pin pin;
	ox_time begin;

	open_sim(2);
	warm_up(OTHER, OX_US(50));
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(&busy, 1, &pin, OX_MS(100));
	begin = s.now;
	sim_run_until(&s, begin + OX_MS(1));
	submit_pinned(pinned, 3, &pin, OX_MS(1));
	submit_n(others, 20, OTHER, OX_US(50));
	sim_run_until(&s, begin + OX_MS(20));
	assert_ended(others, 20, OXI_END_RESULT, 0);
	ck_assert_uint_eq(pinned[0].begun, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(pinned[i].slot, pin.slot);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(pinned_jobs_and_others_take_turns_by_their_wait)
{
	enum { N = 50 };
	struct sim_job pinned[N], others[N];
	struct oxi_pin pin;
	ox_time last = 0;

	open_sim(1);
	warm_up(SHORT, OX_MS(1));
	warm_up(LONG, OX_MS(1));
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	for (int i = 0; i < N; i++) {
		submit_pinned(&pinned[i], 1, &pin, OX_MS(1));
		submit_n(&others[i], 1, LONG, OX_MS(1));
		sim_run_until(&s, s.now + OX_US(100));
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < N; i++) {
		ck_assert_int_gt(pinned[i].begun_at, last);
		ck_assert_int_gt(others[i].begun_at, pinned[i].begun_at);
		last = others[i].begun_at;
	}
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(pinned_jobs_are_not_taken_from_their_worker_but_its_others_are)
{
	struct sim_job pinned[10], others[10];
	struct oxi_pin pin;
	ox_time begin;

	open_sim(2);
	warm_up(SHORT, OX_US(20));
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	begin = s.now;
	submit_pinned(pinned, 10, &pin, OX_US(20));
	submit_n(others, 10, SHORT, OX_US(20));
	pinned[0].run = OX_MS(200);
	sim_run_until(&s, begin + OX_MS(50));
	assert_ended(others, 10, OXI_END_RESULT, 0);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(pinned[i].slot, pin.slot);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(a_dedicated_worker_gets_no_other_jobs_and_no_other_pins)
{
	struct sim_job jobs[40], pinned;
	struct oxi_pin mine, other, third;

	open_sim(2);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &mine, true, s.now), 0);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &other, false, s.now), 0);
	ck_assert_uint_ne(mine.slot, other.slot);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &third, true, s.now), OX_EBUSY);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &third, false, s.now), 0);
	ck_assert_uint_eq(third.slot, other.slot);
	submit_n(jobs, 40, LONG, OX_MS(1));
	submit_pinned(&pinned, 1, &mine, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 40; i++)
		ck_assert_uint_eq(jobs[i].slot, other.slot);
	ck_assert_uint_eq(pinned.slot, mine.slot);
	oxi_dispatch_unpin(s.d, &mine, s.now);
	submit_n(jobs, 40, LONG, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_ne(jobs[0].slot, jobs[1].slot);  /* is like the others again */
	oxi_dispatch_unpin(s.d, &other, s.now);
	oxi_dispatch_unpin(s.d, &third, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(a_pin_starts_a_worker_where_there_may_be_more)
{
	struct oxi_pin pins[3];
	struct sim_job jobs[3];

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 3, .min_workers = 1, .jobs = KINDS, .idle = OX_MS(10) }, 1);
	sim_start(&s);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(oxi_dispatch_pin(s.d, &pins[i], i > 0, s.now), 0);
		submit_pinned(&jobs[i], 1, &pins[i], OX_MS(1));
		ck_assert_uint_eq(pins[i].generation, 0);       /* nobody is ready yet */
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(s.spawns, 3);
	sim_run_until(&s, s.now + OX_SEC(1));
	ck_assert_uint_eq(counts().ready, 3);           /* nobody who has a pin goes, idle as it is */
	for (int i = 0; i < 3; i++)
		oxi_dispatch_unpin(s.d, &pins[i], s.now);
	sim_run_until(&s, s.now + OX_SEC(1));
	ck_assert_uint_eq(counts().ready, 1);
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_with_a_pin_is_recycled_when_the_pin_has_gone)
{
	struct sim_job jobs[30];
	struct oxi_pin pin;

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 1, .spare = 1, .jobs = KINDS, .max_jobs = 10 }, 1);
	sim_start(&s);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(jobs, 30, &pin, OX_US(10));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	oxi_dispatch_retire(s.d, pin.slot, pin.generation, s.now);
	sim_run_until(&s, s.now + OX_SEC(1));
	ck_assert_uint_eq(s.spawns, 1);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_run_until(&s, s.now + OX_SEC(1));
	ck_assert_uint_eq(s.spawns, 2);
	sim_close(&s);
}
END_TEST

START_TEST(the_owner_of_a_pin_hears_of_the_death_and_what_was_not_begun_goes_on_in_order)
{
	struct sim_job jobs[10];
	struct oxi_pin pins[2];
	unsigned i;

	open_sim(1);
	warm_up(SHORT, OX_US(50));
	s.on_pin_lost = note_lost;
	lost_count = 0;
	for (i = 0; i < 2; i++)
		ck_assert_int_eq(oxi_dispatch_pin(s.d, &pins[i], false, s.now), 0);
	submit_pinned(jobs, 10, &pins[0], OX_US(50));
	jobs[3].crashes = true;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(lost_count, 2);
	assert_ended(jobs, 3, OXI_END_RESULT, 0);
	assert_ended(&jobs[3], 1, OXI_END_CRASH, OX_ECRASHED);
	assert_ended(&jobs[4], 6, OXI_END_RESULT, 0);
	for (i = 5; i < 10; i++)
		ck_assert_int_gt(jobs[i].begun_at, jobs[i - 1].begun_at);
	for (i = 0; i < 2; i++) {
		ck_assert_uint_ne(pins[i].generation, 0);
		oxi_dispatch_unpin(s.d, &pins[i], s.now);
	}
	sim_close(&s);
}
END_TEST

START_TEST(the_owner_of_a_pin_may_end_its_jobs_when_the_worker_has_died)
{
	struct sim_job jobs[10];
	struct oxi_pin pin;

	open_sim(2);
	warm_up(SHORT, OX_US(50));
	s.on_pin_lost = clear_lost;
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(jobs, 10, &pin, OX_US(50));
	jobs[3].crashes = true;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, 3, OXI_END_RESULT, 0);
	assert_ended(&jobs[3], 1, OXI_END_CRASH, OX_ECRASHED);
	assert_ended(&jobs[4], 6, OXI_END_LIMIT, OX_ELOST);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(clearing_a_pin_ends_what_has_not_begun_and_lets_the_rest_run)
{
	struct sim_job jobs[10], first;
	struct oxi_pin pin;

	open_sim(1);
	warm_up(SHORT, OX_US(50));
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(jobs, 10, &pin, OX_US(50));
	jobs[0].run = OX_MS(1);
	sim_run_until(&s, s.now + OX_US(500));
	oxi_dispatch_clear(s.d, &pin, OXI_END_LIMIT, OX_ECLOSED, s.now);
	assert_ended(&jobs[1], 9, OXI_END_LIMIT, OX_ECLOSED);
	ck_assert_uint_eq(jobs[0].ends, 0);
	submit_pinned(&first, 1, &pin, OX_US(50));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_gt(first.begun_at, jobs[0].ended_at - OX_MS(1));
	assert_ended(jobs, 1, OXI_END_RESULT, 0);
	oxi_dispatch_unpin(s.d, &pin, s.now);
	sim_close(&s);
}
END_TEST

START_TEST(closing_ends_pinned_jobs_too)
{
	struct sim_job jobs[10];
	struct oxi_pin pin, late;

	open_sim(1);
	warm_up(SHORT, OX_US(50));
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &pin, false, s.now), 0);
	submit_pinned(jobs, 10, &pin, OX_MS(5));
	sim_run_until(&s, s.now + OX_MS(1));
	oxi_dispatch_close(s.d, s.now);
	assert_ended(&jobs[1], 9, OXI_END_LIMIT, OX_ECLOSED);
	ck_assert_int_eq(oxi_dispatch_pin(s.d, &late, false, s.now), OX_ECLOSED);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, 1, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

/* ---- affinity ---- */

static void submit_keyed(struct sim_job *j, uint64_t key, ox_time run)
{
	*j = (struct sim_job){ .d = { .index = SHORT }, .affinity = key, .run = run };
	sim_submit(&s, j);
}

START_TEST(jobs_of_one_key_go_where_it_was_last)
{
	enum { KEYS = 3, N = 60 };
	static struct sim_job jobs[N];

	open_sim(3);
	for (unsigned i = 0; i < N; i++) {
		submit_keyed(&jobs[i], 1 + i % KEYS, OX_MS(1));
		if (i < KEYS)
			ck_assert(sim_drain(&s, OX_SEC(1)));
		else if (i % KEYS == KEYS - 1)
			sim_run_until(&s, s.now + OX_MS(3));
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (unsigned i = KEYS; i < N; i++)
		ck_assert_uint_eq(jobs[i].slot, jobs[i - KEYS].slot);
	sim_close(&s);
}
END_TEST

START_TEST(a_job_with_a_key_waits_for_its_worker_a_while_and_others_pass)
{
	struct sim_job busy, soon, never, others[4];
	ox_time begin;

	open_sim(2);
	warm_up(OTHER, OX_MS(1));
	submit_keyed(&busy, 7, OX_MS(4));
	begin = s.now;
	sim_run_until(&s, begin + OX_MS(1));
	submit_keyed(&soon, 7, OX_MS(100));
	submit_n(others, 4, OTHER, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(soon.slot, busy.slot);        /* that is free after 4 ms */
	for (int i = 0; i < 4; i++)
		ck_assert_uint_ne(others[i].slot, busy.slot);
	sim_run_until(&s, s.now + OX_MS(1));
	submit_keyed(&busy, 7, OX_MS(100));
	begin = s.now;
	sim_run_until(&s, begin + OX_MS(1));
	submit_keyed(&never, 7, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_ne(never.slot, busy.slot);
	ck_assert_int_ge(never.begun_at, begin + OX_MS(10));
	ck_assert_int_le(never.begun_at, begin + OX_MS(17));
	sim_close(&s);
}
END_TEST

START_TEST(a_key_whose_worker_is_gone_or_slow_waits_for_nobody)
{
	struct sim_job jobs[2];
	ox_time begin;

	open_sim(2);
	submit_keyed(&jobs[0], 7, OX_MS(100));
	begin = s.now;
	sim_run_until(&s, begin + OX_MS(20));
	submit_keyed(&jobs[1], 7, OX_MS(1));            /* its worker has said nothing for 20 ms */
	sim_run_until(&s, begin + OX_MS(23));
	ck_assert_uint_eq(jobs[1].ends, 1);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_die(&s, jobs[1].slot);
	begin = s.now;
	submit_keyed(&jobs[0], 7, OX_MS(1));
	sim_run_until(&s, begin + OX_MS(3));
	ck_assert_uint_eq(jobs[0].ends, 1);
	sim_close(&s);
}
END_TEST

START_TEST(jobs_that_wait_for_a_worker_can_be_cancelled_and_survive_its_death)
{
	struct sim_job busy, jobs[4];

	open_sim(2);
	submit_keyed(&busy, 7, OX_MS(4));
	sim_run_until(&s, s.now + OX_MS(1));
	for (int i = 0; i < 4; i++)
		submit_keyed(&jobs[i], 7, OX_MS(1));
	sim_run_until(&s, s.now + OX_US(100));
	ck_assert_uint_eq(counts().queued, 4);          /* though a worker is free */
	sim_cancel(&s, &jobs[1], false);
	assert_ended(&jobs[1], 1, OXI_END_CANCEL, OX_ECANCELED);
	sim_die(&s, busy.slot);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	assert_ended(jobs, 1, OXI_END_RESULT, 0);
	assert_ended(&jobs[2], 2, OXI_END_RESULT, 0);
	sim_close(&s);
}
END_TEST

START_TEST(work_of_one_key_is_shared_all_the_same_when_others_are_idle)
{
	enum { N = 200 };
	static struct sim_job jobs[N];
	unsigned per_slot[4] = { 0 };
	ox_time begin;

	open_sim(4);
	warm_up(SHORT, OX_MS(2));
	begin = s.now;
	for (int i = 0; i < N; i++)
		submit_keyed(&jobs[i], 7, OX_MS(2));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	for (int i = 0; i < N; i++)
		per_slot[jobs[i].slot]++;
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(per_slot[i], N / 8);
	ck_assert_int_lt(s.now - begin, OX_MS(2) * N / 4 + OX_MS(40));
	sim_close(&s);
}
END_TEST

START_TEST(the_owner_may_submit_and_cancel_when_a_job_ends)
{
	static struct sim_job jobs[400];
	struct nest nest = { .jobs = jobs, .n = 200, .more = 200 };

	open_sim(3);
	warm_up(SHORT, OX_US(10));
	s.on_end = cancel_all_and_submit;
	s.arg = &nest;
	submit_n(jobs, 200, SHORT, OX_US(10));
	jobs[50].crashes = jobs[51].crashes = jobs[120].crashes = true;
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_uint_eq(nest.more, 0);
	sim_close(&s);
}
END_TEST

START_TEST(a_breaking_pool_may_be_asked_for_more)
{
	static struct sim_job jobs[40];
	struct nest nest = { .jobs = jobs, .n = 10, .more = 30 };

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 1, .jobs = KINDS, .init_limit = 1 }, 1);
	s.faults.dies_starting = 1000;
	s.on_end = cancel_all_and_submit;
	s.arg = &nest;
	sim_start(&s);
	submit_n(jobs, 10, SHORT, OX_US(10));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	assert_ended(jobs, 40, OXI_END_LIMIT, OX_EINIT);
	sim_close(&s);
}
END_TEST

/* ---- many ---- */

START_TEST(a_million_queued_jobs_are_no_matter_F26)
{
	enum { N = 1000000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS }, 1);
	sim_start(&s);
	for (int i = 0; i < N; i++)
		submit_at(&jobs[i], i % 7 - 3, SHORT, OX_US(1));
	ck_assert_uint_eq(counts().queued, N);
	ck_assert(sim_drain(&s, OX_SEC(100)));
	sim_close(&s);
	free(jobs);
}
END_TEST

START_TEST(a_hundred_thousand_random_cancels_end_each_job_once_F27)
{
	enum { N = 100000 };
	struct sim_job *jobs = calloc(N, sizeof(*jobs));
	uint64_t seed = 5;

	open_sim(4);
	submit_n(jobs, N, SHORT, OX_US(50));
	for (int i = 0; i < N; i++) {
		sim_cancel(&s, &jobs[random_below(&seed, N)], random_below(&seed, 50) == 0);
		if (random_below(&seed, 4) == 0)
			ck_assert(sim_step(&s));
	}
	for (int i = 0; i < N; i++)
		sim_cancel(&s, &jobs[i], false);
	ck_assert(sim_drain(&s, OX_SEC(100)));
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(jobs[i].ends, 1);
	ck_assert_uint_gt(s.kills, 0);
	ck_assert_uint_eq(counts().retried, 0);
	sim_close(&s);
	free(jobs);
}
END_TEST

/* ---- chaos ---- */

enum { CHAOS_JOBS = 300, CHAOS_PINS = 4, MAX_RETRIES = 2 };

/* Pins of the chaos, and whether their owner ends the jobs when the worker dies. */
static struct chaos_pin {
	struct oxi_pin pin;
	bool placed, gives_up;
} chaos_pins[CHAOS_PINS];

static void lose_chaos_pin(struct sim *sim, struct oxi_pin *pin)
{
	struct chaos_pin *c = OXI_CONTAINER(pin, struct chaos_pin, pin);

	if (c->gives_up)
		oxi_dispatch_clear(sim->d, pin, OXI_END_LIMIT, OX_ELOST, sim->now);
}

/* One worker at least is left for the jobs that are not pinned. */
static void place_chaos_pins(unsigned workers, uint64_t *seed)
{
	for (int i = 0; i < CHAOS_PINS; i++) {
		struct chaos_pin *c = &chaos_pins[i];
		bool dedicated = random_below(seed, 8) == 0 && i == 0 && workers > 1;
		c->gives_up = random_below(seed, 2) == 0;
		c->placed = random_below(seed, 2) == 0 && oxi_dispatch_pin(s.d, &c->pin, dedicated, s.now) == 0;
	}
}

/* A fifth of the jobs is pinned, a fifth has a key. */
static void bind_job(struct sim_job *job, uint64_t *seed)
{
	uint64_t draw = random_below(seed, 5);
	struct chaos_pin *c = &chaos_pins[random_below(seed, CHAOS_PINS)];

	if (draw == 0 && c->placed) {
		job->pin = &c->pin;
		job->d.retries = 0;
		job->key = 0;
	} else if (draw == 1) {
		job->affinity = 1 + random_below(seed, 6);
	}
}

/* The pinned jobs have begun in the order of their submission. */
static void assert_order(const struct sim_job *jobs, unsigned n)
{
	ox_time last[CHAOS_PINS] = { 0 };

	for (unsigned i = 0; i < n; i++) {
		const struct oxi_pin *pin = jobs[i].pin;
		if (pin == NULL || jobs[i].begun == 0)
			continue;
		size_t k = (size_t)(OXI_CONTAINER((struct oxi_pin *)(uintptr_t)pin, struct chaos_pin, pin) - chaos_pins);
		ck_assert_int_ge(jobs[i].begun_at, last[k]);
		last[k] = jobs[i].begun_at;
	}
}

static void random_faults(struct sim *sim, uint64_t *seed)
{
	unsigned *chances[] = {
		&sim->faults.spawn_refused, &sim->faults.init_fails, &sim->faults.dies_starting, &sim->faults.dies_unclaimed,
		&sim->faults.dies_claimed, &sim->faults.dies_running, &sim->faults.dies_finished, &sim->faults.send_refused,
		&sim->faults.duplicate, &sim->faults.stale, &sim->faults.stops,
	};

	sim->faults = (struct sim_faults){ .stop_time = (ox_time)random_below(seed, OX_MS(100)) };
	for (size_t i = 0; i < sizeof(chances) / sizeof(chances[0]); i++)
		if (random_below(seed, 3) == 0)
			*chances[i] = (unsigned)random_below(seed, 100);
	sim->latency = (ox_time)random_below(seed, OX_MS(2)) + 1;
	sim->gap = (ox_time)random_below(seed, OX_US(500));
}

static struct sim_job random_job(uint64_t *seed, ox_time now)
{
	static const ox_time runs[KINDS] = { OX_US(20), OX_MS(10), OX_US(700) };
	uint16_t index = (uint16_t)random_below(seed, KINDS);
	struct sim_job job = { .d = { .index = index }, .run = 1 + (ox_time)random_below(seed, 2 * (uint64_t)runs[index]) };

	if (random_below(seed, 50) == 0)
		job.run *= 100;
	if (random_below(seed, 3) == 0)
		job.d.timeout = 1 + (ox_time)random_below(seed, OX_MS(30));
	if (random_below(seed, 2) == 0)
		job.d.priority = (int8_t)((int)random_below(seed, 2 * OXI_PRIORITY_MAX + 1) - OXI_PRIORITY_MAX);
	job.crashes = random_below(seed, 60) == 0;
	job.d.retries = (uint8_t)random_below(seed, MAX_RETRIES + 1);
	if (random_below(seed, 5) == 0)
		job.fails = 1 + (unsigned)random_below(seed, 3);
	if (random_below(seed, 3) == 0) {
		job.key = 1 + (unsigned)random_below(seed, SIM_KEYS);
		job.key_limit = (job.key + 1) / 2;
	}
	if (random_below(seed, 5) == 0)
		job.deadline = now + 1 + (ox_time)random_below(seed, OX_MS(50));
	if (random_below(seed, 2) == 0)
		job.heeds = 1 + (ox_time)random_below(seed, OX_MS(20));
	return job;
}

/* Half of the pools recycle or shrink. */
static void random_staff(struct oxi_dispatch_options *o, uint64_t *seed)
{
	if (random_below(seed, 2) == 0)
		return;
	o->spare = (unsigned)random_below(seed, o->workers + 1);
	o->min_workers = (unsigned)random_below(seed, o->workers + 1);
	o->idle = (ox_time)random_below(seed, OX_MS(20));
	o->max_jobs = random_below(seed, 60);
	if (random_below(seed, 2) == 0)
		o->max_age = 1 + (ox_time)random_below(seed, OX_MS(50));
}

/* Each job has ended once, and what the dispatcher has counted is what has happened to them. */
static void assert_sums(const struct sim_job *jobs, unsigned n)
{
	struct oxi_dispatch_counts c = counts();
	uint64_t ok = 0, cancelled = 0, retried = 0;

	for (unsigned i = 0; i < n; i++) {
		ck_assert_uint_eq(jobs[i].ends, 1);
		ck_assert_uint_le(jobs[i].d.failures, MAX_RETRIES);
		ok += jobs[i].how == OXI_END_RESULT && jobs[i].end_status >= 0;
		cancelled += jobs[i].how == OXI_END_CANCEL;
		retried += jobs[i].d.failures;
	}
	ck_assert_uint_eq(c.ended_ok, ok);
	ck_assert_uint_eq(c.ended_cancelled, cancelled);
	ck_assert_uint_eq(c.ended_failed, n - ok - cancelled);
	ck_assert_uint_eq(c.retried, retried);
	ck_assert_uint_eq(c.queued, 0);
	ck_assert_uint_eq(c.leased, 0);
}

/* What happened, in one number: the same seed must give the same at any time of day. */
static uint64_t chaos(uint64_t seed, ox_time start)
{
	struct oxi_policy policy[KINDS];
	struct oxi_dispatch_options o = { .workers = 1 + (unsigned)random_below(&seed, 5), .jobs = KINDS, .policy = policy };
	static struct sim_job jobs[CHAOS_JOBS];
	uint64_t story = 0;
	unsigned n = 0;

	o.one_at_a_time = random_below(&seed, 10) == 0;
	random_staff(&o, &seed);
	o.seed = random_next(&seed);
	o.ageing = (ox_time)random_below(&seed, OX_MS(20));
	if (random_below(&seed, 5) == 0)
		o.interval = (ox_time)random_below(&seed, OX_MS(5));
	for (int i = 0; i < KINDS; i++)
		policy[i] = (struct oxi_policy){
			.grace = random_below(&seed, 2) == 0 ? (ox_time)random_below(&seed, OX_MS(50)) : 0,
			.retry_on = (unsigned)random_below(&seed, 8), .retry_max = (ox_time)random_below(&seed, OX_SEC(10)),
		};
	sim_open(&s, &o, random_next(&seed));
	s.now = start;
	random_faults(&s, &seed);
	if (random_below(&seed, 3) == 0)
		s.crash_limit = 1 + (unsigned)random_below(&seed, 3);
	s.on_pin_lost = lose_chaos_pin;
	sim_start(&s);
	place_chaos_pins(o.workers, &seed);
	while (n < CHAOS_JOBS) {
		for (uint64_t k = random_below(&seed, 40); k > 0 && n < CHAOS_JOBS; k--) {
			jobs[n] = random_job(&seed, s.now);
			bind_job(&jobs[n], &seed);
			sim_submit(&s, &jobs[n++]);
		}
		for (uint64_t k = random_below(&seed, 30); k > 0; k--)
			sim_step(&s);
		for (uint64_t k = random_below(&seed, 5); k > 0 && n > 0; k--)
			sim_cancel(&s, &jobs[random_below(&seed, n)], random_below(&seed, 3) == 0);
		for (uint64_t k = random_below(&seed, 5); k > 0 && n > 0; k--) {
			struct sim_job *job = &jobs[random_below(&seed, n)];
			if (job->deadline > 0)
				job->deadline += (ox_time)random_below(&seed, OX_MS(50));
		}
		if (random_below(&seed, 20) == 0)
			sim_die(&s, (unsigned)random_below(&seed, o.workers));
		if (random_below(&seed, 40) == 0)
			sim_lose_spawner(&s);
		sim_check(&s);
	}
	s.faults = (struct sim_faults){ 0 };
	if (random_below(&seed, 5) == 0)
		oxi_dispatch_close(s.d, s.now);
	if (random_below(&seed, 10) == 0) {
		s.no_spawner = true;
		sim_lose_spawner(&s);
	}
	ck_assert_msg(sim_drain(&s, OX_SEC(600)), "jobs are left");
	assert_sums(jobs, CHAOS_JOBS);
	assert_order(jobs, CHAOS_JOBS);
	for (int i = 0; i < CHAOS_PINS; i++)
		if (chaos_pins[i].placed)
			oxi_dispatch_unpin(s.d, &chaos_pins[i].pin, s.now);
	for (int i = 0; i < CHAOS_JOBS; i++)
		story = story * 31 + (uint64_t)(jobs[i].ended_at - start) + (uint64_t)jobs[i].end_status + jobs[i].begun;
	sim_close(&s);
	return story;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(chaos_ends_every_job_once)
{
	uint64_t only = number_from("OXBOW_TEST_SEED", 0);
	uint64_t seeds = number_from("OXBOW_TEST_SEEDS", under_sanitizer || under_valgrind() ? 500 : 10000);

	for (uint64_t seed = only != 0 ? only : 1; seed <= (only != 0 ? only : seeds); seed++) {
		fflush(stdout);
		chaos(seed, OX_SEC(1000));
	}
}
END_TEST

/* F28: the only clock is the number that is passed in. */
START_TEST(the_same_seed_gives_the_same_story_a_day_earlier_or_later)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t story = chaos(seed, OX_SEC(100000));

		ck_assert_uint_eq(chaos(seed, OX_SEC(100000 + 86400)), story);
		ck_assert_uint_eq(chaos(seed, OX_SEC(100000 - 86400)), story);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dispatch");
	TCase *c = new_case(suite, "decisions", 120);

	tcase_add_test(c, a_job_is_small);
	tcase_add_test(c, jobs_run_once_and_their_status_passes);
	tcase_add_test(c, an_unknown_kind_goes_one_at_a_time_and_then_by_hundreds);
	tcase_add_test(c, a_worker_never_owes_more_leases_than_it_has_cells_for);
	tcase_add_test(c, long_jobs_never_wait_behind_one_another_in_a_worker);
	tcase_add_test(c, few_jobs_are_split_between_the_idle);
	tcase_add_test(c, one_message_carries_about_a_millisecond);
	tcase_add_test(c, jobs_behind_a_long_one_are_taken_elsewhere);
	tcase_add_test(c, nothing_is_taken_back_where_nobody_else_moves);
	tcase_add_test(c, an_idle_worker_gets_half_of_what_another_has_not_begun);
	tcase_add_test(c, a_worker_that_stands_still_loses_what_it_has_not_begun);
	tcase_add_test(c, without_batching_a_worker_has_one_lease);
	tcase_add_test(c, eager_says_when_a_message_is_full);
	tcase_add_test(c, a_refused_send_leaves_the_jobs_queued_in_order);
	tcase_add_test(c, jobs_begin_by_priority_and_in_order_within_one);
	tcase_add_test(c, an_urgent_job_waits_for_no_more_than_a_worker_owes);
	tcase_add_test(c, what_waits_grows_older_and_nothing_starves);
	tcase_add_test(c, a_job_that_comes_back_keeps_its_place);
	tcase_add_test(c, a_limited_rate_is_kept_at_any_time_and_used);
	tcase_add_test(c, the_urgent_goes_first_at_a_limited_rate);
	tcase_add_test(c, a_timeout_kills_when_the_job_has_run_that_long_and_not_before);
	tcase_add_test(c, a_job_with_grace_is_told_at_its_timeout_and_killed_later_if_it_does_not_end);
	tcase_add_test(c, a_cancelled_job_with_grace_is_told_and_killed_later_if_it_does_not_end);
	tcase_add_test(c, an_abandoned_job_is_told);
	tcase_add_test(c, a_timeout_in_the_middle_of_a_batch_costs_that_job_only);
	tcase_add_test(c, cancel_takes_a_job_out_of_the_queue_and_back_from_a_worker);
	tcase_add_test(c, cancelling_a_running_job_kills_once_and_its_mates_go_on_in_order);
	tcase_add_test(c, an_abandoned_job_ends_at_once_and_runs_out);
	tcase_add_test(c, an_abandoned_job_still_has_its_timeout);
	tcase_add_test(c, a_result_that_was_finished_before_the_kill_wins);
	tcase_add_test(c, a_cancel_between_claim_and_begin_finds_the_job_later);
	tcase_add_test(c, a_crash_is_the_end_of_one_job);
	tcase_add_test(c, a_crashed_job_is_run_again_as_often_as_it_may);
	tcase_add_test(c, each_cause_is_retried_if_the_job_says_so);
	tcase_add_test(c, pauses_before_retries_double_up_to_a_limit_and_are_not_all_alike);
	tcase_add_test(c, a_pause_may_be_longer_than_the_ring_of_delays);
	tcase_add_test(c, a_job_that_is_cancelled_while_its_timeout_kills_is_not_run_again);
	tcase_add_test(c, a_job_that_runs_again_after_its_timeout_is_as_free_as_at_first);
	tcase_add_test(c, a_delayed_retry_can_be_cancelled);
	tcase_add_test(c, a_worker_lost_before_it_began_costs_nothing_F02);
	tcase_add_test(c, a_finished_result_survives_its_worker);
	tcase_add_test(c, a_reply_of_an_attempt_that_is_over_is_dropped_and_counted_F32);
	tcase_add_test(c, a_worker_killed_for_one_job_costs_another_that_ran_by_then_nothing);
	tcase_add_test(c, workers_that_die_at_once_are_started_ever_more_slowly_F16);
	tcase_add_test(c, a_worker_that_has_served_is_replaced_at_once);
	tcase_add_test(c, a_pool_whose_workers_never_start_breaks_F16);
	tcase_add_test(c, a_refused_spawn_is_tried_again);
	tcase_add_test(c, while_no_worker_can_be_started_a_job_waits_for_spawn_deadline_and_no_longer_F24);
	tcase_add_test(c, a_job_that_has_waited_long_is_not_given_up_as_soon_as_the_last_worker_is_gone_F24);
	tcase_add_test(c, close_ends_what_has_not_begun_and_lets_the_rest_run_out);
	tcase_add_test(c, an_heir_takes_over_when_the_last_job_of_its_elder_has_ended);
	tcase_add_test(c, a_worker_that_does_not_end_when_told_is_killed);
	tcase_add_test(c, a_pool_keeps_its_first_workers_and_the_last_ones_go);
	tcase_add_test(c, pinned_jobs_run_in_one_worker_in_order_and_by_hundreds);
	tcase_add_test(c, pins_go_where_the_fewest_are);
	tcase_add_test(c, nobody_waits_behind_a_pinned_job_that_cannot_go);
	tcase_add_test(c, pinned_jobs_and_others_take_turns_by_their_wait);
	tcase_add_test(c, pinned_jobs_are_not_taken_from_their_worker_but_its_others_are);
	tcase_add_test(c, a_dedicated_worker_gets_no_other_jobs_and_no_other_pins);
	tcase_add_test(c, a_pin_starts_a_worker_where_there_may_be_more);
	tcase_add_test(c, a_worker_with_a_pin_is_recycled_when_the_pin_has_gone);
	tcase_add_test(c, the_owner_of_a_pin_hears_of_the_death_and_what_was_not_begun_goes_on_in_order);
	tcase_add_test(c, the_owner_of_a_pin_may_end_its_jobs_when_the_worker_has_died);
	tcase_add_test(c, clearing_a_pin_ends_what_has_not_begun_and_lets_the_rest_run);
	tcase_add_test(c, closing_ends_pinned_jobs_too);
	tcase_add_test(c, jobs_of_one_key_go_where_it_was_last);
	tcase_add_test(c, a_job_with_a_key_waits_for_its_worker_a_while_and_others_pass);
	tcase_add_test(c, a_key_whose_worker_is_gone_or_slow_waits_for_nobody);
	tcase_add_test(c, jobs_that_wait_for_a_worker_can_be_cancelled_and_survive_its_death);
	tcase_add_test(c, work_of_one_key_is_shared_all_the_same_when_others_are_idle);
	tcase_add_test(c, the_owner_may_submit_and_cancel_when_a_job_ends);
	tcase_add_test(c, a_breaking_pool_may_be_asked_for_more);
	c = new_case(suite, "many", 300);
	tcase_add_test(c, a_million_queued_jobs_are_no_matter_F26);
	tcase_add_test(c, a_hundred_thousand_random_cancels_end_each_job_once_F27);
	tcase_add_test(c, a_hundred_thousand_failures_at_once_are_all_run_again);
	tcase_add_test(c, chaos_ends_every_job_once);
	tcase_add_test(c, the_same_seed_gives_the_same_story_a_day_earlier_or_later);
	return run_suite(suite);
}
