/* SPDX-License-Identifier: MIT */
/* What is read out of pages, well-formed and hostile: links and text, charsets, what robots may do, sitemaps. */
#include <stdlib.h>
#include <string.h>

#include "cli/buffer.h"
#include "cli/crawl/charset.h"
#include "cli/crawl/css.h"
#include "cli/crawl/directive.h"
#include "cli/crawl/html.h"
#include "cli/crawl/sitemap.h"
#include "tests/support/support.h"

struct found {
	struct oxi_buffer links, text, title;  /* links separated by |; before it a base has !, an unvouched link ~, a requisite * */
	size_t n;
	unsigned directives;
};

static void take_link(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len)
{
	struct found *f = arg;
	enum oxi_link_use use = oxi_link_use(by);
	if (unvouched || use != OXI_USE_PAGE)
		oxi_buffer_add_char(&f->links, unvouched ? '~' : use == OXI_USE_BASE ? '!' : '*');
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

static void take_title(void *arg, const char *text, size_t len)
{
	struct found *f = arg;
	oxi_buffer_add(&f->title, text, len);
}

static void take_robots(void *arg, unsigned directives)
{
	struct found *f = arg;
	f->directives |= directives;
}

static int parse(const char *html, size_t len, struct found *f)
{
	*f = (struct found){ 0 };
	struct oxi_html_sink sink = { take_link, take_text, take_title, take_robots, true, f };
	/* A copy of its own, so that a sanitizer sees a read too far. */
	char *copy = malloc(len ? len : 1);
	memcpy(copy, html, len);
	int r = oxi_html_parse(copy, len, &sink);
	free(copy);
	oxi_buffer_add_char(&f->links, '\0');
	oxi_buffer_add_char(&f->text, '\0');
	return r;
}

static void done(struct found *f)
{
	oxi_buffer_free(&f->links);
	oxi_buffer_free(&f->text);
	oxi_buffer_free(&f->title);
}

static void assert_links(const char *html, const char *expected)
{
	struct found f;
	ck_assert_int_eq(parse(html, strlen(html), &f), 0);
	ck_assert_str_eq(f.links.data, expected);
	done(&f);
}

static void assert_text(const char *html, size_t len, const char *expected)
{
	struct found f;
	ck_assert_int_eq(parse(html, len, &f), 0);
	ck_assert_str_eq(f.text.data, expected);
	done(&f);
}
#define TEXT(html, expected) assert_text(html, sizeof(html) - 1, expected)

START_TEST(every_element_that_can_lead_to_a_page_gives_a_link)
{
	assert_links("<a href=a>x</a><map><area href='b'></map><iframe src=c></iframe>", "a|b|c|");
	assert_links("<frameset><frame src=d></frameset>", "d|");
	assert_links("<object data=o></object><embed src=e>", "o|e|");
	assert_links("<A HREF=\"x?a=1&amp;b=2\">", "x?a=1&b=2|");
	assert_links("<svg><a xlink:href=s>x</a></svg><form action=f></form><q cite=c></q><a ping=p>", "s|");
}
END_TEST

START_TEST(what_a_page_is_shown_with_is_told_apart)
{
	assert_links("<link rel=stylesheet href=s.css><link rel='shortcut icon' href=i><link rel=next href=n>", "*s.css|*i|n|");
	assert_links("<link rel=preconnect href=//h><link rel=dns-prefetch href=//h>", "");
	assert_links("<img src=i.png><script src=s.js></script><a name=x><input type=image src=n>", "*i.png|*s.js|*n|");
	assert_links("<video poster=p src=v><source src=s><track src=t></video><audio src=a></audio>", "*p|*v|*s|*t|*a|");
	assert_links("<body background=b><table background=c><td background=d>", "*b|*c|*d|");
	assert_links("<img srcset='a 1x, b 2x'><picture><source srcset=c></picture><link rel=preload imagesrcset='d,, e'>", "*a|*b|*c|*d|*e|");
	assert_links("<style>p { background: url(a) }</style><p style='background:url(b)'>", "*a|*b|");
}
END_TEST

static void read_value(void (*read)(const char *, oxi_link_fn *, void *), const char *text, const char *expected)
{
	struct found f = { 0 };
	char *copy = strdup(text);
	read(copy, take_link, &f);
	free(copy);
	oxi_buffer_add_char(&f.links, '\0');
	ck_assert_str_eq(f.links.data, expected);
	done(&f);
}

START_TEST(srcset_is_split_as_HTML_says)
{
	read_value(oxi_link_srcset, "a 1x,b 2x", "*a|*b|");
	read_value(oxi_link_srcset, " ,a, b ,c", "*a|*b|*c|");
	read_value(oxi_link_srcset, "a,b", "*a,b|");
	read_value(oxi_link_srcset, "data:,x,y 1x, b", "*data:,x,y|*b|");
	read_value(oxi_link_srcset, "a (1,2) 3x, b", "*a|*b|");
	read_value(oxi_link_srcset, "a,,,, b (", "*a|*b|");
	read_value(oxi_link_srcset, ",", "");
	read_value(oxi_link_srcset, "", "");
}
END_TEST

START_TEST(link_headers_are_read_as_RFC_8288_says)
{
	read_value(oxi_link_header, "<a>; rel=next, <b>;rel=\"prev x\"", "a|b|");
	read_value(oxi_link_header, "<a,b>; title=\"x, <c>; rel=next\"; rel=next", "a,b|");
	read_value(oxi_link_header, "<a>; title=\"q\\\", <b>\"; REL = next", "a|");
	read_value(oxi_link_header, "<a>; rel=next; rel=nofollow", "a|");
	read_value(oxi_link_header, "<a>; rel=\"next NoFollow\"", "~a|");
	read_value(oxi_link_header, "<s.css>; rel=preload; as=style, <//h>; rel=preconnect, <n>; rel=next", "*s.css|n|");
	read_value(oxi_link_header, "<a>, <b>; title=x", "");
	read_value(oxi_link_header, "<>; rel=self", "|");
	read_value(oxi_link_header, "a; rel=next", "");
	read_value(oxi_link_header, "<a; rel=next", "");
	read_value(oxi_link_header, "<a>;;; rel=next ; , ,<b> x;y, <c>;rel=up", "a|c|");
	read_value(oxi_link_header, "<a>; rel=\"next", "a|");
}
END_TEST

static void assert_css(const char *text, const char *expected)
{
	struct found f = { 0 };
	size_t len = strlen(text);
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	oxi_css_links(copy, len, take_link, &f);
	free(copy);
	oxi_buffer_add_char(&f.links, '\0');
	ck_assert_str_eq(f.links.data, expected);
	done(&f);
}

START_TEST(style_sheets_name_what_they_need)
{
	assert_css("p { background: url(a.png) } q { src: URL( 'b c' ), url(\"d\")}", "*a.png|*b c|*d|");
	assert_css("@import 'a.css' screen; @IMPORT url(b.css) layer(x); @import url('c.css');", "*a.css|*b.css|*c.css|");
	assert_css("@namespace svg url(http://www.w3.org/2000/svg); @namespace 'x'; p { b: url(y) }", "*y|");
	assert_css("/* url(a) */ p { content: 'url(b)'; c: xurl(d) url(e/*f*/) }", "*e/*f*/|");
	assert_css("p { b: u\\72l(a\\)b\\26 c\\\"d) }", "*a)b&c\"d|");
	assert_css("p { b: url(a b) url('c' d) url(e'f) url() url(g", "*g|");
	assert_css("@import 'a\n; @import 'c", "*c|");
	assert_css("p{b:url(\\1F600\\d800 )", "*\360\237\230\200\357\277\275|");
	assert_css("@import", "");
	assert_css("/*", "");
	assert_css("\\", "");
	assert_css("", "");
}
END_TEST

START_TEST(addresses_that_are_too_long_are_read_and_forgotten)
{
	struct oxi_buffer b = { 0 };
	oxi_buffer_add_text(&b, "p{a:url(data:");
	for (int i = 0; i < 10000; i++)
		oxi_buffer_add_char(&b, 'x');
	oxi_buffer_add_text(&b, ") url(b)}");
	oxi_buffer_add_char(&b, '\0');
	assert_css(b.data, "*b|");
	oxi_buffer_free(&b);
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
	TEXT("<p>one<b>two</b></p><p>three</p><script>var four</script><style>five{}</style>", "onetwo\nthree\n");
	TEXT("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb\n");
	TEXT("<p>a&amp;b &eacute;</p>", "a&b \303\251\n");
}
END_TEST

/* It has been decoded before: page.c. */
START_TEST(a_document_is_UTF_8_whatever_it_says)
{
	TEXT("<meta charset=windows-1251><p>\303\251</p>", "\303\251\n");
}
END_TEST

START_TEST(the_title_is_told_apart_and_text_too)
{
	struct found f;
	static const char html[] = "<title>a &amp; b</title><p>c</p>";
	ck_assert_int_eq(parse(html, strlen(html), &f), 0);
	oxi_buffer_add_char(&f.title, '\0');
	ck_assert_str_eq(f.title.data, "a & b");
	done(&f);
}
END_TEST

START_TEST(links_that_nobody_vouches_for_are_told_apart)
{
	assert_links("<a rel='noopener NoFollow' href=a>x</a><a rel=ugc href=b>x</a><a rel=next href=c>x</a>", "~a|~b|c|");
}
END_TEST

static unsigned directives_of(const char *html)
{
	struct found f;
	ck_assert_int_eq(parse(html, strlen(html), &f), 0);
	unsigned directives = f.directives;
	done(&f);
	return directives;
}

START_TEST(pages_say_what_robots_may_do)
{
	ck_assert_uint_eq(directives_of("<meta name=robots content='noindex, NOFOLLOW'>"), OXI_NOINDEX | OXI_NOFOLLOW);
	ck_assert_uint_eq(directives_of("<META NAME=Oxbow CONTENT=none>"), OXI_NOINDEX | OXI_NOFOLLOW);
	ck_assert_uint_eq(directives_of("<meta name=robots content='index,follow,noarchive'>"), 0);
	ck_assert_uint_eq(directives_of("<meta name=otherbot content=none><meta content=none><meta name=robots>"), 0);
	ck_assert_uint_eq(directives_of("<meta name=robots content=noindex><meta name=robots content=nofollow>"), OXI_NOINDEX | OXI_NOFOLLOW);
}
END_TEST

START_TEST(headers_say_it_too_and_may_mean_one_robot)
{
	ck_assert_uint_eq(oxi_directives_of_header("noindex, nofollow"), OXI_NOINDEX | OXI_NOFOLLOW);
	ck_assert_uint_eq(oxi_directives_of_header("otherbot: noindex, nofollow"), 0);
	ck_assert_uint_eq(oxi_directives_of_header("Oxbow : nofollow"), OXI_NOFOLLOW);
	ck_assert_uint_eq(oxi_directives_of_header("otherbot: noindex, oxbow: nofollow"), OXI_NOFOLLOW);
	ck_assert_uint_eq(oxi_directives_of_header("unavailable_after: 25 Jun 2010 15:00:00 PST, noindex"), OXI_NOINDEX);
	ck_assert_uint_eq(oxi_directives_of_header(",, ,:,"), 0);
	ck_assert_uint_eq(oxi_directives_of_header(""), 0);
}
END_TEST

/* ---- charsets ---- */

static void assert_charset(const char *type, const char *data, size_t len, const char *name, const char *text)
{
	char found[OXI_CHARSET_MAX];
	struct oxi_buffer out = { 0 };
	size_t skip;
	oxi_charset_find(data, len, type, found, &skip);
	ck_assert_str_eq(found, name);
	ck_assert_int_eq(oxi_charset_decode(found, data + skip, len - skip, &out), 0);
	oxi_buffer_add_char(&out, '\0');
	ck_assert_str_eq(out.data, text);
	oxi_buffer_free(&out);
}
#define CHARSET(type, data, name, text) assert_charset(type, data, sizeof(data) - 1, name, text)

START_TEST(charsets_are_found_as_browsers_do_case_13)
{
	CHARSET("text/html; charset=GB18030", "\326\320", "gb18030", "\344\270\255");
	CHARSET("text/html; charset=\"gb2312\"", "\326\320", "gb18030", "\344\270\255");
	CHARSET("text/html", "<meta charset=windows-1251>\317", "windows-1251", "<meta charset=windows-1251>\320\237");
	CHARSET("", "<!-- <meta charset=x> --><META http-equiv=c content='a; CharSet = \"cp1251\" '>\317", "windows-1251",
	        "<!-- <meta charset=x> --><META http-equiv=c content='a; CharSet = \"cp1251\" '>\320\237");
	CHARSET("text/html", "\377\376h\0\351\0", "utf-16le", "h\303\251");
	CHARSET("text/html", "\376\377\0h\0\351", "utf-16be", "h\303\251");
	CHARSET("text/html; charset=iso-8859-1", "\357\273\277\344\270\255", "utf-8", "\344\270\255");
	CHARSET("text/html", "caf\303\251", "utf-8", "caf\303\251");
	CHARSET("text/html", "caf\351", "windows-1252", "caf\303\251");
	CHARSET("text/html; charset=latin1", "\200", "windows-1252", "\342\202\254");
	CHARSET("text/html", "<meta charset=utf-16>x", "utf-8", "<meta charset=utf-16>x");
}
END_TEST

START_TEST(charsets_that_lie_do_no_harm)
{
	CHARSET("text/html; charset=utf-7", "+ADw-", "utf-8", "+ADw-");
	CHARSET("text/html; charset=utf-8", "a\377b", "utf-8", "a\357\277\275b");
	CHARSET("text/html; charset=utf-8", "\371\270\234\234\234x\355\240\200", "utf-8",
	        "\357\277\275\357\277\275\357\277\275\357\277\275\357\277\275x\357\277\275\357\277\275\357\277\275");
	CHARSET("text/html; charset=utf-16", "\0\330x", "utf-16le", "\357\277\275\357\277\275");
	CHARSET("text/html; charset=UTF-8//IGNORE", "a", "utf-8", "a");
	CHARSET("charset=", "<meta charset=><meta charset", "utf-8", "<meta charset=><meta charset");
	CHARSET("text/html; charset=none-such", "a", "utf-8", "a");
	CHARSET("", "", "utf-8", "");
}
END_TEST

START_TEST(queries_are_sent_in_the_charset_of_their_page_case_13)
{
	static const struct { const char *charset, *link, *expected; } rows[] = {
		{ "gb18030", "/\344\270\255?q=\344\270\255", "/\344\270\255?q=%D6%D0" },
		{ "windows-1251", "?\320\237=a&b", "?%CF=a&b" },
		{ "windows-1252", "?q=\344\270\255", "?q=%26%2320013%3B" },
		{ "utf-8", "?q=\344\270\255", "?q=\344\270\255" },
		{ "windows-1252", "?q=\344\270", "?q=%26%23312%3B" },
		{ "windows-1252", "", "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oxi_buffer out = { 0 };
		ck_assert_int_eq(oxi_charset_encode_query(rows[i].charset, rows[i].link, strlen(rows[i].link), &out), 0);
		oxi_buffer_add_char(&out, '\0');
		ck_assert_str_eq(out.data, rows[i].expected);
		oxi_buffer_free(&out);
	}
}
END_TEST

/* ---- sitemaps ---- */

static int read_sitemap(const char *text, size_t len, struct found *f)
{
	*f = (struct found){ 0 };
	struct oxi_html_sink sink = { .link = take_link, .arg = f };
	char *copy = malloc(len ? len : 1);
	memcpy(copy, text, len);
	int r = oxi_sitemap_read(copy, len, &sink);
	free(copy);
	oxi_buffer_add_char(&f->links, '\0');
	return r;
}

static void assert_sitemap(const char *text, const char *expected)
{
	struct found f;
	ck_assert_int_eq(read_sitemap(text, strlen(text), &f), 0);
	ck_assert_str_eq(f.links.data, expected);
	done(&f);
}

START_TEST(sitemaps_list_pages_and_sitemaps)
{
	assert_sitemap("<urlset><url><loc> http://a/1?x&amp;y </loc><lastmod>2</lastmod></url><url><loc>http://a/2</loc></url></urlset>",
	               "http://a/1?x&y|http://a/2|");
	assert_sitemap("<s:urlset><s:loc><![CDATA[http://a/<1>]]></s:loc></s:urlset>", "http://a/<1>|");
	assert_sitemap("<rss><channel><item><link>http://a/r</link></item></channel></rss>", "http://a/r|");
	assert_sitemap("http://a/1\r\n\nftp://no\nHTTP://a/2", "http://a/1|HTTP://a/2|");
	assert_sitemap("<urlset><!-- <loc>http://a/no</loc> --><location>x</location><loc>http://a/1", "http://a/1|");
	assert_sitemap("<loc", "");
	assert_sitemap("<!--", "");
	assert_sitemap("", "");
}
END_TEST

START_TEST(a_sitemap_ends_at_its_limits)
{
	struct oxi_buffer b = { 0 };
	struct found f;
	for (int i = 0; i <= OXI_SITEMAP_URLS; i++)
		oxi_buffer_add_format(&b, "http://a.test/%d\n", i);
	ck_assert_int_eq(read_sitemap(b.data, b.len, &f), OX_ETOOBIG);
	ck_assert_uint_eq(f.n, OXI_SITEMAP_URLS);
	done(&f);
	oxi_buffer_free(&b);
	ck_assert_int_eq(read_sitemap("\x1f\x8b\x08garbage", 10, &f), OX_EPROTO);
	done(&f);
}
END_TEST

/* Only that it ends, gives no more than there is, and a sanitizer finds nothing. */
static void survive(const char *html, size_t len)
{
	struct found f;
	int r = parse(html, len, &f);
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
	tcase_add_test(c, what_a_page_is_shown_with_is_told_apart);
	tcase_add_test(c, srcset_is_split_as_HTML_says);
	tcase_add_test(c, link_headers_are_read_as_RFC_8288_says);
	tcase_add_test(c, style_sheets_name_what_they_need);
	tcase_add_test(c, addresses_that_are_too_long_are_read_and_forgotten);
	tcase_add_test(c, base_is_told_apart);
	tcase_add_test(c, refresh_gives_its_address);
	tcase_add_test(c, text_leaves_out_scripts_and_keeps_words_apart);
	tcase_add_test(c, a_document_is_UTF_8_whatever_it_says);
	tcase_add_test(c, the_title_is_told_apart_and_text_too);
	tcase_add_test(c, links_that_nobody_vouches_for_are_told_apart);
	tcase_add_test(c, pages_say_what_robots_may_do);
	tcase_add_test(c, headers_say_it_too_and_may_mean_one_robot);
	tcase_add_test(c, charsets_are_found_as_browsers_do_case_13);
	tcase_add_test(c, charsets_that_lie_do_no_harm);
	tcase_add_test(c, queries_are_sent_in_the_charset_of_their_page_case_13);
	tcase_add_test(c, sitemaps_list_pages_and_sitemaps);
	tcase_add_test(c, a_sitemap_ends_at_its_limits);
	tcase_add_test(c, malformed_documents_do_no_harm);
	tcase_add_test(c, deep_and_wide_documents_do_no_harm);
	tcase_add_test(c, noise_does_no_harm);
	return run_suite(s);
}
