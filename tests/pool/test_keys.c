/* SPDX-License-Identifier: MIT */
/* The table of keys, and the dispatcher's keys and deadlines on the simulated transport. Their chaos is in test_dispatch.c. */
#include <stdlib.h>
#include <string.h>

#include "pool/table.h"
#include "tests/support/random.h"
#include "tests/support/sim.h"
#include "tests/support/support.h"

enum { SHORT, LONG, KINDS };

static struct sim s;

static void open_sim(unsigned workers)
{
	sim_open(&s, &(struct oxi_dispatch_options){ .workers = workers, .jobs = KINDS }, 1);
	sim_start(&s);
	sim_run_until(&s, s.now + OX_MS(5));
}

static void submit_key(struct sim_job *job, unsigned key, unsigned limit, ox_time run)
{
	*job = (struct sim_job){ .d = { .index = LONG }, .run = run, .key = key, .key_limit = limit };
	sim_submit(&s, job);
}

/* ---- the table ---- */

START_TEST(a_table_holds_what_was_put_in_and_nothing_when_that_is_out)
{
	enum { N = 5000 };
	static struct oxi_entry e[N];
	struct oxi_table t = { .slot = NULL };

	for (unsigned i = 0; i < N; i++)
		ck_assert_int_eq(oxi_table_add(&t, &e[i], i / 2 * 8), 0);       /* two of each, and all in every eighth slot */
	for (unsigned i = 0; i < N; i++) {
		struct oxi_entry *first = oxi_table_find(&t, i / 2 * 8), *second = oxi_table_next(first);

		ck_assert(first == &e[i] || second == &e[i]);
		ck_assert_ptr_null(oxi_table_next(second));
	}
	ck_assert_ptr_null(oxi_table_find(&t, 1));
	for (unsigned i = 0; i < N; i++)
		oxi_table_remove(&t, &e[i]);
	ck_assert_ptr_null(t.slot);
	ck_assert_ptr_null(oxi_table_find(&t, 0));
}
END_TEST

START_TEST(a_table_without_memory_says_so_or_goes_on_as_it_is)
{
	static struct oxi_entry e[100];
	struct oxi_table t = { .slot = NULL };

	ox_test_fail_allocation(1);
	ck_assert_int_eq(oxi_table_add(&t, &e[0], 7), OX_ENOMEM);
	for (unsigned i = 0; i < 100; i++) {
		if (i > 0)
			ox_test_fail_allocation(1);
		ck_assert_int_eq(oxi_table_add(&t, &e[i], i), 0);
	}
	ox_test_fail_allocation(0);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_ptr_eq(oxi_table_find(&t, i), &e[i]);
	for (unsigned i = 0; i < 100; i++)
		oxi_table_remove(&t, &e[i]);
}
END_TEST

START_TEST(a_hash_is_of_all_the_bytes_and_their_number)
{
	uint8_t data[64] = { 0 };

	for (size_t len = 0; len < sizeof data; len++) {
		uint64_t h = oxi_hash(data, len, 0);

		ck_assert(h != oxi_hash(data, len + 1, 0));
		ck_assert(h != oxi_hash(data, len, 1));
		for (size_t i = 0; i < len; i++) {
			data[i] = 1;
			ck_assert(h != oxi_hash(data, len, 0));
			data[i] = 0;
		}
	}
}
END_TEST

/* ---- keys ---- */

START_TEST(jobs_of_one_key_run_one_after_the_other_in_order)
{
	struct sim_job jobs[10];

	open_sim(4);
	for (int i = 0; i < 10; i++)
		submit_key(&jobs[i], 1, 1, OX_MS(3));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 0; i < 10; i++) {
		ck_assert_uint_eq(jobs[i].begun, 1);
		ck_assert(i == 0 || jobs[i].begun_at >= jobs[i - 1].ended_at);
	}
	sim_close(&s);
}
END_TEST

START_TEST(a_limit_lets_that_many_run_and_no_worker_idles_for_it)
{
	struct sim_job jobs[40];
	unsigned most = 0;

	open_sim(4);
	for (int i = 0; i < 40; i++)
		submit_key(&jobs[i], 1 + (unsigned)i % 2, 2, OX_MS(5));
	while (s.ended < s.submitted) {
		ck_assert(sim_step(&s));
		if (s.running[1] + s.running[2] > most)
			most = s.running[1] + s.running[2];
	}
	ck_assert_uint_eq(most, 4);
	sim_close(&s);
}
END_TEST

START_TEST(other_keys_and_jobs_without_one_pass)
{
	struct sim_job same[20], other, plain;

	open_sim(2);
	for (int i = 0; i < 20; i++)
		submit_key(&same[i], 1, 1, OX_MS(10));
	submit_key(&other, 2, 1, OX_MS(10));
	submit_key(&plain, 0, 0, OX_MS(10));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_le(other.ended_at, same[2].ended_at);
	ck_assert_int_le(plain.ended_at, same[3].ended_at);
	ck_assert_int_lt(same[19].ended_at - s.now, OX_MS(1));
	sim_close(&s);
}
END_TEST

START_TEST(of_one_key_the_higher_priority_is_first)
{
	struct sim_job jobs[6];

	open_sim(2);
	for (int i = 0; i < 6; i++) {
		jobs[i] = (struct sim_job){ .d = { .index = LONG, .priority = (int8_t)(i / 2) }, .run = OX_MS(5), .key = 1, .key_limit = 1 };
		sim_submit(&s, &jobs[i]);
		oxi_dispatch_flush(s.d, s.now);
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	static const int order[] = { 0, 4, 5, 2, 3, 1 };        /* the first has begun when the others come */
	for (int i = 1; i < 6; i++)
		ck_assert_int_ge(jobs[order[i]].begun_at, jobs[order[i - 1]].ended_at);
	sim_close(&s);
}
END_TEST

START_TEST(who_gets_the_place_goes_before_all_that_came_later)
{
	enum { N = 2000 };
	static struct sim_job first, second, plain[N];

	open_sim(1);
	submit_key(&first, 1, 1, OX_MS(1));
	submit_key(&second, 1, 1, OX_MS(1));
	oxi_dispatch_flush(s.d, s.now);
	for (unsigned i = 0; i < N; i++)
		submit_key(&plain[i], 0, 0, OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_lt(second.ended_at - first.ended_at, OX_MS(10));
	sim_close(&s);
}
END_TEST

START_TEST(a_job_that_comes_back_to_the_queue_keeps_its_place_and_its_turn)
{
	struct sim_job jobs[3];

	open_sim(2);
	for (int i = 0; i < 3; i++)
		submit_key(&jobs[i], 1, 1, OX_MS(5));
	oxi_dispatch_flush(s.d, s.now);
	sim_die(&s, jobs[0].d.slot);    /* before it has begun */
	ck_assert(sim_drain(&s, OX_SEC(1)));
	for (int i = 1; i < 3; i++)
		ck_assert_int_ge(jobs[i].begun_at, jobs[i - 1].ended_at);
	sim_close(&s);
}
END_TEST

START_TEST(a_job_that_waits_for_its_retry_lets_others_go)
{
	struct sim_job fails = { .d = { .index = LONG, .retries = 1 }, .run = OX_MS(1), .fails = 1, .key = 1, .key_limit = 1 }, next;
	struct oxi_policy policy[KINDS] = { [LONG] = { .retry_on = OX_RETRY_FAILURE, .retry_delay = OX_SEC(1) } };

	sim_open(&s, &(struct oxi_dispatch_options){ .workers = 2, .jobs = KINDS, .policy = policy }, 1);
	sim_start(&s);
	sim_submit(&s, &fails);
	submit_key(&next, 1, 1, OX_MS(5));
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_lt(next.ended_at, fails.ended_at - OX_MS(400));
	ck_assert_uint_eq(fails.begun, 2);
	sim_close(&s);
}
END_TEST

START_TEST(a_place_is_free_when_its_job_has_ended_in_any_way)
{
	struct sim_job crashes, cancelled, late, last;

	open_sim(2);
	submit_key(&crashes, 1, 1, OX_MS(5));
	crashes.crashes = true;
	submit_key(&cancelled, 1, 1, OX_SEC(100));
	late = (struct sim_job){ .d = { .index = LONG, .timeout = OX_MS(5) }, .run = OX_SEC(100), .key = 1, .key_limit = 1 };
	sim_submit(&s, &late);
	submit_key(&last, 1, 1, OX_MS(1));
	while (cancelled.begun == 0)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &cancelled, false);
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_eq(crashes.how, OXI_END_CRASH);
	ck_assert_int_eq(cancelled.how, OXI_END_CANCEL);
	ck_assert_int_eq(late.how, OXI_END_TIMEOUT);
	ck_assert_int_eq(last.how, OXI_END_RESULT);
	sim_close(&s);
}
END_TEST

START_TEST(an_abandoned_job_keeps_its_place_until_it_has_run_out)
{
	struct sim_job abandoned, next;

	open_sim(2);
	submit_key(&abandoned, 1, 1, OX_MS(500));
	submit_key(&next, 1, 1, OX_MS(1));
	while (abandoned.begun == 0)
		ck_assert(sim_step(&s));
	ox_time begun_at = s.now;
	sim_cancel(&s, &abandoned, true);
	ck_assert_uint_eq(abandoned.ends, 1);
	ck_assert(sim_drain(&s, OX_SEC(10)));
	ck_assert_int_ge(next.begun_at, begun_at + OX_MS(500));
	submit_key(&abandoned, 1, 1, OX_SEC(500));
	submit_key(&next, 1, 1, OX_MS(1));
	while (abandoned.begun == 0)
		ck_assert(sim_step(&s));
	sim_cancel(&s, &abandoned, true);
	sim_die(&s, abandoned.slot);            /* or its worker has died */
	ck_assert(sim_drain(&s, OX_SEC(10)));
	sim_close(&s);
}
END_TEST

START_TEST(a_blocked_job_can_be_cancelled)
{
	struct sim_job jobs[4];

	open_sim(2);
	for (int i = 0; i < 4; i++)
		submit_key(&jobs[i], 1, 1, OX_MS(5));
	while (jobs[0].begun == 0)
		ck_assert(sim_step(&s));
	ck_assert_int_eq(jobs[1].d.state, OXI_BLOCKED);
	sim_cancel(&s, &jobs[1], false);
	sim_cancel(&s, &jobs[3], false);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_eq(jobs[1].how, OXI_END_CANCEL);
	ck_assert_uint_eq(jobs[1].begun + jobs[3].begun, 0);
	ck_assert_int_eq(jobs[2].how, OXI_END_RESULT);
	sim_close(&s);
}
END_TEST

START_TEST(a_limit_may_be_raised_and_lowered)
{
	struct sim_job jobs[12];

	open_sim(4);
	for (int i = 0; i < 6; i++)
		submit_key(&jobs[i], 1, 1, OX_MS(5));
	while (jobs[0].begun == 0)
		ck_assert(sim_step(&s));
	for (int i = 0; i < 6; i++)
		jobs[i].key_limit = 3;
	submit_key(&jobs[6], 1, 3, OX_MS(5));
	sim_run_until(&s, s.now + OX_MS(1));
	ck_assert_uint_eq(s.running[1], 3);
	ck_assert_int_le(jobs[1].begun_at, jobs[2].begun_at);
	ck_assert_uint_eq(jobs[2].begun, 1);
	submit_key(&jobs[7], 1, 1, OX_MS(5));   /* what runs goes on */
	for (int i = 3; i < 8; i++)
		jobs[i].key_limit = 1;
	ck_assert(sim_drain(&s, OX_SEC(1)));
	sim_close(&s);
}
END_TEST

static unsigned opened;

static void submit_same(struct sim *sim, struct sim_job *job)
{
	static struct sim_job more[10];

	(void)job;
	if (opened == 10)
		return;
	more[opened] = (struct sim_job){ .d = { .index = LONG }, .run = OX_MS(1), .key = 1, .key_limit = 1 };
	sim_submit(sim, &more[opened++]);
}

START_TEST(closing_ends_what_is_blocked_and_whoever_hears_of_it_may_submit)
{
	struct sim_job jobs[5];

	open_sim(2);
	for (int i = 0; i < 5; i++)
		submit_key(&jobs[i], 1, 1, OX_MS(5));
	while (jobs[0].begun == 0)
		ck_assert(sim_step(&s));
	opened = 0;
	s.on_end = submit_same;
	oxi_dispatch_close(s.d, s.now);
	for (int i = 1; i < 5; i++) {
		ck_assert_uint_eq(jobs[i].ends, 1);
		ck_assert_int_eq(jobs[i].end_status, OX_ECLOSED);
	}
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_eq(jobs[0].how, OXI_END_RESULT);
	ck_assert_uint_eq(opened, 10);          /* each of which ended at once, and was heard of */
	sim_close(&s);
}
END_TEST

START_TEST(a_hundred_thousand_of_one_key_are_no_matter)
{
	enum { N = 100000 };
	struct sim_job *jobs = calloc(N, sizeof *jobs);

	open_sim(2);
	for (int i = 0; i < N; i++) {
		jobs[i] = (struct sim_job){ .d = { .index = SHORT }, .run = OX_US(1), .key = 1, .key_limit = 1 };
		sim_submit(&s, &jobs[i]);
	}
	ck_assert(sim_drain(&s, OX_SEC(1000)));
	for (int i = 1; i < N; i++)
		ck_assert_int_ge(jobs[i].begun_at, jobs[i - 1].begun_at);
	sim_close(&s);
	free(jobs);
}
END_TEST

START_TEST(a_key_without_memory_is_none)
{
	open_sim(1);
	ox_test_fail_allocation(1);
	ck_assert_ptr_null(oxi_dispatch_key(s.d, 5, 1));
	ox_test_fail_allocation(0);
	struct oxi_dkey *key = oxi_dispatch_key(s.d, 5, 1);
	ck_assert_ptr_eq(oxi_dispatch_key(s.d, 5, 1), key);
	oxi_dispatch_unkey(s.d, key);
	oxi_dispatch_unkey(s.d, key);
	sim_close(&s);
}
END_TEST

/* ---- deadlines ---- */

static void submit_until(struct sim_job *job, ox_time deadline, ox_time run)
{
	*job = (struct sim_job){ .d = { .index = LONG }, .run = run, .deadline = deadline };
	sim_submit(&s, job);
}

START_TEST(a_queued_job_whose_deadline_has_passed_never_begins)
{
	struct sim_job first, late[3], in_time;

	open_sim(1);
	submit_until(&first, s.now + OX_MS(1), OX_MS(20));      /* begins in time; what runs is the loop's to end */
	for (int i = 0; i < 3; i++)
		submit_until(&late[i], s.now + OX_MS(10), OX_MS(1));
	submit_until(&in_time, s.now + OX_SEC(1), OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_eq(first.how, OXI_END_RESULT);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(late[i].begun, 0);
		ck_assert_int_eq(late[i].how, OXI_END_CANCEL);
		ck_assert_int_eq(late[i].end_status, OX_ECANCELED);
	}
	ck_assert_int_eq(in_time.how, OXI_END_RESULT);
	sim_close(&s);
}
END_TEST

START_TEST(a_worker_does_not_begin_what_it_gets_too_late)
{
	struct sim_job job, moved;

	open_sim(1);
	s.latency = OX_MS(2);
	submit_until(&job, s.now + OX_MS(1), OX_MS(1));
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(job.begun, 0);
	ck_assert_int_eq(job.how, OXI_END_CANCEL);
	submit_until(&moved, s.now + OX_MS(1), OX_MS(1));
	while (!moved.too_late)
		ck_assert(sim_step(&s));
	moved.deadline += OX_SEC(1);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_uint_eq(moved.begun, 1);
	ck_assert_int_eq(moved.how, OXI_END_RESULT);
	sim_close(&s);
}
END_TEST

START_TEST(one_that_was_left_out_ends_as_was_wanted_meanwhile)
{
	struct sim_job job, closed;

	open_sim(1);
	s.latency = OX_MS(2);
	submit_until(&job, s.now + OX_MS(1), OX_MS(1));
	while (!job.too_late)
		ck_assert(sim_step(&s));
	oxi_dispatch_cancel(s.d, &job.d, OXI_END_LIMIT, -77, false, s.now);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_eq(job.end_status, -77);
	ck_assert_uint_eq(s.kills, 0);
	submit_until(&closed, s.now + OX_MS(1), OX_MS(1));
	while (!closed.too_late)
		ck_assert(sim_step(&s));
	oxi_dispatch_close(s.d, s.now);
	ck_assert(sim_drain(&s, OX_SEC(1)));
	ck_assert_int_eq(closed.end_status, OX_ECLOSED);
	sim_close(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys");
	TCase *c = new_case(suite, "table", 60);

	tcase_add_test(c, a_table_holds_what_was_put_in_and_nothing_when_that_is_out);
	tcase_add_test(c, a_table_without_memory_says_so_or_goes_on_as_it_is);
	tcase_add_test(c, a_hash_is_of_all_the_bytes_and_their_number);
	c = new_case(suite, "keys", 120);
	tcase_add_test(c, jobs_of_one_key_run_one_after_the_other_in_order);
	tcase_add_test(c, a_limit_lets_that_many_run_and_no_worker_idles_for_it);
	tcase_add_test(c, other_keys_and_jobs_without_one_pass);
	tcase_add_test(c, of_one_key_the_higher_priority_is_first);
	tcase_add_test(c, who_gets_the_place_goes_before_all_that_came_later);
	tcase_add_test(c, a_job_that_comes_back_to_the_queue_keeps_its_place_and_its_turn);
	tcase_add_test(c, a_job_that_waits_for_its_retry_lets_others_go);
	tcase_add_test(c, a_place_is_free_when_its_job_has_ended_in_any_way);
	tcase_add_test(c, an_abandoned_job_keeps_its_place_until_it_has_run_out);
	tcase_add_test(c, a_blocked_job_can_be_cancelled);
	tcase_add_test(c, a_limit_may_be_raised_and_lowered);
	tcase_add_test(c, closing_ends_what_is_blocked_and_whoever_hears_of_it_may_submit);
	tcase_add_test(c, a_hundred_thousand_of_one_key_are_no_matter);
	tcase_add_test(c, a_key_without_memory_is_none);
	c = new_case(suite, "deadlines", 60);
	tcase_add_test(c, a_queued_job_whose_deadline_has_passed_never_begins);
	tcase_add_test(c, a_worker_does_not_begin_what_it_gets_too_late);
	tcase_add_test(c, one_that_was_left_out_ends_as_was_wanted_meanwhile);
	return run_suite(suite);
}
