/* SPDX-License-Identifier: MIT */
/* Select: exactly one clause commits, the others have no effect. */
#include "tests/support/support.h"

static int sleep_ms(void *arg)
{
	return ox_sleep(OX_MS((intptr_t)arg));
}

static int first_in_time(void *arg)
{
	OX_AUTO_GROUP *g = ox_group_open();
	ox_future *slow = ox_spawn(g, sleep_ms, (void *)20), *quick = ox_spawn(g, sleep_ms, (void *)10);
	ox_time start = ox_now();
	int r = 99;

	(void)arg;
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_DONE(slow), OX_DONE(quick), OX_AFTER(OX_MS(5))), OX_EBUSY);
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(quick), OX_AFTER(OX_MS(5))), 2);
	EXPECT_EQ(ox_now() - start, OX_MS(5));
	EXPECT_EQ(OX_SELECT(&r, OX_DONE(slow), OX_DONE(quick), OX_AT(OX_NEVER)), 1);
	EXPECT_EQ(r, 0);
	EXPECT_EQ(ox_now() - start, OX_MS(10));
	EXPECT_EQ(OX_SELECT(NULL, OX_DONE(slow), OX_DONE(slow)), 0);
	EXPECT_EQ(OX_SELECT_TRY(&r, OX_DONE(slow), OX_DONE(quick)), 0);
	return 0;
}

START_TEST(first_clause_that_can_be_done_commits)
{
	run_virtual(first_in_time, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select");
	TCase *c = new_case(s, "select", 10);

	tcase_add_test(c, first_clause_that_can_be_done_commits);
	return run_suite(s);
}
