/* SPDX-License-Identifier: MIT */
/* Waiting for futures: cases S33 to S36, inside OX_COLLECT groups. */
#include "tests/support/support.h"

struct timed {
	ox_time ms;
	int status;
};

static int timed(void *arg)
{
	struct timed *t = arg;
	int r = ox_sleep(OX_MS(t->ms));

	return r < 0 ? r : t->status;
}

static ox_group *collect(void)
{
	return ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
}

/* ---- S33 ---- */

static int s33_success(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed t[5] = { { 50, 0 }, { 10, 1 }, { 40, 2 }, { 20, 3 }, { 30, 4 } };
	ox_future *f[5];

	(void)arg;
	for (int i = 0; i < 5; i++)
		f[i] = ox_spawn(g, timed, &t[i]);
	EXPECT_EQ(OX_GATHER(f[0], f[1], f[2], f[3], f[4]), 0);
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(ox_future_status(f[i]), i);
	return 0;
}

static int s33_failure(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed t[4] = { { 50, 5 }, { 40, -4 }, { 20, -2 }, { 60, 6 } };
	ox_time begin = ox_now();
	ox_future *f[4];

	(void)arg;
	for (int i = 0; i < 4; i++)
		f[i] = ox_spawn(g, timed, &t[i]);
	EXPECT_EQ(ox_gather(f, 4), -2);
	EXPECT_EQ(ox_now() - begin, OX_MS(20));         /* at once */
	EXPECT(!ox_future_done(f[0]));                  /* the others go on */
	EXPECT_EQ(ox_wait(f, 4, OX_WAIT_ALL, OX_NEVER), 4);     /* every outcome, when all have ended */
	EXPECT_EQ(ox_future_status(f[0]), 5);
	EXPECT_EQ(ox_future_status(f[1]), -4);
	EXPECT_EQ(ox_future_status(f[3]), 6);
	EXPECT_EQ(ox_now() - begin, OX_MS(60));
	return 0;
}

START_TEST(gather_keeps_order_and_reports_the_first_failure_at_once_S33)
{
	run_virtual(s33_success, NULL);
	run_virtual(s33_failure, NULL);
}
END_TEST

static int many(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed t[100];
	ox_future *f[100];

	(void)arg;
	for (int i = 0; i < 100; i++) {
		t[i] = (struct timed){ (i * 37) % 100, i };
		f[i] = ox_spawn(g, timed, &t[i]);
	}
	EXPECT_EQ(ox_gather(f, 100), 0);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(ox_future_status(f[i]), i);
	return 0;
}

START_TEST(gather_takes_a_hundred_futures)
{
	run_virtual(many, NULL);
}
END_TEST

/* ---- S34 ---- */

struct gathering {
	ox_future *f[3];
	int result;
};

static int gatherer(void *arg)
{
	struct gathering *s = arg;

	s->result = ox_gather(s->f, 3);
	return s->result;
}

static int s34(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed slow = { 1000, 0 }, quick = { 0, 9 };
	struct gathering s;
	ox_future *waiter;

	(void)arg;
	for (int i = 0; i < 3; i++)
		s.f[i] = ox_spawn(g, timed, i == 0 ? &quick : &slow);
	waiter = ox_spawn(g, gatherer, &s);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	EXPECT(ox_future_cancel(waiter));
	EXPECT_EQ(ox_await(waiter), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(s.f[0]), 9);
	EXPECT_EQ(ox_future_status(s.f[1]), OX_ECANCELED);
	EXPECT_EQ(ox_future_status(s.f[2]), OX_ECANCELED);

	for (int i = 0; i < 3; i++)
		s.f[i] = ox_spawn(g, timed, &quick);
	EXPECT_EQ(ox_sleep(OX_MS(1)), 0);
	waiter = ox_spawn(g, gatherer, &s);
	ox_future_cancel(waiter);                       /* all its futures are done: they keep their values */
	EXPECT_EQ(ox_await(waiter), 0);
	EXPECT_EQ(s.result, 0);
	for (int i = 0; i < 3; i++) {
		EXPECT(!ox_future_cancel(s.f[i]));
		EXPECT_EQ(ox_future_status(s.f[i]), 9);
	}
	return 0;
}

START_TEST(cancelled_gather_cancels_what_is_not_done_S34)
{
	run_virtual(s34, NULL);
}
END_TEST

/* ---- S35 ---- */

static int s35(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed t[3] = { { 10, 1 }, { 20, -2 }, { 30, 3 } };
	ox_future *f[3];
	ox_time begin = ox_now();

	(void)arg;
	for (int i = 0; i < 3; i++)
		f[i] = ox_spawn(g, timed, &t[i]);
	EXPECT_EQ(ox_wait(f, 3, OX_WAIT_ALL, 0), 0);
	EXPECT_EQ(ox_wait(f, 3, OX_WAIT_ALL, OX_MS(5)), 0);
	EXPECT_EQ(ox_now() - begin, OX_MS(5));
	EXPECT_EQ(ox_wait(f, 3, OX_WAIT_FIRST_DONE, OX_NEVER), 1);
	EXPECT(ox_future_done(f[0]) && !ox_future_done(f[1]) && !ox_future_done(f[2]));
	EXPECT_EQ(ox_wait_any(f, 3), 0);
	EXPECT_EQ(ox_wait_any(f + 1, 2), 0);
	EXPECT_EQ(ox_wait(f, 3, OX_WAIT_FIRST_FAILURE, OX_NEVER), 2);
	EXPECT(!ox_future_done(f[2]));
	EXPECT_EQ(ox_wait(f, 3, OX_WAIT_ALL, OX_NEVER), 3);
	EXPECT_EQ(ox_future_status(f[2]), 3);           /* nothing was cancelled */
	EXPECT_EQ(ox_wait_any(f, 0), OX_EINVAL);
	EXPECT_EQ(ox_wait(f, 0, OX_WAIT_ALL, OX_NEVER), 0);
	return 0;
}

START_TEST(wait_partitions_by_real_state_and_cancels_nothing_S35)
{
	run_virtual(s35, NULL);
}
END_TEST

/* ---- S36 ---- */

static int s36(void *arg)
{
	OX_AUTO_GROUP *g = collect();
	struct timed t[4] = { { 40, 4 }, { 10, 1 }, { 30, 3 }, { 20, 2 } };
	ox_future *f[4], *next;
	ox_scope s;

	(void)arg;
	for (int i = 0; i < 4; i++)
		f[i] = ox_spawn(g, timed, &t[i]);
	EXPECT_EQ(ox_group_next(g, &next), 1);
	EXPECT_EQ(ox_future_status(next), 1);
	EXPECT_EQ(ox_sleep(OX_MS(15)), 0);              /* paused; it resumes where it was */
	EXPECT_EQ(ox_group_next(g, &next), 1);
	EXPECT_EQ(ox_future_status(next), 2);
	ox_scope_enter(&s, OX_MS(1));
	EXPECT_EQ(ox_group_next(g, &next), OX_ECANCELED);
	EXPECT_EQ(ox_group_next(g, &next), OX_ECANCELED);
	EXPECT_EQ(ox_scope_leave(&s, OX_ECANCELED), OX_ETIMEDOUT);
	EXPECT(!ox_future_done(f[0]) && !ox_future_done(f[2]));
	EXPECT_EQ(ox_group_next(g, &next), 1);
	EXPECT_EQ(ox_future_status(next), 3);
	EXPECT_EQ(ox_group_next(g, &next), 1);
	EXPECT_EQ(ox_future_status(next), 4);
	EXPECT_EQ(ox_group_next(g, &next), 0);
	return 0;
}

START_TEST(next_follows_completion_and_its_timeout_cancels_no_task_S36)
{
	run_virtual(s36, NULL);
}
END_TEST

/* ---- NULL, oneself, outside ---- */

static ox_future *self;

static int await_self(void *arg)
{
	(void)arg;
	EXPECT_EQ(ox_await(self), OX_ESTATE);
	EXPECT_EQ(ox_gather(&self, 1), OX_ESTATE);
	EXPECT_EQ(ox_wait_any(&self, 1), OX_ESTATE);
	return 0;
}

static int odd(void *arg)
{
	OX_AUTO_GROUP *g = collect();

	(void)arg;
	self = ox_spawn(g, await_self, NULL);
	EXPECT_EQ(ox_await(self), 0);
	EXPECT_EQ(ox_await(NULL), OX_ENOMEM);
	EXPECT_EQ(ox_wait_for(NULL, 5), OX_ENOMEM);
	EXPECT_EQ(OX_GATHER(self, NULL), OX_ENOMEM);
	return 0;
}

START_TEST(null_and_oneself_are_answered_with_errors)
{
	run_virtual(odd, NULL);
	ck_assert_int_eq(ox_sleep(1), OX_ESTATE);
	ck_assert_int_eq(ox_yield(), OX_ESTATE);
	ck_assert_ptr_null(ox_group_open());
}
END_TEST

int main(void)
{
	Suite *s = suite_create("future");
	TCase *c = new_case(s, "futures", 10);

	tcase_add_test(c, gather_keeps_order_and_reports_the_first_failure_at_once_S33);
	tcase_add_test(c, gather_takes_a_hundred_futures);
	tcase_add_test(c, cancelled_gather_cancels_what_is_not_done_S34);
	tcase_add_test(c, wait_partitions_by_real_state_and_cancels_nothing_S35);
	tcase_add_test(c, next_follows_completion_and_its_timeout_cancels_no_task_S36);
	tcase_add_test(c, null_and_oneself_are_answered_with_errors);
	return run_suite(s);
}
