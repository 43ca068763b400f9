/* SPDX-License-Identifier: MIT */
/*
 * Input:  struct head, URL and NUL, Content-Type and NUL, padding to 16 bytes, body.
 * Reply:  struct tail, links (kind byte, length as 2 bytes, text), value, words.
 *
 * Both ends are one program on one machine, so numbers are in its own byte order. The worker reads its input
 * without checks, for the main process made it; the main process checks every length of the reply.
 *
 * Links are unique within a page: a manual's pages name the same twenty chapters hundreds of times, and
 * resolving a URL costs the main process more than a look into a hash set costs a worker.
 */
#include "cli/crawl/page.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/crawl/charset.h"
#include "cli/crawl/digest.h"
#include "cli/crawl/directive.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/sitemap.h"
#include "cli/crawl/url.h"
#include "cli/crawl/words.h"

#define LINK_BYTES_MAX OX_MIB(4)
#define TITLE_MAX      OX_KIB(16)

struct head {
	uint64_t body_len;
	uint32_t url_len, type_len;
	int32_t status;
	uint8_t sitemap, obeys, directives;
};

struct tail {
	uint32_t links, value, words;   /* bytes of each */
	int32_t parse, crunch;
	uint32_t directives;
	char charset[OXI_CHARSET_MAX];  /* ends with a NUL */
	char digest[64];
};

/* ---- input ---- */

static size_t body_offset(size_t url_len, size_t type_len)
{
	return (sizeof(struct head) + url_len + 1 + type_len + 1 + 15) & ~(size_t)15;
}

static size_t length_of(const char *text)
{
	return text ? strlen(text) : 0;
}

size_t oxi_page_input_size(const struct oxi_page_input *in)
{
	return body_offset(strlen(in->url), length_of(in->type)) + in->body.len;
}

void oxi_page_input_write(const struct oxi_page_input *in, void *to)
{
	struct head h = {
		.body_len = in->body.len, .url_len = (uint32_t)strlen(in->url),
		.type_len = (uint32_t)length_of(in->type), .status = in->status, .sitemap = in->sitemap,
		.obeys = in->obeys, .directives = (uint8_t)in->directives,
	};
	char *p = to;
	size_t body = body_offset(h.url_len, h.type_len);
	memset(p, 0, body);
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), in->url, h.url_len);
	if (in->type)
		memcpy(p + sizeof(h) + h.url_len + 1, in->type, h.type_len);
	if (in->body.len)
		memcpy(p + body, in->body.data, in->body.len);
}

/* ---- the worker ---- */

static struct oxi_crunch chosen;        /* as it was when the workers were forked */

struct parsed {
	struct oxi_buffer links, text, title, utf8, link;
	struct oxi_seen seen;
	size_t n, links_max;
	unsigned directives;
	bool obeys;
	char charset[OXI_CHARSET_MAX];
};

static void take_link(void *arg, enum oxi_link kind, const char *url, size_t len)
{
	struct parsed *p = arg;
	if (kind == OXI_LINK_UNVOUCHED && p->obeys)
		return;
	const char *fragment = memchr(url, '#', len);
	if (fragment)
		len = (size_t)(fragment - url);
	if (p->charset[0] && memchr(url, '?', len)) {
		p->link.len = 0;
		if (oxi_charset_encode_query(p->charset, url, len, &p->link) < 0)
			return;
		url = p->link.data;
		len = p->link.len;
	}
	if (len == 0 || len > OXI_URL_MAX || p->n == p->links_max || p->links.len > LINK_BYTES_MAX)
		return;
	struct oxi_key key = oxi_key_of(url, len);
	key.a ^= kind == OXI_LINK_BASE;
	if (oxi_seen_add(&p->seen, key) <= 0)
		return;
	uint16_t size = (uint16_t)len;
	oxi_buffer_add_char(&p->links, (char)kind);
	oxi_buffer_add(&p->links, &size, sizeof(size));
	oxi_buffer_add(&p->links, url, len);
	p->n++;
}

static void take_text(void *arg, const char *text, size_t len)
{
	struct parsed *p = arg;
	oxi_buffer_add(&p->text, text, len);
}

bool oxi_page_is_html(const char *type)
{
	static const char *const types[] = { "text/html", "application/xhtml+xml" };
	size_t len = type ? strcspn(type, "; \t") : 0;
	if (len == 0)
		return true;
	for (size_t i = 0; i < 2; i++) {
		if (strlen(types[i]) == len && strncasecmp(type, types[i], len) == 0)
			return true;
	}
	return false;
}

static void take_title(void *arg, const char *text, size_t len)
{
	struct parsed *p = arg;
	if (p->title.len + len <= TITLE_MAX)
		oxi_buffer_add(&p->title, text, len);
}

static void take_robots(void *arg, unsigned directives)
{
	struct parsed *p = arg;
	p->directives |= directives;
}

static int parse(const ox_page *page, struct parsed *p)
{
	size_t skip;
	oxi_charset_find(page->body.data, page->body.len, page->type, p->charset, &skip);
	const char *data = (const char *)page->body.data + skip;
	size_t len = page->body.len - skip;
	struct oxi_html_sink sink = { take_link, take_text, take_title, take_robots, p };
	int r = oxi_charset_decode(p->charset, data, len, &p->utf8);
	if (r == 0)
		r = oxi_html_parse(p->utf8.data, p->utf8.len, &sink);
	oxi_buffer_add_char(&p->text, '\0');
	oxi_buffer_add_char(&p->title, '\0');
	return r < 0 ? r : p->links.failed || p->text.failed || p->title.failed ? OX_ENOMEM : 0;
}

static int read_sitemap(const ox_page *page, struct parsed *p)
{
	struct oxi_html_sink sink = { take_link, take_text, take_title, take_robots, p };
	int r = oxi_sitemap_read(page->body.data, page->body.len, &sink);
	return p->links.failed ? OX_ENOMEM : r;
}

static int reply_with(ox_reply *out, struct tail *t, const struct parsed *p, const struct oxi_buffer *value,
                      const struct oxi_buffer *words)
{
	t->links = (uint32_t)p->links.len;
	t->value = (uint32_t)value->len;
	t->words = (uint32_t)words->len;
	int r = ox_reply_write(out, t, sizeof(*t));
	if (r >= 0)
		r = ox_reply_write(out, p->links.data, p->links.len);
	if (r >= 0)
		r = ox_reply_write(out, value->data, value->len);
	return r < 0 ? r : ox_reply_write(out, words->data, words->len);
}

/* The links as a plugin sees them. Returns how many; *ret is the caller's to free. */
static size_t list_links(const struct parsed *p, ox_bytes **ret)
{
	ox_bytes *list = malloc((p->n + 1) * sizeof(*list)), left = { p->links.data, p->links.len }, link;
	enum oxi_link kind;
	size_t n = 0;
	while (list && oxi_page_link_next(&left, &kind, &link) > 0) {
		if (kind != OXI_LINK_BASE)
			list[n++] = link;
	}
	*ret = list;
	return n;
}

static void crunch_page(ox_page *page, const struct parsed *p, struct tail *t, struct oxi_buffer *value,
                        struct oxi_buffer *words)
{
	ox_bytes *links;
	page->text = (ox_bytes){ p->text.data, p->text.len - 1 };
	page->title = (ox_bytes){ p->title.data, p->title.len - 1 };
	page->charset = p->charset;
	page->links_n = list_links(p, &links);
	page->links = links;
	t->crunch = links ? oxi_crunch_call(&chosen, page, value) : OX_ENOMEM;
	free(links);
	if (t->crunch < 0)
		value->len = 0;
	else if (chosen.words)
		oxi_words_pack(oxi_crunch_words(), words);
}

/* Parses and crunches as far as the page and its headers allow. */
static void look_at(const struct head *h, ox_page *page, struct parsed *p, bool with_crunch, struct tail *t,
                    struct oxi_buffer *value, struct oxi_buffer *words)
{
	if (h->sitemap) {
		t->parse = read_sitemap(page, p);
		return;
	}
	bool html = oxi_page_is_html(page->type);
	t->parse = html ? parse(page, p) : 0;
	t->directives = h->directives | (h->obeys ? p->directives : 0);
	if (html && with_crunch && chosen.fn && t->parse == 0 && !(t->directives & OXI_NOINDEX))
		crunch_page(page, p, t, value, words);
	if (t->directives & OXI_NOFOLLOW)
		p->links.len = 0;
	memcpy(t->charset, p->charset, sizeof(t->charset));
}

static int work(const void *in, ox_reply *out, bool with_crunch)
{
	const struct head *h = in;
	const char *url = (const char *)(h + 1);
	ox_page page = {
		.size = sizeof(page), .url = url, .status = h->status, .type = url + h->url_len + 1,
		.body = { (const char *)in + body_offset(h->url_len, h->type_len), h->body_len },
	};
	struct tail t = { 0 };
	struct parsed p = { .obeys = h->obeys, .links_max = h->sitemap ? OXI_SITEMAP_URLS : OXI_PAGE_LINKS_MAX };
	struct oxi_buffer value = { 0 }, words = { 0 };
	char digest[65];
	oxi_digest_hex(page.body.data, page.body.len, digest);
	memcpy(t.digest, digest, sizeof(t.digest));
	look_at(h, &page, &p, with_crunch, &t, &value, &words);
	int r = words.failed ? OX_ENOMEM : reply_with(out, &t, &p, &value, &words);
	oxi_buffer_free(&p.links);
	oxi_buffer_free(&p.link);
	oxi_buffer_free(&p.text);
	oxi_buffer_free(&p.title);
	oxi_buffer_free(&p.utf8);
	oxi_seen_free(&p.seen);
	oxi_buffer_free(&value);
	oxi_buffer_free(&words);
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
}

void oxi_page_setup(const struct oxi_crunch *crunch, ox_time crunch_timeout)
{
	chosen = *crunch;
	oxi_page_job.timeout = crunch_timeout;
	oxi_page_links_job.timeout = crunch_timeout;
}

/* ---- reply ---- */

int oxi_page_result_read(ox_bytes reply, struct oxi_page_result *ret)
{
	struct tail t;
	if (reply.len < sizeof(t))
		return OX_EPROTO;
	memcpy(&t, reply.data, sizeof(t));
	if ((uint64_t)t.links + t.value + t.words != reply.len - sizeof(t) || t.value > 2 * OXI_VALUE_MAX ||
	    !memchr(t.charset, '\0', sizeof(t.charset)))
		return OX_EPROTO;
	for (size_t i = 0; i < sizeof(t.digest); i++) {
		if (!memchr("0123456789abcdef", t.digest[i], 16))
			return OX_EPROTO;
	}
	const char *p = (const char *)reply.data + sizeof(t);
	*ret = (struct oxi_page_result){
		.parse = t.parse, .crunch = t.crunch, .directives = t.directives,
		.links = { p, t.links },
		.value = { p + t.links, t.value },
		.words = { p + t.links + t.value, t.words },
	};
	memcpy(ret->charset, t.charset, sizeof(ret->charset));
	memcpy(ret->digest, t.digest, sizeof(t.digest));
	return 0;
}

int oxi_page_link_next(ox_bytes *links, enum oxi_link *ret_kind, ox_bytes *ret_url)
{
	const char *p = links->data;
	uint16_t len;
	if (links->len == 0)
		return 0;
	if (links->len < 1 + sizeof(len))
		return OX_EPROTO;
	memcpy(&len, p + 1, sizeof(len));
	size_t size = 1 + sizeof(len) + len;
	if (links->len < size)
		return OX_EPROTO;
	*ret_kind = *p == OXI_LINK_BASE || *p == OXI_LINK_SITEMAP ? (enum oxi_link)*p : OXI_LINK_PAGE;
	*ret_url = (ox_bytes){ p + 1 + sizeof(len), len };
	*links = (ox_bytes){ p + size, links->len - size };
	return 1;
}
