/* SPDX-License-Identifier: MIT */
/* What jobs need at the same time, and what they are given: cli/batch/resources.h. */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/memory.h"
#include "cli/batch/resources.h"
#include "tests/support/random.h"
#include "tests/support/support.h"

static struct oxi_resources r;
static struct oxi_buffer why;

static const char *text_of(struct oxi_buffer *b)
{
	oxi_buffer_add_char(b, '\0');
	b->len--;
	return b->data;
}

static void setup(void)
{
	ck_assert_int_eq(oxi_resources_init(&r, 4, 8ULL << 30), 0);
	ck_assert_int_eq(oxi_resources_add_text(&r, "gpu=0,1,nvme", &why), 0);
	ck_assert_int_eq(oxi_resources_add_text(&r, "db:4", &why), 0);
}

static void teardown(void)
{
	oxi_resources_free(&r);
	oxi_buffer_free(&why);
}

static struct oxi_needs needs_of(const char *text)
{
	struct oxi_needs n = { 0 };
	ck_assert_msg(oxi_needs_add_text(&n, &r, text, &why) == 0, "%s: %s", text, text_of(&why));
	return n;
}

/* The refusal of a need or a pool. */
static void refused(int code, const char *what, const char *expected)
{
	ck_assert_int_eq(code, OX_EINVAL);
	ck_assert_msg(strstr(text_of(&why), expected) != NULL, "%s: %s", what, why.data);
	why.len = 0;
}

static void need_refused(const char *text, const char *expected)
{
	struct oxi_needs n = { 0 };
	refused(oxi_needs_add_text(&n, &r, text, &why), text, expected);
	oxi_needs_free(&n);
}

static const char *env_of(const struct oxi_lease *l, size_t n)
{
	static char text[256];
	struct oxi_buffer b = { 0 };
	ck_assert_uint_eq(oxi_lease_env(&r, l, &b), n);
	text[0] = '\0';
	for (size_t at = 0; at < b.len; at += strlen(b.data + at) + 1)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", at ? " " : "", b.data + at);
	oxi_buffer_free(&b);
	return text;
}

START_TEST(tokens_have_names_and_come_back)
{
	struct oxi_needs one = needs_of("gpu=1"), two = needs_of("gpu=2,db=3");
	struct oxi_lease a, b, c;
	ck_assert_int_eq(oxi_resources_take(&r, &one, &a), 1);
	ck_assert_str_eq(env_of(&a, 1), "OXBOW_POOL_gpu=0");
	ck_assert_int_eq(oxi_resources_take(&r, &two, &b), 1);
	ck_assert_str_eq(env_of(&b, 1), "OXBOW_POOL_gpu=1,nvme");
	ck_assert_int_eq(oxi_resources_take(&r, &one, &c), 0);
	ck_assert_str_eq(oxi_resources_lack(&r, &one), "gpu");
	oxi_resources_give(&r, &a);
	ck_assert_int_eq(oxi_resources_take(&r, &two, &c), 0);
	ck_assert_int_eq(oxi_resources_take(&r, &one, &c), 1);
	ck_assert_str_eq(env_of(&c, 1), "OXBOW_POOL_gpu=0");
	oxi_resources_give(&r, &b);
	oxi_resources_give(&r, &c);
	oxi_resources_give(&r, &c);             /* it has nothing any more */
	for (size_t i = 0; i < r.n; i++)
		ck_assert_uint_eq(r.v[i].used, 0);
	oxi_needs_free(&one);
	oxi_needs_free(&two);
}
END_TEST

START_TEST(a_job_that_says_nothing_needs_one_cpu)
{
	struct oxi_needs none = { 0 }, two = needs_of("cpu=2"), half = needs_of("cpu=0.5"), zero = needs_of("cpu=0,gpu=0");
	struct oxi_lease a, b, c, d;
	ck_assert_int_eq(oxi_resources_take(&r, &two, &a), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &none, &b), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &half, &c), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &none, &d), 0);
	ck_assert_str_eq(oxi_resources_lack(&r, &none), "cpu");
	ck_assert_int_eq(oxi_resources_take(&r, &half, &d), 1);
	oxi_resources_give(&r, &d);
	oxi_resources_set_jobs(&r, 5);
	ck_assert_int_eq(oxi_resources_take(&r, &none, &d), 1);
	oxi_resources_give(&r, &d);
	ck_assert_int_eq(oxi_resources_take(&r, &zero, &d), 1);
	ck_assert_str_eq(env_of(&d, 0), "");
	oxi_resources_give(&r, &a);
	oxi_resources_give(&r, &b);
	oxi_resources_give(&r, &c);
	oxi_resources_give(&r, &d);
	ck_assert_uint_eq(r.v[OXI_RESOURCE_CPU].used, 0);
	oxi_needs_free(&two);
	oxi_needs_free(&half);
	oxi_needs_free(&zero);
}
END_TEST

START_TEST(what_fits_no_more_since_jobs_were_fewer_runs_alone)
{
	struct oxi_needs none = { 0 }, three = needs_of("cpu=3");
	struct oxi_lease a, b;
	ck_assert_int_eq(oxi_resources_take(&r, &none, &a), 1);
	oxi_resources_set_jobs(&r, 1);
	ck_assert_int_eq(oxi_resources_take(&r, &three, &b), 0);
	oxi_resources_give(&r, &a);
	ck_assert_int_eq(oxi_resources_take(&r, &three, &b), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &none, &a), 0);
	oxi_resources_give(&r, &b);
	ck_assert_int_eq(oxi_resources_take(&r, &none, &a), 1);
	oxi_resources_give(&r, &a);
	oxi_needs_free(&three);
}
END_TEST

START_TEST(memory_is_counted_in_bytes)
{
	struct oxi_needs most = needs_of("mem=5G"), some = needs_of("mem=3G");
	struct oxi_lease a, b, c;
	ck_assert_int_eq(oxi_resources_take(&r, &most, &a), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &most, &b), 0);
	ck_assert_str_eq(oxi_resources_lack(&r, &most), "mem");
	ck_assert_int_eq(oxi_resources_take(&r, &some, &b), 1);
	ck_assert_int_eq(oxi_resources_take(&r, &some, &c), 0);
	oxi_resources_give(&r, &a);
	oxi_resources_give(&r, &b);
	oxi_needs_free(&most);
	oxi_needs_free(&some);
}
END_TEST

/* Wish 10 of the command's specification: a request that can never fit fails at once. */
START_TEST(what_can_never_fit_is_refused)
{
	need_refused("gpu=4", "a job that needs gpu=4 can never run: there is 3 in all");
	need_refused("db=5,gpu=1", "needs db=5 can never run: there is 4 in all");
	need_refused("mem=9G", "a job that needs mem=9216MiB can never run: there is 8192MiB in all");
	need_refused("cpu=4.5", "a job that needs cpu=4.5 can never run: -j allows 4 at a time");
	need_refused("gpus=1", "there is no pool 'gpus': did you mean gpu?");
	need_refused("licence=1", "there is no pool 'licence': give --pool licence:N");
	need_refused("gpu=1,gpu=1", "gpu is needed twice");
	struct oxi_needs n = { 0 };
	ck_assert_int_eq(oxi_needs_add(&n, &r, "cpu", 4000, &why), 0);
	refused(oxi_needs_add(&n, &r, "mem", 1ULL << 60, &why), "mem", "can never run");
	oxi_needs_free(&n);
}
END_TEST

START_TEST(texts_are_read_whole)
{
	static const char *const bad[] = { "", "gpu", "=1", "gpu=", "gpu=x", "gpu=-1", "gpu=1,", ",gpu=1", "cpu=1.2345", "mem=1Q", "gpu=1.5" };
	struct oxi_needs n = { 0 };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		need_refused(bad[i], "give");
		refused(oxi_needs_add_text(&n, NULL, bad[i], &why), bad[i], "give");
	}
	ck_assert_int_eq(oxi_needs_add_text(&n, NULL, "later=7", &why), 0);
	static const struct {
		const char *text, *why;
	} pools[] = {
		{ "gpu", "give NAME=" }, { "x:0", "give NAME=" }, { "x:y", "give NAME=" }, { "x:1,2", "give NAME=" }, { "x", "give NAME=" },
		{ "x=", "a token needs" }, { "x=a,,b", "a token needs" }, { "x=a,b,a", "'a' is in it twice" }, { "cpu:4", "the machine's" },
		{ "mem:4", "the machine's" }, { "gpu:4", "there is one already" }, { ":4", "is to be one of letters" },
		{ "a-b:4", "is to be one of letters" }, { "1:4", "is to be one of letters" }, { "", "give NAME=" },
	};
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		refused(oxi_resources_add_text(&r, pools[i].text, &why), pools[i].text, pools[i].why);
	ck_assert_int_eq(oxi_resources_add_text(&r, "_x1=a b,=", &why), 0);
	ck_assert_uint_eq(r.n, 5);
}
END_TEST

/* Whatever comes and goes: no token is given twice, and what is given is never more than there is. */
START_TEST(no_token_has_two_owners)
{
	enum { JOBS = 32 };
	static const char *const texts[] = { "gpu=1", "gpu=2,db=1", "db=2,cpu=0.25", "cpu=2,gpu=1,mem=1G", "gpu=3", "mem=3G" };
	struct oxi_needs needs[6];
	struct oxi_lease lease[JOBS] = { 0 };
	uint64_t seed = 4711;
	for (size_t i = 0; i < 6; i++)
		needs[i] = needs_of(texts[i]);
	for (int round = 0; round < 20000; round++) {
		struct oxi_lease *l = &lease[random_below(&seed, JOBS)];
		if (l->needs)
			oxi_resources_give(&r, l);
		else if (oxi_resources_take(&r, &needs[random_below(&seed, 6)], l) == 0)
			ck_assert_ptr_null(l->needs);
		uint64_t owners[3] = { 0 }, taken = 0;
		for (size_t i = 0; i < JOBS; i++) {
			const char *env = lease[i].needs && lease[i].token ? env_of(&lease[i], 1) : "";
			owners[0] += strpbrk(env, "0") != NULL;
			owners[1] += strpbrk(env, "1") != NULL;
			owners[2] += strstr(env, "nvme") != NULL;
		}
		for (size_t i = 0; i < 3; i++) {
			ck_assert_uint_le(owners[i], 1);
			taken += owners[i];
		}
		ck_assert_uint_eq(taken, r.v[OXI_RESOURCE_POOLS].used);
		for (size_t i = 0; i < r.n; i++)
			ck_assert_uint_le(r.v[i].used, r.v[i].total);
	}
	for (size_t i = 0; i < JOBS; i++)
		oxi_resources_give(&r, &lease[i]);
	for (size_t i = 0; i < r.n; i++)
		ck_assert_uint_eq(r.v[i].used, 0);
	for (size_t i = 0; i < 6; i++)
		oxi_needs_free(&needs[i]);
}
END_TEST

START_TEST(the_machine_has_memory)
{
	ck_assert_uint_gt(oxi_memory_total(), 1 << 20);
	ck_assert_uint_lt(oxi_memory_total(), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resources");
	TCase *c = new_case(s, "resources", 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, tokens_have_names_and_come_back);
	tcase_add_test(c, a_job_that_says_nothing_needs_one_cpu);
	tcase_add_test(c, what_fits_no_more_since_jobs_were_fewer_runs_alone);
	tcase_add_test(c, memory_is_counted_in_bytes);
	tcase_add_test(c, what_can_never_fit_is_refused);
	tcase_add_test(c, texts_are_read_whole);
	tcase_add_test(c, no_token_has_two_owners);
	tcase_add_test(c, the_machine_has_memory);
	return run_suite(s);
}
