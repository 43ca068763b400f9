/* SPDX-License-Identifier: MIT */
/* Links and text of HTML, well-formed and hostile. */
#include <stdlib.h>
#include <string.h>

#include "cli/buffer.h"
#include "cli/crawl/html.h"
#include "tests/support/support.h"

struct found {
	struct oxi_buffer links, text;  /* links separated by |; a base has ! before it */
	size_t n;
};

static void take_link(void *arg, enum oxi_link kind, const char *url, size_t len)
{
	struct found *f = arg;
	if (kind == OXI_LINK_BASE)
		oxi_buffer_add_char(&f->links, '!');
	oxi_buffer_add(&f->links, url, len);
	oxi_buffer_add_char(&f->links, '|');
	f->n++;
}

static void take_text(void *arg, const char *text, size_t len)
{
	struct found *f = arg;
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '\n' || (f->text.len && f->text.data[f->text.len - 1] != '\n'))
			oxi_buffer_add_char(&f->text, text[i]);
	}
}

static int parse(const char *html, size_t len, const char *charset, struct found *f)
{
	*f = (struct found){ 0 };
	struct oxi_html_sink sink = { take_link, take_text, f };
	/* A copy of its own, so that a sanitizer sees a read too far. */
	char *copy = malloc(len ? len : 1);
	memcpy(copy, html, len);
	int r = oxi_html_parse(copy, len, charset, &sink);
	free(copy);
	oxi_buffer_add_char(&f->links, '\0');
	oxi_buffer_add_char(&f->text, '\0');
	return r;
}

static void done(struct found *f)
{
	oxi_buffer_free(&f->links);
	oxi_buffer_free(&f->text);
}

static void assert_links(const char *html, const char *expected)
{
	struct found f;
	ck_assert_int_eq(parse(html, strlen(html), NULL, &f), 0);
	ck_assert_str_eq(f.links.data, expected);
	done(&f);
}

static void assert_text(const char *html, size_t len, const char *charset, const char *expected)
{
	struct found f;
	ck_assert_int_eq(parse(html, len, charset, &f), 0);
	ck_assert_str_eq(f.text.data, expected);
	done(&f);
}
#define TEXT(html, charset, expected) assert_text(html, sizeof(html) - 1, charset, expected)

START_TEST(every_element_that_can_lead_to_a_page_gives_a_link)
{
	assert_links("<a href=a>x</a><map><area href='b'></map><iframe src=c></iframe>", "a|b|c|");
	assert_links("<frameset><frame src=d></frameset>", "d|");
	assert_links("<object data=o></object><embed src=e>", "o|e|");
	assert_links("<A HREF=\"x?a=1&amp;b=2\">", "x?a=1&b=2|");
}
END_TEST

START_TEST(links_to_resources_are_no_pages)
{
	assert_links("<link rel=stylesheet href=s.css><link rel='shortcut icon' href=i><link rel=next href=n>", "n|");
	assert_links("<img src=i.png><script src=s.js></script><a name=x>", "");
}
END_TEST

START_TEST(base_is_told_apart)
{
	assert_links("<head><base href='/b/'></head><a href=x>", "!/b/|x|");
}
END_TEST

START_TEST(refresh_gives_its_address)
{
	assert_links("<meta http-equiv=Refresh content='5; URL=next.html'>", "next.html|");
	assert_links("<meta http-equiv=refresh content=\"0;url='a b'\">", "a b|");
	assert_links("<meta http-equiv=refresh content=5>", "");
	assert_links("<meta name=refresh content='5;url=x'>", "");
}
END_TEST

START_TEST(text_leaves_out_scripts_and_keeps_words_apart)
{
	TEXT("<p>one<b>two</b></p><p>three</p><script>var four</script><style>five{}</style>", NULL, "onetwo\nthree\n");
	TEXT("<table><tr><td>a</td><td>b</td></tr></table>", NULL, "a\nb\n");
	TEXT("<p>a&amp;b &eacute;</p>", NULL, "a&b \303\251\n");
}
END_TEST

START_TEST(text_is_UTF_8_whatever_the_page_is_written_in)
{
	TEXT("<p>caf\351</p>", "ISO-8859-1", "caf\303\251\n");
	TEXT("<meta charset=windows-1251><p>\317</p>", NULL, "\320\237\n");
	TEXT("<meta charset=windows-1251><p>\303\251</p>", "UTF-8", "\303\251\n");
}
END_TEST

/* Only that it ends, gives no more than there is, and a sanitizer finds nothing. */
static void survive(const char *html, size_t len)
{
	struct found f;
	int r = parse(html, len, NULL, &f);
	ck_assert(r == 0 || r == OX_ETOOBIG);
	ck_assert_uint_le(f.links.len, 2 * len + 64);
	done(&f);
}
#define SURVIVE(html) survive(html, sizeof(html) - 1)

START_TEST(malformed_documents_do_no_harm)
{
	SURVIVE("");
	SURVIVE("<");
	SURVIVE("<a href=");
	SURVIVE("<a href='x");
	SURVIVE("<!--");
	SURVIVE("<![CDATA[");
	SURVIVE("</a></b></html><a href=\0x>");
	SURVIVE("<a href='&#0;&#xffffffff;&bogus;'>\xff\xfe\x80");
	SURVIVE("<meta http-equiv=refresh content=';url='><meta http-equiv content><link rel href><base href>");
	SURVIVE("<?xml version='1.0'?><!DOCTYPE html [<!ENTITY a '&a;&a;'>]><p>&a;</p>");
	SURVIVE("\xef\xbb\xbf<p>");
	SURVIVE("\xff\xfe<\0p\0>\0");
}
END_TEST

START_TEST(deep_and_wide_documents_do_no_harm)
{
	struct oxi_buffer b = { 0 };
	for (int i = 0; i < 20000; i++)
		oxi_buffer_add_text(&b, "<div><a href=x>");
	survive(b.data, b.len);
	b.len = 0;
	oxi_buffer_add_text(&b, "<p ");
	for (int i = 0; i < 20000; i++)
		oxi_buffer_add_format(&b, "a%d=1 ", i);
	survive(b.data, b.len);
	oxi_buffer_free(&b);
}
END_TEST

/* Random bytes from an alphabet that parsers care about. */
START_TEST(noise_does_no_harm)
{
	static const char alphabet[] = "<>/\"'=&;!-?[]#ax \n\0\xc3\xa9\xff";
	unsigned state = 12345;
	for (int round = 0; round < 2000; round++) {
		char html[200];
		for (size_t i = 0; i < sizeof(html); i++) {
			state = state * 1103515245u + 12345u;
			html[i] = alphabet[(state >> 16) % (sizeof(alphabet) - 1)];
		}
		survive(html, sizeof(html));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("html");
	TCase *c = new_case(s, "html", 60);
	tcase_add_test(c, every_element_that_can_lead_to_a_page_gives_a_link);
	tcase_add_test(c, links_to_resources_are_no_pages);
	tcase_add_test(c, base_is_told_apart);
	tcase_add_test(c, refresh_gives_its_address);
	tcase_add_test(c, text_leaves_out_scripts_and_keeps_words_apart);
	tcase_add_test(c, text_is_UTF_8_whatever_the_page_is_written_in);
	tcase_add_test(c, malformed_documents_do_no_harm);
	tcase_add_test(c, deep_and_wide_documents_do_no_harm);
	tcase_add_test(c, noise_does_no_harm);
	return run_suite(s);
}
