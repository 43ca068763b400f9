/* SPDX-License-Identifier: MIT */
/*
 * A sitemap is read by a scanner of its own and not by an XML parser: what is wanted is the text of <loc>, and
 * whether <sitemapindex> or <urlset> stood before it. It looks at tags, comments, CDATA and the five entities,
 * expands nothing, nests nothing, and passes over what it does not know, as it should with files that are
 * wrong half of the time. A file that has no tag at all is a list of lines.
 *
 * It may be a .gz: it is unpacked piece by piece and never beyond the limit that the protocol gives.
 */
#include "cli/crawl/sitemap.h"

#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "cli/buffer.h"

#define PIECE   OX_KIB(64)
#define LOC_MAX 4096

/* ---- packed ---- */

static int unpack(const void *data, size_t len, struct oxi_buffer *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	if (len > UINT32_MAX || inflateInit2(&z, 15 + 16) != Z_OK)
		return OX_ENOMEM;
	int code = Z_OK, r = 0;
	while (r == 0 && code == Z_OK) {
		char *room = oxi_buffer_room(out, PIECE);
		if (!room) {
			r = OX_ENOMEM;
			break;
		}
		z.next_out = (Bytef *)room;
		z.avail_out = PIECE;
		code = inflate(&z, Z_NO_FLUSH);
		out->len += PIECE - z.avail_out;
		if (code == Z_STREAM_END && z.avail_in > 0)
			code = inflateReset(&z);        /* the next member */
		if (out->len > OXI_SITEMAP_BYTES)
			r = OX_ETOOBIG;
	}
	inflateEnd(&z);
	return r < 0 ? r : code == Z_STREAM_END ? 0 : OX_EPROTO;
}

/* ---- text and XML ---- */

struct reader {
	const struct oxi_html_sink *sink;
	size_t n;
	bool is_index;
};

static int give(struct reader *d, const char *url, size_t len)
{
	if (d->n++ == OXI_SITEMAP_URLS)
		return OX_ETOOBIG;
	d->sink->link(d->sink->arg, d->is_index ? OXI_LINK_SITEMAP : OXI_LINK_LISTED, false, url, len);
	return 0;
}

static int read_lines(struct reader *d, const char *p, const char *end)
{
	int r = 0;
	while (r == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((eol ? eol : end) - p);
		while (len > 0 && (unsigned char)p[len - 1] <= ' ')
			len--;
		if (len > 7 && len < LOC_MAX && strncasecmp(p, "http", 4) == 0)
			r = give(d, p, len);
		p = eol ? eol + 1 : end;
	}
	return r;
}

static size_t add_entity(const char *p, size_t len, char *to)
{
	static const struct { const char *name; char c; } known[] = {
		{ "&amp;", '&' }, { "&lt;", '<' }, { "&gt;", '>' }, { "&quot;", '"' }, { "&apos;", '\'' },
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].name);
		if (n <= len && memcmp(p, known[i].name, n) == 0) {
			*to = known[i].c;
			return n;
		}
	}
	*to = '&';
	return 1;
}

/* The text of an element up to the next tag, blanks around it taken away. */
static int take_loc(struct reader *d, const char *p, const char *end)
{
	char url[LOC_MAX];
	size_t n = 0;
	static const char cdata[] = "<![CDATA[";
	while (p < end && (unsigned char)*p <= ' ')
		p++;
	bool raw = (size_t)(end - p) > strlen(cdata) && memcmp(p, cdata, strlen(cdata)) == 0;
	p += raw ? strlen(cdata) : 0;
	while (p < end && *p != (raw ? ']' : '<') && n < sizeof(url)) {
		size_t step = 1;
		url[n] = *p;
		if (*p == '&' && !raw)
			step = add_entity(p, (size_t)(end - p), &url[n]);
		n++;
		p += step;
	}
	while (n > 0 && (unsigned char)url[n - 1] <= ' ')
		n--;
	return n > 0 && n < sizeof(url) ? give(d, url, n) : 0;
}

static bool is_tag(const char *p, const char *end, const char *name)
{
	const char *colon = p;
	while (colon < end && *colon != '>' && *colon != ' ' && *colon != ':')
		colon++;
	p = colon < end && *colon == ':' ? colon + 1 : p;      /* a prefix of a namespace */
	size_t len = strlen(name);
	return (size_t)(end - p) > len && strncasecmp(p, name, len) == 0 && strchr(" \t\r\n>", p[len]);
}

static int read_xml(struct reader *d, const char *p, const char *end)
{
	int r = 0;
	while (r == 0 && (p = memchr(p, '<', (size_t)(end - p)))) {
		p++;
		if (end - p > 3 && memcmp(p, "!--", 3) == 0) {
			const char *close = memmem(p, (size_t)(end - p), "-->", 3);
			if (!close)
				break;
			p = close;
			continue;
		}
		d->is_index |= is_tag(p, end, "sitemapindex");
		bool is_loc = is_tag(p, end, "loc") || is_tag(p, end, "link");
		const char *close = memchr(p, '>', (size_t)(end - p));
		if (!close)
			break;
		if (is_loc)
			r = take_loc(d, close + 1, end);
	}
	return r;
}

int oxi_sitemap_read(const void *data, size_t len, const struct oxi_html_sink *sink)
{
	struct reader d = { .sink = sink };
	struct oxi_buffer plain = { 0 };
	int r = 0;
	if (len > 2 && memcmp(data, "\x1f\x8b", 2) == 0) {
		r = unpack(data, len, &plain);
		data = plain.data;
		len = plain.len < OXI_SITEMAP_BYTES ? plain.len : OXI_SITEMAP_BYTES;
	}
	const char *p = data, *end = p + len;
	int read = len == 0 ? 0 : memchr(p, '<', len) ? read_xml(&d, p, end) : read_lines(&d, p, end);
	oxi_buffer_free(&plain);
	return read < 0 ? read : r;
}
