/* SPDX-License-Identifier: MIT */
/*
 * Links are unique within a page: a manual's pages name the same twenty chapters hundreds of times, and
 * resolving a URL costs the main process more than a look into a hash set costs a worker.
 *
 * They go out in the order in which they are to be resolved: those of the headers, which are relative to the URL
 * of the page; then its <base>, wherever that stands; what the crunch function has added; then the page's own.
 */
#include "cli/crawl/look.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/crawl/charset.h"
#include "cli/crawl/css.h"
#include "cli/crawl/digest.h"
#include "cli/crawl/directive.h"
#include "cli/crawl/html.h"
#include "cli/crawl/page.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/sitemap.h"
#include "cli/crawl/url.h"
#include "cli/crawl/words.h"

#define LINK_BYTES_MAX OX_MIB(4)
#define TITLE_MAX      OX_KIB(16)

static struct oxi_crunch chosen;        /* as it was when the workers were forked */

struct look {
	struct oxi_page_input in;
	struct oxi_buffer before, links, added; /* links of the headers and the base; of the page; of the crunch function */
	struct oxi_buffer text, title, html, encoded;
	struct oxi_seen seen;
	size_t n[2], links_max;         /* links to pages, to requisites */
	bool in_headers, has_base, failed;
	unsigned directives;
	char charset[OXI_CHARSET_MAX];
	/* What the crunch function sees; the arrays have as many members as the page. */
	ox_page page;
	struct ref {
		char *kind;             /* its byte in before or links */
		unsigned char was;
	} *ref;
	ox_page_link *references;
	ox_bytes *page_links;
	ox_page_header *headers;
};

/* ---- links ---- */

/* A link is known by its text, what it is for, and what it is relative to. */
static bool is_new(struct look *l, enum oxi_link by, const char *url, size_t len)
{
	struct oxi_key key = oxi_key_of(url, len);
	key.a ^= (unsigned)oxi_link_use(by) | (l->in_headers ? 8u : 0u);
	int r = oxi_seen_add(&l->seen, key);
	l->failed |= r < 0;
	return r > 0;
}

static bool has_room(const struct look *l, enum oxi_link_use use)
{
	return l->before.len + l->links.len + l->added.len <= LINK_BYTES_MAX && l->n[use == OXI_USE_REQUISITE] < l->links_max;
}

static void put_link(struct look *l, enum oxi_link by, const char *url, size_t len)
{
	enum oxi_link_use use = oxi_link_use(by);
	if (use == OXI_USE_BASE && l->has_base)
		return;
	if (len == 0 || len > OXI_URL_MAX || !has_room(l, use) || !is_new(l, by, url, len))
		return;
	struct oxi_page_link link = { .by = by, .url = { url, len } };
	oxi_page_link_add(l->in_headers || use == OXI_USE_BASE ? &l->before : &l->links, &link);
	l->has_base |= use == OXI_USE_BASE;
	l->n[use == OXI_USE_REQUISITE] += use != OXI_USE_BASE;
}

/* What stands in the text itself leads nowhere. */
static bool is_data(const char *url, size_t len)
{
	return len >= 5 && strncasecmp(url, "data:", 5) == 0;
}

static void take_link(void *arg, enum oxi_link by, bool unvouched, const char *url, size_t len)
{
	struct look *l = arg;
	if ((unvouched && l->in.obeys) || is_data(url, len) || (oxi_link_use(by) == OXI_USE_REQUISITE && !chosen.references))
		return;
	const char *fragment = memchr(url, '#', len);
	if (fragment)
		len = (size_t)(fragment - url);
	if (l->charset[0] && memchr(url, '?', len)) {
		l->encoded.len = 0;
		if (oxi_charset_encode_query(l->charset, url, len, &l->encoded) < 0) {
			l->failed = true;
			return;
		}
		url = l->encoded.data;
		len = l->encoded.len;
	}
	put_link(l, by, url, len);
}

static void take_text(void *arg, const char *text, size_t len)
{
	struct look *l = arg;
	oxi_buffer_add(&l->text, text, len);
}

static void take_title(void *arg, const char *text, size_t len)
{
	struct look *l = arg;
	if (l->title.len + len <= TITLE_MAX)
		oxi_buffer_add(&l->title, text, len);
}

static void take_robots(void *arg, unsigned directives)
{
	struct look *l = arg;
	l->directives |= directives;
}

/* ---- parsing ---- */

/* Makes a list of the headers, and takes what they say. */
static int read_headers(struct look *l)
{
	const char *p = l->in.headers.data, *end = p + l->in.headers.len;
	size_t n = 0;
	for (const char *c = p; c < end; c++)
		n += *c == '\0';
	ox_page_header *list = calloc(n / 2 + 1, sizeof(*list));
	if (!list)
		return OX_ENOMEM;
	l->headers = list;
	l->page.headers = list;
	for (; p < end; l->page.headers_n++) {
		ox_page_header *h = &list[l->page.headers_n];
		h->name = p;
		h->value = h->name + strlen(h->name) + 1;
		p = h->value + strlen(h->value) + 1;
		if (strcasecmp(h->name, "X-Robots-Tag") == 0)
			l->directives |= oxi_directives_of_header(h->value);
		else if (strcasecmp(h->name, "Link") == 0)
			oxi_link_header(h->value, take_link, l);
		else if (strcasecmp(h->name, "Refresh") == 0)
			oxi_link_refresh(h->value, take_link, l);
	}
	return 0;
}

/* The body as UTF-8. */
static int decode(struct look *l)
{
	size_t skip;
	oxi_charset_find(l->in.body.data, l->in.body.len, l->in.type, l->charset, &skip);
	return oxi_charset_decode(l->charset, (const char *)l->in.body.data + skip, l->in.body.len - skip, &l->html);
}

static int parse_html(struct look *l)
{
	struct oxi_html_sink sink = { take_link, take_text, take_title, take_robots, chosen.references, l };
	int r = decode(l);
	if (r == 0)
		r = oxi_html_parse(l->html.data, l->html.len, &sink);
	return r;
}

static int parse_css(struct look *l)
{
	int r = decode(l);
	if (r == 0 && l->html.len)
		oxi_css_links(l->html.data, l->html.len, take_link, l);
	return r;
}

static int parse(struct look *l)
{
	struct oxi_html_sink sink = { .link = take_link, .arg = l };
	if (l->in.sitemap)
		return oxi_sitemap_read(l->in.body.data, l->in.body.len, &sink);
	l->in_headers = true;
	int r = read_headers(l);
	l->in_headers = false;
	if (r == 0 && oxi_page_is_html(l->in.type))
		r = parse_html(l);
	else if (r == 0 && chosen.references && oxi_page_is_css(l->in.type))
		r = parse_css(l);
	l->directives = l->in.obeys ? l->directives : 0;
	return r;
}

/* ---- the crunch function ---- */

static void list_links_of(struct look *l, struct oxi_buffer *links)
{
	ox_bytes left = { links->data, links->len };
	struct oxi_page_link link;
	while (left.len > 0) {
		char *kind = links->data + (links->len - left.len);
		oxi_page_link_next(&left, &link);
		if (link.by == OXI_LINK_BASE)
			continue;
		int requisite = oxi_link_use(link.by) == OXI_USE_REQUISITE;
		l->ref[l->page.references_n] = (struct ref){ kind, (unsigned char)*kind };
		l->references[l->page.references_n++] = (ox_page_link){ link.url, oxi_link_name(link.by), requisite };
		if (!requisite)
			l->page_links[l->page.links_n++] = link.url;
	}
}

static int list_links(struct look *l)
{
	size_t n = l->n[0] + l->n[1] + 1;
	l->ref = calloc(n, sizeof(*l->ref));
	l->references = calloc(n, sizeof(*l->references));
	l->page_links = calloc(n, sizeof(*l->page_links));
	if (!l->ref || !l->references || !l->page_links)
		return OX_ENOMEM;
	list_links_of(l, &l->before);
	list_links_of(l, &l->links);
	l->page.links = l->page_links;
	l->page.references = l->references;
	return 0;
}

/* Whether it is known already is not looked at: it may have to come before that one. */
static void add_link(void *arg, const char *url, size_t len, bool first)
{
	struct look *l = arg;
	const char *fragment = len ? memchr(url, '#', len) : NULL;
	struct oxi_page_link link = { OXI_LINK_CRUNCH, first, { url, fragment ? (size_t)(fragment - url) : len } };
	if (link.url.len == 0 || link.url.len > OXI_URL_MAX || !has_room(l, OXI_USE_PAGE))
		return;
	oxi_page_link_add(&l->added, &link);
	l->n[0]++;
}

static void order_link(void *arg, size_t i, ox_page_order order)
{
	const struct look *l = arg;
	const struct ref *ref = &l->ref[i];
	*ref->kind = order == OX_PAGE_DROP ? OXI_LINK_START : (char)(ref->was | (order == OX_PAGE_FIRST ? OXI_PAGE_LINK_FIRST : 0));
}

static void crunch(struct look *l, struct oxi_page_result *result, struct oxi_crunched *crunched)
{
	struct oxi_reply_links links = { add_link, order_link, l };
	oxi_buffer_add_char(&l->text, '\0');
	oxi_buffer_add_char(&l->title, '\0');
	oxi_buffer_add_char(&l->html, '\0');
	l->failed |= l->text.failed || l->title.failed || l->html.failed || list_links(l) < 0;
	if (l->failed)
		return;
	l->page.size = sizeof(l->page);
	l->page.url = l->in.url;
	l->page.status = l->in.status;
	l->page.type = l->in.type;
	l->page.body = l->in.body;
	l->page.text = (ox_bytes){ l->text.data, l->text.len - 1 };
	l->page.title = (ox_bytes){ l->title.data, l->title.len - 1 };
	l->page.html = (ox_bytes){ l->html.data, l->html.len - 1 };
	l->page.charset = l->charset;
	result->crunch = oxi_crunch_call(&chosen, &l->page, &links, crunched);
	if (result->crunch == 0)
		return;
	l->added.len = 0;
	for (size_t i = 0; i < l->page.references_n; i++)
		order_link(l, i, OX_PAGE_NORMAL);
}

/* ---- the whole ---- */

/* Those that the crunch function has dropped are left out. */
static void collect_links(const struct oxi_buffer *from, struct oxi_buffer *to)
{
	ox_bytes left = { from->data, from->len };
	struct oxi_page_link link;
	while (oxi_page_link_next(&left, &link) > 0) {
		if (link.by != OXI_LINK_START)
			oxi_page_link_add(to, &link);
	}
}

static int reply(struct look *l, bool with_crunch, struct oxi_buffer *to)
{
	struct oxi_page_result result = { 0 };
	struct oxi_crunched crunched = { 0 };
	struct oxi_buffer words = { 0 }, links = { 0 };
	oxi_digest_hex(l->in.body.data, l->in.body.len, result.digest);
	result.parse = parse(l);
	result.directives = l->directives;
	bool is_page = !l->in.sitemap && oxi_page_is_html(l->in.type);
	if (is_page && with_crunch && chosen.fn && result.parse == 0 && !(l->directives & OXI_NOINDEX))
		crunch(l, &result, &crunched);
	if (chosen.words && with_crunch && is_page && result.crunch == 0 && crunched.value.len)
		oxi_words_pack(oxi_crunch_words(), &words);
	if (crunched.no_tree)
		result.parse = OX_ETOOBIG;
	if (!(l->directives & OXI_NOFOLLOW)) {
		collect_links(&l->before, &links);
		collect_links(&l->added, &links);
		collect_links(&l->links, &links);
	}
	memcpy(result.charset, l->charset, sizeof(result.charset));
	memcpy(result.reason, crunched.reason, sizeof(result.reason));
	result.links = (ox_bytes){ links.data, links.len };
	result.value = (ox_bytes){ crunched.value.data, crunched.value.len };
	result.blobs = (ox_bytes){ crunched.blobs.data, crunched.blobs.len };
	result.words = (ox_bytes){ words.data, words.len };
	l->failed |= result.parse == OX_ENOMEM || words.failed || links.failed || l->before.failed || l->links.failed || l->added.failed;
	if (!l->failed)
		oxi_page_result_write(&result, to);
	oxi_crunched_free(&crunched);
	oxi_buffer_free(&words);
	oxi_buffer_free(&links);
	return l->failed || to->failed ? OX_ENOMEM : 0;
}

int oxi_look(const void *in, bool with_crunch, struct oxi_buffer *to)
{
	struct look l = { 0 };
	oxi_page_input_read(in, &l.in);
	l.links_max = l.in.sitemap ? OXI_SITEMAP_URLS : OXI_PAGE_LINKS_MAX;
	int r = reply(&l, with_crunch, to);
	oxi_buffer_free(&l.before);
	oxi_buffer_free(&l.links);
	oxi_buffer_free(&l.added);
	oxi_buffer_free(&l.text);
	oxi_buffer_free(&l.title);
	oxi_buffer_free(&l.html);
	oxi_buffer_free(&l.encoded);
	oxi_seen_free(&l.seen);
	free(l.ref);
	free(l.references);
	free(l.page_links);
	free(l.headers);
	return r;
}

static int work(const void *in, ox_reply *out, bool with_crunch)
{
	struct oxi_buffer b = { 0 };
	int r = oxi_look(in, with_crunch, &b);
	if (r == 0)
		r = ox_reply_write(out, b.data, b.len);
	oxi_buffer_free(&b);
	return r;
}

static int page_job(const void *in, size_t len, ox_reply *out)
{
	(void)len;
	return work(in, out, true);
}

static int links_job(const void *in, size_t len, ox_reply *out)
{
	(void)len;
	return work(in, out, false);
}

ox_job oxi_page_job = { .size = sizeof(ox_job), .name = "page", .fn = page_job };
ox_job oxi_page_links_job = { .size = sizeof(ox_job), .name = "links", .fn = links_job };

void oxi_page_prepare(void)
{
	char digest[65];
	oxi_digest_hex("", 0, digest);
	oxi_html_prepare();
	oxi_charset_prepare();
	oxi_reply_prepare();
}

void oxi_page_setup(const struct oxi_crunch *crunch, ox_time crunch_timeout)
{
	chosen = *crunch;
	oxi_page_job.timeout = crunch_timeout;
	oxi_page_links_job.timeout = crunch_timeout;
}
