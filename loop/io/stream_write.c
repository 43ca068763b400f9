/* SPDX-License-Identifier: MIT */
/* Writing to streams: what the transport takes goes out at once, the rest waits in the stream's buffer. */
#include <limits.h>
#include <string.h>

#include "loop/io/stream.h"
#include "loop/waits.h"

#define PARTS 16                        /* of a writev, sent by one call */

int oxi_stream_may_write(ox_stream *s)
{
	int r;

	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	r = oxi_checkpoint_at(&s->writers);
	if (r < 0)
		return r;
	if (s->above)
		return OX_EBUSY;
	if (s->write_error)
		return s->write_error;
	return s->write_over ? OX_ECLOSED : 0;
}

/* Where a write has got to: the part, and what of it is gone. */
struct progress {
	size_t part, skip;
};

static int gather(const ox_bytes *parts, size_t n, struct progress at, struct iovec *v)
{
	int k = 0;

	for (size_t i = at.part, skip = at.skip; i < n && k < PARTS; i++, skip = 0)
		if (parts[i].len > skip)
			v[k++] = (struct iovec){ (char *)(uintptr_t)parts[i].data + skip, parts[i].len - skip };
	return k;
}

static void advance(const ox_bytes *parts, struct progress *at, size_t sent)
{
	while (sent > 0) {
		size_t left = parts[at->part].len - at->skip;

		if (sent < left) {
			at->skip += sent;
			return;
		}
		sent -= left;
		*at = (struct progress){ at->part + 1, 0 };
	}
}

/* Sends what the transport takes now. 0; a negative code. */
static int send_now(ox_stream *s, const ox_bytes *parts, size_t n, struct progress *at)
{
	struct iovec v[PARTS];
	int k;

	while ((k = gather(parts, n, *at, v)) > 0) {
		ssize_t sent = oxi_stream_send(s, v, k);

		if (sent < 0)
			return sent == -EAGAIN ? 0 : (int)sent;
		advance(parts, at, (size_t)sent);
	}
	return 0;
}

static int keep(ox_stream *s, const ox_bytes *parts, size_t n, struct progress at)
{
	struct oxi_buffer *b = &s->out;
	uint8_t *room;
	size_t len = 0;

	for (size_t i = at.part; i < n; i++)
		len += parts[i].len;
	len -= at.skip;
	if (len == 0)
		return 0;
	room = oxi_buffer_room(b, len);
	if (room == NULL)
		return OX_ENOMEM;
	b->len += len;
	for (size_t i = at.part, skip = at.skip; i < n; i++, skip = 0) {
		size_t left = parts[i].len - skip;

		if (left > 0)
			memcpy(room, (const uint8_t *)parts[i].data + skip, left);
		room += left;
	}
	return 0;
}

ssize_t oxi_stream_write(ox_stream *s, const ox_bytes *parts, size_t n)
{
	struct progress at = { 0, 0 };
	size_t len = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].len > (size_t)SSIZE_MAX - len)
			return OX_EINVAL;
		len += parts[i].len;
	}
	if (s->out.len == 0 && !s->holding)
		r = send_now(s, parts, n, &at);
	if (r < 0) {
		oxi_stream_write_failed(s, r);
		return r;
	}
	r = keep(s, parts, n, at);
	if (r < 0 && (at.part > 0 || at.skip > 0))
		oxi_stream_write_failed(s, r);          /* a part is out: more must not follow the gap */
	if (r == 0 && s->out.len > s->high_water)
		r = oxi_stream_wait(s, &s->writers, "write");
	return r < 0 ? r : (ssize_t)len;
}

ssize_t ox_write(ox_stream *s, const void *buf, size_t len)
{
	int r = oxi_stream_may_write(s);

	return r < 0 ? r : oxi_stream_write(s, &(ox_bytes){ buf, len }, 1);
}

ssize_t ox_writev(ox_stream *s, const ox_bytes *parts, size_t n)
{
	int r = oxi_stream_may_write(s);

	return r < 0 ? r : oxi_stream_write(s, parts, n);
}

/* ---- until it is out ---- */

int oxi_stream_flush(ox_stream *s)
{
	return s->out.len || s->holding ? oxi_stream_wait(s, &s->flushers, "flush") : s->write_error;
}

int oxi_stream_wait_empty(ox_stream *s, const char *kind)
{
	int r = s->write_error;

	while (r == 0 && (s->out.len || s->holding || !s->writable))
		r = oxi_stream_wait(s, &s->flushers, kind);
	return r;
}

int ox_flush(ox_stream *s)
{
	int r;

	if (s == NULL)
		return OX_ENOMEM;
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	r = oxi_checkpoint_at(&s->writers);
	return r < 0 ? r : oxi_stream_flush(s);
}

int oxi_stream_finish(ox_stream *s)
{
	int r = oxi_stream_flush(s);

	if (r == 0)
		r = s->transport->shut(s);
	return r < 0 ? r : oxi_stream_flush(s);
}

int ox_write_eof(ox_stream *s)
{
	int r = oxi_stream_may_write(s);

	if (r < 0)
		return r;
	s->write_over = true;
	return oxi_stream_finish(s);
}

void ox_stream_set_high_water(ox_stream *s, size_t bytes)
{
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	s->high_water = bytes;
	if (s->out.len <= bytes)
		oxi_waits_wake(&s->writers, 0);
}
