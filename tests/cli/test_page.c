/* SPDX-License-Identifier: MIT */
/* What a worker does with a page: its links, what --select finds, what a crunch function can say; and without memory. */
#include <stdlib.h>
#include <string.h>

#include "cli/crawl/directive.h"
#include "cli/crawl/look.h"
#include "cli/crawl/page.h"
#include "cli/crawl/select.h"
#include "cli/crawl/tree.h"
#include "cli/crawl/url.h"
#include "tests/support/support.h"

/* ---- memory that runs out: the linker sends all calls of ours here ---- */

static size_t fail_at, made;            /* fail_at 0: none */

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
__attribute__((visibility("default"))) void *__wrap_malloc(size_t len);
__attribute__((visibility("default"))) void *__wrap_calloc(size_t n, size_t len);
__attribute__((visibility("default"))) void *__wrap_realloc(void *p, size_t len);

static bool fails(void)
{
	return ++made == fail_at;
}

void *__wrap_malloc(size_t len)
{
	return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	return fails() ? NULL : __real_calloc(n, len);
}

void *__wrap_realloc(void *p, size_t len)
{
	return fails() ? NULL : __real_realloc(p, len);
}

/* ---- pages ---- */

struct seen {
	int r;
	struct oxi_buffer reply, links; /* links: "by[*first]:url|" of each */
	struct oxi_page_result result;
};

static const char *header_type = "text/html";

/* headers: name and value, a newline behind each */
static struct seen look(const char *html, const char *headers, const struct oxi_crunch *crunch)
{
	size_t headers_len = strlen(headers);
	char *head = malloc(headers_len + 1);
	memcpy(head, headers, headers_len + 1);
	for (char *p = head; *p; p++)
		*p = *p == '\n' ? '\0' : *p;
	struct oxi_page_input in = {
		.url = "http://a.test/d/page", .type = header_type, .status = 200, .obeys = true,
		.headers = { head, headers_len }, .body = { html, strlen(html) },
	};
	void *job = aligned_alloc(16, (oxi_page_input_size(&in) + 15) & ~(size_t)15);
	oxi_page_input_write(&in, job);
	oxi_page_setup(crunch, 0);
	struct seen s = { 0 };
	s.r = oxi_look(job, true, &s.reply);
	free(job);
	free(head);
	if (s.r < 0)
		return s;
	ck_assert_int_eq(oxi_page_result_read((ox_bytes){ s.reply.data, s.reply.len }, &s.result), 0);
	struct oxi_page_link link;
	ox_bytes links = s.result.links;
	int r;
	while ((r = oxi_page_link_next(&links, &link)) > 0) {
		oxi_buffer_add_format(&s.links, "%s%s:", oxi_link_name(link.by), link.first ? "*" : "");
		oxi_buffer_add(&s.links, link.url.data, link.url.len);
		oxi_buffer_add_char(&s.links, '|');
	}
	ck_assert_int_eq(r, 0);
	oxi_buffer_add_char(&s.links, '\0');
	return s;
}

static void done(struct seen *s)
{
	oxi_buffer_free(&s->reply);
	oxi_buffer_free(&s->links);
}

static void assert_links(const char *html, const char *headers, const char *expected)
{
	struct oxi_crunch all = { .references = true };
	struct seen s = look(html, headers, &all);
	ck_assert_int_eq(s.r, 0);
	ck_assert_str_eq(s.links.data, expected);
	done(&s);
}

START_TEST(links_come_in_the_order_in_which_they_are_resolved)
{
	assert_links("<a href=x></a><base href=/b/><base href=/c/><img src=x><a href=x#y>", "Link\n<h>; rel=next\nRefresh\n5; url=r\n",
	             "header:h|refresh:r|base:/b/|a:x|img:x|");
	assert_links("<a href=h>", "LINK\n<h>; rel=next, <s>; rel=stylesheet\nlink\n<n>; rel=nofollow\n", "header:h|header:s|a:h|");
	assert_links("<a href=data:text/html,x><img src=DATA:x><a href=#x>", "", "");
}
END_TEST

START_TEST(requisites_are_left_out_where_nobody_wants_them)
{
	struct oxi_crunch none = { 0 };
	struct seen s = look("<img src=i srcset='j 2x'><style>p{a:url(u)}</style><p style='a:url(v)'><a href=x>", "", &none);
	ck_assert_str_eq(s.links.data, "a:x|");
	done(&s);
}
END_TEST

START_TEST(style_sheets_are_read)
{
	header_type = "text/css; charset=latin1";
	assert_links("@import 'a'; p { b: url('\351') }", "Link\n<h>; rel=stylesheet\n", "header:h|import:a|css:\303\251|");
	header_type = "text/plain";
	assert_links("<a href=x> url(y)", "", "");
	header_type = "text/html";
}
END_TEST

START_TEST(headers_have_a_say)
{
	struct oxi_crunch none = { 0 };
	struct seen s = look("<a href=x>", "X-Robots-Tag\nnoindex\nx-robots-tag\noxbow: nofollow\n", &none);
	ck_assert_uint_eq(s.result.directives, OXI_NOINDEX | OXI_NOFOLLOW);
	ck_assert_str_eq(s.links.data, "");
	done(&s);
}
END_TEST

START_TEST(replies_are_not_believed)
{
	struct oxi_page_result in = { .charset = "utf-8", .links = { "\4\1\0x", 4 }, .value = { "{}", 2 }, .blobs = { "\1\0\2\0\0\0nab", 9 } };
	struct oxi_page_result out;
	struct oxi_buffer b = { 0 };
	memset(in.digest, 'a', 64);
	oxi_page_result_write(&in, &b);
	for (size_t len = 0; len < b.len; len++)
		ck_assert_int_eq(oxi_page_result_read((ox_bytes){ b.data, len }, &out), OX_EPROTO);
	ck_assert_int_eq(oxi_page_result_read((ox_bytes){ b.data, b.len }, &out), 0);
	for (size_t at = 0; at < b.len; at++) {
		b.data[at] ^= (char)0xff;
		if (oxi_page_result_read((ox_bytes){ b.data, b.len }, &out) == 0) {
			struct oxi_page_link link;
			ox_bytes name, data;
			while (oxi_page_link_next(&out.links, &link) > 0)
				ck_assert_uint_lt(link.by, OXI_LINK_COUNT);
			while (oxi_page_blob_next(&out.blobs, &name, &data) > 0)
				ck_assert_uint_le(name.len + data.len, b.len);
		}
		b.data[at] ^= (char)0xff;
	}
	b.len = 0;
	in.value = (ox_bytes){ "{\n}", 3 };
	oxi_page_result_write(&in, &b);
	ck_assert_int_eq(oxi_page_result_read((ox_bytes){ b.data, b.len }, &out), OX_EPROTO);
	oxi_buffer_free(&b);
}
END_TEST

/* ---- --select ---- */

static struct oxi_select *selected;

static int run_select(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	return oxi_select_run(selected, out);
}

static void assert_select(const char *list, const char *html, const char *expected)
{
	struct oxi_buffer why = { 0 };
	struct oxi_crunch c = { .fn = run_select };
	ck_assert_int_eq(oxi_select_new(list, &selected, &why), 0);
	struct seen s = look(html, "", &c);
	oxi_select_free(selected);
	ck_assert_int_eq(s.result.crunch, 0);
	oxi_buffer_add(&why, s.result.value.data, s.result.value.len);
	oxi_buffer_add_char(&why, '\0');
	ck_assert_str_eq(why.data, expected);
	oxi_buffer_free(&why);
	done(&s);
}

START_TEST(select_gives_texts_and_what_expressions_are)
{
	static const char html[] = "<title>T &amp; t</title><h1>a<b>b</b></h1><h2 id=x>c</h2><h1>d</h1><p>e &eacute;";
	assert_select("title=//title,h=//h1|//h2", html, "{\"title\":[\"T & t\"],\"h\":[\"ab\",\"c\",\"d\"]}");
	assert_select("n = count(//h1) , t=string(//title), b=not(//h3),id=//h2/@id, p=//p", html,
	              "{\"n\":2,\"t\":\"T & t\",\"b\":true,\"id\":[\"x\"],\"p\":[\"e \303\251\"]}");
	assert_select("a=//h1[contains(.,',') or position()=2],b=concat('x',\"],'\")", html, "{\"a\":[\"d\"],\"b\":\"x],'\"}");
	assert_select("none=//h4,zero=1 div 0", html, "{\"none\":[],\"zero\":null}");
	assert_select("e=//*", "", "{\"e\":[]}");
	assert_select("c=//comment(),t=//p/text()", "<p>a<!-- b -->c", "{\"c\":[],\"t\":[\"ac\"]}");
}
END_TEST

START_TEST(names_have_no_namespace)
{
	assert_select("h=//h1,a=//a/@xml:lang,s=name(//svg/*)",
	              "<?xml version='1.0'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'><body><H1>x</H1><div/>"
	              "<svg xmlns='http://www.w3.org/2000/svg'><path/></svg></body></html>",
	              "{\"h\":[\"x\"],\"a\":[],\"s\":\"path\"}");
}
END_TEST

START_TEST(nothing_is_loaded_and_nothing_expanded)
{
	assert_select("p=//p[@id]", "<!DOCTYPE html SYSTEM 'http://127.0.0.1:1/x.dtd' [<!ENTITY a SYSTEM 'file:///etc/passwd'><!ENTITY b '&a;&a;'>]><p id=x>&a;&b;",
	              "{\"p\":[\"&a;&b;\"]}");
}
END_TEST

START_TEST(what_is_wrong_with_select_is_said_before_with_the_column)
{
	static const struct { const char *list, *why; } rows[] = {
		{ "", "column 1: give NAME=EXPRESSION" },
		{ "a=//b,", "column 7: give NAME=EXPRESSION" },
		{ "a=//b,=//c", "column 7: give NAME=EXPRESSION" },
		{ "a=//b,a=//c", "column 7: the name is there already" },
		{ "a=//b,c=//d[", "column 13: this is no XPath 1.0" },
		{ "a=//b,c=foo(1)", "column 9: there is no such function" },
		{ "a=//b[concat('x')]", "column 7: too few arguments" },
		{ "a=//b[true ( 1 )]", "column 7: too many arguments" },
		{ "a=substring('(,', string-length('a,b'), 2, 3)", "column 3: too many arguments" },
		{ "a=$x", "column 5: there are no variables" },
		{ "a=//x:b", "column 8: there are no prefixes: names have no namespace" },
		{ "a='b", "column 5: a quote is not closed" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct oxi_buffer why = { 0 };
		struct oxi_select *s = NULL;
		ck_assert_int_eq(oxi_select_new(rows[i].list, &s, &why), OX_EINVAL);
		oxi_buffer_add_char(&why, '\0');
		ck_assert_str_eq(why.data, rows[i].why);
		oxi_buffer_free(&why);
	}
}
END_TEST

START_TEST(functions_and_operators_are_told_apart)
{
	assert_select("a=//p[1 and (2)],b=4 div(2),c=//p/node(),d=boolean (//p)", "<p>x", "{\"a\":[\"x\"],\"b\":2,\"c\":[\"x\"],\"d\":true}");
}
END_TEST

START_TEST(a_wrong_type_fails_the_page_and_says_which)
{
	struct oxi_buffer why = { 0 };
	struct oxi_crunch c = { .fn = run_select };
	ck_assert_int_eq(oxi_select_new("n=//p[count('x')]", &selected, &why), 0);
	struct seen s = look("<p>x", "", &c);
	ck_assert_int_eq(s.result.crunch, OX_EINVAL);
	ck_assert_str_eq(s.result.reason, "--select n: something has a wrong type");
	ck_assert_uint_eq(s.result.value.len, 0);
	oxi_select_free(selected);
	done(&s);
}
END_TEST

static void assert_no_tree(const char *piece, size_t times)
{
	struct oxi_buffer html = { 0 }, why = { 0 };
	struct oxi_crunch c = { .fn = run_select };
	for (size_t i = 0; i < times; i++)
		oxi_buffer_add_text(&html, piece);
	oxi_buffer_add_char(&html, '\0');
	ck_assert_int_eq(oxi_select_new("n=count(//b)", &selected, &why), 0);
	struct seen s = look(html.data, "", &c);
	ck_assert_int_eq(s.result.parse, OX_ETOOBIG);
	ck_assert_str_eq(s.result.reason, "the page is too large or too deep for a tree");
	ck_assert_uint_gt(s.result.links.len, 0);
	oxi_select_free(selected);
	oxi_buffer_free(&html);
	done(&s);
}

START_TEST(a_tree_has_its_limits)
{
	assert_no_tree("<div><a href=x>", 1000);
	assert_no_tree("<a href=x></a>x", OXI_TREE_NODES / 2);
}
END_TEST

START_TEST(a_tree_may_be_deeper_than_libxml2_likes)
{
	struct oxi_buffer html = { 0 };
	for (int i = 0; i < 900; i++)
		oxi_buffer_add_text(&html, "<div>");
	oxi_buffer_add_char(&html, '\0');
	assert_select("n=count(//div)", html.data, "{\"n\":900}");
	oxi_buffer_free(&html);
}
END_TEST

/* ---- crunch functions ---- */

static struct oxi_page_result crunched(const char *html, ox_crunch_fn *fn, struct seen *s)
{
	struct oxi_crunch c = { .fn = fn, .references = true, .blobs = true };
	*s = look(html, "X-A\nb\nLink\n<h>; rel=next\n", &c);
	ck_assert_int_eq(s->r, 0);
	return s->result;
}

static void assert_value(const char *html, ox_crunch_fn *fn, const char *expected)
{
	struct seen s;
	struct oxi_page_result r = crunched(html, fn, &s);
	struct oxi_buffer value = { 0 };
	oxi_buffer_add(&value, r.value.data, r.value.len);
	oxi_buffer_add_char(&value, '\0');
	ck_assert_msg(r.crunch == 0, "%d: %s", r.crunch, r.reason);
	ck_assert_str_eq(value.data, expected);
	oxi_buffer_free(&value);
	done(&s);
}

static void assert_failure(ox_crunch_fn *fn, int code, const char *reason)
{
	struct seen s;
	struct oxi_page_result r = crunched("<a href=x>x</a>", fn, &s);
	ck_assert_int_eq(r.crunch, code);
	ck_assert_str_eq(r.reason, reason);
	ck_assert_uint_eq(r.value.len + r.blobs.len, 0);
	ck_assert_str_eq(s.links.data, "header:h|a:x|");
	done(&s);
}

static int emit_some(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	static const char json[] = " { \"a\" : [1,\n2] } ";
	ox_page_emit_json(out, json, strlen(json));
	ox_page_put_int(out, "n", 1);
	ox_page_emit_json(out, "\"x\"", 3);
	return 0;
}

static int emit_alone(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	ox_page_emit_json(out, "null", 4);
	return 7;
}

static int put_nothing(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	(void)out;
	return 0;
}

START_TEST(a_page_has_one_value_or_several)
{
	assert_value("", emit_some, "[{\"n\":1},{\"a\":[1,2]},\"x\"]");
	assert_value("", emit_alone, "[null]");
	assert_value("", put_nothing, "{}");
}
END_TEST

static int emit_no_json(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	ox_page_order_link(out, 1, OX_PAGE_DROP);
	ox_page_emit_link(out, "new", 3, OX_PAGE_NORMAL);
	ox_page_emit_blob(out, "b", "x", 1);
	ox_page_emit_json(out, "{]", 2);
	return 0;
}

static int end_too_often(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	ox_page_end(out);
	return 0;
}

static int put_too_much(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	for (int i = 0; i < 20000; i++)
		ox_page_put_string(out, "name", "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
	return 0;
}

static int refuse(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	(void)out;
	return OX_EBUSY;
}

static int emit_too_much(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	for (int i = 0; i <= OXI_BLOBS_MAX; i++)
		ox_page_emit_blob(out, "b", "x", 1);
	return 0;
}

static int order_none(const ox_page *page, ox_page_reply *out)
{
	ox_page_order_link(out, page->references_n, OX_PAGE_FIRST);
	return 0;
}

static int order_wrongly(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	ox_page_emit_link(out, "x", 1, (ox_page_order)9);
	return 0;
}

static int select_wrongly(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	const ox_page_node *const *list;
	return ox_page_select(out, NULL, "count(//a)", &list) == 0 && *list == NULL ? 0 : -1;
}

START_TEST(errors_are_kept_and_cost_the_value)
{
	assert_failure(emit_no_json, OX_EINVAL, "what was emitted is no JSON, or more than 1 MiB");
	assert_failure(end_too_often, OX_EINVAL, "objects and arrays: an end too many, or too many in one another");
	assert_failure(put_too_much, OX_ETOOBIG, "a value of more than 1 MiB");
	assert_failure(refuse, OX_EBUSY, "the function returned -16: busy: someone else is using it");
	assert_failure(emit_too_much, OX_ETOOBIG, "more than 64 blobs or 16 MiB of them");
	assert_failure(order_none, OX_EINVAL, "the page has no such link");
	assert_failure(order_wrongly, OX_EINVAL, "there is no such order of a link");
	assert_failure(select_wrongly, OX_EINVAL, "the expression gives no nodes");
}
END_TEST

static int two_blobs(const ox_page *page, ox_page_reply *out)
{
	ox_page_emit_blob(out, "body", page->body.data, page->body.len);
	ox_page_emit_blob(out, "", NULL, 0);
	return 0;
}

START_TEST(blobs_come_through)
{
	struct seen s;
	struct oxi_page_result r = crunched("a\nb", two_blobs, &s);
	ox_bytes name, data;
	ck_assert_int_eq(oxi_page_blob_next(&r.blobs, &name, &data), 1);
	ck_assert_uint_eq(name.len, 4);
	ck_assert_uint_eq(data.len, 3);
	ck_assert_int_eq(memcmp(data.data, "a\nb", 3), 0);
	ck_assert_int_eq(oxi_page_blob_next(&r.blobs, &name, &data), 1);
	ck_assert_uint_eq(name.len + data.len, 0);
	ck_assert_int_eq(oxi_page_blob_next(&r.blobs, &name, &data), 0);
	done(&s);
	struct oxi_crunch c = { .fn = two_blobs };
	s = look("a", "", &c);
	ck_assert_str_eq(s.result.reason, "blobs have no folder: give --blobs or --run");
	done(&s);
}
END_TEST

static int change_links(const ox_page *page, ox_page_reply *out)
{
	ox_page_put_int(out, "links", (int64_t)page->links_n);
	ox_page_begin_array(out, "by");
	for (size_t i = 0; i < page->references_n; i++) {
		const ox_page_link *l = &page->references[i];
		ox_page_put_string(out, NULL, l->by, strlen(l->by));
		if (memcmp(l->url.data, "no", 2) == 0)
			ox_page_order_link(out, i, OX_PAGE_DROP);
		if (memcmp(l->url.data, "go", 2) == 0)
			ox_page_order_link(out, i, OX_PAGE_FIRST);
	}
	ox_page_end(out);
	ox_page_emit_link(out, "new?a=\303\251#f", 10, OX_PAGE_FIRST);
	ox_page_emit_link(out, "new", 3, OX_PAGE_NORMAL);
	ox_page_emit_link(out, "gone", 4, OX_PAGE_DROP);
	ox_page_emit_link(out, "", 0, OX_PAGE_NORMAL);
	ox_page_put_string(out, "header", page->headers[0].value, strlen(page->headers[0].value));
	return 0;
}

START_TEST(links_are_added_dropped_and_put_first)
{
	static const char html[] = "<base href=/><a href=no><a href=go><img src=im>";
	struct seen s;
	crunched(html, change_links, &s);
	ck_assert_str_eq(s.links.data, "header:h|base:/|crunch*:new?a=\303\251|crunch:new|a*:go|img:im|");
	done(&s);
	assert_value(html, change_links, "{\"links\":3,\"by\":[\"header\",\"a\",\"a\",\"img\"],\"header\":\"b\"}");
}
END_TEST

static int walk(const ox_page *page, ox_page_reply *out)
{
	(void)page;
	const ox_page_node *const *list;
	size_t n = ox_page_select(out, NULL, "//li", &list);
	ox_page_put_int(out, "n", (int64_t)n);
	for (size_t i = 0; i < n; i++)
		ox_page_put_string(out, "li", ox_page_node_text(out, list[i]).data, ox_page_node_text(out, list[i]).len);
	if (ox_page_select(out, list[0], "./b/@id", &list) == 1)
		ox_page_put_string(out, "id", ox_page_node_text(out, list[0]).data, ox_page_node_text(out, list[0]).len);
	const ox_page_node *html = ox_page_root(out), *body = ox_page_node_child(out, html), *ul = ox_page_node_child(out, body);
	ox_page_put_string(out, "path", ox_page_node_name(out, ul), strlen(ox_page_node_name(out, ul)));
	ox_page_put_bool(out, "parent", ox_page_node_parent(out, ul) == body && !ox_page_node_parent(out, html));
	const ox_page_node *li = ox_page_node_child(out, ul), *text = ox_page_node_child(out, li);
	ox_page_put_bool(out, "text", !ox_page_node_name(out, text) && !ox_page_node_child(out, text));
	ox_page_put_string(out, "class", ox_page_node_attribute(out, ul, "class"), 1);
	ox_page_put_bool(out, "none", !ox_page_node_attribute(out, ul, "id") && !ox_page_node_next(out, NULL) && !ox_page_node_attribute(out, NULL, "x"));
	ox_page_put_bool(out, "next", ox_page_node_next(out, li) && !ox_page_node_next(out, ox_page_node_next(out, li)));
	return 0;
}

START_TEST(a_page_is_a_tree)
{
	assert_value("<ul class=c hidden><li>x<!-- y --><b id=i>z</b></li><li></li></ul>", walk,
	             "{\"n\":2,\"li\":\"xz\",\"li\":\"\",\"id\":\"i\",\"path\":\"ul\",\"parent\":true,\"text\":true,\"class\":\"c\","
	             "\"none\":true,\"next\":true}");
}
END_TEST

/* ---- without memory ---- */

static int do_all(const ox_page *page, ox_page_reply *out)
{
	change_links(page, out);
	emit_some(page, out);
	two_blobs(page, out);
	const ox_page_node *const *list;
	ox_page_select(out, NULL, "//a|//p", &list);
	for (; *list; list++)
		ox_page_put_string(out, "text", ox_page_node_text(out, *list).data, ox_page_node_text(out, *list).len);
	return oxi_select_run(selected, out);
}

START_TEST(every_allocation_fails_once)
{
	static const char html[] = "<meta charset=windows-1251><title>t</title><base href=/><a href='x?\317=1#y'>\317</a><p style='a:url(b)'>"
	                           "<style>c{d:url(e)}</style><img srcset='f 1x,g 2x'>";
	struct oxi_buffer why = { 0 };
	struct oxi_crunch c = { .fn = do_all, .references = true, .blobs = true };
	struct oxi_page_input in = { .url = "http://a.test/", .type = "text/html", .status = 200, .body = { html, sizeof(html) - 1 },
	                             .headers = { "Link\0<h>; rel=next\0", 19 } };
	void *job = aligned_alloc(16, (oxi_page_input_size(&in) + 15) & ~(size_t)15);
	oxi_page_input_write(&in, job);
	oxi_page_setup(&c, 0);
	ck_assert_int_eq(oxi_select_new("t=//title,n=count(//a)", &selected, &why), 0);
	size_t whole = 0;
	for (size_t n = 1;; n++) {
		struct oxi_buffer reply = { 0 };
		struct oxi_page_result result;
		made = 0;
		fail_at = n;
		int r = oxi_look(job, true, &reply);
		fail_at = 0;
		ck_assert_msg(r == 0 || r == OX_ENOMEM, "with allocation %zu failing: %d", n, r);
		if (r == 0) {
			ck_assert_int_eq(oxi_page_result_read((ox_bytes){ reply.data, reply.len }, &result), 0);
			ck_assert_msg(result.crunch == 0 || result.crunch == OX_ENOMEM, "with allocation %zu failing: %s", n, result.reason);
			ck_assert_int_eq(result.parse, 0);
		}
		whole = made < n ? reply.len : 0;
		oxi_buffer_free(&reply);
		if (made < n)
			break;
	}
	ck_assert_uint_gt(whole, 0);
	ck_assert_uint_gt(made, 30);
	oxi_select_free(selected);
	free(job);
}
END_TEST

START_TEST(select_is_read_without_memory_too)
{
	for (size_t n = 1;; n++) {
		struct oxi_buffer why = { 0 };
		struct oxi_select *s = NULL;
		made = 0;
		fail_at = n;
		int r = oxi_select_new("t=//title,n=count(//a)", &s, &why);
		fail_at = 0;
		ck_assert_msg(r == 0 || r == OX_ENOMEM, "with allocation %zu failing: %d", n, r);
		ck_assert(r == 0 || !s);
		oxi_select_free(s);
		oxi_buffer_free(&why);
		if (made < n)
			return;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("page");
	TCase *c = new_case(s, "page", 120);
	tcase_add_test(c, links_come_in_the_order_in_which_they_are_resolved);
	tcase_add_test(c, requisites_are_left_out_where_nobody_wants_them);
	tcase_add_test(c, style_sheets_are_read);
	tcase_add_test(c, headers_have_a_say);
	tcase_add_test(c, replies_are_not_believed);
	tcase_add_test(c, select_gives_texts_and_what_expressions_are);
	tcase_add_test(c, names_have_no_namespace);
	tcase_add_test(c, nothing_is_loaded_and_nothing_expanded);
	tcase_add_test(c, what_is_wrong_with_select_is_said_before_with_the_column);
	tcase_add_test(c, functions_and_operators_are_told_apart);
	tcase_add_test(c, a_wrong_type_fails_the_page_and_says_which);
	tcase_add_test(c, a_tree_has_its_limits);
	tcase_add_test(c, a_tree_may_be_deeper_than_libxml2_likes);
	tcase_add_test(c, a_page_has_one_value_or_several);
	tcase_add_test(c, errors_are_kept_and_cost_the_value);
	tcase_add_test(c, blobs_come_through);
	tcase_add_test(c, links_are_added_dropped_and_put_first);
	tcase_add_test(c, a_page_is_a_tree);
	tcase_add_test(c, every_allocation_fails_once);
	tcase_add_test(c, select_is_read_without_memory_too);
	return run_suite(s);
}
