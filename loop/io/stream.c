/* SPDX-License-Identifier: MIT */
/*
 * Streams, the upper half: what coroutines call, over a transport (stream.h) that never waits. A call tries
 * first and parks when there is nothing to do. Here is what reading (stream_read.c) and writing
 * (stream_write.c) share: buffers, parking, what the transport reports, and the end.
 *
 * Reading: by one coroutine at a time, straight into its buffer; what was read too much stays in the stream's,
 * which an idle stream has none of.
 * Writing: what the transport does not take is copied to the stream's buffer and sent when it says that it
 * takes more; a writer parks while more than the high-water mark waits there, a flusher until nothing does.
 *
 *	OPEN --write_eof--> (writing over) --close--> CLOSED, freed
 *
 * Whoever closes wakes those who are parked with OX_ECLOSED, and so do those learn of it who had been woken
 * already and have not run since: their waits stay known to the stream until they do. They return without
 * another look at it.
 */
#include <string.h>

#include "loop/io/stream.h"
#include "loop/waits.h"

#define HIGH_WATER OX_KIB(64)

/* ---- buffers ---- */

void oxi_buffer_skip(struct oxi_buffer *b, size_t n)
{
	b->len -= n;
	b->start = b->len ? b->start + n : 0;
}

size_t oxi_buffer_take(struct oxi_buffer *b, void *buf, size_t cap)
{
	size_t n = b->len < cap ? b->len : cap;

	if (n > 0) {
		memcpy(buf, b->data + b->start, n);
		oxi_buffer_skip(b, n);
	}
	return n;
}

void oxi_buffer_release(struct oxi_buffer *b)
{
	if (b->len > 0)
		return;
	oxi_free(b->data);
	*b = (struct oxi_buffer){ .data = NULL };
}

/* Moves what is there to the start, or grows. */
uint8_t *oxi_buffer_room(struct oxi_buffer *b, size_t n)
{
	size_t cap = b->cap ? b->cap : 4096;
	uint8_t *data;

	if (n <= b->cap - b->start - b->len)
		return b->data + b->start + b->len;
	if (n <= b->cap - b->len) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
		return b->data + b->len;
	}
	if (n > PTRDIFF_MAX - b->len)
		return NULL;
	while (cap < b->len + n)
		cap *= 2;
	data = oxi_realloc(NULL, cap);          /* not zeroed: it is filled at once */
	if (data == NULL)
		return NULL;
	if (b->len)
		memcpy(data, b->data + b->start, b->len);
	oxi_free(b->data);
	*b = (struct oxi_buffer){ .data = data, .len = b->len, .cap = cap };
	return data + b->len;
}

/* ---- parking ---- */

int oxi_stream_wait_readable(ox_stream *s)
{
	struct oxi_wait w;
	bool real = s->real;            /* in a real stream the test clock waits for the data */
	int r;

	if (s->reader)
		return OX_EBUSY;
	oxi_wait_init(&w, "read", s, oxi_wait_give_up);
	s->reader = &w;
	oxi_loop_hold(+real);
	r = oxi_park(&w);
	oxi_loop_hold(-real);
	if (r != OX_ECLOSED)
		s->reader = NULL;
	return r;
}

int oxi_stream_wait(ox_stream *s, struct oxi_list *waits, const char *kind)
{
	return oxi_waits_park(waits, kind, s, s->real);
}

/* ---- the transport ---- */

void oxi_stream_write_failed(ox_stream *s, int error)
{
	s->write_over = true;
	s->write_error = error;
	s->holding = false;
	s->out.len = s->out.start = 0;
	oxi_buffer_release(&s->out);
	oxi_waits_wake(&s->writers, error);
	oxi_waits_wake(&s->flushers, error);
}

/* What the transport holds goes first, then the stream's buffer. 0; -EAGAIN: not all of it; a negative code. */
static int push(ox_stream *s)
{
	int r = s->holding ? s->transport->flush(s) : 0;

	while (r == 0 && s->writable && s->out.len > 0) {
		struct iovec v = { s->out.data + s->out.start, s->out.len };
		ssize_t n = oxi_stream_send(s, &v, 1);

		if (n < 0)
			r = (int)n;
		else
			oxi_buffer_skip(&s->out, (size_t)n);
	}
	if (r == 0)
		oxi_buffer_release(&s->out);
	return r < 0 ? r : s->out.len || s->holding ? -EAGAIN : 0;
}

void oxi_stream_readable(ox_stream *s)
{
	s->readable = true;
	if (s->above)
		s->above(s->above_arg, OX_READABLE);
	else
		oxi_wait_wake(s->reader, 0);
}

void oxi_stream_writable(ox_stream *s)
{
	int r;

	s->writable = true;
	r = push(s);
	if (r < 0 && r != -EAGAIN)
		oxi_stream_write_failed(s, r);
	if (s->out.len <= s->high_water)
		oxi_waits_wake(&s->writers, 0);
	if (r == 0)
		oxi_waits_wake(&s->flushers, 0);
	if (s->above)
		s->above(s->above_arg, OX_WRITABLE);
}

void oxi_stream_init(ox_stream *s, const struct oxi_transport *transport, int fd, bool real)
{
	s->magic = OXI_STREAM_MAGIC;
	s->transport = transport;
	s->fd = fd;
	s->real = real;
	s->readable = s->writable = true;
	s->high_water = HIGH_WATER;
	s->cut = oxi_cut_default;
	oxi_list_init(&s->writers);
	oxi_list_init(&s->flushers);
}

size_t oxi_cut_length(struct oxi_cut *c, size_t len)
{
	size_t most = len < c->most || c->most == 0 ? len : c->most;

	if (c->most == 0 || c->seed == 0)
		return most;
	c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;       /* Knuth's MMIX generator */
	return 1 + (size_t)(c->seed >> 33) % most;
}

ssize_t oxi_stream_receive(ox_stream *s, void *buf, size_t cap)
{
	ssize_t n;

	if (!s->readable)
		return -EAGAIN;
	if (OXI_UNLIKELY(s->cut.first > 0)) {
		cap = cap < s->cut.first ? cap : s->cut.first;
		s->cut.first = 0;
	}
	if (OXI_UNLIKELY(s->cut.most > 0))
		cap = oxi_cut_length(&s->cut, cap);
	n = s->transport->recv(s, buf, cap);
	if (n == -EAGAIN)
		s->readable = false;
	return n;
}

ssize_t oxi_stream_send(ox_stream *s, const struct iovec *v, int n)
{
	struct iovec cut = *v;
	ssize_t sent;

	if (!s->writable)
		return -EAGAIN;
	if (OXI_UNLIKELY(s->cut.most > 0)) {
		cut.iov_len = oxi_cut_length(&s->cut, v->iov_len);
		v = &cut;
		n = 1;
	}
	sent = s->transport->send(s, v, n);
	if (sent == -EAGAIN)
		s->writable = false;
	return sent;
}

/* ---- for the transport above ---- */

ssize_t oxi_stream_try_read(ox_stream *s, void *buf, size_t cap)
{
	size_t n = oxi_buffer_take(&s->in, buf, cap);

	return n > 0 ? (ssize_t)n : oxi_stream_receive(s, buf, cap);
}

int oxi_stream_try_flush(ox_stream *s)
{
	return s->write_error ? s->write_error : push(s);
}

ssize_t oxi_stream_try_write(ox_stream *s, const struct iovec *v, int n)
{
	int r = oxi_stream_try_flush(s);

	return r < 0 ? r : oxi_stream_send(s, v, n);
}

/* ---- the end ---- */

void oxi_stream_destroy(ox_stream *s, bool abort)
{
	s->magic = 0;
	oxi_wait_end(s->reader, OX_ECLOSED);
	oxi_waits_end(&s->writers, OX_ECLOSED);
	oxi_waits_end(&s->flushers, OX_ECLOSED);
	oxi_free(s->in.data);
	oxi_free(s->out.data);
	s->transport->close(s, abort);
}

/* What ox_close() does before the end, within the transport's limit. */
static int say_goodbye(ox_stream *s, bool tell)
{
	ox_scope scope;

	ox_scope_enter(&scope, s->close_limit ? s->close_limit : OX_NEVER);
	return ox_scope_leave(&scope, tell ? oxi_stream_finish(s) : oxi_stream_flush(s));
}

int ox_close(ox_stream *s)
{
	bool lost, tell;
	int r;

	if (s == NULL)
		return 0;
	if (oxi_forked())
		return OX_EFORKED;
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	OXI_CHECK(s->above == NULL);    /* it has been given to another stream: close that one */
	if (s->closing)
		return OX_ECLOSED;
	tell = s->transport->shut_first && !s->write_over;
	s->write_over = s->closing = true;
	r = oxi_checkpoint();
	lost = r < 0 && (s->out.len || s->holding);
	if (r == 0) {
		r = say_goodbye(s, tell);
		lost = r < 0;
	}
	oxi_stream_destroy(s, lost);    /* the peer must not take a part for the whole */
	return r;
}

int ox_close_within(ox_stream *s, ox_time timeout)
{
	ox_scope scope;
	int r = oxi_checkpoint();

	if (r < 0)
		return ox_close(s);
	ox_scope_enter(&scope, timeout);
	r = ox_close(s);
	return ox_scope_leave(&scope, r);
}

void ox_stream_abort(ox_stream *s)
{
	if (s == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	OXI_CHECK(s->above == NULL);
	if (s->closing)
		oxi_stream_write_failed(s, OX_ECLOSED);         /* whoever closes it goes on to destroy it */
	else
		oxi_stream_destroy(s, true);
}

int ox_stream_fd(const ox_stream *s)
{
	OXI_CHECK_OBJECT(s, OXI_STREAM_MAGIC);
	return s->fd;
}
