/* SPDX-License-Identifier: MIT */
/* Groups: cases S24 to S29, and what groups say of themselves. */
#include <string.h>

#include "tests/support/support.h"

static int ended;

static int sleeper(void *arg)
{
	int r = ox_sleep((ox_time)(intptr_t)arg);

	ended++;
	return r;
}

static int fail_after(void *arg)
{
	int r = ox_sleep(OX_MS((intptr_t)arg));

	return r < 0 ? r : -(int)(intptr_t)arg;
}

static int status(void *arg)
{
	return (int)(intptr_t)arg;
}

/* ---- S24 ---- */

static int s24(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *sleeping;

	(void)arg;
	ended = 0;
	ox_spawn(g, fail_after, (void *)30);
	ox_spawn(g, fail_after, (void *)10);
	ox_spawn(g, fail_after, (void *)20);
	sleeping = ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(50));
	EXPECT_EQ(ox_sleep(OX_SEC(100)), OX_ECANCELED);         /* the body */
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_FAILURE);
	EXPECT_EQ(ox_group_join(g), -10);
	EXPECT_EQ(ended, 1);
	EXPECT_EQ(ox_future_status(sleeping), OX_ECANCELED);
	EXPECT_EQ(ox_group_error(g, 0), -10);
	EXPECT_EQ(ox_group_error(g, 1), 0);
	return 0;
}

START_TEST(first_failure_cancels_siblings_and_body_and_is_what_join_returns_S24)
{
	run_virtual(s24, NULL);
}
END_TEST

static int fails_in_cleanup(void *arg)
{
	int r = ox_sleep(OX_SEC(100));

	return r == OX_ECANCELED ? (int)(intptr_t)arg : r;
}

static int three_errors(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	(void)arg;
	ox_spawn(g, fails_in_cleanup, (void *)(intptr_t)-2);
	ox_spawn(g, fails_in_cleanup, (void *)(intptr_t)-3);
	ox_spawn(g, fail_after, (void *)1);
	EXPECT_EQ(ox_group_join(g), -1);
	EXPECT_EQ(ox_group_error(g, 0), -1);
	EXPECT_EQ(ox_group_error(g, 1), -2);
	EXPECT_EQ(ox_group_error(g, 2), -3);
	EXPECT_EQ(ox_group_error(g, 3), 0);
	return 0;
}

START_TEST(later_failures_can_be_asked_for_in_order_S24)
{
	fifo_only();
	run_virtual(three_errors, NULL);
}
END_TEST

/* ---- S25 ---- */

static int body_fails(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();

	ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(50));
	ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(60));
	if (arg)
		ox_sleep(OX_SEC(1));
	return -EIO;                    /* the group closes on the way out */
}

static int s25(void *arg)
{
	(void)arg;
	for (intptr_t ran = 0; ran < 2; ran++) {
		ended = 0;
		EXPECT_EQ(body_fails((void *)ran), -EIO);
		EXPECT_EQ(ended, 2);
	}
	return 0;
}

START_TEST(failing_body_ends_the_children_first_whether_they_ran_or_not_S25)
{
	run_virtual(s25, NULL);
}
END_TEST

/* ---- S26 ---- */

static int s26(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *a = ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(5)), *b = ox_spawn(g, status, (void *)7);

	(void)arg;
	ox_future_cancel(a);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_future_status(a), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(b), 7);
	return 0;
}

START_TEST(child_that_is_cancelled_does_not_fail_its_group_S26)
{
	run_virtual(s26, NULL);
}
END_TEST

/* ---- S27 ---- */

static int parent_27(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int r;

	ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(50));
	ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(60));
	if (arg) {
		r = ox_sleep(OX_SEC(70));
		EXPECT_EQ(r, OX_ECANCELED);
	}
	r = ox_group_join(g);
	EXPECT_EQ(ended, 2);
	return r;
}

static int s27(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	(void)arg;
	for (intptr_t in_body = 0; in_body < 2; in_body++) {
		ox_future *f = ox_spawn(g, parent_27, (void *)in_body);

		ended = 0;
		EXPECT_EQ(ox_sleep(OX_SEC(1)), 0);
		EXPECT(ox_future_cancel(f));
		EXPECT_EQ(ox_await(f), OX_ECANCELED);
		EXPECT_EQ(ended, 2);
	}
	return 0;
}

START_TEST(cancelled_parent_takes_its_children_along_from_body_and_from_join_S27)
{
	run_virtual(s27, NULL);
}
END_TEST

/* ---- S29 ---- */

static int ran;

static int count(void *arg)
{
	(void)arg;
	ran++;
	return 0;
}

static int spawn_siblings(void *arg)
{
	ox_group *g = arg;

	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	ox_spawn(g, count, NULL);
	ox_spawn(g, count, NULL);
	return 0;
}

static int s29(void *arg)
{
	ox_group *g = ox_group_open();
	ox_future *f;

	(void)arg;
	ran = 0;
	ox_spawn(g, spawn_siblings, g);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ran, 2);
	ox_spawn(g, count, NULL);               /* after a join too */
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ran, 3);
	ox_group_close(g);
	f = ox_spawn(g, count, NULL);
	EXPECT(ox_future_done(f));
	EXPECT_EQ(ox_future_status(f), OX_ESTATE);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_LIMIT);
	EXPECT_EQ(ox_future_status(ox_promise(g)), OX_ESTATE);
	EXPECT_EQ(ox_future_status(ox_spawn(NULL, count, NULL)), OX_ENOMEM);
	EXPECT_EQ(ox_yield(), 0);
	EXPECT_EQ(ran, 3);
	return 0;
}

START_TEST(spawning_works_while_waiting_and_fails_in_a_closed_group_S29)
{
	run_virtual(s29, NULL);
}
END_TEST

/* ---- next, reap, promises ---- */

static int next_order(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f;

	(void)arg;
	for (intptr_t ms = 50; ms > 0; ms -= 10)
		ox_spawn(g, fail_after, (void *)ms);
	for (int ms = 10; ms <= 50; ms += 10) {
		EXPECT_EQ(ox_group_next(g, &f), 1);
		EXPECT_EQ(ox_future_status(f), -ms);
	}
	EXPECT_EQ(ox_group_next(g, &f), 0);
	return 0;
}

START_TEST(next_gives_futures_as_they_end)
{
	run_virtual(next_order, NULL);
}
END_TEST

static int next_cancelled(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;
	ox_scope s;

	(void)arg;
	ox_spawn(g, sleeper, (void *)(intptr_t)OX_SEC(10));
	ox_scope_enter(&s, OX_SEC(1));
	EXPECT_EQ(ox_group_next(g, &f), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT_EQ(ox_group_next(g, &f), 1);
	EXPECT_EQ(ox_future_status(f), 0);
	return 0;
}

START_TEST(next_can_be_cancelled_while_the_tasks_go_on)
{
	run_virtual(next_cancelled, NULL);
}
END_TEST

static int reap(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));

	(void)arg;
	ran = 0;
	for (int i = 0; i < 1000; i++) {
		ox_spawn(g, count, NULL);
		if (i % 10 == 0)
			EXPECT_EQ(ox_yield(), 0);
	}
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ran, 1000);
	return 0;
}

START_TEST(reaping_group_frees_tasks_as_they_end)
{
	run_virtual(reap, NULL);
}
END_TEST

static int promises(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *p = ox_promise(g), *q = ox_promise(g);
	size_t len;

	(void)arg;
	EXPECT_EQ(ox_future_status(p), OX_EBUSY);
	EXPECT_EQ(ox_promise_resolve(p, 3, "abc", 3), 0);
	EXPECT_EQ(ox_promise_resolve(p, 3, "abc", 3), OX_ESTATE);
	EXPECT_EQ(ox_await(p), 3);
	EXPECT_EQ(ox_future_origin(p), OX_ORIGIN_PROMISE);
	EXPECT(memcmp(ox_future_value(p, &len), "abc", 3) == 0 && len == 3);
	EXPECT_EQ(ox_group_pending(g), 1);
	ox_group_cancel(g);
	EXPECT_EQ(ox_future_status(q), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(q), OX_ORIGIN_CANCEL);
	EXPECT_EQ(ox_future_status(ox_promise(g)), OX_ECANCELED);
	EXPECT_EQ(ox_promise_resolve(ox_spawn(g, count, NULL), 0, NULL, 0), OX_ESTATE);
	return 0;
}

START_TEST(promise_is_resolved_once_and_cancelled_with_its_group)
{
	run_virtual(promises, NULL);
}
END_TEST

static int leaves_groups_open(void *arg)
{
	(void)arg;
	ended = 0;
	ox_spawn(ox_group_open(), sleeper, (void *)(intptr_t)OX_SEC(10));
	ox_spawn(ox_group_open(), sleeper, (void *)(intptr_t)OX_SEC(10));
	return 0;
}

START_TEST(groups_left_open_are_closed_when_the_coroutine_returns)
{
	run_virtual(leaves_groups_open, NULL);
	ck_assert_int_eq(ended, 2);
}
END_TEST

/* ---- memory: the n-th allocation fails ---- */

static int little_program(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *p = ox_promise(g);
	ox_queue *q = ox_queue_new(4);
	ox_stream *a = NULL, *b = NULL;
	ox_scope s;
	void *item;
	int r;

	(void)arg;
	ox_scope_enter(&s, OX_SEC(60));
	ox_promise_resolve(p, 0, "x", 1);
	ox_queue_put(q, g);
	ox_queue_try_get(q, &item);
	r = ox_stream_pair(&a, &b);
	if (r == 0) {
		char byte;

		ox_write(a, "y", 1);
		ox_read(b, &byte, 1);
		ox_close(a);
		ox_close(b);
	}
	r = ox_gather((ox_future *[]){ p, ox_spawn(g, count, NULL), ox_spawn(g, fail_after, (void *)1) }, 3);
	ox_scope_leave(&s, 0);
	ox_group_join(g);
	ox_queue_free(q);
	return r < 0 ? r : 0;
}

START_TEST(every_allocation_may_fail_and_nothing_leaks)
{
	size_t n, made;

	ox_test_fail_allocation(0);
	ck_assert_int_eq(ox_run(little_program, NULL, NULL), -1);
	made = ox_test_fail_allocation(0);
	ck_assert_uint_gt(made, 5);
	for (n = 1; n <= made; n++) {
		ox_test_fail_allocation(n);
		ck_assert_int_lt(ox_run(little_program, NULL, NULL), 0);
		ox_test_fail_allocation(0);
	}
}
END_TEST

/* Each of 100 that could not be made can be looked at; memory is the leak checker's. */
static int stillborn(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true));

	(void)arg;
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_future_status(ox_spawn_with(g, stillborn, NULL, OX_SPAWN_OPTIONS(.stack_size = SIZE_MAX / 2))), OX_EINVAL);
	ox_group_cancel(g);
	EXPECT_EQ(ox_future_status(ox_promise(g)), OX_ECANCELED);
	return 0;
}

START_TEST(what_failed_from_the_start_can_be_asked_in_a_reaping_group)
{
	run_virtual(stillborn, NULL);
}
END_TEST

/* ---- S32 ---- */

static int ready_then_7(void *arg)
{
	int r = ox_sleep(OX_MS(5));

	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_started(arg), 0);
	EXPECT_EQ(ox_started(arg), OX_ESTATE);          /* once */
	r = ox_sleep(OX_MS(5));
	return r < 0 ? r : 7;
}

static int never_ready(void *arg)
{
	int r = ox_sleep(OX_MS(5));

	return r < 0 ? r : *(int *)arg;
}

static int start_in(void *arg)
{
	void *value = NULL;

	return ox_future_status(ox_group_start(arg, never_ready, &(int){ -EPIPE }, &value));
}

static int start_forms(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = arg != NULL));
	OX_AUTO_GROUP *other = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_scope s;
	void *value = NULL;
	int eight = 8;
	ox_future *f, *pending;

	EXPECT_EQ(ox_started(NULL), OX_ESTATE);
	f = ox_group_start(g, ready_then_7, &eight, &value);
	EXPECT(value == &eight);
	EXPECT(!ox_future_done(f));

	f = ox_group_start(g, never_ready, &(int){ -EBADF }, &value);   /* fails before it has started */
	EXPECT_EQ(ox_future_status(f), -EBADF);
	EXPECT(value == &eight && !ox_cancelled());
	f = ox_group_start(g, never_ready, &eight, NULL);               /* returns without having started */
	EXPECT_EQ(ox_future_status(f), OX_ESTATE);

	ox_scope_enter(&s, OX_MS(1));
	f = ox_group_start(g, never_ready, &eight, NULL);
	EXPECT_EQ(ox_future_status(f), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);

	pending = ox_spawn(other, start_in, g);                         /* the group stays open for a start in it */
	EXPECT_EQ(ox_yield(), 0);
	EXPECT_EQ(ox_group_join(g), 0);
	EXPECT_EQ(ox_await(pending), -EPIPE);
	EXPECT_EQ(ox_future_status(ox_group_start(NULL, never_ready, &eight, NULL)), OX_ENOMEM);
	return 0;
}

START_TEST(start_returns_when_the_task_is_ready_or_has_failed_S32)
{
	run_virtual(start_forms, NULL);
	run_virtual(start_forms, "reap");
}
END_TEST

static int ready_and_done(void *arg)
{
	EXPECT_EQ(ox_started(arg), 0);
	return 7;
}

static int start_ready_and_done(void *arg)
{
	ox_future *f = ox_group_start(arg, ready_and_done, NULL, NULL);

	return ox_future_done(f) ? ox_future_status(f) : -1;
}

static int start_and_next(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = arg != NULL));
	OX_AUTO_GROUP *other = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *failing = ox_spawn(other, start_in, g), *done = NULL, *a, *b;

	EXPECT_EQ(ox_yield(), 0);
	EXPECT_EQ(ox_group_next(g, &done), arg ? 0 : 1);                /* wakes though the last of it was a start */
	EXPECT(arg || ox_future_status(done) == -EPIPE);
	EXPECT_EQ(ox_await(failing), -EPIPE);

	a = ox_spawn(other, start_ready_and_done, g);                   /* ends before its start has returned */
	b = ox_spawn(other, start_ready_and_done, g);
	EXPECT_EQ(ox_await(a), 7);
	EXPECT_EQ(ox_await(b), 7);
	return 0;
}

START_TEST(group_gives_no_future_away_before_its_start_returned)
{
	run_virtual(start_and_next, NULL);
	run_virtual(start_and_next, "reap");
}
END_TEST

static int await_in(void *arg)
{
	return ox_await(ox_spawn(arg, never_ready, &(int){ 9 }));
}

static int await_two_in_reaping(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.reap = true));
	OX_AUTO_GROUP *other = ox_group_open();
	ox_future *a = ox_spawn(other, await_in, g), *b = ox_spawn(other, await_in, g);

	(void)arg;
	EXPECT_EQ(ox_await(a), 9);
	EXPECT_EQ(ox_await(b), 9);
	return 0;
}

START_TEST(awaiting_works_in_a_reaping_group)
{
	run_virtual(await_two_in_reaping, NULL);
}
END_TEST

static int ready_at_last(void *arg)
{
	int r = ox_sleep(OX_MS(5));

	return r < 0 ? r : ox_started(arg);
}

static int start_one(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f = ox_group_start(g, ready_at_last, arg, NULL);

	return ox_future_done(f) ? ox_future_status(f) : ox_group_join(g);
}

START_TEST(every_allocation_of_a_start_fails_cleanly)
{
	fails_cleanly(start_one, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("group");
	TCase *c = new_case(s, "groups", 10);

	tcase_add_test(c, first_failure_cancels_siblings_and_body_and_is_what_join_returns_S24);
	tcase_add_test(c, later_failures_can_be_asked_for_in_order_S24);
	tcase_add_test(c, what_failed_from_the_start_can_be_asked_in_a_reaping_group);
	tcase_add_test(c, start_returns_when_the_task_is_ready_or_has_failed_S32);
	tcase_add_test(c, group_gives_no_future_away_before_its_start_returned);
	tcase_add_test(c, awaiting_works_in_a_reaping_group);
	tcase_add_test(c, every_allocation_of_a_start_fails_cleanly);
	tcase_add_test(c, failing_body_ends_the_children_first_whether_they_ran_or_not_S25);
	tcase_add_test(c, child_that_is_cancelled_does_not_fail_its_group_S26);
	tcase_add_test(c, cancelled_parent_takes_its_children_along_from_body_and_from_join_S27);
	tcase_add_test(c, spawning_works_while_waiting_and_fails_in_a_closed_group_S29);
	tcase_add_test(c, next_gives_futures_as_they_end);
	tcase_add_test(c, next_can_be_cancelled_while_the_tasks_go_on);
	tcase_add_test(c, reaping_group_frees_tasks_as_they_end);
	tcase_add_test(c, promise_is_resolved_once_and_cancelled_with_its_group);
	tcase_add_test(c, groups_left_open_are_closed_when_the_coroutine_returns);
	tcase_add_test(c, every_allocation_may_fail_and_nothing_leaks);
	return run_suite(s);
}
