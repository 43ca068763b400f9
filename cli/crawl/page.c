/* SPDX-License-Identifier: MIT */
/*
 * Input:  struct head, URL, Content-Type, headers, a NUL behind each, padding to 16 bytes, body.
 * Reply:  struct tail, links (kind byte, length as 2 bytes, text), value, blobs, words.
 *
 * Both ends are one program on one machine, so numbers are in its own byte order. The worker reads its input
 * without checks, for the main process made it; the main process checks every length of the reply.
 */
#include "cli/crawl/page.h"

#include <string.h>
#include <strings.h>

#include "cli/crawl/reply.h"

struct head {
	uint64_t body_len;
	uint32_t url_len, type_len, headers_len;
	int32_t status;
	uint8_t sitemap, obeys;
};

struct tail {
	uint32_t links, value, blobs, words;    /* bytes of each */
	int32_t parse, crunch;
	uint32_t directives;
	char charset[OXI_CHARSET_MAX], reason[OXI_PAGE_REASON_MAX];     /* end with a NUL */
	char digest[64];
};

/* ---- input ---- */

static size_t body_offset(const struct head *h)
{
	return (sizeof(*h) + h->url_len + 1 + h->type_len + 1 + h->headers_len + 1 + 15) & ~(size_t)15;
}

static struct head head_of(const struct oxi_page_input *in)
{
	return (struct head){
		.body_len = in->body.len, .url_len = (uint32_t)strlen(in->url), .type_len = in->type ? (uint32_t)strlen(in->type) : 0,
		.headers_len = (uint32_t)in->headers.len, .status = in->status, .sitemap = in->sitemap, .obeys = in->obeys,
	};
}

size_t oxi_page_input_size(const struct oxi_page_input *in)
{
	struct head h = head_of(in);
	return body_offset(&h) + in->body.len;
}

void oxi_page_input_write(const struct oxi_page_input *in, void *to)
{
	struct head h = head_of(in);
	char *p = to;
	size_t body = body_offset(&h);
	memset(p, 0, body);
	memcpy(p, &h, sizeof(h));
	p += sizeof(h);
	memcpy(p, in->url, h.url_len);
	p += h.url_len + 1;
	if (h.type_len)
		memcpy(p, in->type, h.type_len);
	p += h.type_len + 1;
	if (h.headers_len)
		memcpy(p, in->headers.data, h.headers_len);
	if (in->body.len)
		memcpy((char *)to + body, in->body.data, in->body.len);
}

void oxi_page_input_read(const void *from, struct oxi_page_input *ret)
{
	const struct head *h = from;
	const char *url = (const char *)(h + 1), *type = url + h->url_len + 1;
	*ret = (struct oxi_page_input){
		.url = url, .type = type, .status = h->status, .sitemap = h->sitemap, .obeys = h->obeys,
		.headers = { type + h->type_len + 1, h->headers_len },
		.body = { (const char *)from + body_offset(h), h->body_len },
	};
}

/* ---- links and blobs ---- */

void oxi_page_link_add(struct oxi_buffer *to, const struct oxi_page_link *link)
{
	uint16_t len = (uint16_t)link->url.len;
	oxi_buffer_add_char(to, (char)(link->by | (link->first ? OXI_PAGE_LINK_FIRST : 0)));
	oxi_buffer_add(to, &len, sizeof(len));
	oxi_buffer_add(to, link->url.data, len);
}

/* Cuts n bytes off *from. */
static bool cut(ox_bytes *from, size_t n, ox_bytes *ret)
{
	if (from->len < n)
		return false;
	*ret = (ox_bytes){ from->data, n };
	*from = (ox_bytes){ (const char *)from->data + n, from->len - n };
	return true;
}

int oxi_page_link_next(ox_bytes *links, struct oxi_page_link *ret)
{
	ox_bytes part;
	uint16_t len;
	if (links->len == 0)
		return 0;
	if (!cut(links, 1 + sizeof(len), &part))
		return OX_EPROTO;
	unsigned kind = *(const unsigned char *)part.data;
	memcpy(&len, (const char *)part.data + 1, sizeof(len));
	ret->by = (enum oxi_link)(kind & ~OXI_PAGE_LINK_FIRST);
	ret->first = kind & OXI_PAGE_LINK_FIRST;
	return ret->by < OXI_LINK_COUNT && cut(links, len, &ret->url) ? 1 : OX_EPROTO;
}

int oxi_page_blob_next(ox_bytes *blobs, ox_bytes *ret_name, ox_bytes *ret_data)
{
	ox_bytes part;
	uint16_t name_len;
	uint32_t len;
	if (blobs->len == 0)
		return 0;
	if (!cut(blobs, sizeof(name_len) + sizeof(len), &part))
		return OX_EPROTO;
	memcpy(&name_len, part.data, sizeof(name_len));
	memcpy(&len, (const char *)part.data + sizeof(name_len), sizeof(len));
	return cut(blobs, name_len, ret_name) && cut(blobs, len, ret_data) ? 1 : OX_EPROTO;
}

/* ---- reply ---- */

void oxi_page_result_write(const struct oxi_page_result *result, struct oxi_buffer *to)
{
	struct tail t = {
		.links = (uint32_t)result->links.len, .value = (uint32_t)result->value.len, .blobs = (uint32_t)result->blobs.len,
		.words = (uint32_t)result->words.len, .parse = result->parse, .crunch = result->crunch, .directives = result->directives,
	};
	memcpy(t.charset, result->charset, sizeof(t.charset));
	memcpy(t.reason, result->reason, sizeof(t.reason));
	memcpy(t.digest, result->digest, sizeof(t.digest));
	oxi_buffer_add(to, &t, sizeof(t));
	oxi_buffer_add(to, result->links.data, result->links.len);
	oxi_buffer_add(to, result->value.data, result->value.len);
	oxi_buffer_add(to, result->blobs.data, result->blobs.len);
	oxi_buffer_add(to, result->words.data, result->words.len);
}

static bool is_digest(const char *digest, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!memchr("0123456789abcdef", digest[i], 16))
			return false;
	}
	return true;
}

int oxi_page_result_read(ox_bytes reply, struct oxi_page_result *ret)
{
	struct tail t;
	ox_bytes head;
	*ret = (struct oxi_page_result){ 0 };
	if (!cut(&reply, sizeof(t), &head))
		return OX_EPROTO;
	memcpy(&t, head.data, sizeof(t));
	if (!cut(&reply, t.links, &ret->links) || !cut(&reply, t.value, &ret->value) || !cut(&reply, t.blobs, &ret->blobs) ||
	    t.words != reply.len || t.value > 2 * OXI_VALUE_MAX || t.blobs > 2 * OXI_BLOB_BYTES)
		return OX_EPROTO;
	/* A newline would make two lines of one. */
	if (!memchr(t.charset, '\0', sizeof(t.charset)) || !memchr(t.reason, '\0', sizeof(t.reason)) ||
	    !is_digest(t.digest, sizeof(t.digest)) || (t.value && memchr(ret->value.data, '\n', t.value)))
		return OX_EPROTO;
	ret->words = reply;
	ret->parse = t.parse;
	ret->crunch = t.crunch;
	ret->directives = t.directives;
	memcpy(ret->charset, t.charset, sizeof(ret->charset));
	memcpy(ret->reason, t.reason, sizeof(ret->reason));
	memcpy(ret->digest, t.digest, sizeof(t.digest));
	return 0;
}

/* ---- types ---- */

static bool is_type(const char *type, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(type, name, len) == 0;
}

bool oxi_page_is_html(const char *type)
{
	size_t len = type ? strcspn(type, "; \t") : 0;
	return len == 0 || is_type(type, len, "text/html") || is_type(type, len, "application/xhtml+xml");
}

bool oxi_page_is_css(const char *type)
{
	return type && is_type(type, strcspn(type, "; \t"), "text/css");
}
