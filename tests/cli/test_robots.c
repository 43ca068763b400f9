/* SPDX-License-Identifier: MIT */
/* The rules of RFC 9309, and files as they are found: crawl cases 1 and 3. */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/robots.h"
#include "tests/support/support.h"

static struct oxi_robots read_file(const char *text, size_t len)
{
	struct oxi_robots r;
	/* A copy of its own, so that a sanitizer sees a read too far. */
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	ck_assert_int_eq(oxi_robots_read(copy, len, "oxbow", &r), 0);
	free(copy);
	return r;
}

static bool allows_in(const char *text, size_t len, const char *path)
{
	struct oxi_robots r = read_file(text, len);
	bool allowed = oxi_robots_allow(&r, path, NULL);
	oxi_robots_free(&r);
	return allowed;
}

static bool allows(const char *text, const char *path)
{
	return allows_in(text, strlen(text), path);
}

START_TEST(the_longest_match_decides_case_1)
{
	static const char text[] = "User-agent: *\nDisallow: /x/page.html\nAllow: /x/\n";
	ck_assert(!allows(text, "/x/page.html"));
	ck_assert(allows(text, "/x/"));
	ck_assert(allows("user-agent: *\nallow: /p\ndisallow: /\n", "/page"));
	ck_assert(!allows("user-agent: *\nallow: /$\ndisallow: /\n", "/page.html"));
	ck_assert(allows("user-agent: *\nallow: /$\ndisallow: /\n", "/"));
	ck_assert(!allows("user-agent: *\nallow: /page\ndisallow: /*.html\n", "/page.html"));
}
END_TEST

START_TEST(among_equals_allow_wins_case_1)
{
	ck_assert(allows("user-agent: *\nallow: /folder\ndisallow: /folder\n", "/folder/page"));
	ck_assert(allows("user-agent: *\ndisallow: /folder\nallow: /folder\n", "/folder/page"));
}
END_TEST

START_TEST(groups_of_one_agent_are_merged_case_1)
{
	static const char text[] = "user-agent: oxbow\ndisallow: /a\n\nuser-agent: other\ndisallow: /\n\n"
	                           "user-agent: first\nuser-agent: OXBOW\ndisallow: /b\n";
	ck_assert(!allows(text, "/a"));
	ck_assert(!allows(text, "/b"));
	ck_assert(allows(text, "/c"));
}
END_TEST

START_TEST(a_group_of_ours_stands_for_that_of_all)
{
	ck_assert(allows("user-agent: *\ndisallow: /\nuser-agent: oxbow\ndisallow: /x\n", "/y"));
	ck_assert(allows("user-agent: oxbow\nuser-agent: other\ndisallow:\nuser-agent: *\ndisallow: /\n", "/y"));
	ck_assert(!allows("user-agent: *\ndisallow: /\nuser-agent: oxbo\nallow: /\n", "/y"));
	ck_assert(!allows("user-agent: *\ndisallow: /\nuser-agent: oxbow-news\nallow: /\n", "/y"));
	ck_assert(!allows("user-agent: oxbow/1.0\ndisallow: /\n", "/y"));
	ck_assert(allows("user-agent: oxbow\n", "/y"));
	ck_assert(allows("disallow: /\n", "/y"));
	ck_assert(allows("", "/y"));
}
END_TEST

START_TEST(keys_have_no_case_and_paths_have_case_1)
{
	ck_assert(!allows("user-AGENT: oXbOw\nDISALLOW: /Page\n", "/Page"));
	ck_assert(allows("user-AGENT: oXbOw\nDISALLOW: /Page\n", "/page"));
	ck_assert(!allows("  User-Agent \t:\t * # all\n\tDisallow :/x # this\n", "/x"));
	ck_assert(!allows("user-agent: *\n\n\ndisallow: /x\n", "/x"));
	ck_assert(!allows("user-agent: *\nsomething: else\ndisallow: /x\n", "/x"));
	ck_assert(!allows("user-agent: *\nsitemap: http://a.test/s\nuser-agent: other\ndisallow: /x\n", "/x"));
}
END_TEST

START_TEST(stars_and_dollars)
{
	ck_assert(!allows("user-agent: *\ndisallow: /*.php\n", "/folder/any.php?x"));
	ck_assert(!allows("user-agent: *\ndisallow: *.php\n", "/any.php"));
	ck_assert(!allows("user-agent: *\ndisallow: /*.php$\n", "/a.php/b.php"));
	ck_assert(allows("user-agent: *\ndisallow: /*.php$\n", "/a.php?x"));
	ck_assert(allows("user-agent: *\ndisallow: /a$b\n", "/a"));
	ck_assert(!allows("user-agent: *\ndisallow: /a$b\n", "/a$bc"));
	ck_assert(!allows("user-agent: *\ndisallow: /a*b*c\n", "/a-b-b-c-d"));
	ck_assert(allows("user-agent: *\ndisallow: /a*b*c$\n", "/a-c-b"));
	ck_assert(!allows("user-agent: *\ndisallow: /a*$\n", "/a"));
	ck_assert(!allows("user-agent: *\ndisallow: /?x=1\n", "/?x=1&y"));
	ck_assert(allows("user-agent: *\ndisallow: /fish/\n", "/fish"));
	ck_assert(allows("user-agent: *\ndisallow:\n", "/"));
}
END_TEST

START_TEST(percent_encodings_are_compared_by_what_they_say)
{
	ck_assert(!allows("user-agent: *\ndisallow: /foo/bar/\343\203\204\n", "/foo/bar/%E3%83%84"));
	ck_assert(!allows("user-agent: *\ndisallow: /foo/bar/%e3%83%84\n", "/foo/bar/%E3%83%84"));
	ck_assert(!allows("user-agent: *\ndisallow: /foo/bar/%62%61%7A\n", "/foo/bar/baz"));
	ck_assert(!allows("user-agent: *\ndisallow: /~a\n", "/%7ea"));
	ck_assert(allows("user-agent: *\ndisallow: /a%2fb\n", "/a/b"));
	ck_assert(!allows("user-agent: *\ndisallow: /a%2fb\n", "/a%2Fb"));
	ck_assert(!allows("user-agent: *\ndisallow: /100%\n", "/100%"));
	ck_assert(allows("user-agent: *\ndisallow: /a%2a\n", "/ab"));
}
END_TEST

START_TEST(odd_files_are_read_case_3)
{
	ck_assert(!allows("\xef\xbb\xbfUser-agent: *\nDisallow: /x\n", "/x"));
	ck_assert(!allows("User-agent: *\r\nDisallow: /x\r\n", "/x"));
	ck_assert(!allows("User-agent: *\rDisallow: /x\r", "/x"));
	ck_assert(!allows("User-agent: *\nDisallow\nDisallow: /x", "/x"));
	ck_assert(allows("User-agent: *\nDisallow /x\n", "/x"));
	static const char nul[] = "User-agent: *\nDisallow: /\0y\nDisallow: /x\n";
	ck_assert(!allows_in(nul, sizeof(nul) - 1, "/x"));
	ck_assert(allows_in("<html><a href='x:y'>", 20, "/x"));
}
END_TEST

START_TEST(a_long_line_spoils_nothing_case_3)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_text(&b, "User-agent: *\nDisallow: /");
	for (int i = 0; i < 20000; i++)
		oxi_buffer_add_char(&b, 'q');
	oxi_buffer_add_text(&b, "\nDisallow: /x\n");
	ck_assert(!allows_in(b.data, b.len, "/x"));
	ck_assert(allows_in(b.data, b.len, "/q"));
	oxi_buffer_free(&b);
}
END_TEST

START_TEST(the_first_500_KiB_are_obeyed_case_3)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_text(&b, "User-agent: *\nDisallow: /first\n");
	while (b.len < OX_KIB(500))
		oxi_buffer_add_text(&b, "# nothing\n");
	oxi_buffer_add_text(&b, "Disallow: /second\n");
	while (b.len < OX_KIB(600))
		oxi_buffer_add_text(&b, "# nothing\n");
	oxi_buffer_add_text(&b, "Disallow: /third\n");
	ck_assert(!allows_in(b.data, b.len, "/first"));
	ck_assert(!allows_in(b.data, b.len, "/second"));
	ck_assert(allows_in(b.data, b.len, "/third"));
	oxi_buffer_free(&b);
}
END_TEST

START_TEST(delays_and_sitemaps)
{
	static const char text[] = "Sitemap: http://a.test/1\nuser-agent: *\ncrawl-delay: 7\nuser-agent: oxbow\ncrawl-delay: 2.5\n"
	                           "sitemap:   /2  \ncrawl-delay: x\ncrawl-delay: -1\n";
	struct oxi_robots r = read_file(text, strlen(text));
	ck_assert_int_eq(r.delay, OX_MS(2500));
	ck_assert_uint_eq(r.sitemaps.len, strlen("http://a.test/1") + 1 + strlen("/2") + 1);
	ck_assert_str_eq(r.sitemaps.data, "http://a.test/1");
	ck_assert_str_eq(r.sitemaps.data + strlen("http://a.test/1") + 1, "/2");
	oxi_robots_free(&r);
	r = read_file("user-agent: *\ncrawl-delay: 99999999999999", 41);
	ck_assert_int_eq(r.delay, OX_SEC(1000000));
	oxi_robots_free(&r);
}
END_TEST

/* Patterns that make a matcher with recursion take for ever. */
START_TEST(matching_takes_little_time)
{
	struct oxi_buffer b = { 0 };
	char path[4096];
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	oxi_buffer_add_text(&b, "user-agent: *\ndisallow: /");
	for (int i = 0; i < 2000; i++)
		oxi_buffer_add_text(&b, "*a");
	oxi_buffer_add_text(&b, "b\n");
	ck_assert(allows_in(b.data, b.len, path));
	oxi_buffer_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("robots");
	TCase *c = new_case(s, "robots", 60);
	tcase_add_test(c, the_longest_match_decides_case_1);
	tcase_add_test(c, among_equals_allow_wins_case_1);
	tcase_add_test(c, groups_of_one_agent_are_merged_case_1);
	tcase_add_test(c, a_group_of_ours_stands_for_that_of_all);
	tcase_add_test(c, keys_have_no_case_and_paths_have_case_1);
	tcase_add_test(c, stars_and_dollars);
	tcase_add_test(c, percent_encodings_are_compared_by_what_they_say);
	tcase_add_test(c, odd_files_are_read_case_3);
	tcase_add_test(c, a_long_line_spoils_nothing_case_3);
	tcase_add_test(c, the_first_500_KiB_are_obeyed_case_3);
	tcase_add_test(c, delays_and_sitemaps);
	tcase_add_test(c, matching_takes_little_time);
	return run_suite(s);
}
