/* SPDX-License-Identifier: MIT */
/* URLs, scopes, addresses and the set of what is known: crawl cases 11 and 12 as far as no network is needed. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "cli/crawl/guard.h"
#include "cli/crawl/scope.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/url.h"
#include "tests/support/support.h"

static void assert_url(const char *base, const char *reference, const char *expected)
{
	struct oxi_url u;
	ck_assert_msg(oxi_url_resolve(base, reference, strlen(reference), &u) == 0, "%s", reference);
	ck_assert_str_eq(u.text, expected);
}

static void assert_no_url(const char *base, const char *reference, int error)
{
	struct oxi_url u;
	ck_assert_msg(oxi_url_resolve(base, reference, strlen(reference), &u) == error, "%s", reference);
}

#define BASE "http://a.test/d/e.html?q=1"

START_TEST(references_resolve_against_their_base_case_12)
{
	assert_url(BASE, "f.html", "http://a.test/d/f.html");
	assert_url(BASE, "../g", "http://a.test/g");
	assert_url(BASE, "/h", "http://a.test/h");
	assert_url(BASE, "?x=2", "http://a.test/d/e.html?x=2");
	assert_url(BASE, "//b.test/x", "http://b.test/x");
	assert_url(BASE, "#part", BASE);
	assert_url(BASE, "https://c.test", "https://c.test/");
	assert_url(BASE, "../../../../i", "http://a.test/i");
}
END_TEST

START_TEST(spellings_of_one_address_become_one_text_case_12)
{
	assert_url(NULL, "HTTP://EX.test:80/a/../b/./c#f", "http://ex.test/b/c");
	assert_url(NULL, "https://ex.test:443", "https://ex.test/");
	assert_url(NULL, "http://ex.test:8080/", "http://ex.test:8080/");
	assert_url(BASE, " x ", "http://a.test/d/x");
	assert_url(BASE, "/foo\n\tbar", "http://a.test/foobar");
	assert_url(BASE, "\\h\\x?a\\b", "http://a.test/h/x?a\\b");
	assert_url(BASE, "a b", "http://a.test/d/a%20b");
	assert_url(BASE, "%e4%Bf", "http://a.test/d/%E4%BF");
	assert_url(BASE, "/100%", "http://a.test/100%");
}
END_TEST

START_TEST(names_and_numbers_become_what_is_connected_to_cases_11_and_12)
{
	assert_url(NULL, "http://b\303\274cher.test/", "http://xn--bcher-kva.test/");
	assert_url(BASE, "//B\303\234CHER.test/x", "http://xn--bcher-kva.test/x");
	assert_url(NULL, "http://2130706433/", "http://127.0.0.1/");
	assert_url(NULL, "http://0x7f.1/", "http://127.0.0.1/");
	assert_url(NULL, "http://0177.0.0.1/", "http://127.0.0.1/");
	assert_url(NULL, "http://127.1/", "http://127.0.0.1/");
	assert_url(NULL, "http://[::FFFF:10.0.0.1]/", "http://[::ffff:10.0.0.1]/");
	assert_url(NULL, "http://%31%32%37.0.0.1/", "http://127.0.0.1/");
	assert_url(NULL, "http://3%2e391/", "http://3.0.1.135/");
	assert_no_url(NULL, "http://a b.test/", OXI_URL_BAD);
	assert_no_url(NULL, "http://a%00b.test/", OXI_URL_BAD);
	assert_no_url(NULL, "http://[::1/", OXI_URL_BAD);
	assert_no_url(NULL, "http://[fe80::1%25eth0]/", OXI_URL_BAD);
	assert_no_url(NULL, "http://a%25b.test/", OXI_URL_BAD);
	assert_no_url(NULL, "http://a.test:00/", OXI_URL_BAD);
	assert_no_url(NULL, "http://\303\274@a.test/", OXI_URL_BAD);
}
END_TEST

/* What servers send as Location and pages as href, as far as it is about the text. */
START_TEST(targets_of_redirects_case_6)
{
	assert_url(BASE, "caf\351", "http://a.test/d/caf%E9");
	assert_url(BASE, "//h", "http://h/");
	assert_url(BASE, "x?y#z", "http://a.test/d/x?y");
	assert_url(BASE, "/a/b/../../..", "http://a.test/");
	assert_url(BASE, "/a/./b/%2e%2e/c", "http://a.test/a/c");
	assert_url(BASE, "/a//b", "http://a.test/a//b");
	assert_url(BASE, "x?a=/../b", "http://a.test/d/x?a=/../b");
	assert_url(BASE, "./:x", "http://a.test/d/:x");
}
END_TEST

START_TEST(what_is_no_page_address_is_refused)
{
	assert_no_url(BASE, "javascript:alert(1)", OXI_URL_SCHEME);
	assert_no_url(BASE, "mailto:x@y.test", OXI_URL_SCHEME);
	assert_no_url(BASE, "ftp://a.test/", OXI_URL_SCHEME);
	assert_no_url(BASE, "data:text/html,x", OXI_URL_SCHEME);
	assert_no_url(BASE, "FILE:///etc/passwd", OXI_URL_SCHEME);
	assert_no_url(BASE, "http://", OXI_URL_BAD);
	assert_no_url(BASE, "http://a.test:99999/", OXI_URL_BAD);
	assert_no_url(NULL, "no-scheme/x", OXI_URL_BAD);
	assert_no_url(NULL, "", OXI_URL_BAD);
	char text[OXI_URL_MAX + 100];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_no_url(BASE, text, OXI_URL_BAD);
}
END_TEST

/* The parser must stay inside its buffers for any bytes. */
START_TEST(noise_does_no_harm)
{
	static const char alphabet[] = "http://a.b:80/?#%@[]\\ ..\t\n\xc3\xa9\xff";
	unsigned state = 99;
	for (int round = 0; round < 20000; round++) {
		char text[64];
		for (size_t i = 0; i < sizeof(text); i++) {
			state = state * 1103515245u + 12345u;
			text[i] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
		}
		struct oxi_url u, again;
		size_t len = (state >> 20) % sizeof(text);
		if (oxi_url_resolve(round & 1 ? BASE : NULL, text, len, &u) < 0)
			continue;
		ck_assert_int_eq(strncmp(u.text, "http", 4), 0);
		ck_assert_uint_le(u.path, strlen(u.text));
		if (oxi_url_resolve(NULL, u.text, strlen(u.text), &again) == 0)
			ck_assert_str_eq(again.text, u.text);
	}
}
END_TEST

/* ---- scope ---- */

static bool in_scope(enum oxi_scope_kind kind, const char *start, const char *url)
{
	struct oxi_scope s = { .kind = kind };
	struct oxi_url u;
	ck_assert_int_eq(oxi_url_resolve(NULL, start, strlen(start), &u), 0);
	ck_assert_int_eq(oxi_scope_add(&s, &u), 0);
	ck_assert_int_eq(oxi_url_resolve(NULL, url, strlen(url), &u), 0);
	bool holds = oxi_scope_holds(&s, &u);
	oxi_scope_free(&s);
	return holds;
}

START_TEST(host_scope_is_host_and_port)
{
	ck_assert(in_scope(OXI_SCOPE_HOST, "http://a.test/x/y", "http://A.test/z"));
	ck_assert(in_scope(OXI_SCOPE_HOST, "http://a.test/", "https://a.test/"));
	ck_assert(!in_scope(OXI_SCOPE_HOST, "http://a.test/", "http://b.a.test/"));
	ck_assert(!in_scope(OXI_SCOPE_HOST, "http://a.test/", "http://a.test:8080/"));
	ck_assert(!in_scope(OXI_SCOPE_HOST, "http://a.test/", "http://a.test.evil.test/"));
	ck_assert(!in_scope(OXI_SCOPE_HOST, "http://a.test/", "http://a.test@evil.test/"));
}
END_TEST

START_TEST(prefix_scope_is_the_folder_of_the_start)
{
	ck_assert(in_scope(OXI_SCOPE_PREFIX, "http://a.test/d/index.html", "http://a.test/d/e/f"));
	ck_assert(!in_scope(OXI_SCOPE_PREFIX, "http://a.test/d/index.html", "http://a.test/dd"));
	ck_assert(!in_scope(OXI_SCOPE_PREFIX, "http://a.test/d/", "http://a.test/d/../x"));
	ck_assert(in_scope(OXI_SCOPE_PREFIX, "http://a.test", "http://a.test/x"));
}
END_TEST

START_TEST(domain_scope_is_whatever_one_owner_has)
{
	ck_assert(in_scope(OXI_SCOPE_DOMAIN, "http://www.a.co.uk/", "https://b.c.a.co.uk:8080/x"));
	ck_assert(!in_scope(OXI_SCOPE_DOMAIN, "http://www.a.co.uk/", "http://b.co.uk/"));
	ck_assert(!in_scope(OXI_SCOPE_DOMAIN, "http://127.0.0.1/", "http://127.0.1.1/"));
	ck_assert(in_scope(OXI_SCOPE_DOMAIN, "http://127.0.0.1/", "http://127.0.0.1:80/"));
	ck_assert(in_scope(OXI_SCOPE_ANY, "http://a.test/", "http://b.test/"));
}
END_TEST

START_TEST(patterns_include_and_exclude)
{
	struct oxi_scope s = { .kind = OXI_SCOPE_ANY };
	struct oxi_buffer why = { 0 };
	struct oxi_url u;
	ck_assert_int_eq(oxi_scope_add_pattern(&s, false, "/a|/b", &why), 0);
	ck_assert_int_eq(oxi_scope_add_pattern(&s, true, "[.]png$", &why), 0);
	ck_assert_int_eq(oxi_scope_add_pattern(&s, true, "(", &why), OX_EINVAL);
	static const struct { const char *url; bool holds; } rows[] = {
		{ "http://x.test/a", true }, { "http://x.test/b.png", false }, { "http://x.test/c", false },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(oxi_url_resolve(NULL, rows[i].url, strlen(rows[i].url), &u), 0);
		ck_assert_msg(oxi_scope_holds(&s, &u) == rows[i].holds, "%s", rows[i].url);
	}
	oxi_buffer_free(&why);
	oxi_scope_free(&s);
}
END_TEST

/* ---- guard ---- */

static int check_address(struct oxi_guard *g, const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return oxi_guard_check(g, (struct sockaddr *)&v4, sizeof(v4));
	ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return oxi_guard_check(g, (struct sockaddr *)&v6, sizeof(v6));
}

START_TEST(addresses_that_are_not_public_are_blocked_case_11)
{
	static const char *const blocked[] = {
		"127.0.0.1", "127.255.255.255", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
		"100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1",
		"fd12::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
		"2001:db8::1",
	};
	static const char *const allowed[] = {
		"1.1.1.1", "8.8.8.8", "172.32.0.1", "172.15.255.255", "100.128.0.1", "11.0.0.1", "2606:4700::1111",
		"::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::",
	};
	struct oxi_guard g = { 0 };
	for (size_t i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
		ck_assert_msg(check_address(&g, blocked[i]) == -EACCES, "%s", blocked[i]);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		ck_assert_msg(check_address(&g, allowed[i]) == 0, "%s", allowed[i]);
}
END_TEST

START_TEST(a_family_that_is_not_known_is_blocked)
{
	struct oxi_guard g = { 0 };
	struct sockaddr unix_socket = { .sa_family = AF_UNIX };
	ck_assert_int_eq(oxi_guard_check(&g, &unix_socket, sizeof(unix_socket)), -EACCES);
}
END_TEST

START_TEST(allowed_networks_are_let_through_and_nothing_else)
{
	struct oxi_guard g = { .n = 2 };
	ck_assert_int_eq(oxi_cidr_parse("127.0.0.0/8", &g.allowed[0]), 0);
	ck_assert_int_eq(oxi_cidr_parse("fd00::/8", &g.allowed[1]), 0);
	ck_assert_int_eq(check_address(&g, "127.1.2.3"), 0);
	ck_assert_int_eq(check_address(&g, "::ffff:127.1.2.3"), 0);
	ck_assert_int_eq(check_address(&g, "fd99::1"), 0);
	ck_assert_int_eq(check_address(&g, "10.0.0.1"), -EACCES);
	ck_assert_int_eq(check_address(&g, "fc00::1"), -EACCES);
}
END_TEST

START_TEST(networks_are_read_strictly)
{
	struct oxi_cidr c;
	ck_assert_int_eq(oxi_cidr_parse("10.0.0.1", &c), 0);
	ck_assert_uint_eq(c.bits, 128);
	ck_assert_int_eq(oxi_cidr_parse("10.0.0.0/12", &c), 0);
	ck_assert_uint_eq(c.bits, 108);
	static const char *const bad[] = { "", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0/8",
	                                   "::/129", "localhost", "/8" };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(oxi_cidr_parse(bad[i], &c) == OX_EINVAL, "%s", bad[i]);
}
END_TEST

/* ---- seen ---- */

START_TEST(the_set_holds_each_URL_once)
{
	struct oxi_seen s = { 0 };
	char url[64];
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 100000; i++) {
			int len = snprintf(url, sizeof(url), "http://a.test/%d", i);
			ck_assert_int_eq(oxi_seen_add(&s, oxi_key_of(url, (size_t)len)), round == 0);
		}
	}
	ck_assert_uint_eq(s.n, 100000);
	oxi_seen_free(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("url");
	TCase *c = new_case(s, "url", 60);
	tcase_add_test(c, references_resolve_against_their_base_case_12);
	tcase_add_test(c, spellings_of_one_address_become_one_text_case_12);
	tcase_add_test(c, names_and_numbers_become_what_is_connected_to_cases_11_and_12);
	tcase_add_test(c, targets_of_redirects_case_6);
	tcase_add_test(c, what_is_no_page_address_is_refused);
	tcase_add_test(c, noise_does_no_harm);
	tcase_add_test(c, host_scope_is_host_and_port);
	tcase_add_test(c, prefix_scope_is_the_folder_of_the_start);
	tcase_add_test(c, domain_scope_is_whatever_one_owner_has);
	tcase_add_test(c, patterns_include_and_exclude);
	tcase_add_test(c, addresses_that_are_not_public_are_blocked_case_11);
	tcase_add_test(c, a_family_that_is_not_known_is_blocked);
	tcase_add_test(c, allowed_networks_are_let_through_and_nothing_else);
	tcase_add_test(c, networks_are_read_strictly);
	tcase_add_test(c, the_set_holds_each_URL_once);
	return run_suite(s);
}
