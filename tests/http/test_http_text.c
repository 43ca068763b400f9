/* SPDX-License-Identifier: MIT */
/* The parsers of loop/http/text.c and range.c, and event.c: cases, and random input against what they promise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/http/event.h"
#include "loop/http/range.h"
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

START_TEST(ranges_are_read_as_rfc_9110_says)
{
	static const struct {
		const char *header;
		uint64_t size;
		int n;
		uint64_t first, last;           /* of the last range */
	} cases[] = {
		{ "bytes=0-499", 10000, 1, 0, 499 },
		{ "Bytes=9500-", 10000, 1, 9500, 9999 },
		{ "bytes=-500", 10000, 1, 9500, 9999 },
		{ "bytes=0-0,-1", 10000, 2, 9999, 9999 },
		{ "bytes= 0-0 ,\t, 5-6 ", 10000, 2, 5, 6 },
		{ "bytes=0-18446744073709551616", 10, 1, 0, 9 },
		{ "bytes=18446744073709551616-", 10, 0, 0, 0 },
		{ "bytes=10-", 10, 0, 0, 0 },
		{ "bytes=-0", 10, 0, 0, 0 },
		{ "bytes=0-", 0, 0, 0, 0 },
		{ "bytes=-5", 0, 0, 0, 0 },
		{ "bytes=", 10, -1, 0, 0 },
		{ "bytes=,", 10, -1, 0, 0 },
		{ "bytes=-", 10, -1, 0, 0 },
		{ "bytes=5", 10, -1, 0, 0 },
		{ "bytes=5-4", 10, -1, 0, 0 },
		{ "bytes=1-2-3", 10, -1, 0, 0 },
		{ "bytes=a-b", 10, -1, 0, 0 },
		{ "items=0-1", 10, -1, 0, 0 },
		{ "", 10, -1, 0, 0 },
		{ "bytes=0-6,5-9", 10, -1, 0, 0 },
	};
	struct oxi_http_range r[OXI_HTTP_RANGES];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int n = oxi_http_ranges(cases[i].header, cases[i].size, r);

		ck_assert_msg(n == cases[i].n, "%s: %d", cases[i].header, n);
		if (n > 0)
			ck_assert_msg(r[n - 1].first == cases[i].first && r[n - 1].last == cases[i].last, "%s", cases[i].header);
	}
}
END_TEST

START_TEST(entity_tags_are_found_in_lists)
{
	ck_assert(oxi_http_etag_listed("\"a\"", "\"a\"", true));
	ck_assert(oxi_http_etag_listed(" \"x\" , W/\"y\",\"a\"", "\"a\"", true));
	ck_assert(oxi_http_etag_listed("W/\"a\"", "\"a\"", false));
	ck_assert(!oxi_http_etag_listed("W/\"a\"", "\"a\"", true));
	ck_assert(oxi_http_etag_listed("*", "\"a\"", true));
	ck_assert(!oxi_http_etag_listed("\"a,b\", \"ab\"", "\"a\"", false));
	ck_assert(!oxi_http_etag_listed("a", "\"a\"", false));
	ck_assert(!oxi_http_etag_listed("\"a", "\"a\"", false));
	ck_assert(!oxi_http_etag_listed("", "\"a\"", false));
}
END_TEST

START_TEST(events_cannot_be_forged_by_their_text)
{
	static const char expected[] = ": x\n: y\nevent: e\nid: 1\nretry: 2\ndata: a\ndata: \ndata: data: b\ndata: \n\n";
	char out[200];
	size_t n = oxi_http_event_format(OX_HTTP_EVENT(.data = "a\n\rdata: b\r\n", .event = "e", .id = "1", .retry = OX_MS(2),
	                                               .comment = "x\ny"),
	                                 out);

	ck_assert_uint_eq(n, strlen(expected));
	ck_assert_mem_eq(out, expected, n);
	ck_assert(!oxi_http_event_valid(OX_HTTP_EVENT(.id = "1\n")));
	ck_assert(!oxi_http_event_valid(OX_HTTP_EVENT(.event = "\r")));
}
END_TEST

START_TEST(random_input_keeps_the_promises)
{
	static const char alphabet[] = "%%%%0012aAfFgz:: \t\r\n./.-_\x7f\x01\xc3";
	static const char ranges[] = "00019-,-, \"W/*";
	char text[40];

	srand(20260101);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)rand() % sizeof(text);

		for (size_t j = 0; j < len; j++)
			text[j] = rand() % 8 ? alphabet[(size_t)rand() % (sizeof(alphabet) - 1)] : (char)rand();
		LLVMFuzzerTestOneInput((const uint8_t *)text, len);
		for (size_t j = 0; j < len; j++)
			text[j] = j < 6 ? "bytes="[j] : ranges[(size_t)rand() % (sizeof(ranges) - 1)];
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
	tcase_add_test(c, ranges_are_read_as_rfc_9110_says);
	tcase_add_test(c, entity_tags_are_found_in_lists);
	tcase_add_test(c, events_cannot_be_forged_by_their_text);
	tcase_add_test(c, random_input_keeps_the_promises);
	return run_suite(s);
}
