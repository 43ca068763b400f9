/* SPDX-License-Identifier: MIT */
/* Word counts, JSON, and the crunch functions' reply. */
#include <stdio.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "cli/crawl/crunch.h"
#include "cli/crawl/page.h"
#include "cli/crawl/words.h"
#include "cli/json.h"
#include "tests/support/support.h"

static void assert_count(const struct oxi_words *w, const char *word, uint64_t count)
{
	struct oxi_word *all;
	size_t n = oxi_words_top(w, SIZE_MAX, &all);
	uint64_t found = 0;
	for (size_t i = 0; i < n; i++) {
		if (all[i].len == strlen(word) && memcmp(oxi_word_text(w, &all[i]), word, all[i].len) == 0)
			found = all[i].count;
	}
	free(all);
	ck_assert_msg(found == count, "%s: %llu", word, (unsigned long long)found);
}

START_TEST(words_are_runs_of_letters_in_lower_case)
{
	struct oxi_words w = { 0 };
	const char *text = "The the THE; pg_dump(8.4), caf\303\251\302\240caf\303\251 \342\200\234q\342\200\235 42 4x";
	oxi_words_add_text(&w, text, strlen(text));
	assert_count(&w, "the", 3);
	assert_count(&w, "pg_dump", 1);
	assert_count(&w, "caf\303\251", 2);
	assert_count(&w, "q", 1);
	assert_count(&w, "4x", 1);
	assert_count(&w, "42", 0);
	ck_assert_uint_eq(w.total, 8);
	ck_assert_uint_eq(w.n, 5);
	oxi_words_free(&w);
}
END_TEST

START_TEST(tables_travel_and_add_up)
{
	struct oxi_words a = { 0 }, sum = { 0 };
	struct oxi_buffer packed = { 0 };
	for (int i = 0; i < 1000; i++) {
		char word[16];
		int len = snprintf(word, sizeof(word), "w%d", i);
		oxi_words_add(&a, word, (size_t)len, (uint64_t)i + 1);
	}
	oxi_words_pack(&a, &packed);
	ck_assert_int_eq(oxi_words_unpack(&sum, packed.data, packed.len), 0);
	ck_assert_int_eq(oxi_words_unpack(&sum, packed.data, packed.len), 0);
	assert_count(&sum, "w999", 2000);
	ck_assert_uint_eq(sum.total, 2 * a.total);
	/* Cut anywhere, it is refused or taken, and nothing is read behind its end. */
	for (size_t len = 0; len < 100; len++) {
		char *cut = malloc(len ? len : 1);
		memcpy(cut, packed.data, len);
		int r = oxi_words_unpack(&sum, cut, len);
		ck_assert(r == 0 || r == OX_EPROTO);
		free(cut);
	}
	oxi_buffer_free(&packed);
	oxi_words_free(&a);
	oxi_words_free(&sum);
}
END_TEST

START_TEST(the_most_frequent_come_first_and_equal_ones_by_text)
{
	struct oxi_words w = { 0 };
	struct oxi_word *top;
	const char *text = "b a b c a b d";
	oxi_words_add_text(&w, text, strlen(text));
	ck_assert_uint_eq(oxi_words_top(&w, 3, &top), 3);
	ck_assert_int_eq(*oxi_word_text(&w, &top[0]), 'b');
	ck_assert_int_eq(*oxi_word_text(&w, &top[1]), 'a');
	ck_assert_int_eq(*oxi_word_text(&w, &top[2]), 'c');
	free(top);
	oxi_words_free(&w);
}
END_TEST

START_TEST(noise_does_no_harm)
{
	unsigned state = 7;
	struct oxi_words w = { 0 };
	for (int round = 0; round < 2000; round++) {
		size_t len = 1 + (state >> 16) % 100;
		char *text = malloc(len);
		for (size_t i = 0; i < len; i++) {
			state = state * 1103515245u + 12345u;
			text[i] = (char)(state >> 16);
		}
		oxi_words_add_text(&w, text, len);
		free(text);
	}
	oxi_words_free(&w);
}
END_TEST

/* ---- JSON ---- */

START_TEST(JSON_is_well_formed_whatever_it_is_given)
{
	struct oxi_buffer b = { 0 };
	struct oxi_json j = { .out = &b };
	oxi_json_begin(&j, NULL, '{');
	oxi_json_string(&j, "a\"b", "x\n\1\\\303\251\377\355\240\200", 11);
	oxi_json_begin(&j, "l", '[');
	oxi_json_int(&j, NULL, -1);
	oxi_json_double(&j, NULL, 0.1);
	oxi_json_double(&j, NULL, 1.0 / 0.0);
	oxi_json_bool(&j, NULL, true);
	oxi_json_text(&j, NULL, NULL);
	oxi_json_end(&j);
	oxi_json_end(&j);
	oxi_buffer_add_char(&b, '\0');
	ck_assert(!j.failed);
	ck_assert_str_eq(b.data, "{\"a\\\"b\":\"x\\n\\u0001\\\\\303\251\357\277\275\357\277\275\357\277\275\357\277\275"
	                         "\\u0000\",\"l\":[-1,0.1,null,true,null]}");
	oxi_buffer_free(&b);
}
END_TEST

/* ---- the reply of a crunch function ---- */

static int nested(const ox_page *page, ox_page_reply *out)
{
	ox_page_put_string(out, "url", page->url, strlen(page->url));
	ox_page_begin_array(out, "list");
	ox_page_put_int(out, NULL, 1);
	ox_page_begin_object(out, NULL);
	ox_page_put_bool(out, "yes", 1);
	return 0;                       /* what is open is closed for it */
}

static int too_many_ends(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	ox_page_end(out);
	ox_page_put_int(out, "x", 1);
	return 0;
}

static int too_large(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	for (int i = 0; i < 200000; i++)
		ox_page_put_int(out, "x", i);
	return 0;
}

static int refusing(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	(void)out;
	return -5;
}

static int call(ox_crunch_fn *fn, struct oxi_buffer *value)
{
	const ox_page page = { .size = sizeof(page), .url = "http://a.test/", .type = "text/html" };
	struct oxi_crunched said = { 0 };
	int r = oxi_crunch_call(&(struct oxi_crunch){ .fn = fn }, &page, NULL, &said);
	oxi_buffer_add(value, said.value.data, said.value.len);
	oxi_crunched_free(&said);
	return r;
}

START_TEST(a_crunch_function_writes_an_object)
{
	struct oxi_buffer value = { 0 };
	ck_assert_int_eq(call(nested, &value), 0);
	oxi_buffer_add_char(&value, '\0');
	ck_assert_str_eq(value.data, "{\"url\":\"http://a.test/\",\"list\":[1,{\"yes\":true}]}");
	oxi_buffer_free(&value);
}
END_TEST

START_TEST(a_wrong_use_of_the_reply_fails_the_crunch)
{
	struct oxi_buffer value = { 0 };
	ck_assert_int_eq(call(too_many_ends, &value), OX_EINVAL);
	oxi_buffer_free(&value);
	ck_assert_int_eq(call(too_large, &value), OX_ETOOBIG);
	ck_assert_uint_le(value.len, OXI_VALUE_MAX + 100);
	oxi_buffer_free(&value);
	ck_assert_int_eq(call(refusing, &value), -5);
	oxi_buffer_free(&value);
}
END_TEST

START_TEST(HTML_is_known_by_its_type)
{
	ck_assert(oxi_page_is_html("text/html"));
	ck_assert(oxi_page_is_html("TEXT/HTML; charset=utf-8"));
	ck_assert(oxi_page_is_html("application/xhtml+xml"));
	ck_assert(oxi_page_is_html(NULL));
	ck_assert(!oxi_page_is_html("text/htmlx"));
	ck_assert(!oxi_page_is_html("image/png"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("words");
	TCase *c = new_case(s, "words", 60);
	tcase_add_test(c, words_are_runs_of_letters_in_lower_case);
	tcase_add_test(c, tables_travel_and_add_up);
	tcase_add_test(c, the_most_frequent_come_first_and_equal_ones_by_text);
	tcase_add_test(c, noise_does_no_harm);
	tcase_add_test(c, JSON_is_well_formed_whatever_it_is_given);
	tcase_add_test(c, a_crunch_function_writes_an_object);
	tcase_add_test(c, a_wrong_use_of_the_reply_fails_the_crunch);
	tcase_add_test(c, HTML_is_known_by_its_type);
	return run_suite(s);
}
