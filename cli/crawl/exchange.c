/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a request and its answer, as the HTTP client shows them. They are kept as they are, chunks and
 * compression included, but for the version in the first line of HTTP/2, which has no such line: it is given
 * that of HTTP/1.1, for that is the form in which it is shown.
 *
 * A payload is the body without its chunks (the entity body that WARC 1.1 section 6.3.7 refers to), so how a
 * server happened to cut it makes no other payload. Finding it is all that is done with the bytes here: sizes
 * are added up, nothing is decoded.
 */
#include "cli/crawl/exchange.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#define HEAD_MAX OX_MIB(1)

void oxi_date_now(char ret[OXI_DATE_MAX])
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	size_t n = strftime(ret, OXI_DATE_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, OXI_DATE_MAX - n, ".%06ldZ", now.tv_nsec / 1000);
}

struct oxi_exchange *oxi_exchange_new(const char *url, const struct oxi_guard *guard, size_t body_max)
{
	struct oxi_exchange *x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->guard = guard;
	x->body_max = body_max;
	oxi_buffer_add(&x->url, url, strlen(url) + 1);
	oxi_date_now(x->date);
	return x;
}

void oxi_exchange_free(struct oxi_exchange *x)
{
	if (!x)
		return;
	oxi_buffer_free(&x->url);
	oxi_buffer_free(&x->via);
	oxi_buffer_free(&x->request);
	oxi_buffer_free(&x->head);
	oxi_buffer_free(&x->body);
	oxi_buffer_free(&x->origin_url);
	free(x);
}

size_t oxi_exchange_size(const struct oxi_exchange *x)
{
	return x ? sizeof(*x) + x->request.cap + x->head.cap + x->body.cap : 0;
}

/* ---- as it comes ---- */

/* What begins with a line that has its version at some place: HTTP/1.1 instead of HTTP/2. */
static void add_line(struct oxi_exchange *x, struct oxi_buffer *to, const char *line, size_t len, size_t at)
{
	static const char version[] = "HTTP/2";
	size_t behind = at + strlen(version);
	x->http2 = behind < len && memcmp(line + at, version, strlen(version)) == 0 && memchr(" \r", line[behind], 2);
	if (!x->http2) {
		oxi_buffer_add(to, line, len);
		return;
	}
	oxi_buffer_add(to, line, at);
	oxi_buffer_add_text(to, "HTTP/1.1");
	oxi_buffer_add(to, line + behind, len - behind);
}

static void begin_again(struct oxi_exchange *x)
{
	x->request.len = x->head.len = x->body.len = 0;
	x->headed = false;
	x->cut = NULL;
}

/* Its version is the end of its first line. */
static void add_request(struct oxi_exchange *x, const char *head, size_t len)
{
	const char *end = memmem(head, len, " HTTP/2\r\n", 9);
	begin_again(x);
	add_line(x, &x->request, head, len, end && !memchr(head, '\n', (size_t)(end - head)) ? (size_t)(end + 1 - head) : 0);
}

/* An answer such as 103, before the one that counts. */
static bool is_interim(const struct oxi_buffer *head)
{
	return head->len > 9 && head->data[9] == '1';
}

static void add_head(struct oxi_exchange *x, const char *line, size_t len)
{
	bool begins = len > 5 && strncasecmp(line, "HTTP/", 5) == 0 && (x->head.len == 0 || is_interim(&x->head));
	if (begins || x->head.len + len > HEAD_MAX)     /* what has no end is not kept */
		x->head.len = 0;
	if (!begins && (x->headed || x->head.len == 0))
		return;                 /* trailers; the rest of what is not kept */
	x->headed = len <= 2 && line[len - 1] == '\n';
	if (begins)
		add_line(x, &x->head, line, len, 0);
	else
		oxi_buffer_add(&x->head, line, len);
}

void oxi_exchange_on_wire(void *exchange, ox_http_wire what, const void *data, size_t len)
{
	struct oxi_exchange *x = exchange;
	if (what == OX_HTTP_WIRE_REQUEST) {
		add_request(x, data, len);
	} else if (what == OX_HTTP_WIRE_HEAD && len > 0) {
		add_head(x, data, len);
	} else if (what == OX_HTTP_WIRE_BODY) {
		size_t room = x->body_max - x->body.len;
		if (len > room)
			x->cut = "length";
		oxi_buffer_add(&x->body, data, len < room ? len : room);
	}
}

int oxi_exchange_allow(void *exchange, const struct sockaddr *address, size_t len)
{
	struct oxi_exchange *x = exchange;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	x->ip[0] = '\0';
	if (address->sa_family == AF_INET && len >= sizeof(in)) {
		memcpy(&in, address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, x->ip, sizeof(x->ip));
	} else if (address->sa_family == AF_INET6 && len >= sizeof(in6)) {
		memcpy(&in6, address, sizeof(in6));
		inet_ntop(AF_INET6, &in6.sin6_addr, x->ip, sizeof(x->ip));
	}
	return oxi_guard_check((void *)x->guard, address, len);
}

/* ---- the payload ---- */

/* The next chunk (RFC 9112 section 7.1), cut off *left. Returns: 1; 0: the last one; OX_EPROTO. */
static int next_chunk(ox_bytes *left, ox_bytes *ret)
{
	const char *p = left->data, *end = p + left->len, *line = left->len ? memchr(p, '\n', left->len) : NULL;
	char *behind;
	if (!line || !strchr("0123456789abcdefABCDEF", *p) || !*p)
		return OX_EPROTO;
	errno = 0;
	unsigned long long size = strtoull(p, &behind, 16);     /* it ends at that line's end, or before */
	p = line + 1;
	if (errno || behind > line || size > (size_t)(end - p))
		return OX_EPROTO;
	*ret = (ox_bytes){ p, size };
	p += size;
	p += end - p > 1 && *p == '\r';
	p += end > p && *p == '\n';
	*left = (ox_bytes){ p, (size_t)(end - p) };
	return size > 0;
}

/* What is not well-formed was no answer; should it be one, it has no payload. */
static int digest_of_chunks(ox_bytes left, char ret[OXI_SHA1_MAX])
{
	struct oxi_sha1 s = oxi_sha1_begin();
	ox_bytes chunk;
	int more;
	while ((more = next_chunk(&left, &chunk)) > 0)
		oxi_sha1_add(&s, chunk.data, chunk.len);
	int r = oxi_sha1_end(&s, ret);
	if (more < 0)
		ret[0] = '\0';
	return r;
}

static int digest_of(const struct oxi_buffer *body, char ret[OXI_SHA1_MAX])
{
	struct oxi_sha1 s = oxi_sha1_begin();
	oxi_sha1_add(&s, body->data, body->len);
	return oxi_sha1_end(&s, ret);
}

static bool is_chunked(const char *coding)
{
	size_t len = coding ? strlen(coding) : 0;
	return len >= 7 && strcasecmp(coding + len - 7, "chunked") == 0;
}

/* ---- the end ---- */

static const char *why_cut(int r)
{
	switch (r) {
	case OX_ETOOBIG:
		return "length";
	case OX_ETIMEDOUT:
		return "time";
	case OX_EINCOMPLETE:
	case -ECONNRESET:
		return "disconnect";
	default:
		return "unspecified";
	}
}

int oxi_exchange_end(struct oxi_exchange *x, int r, const char *coding)
{
	if (x->url.failed || x->request.failed || x->head.failed || x->body.failed)
		return OX_ENOMEM;
	if (r < 0)
		x->cut = why_cut(r);
	if (x->cut)
		return 0;
	if (is_chunked(coding) && !x->http2)
		return digest_of_chunks((ox_bytes){ x->body.data, x->body.len }, x->payload);
	return digest_of(&x->body, x->payload);
}

void oxi_exchange_revisits(struct oxi_exchange *x, enum oxi_revisit how, const char *url, const char *date)
{
	x->revisit = how;
	x->origin_url.len = 0;
	oxi_buffer_add(&x->origin_url, url, strlen(url) + 1);
	snprintf(x->origin_date, sizeof(x->origin_date), "%s", date);
}
