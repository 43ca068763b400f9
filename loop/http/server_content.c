/* SPDX-License-Identifier: MIT */
/*
 * What of a file is sent: all of it, ranges, or nothing because the client has it (RFC 9110 sections 13 and
 * 14).
 *
 * The entity tag is made of size and time of change in ns, so a file that is replaced has another one.
 * Several ranges are a multipart/byteranges, whose boundary is drawn for each reply.
 *
 * Small pieces are read into the reply and leave with its headers in one system call; larger ones go by
 * sendfile(). A file that shrinks meanwhile ends its connection, so that the client knows; a mapping would
 * end the process (SIGBUS).
 */
#include <event2/util.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/http/date.h"
#include "loop/http/range.h"
#include "loop/http/server.h"
#include "loop/http/text.h"

#define READ_AT_ONCE OX_KIB(64)

struct content {
	const char *type;
	int fd;
	uint64_t size;
	time_t changed;
	char modified[64], etag[64];
	struct evbuffer_file_segment *file;     /* owns fd once it is there; NULL: nothing goes by sendfile() yet */
};

/* ---- conditions ---- */

/* An invalid date counts as no header: neither is true. */
static bool is_unchanged_since(const struct content *c, const char *date)
{
	time_t t;

	return date && oxi_http_date(date, &t) && c->changed <= t;
}

static bool is_changed_since(const struct content *c, const char *date)
{
	time_t t;

	return date && oxi_http_date(date, &t) && c->changed > t;
}

/* 0: go on; 304 or 412. In the order of RFC 9110 section 13.2.2. */
static int judge_conditions(const struct ox_request *q, const struct content *c)
{
	const char *match = ox_request_header(q, "If-Match"), *none = ox_request_header(q, "If-None-Match");
	const char *not_after = ox_request_header(q, "If-Unmodified-Since");
	const char *after = ox_request_header(q, "If-Modified-Since");

	if (match ? !oxi_http_etag_listed(match, c->etag, true) : is_changed_since(c, not_after))
		return 412;
	if (none ? oxi_http_etag_listed(none, c->etag, false) : is_unchanged_since(c, after))
		return 304;
	return 0;
}

/* A range is of the content that the client has already: of another one it gets all. */
static bool is_range_wanted(const struct ox_request *q, const struct content *c)
{
	const char *is = ox_request_header(q, "If-Range");

	return !is || strcmp(is, c->etag) == 0 || strcmp(is, c->modified) == 0;
}

/* ---- bytes ---- */

static int read_piece(const struct content *c, struct evbuffer *b, uint64_t from, size_t len)
{
	struct evbuffer_iovec v;
	size_t got = 0;

	if (evbuffer_reserve_space(b, (ssize_t)len, &v, 1) != 1)
		return OX_ENOMEM;
	while (got < len) {
		ssize_t n = pread(c->fd, (char *)v.iov_base + got, len - got, (off_t)(from + got));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return OX_EINCOMPLETE;  /* it has shrunk since */
		got += n > 0 ? (size_t)n : 0;
	}
	v.iov_len = got;
	return evbuffer_commit_space(b, &v, 1) < 0 ? OX_ENOMEM : 0;
}

static int add_piece(struct content *c, struct evbuffer *b, uint64_t from, uint64_t len)
{
	if (len == 0)
		return 0;
	if (len <= READ_AT_ONCE)
		return read_piece(c, b, from, (size_t)len);
	if (!c->file)
		c->file = evbuffer_file_segment_new(c->fd, 0, (off_t)c->size, EVBUF_FS_CLOSE_ON_FREE);
	if (!c->file)
		return OX_ENOMEM;
	evbuffer_set_flags(b, EVBUFFER_FLAG_DRAINS_TO_FD);              /* or it would be mapped instead of sent */
	return evbuffer_add_file_segment(b, c->file, (off_t)from, (off_t)len) < 0 ? OX_ENOMEM : 0;
}

/* ---- ranges ---- */

static void format_range(const struct content *c, const struct oxi_http_range *r, char text[80])
{
	snprintf(text, 80, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, r->first, r->last, c->size);
}

static int reply_range(struct ox_request *q, struct content *c, const struct oxi_http_range *r)
{
	char text[80];
	int e;

	format_range(c, r, text);
	e = oxi_request_set_header(q, "Content-Range", text);
	if (e == 0)
		e = add_piece(c, q->body, r->first, r->last - r->first + 1);
	return e < 0 ? e : ox_request_reply(q, 206, c->type, NULL, 0);
}

/* 32 hexadecimal digits. 0; -EAGAIN. */
static int draw_boundary(char text[33])
{
	uint64_t random[2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return -EAGAIN;
	snprintf(text, 33, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
	return 0;
}

static int add_part(struct ox_request *q, struct content *c, const char *boundary, const struct oxi_http_range *r)
{
	char range[80];

	format_range(c, r, range);
	if (evbuffer_add_printf(q->body, "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", boundary,
	                        c->type, range) < 0)
		return OX_ENOMEM;
	return add_piece(c, q->body, r->first, r->last - r->first + 1);
}

static int reply_parts(struct ox_request *q, struct content *c, const struct oxi_http_range *r, int n)
{
	char boundary[33], type[80];
	int e = draw_boundary(boundary);

	for (int i = 0; i < n && e == 0; i++)
		e = add_part(q, c, boundary, &r[i]);
	if (e == 0 && evbuffer_add_printf(q->body, "\r\n--%s--\r\n", boundary) < 0)
		e = OX_ENOMEM;
	if (e < 0)
		return e;
	snprintf(type, sizeof(type), "multipart/byteranges; boundary=%s", boundary);
	return ox_request_reply(q, 206, type, NULL, 0);
}

static int reply_none(struct ox_request *q, const struct content *c)
{
	char text[80];
	int r;

	snprintf(text, sizeof(text), "bytes */%" PRIu64, c->size);
	r = oxi_request_set_header(q, "Content-Range", text);
	return r < 0 ? r : oxi_request_reply_status(q, 416);
}

static int reply_all(struct ox_request *q, struct content *c)
{
	int r = add_piece(c, q->body, 0, c->size);

	return r < 0 ? r : ox_request_reply(q, 200, c->type, NULL, 0);
}

static int reply_wanted(struct ox_request *q, struct content *c)
{
	const char *range = ox_request_header(q, "Range");
	struct oxi_http_range r[OXI_HTTP_RANGES];
	int n = -1;

	if (range && !q->bodiless && is_range_wanted(q, c))
		n = oxi_http_ranges(range, c->size, r);
	if (n < 0)
		return reply_all(q, c);
	if (n == 0)
		return reply_none(q, c);
	return n == 1 ? reply_range(q, c, r) : reply_parts(q, c, r, n);
}

/* ---- all together ---- */

static int describe(struct ox_request *q, struct content *c, const struct stat *st)
{
	struct tm tm;
	int r;

	if (!gmtime_r(&st->st_mtime, &tm) || evutil_date_rfc1123(c->modified, sizeof(c->modified), &tm) <= 0)
		return OX_EINVAL;
	snprintf(c->etag, sizeof(c->etag), "\"%" PRIx64 "-%" PRIx64 "-%lx\"", c->size, (uint64_t)st->st_mtim.tv_sec,
	         (unsigned long)st->st_mtim.tv_nsec);
	r = oxi_request_set_header(q, "Last-Modified", c->modified);
	if (r == 0)
		r = oxi_request_set_header(q, "ETag", c->etag);
	return r < 0 ? r : oxi_request_set_header(q, "Accept-Ranges", "bytes");
}

int oxi_request_reply_content(struct ox_request *q, const char *path, int *fd, const struct stat *st)
{
	struct content c = {
		.type = oxi_http_type(path), .fd = *fd, .size = (uint64_t)st->st_size, .changed = st->st_mtime
	};
	int r = describe(q, &c, st), status;

	if (r < 0)
		return r;
	status = judge_conditions(q, &c);
	if (status == 304)
		return ox_request_reply(q, 304, NULL, NULL, 0);
	if (status)
		return oxi_request_reply_status(q, status);
	r = reply_wanted(q, &c);
	if (c.file) {
		*fd = -1;
		evbuffer_file_segment_free(c.file);     /* the body keeps it while it needs it */
	}
	return r;
}
