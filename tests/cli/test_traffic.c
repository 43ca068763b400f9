/* SPDX-License-Identifier: MIT */
/* Queries that count as one, and what crawls know of hosts together. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/crawl/hosts.h"
#include "cli/crawl/query.h"
#include "tests/support/support.h"

/* ---- queries ---- */

static bool same(const struct oxi_query_rules *rules, const char *a, const char *b)
{
	struct oxi_key x = oxi_query_key(rules, a, strlen(a)), y = oxi_query_key(rules, b, strlen(b));
	return x.a == y.a && x.b == y.b;
}

START_TEST(without_rules_a_url_is_known_as_it_is)
{
	const struct oxi_query_rules rules = { 0 };
	const char *url = "http://a.test/?b=1&a=2";
	struct oxi_key key = oxi_key_of(url, strlen(url)), by_rules = oxi_query_key(&rules, url, strlen(url));
	ck_assert(key.a == by_rules.a && key.b == by_rules.b);
	ck_assert(!same(&rules, url, "http://a.test/?a=2&b=1"));
	ck_assert(!same(&rules, "http://a.test/?", "http://a.test/"));
}
END_TEST

START_TEST(dropped_parameters_do_not_count)
{
	const struct oxi_query_rules rules = { .drop = { "utm_*", "sid", "*id*x" }, .n = 3 };
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "http://a.test/p?utm_source=1", "http://a.test/p", true },
		{ "http://a.test/p?utm_=1&a=2&utm_b", "http://a.test/p?a=2", true },
		{ "http://a.test/p?sid=7&a=2", "http://a.test/p?&a=2&", true },
		{ "http://a.test/p?a=2", "http://a.test/p?a=3", false },
		{ "http://a.test/p?a=2&b=3", "http://a.test/p?b=3&a=2", false },
		{ "http://a.test/p?sids=7", "http://a.test/p", false },
		{ "http://a.test/p?si=7", "http://a.test/p", false },
		{ "http://a.test/p?SID=7", "http://a.test/p", false },
		{ "http://a.test/p?x=utm_a", "http://a.test/p", false },
		{ "http://a.test/p?pidid.x=1", "http://a.test/p", true },
		{ "http://a.test/p?pidid.xy=1", "http://a.test/p", false },
		{ "http://a.test/p?idx", "http://a.test/p", true },
		{ "http://a.test/p?utm_a=1", "http://a.test/q?utm_a=1", false },
		{ "http://a.test/p?a=1&a=1", "http://a.test/p?a=1", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(same(&rules, rows[i].a, rows[i].b) == rows[i].same, "%s", rows[i].a);
}
END_TEST

START_TEST(the_order_of_parameters_counts_unless_it_is_told_not_to)
{
	const struct oxi_query_rules rules = { .sort = true };
	ck_assert(same(&rules, "http://a.test/?a=1&b=2&c=3", "http://a.test/?c=3&a=1&b=2"));
	ck_assert(!same(&rules, "http://a.test/?a=1&b=2", "http://a.test/?a=2&b=1"));
	ck_assert(!same(&rules, "http://a.test/?a=1&a=1", "http://a.test/?a=1"));
	ck_assert(!same(&rules, "http://a.test/?a=1&a=1&b=2", "http://a.test/?a=1&b=2&b=2"));
	ck_assert(same(&rules, "http://a.test/?", "http://a.test/"));
}
END_TEST

/* ---- hosts ---- */

static char folder[PATH_MAX], file[PATH_MAX + 16];

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "%s/oxbow-hosts-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/hosts", folder);
}

static void remove_folder(void)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char path[sizeof(file) + 8];
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", file, ends[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

static struct oxi_hosts *open_hosts(void)
{
	char error_text[256];
	struct oxi_hosts *s = NULL;
	EXPECT_EQ(oxi_hosts_open(file, error_text, &s), 0);
	return s;
}

static ox_time claim(struct oxi_hosts *s, const char *host, ox_time delay)
{
	ox_time wait = -1;
	EXPECT_EQ(oxi_hosts_claim(s, host, delay, &wait), 0);
	return wait;
}

static int claim_in_turn(void *arg)
{
	(void)arg;
	struct oxi_hosts *a = open_hosts(), *b = open_hosts();
	EXPECT_EQ(claim(a, "x.test:80", OX_SEC(1000)), 0);
	ox_time wait = claim(b, "x.test:80", OX_SEC(1000));
	EXPECT(wait > OX_SEC(900) && wait <= OX_SEC(1000));
	EXPECT_EQ(claim(b, "y.test:80", OX_SEC(1000)), 0);
	EXPECT_EQ(claim(a, "z.test:80", 0), 0);
	EXPECT_EQ(claim(b, "z.test:80", 0), 0);
	EXPECT_EQ(oxi_hosts_hold(a, "z.test:80", OX_SEC(500)), 0);
	EXPECT_EQ(oxi_hosts_hold(a, "z.test:80", OX_SEC(5)), 0);
	EXPECT(claim(b, "z.test:80", 0) > OX_SEC(400));
	/* What lies further ahead than anything may is not believed. */
	EXPECT_EQ(oxi_hosts_hold(a, "w.test:80", 2 * OXI_HOSTS_WAIT_MAX), 0);
	EXPECT_EQ(claim(b, "w.test:80", OX_SEC(1)), 0);
	oxi_hosts_close(a);
	oxi_hosts_close(b);
	return 0;
}

START_TEST(one_of_several_has_a_hosts_turn)
{
	make_folder();
	run_real(claim_in_turn, NULL);
	remove_folder();
}
END_TEST

static int keep_robots(void *arg)
{
	(void)arg;
	struct oxi_hosts *a = open_hosts(), *b = open_hosts();
	struct oxi_buffer body = { 0 };
	ox_time age = -1;
	EXPECT_EQ(oxi_hosts_robots(a, "x.test:80", false, &body, &age), 0);
	EXPECT_EQ(oxi_hosts_put_robots(a, "x.test:80", false, (ox_bytes){ "a\0b", 3 }), 0);
	EXPECT_EQ(oxi_hosts_put_robots(a, "x.test:80", true, (ox_bytes){ 0 }), 0);
	EXPECT_EQ(oxi_hosts_robots(b, "x.test:80", false, &body, &age), 1);
	EXPECT(body.len == 3 && memcmp(body.data, "a\0b", 3) == 0 && age >= 0 && age < OX_SEC(600));
	body.len = 0;
	EXPECT_EQ(oxi_hosts_robots(b, "x.test:80", true, &body, &age), 1);
	EXPECT_EQ(body.len, 0);
	EXPECT_EQ(oxi_hosts_robots(b, "y.test:80", false, &body, &age), 0);
	oxi_buffer_free(&body);
	oxi_hosts_close(a);
	oxi_hosts_close(b);
	return 0;
}

START_TEST(a_robots_txt_is_kept_for_all_and_so_is_that_there_is_none)
{
	make_folder();
	run_real(keep_robots, NULL);
	remove_folder();
}
END_TEST

static int open_nothing(void *arg)
{
	char error_text[256] = "";
	struct oxi_hosts *s = NULL;
	(void)arg;
	EXPECT(oxi_hosts_open("/dev/null/x", error_text, &s) < 0);
	EXPECT(*error_text != '\0' && s == NULL);
	return 0;
}

START_TEST(what_cannot_be_opened_says_why)
{
	run_real(open_nothing, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("traffic");
	TCase *c = new_case(s, "traffic", 60);
	tcase_add_test(c, without_rules_a_url_is_known_as_it_is);
	tcase_add_test(c, dropped_parameters_do_not_count);
	tcase_add_test(c, the_order_of_parameters_counts_unless_it_is_told_not_to);
	tcase_add_test(c, one_of_several_has_a_hosts_turn);
	tcase_add_test(c, a_robots_txt_is_kept_for_all_and_so_is_that_there_is_none);
	tcase_add_test(c, what_cannot_be_opened_says_why);
	return run_suite(s);
}
