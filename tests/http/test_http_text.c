/* SPDX-License-Identifier: MIT */
/* The parsers of loop/http/text.c: cases, and random input against what they promise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/http/text.h"
#include "tests/support/support.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);    /* tests/fuzz/fuzz_http.c */

START_TEST(header_lines_are_taken_apart)
{
	const char *value;
	size_t len;

	ck_assert(oxi_http_header_split("Accept: text/html", &len, &value));
	ck_assert_uint_eq(len, 6);
	ck_assert_str_eq(value, "text/html");
	ck_assert(oxi_http_header_split("X-Empty:", &len, &value));
	ck_assert_uint_eq(len, 7);
	ck_assert_str_eq(value, "");
	ck_assert(oxi_http_header_split("a:\t b: c", &len, &value));
	ck_assert_str_eq(value, "b: c");
	ck_assert(oxi_http_header_split("N: gr\xc3\xbc\xc3\x9f", &len, &value));
}
END_TEST

START_TEST(lines_that_are_no_headers_are_refused)
{
	static const char *const lines[] = {
		"", ":", ": value", "name", "na me: x", "name : x", "\tname: x", "name: a\r\nEvil: b", "name: a\n", "na\xc3\xafme: x",
		"name: \x7f", "name: \x01", "(name): x",
	};
	const char *value;
	size_t len;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ck_assert_msg(!oxi_http_header_split(lines[i], &len, &value), "%s", lines[i]);
}
END_TEST

START_TEST(paths_are_decoded_once)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "/a%20b", "/a b" },
		{ "/%2e%2E/x", "/../x" },
		{ "/%252e", "/%2e" },
		{ "/a%2fb", "/a/b" },
		{ "/%c3%BC", "/\xc3\xbc" },
		{ "", "" },
		{ "+", "+" },
	};
	char out[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert(oxi_http_path_decode(cases[i][0], strlen(cases[i][0]), out));
		ck_assert_str_eq(out, cases[i][1]);
	}
}
END_TEST

START_TEST(paths_with_a_bad_percent_or_a_nul_are_refused)
{
	static const char *const paths[] = { "%", "/%", "/%4", "/%zz", "/%4g", "/a%00b", "%%20", "/100%/" };
	char out[64];

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ck_assert_msg(!oxi_http_path_decode(paths[i], strlen(paths[i]), out), "%s", paths[i]);
}
END_TEST

START_TEST(a_target_has_a_path_and_perhaps_a_query)
{
	static const struct {
		const char *target, *path, *query;
	} cases[] = {
		{ "/", "/", NULL },
		{ "/a/b?c=d?e", "/a/b", "c=d?e" },
		{ "/a?", "/a", "" },
		{ "//host/a", "//host/a", NULL },
		{ "/a://b?c", "/a://b", "c" },
		{ "http://host:80/a?b", "/a", "b" },
		{ "http://host?b", "/", "b" },
		{ "http://host", "/", NULL },
		{ "*", "*", NULL },
		{ "", "/", NULL },
		{ "/a#b?c", "/a", NULL },
	};
	const char *path, *query;
	size_t len;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		oxi_http_target_split(cases[i].target, &path, &len, &query);
		ck_assert_uint_eq(len, strlen(cases[i].path));
		ck_assert_mem_eq(path, cases[i].path, len);
		ck_assert_pstr_eq(query, cases[i].query);
	}
}
END_TEST

START_TEST(types_go_by_the_ending_of_the_last_part)
{
	ck_assert_str_eq(oxi_http_type("a/b.html"), "text/html");
	ck_assert_str_eq(oxi_http_type("B.HTML"), "text/html");
	ck_assert_str_eq(oxi_http_type("a.tar.gz"), "application/gzip");
	ck_assert_str_eq(oxi_http_type("a.html/b"), "application/octet-stream");
	ck_assert_str_eq(oxi_http_type("a."), "application/octet-stream");
	ck_assert_str_eq(oxi_http_type(""), "application/octet-stream");
	ck_assert_str_eq(oxi_http_phrase(404), "Not Found");
	ck_assert_str_eq(oxi_http_phrase(299), "Status");
}
END_TEST

START_TEST(random_input_keeps_the_promises)
{
	static const char alphabet[] = "%%%%0012aAfFgz:: \t\r\n./.-_\x7f\x01\xc3";
	char text[40];

	srand(20260101);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)rand() % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = rand() % 8 ? alphabet[(size_t)rand() % (sizeof(alphabet) - 1)] : (char)rand();
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http text");
	TCase *c = new_case(s, "text", 60);

	tcase_add_test(c, header_lines_are_taken_apart);
	tcase_add_test(c, lines_that_are_no_headers_are_refused);
	tcase_add_test(c, paths_are_decoded_once);
	tcase_add_test(c, paths_with_a_bad_percent_or_a_nul_are_refused);
	tcase_add_test(c, a_target_has_a_path_and_perhaps_a_query);
	tcase_add_test(c, types_go_by_the_ending_of_the_last_part);
	tcase_add_test(c, random_input_keeps_the_promises);
	return run_suite(s);
}
