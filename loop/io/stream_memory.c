/* SPDX-License-Identifier: MIT */
/*
 * For tests: streams without descriptors, and streams of all kinds that read and write in small pieces.
 *
 * A pair is two ends, each with the bytes that the other has sent. Nothing outside the process is waited for, so
 * virtual time goes on. What one end does is told to the other at the end of the turn, as a kernel would tell it: never
 * from inside a call of the first.
 */
#include <string.h>

#include <oxbow/ox_test.h>

#include "loop/io/stream.h"

#define CAPACITY OX_KIB(64)

_Thread_local struct oxi_cut oxi_cut_default;

struct memory_stream {
	ox_stream s;
	struct memory_stream *peer;     /* NULL: closed */
	struct oxi_buffer in;           /* what the peer has sent */
	size_t capacity;                /* of in */
	bool ended, reset;              /* no more comes; because of an abort */
	struct oxi_hook news;
};

void ox_test_stream_options_init(ox_test_stream_options *o)
{
	*o = *OX_TEST_STREAM_OPTIONS(.size = sizeof(*o));
}

static void tell(struct oxi_hook *h)
{
	struct memory_stream *m = OXI_CONTAINER(h, struct memory_stream, news);

	oxi_stream_readable(&m->s);
	oxi_stream_writable(&m->s);
}

static ssize_t receive(ox_stream *s, void *buf, size_t cap)
{
	struct memory_stream *m = (struct memory_stream *)s;
	size_t n = oxi_buffer_take(&m->in, buf, cap);

	if (n > 0 && m->peer)
		oxi_hook_arm(&m->peer->news);
	if (n > 0)
		return (ssize_t)n;
	return m->reset ? -ECONNRESET : m->ended ? 0 : -EAGAIN;
}

static ssize_t transmit(ox_stream *s, const struct iovec *v, int n)
{
	struct memory_stream *peer = ((struct memory_stream *)s)->peer;
	size_t len = v->iov_len, space;
	uint8_t *room;

	(void)n;                        /* the first part is enough: less than all may be taken */
	if (peer == NULL)
		return -EPIPE;
	space = peer->capacity - peer->in.len;
	len = len < space ? len : space;
	if (len == 0)
		return -EAGAIN;
	room = oxi_buffer_room(&peer->in, len);
	if (room == NULL)
		return OX_ENOMEM;
	memcpy(room, v->iov_base, len);
	peer->in.len += len;
	oxi_hook_arm(&peer->news);
	return (ssize_t)len;
}

static int shut(ox_stream *s)
{
	struct memory_stream *peer = ((struct memory_stream *)s)->peer;

	if (peer) {
		peer->ended = true;
		oxi_hook_arm(&peer->news);
	}
	return 0;
}

static void end(ox_stream *s, bool abort)
{
	struct memory_stream *m = (struct memory_stream *)s;

	shut(s);
	if (m->peer) {
		m->peer->reset = abort;
		m->peer->peer = NULL;
	}
	oxi_hook_disarm(&m->news);
	oxi_free(m->in.data);
	oxi_free(m);
}

static const struct oxi_transport transport = {
	.name = "memory", .recv = receive, .send = transmit, .shut = shut, .close = end,
};

static struct memory_stream *memory_stream_new(const ox_test_stream_options *o)
{
	struct memory_stream *m = oxi_alloc(sizeof(*m));

	if (m == NULL)
		return NULL;
	oxi_stream_init(&m->s, &transport, -1, false);
	oxi_hook_init(&m->news, tell);
	m->capacity = o->capacity ? o->capacity : CAPACITY;
	if (o->most || o->first)
		m->s.cut = (struct oxi_cut){ .most = o->most, .first = o->first, .seed = o->seed };
	return m;
}

int ox_test_stream_pair(const ox_test_stream_options *options, ox_stream **ret_a, ox_stream **ret_b)
{
	const ox_test_stream_options *o = options ? options : OX_TEST_STREAM_OPTIONS(.capacity = 0);
	struct memory_stream *a, *b;

	if (oxi_forked())
		return OX_EFORKED;
	if (!oxi_loop_running())
		return OX_ESTATE;
	a = memory_stream_new(o);
	b = a ? memory_stream_new(o) : NULL;
	if (b == NULL) {
		oxi_free(a);
		return OX_ENOMEM;
	}
	a->peer = b;
	b->peer = a;
	*ret_a = &a->s;
	*ret_b = &b->s;
	return 0;
}

void ox_test_cut_streams(size_t most, uint64_t seed)
{
	oxi_cut_default = (struct oxi_cut){ .most = most, .seed = seed };
}
