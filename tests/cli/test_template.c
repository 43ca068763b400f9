/* SPDX-License-Identifier: MIT */
/* Templates of oxbow run: batch cases 2 and 3, and what stands for itself. */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/template.h"
#include "tests/support/support.h"

/* Expands words (NULL-ended) for values; the result's words are separated by |. Freed by the caller. */
static char *expand(const struct oxi_template *t, const char *const *values)
{
	ox_bytes v[8];
	struct oxi_values job = { .value = v, .seq = 7, .slot = 3 };
	for (; values[job.n]; job.n++)
		v[job.n] = (ox_bytes){ values[job.n], strlen(values[job.n]) };
	struct oxi_buffer out = { 0 };
	size_t words = oxi_template_expand(t, &job, &out);
	ck_assert(!out.failed);
	for (size_t i = 0; i + 1 < out.len; i++) {
		if (out.data[i] == '\0') {
			out.data[i] = '|';
			words--;
		}
	}
	ck_assert_uint_eq(words, 1);
	return out.data;
}

#define VALUES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void assert_words(const char *word, const char *const *values, const char *expected)
{
	struct oxi_template t;
	const char *bad = NULL;
	size_t n = 0;
	while (values[n])
		n++;
	ck_assert_int_eq(oxi_template_words(&t, (char *[]){ "c", (char *)word }, 2, n, &bad), 0);
	char *got = expand(&t, values);
	ck_assert_str_eq(got, expected);
	free(got);
	oxi_template_free(&t);
}

START_TEST(places_edit_a_path_as_GNU_parallel_does_case_2)
{
	assert_words("{}", VALUES("sub.dir/foo.jpg"), "c|sub.dir/foo.jpg");
	assert_words("{.}", VALUES("sub.dir/foo.jpg"), "c|sub.dir/foo");
	assert_words("{/}", VALUES("sub.dir/foo.jpg"), "c|foo.jpg");
	assert_words("{//}", VALUES("sub.dir/foo.jpg"), "c|sub.dir");
	assert_words("{/.}", VALUES("sub.dir/foo.jpg"), "c|foo");
	assert_words("{.}", VALUES("sub.dir/bar"), "c|sub.dir/bar");
	assert_words("{//}", VALUES("bar"), "c|.");
	assert_words("{//}", VALUES("/bar"), "c|/");
	assert_words("{.}", VALUES("a/.profile"), "c|a/.profile");
	assert_words("{.}{/}{//}{/.}", VALUES(""), "c|.");
}
END_TEST

START_TEST(places_stand_inside_words_and_more_than_once)
{
	assert_words("x{.}.png={}", VALUES("a.jpg"), "c|xa.png=a.jpg");
	assert_words("{#}:{%}:{}", VALUES("v"), "c|7:3:v");
}
END_TEST

START_TEST(lists_are_named_by_number)
{
	assert_words("{2}-{1}", VALUES("a", "b"), "c|b-a");
	assert_words("{1.}{2/}", VALUES("a.x", "d/e"), "c|ae");
	assert_words("{}", VALUES("a b", "c"), "c|a b c");
}
END_TEST

START_TEST(values_are_appended_as_words_when_no_place_takes_them)
{
	assert_words("x", VALUES("a b", "c"), "c|x|a b|c");
	assert_words("{#}", VALUES("a"), "c|7|a");
}
END_TEST

START_TEST(other_braces_stand_for_themselves)
{
	assert_words("{x}{}{ }{{}}{..}{01}{1", VALUES("v"), "c|{x}v{ }{v}{..}{01}{1");
	assert_words("awk{print $1}", VALUES("v"), "c|awk{print $1}|v");
}
END_TEST

START_TEST(a_list_that_is_not_there_is_an_error)
{
	struct oxi_template t;
	const char *bad = NULL;
	ck_assert_int_eq(oxi_template_words(&t, (char *[]){ "x{3}" }, 1, 2, &bad), OX_EINVAL);
	ck_assert_str_eq(bad, "{3}");
	oxi_template_free(&t);
}
END_TEST

static void assert_shell(const char *text, const char *const *values, const char *expected)
{
	struct oxi_template t;
	const char *bad = NULL;
	ck_assert_int_eq(oxi_template_shell(&t, text, 1, &bad), 0);
	char *got = expand(&t, values);
	ck_assert_str_eq(got, expected);
	free(got);
	oxi_template_free(&t);
}

START_TEST(shell_text_never_holds_a_value_case_3)
{
	assert_shell("ls \"$1\"", VALUES("a; rm -rf /"), "sh|-c|ls \"$1\"|sh|a; rm -rf /");
	assert_shell("ls -l {}", VALUES("`x`"), "sh|-c|ls -l \"${2}\"|sh|`x`|`x`");
	assert_shell("{/} {.}", VALUES("a/b.c"), "sh|-c|\"${2}\" \"${3}\"|sh|a/b.c|b.c|a/b");
}
END_TEST

START_TEST(shell_text_quotes_a_place_as_its_surroundings_ask)
{
	assert_shell("echo \"x {}\"", VALUES("v"), "sh|-c|echo \"x ${2}\"|sh|v|v");
	assert_shell("echo 'x {}'", VALUES("v"), "sh|-c|echo 'x '\"${2}\"''|sh|v|v");
	assert_shell("echo \\{}", VALUES("v"), "sh|-c|echo \\{}|sh|v");
	assert_shell("echo \"'{}'\"", VALUES("v"), "sh|-c|echo \"'${2}'\"|sh|v|v");
}
END_TEST

START_TEST(quoted_words_read_back_in_a_shell)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_quoted(&b, "plain-1.x", 9);
	oxi_buffer_add_quoted(&b, "", 0);
	oxi_buffer_add_quoted(&b, "it's $x", 7);
	oxi_buffer_add_char(&b, '\0');
	ck_assert_str_eq(b.data, "plain-1.x'''it'\\''s $x'");
	oxi_buffer_free(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("template");
	TCase *c = new_case(s, "template", 10);
	tcase_add_test(c, places_edit_a_path_as_GNU_parallel_does_case_2);
	tcase_add_test(c, places_stand_inside_words_and_more_than_once);
	tcase_add_test(c, lists_are_named_by_number);
	tcase_add_test(c, values_are_appended_as_words_when_no_place_takes_them);
	tcase_add_test(c, other_braces_stand_for_themselves);
	tcase_add_test(c, a_list_that_is_not_there_is_an_error);
	tcase_add_test(c, shell_text_never_holds_a_value_case_3);
	tcase_add_test(c, shell_text_quotes_a_place_as_its_surroundings_ask);
	tcase_add_test(c, quoted_words_read_back_in_a_shell);
	return run_suite(s);
}
