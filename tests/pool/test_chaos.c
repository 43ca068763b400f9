/* SPDX-License-Identifier: MIT */
/* OX_CHAOS: what it reads, that its dice are fair and the same again, and that a pool lives through it, seed by seed. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "pool/chaos.h"
#include "tests/pool/pool_support.h"
#include "tests/support/random.h"

static ox_pool *pool;

START_TEST(the_text_is_a_seed_and_rates_in_a_thousand)
{
	static const char *const bad[] = {
		"", "x", "-1", "1:", "1:job", "1:job=", "1:job=1001", "1:job=1,", "1:,job=1", "1:jobs=1", "1 ", "1:job=1 ", "1:job=-1",
		"18446744073709551616", "1:=5",
	};
	struct oxi_chaos c;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(oxi_chaos_parse(bad[i], &c) == OX_EINVAL, "'%s'", bad[i]);
	ck_assert_int_eq(oxi_chaos_parse("18446744073709551615", &c), 0);
	ck_assert(c.on && c.seed == UINT64_MAX && c.rate[OXI_CHAOS_JOB] > 0 && c.rate[OXI_CHAOS_GRANT] > 0);
	ck_assert_int_eq(oxi_chaos_parse("7:job=1000,fork=0,grant=3", &c), 0);
	ck_assert(c.seed == 7 && c.rate[OXI_CHAOS_JOB] == 1000 && c.rate[OXI_CHAOS_GRANT] == 3 && c.rate[OXI_CHAOS_START] == 0);
}
END_TEST

START_TEST(the_dice_are_fair_and_fall_the_same_again)
{
	struct oxi_chaos c;
	unsigned hits = 0;

	ck_assert_int_eq(oxi_chaos_parse("3:job=100", &c), 0);
	for (unsigned n = 0; n < 100000; n++) {
		bool hit = oxi_chaos_hits(&c, OXI_CHAOS_JOB, n % 4, n / 4);
		ck_assert(hit == oxi_chaos_hits(&c, OXI_CHAOS_JOB, n % 4, n / 4));
		ck_assert(!oxi_chaos_hits(&c, OXI_CHAOS_START, n % 4, n / 4));
		ck_assert_uint_lt(oxi_chaos_number(&c, n % 4, n / 4, 10), 10);
		hits += hit;
	}
	ck_assert_uint_gt(hits, 9000);
	ck_assert_uint_lt(hits, 11000);
	c.on = false;
	ck_assert(!oxi_chaos_hits(&c, OXI_CHAOS_JOB, 0, 0));
}
END_TEST

/* ---- a pool in chaos ---- */

static char heard[256];

static void hear(void *arg, ox_log_level level, const char *text)
{
	(void)arg;
	if (level == OX_LOG_WARNING && strstr(text, "chaos") != NULL)
		snprintf(heard, sizeof heard, "%s", text);
}

static int twice(const void *in, size_t len, ox_reply *out)
{
	int r = ox_reply_write(out, in, len);
	return r < 0 ? r : ox_reply_write(out, in, len);
}
static OX_JOB(twice_job, twice, .retries = 20, .retry_delay = OX_MS(1), .retry_max = OX_MS(2));
static OX_JOB(fragile_job, twice);

enum { JOBS = 400, LARGE = 20000 };

/* Small and large, with retries and without, some cancelled; what comes back is right, and comes once. */
static int work_in_chaos(void *arg)
{
	uint64_t seed = *(uint64_t *)arg, ends[4] = { 0 };
	static ox_future *fs[JOBS];
	static uint8_t data[LARGE];
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));

	for (unsigned i = 0; i < JOBS; i++) {
		size_t len = 4 + (random_below(&seed, 4) == 0 ? random_below(&seed, LARGE - 4) : random_below(&seed, 50));
		memset(data, (int)i, len);
		fs[i] = ox_submit(g, pool, random_below(&seed, 2) == 0 ? &twice_job : &fragile_job, data, len);
		if (random_below(&seed, 20) == 0)
			ox_future_cancel(fs[random_below(&seed, i + 1)]);
	}
	for (unsigned i = 0; i < JOBS; i++) {
		size_t len;
		int r = ox_await(fs[i]);
		const uint8_t *value = ox_future_value(fs[i], &len);
		if (r != OX_ECRASHED && r != OX_ENOMEM && r != OX_ECANCELED)
			EXPECT_EQ(r, 0);
		EXPECT(r != 0 || (len >= 8 && len % 2 == 0 && value[0] == (uint8_t)i && value[len - 1] == (uint8_t)i));
		ends[r == 0 ? 0 : r == OX_ECRASHED ? 1 : r == OX_ENOMEM ? 2 : 3]++;
	}
	ox_pool_stats s = stats_of(pool);
	EXPECT_EQ(s.pending, 0);
	EXPECT_EQ(s.done, ends[0]);
	EXPECT_EQ(s.cancelled, ends[3]);
	EXPECT(ends[0] > 0);
	printf("seed %llu: %llu done, %llu crashed, %llu without memory, %llu cancelled; %llu workers\n", (unsigned long long)*(uint64_t *)arg,
	       (unsigned long long)ends[0], (unsigned long long)ends[1], (unsigned long long)ends[2], (unsigned long long)ends[3],
	       (unsigned long long)s.spawned);
	return 0;
}

static void run_seed(uint64_t seed, const char *rates)
{
	char text[128];

	snprintf(text, sizeof text, "%llu%s", (unsigned long long)seed, rates);
	setenv("OX_CHAOS", text, 1);
	heard[0] = '\0';
	ox_log_set(hear, NULL);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&twice_job, &fragile_job), .workers = 3), &pool), 0);
	unsetenv("OX_CHAOS");
	ox_log_set(NULL, NULL);
	ck_assert_ptr_nonnull(strstr(heard, text));
	run_real(work_in_chaos, &seed);
	close_pool(pool);
}

START_TEST(a_pool_lives_through_chaos_and_every_future_resolves_once)
{
	const char *only = getenv("OXBOW_TEST_SEED");

	if (only != NULL) {
		run_seed(strtoull(only, NULL, 10), "");
		return;
	}
	for (uint64_t seed = 1; seed <= (under_sanitizer ? 5 : 30); seed++)
		run_seed(seed, "");
}
END_TEST

START_TEST(each_kind_of_fault_alone_is_lived_through)
{
	static const char *const rates[] = {
		":start=100", ":job=60", ":result=60", ":delay=300", ":fork=500", ":job=60,spawner=300", ":arena=300", ":grant=500",
	};

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		run_seed(i, rates[i]);
}
END_TEST

START_TEST(a_text_that_is_wrong_opens_no_pool)
{
	setenv("OX_CHAOS", "a lot", 1);
	ck_assert_int_eq(ox_pool_open(POOL_OPTIONS(.jobs = OX_JOBS(&echo_job)), &pool), OX_EINVAL);
	unsetenv("OX_CHAOS");
}
END_TEST

int main(int argc, char **argv)
{
	pool_main(argc, argv, (const struct driver[]){ { NULL, NULL } });
	Suite *s = suite_create("chaos");
	TCase *c = new_pool_case(s, "dice", 30);
	tcase_add_test(c, the_text_is_a_seed_and_rates_in_a_thousand);
	tcase_add_test(c, the_dice_are_fair_and_fall_the_same_again);
	c = new_pool_case(s, "pools", 240);
	tcase_add_test(c, a_pool_lives_through_chaos_and_every_future_resolves_once);
	tcase_add_test(c, each_kind_of_fault_alone_is_lived_through);
	tcase_add_test(c, a_text_that_is_wrong_opens_no_pool);
	return run_suite(s);
}
