/* SPDX-License-Identifier: MIT */
/* Filters of oxbow run: what they compute, and what is refused. */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/filter.h"
#include "tests/support/support.h"

/* What the filter says about the values 3, abc, 3.0 and "". */
static int passes(const char *text, struct oxi_buffer *why)
{
	static const ox_bytes values[] = { { "3", 1 }, { "abc", 3 }, { "3.0", 3 }, { "", 0 } };
	struct oxi_names names = { .values = 4 };
	struct oxi_filter *f = NULL;
	int r = oxi_filter_new(text, &names, &f, why);
	if (r == 0)
		r = oxi_filter_passes(f, &(struct oxi_values){ .value = values, .n = 4 }, why);
	oxi_filter_free(f);
	oxi_names_free(&names);
	return r;
}

static void assert_passes(const char *text, int expected)
{
	struct oxi_buffer why = { 0 };
	int r = passes(text, &why);
	ck_assert_msg(r == expected, "%s: %d, %.*s", text, r, (int)why.len, why.data);
	oxi_buffer_free(&why);
}

static void assert_wrong(const char *text, const char *what)
{
	struct oxi_buffer why = { 0 };
	int r = passes(text, &why);
	oxi_buffer_add_char(&why, '\0');
	ck_assert_msg(r == OX_EINVAL && strstr(why.data, what), "%s: %d, '%s'", text, r, why.data);
	oxi_buffer_free(&why);
}

START_TEST(numbers_are_compared_as_numbers_and_text_as_bytes)
{
	assert_passes("{1} > 2", 1);
	assert_passes("{1} > 10", 0);
	assert_passes("{1} == {3}", 1);
	assert_passes("{1} eq {3}", 0);
	assert_passes("{1} ne {3}", 1);
	assert_passes("{2} == 'abc'", 1);
	assert_passes("{2} < \"abd\"", 1);
	assert_passes("{2} > 10", 1);
	assert_passes("'10' lt '9'", 1);
	assert_passes("10 lt 9", 1);
	assert_passes("'10' < '9'", 0);
	assert_passes("3 >= 3 && 3 <= 3 && 3 != 4", 1);
	assert_passes("'a' ge 'a' && 'a' le 'a' && 'b' gt 'a'", 1);
	assert_passes("{} == '3 abc 3.0 '", 1);
}
END_TEST

START_TEST(numbers_are_computed_with)
{
	assert_passes("1 + 2 * 3 == 7", 1);
	assert_passes("(1 + 2) * 3 == 9", 1);
	assert_passes("10 - 2 - 3 == 5", 1);
	assert_passes("7 % 4 == 3 && 7 / 2 == 3.5", 1);
	assert_passes("-{1} == -3", 1);
	assert_passes("--3 == 3", 1);
	assert_passes("{1} % 2", 1);
	assert_passes("{1} - {3}", 0);
	assert_passes("1e1 == 10", 1);
}
END_TEST

START_TEST(logic_is_short_and_empty_text_is_false)
{
	assert_passes("{4}", 0);
	assert_passes("!{4}", 1);
	assert_passes("{2}", 1);
	assert_passes("0 || 0.0", 0);
	assert_passes("1 || {2} + 1", 1);
	assert_passes("0 && {2} + 1", 0);
	assert_passes("1 && 0 || 1", 1);
	assert_passes("!(1 && 0)", 1);
}
END_TEST

START_TEST(regular_expressions_match)
{
	assert_passes("{2} =~ /^a.c$/", 1);
	assert_passes("{2} =~ /B/", 0);
	assert_passes("{2} =~ /B/i", 1);
	assert_passes("{2} !~ /x\\/y/", 1);
	assert_passes("{2%c} =~ /^ab$/", 1);
	assert_passes("{2/b/-/} == 'a-c'", 1);
}
END_TEST

START_TEST(what_is_wrong_is_said_with_its_place)
{
	assert_wrong("", "at character 1: something is missing at the end");
	assert_wrong("{1} >", "at character 6: something is missing");
	assert_wrong("{1} > }", "at character 7: here a number");
	assert_wrong("{1} 2", "at character 5: here the expression should end");
	assert_wrong("(1", "at character 3: a closing parenthesis is missing");
	assert_wrong("'a", "at character 1: this quote is never closed");
	assert_wrong("{5} > 1", "at character 1: '{5}': there is no such value");
	assert_wrong("{x} > 1", "{x} is not known");
	assert_wrong("{#} > 1", "a job has no number before");
	assert_wrong("{ } > 1", "this is no placeholder");
	assert_wrong("{2} =~ 'a'", "at character 8: here a /regular expression/");
	assert_wrong("{2} =~ /(/", "at character 8: the regular expression is wrong");
	assert_wrong("{2} =~ /a/x", "'x' is no flag");
	assert_wrong("{2} + 1", "'abc' is no number");
	assert_wrong("1 / 0", "division by zero");
	assert_wrong("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b' =~ /(a+)+b/", "costs too much");
}
END_TEST

START_TEST(nesting_and_length_are_bounded)
{
	char text[4001];
	text[4000] = '\0';
	memset(text, '(', 4000);
	assert_wrong(text, "nested too deep");
	memset(text, '-', 4000);
	assert_wrong(text, "nested too deep");
	memset(text, '!', 4000);
	assert_wrong(text, "nested too deep");
	for (size_t i = 0; i < 4000; i += 2)
		memcpy(text + i, "1+", 2);
	assert_wrong(text, "too long");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("filter");
	TCase *c = new_case(s, "filter", 10);
	tcase_add_test(c, numbers_are_compared_as_numbers_and_text_as_bytes);
	tcase_add_test(c, numbers_are_computed_with);
	tcase_add_test(c, logic_is_short_and_empty_text_is_false);
	tcase_add_test(c, regular_expressions_match);
	tcase_add_test(c, what_is_wrong_is_said_with_its_place);
	tcase_add_test(c, nesting_and_length_are_bounded);
	return run_suite(s);
}
