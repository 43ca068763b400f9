/* SPDX-License-Identifier: MIT */
/* Templates of oxbow run: batch cases 2 and 3, edits, what is refused, and what stands for itself. */
#include <stdlib.h>
#include <string.h>

#include "cli/batch/template.h"
#include "cli/quote.h"
#include "tests/support/support.h"

/* What a template is made of, and for. */
struct given {
	char *word;
	bool shell, context, open;
	const char *names[4];
	const char *values[6];
	size_t fields;                  /* the last values are those of paths */
	const char *expected;           /* words, separated by | */
	const char *why;                /* or what is wrong */
};

static void show(struct oxi_buffer *out, size_t words)
{
	ck_assert(!out->failed);
	for (size_t i = 0; i + 1 < out->len; i++) {
		if (out->data[i] == '\0') {
			out->data[i] = '|';
			words--;
		}
	}
	ck_assert_uint_eq(words, 1);
}

static void assert_given(struct given g)
{
	struct oxi_template t;
	struct oxi_names names = { .open = g.open };
	struct oxi_buffer why = { 0 }, out = { 0 };
	ox_bytes v[8];
	struct oxi_values job = { .value = v, .seq = 7, .slot = 3 };
	for (; g.values[job.n]; job.n++)
		v[job.n] = (ox_bytes){ g.values[job.n], strlen(g.values[job.n]) };
	names.values = job.n - g.fields;
	for (size_t i = 0; g.names[i]; i++)
		ck_assert_int_eq(oxi_names_add(&names, g.names[i], strlen(g.names[i])), 0);
	int r = g.shell ? oxi_template_shell(&t, g.word, &names, &why) :
	                  oxi_template_words(&t, (char *[]){ "c", g.word }, 2, true, &names, &why);
	if (g.expected) {
		ck_assert_msg(r == 0, "%s: %.*s", g.word, (int)why.len, why.data);
		t.context = g.context;
		t.total = 120;
		t.slots = 16;
		size_t words = oxi_template_expand(&t, &job, &out);
		show(&out, words);
		ck_assert_str_eq(out.data, g.expected);
	} else {
		oxi_buffer_add_char(&why, '\0');
		ck_assert_int_eq(r, OX_EINVAL);
		ck_assert_msg(strstr(why.data, g.why) != NULL, "%s: '%s'", g.word, why.data);
	}
	oxi_template_free(&t);
	oxi_names_free(&names);
	oxi_buffer_free(&why);
	oxi_buffer_free(&out);
}
#define VALUES(...)                .values = { __VA_ARGS__ }
#define GIVEN(word_, ...)          assert_given((struct given){ .word = word_, __VA_ARGS__ })
#define WORD(word_, values_, ...)  GIVEN(word_, values_, .expected = __VA_ARGS__)
#define SHELL(word_, values_, ...) GIVEN(word_, .shell = true, values_, .expected = __VA_ARGS__)

START_TEST(places_edit_a_path_as_GNU_parallel_does_case_2)
{
	WORD("{}", VALUES("sub.dir/foo.jpg"), "c|sub.dir/foo.jpg");
	WORD("{.}", VALUES("sub.dir/foo.jpg"), "c|sub.dir/foo");
	WORD("{/}", VALUES("sub.dir/foo.jpg"), "c|foo.jpg");
	WORD("{//}", VALUES("sub.dir/foo.jpg"), "c|sub.dir");
	WORD("{/.}", VALUES("sub.dir/foo.jpg"), "c|foo");
	WORD("{.}", VALUES("sub.dir/bar"), "c|sub.dir/bar");
	WORD("{//}", VALUES("bar"), "c|.");
	WORD("{//}", VALUES("/bar"), "c|/");
	WORD("{//}", VALUES("a///b///"), "c|a");
	WORD("{.}", VALUES("a/.profile"), "c|a/");
	WORD("{.}{/}{//}{/.}", VALUES(""), "c|.");
}
END_TEST

START_TEST(places_stand_inside_words_and_more_than_once)
{
	WORD("x{.}.png={}", VALUES("a.jpg"), "c|xa.png=a.jpg");
	WORD("{#}:{%}:{}", VALUES("v"), "c|7:3:v");
	WORD("{##}:{0#}:{0%}", VALUES("v"), "c|120:007:03");
}
END_TEST

START_TEST(lists_are_named_by_number)
{
	WORD("{2}-{1}", VALUES("a", "b"), "c|b-a");
	WORD("{1.}{2/}", VALUES("a.x", "d/e"), "c|ae");
	WORD("{-1}{-2.}{01}", VALUES("a.x", "b"), "c|baa.x");
}
END_TEST

START_TEST(all_values_are_words_as_in_GNU_parallel)
{
	WORD("{}", VALUES("a b", "c"), "c|a b|c");
	WORD("p{}q{1}", VALUES("a b", "c"), "c|pa b|cqa b");
	WORD("{}{.}", VALUES("a.x", "b"), "c|a.x|ba|b");
	GIVEN("p{}q{1}", .context = true, VALUES("a b", "c"), .expected = "c|pa bqa b|pcqa b");
	GIVEN("p{1}q", .context = true, VALUES("a b", "c"), .expected = "c|pa bq");
}
END_TEST

START_TEST(values_are_appended_as_words_when_there_is_no_place)
{
	WORD("x", VALUES("a b", "c"), "c|x|a b|c");
	WORD("{#}", VALUES("a"), "c|7");
}
END_TEST

START_TEST(suffix_prefix_and_regular_expression_edit)
{
	WORD("{%.gz}", VALUES("a.tar.gz"), "c|a.tar");
	WORD("{%.bz}", VALUES("a.tar.gz"), "c|a.tar.gz");
	WORD("{1#a/}{2#x}", VALUES("a/b", "xy"), "c|by");
	WORD("{/b/X/}", VALUES("a/b.b"), "c|a/X.b");
	WORD("{/B/X/gi}", VALUES("a/b.b"), "c|a/X.X");
	WORD("{2/(.)(.)/$2$1$0$$/}", VALUES("x", "ab"), "c|baab$");
	WORD("{/\\//_/g}", VALUES("a/b/c"), "c|a_b_c");
	WORD("{/x*/-/g}", VALUES("axb"), "c|-a--b-");
	WORD("{/\\d{2}/N/}", VALUES("a123"), "c|aN3");
	WORD("{/./-/g}", VALUES("\303\251\377."), "c|-\377-");
	WORD("{/b$//}", VALUES("ab"), "c|a");
	GIVEN("{/(/x/}", VALUES("v"), .why = "the regular expression is wrong at its character 2: missing");
	GIVEN("{/a/$1/}", VALUES("v"), .why = "$1: the regular expression has 0 groups");
	GIVEN("{/a/b/x}", VALUES("v"), .why = "'x' is no flag");
	GIVEN("{//b/X}", VALUES("v"), .why = "an empty regular expression");
}
END_TEST

START_TEST(a_regular_expression_that_costs_too_much_is_an_error_and_no_hang)
{
	struct oxi_template t;
	struct oxi_names names = { .values = 1 };
	struct oxi_buffer why = { 0 }, out = { 0 };
	ox_bytes v = { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!b", 50 };
	ck_assert_int_eq(oxi_template_words(&t, (char *[]){ "x", "{/(a+)+b/x/}" }, 2, true, &names, &why), 0);
	ck_assert_uint_eq(oxi_template_expand(&t, &(struct oxi_values){ .value = &v, .n = 1 }, &out), 0);
	oxi_buffer_free(&out);
	oxi_template_free(&t);
}
END_TEST

START_TEST(columns_are_named)
{
	GIVEN("{size}{file name.}{-1}", .names = { "file name", "size" }, VALUES("a.x", "3"), .expected = "c|3a3");
	GIVEN("{a.b}{a.}", .names = { "a", "a.b" }, VALUES("x.y", "z"), .expected = "c|zx");
	GIVEN("{a/x/y/}{a%y}{a#x}", .names = { "a" }, VALUES("x.y"), .expected = "c|y.yx..y");
	GIVEN("{1}{a}", .names = { "a" }, VALUES("v"), .expected = "c|vv");
}
END_TEST

START_TEST(paths_into_rows_of_JSON_come_behind_the_values)
{
	GIVEN("{user.name}{n/.}{user.name}", .open = true, .fields = 2, VALUES("row", "me", "a/b.c"), .expected = "c|mebme");
	GIVEN("{}{x}", .open = true, .fields = 1, VALUES("row", "v"), .expected = "c|rowv");
}
END_TEST

START_TEST(what_is_unknown_is_refused_and_the_nearest_is_named)
{
	GIVEN("x{nmae}", .names = { "name", "size" }, VALUES("a", "b"), .why = "{nmae} is not known: did you mean {name}? known are {} {.}");
	GIVEN("{nmae/.}", .names = { "name" }, VALUES("a"), .why = "{nmae} is not known: did you mean {name}?");
	GIVEN("{print}", VALUES("a"), .why = "{1}; \\{ is a brace");
	GIVEN("{3}", VALUES("a", "b"), .why = "'{3}': there is no such value, there are 2");
	GIVEN("{-3}", VALUES("a", "b"), .why = "'{-3}': there is no such value");
	GIVEN("echo {a}", .shell = true, VALUES("a"), .why = "{a} is not known");
}
END_TEST

START_TEST(other_braces_stand_for_themselves)
{
	WORD("{ }{{}}{..}{0}{1", VALUES("v"), "c|{ }{v}{..}{0}{1");
	WORD("awk{print $1}", VALUES("v"), "c|awk{print $1}|v");
	WORD("{a,b}{1..3}{\"a\":1}${x}${x%y}${#x}", VALUES("v"), "c|{a,b}{1..3}{\"a\":1}${x}${x%y}${#x}|v");
	WORD("$({)}", VALUES("v"), "c|$({)}|v");
	WORD("{/usr/bin}{#}", VALUES("v"), "c|{/usr/bin}7");
}
END_TEST

START_TEST(a_backslash_makes_a_brace_a_brace)
{
	WORD("\\{}{}", VALUES("v"), "c|{}v");
	WORD("\\{print}", VALUES("v"), "c|{print}|v");
	WORD("a\\b\\\\{}", VALUES("v"), "c|a\\b\\v");
	WORD("\\\\\\{}", VALUES("v"), "c|\\{}|v");
	SHELL("echo \\{} \"\\{}\" '\\{}' {}", VALUES("v"), "sh|-c|echo \\{} \"{}\" '{}' \"${2}\"|sh|v|v");
}
END_TEST

START_TEST(shell_text_never_holds_a_value_case_3)
{
	SHELL("ls \"$1\"", VALUES("a; rm -rf /"), "sh|-c|ls \"$1\"|sh|a; rm -rf /");
	SHELL("ls -l {}", VALUES("`x`"), "sh|-c|ls -l \"${2}\"|sh|`x`|`x`");
	SHELL("{/} {.}", VALUES("a/b.c"), "sh|-c|\"${2}\" \"${3}\"|sh|a/b.c|b.c|a/b");
	SHELL("{} {2}", VALUES("a", "b"), "sh|-c|\"${3}\" \"${4}\" \"${5}\"|sh|a|b|a|b|b");
	SHELL("${1} ${x} {1}", VALUES("a"), "sh|-c|${1} ${x} \"${2}\"|sh|a|a");
}
END_TEST

START_TEST(shell_text_quotes_a_place_as_its_surroundings_ask)
{
	SHELL("echo \"x {}\"", VALUES("v"), "sh|-c|echo \"x ${2}\"|sh|v|v");
	SHELL("echo 'x {}'", VALUES("v"), "sh|-c|echo 'x '\"${2}\"''|sh|v|v");
	SHELL("echo \"{}\" '{}'", VALUES("a", "b"), "sh|-c|echo \"${3} ${4}\" ''\"${5} ${6}\"''|sh|a|b|a|b|a|b");
	SHELL("echo \"'{}'\"", VALUES("v"), "sh|-c|echo \"'${2}'\"|sh|v|v");
	SHELL("echo \"$(ls \"{}\" {} '{}')\"{}", VALUES("v"),
	      "sh|-c|echo \"$(ls \"${2}\" \"${3}\" ''\"${4}\"'')\"\"${5}\"|sh|v|v|v|v|v");
	SHELL("echo $(( ({} + 1) * 2 )) {}", VALUES("3"), "sh|-c|echo $(( (${2} + 1) * 2 )) \"${3}\"|sh|3|3|3");
	SHELL("echo \"`ls {}`{}\"", VALUES("v"), "sh|-c|echo \"`ls \"${2}\"`${3}\"|sh|v|v|v");
}
END_TEST

START_TEST(quoted_words_read_back_in_a_shell)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_quoted(&b, "plain-1.x", 9);
	oxi_buffer_add_quoted(&b, "", 0);
	oxi_buffer_add_quoted(&b, "it's $x\n\303\251", 10);
	oxi_buffer_add_quoted(&b, "a\377\033\n\302\200", 6);
	oxi_buffer_add_char(&b, '\0');
	ck_assert_str_eq(b.data, "plain-1.x'''it'\\''s $x\n\303\251''a'\"$(printf '\\377\\033')\"'\n'\"$(printf '\\302\\200')\"");
	oxi_buffer_free(&b);
}
END_TEST

START_TEST(the_cost_of_a_job_is_its_words_and_their_pointers)
{
	struct oxi_template t;
	struct oxi_names names = { .values = 1 };
	struct oxi_buffer why = { 0 };
	size_t text;
	ox_bytes v = { "v", 1 };
	ck_assert_int_eq(oxi_template_words(&t, (char *[]){ "{}" }, 1, true, &names, &why), 0);
	ck_assert_uint_eq(oxi_template_cost(&t, &v, 1, &text), 2 + sizeof(char *));
	ck_assert_uint_eq(text, 0);
	oxi_template_free(&t);
	ck_assert_int_eq(oxi_template_shell(&t, "ls {}", &names, &why), 0);
	oxi_template_cost(&t, &v, 1, &text);
	ck_assert_uint_eq(text, strlen("ls \"${2}\""));
	oxi_template_free(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("template");
	TCase *c = new_case(s, "template", 10);
	tcase_add_test(c, places_edit_a_path_as_GNU_parallel_does_case_2);
	tcase_add_test(c, places_stand_inside_words_and_more_than_once);
	tcase_add_test(c, lists_are_named_by_number);
	tcase_add_test(c, all_values_are_words_as_in_GNU_parallel);
	tcase_add_test(c, values_are_appended_as_words_when_there_is_no_place);
	tcase_add_test(c, suffix_prefix_and_regular_expression_edit);
	tcase_add_test(c, a_regular_expression_that_costs_too_much_is_an_error_and_no_hang);
	tcase_add_test(c, columns_are_named);
	tcase_add_test(c, paths_into_rows_of_JSON_come_behind_the_values);
	tcase_add_test(c, what_is_unknown_is_refused_and_the_nearest_is_named);
	tcase_add_test(c, other_braces_stand_for_themselves);
	tcase_add_test(c, a_backslash_makes_a_brace_a_brace);
	tcase_add_test(c, shell_text_never_holds_a_value_case_3);
	tcase_add_test(c, shell_text_quotes_a_place_as_its_surroundings_ask);
	tcase_add_test(c, quoted_words_read_back_in_a_shell);
	tcase_add_test(c, the_cost_of_a_job_is_its_words_and_their_pointers);
	return run_suite(s);
}
