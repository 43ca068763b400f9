/* SPDX-License-Identifier: MIT */
/* Inputs of oxbow run: lists and lines (batch cases 1, 14, 15), and values of options. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/batch/input.h"
#include "cli/options.h"
#include "tests/support/support.h"

/* All jobs of the lists, values run together, jobs separated by spaces. */
static void assert_lists(char **words, size_t n, const char *expected)
{
	struct oxi_input in;
	struct oxi_buffer got = { 0 };
	uint64_t jobs = 0;
	ck_assert_int_eq(oxi_input_lists(&in, words, n), 0);
	uint64_t total = oxi_input_total(&in);
	while (oxi_input_next(&in) == 1) {
		for (size_t i = 0; i < in.lists; i++)
			oxi_buffer_add(&got, in.value[i].data, in.value[i].len);
		oxi_buffer_add_char(&got, ' ');
		jobs++;
	}
	oxi_buffer_add_char(&got, '\0');
	ck_assert_str_eq(got.data, expected);
	ck_assert_uint_eq(total, jobs);
	oxi_buffer_free(&got);
	oxi_input_close(&in);
}
#define LISTS(expected, ...)                                                                                   \
	assert_lists((char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), expected)

START_TEST(several_lists_are_a_product_case_1)
{
	LISTS("A1 A2 A3 B1 B2 B3 ", ":::", "A", "B", ":::", "1", "2", "3");
	LISTS("a b ", ":::", "a", "b");
}
END_TEST

START_TEST(linked_lists_go_in_step_and_the_shortest_ends_them_case_1)
{
	LISTS("A1 B2 ", ":::", "A", "B", ":::+", "1", "2", "3");
	LISTS("A1x A1y B2x B2y ", ":::", "A", "B", ":::+", "1", "2", ":::", "x", "y");
	LISTS("xA1 xB2 yA1 yB2 ", ":::", "x", "y", ":::", "A", "B", ":::+", "1", "2");
}
END_TEST

START_TEST(an_empty_list_gives_no_job_case_14)
{
	LISTS("", ":::");
	LISTS("", ":::", "a", ":::");
}
END_TEST

/* ---- lines ---- */

struct lines {
	int fd;
	char separator;
	const char *expected;
	size_t len;
	int end;                        /* what the last call is to return */
};

static int read_lines(void *arg)
{
	struct lines *l = arg;
	struct oxi_input in;
	struct oxi_buffer got = { 0 };
	int r = oxi_input_lines(&in, l->fd, l->separator);
	EXPECT_EQ(r, 0);
	while ((r = oxi_input_next(&in)) == 1) {
		oxi_buffer_add(&got, in.value[0].data, in.value[0].len);
		oxi_buffer_add_char(&got, '|');
	}
	EXPECT_EQ(r, l->end);
	EXPECT_EQ(got.len, l->len);
	EXPECT(got.len == l->len && (!l->len || memcmp(got.data, l->expected, l->len) == 0));
	oxi_buffer_free(&got);
	oxi_input_close(&in);
	return 0;
}

static void assert_lines(const char *text, size_t len, char separator, const char *expected, size_t expected_len, int end)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(write(fds[1], text, len), (ssize_t)len);
	close(fds[1]);
	run_real(read_lines, &(struct lines){ fds[0], separator, expected, expected_len, end });
}
#define LINES(text, separator, expected, end) \
	assert_lines(text, sizeof(text) - 1, separator, expected, sizeof(expected) - 1, end)

START_TEST(lines_end_with_a_newline_or_the_file)
{
	LINES("a\nb c\n\nd", '\n', "a|b c||d|", 0);
	LINES("", '\n', "", 0);
	LINES("\n", '\n', "|", 0);
}
END_TEST

START_TEST(bytes_pass_unchanged_between_NULs_case_15)
{
	LINES("a\377b\0c d\0", '\0', "a\377b|c d|", 0);
	LINES("a\nb\0", '\0', "a\nb|", 0);
}
END_TEST

START_TEST(a_NUL_in_a_line_is_an_error)
{
	LINES("ok\nx\0y\nz\n", '\n', "ok|", OX_EINVAL);
}
END_TEST

static int write_long_line(void *arg)
{
	static char piece[4096];
	memset(piece, 'x', sizeof(piece));
	for (size_t n = 0; n < OXI_LINE_MAX + OX_KIB(256); n += sizeof(piece)) {
		int r = ox_wait_fd(*(int *)arg, OX_WRITABLE);
		if (r < 0 || write(*(int *)arg, piece, sizeof(piece)) < 0)
			break;
	}
	close(*(int *)arg);
	return 0;
}

static int read_long_line(void *arg)
{
	int *fds = arg;
	OX_AUTO_GROUP *g = ox_group_open();
	ox_spawn(g, write_long_line, &fds[1]);
	read_lines(&(struct lines){ fds[0], '\n', "", 0, OX_ETOOBIG });
	return ox_group_join(g);
}

START_TEST(a_line_without_end_is_refused_before_it_fills_memory)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	run_real(read_long_line, fds);
}
END_TEST

/* ---- values of options ---- */

START_TEST(times_and_sizes_have_units)
{
	ox_time t = 0;
	size_t n = 0;
	ck_assert_int_eq(oxi_value_time("60s", &t), 0);
	ck_assert_int_eq(t, OX_SEC(60));
	ck_assert_int_eq(oxi_value_time("500ms", &t), 0);
	ck_assert_int_eq(t, OX_MS(500));
	ck_assert_int_eq(oxi_value_time("2", &t), 0);
	ck_assert_int_eq(t, OX_SEC(2));
	ck_assert_int_eq(oxi_value_time("-1s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_time("1 s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_time("99999999999999999999s", &t), OX_EINVAL);
	ck_assert_int_eq(oxi_value_size("8MiB", &n), 0);
	ck_assert_uint_eq(n, OX_MIB(8));
	ck_assert_int_eq(oxi_value_size("1kB", &n), 0);
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(oxi_value_size("8MeB", &n), OX_EINVAL);
	ck_assert_int_eq(oxi_value_size("", &n), OX_EINVAL);
}
END_TEST

START_TEST(jobs_are_a_number_or_a_share_of_the_CPUs)
{
	unsigned n = 0, all = 0;
	ck_assert_int_eq(oxi_value_jobs("100%", &all), 0);
	ck_assert_uint_ge(all, 1);
	ck_assert_int_eq(oxi_value_jobs("1%", &n), 0);
	ck_assert_uint_ge(n, 1);
	ck_assert_int_eq(oxi_value_jobs("4", &n), 0);
	ck_assert_uint_eq(n, 4);
	ck_assert_int_eq(oxi_value_jobs("0", &n), OX_EINVAL);
	ck_assert_int_eq(oxi_value_jobs("4x", &n), OX_EINVAL);
}
END_TEST

START_TEST(the_nearest_name_is_found_only_when_it_is_near)
{
	const char *const names[] = { "run", "crawl", "help" };
	ck_assert_str_eq(oxi_nearest("craw", names, sizeof(names[0]), 3), "crawl");
	ck_assert_str_eq(oxi_nearest("rum", names, sizeof(names[0]), 3), "run");
	ck_assert_ptr_null(oxi_nearest("frobnicate", names, sizeof(names[0]), 3));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("input");
	TCase *c = new_case(s, "input", 20);
	tcase_add_test(c, several_lists_are_a_product_case_1);
	tcase_add_test(c, linked_lists_go_in_step_and_the_shortest_ends_them_case_1);
	tcase_add_test(c, an_empty_list_gives_no_job_case_14);
	tcase_add_test(c, lines_end_with_a_newline_or_the_file);
	tcase_add_test(c, bytes_pass_unchanged_between_NULs_case_15);
	tcase_add_test(c, a_NUL_in_a_line_is_an_error);
	tcase_add_test(c, a_line_without_end_is_refused_before_it_fills_memory);
	tcase_add_test(c, times_and_sizes_have_units);
	tcase_add_test(c, jobs_are_a_number_or_a_share_of_the_CPUs);
	tcase_add_test(c, the_nearest_name_is_found_only_when_it_is_near);
	return run_suite(s);
}
