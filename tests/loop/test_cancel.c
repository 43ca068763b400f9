/* SPDX-License-Identifier: MIT */
/* Cancellation and timeouts: cases S01 to S22 of the loop. */
#include "loop/state.h"
#include "tests/support/support.h"

static int sleep_10(void *arg)
{
	(void)arg;
	return ox_sleep(OX_SEC(10));
}

/* ---- S01 ---- */

static int s01(void *arg)
{
	ox_time begin = ox_now();
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *f = ox_spawn(g, sleep_10, NULL);
	size_t timers;

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	timers = oxi_loop->timers.len;
	EXPECT(ox_future_cancel(f));
	EXPECT(!ox_future_cancel(f));
	EXPECT_EQ(oxi_loop->timers.len, timers - 1);    /* its timer is gone */
	EXPECT_EQ(ox_yield(), 0);
	EXPECT(ox_future_done(f));
	EXPECT_EQ(ox_future_status(f), OX_ECANCELED);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_CANCEL);
	EXPECT(!ox_future_cancel(f));
	EXPECT_EQ(ox_sleep(OX_SEC(60)), 0);
	EXPECT_EQ(ox_now() - begin, OX_SEC(60));
	return 0;
}

START_TEST(cancelled_sleep_ends_next_turn_once_S01)
{
	fifo_only();
	run_virtual(s01, NULL);
}
END_TEST

/* ---- S02 ---- */

static int started_02, result_02;

static int record_02(void *arg)
{
	(void)arg;
	started_02++;
	result_02 = ox_sleep(OX_SEC(1));
	return result_02;
}

static int s02(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f;

	(void)arg;
	ox_group_cancel(g);
	f = ox_spawn(g, record_02, NULL);
	EXPECT_EQ(ox_group_join(g), OX_ECANCELED);
	EXPECT_EQ(started_02, 1);
	EXPECT_EQ(result_02, OX_ECANCELED);
	EXPECT_EQ(ox_future_status(f), OX_ECANCELED);
	return 0;
}

START_TEST(task_of_a_cancelled_group_starts_once_and_fails_at_its_first_await_S02)
{
	run_virtual(s02, NULL);
}
END_TEST

/* ---- S03 ---- */

static ox_future *self_03;
static int others_03;

static int other_03(void *arg)
{
	(void)arg;
	do
		others_03++;
	while (ox_yield() == 0);
	return 0;
}

static int cancel_self(void *arg)
{
	ox_time before = ox_now();
	int *seen = arg, others = others_03;

	EXPECT(ox_future_cancel(self_03));
	*seen = 1;
	EXPECT_EQ(ox_sleep(OX_SEC(10)), OX_ECANCELED);
	EXPECT_EQ(ox_now(), before);
	EXPECT_EQ(others_03, others);           /* nobody else has run */
	*seen = 2;
	return OX_ECANCELED;
}

static int s03(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	int seen = 0;

	(void)arg;
	others_03 = 0;
	ox_spawn(g, other_03, NULL);
	self_03 = ox_spawn(g, cancel_self, &seen);
	ox_spawn(g, other_03, NULL);
	EXPECT_EQ(ox_await(self_03), OX_ECANCELED);
	EXPECT_EQ(seen, 2);
	return 0;
}

START_TEST(task_that_cancels_itself_goes_on_to_its_next_await_S03)
{
	run_virtual(s03, NULL);
}
END_TEST

/* ---- S04: cancelling a task that is done, or waits for one that is ---- */

static int seven(void *arg)
{
	(void)arg;
	return 7;
}

static int s04(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *f = ox_spawn(g, seven, NULL);

	(void)arg;
	EXPECT_EQ(ox_await(f), 7);
	EXPECT(!ox_future_cancel(f));
	EXPECT_EQ(ox_future_status(f), 7);
	EXPECT_EQ(ox_future_origin(f), OX_ORIGIN_COROUTINE);
	return 0;
}

START_TEST(cancelling_a_done_task_is_refused_and_its_value_stays_S04)
{
	run_virtual(s04, NULL);
}
END_TEST

/* ---- S05, S06 ---- */

static int await_it(void *arg)
{
	return ox_await(arg);
}

static int wait_it(void *arg)
{
	ox_future *f = arg;

	return ox_wait(&f, 1, OX_WAIT_ALL, OX_NEVER);
}

static int s05(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_future *b1 = ox_spawn(g, sleep_10, NULL), *a1 = ox_spawn(g, await_it, b1);
	ox_future *b2 = ox_spawn(g, sleep_10, NULL), *a2 = ox_spawn(g, wait_it, b2);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(a1);
	ox_future_cancel(a2);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	EXPECT_EQ(ox_future_status(a1), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(b1), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(a2), OX_ECANCELED);
	EXPECT(!ox_future_done(b2));
	EXPECT_EQ(ox_await(b2), 0);
	return 0;
}

START_TEST(awaiting_passes_a_cancel_on_and_waiting_does_not_S05)
{
	run_virtual(s05, NULL);
}
END_TEST

struct nest_06 {
	ox_group *g;
	ox_future *promise, *inner;
	int outer_result;
};

static int inner_06(void *arg)
{
	return ox_await(((struct nest_06 *)arg)->promise);
}

static int outer_06(void *arg)
{
	struct nest_06 *n = arg;

	n->inner = ox_spawn(n->g, inner_06, n);
	n->outer_result = ox_await(n->inner);
	return n->outer_result;
}

static int s06(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct nest_06 n = { .g = g, .promise = ox_promise(g) };
	ox_future *outer = ox_spawn(g, outer_06, &n);

	(void)arg;
	ox_future_cancel(outer);                /* runnable, not yet run */
	EXPECT_EQ(ox_await(outer), OX_ECANCELED);
	EXPECT_EQ(n.outer_result, OX_ECANCELED);
	EXPECT_EQ(ox_future_status(n.inner), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(n.promise), OX_ECANCELED);
	return 0;
}

START_TEST(pending_cancel_reaches_what_a_task_awaits_next_S06)
{
	run_virtual(s06, NULL);
}
END_TEST

/* ---- S09, S10, S13 ---- */

static int s09(void *arg)
{
	ox_scope s;

	(void)arg;
	ox_scope_enter(&s, OX_NEVER);
	ox_scope_cancel(&s);
	ox_scope_cancel(&s);
	EXPECT_EQ(ox_sleep(1), OX_ECANCELED);
	EXPECT_EQ(ox_yield(), OX_ECANCELED);
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_CANCEL);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ECANCELED);
	EXPECT_EQ(ox_sleep(1), 0);
	return 0;
}

START_TEST(cancellation_is_a_state_and_ends_with_its_scope_S09)
{
	run_virtual(s09, NULL);
}
END_TEST

static int s10(void *arg)
{
	ox_scope outer, shield, inner;

	(void)arg;
	ox_scope_enter(&outer, OX_NEVER);
	ox_scope_cancel(&outer);
	ox_scope_shield(&shield, OX_SEC(5));
	EXPECT_EQ(ox_sleep(OX_SEC(1)), 0);
	ox_scope_enter(&inner, OX_NEVER);
	EXPECT_EQ(ox_yield(), 0);
	ox_scope_cancel(&inner);
	EXPECT_EQ(ox_yield(), OX_ECANCELED);
	ox_scope_leave(&inner, 0);
	EXPECT_EQ(ox_yield(), 0);
	ox_scope_unshield(&shield);
	EXPECT_EQ(ox_yield(), OX_ECANCELED);
	ox_scope_leave(&shield, 0);

	ox_scope_shield(&shield, OX_SEC(5));
	EXPECT_EQ(ox_yield(), 0);
	ox_scope_cancel(&shield);
	EXPECT_EQ(ox_yield(), OX_ECANCELED);
	ox_scope_leave(&shield, 0);

	ox_scope_shield(&shield, OX_MS(10));            /* the limit of a shield is its own */
	EXPECT_EQ(ox_sleep(OX_SEC(10)), OX_ECANCELED);
	EXPECT(ox_scope_expired(&shield));
	ox_scope_leave(&shield, 0);
	ox_scope_leave(&outer, 0);
	return 0;
}

START_TEST(shield_keeps_outer_cancels_out_until_it_is_lifted_S10)
{
	run_virtual(s10, NULL);
}
END_TEST

static int causes_13[8];

static int leaf_13(void *arg)
{
	int i = (int)(intptr_t)arg, r = ox_sleep(OX_SEC(100));

	causes_13[i] = ox_cancel_cause();
	return r;
}

static int branch_13(void *arg)
{
	int i = (int)(intptr_t)arg;
	OX_AUTO_GROUP *g = ox_group_open();

	ox_spawn(g, leaf_13, (void *)(intptr_t)(2 * i));
	ox_spawn(g, leaf_13, (void *)(intptr_t)(2 * i + 1));
	return ox_group_join(g);
}

static int s13(void *arg)
{
	ox_scope s;
	ox_group *g;

	(void)arg;
	ox_scope_enter(&s, OX_SEC(1));
	g = ox_group_open();
	for (intptr_t i = 0; i < 4; i++)
		ox_spawn(g, branch_13, (void *)i);
	EXPECT_EQ(ox_sleep(OX_SEC(50)), OX_ECANCELED);
	ox_group_cancel(g);                     /* comes second: the cause stays */
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_TIMEOUT);
	EXPECT_EQ(ox_group_join(g), OX_ECANCELED);
	ox_group_close(g);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(causes_13[i], OX_CAUSE_TIMEOUT);
	return 0;
}

static int shielded_13(void *arg)
{
	ox_scope s;
	int r = ox_sleep(OX_SEC(50));

	(void)arg;
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_CANCEL);
	ox_scope_shield(&s, OX_NEVER);
	EXPECT_EQ(ox_sleep(OX_SEC(5)), 0);      /* the deadline around it passes */
	ox_scope_leave(&s, 0);
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_CANCEL);
	return r;
}

static int s13_late_deadline(void *arg)
{
	ox_scope s;
	ox_group *g;

	(void)arg;
	ox_scope_enter(&s, OX_SEC(3));
	g = ox_group_open();
	ox_spawn(g, shielded_13, NULL);
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_scope_cancel(&s);
	EXPECT_EQ(ox_group_join(g), OX_ECANCELED);
	ox_group_close(g);
	EXPECT_EQ(ox_cancel_cause(), OX_CAUSE_CANCEL);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ECANCELED);
	return 0;
}

START_TEST(first_cause_reaches_every_leaf_of_a_tree_of_groups_S13)
{
	run_virtual(s13, NULL);
	run_virtual(s13_late_deadline, NULL);
}
END_TEST

/* ---- timeouts ---- */

static int s15(void *arg)
{
	ox_time begin = ox_now();
	ox_scope s;

	(void)arg;
	ox_scope_enter(&s, OX_MS(10));
	EXPECT_EQ(ox_sleep(OX_SEC(10)), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT(ox_scope_expired(&s));
	EXPECT_EQ(ox_now() - begin, OX_MS(10));
	return ox_sleep(OX_MS(1));              /* the task itself goes on */
}

START_TEST(timeout_cancels_the_body_and_is_told_at_leaving_S15)
{
	run_virtual(s15, NULL);
}
END_TEST

static int s16(void *arg)
{
	ox_scope outer, inner;

	(void)arg;
	ox_scope_enter(&outer, OX_MS(10));
	ox_scope_enter(&inner, OX_MS(10));
	EXPECT_EQ(ox_sleep(OX_SEC(10)), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&inner, OX_ECANCELED), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&outer, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT(ox_scope_expired(&inner));
	EXPECT(ox_scope_expired(&outer));
	return 0;
}

START_TEST(of_two_equal_deadlines_the_outer_one_reports_S16)
{
	run_virtual(s16, NULL);
}
END_TEST

static int s17(void *arg)
{
	const ox_time timeouts[] = { 0, -1, INT64_MIN };

	(void)arg;
	for (int i = 0; i < 3; i++) {
		ox_scope s;
		int ran = 0;

		ox_scope_enter(&s, timeouts[i]);
		ran = 1;
		EXPECT_EQ(ox_yield(), OX_ECANCELED);
		EXPECT_EQ(ran, 1);
		EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	}
	return 0;
}

START_TEST(timeout_of_zero_or_less_fails_the_first_await_S17)
{
	run_virtual(s17, NULL);
}
END_TEST

static int s18(void *arg)
{
	ox_scope outer, inner;

	(void)arg;
	ox_scope_enter(&inner, OX_SEC(1));
	EXPECT_EQ(ox_scope_leave(&inner, -EIO), -EIO);
	EXPECT(!ox_scope_expired(&inner));

	ox_scope_enter(&outer, OX_NEVER);
	ox_scope_enter(&inner, OX_SEC(1));
	ox_scope_cancel(&outer);
	EXPECT_EQ(ox_sleep(OX_SEC(10)), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&inner, OX_ECANCELED), OX_ECANCELED);
	EXPECT(!ox_scope_expired(&inner));
	ox_scope_leave(&outer, 0);
	return 0;
}

START_TEST(other_errors_and_outside_cancels_pass_a_timeout_unchanged_S18)
{
	run_virtual(s18, NULL);
}
END_TEST

static int s19(void *arg)
{
	ox_scope never_entered = { 0 }, s, inner;
	ox_time now = ox_now();

	(void)arg;
	EXPECT_EQ(ox_scope_reschedule(&never_entered, now), OX_ESTATE);
	EXPECT_EQ(ox_deadline(), OX_NEVER);
	ox_scope_enter(&s, OX_SEC(1));
	EXPECT_EQ(ox_scope_deadline(&s), now + OX_SEC(1));
	EXPECT_EQ(ox_scope_reschedule(&s, now + OX_SEC(5)), 0);
	EXPECT_EQ(ox_scope_deadline(&s), now + OX_SEC(5));
	EXPECT_EQ(ox_sleep(OX_SEC(2)), 0);
	EXPECT_EQ(ox_deadline(), now + OX_SEC(5));
	ox_scope_enter(&inner, OX_SEC(30));
	EXPECT_EQ(ox_deadline(), now + OX_SEC(5));      /* the minimum */
	ox_scope_leave(&inner, 0);
	ox_scope_shield(&inner, OX_SEC(30));
	EXPECT_EQ(ox_deadline(), now + OX_SEC(32));     /* up to the shield */
	ox_scope_leave(&inner, 0);
	EXPECT_EQ(ox_scope_reschedule(&s, OX_NEVER), 0);
	EXPECT_EQ(ox_scope_deadline(&s), OX_NEVER);
	EXPECT_EQ(ox_sleep(OX_SEC(20)), 0);
	EXPECT_EQ(ox_scope_reschedule(&s, ox_now() + OX_SEC(1)), 0);
	EXPECT_EQ(ox_sleep(OX_SEC(2)), OX_ECANCELED);
	EXPECT_EQ(ox_deadline(), INT64_MIN);
	EXPECT_EQ(ox_scope_reschedule(&s, OX_NEVER), OX_ESTATE);        /* expiring */
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT_EQ(ox_scope_reschedule(&s, OX_NEVER), OX_ESTATE);        /* expired */
	ox_scope_enter(&s, OX_SEC(1));
	EXPECT_EQ(ox_scope_leave(&s, 0), 0);
	EXPECT_EQ(ox_scope_reschedule(&s, OX_NEVER), OX_ESTATE);        /* finished */
	ox_scope_enter(&s, OX_SEC(1));
	ox_scope_cancel(&s);
	EXPECT_EQ(ox_deadline(), INT64_MIN);
	EXPECT_EQ(ox_scope_reschedule(&s, OX_NEVER), OX_ESTATE);        /* cancelled */
	ox_scope_leave(&s, 0);
	return 0;
}

START_TEST(deadlines_can_be_moved_while_they_live_S19)
{
	run_virtual(s19, NULL);
}
END_TEST

static int cleaned_22;

static int slow_cleanup(void *arg)
{
	int status = (int)(intptr_t)arg, r = ox_sleep(OX_SEC(10));
	ox_scope shield;

	ox_scope_shield(&shield, OX_SEC(60));
	ox_sleep(OX_SEC(3));
	cleaned_22++;
	ox_scope_leave(&shield, 0);
	return status ? status : r;
}

static int s22(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	ox_time begin = ox_now();
	ox_future *done = ox_spawn(g, seven, NULL);

	(void)arg;
	EXPECT_EQ(ox_wait_for(ox_spawn(g, slow_cleanup, NULL), OX_SEC(1)), OX_ETIMEDOUT);
	EXPECT_EQ(cleaned_22, 1);
	EXPECT_EQ(ox_now() - begin, OX_SEC(4));
	EXPECT_EQ(ox_wait_for(ox_spawn(g, slow_cleanup, (void *)(intptr_t)-EIO), OX_SEC(1)), -EIO);
	EXPECT_EQ(ox_wait_for(done, 0), 7);
	EXPECT_EQ(ox_wait_for(done, -1), 7);
	EXPECT_EQ(ox_wait_for(ox_spawn(g, sleep_10, NULL), 0), OX_ETIMEDOUT);
	EXPECT_EQ(ox_wait_for(ox_spawn(g, sleep_10, NULL), OX_SEC(11)), 0);
	return 0;
}

START_TEST(wait_for_returns_after_the_cleanup_and_its_error_wins_S22)
{
	run_virtual(s22, NULL);
}
END_TEST

/* ---- chains and depth ---- */

#define CHAIN 5000

struct link {
	ox_group *g;
	int left;
};

static int chain_link(void *arg)
{
	struct link next = *(struct link *)arg;

	if (next.left-- == 0)
		return ox_sleep(OX_SEC(100));
	return ox_await(ox_spawn(next.g, chain_link, &next));
}

static int long_chain(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct link l = { g, CHAIN / tsan_share };
	ox_future *f = ox_spawn(g, chain_link, &l);

	(void)arg;
	EXPECT_EQ(ox_wait_all_parked(), 0);
	ox_future_cancel(f);
	EXPECT_EQ(ox_await(f), OX_ECANCELED);
	EXPECT_EQ(ox_group_pending(g), 0);
	return 0;
}

START_TEST(cancel_passes_down_a_chain_of_5000_awaits_without_recursion)
{
	run_virtual(long_chain, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cancel");
	TCase *c = new_case(s, "scopes", 10);

	tcase_add_test(c, cancelled_sleep_ends_next_turn_once_S01);
	tcase_add_test(c, task_of_a_cancelled_group_starts_once_and_fails_at_its_first_await_S02);
	tcase_add_test(c, task_that_cancels_itself_goes_on_to_its_next_await_S03);
	tcase_add_test(c, cancelling_a_done_task_is_refused_and_its_value_stays_S04);
	tcase_add_test(c, awaiting_passes_a_cancel_on_and_waiting_does_not_S05);
	tcase_add_test(c, pending_cancel_reaches_what_a_task_awaits_next_S06);
	tcase_add_test(c, cancellation_is_a_state_and_ends_with_its_scope_S09);
	tcase_add_test(c, shield_keeps_outer_cancels_out_until_it_is_lifted_S10);
	tcase_add_test(c, first_cause_reaches_every_leaf_of_a_tree_of_groups_S13);
	tcase_add_test(c, timeout_cancels_the_body_and_is_told_at_leaving_S15);
	tcase_add_test(c, of_two_equal_deadlines_the_outer_one_reports_S16);
	tcase_add_test(c, timeout_of_zero_or_less_fails_the_first_await_S17);
	tcase_add_test(c, other_errors_and_outside_cancels_pass_a_timeout_unchanged_S18);
	tcase_add_test(c, deadlines_can_be_moved_while_they_live_S19);
	tcase_add_test(c, wait_for_returns_after_the_cleanup_and_its_error_wins_S22);
	tcase_add_test(c, cancel_passes_down_a_chain_of_5000_awaits_without_recursion);
	return run_suite(s);
}
