/* SPDX-License-Identifier: MIT */
/*
 * Streams, the upper half: what coroutines call, over a transport (stream.h) that never waits. A call tries
 * first and parks when there is nothing to do.
 *
 * Reading: by one coroutine at a time, straight into its buffer; read_until keeps what it read too much in
 * the stream's.
 * Writing: what the transport does not take is copied to the stream's buffer and sent when it says that it
 * takes more; a writer parks while more than HIGH_WATER waits there, a flusher until nothing does.
 *
 *	OPEN --write_eof--> (writing over) --close--> CLOSED, freed
 *
 * Whoever closes wakes those who are parked with OX_ECLOSED; they return without another look at the stream.
 */
#include <string.h>

#include "loop/io/stream.h"

#define STREAM_MAGIC 0x6d61657274730001ull
#define HIGH_WATER   OX_KIB(64)
#define READ_CHUNK   OX_KIB(16)

/* ---- buffers ---- */

static void buffer_skip(struct oxi_buffer *b, size_t n)
{
	b->len -= n;
	b->start = b->len ? b->start + n : 0;
}

/* Room for n more bytes at the end; moves or grows. */
static uint8_t *buffer_room(struct oxi_buffer *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 4096;
	uint8_t *data;

	if (b->start + b->len + n <= b->cap)
		return b->data + b->start + b->len;
	if (b->len + n <= b->cap) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
		return b->data + b->len;
	}
	while (cap < b->len + n)
		cap *= 2;
	data = oxi_alloc(cap);
	if (data == NULL)
		return NULL;
	if (b->len)
		memcpy(data, b->data + b->start, b->len);
	oxi_free(b->data);
	*b = (struct oxi_buffer){ .data = data, .len = b->len, .cap = cap };
	return data + b->len;
}

/* ---- parking ---- */

static oxi_abort_answer stop_reading(struct oxi_wait *w)
{
	((ox_stream *)(uintptr_t)w->object)->reader = NULL;
	return OXI_ABORTED;
}

static oxi_abort_answer stop_writing(struct oxi_wait *w)
{
	oxi_list_remove(&w->link);
	return OXI_ABORTED;
}

/* In a real stream the test clock waits for the data. */
static int park(struct oxi_wait *w, bool real)
{
	int r;

	oxi_loop_hold(+real);
	r = oxi_park(w);
	oxi_loop_hold(-real);
	return r;
}

static int wait_readable(ox_stream *s)
{
	struct oxi_wait w;

	if (s->reader)
		return OX_EBUSY;
	oxi_wait_init(&w, "read", s, stop_reading);
	s->reader = &w;
	return park(&w, s->real);
}

int oxi_stream_wait(ox_stream *s, struct oxi_list *waits, const char *kind)
{
	struct oxi_wait w;

	oxi_wait_init(&w, kind, s, stop_writing);
	oxi_list_append(waits, &w.link);
	return park(&w, s->real);
}

/* ---- the transport ---- */

static void write_failed(ox_stream *s, int error)
{
	s->write_over = true;
	s->write_error = error;
	s->holding = false;
	s->out.len = s->out.start = 0;
	oxi_wake_all(&s->writers, error);
	oxi_wake_all(&s->flushers, error);
}

/* Sends what the transport takes now: the number of bytes; a negative code. */
static ssize_t send_some(ox_stream *s, const void *buf, size_t len)
{
	size_t sent = 0;

	while (s->writable && sent < len) {
		struct iovec v = { (char *)(uintptr_t)buf + sent, len - sent };
		ssize_t n = s->transport->send(s, &v, 1);

		if (n >= 0)
			sent += (size_t)n;
		else if (n == -EAGAIN)
			s->writable = false;
		else
			return n;
	}
	return (ssize_t)sent;
}

/* What the transport holds goes first, then the stream's buffer. 0; -EAGAIN: not all of it; a negative code. */
static int push(ox_stream *s)
{
	int r = s->holding ? s->transport->flush(s) : 0;
	ssize_t n;

	if (r < 0)
		return r;
	n = s->out.len ? send_some(s, s->out.data + s->out.start, s->out.len) : 0;
	if (n < 0)
		return (int)n;
	buffer_skip(&s->out, (size_t)n);
	return s->out.len || s->holding ? -EAGAIN : 0;
}

void oxi_stream_readable(ox_stream *s)
{
	struct oxi_wait *w = s->reader;

	s->readable = true;
	s->reader = NULL;
	if (s->above)
		s->above(s->above_arg, OX_READABLE);
	else if (w)
		oxi_wake(w, 0);
}

void oxi_stream_writable(ox_stream *s)
{
	int r;

	s->writable = true;
	r = push(s);
	if (r < 0 && r != -EAGAIN)
		write_failed(s, r);
	if (s->out.len <= HIGH_WATER)
		oxi_wake_all(&s->writers, 0);
	if (r == 0)
		oxi_wake_all(&s->flushers, 0);
	if (s->above)
		s->above(s->above_arg, OX_WRITABLE);
}

void oxi_stream_init(ox_stream *s, const struct oxi_transport *transport, int fd, bool real)
{
	s->magic = STREAM_MAGIC;
	s->transport = transport;
	s->fd = fd;
	s->real = real;
	s->readable = s->writable = true;
	oxi_list_init(&s->writers);
	oxi_list_init(&s->flushers);
}

/* ---- reading ---- */

static ssize_t try_receive(ox_stream *s, void *buf, size_t cap)
{
	ssize_t n = s->readable ? s->transport->recv(s, buf, cap) : -EAGAIN;

	if (n == -EAGAIN)
		s->readable = false;
	return n;
}

/* Reads from the transport into memory, parking until something is there: the number; 0 at the end; a negative code. */
static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	for (;;) {
		ssize_t n = try_receive(s, buf, cap);
		int r;

		if (n != -EAGAIN)
			return n;
		r = wait_readable(s);
		if (r < 0)
			return r;
	}
}

static int may_read(const ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return s->reader || s->above ? OX_EBUSY : 0;
}

static size_t take_buffered(ox_stream *s, void *buf, size_t cap)
{
	size_t n = s->in.len < cap ? s->in.len : cap;

	if (n > 0) {
		memcpy(buf, s->in.data + s->in.start, n);
		buffer_skip(&s->in, n);
	}
	return n;
}

ssize_t ox_read(ox_stream *s, void *buf, size_t cap)
{
	int r = may_read(s);
	size_t n;

	if (r < 0)
		return r;
	n = take_buffered(s, buf, cap);
	return n > 0 || cap == 0 ? (ssize_t)n : receive(s, buf, cap);
}

int ox_read_exact(ox_stream *s, void *buf, size_t n, size_t *ret_got)
{
	size_t got = 0;
	int r = may_read(s);

	if (r == 0)
		got = take_buffered(s, buf, n);
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

/* Where the separator is in the buffered bytes, looked for from a place on; in.len if it is not there. */
static size_t find(const ox_stream *s, ox_bytes separator, size_t from)
{
	const uint8_t *data = s->in.data + s->in.start, *at = NULL;

	if (s->in.len >= from + separator.len)
		at = memmem(data + from, s->in.len - from, separator.data, separator.len);
	return at ? (size_t)(at - data) : s->in.len;
}

/* 1: something came; 0: the end. */
static ssize_t fill(ox_stream *s)
{
	uint8_t *room = buffer_room(&s->in, READ_CHUNK);
	ssize_t n = room ? receive(s, room, READ_CHUNK) : OX_ENOMEM;

	if (n > 0)
		s->in.len += (size_t)n;
	return n;
}

int ox_read_until(ox_stream *s, ox_bytes separator, size_t limit, ox_bytes *ret)
{
	size_t searched = 0, at;
	int r = may_read(s);

	if (r < 0)
		return r;
	if (separator.len == 0)
		return OX_EINVAL;
	for (;;) {
		bool found;
		ssize_t n;

		at = find(s, separator, searched);
		found = at < s->in.len;
		ret->data = s->in.data + s->in.start;
		if (found ? at > limit : s->in.len >= separator.len && s->in.len - separator.len >= limit) {
			ret->len = found ? at + separator.len : 0;
			return OX_EOVERRUN;
		}
		ret->len = found ? at + separator.len : s->in.len;
		if (found)
			break;
		searched = s->in.len < separator.len ? 0 : s->in.len - separator.len + 1;
		n = fill(s);
		if (n < 0)
			return (int)n;
		if (n == 0) {
			ret->data = s->in.data + s->in.start;   /* the room for more has moved them */
			r = OX_EINCOMPLETE;
			break;
		}
	}
	buffer_skip(&s->in, ret->len);  /* the bytes stay where they are until the next read */
	return r;
}

/* ---- writing ---- */

static int may_write(const ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	if (s->above)
		return OX_EBUSY;
	if (s->write_error)
		return s->write_error;
	return s->write_over ? OX_ECLOSED : 0;
}

ssize_t ox_write(ox_stream *s, const void *buf, size_t len)
{
	int r = may_write(s);
	ssize_t n = 0;
	uint8_t *room;

	if (r < 0)
		return r;
	if (s->out.len == 0 && !s->holding)
		n = send_some(s, buf, len);
	if (n < 0) {
		write_failed(s, (int)n);
		return n;
	}
	if ((size_t)n < len) {
		room = buffer_room(&s->out, len - (size_t)n);
		if (room == NULL)
			return OX_ENOMEM;
		memcpy(room, (const char *)buf + n, len - (size_t)n);
		s->out.len += len - (size_t)n;
	}
	if (s->out.len > HIGH_WATER)
		r = oxi_stream_wait(s, &s->writers, "write");
	return r < 0 ? r : (ssize_t)len;
}

static int flush(ox_stream *s)
{
	return s->out.len || s->holding ? oxi_stream_wait(s, &s->flushers, "flush") : s->write_error;
}

int ox_flush(ox_stream *s)
{
	int r = s ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return flush(s);
}

/* Flushes, and tells the peer that this was all. */
static int finish(ox_stream *s)
{
	int r = flush(s);

	if (r == 0)
		r = s->transport->shut(s);
	return r < 0 ? r : flush(s);
}

int ox_write_eof(ox_stream *s)
{
	int r = may_write(s);

	if (r < 0)
		return r;
	s->write_over = true;
	return finish(s);
}

/* ---- for the transport above ---- */

ssize_t oxi_stream_try_read(ox_stream *s, void *buf, size_t cap)
{
	size_t n = take_buffered(s, buf, cap);

	return n > 0 ? (ssize_t)n : try_receive(s, buf, cap);
}

int oxi_stream_try_flush(ox_stream *s)
{
	return s->write_error ? s->write_error : push(s);
}

ssize_t oxi_stream_try_write(ox_stream *s, const struct iovec *v, int n)
{
	int r = oxi_stream_try_flush(s);
	ssize_t sent;

	if (r < 0)
		return r;
	sent = s->writable ? s->transport->send(s, v, n) : -EAGAIN;
	if (sent == -EAGAIN)
		s->writable = false;
	return sent;
}

/* ---- the end ---- */

void oxi_stream_destroy(ox_stream *s, bool abort)
{
	s->magic = 0;
	if (s->reader)
		oxi_wake(s->reader, OX_ECLOSED);
	oxi_wake_all(&s->writers, OX_ECLOSED);
	oxi_wake_all(&s->flushers, OX_ECLOSED);
	oxi_free(s->in.data);
	oxi_free(s->out.data);
	s->transport->close(s, abort);
}

/* What ox_close() does before the end, within the transport's limit. */
static int say_goodbye(ox_stream *s, bool tell)
{
	ox_scope scope;

	ox_scope_enter(&scope, s->close_limit ? s->close_limit : OX_NEVER);
	return ox_scope_leave(&scope, tell ? finish(s) : flush(s));
}

int ox_close(ox_stream *s)
{
	bool tell;
	int r;

	if (s == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	OXI_CHECK(s->above == NULL);    /* it has been given to another stream: close that one */
	tell = s->transport->shut_first && !s->write_over;
	s->write_over = true;
	r = oxi_checkpoint();
	if (r == 0)
		r = say_goodbye(s, tell);
	oxi_stream_destroy(s, false);
	return r;
}

void ox_stream_abort(ox_stream *s)
{
	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	OXI_CHECK(s->above == NULL);
	oxi_stream_destroy(s, true);
}

int ox_stream_fd(const ox_stream *s)
{
	OXI_CHECK_OBJECT(s, STREAM_MAGIC);
	return s->fd;
}
