/* SPDX-License-Identifier: MIT */
/* Reading from streams: bytes, exact numbers of them, up to separators, lines, and looking without taking. */
#include <string.h>

#include "loop/io/stream.h"

#define CHUNK      OX_KIB(16)           /* room for a read into the buffer, */
#define MOST_CHUNK OX_KIB(256)          /* while bytes come faster than they are taken */

int oxi_stream_may_read(ox_stream *s)
{
	int r;

	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	r = oxi_checkpoint_at(&s->writers);
	return r < 0 ? r : s->reader || s->above ? OX_EBUSY : 0;
}

/* Reads from the transport into memory, parking until something is there: the number; 0 at the end; a negative code. */
static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	for (;;) {
		ssize_t n = oxi_stream_receive(s, buf, cap);
		int r;

		if (n != -EAGAIN)
			return n;
		r = oxi_stream_wait_readable(s);
		if (r < 0)
			return r;
	}
}

ssize_t oxi_stream_fill(ox_stream *s)
{
	size_t chunk = s->chunk ? s->chunk : CHUNK;

	for (;;) {
		uint8_t *room = s->readable ? oxi_buffer_room(&s->in, chunk) : NULL;
		ssize_t n = !s->readable ? -EAGAIN : room ? oxi_stream_receive(s, room, chunk) : OX_ENOMEM;

		if (n > 0) {
			s->in.len += (size_t)n;
			s->chunk = (size_t)n < chunk ? chunk : chunk < MOST_CHUNK ? 2 * chunk : MOST_CHUNK;
		}
		if (n != -EAGAIN)
			return n;
		oxi_buffer_release(&s->in);     /* thousands may wait here for their next request */
		chunk = s->chunk = CHUNK;
		n = oxi_stream_wait_readable(s);
		if (n < 0)
			return n;
	}
}

ox_bytes oxi_stream_buffered(const ox_stream *s)
{
	return (ox_bytes){ s->in.data + s->in.start, s->in.len };
}

ssize_t ox_read(ox_stream *s, void *buf, size_t cap)
{
	int r = oxi_stream_may_read(s);
	size_t n;

	if (r < 0)
		return r;
	n = oxi_buffer_take(&s->in, buf, cap);
	return n > 0 || cap == 0 ? (ssize_t)n : receive(s, buf, cap);
}

int ox_read_exact(ox_stream *s, void *buf, size_t n, size_t *ret_got)
{
	size_t got = 0;
	int r = oxi_stream_may_read(s);

	if (r == 0)
		got = oxi_buffer_take(&s->in, buf, n);
	while (r == 0 && got < n) {
		ssize_t k = receive(s, (char *)buf + got, n - got);

		if (k > 0)
			got += (size_t)k;
		else
			r = k < 0 ? (int)k : OX_EINCOMPLETE;
	}
	if (ret_got)
		*ret_got = got;
	return r;
}

/* ---- up to a separator ---- */

struct match {
	size_t at, end;                 /* of the separator, in the buffered bytes */
};

/* The separator that ends first, looked for from a place on; of two that end together, the longer. False: none. */
static bool find(ox_bytes in, const ox_bytes *separators, size_t n, size_t from, struct match *ret)
{
	const uint8_t *data = in.data;
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		const ox_bytes *sep = &separators[i];
		const uint8_t *p = in.len > from ? memmem(data + from, in.len - from, sep->data, sep->len) : NULL;
		struct match m;

		if (p == NULL)
			continue;
		m.at = (size_t)(p - data);
		m.end = m.at + sep->len;
		if (!found || m.end < ret->end || (m.end == ret->end && m.at < ret->at))
			*ret = m;
		found = true;
	}
	return found;
}

/* The length of the longest separator; 0 if there is none, or an empty one. */
static size_t longest_of(const ox_bytes *separators, size_t n)
{
	size_t longest = 0;

	for (size_t i = 0; i < n; i++) {
		if (separators[i].len == 0)
			return 0;
		if (separators[i].len > longest)
			longest = separators[i].len;
	}
	return longest;
}

/* As ox_read_until_any(), and says how long the separator is. */
static int read_until(ox_stream *s, const ox_bytes *separators, size_t n, size_t limit, ox_bytes *ret, size_t *ret_separator)
{
	size_t longest = longest_of(separators, n), searched = 0;
	int r = oxi_stream_may_read(s);

	if (r < 0)
		return r;
	if (longest == 0)
		return OX_EINVAL;
	for (;;) {
		struct match m = { 0, 0 };
		bool found = find(oxi_stream_buffered(s), separators, n, searched, &m);
		ssize_t k;

		if (found ? m.at > limit : s->in.len >= longest && s->in.len - longest >= limit) {
			*ret = (ox_bytes){ oxi_stream_buffered(s).data, m.end };
			return OX_EOVERRUN;
		}
		searched = s->in.len < longest ? 0 : s->in.len - longest + 1;
		k = found ? 0 : oxi_stream_fill(s);
		if (k < 0)
			return (int)k;
		if (k == 0) {
			*ret = oxi_stream_buffered(s);
			ret->len = found ? m.end : ret->len;
			*ret_separator = m.end - m.at;
			oxi_buffer_skip(&s->in, ret->len);      /* the bytes stay where they are until the next read */
			return found ? 0 : OX_EINCOMPLETE;
		}
	}
}

int ox_read_until(ox_stream *s, ox_bytes separator, size_t limit, ox_bytes *ret)
{
	size_t ignored;

	return read_until(s, &separator, 1, limit, ret, &ignored);
}

int ox_read_until_any(ox_stream *s, const ox_bytes *separators, size_t n, size_t limit, ox_bytes *ret)
{
	size_t ignored;

	return read_until(s, separators, n, limit, ret, &ignored);
}

int ox_read_line(ox_stream *s, size_t limit, ox_bytes *ret)
{
	static const ox_bytes ends[] = { { "\n", 1 }, { "\r\n", 2 } };
	size_t end;
	int r = read_until(s, ends, 2, limit, ret, &end);

	if (r == 0)
		ret->len -= end;
	return r;
}

/* ---- looking ---- */

int ox_peek(ox_stream *s, size_t n, ox_bytes *ret)
{
	int r = oxi_stream_may_read(s);

	while (r == 0 && s->in.len < n) {
		ssize_t k = oxi_stream_fill(s);

		if (k < 0)
			return (int)k;
		if (k == 0)
			r = OX_EINCOMPLETE;
	}
	if (r == 0 || r == OX_EINCOMPLETE)
		*ret = oxi_stream_buffered(s);
	return r;
}

int ox_consume(ox_stream *s, size_t n)
{
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	if (s->reader || s->above)
		return OX_EBUSY;
	if (n > s->in.len)
		return OX_EINVAL;
	oxi_buffer_skip(&s->in, n);
	return 0;
}
