/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/pool/pool_support.h"

static ox_pool *pool;

static void with_pool(ox_coro *fn, const ox_pool_options *o)
{
	ck_assert_int_eq(ox_pool_open(o, &pool), 0);
	run_real(fn, NULL);
	close_pool(pool);
}

/* ---- calls ---- */

static int call_echo(void *arg)
{
	(void)arg;
	OX_AUTO_RESULT *r = NULL;
	EXPECT_EQ(ox_call(pool, &echo_job, "hello", 5, &r), 0);
	EXPECT_EQ(ox_result_bytes(r).len, 5);
	EXPECT(memcmp(ox_result_bytes(r).data, "hello", 5) == 0);
	return 0;
}

START_TEST(a_call_returns_what_the_job_replied)
{
	with_pool(call_echo, POOL_OPTIONS(.jobs = OX_JOBS(&echo_job), .workers = 1));
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, NULL);
	Suite *s = suite_create("pool");
	TCase *c = new_pool_case(s, "calls", 20);
	tcase_add_test(c, a_call_returns_what_the_job_replied);
	return run_suite(s);
}
