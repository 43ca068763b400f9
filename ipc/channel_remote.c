/* SPDX-License-Identifier: MIT */
/*
 * The two ends of a channel between machines: tcp with CURVE. The pool listens with one ROUTER, each host of remote
 * workers joins with a DEALER.
 *
 * CURVE alone lets in every client that knows the server's public key: who is allowed is asked, by ZAP, of the gate, a
 * REP socket in the listener's context at the library's fixed name. A domain is set and enforced, so that nobody gets in
 * while the gate is missing. The gate has no thread of its own: oxi_channel_attend() answers it, in the pool's turn. Whoever
 * has not finished the handshake within HANDSHAKE_IVL (raw bytes, HTTP, a client without keys) is disconnected by the
 * library's own thread, and counted as the monitor tells it.
 *
 * The listener has a MAXMSGSIZE, for it is the side that does not trust; a joiner has none (it would never connect again
 * to a pool that has sent it too much). An accept on tcp survives EMFILE. A joiner does not connect again by itself: a new
 * connection is a new channel, so nothing of an earlier one can be in it.
 *
 * Heartbeats of ZMTP are sent and answered by the library's threads. They say that host, process and network are
 * there, whatever the loops do; an end that is gone without a word (cable cut, SIGSTOP) is disconnected by them.
 */
#include <stdio.h>
#include <string.h>

#include "ipc/channel_inside.h"

#include "include/private/check.h"

#define GATE    "inproc://zeromq.zap.01"        /* ZMTP RFC 27 */
#define DOMAIN  "oxbow"

/* zmq.h has it among the drafts, the library in every build: without it, to be without a gate would be to let in all. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

enum { KEY_BYTES = 32, KEEPALIVE_MS = 10000, BACKLOG = 512 };

/* ---- keys ---- */

int oxi_keys_make(struct oxi_keys *ret)
{
	return zmq_curve_keypair(ret->public_key, ret->secret_key) == 0 ? 0 : -errno;
}

bool oxi_key_valid(const char *text)
{
	uint8_t bytes[KEY_BYTES];

	return strlen(text) == OXI_KEY - 1 && zmq_z85_decode(bytes, text) != NULL;
}

/* ---- options that both ends have ---- */

static int set_options(struct oxi_channel *c, const char *endpoint, const struct oxi_keys *own, int silence_ms)
{
	const int options[][2] = {
		{ ZMQ_IPV6, strchr(endpoint, '[') != NULL },
		{ ZMQ_HEARTBEAT_IVL, silence_ms / 3 },
		{ ZMQ_HEARTBEAT_TIMEOUT, silence_ms },
		{ ZMQ_HEARTBEAT_TTL, silence_ms + silence_ms / 3 },
		{ ZMQ_TCP_KEEPALIVE, 1 },
		{ ZMQ_TCP_MAXRT, KEEPALIVE_MS },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]) && r == 0; i++)
		r = oxi_socket_set_int(c->socket, options[i][0], options[i][1]);
	if (r == 0 && (zmq_setsockopt(c->socket, ZMQ_CURVE_PUBLICKEY, own->public_key, OXI_KEY) < 0 ||
	               zmq_setsockopt(c->socket, ZMQ_CURVE_SECRETKEY, own->secret_key, OXI_KEY) < 0))
		r = -errno;
	c->remote = true;
	return r;
}

/* ---- the gate ---- */

struct oxi_gate {
	void *socket;
	int fd;
	uint8_t allowed[KEY_BYTES];
	uint64_t refused;               /* keys that are not allowed, handshakes that failed */
	bool ended;                     /* a connection has, since last asked */
};

static int gate_open(struct oxi_channel *c, const char *allowed)
{
	struct oxi_gate *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return OX_ENOMEM;
	c->gate = g;
	if (zmq_z85_decode(g->allowed, allowed) == NULL)
		return OX_EINVAL;
	g->socket = zmq_socket(c->context, ZMQ_REP);
	if (g->socket == NULL)
		return -errno;
	oxi_socket_set_int(g->socket, ZMQ_LINGER, 0);
	if (zmq_bind(g->socket, GATE) < 0)
		return -errno;
	return oxi_socket_get_int(g->socket, ZMQ_FD, &g->fd);
}

void oxi_gate_close(struct oxi_channel *c)
{
	if (c->gate != NULL && c->gate->socket != NULL)
		zmq_close(c->gate->socket);
	free(c->gate);
	c->gate = NULL;
}

/* The frames of a request. What is longer than its place is cut, and then is not what was asked for. */
enum { ZAP_VERSION, ZAP_ID, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY, ZAP_FRAMES };

struct frame {
	char data[64];
	size_t len;
};

/* 1 with a request; 0: none now. n: of its frames. */
static int gate_receive(struct oxi_gate *g, struct frame frames[ZAP_FRAMES], unsigned *n)
{
	int r, more = 1;

	for (*n = 0; more; (*n)++) {
		struct frame extra, *f = *n < ZAP_FRAMES ? &frames[*n] : &extra;
		do
			r = zmq_recv(g->socket, f->data, sizeof(f->data), ZMQ_DONTWAIT);
		while (r < 0 && errno == EINTR);
		if (r < 0)
			return 0;
		f->len = (size_t)r;
		if (oxi_socket_get_int(g->socket, ZMQ_RCVMORE, &more) < 0)
			return 0;
	}
	return 1;
}

static void gate_answer(struct oxi_gate *g, const struct frame *id, bool in)
{
	const char *const texts[] = { in ? "200" : "400", in ? "OK" : "this key is not allowed", "", "" };

	zmq_send(g->socket, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(g->socket, id->data, id->len, ZMQ_SNDMORE);
	for (int i = 0; i < 4; i++)
		zmq_send(g->socket, texts[i], strlen(texts[i]), i < 3 ? ZMQ_SNDMORE : 0);
}

static bool is(const struct frame *f, const void *data, size_t len)
{
	return f->len == len && memcmp(f->data, data, len) == 0;
}

static void gate_attend(struct oxi_gate *g)
{
	struct frame f[ZAP_FRAMES];
	unsigned n;

	while (gate_receive(g, f, &n) == 1)
		gate_answer(g, &f[ZAP_ID], n == ZAP_FRAMES && is(&f[ZAP_MECHANISM], "CURVE", 5) &&
		                           is(&f[ZAP_KEY], g->allowed, KEY_BYTES));
}

/* ---- the pool's end ---- */

static int bind_listener(struct oxi_channel *c, const struct oxi_serve_at *o, char endpoint[OXI_ENDPOINT])
{
	int64_t max = (int64_t)o->max_message;
	size_t len = OXI_ENDPOINT;
	int one = 1, r;

	r = oxi_channel_monitor(c, ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
	                           ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
	if (r < 0)
		return r;
	if (zmq_setsockopt(c->socket, ZMQ_CURVE_SERVER, &one, sizeof(one)) < 0 ||
	    zmq_setsockopt(c->socket, ZMQ_ZAP_DOMAIN, DOMAIN, strlen(DOMAIN)) < 0 ||
	    zmq_setsockopt(c->socket, ZMQ_ZAP_ENFORCE_DOMAIN, &one, sizeof(one)) < 0 ||
	    zmq_setsockopt(c->socket, ZMQ_MAXMSGSIZE, &max, sizeof(max)) < 0 ||
	    oxi_socket_set_int(c->socket, ZMQ_BACKLOG, BACKLOG) < 0 ||
	    oxi_socket_set_int(c->socket, ZMQ_ROUTER_MANDATORY, 1) < 0 ||
	    zmq_bind(c->socket, o->endpoint) < 0 ||
	    zmq_getsockopt(c->socket, ZMQ_LAST_ENDPOINT, endpoint, &len) < 0)
		return -errno;
	return 0;
}

int oxi_channel_serve(const struct oxi_serve_at *o, char ret_endpoint[OXI_ENDPOINT], struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = strncmp(o->endpoint, "tcp://", 6) == 0 ? oxi_channel_new(ZMQ_ROUTER, &c) : OX_EINVAL;

	if (r < 0)
		return r;
	r = gate_open(c, o->allowed);
	if (r == 0)
		r = set_options(c, o->endpoint, o->keys, o->silence_ms);
	if (r == 0)
		r = bind_listener(c, o, ret_endpoint);
	if (r < 0) {
		oxi_channel_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void oxi_channel_fds(const struct oxi_channel *c, int ret[OXI_CHANNEL_FDS])
{
	ret[0] = c->fd;
	ret[1] = c->monitor_fd;
	ret[2] = c->gate != NULL ? c->gate->fd : -1;
}

bool oxi_channel_attend(struct oxi_channel *c)
{
	struct oxi_gate *g = c->gate;
	int event, value;

	gate_attend(g);
	while ((event = oxi_channel_event(c, &value)) > 0) {
		if (event == ZMQ_EVENT_DISCONNECTED)
			g->ended = true;
		else
			g->refused++;
	}
	bool ended = g->ended;
	g->ended = false;
	return ended;
}

uint64_t oxi_channel_refused(const struct oxi_channel *c)
{
	return c->gate->refused;
}

/* ---- a remote host's end ---- */

int oxi_channel_join(const struct oxi_join_to *o, struct oxi_channel **ret)
{
	struct oxi_channel *c;
	int r = strncmp(o->endpoint, "tcp://", 6) == 0 ? oxi_channel_new(ZMQ_DEALER, &c) : OX_EINVAL;

	if (r < 0)
		return r;
	c->link = 0;
	r = set_options(c, o->endpoint, o->keys, o->silence_ms);
	if (r == 0)
		r = oxi_channel_monitor(c, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
		                           ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
		                           ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
	if (r == 0 && (zmq_setsockopt(c->socket, ZMQ_CURVE_SERVERKEY, o->server_key, OXI_KEY) < 0 ||
	               oxi_socket_set_int(c->socket, ZMQ_RECONNECT_IVL, -1) < 0 || zmq_connect(c->socket, o->endpoint) < 0))
		r = -errno;
	if (r < 0) {
		oxi_channel_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int oxi_channel_link(struct oxi_channel *c)
{
	int event, value;

	while (c->link >= 0 && (event = oxi_channel_event(c, &value)) != 0) {
		if (event < 0)
			c->link = event;
		else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
			c->link = 1;
		else if (event == ZMQ_EVENT_CLOSED)
			c->link = -ECONNREFUSED;
		else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
			c->link = OX_EAUTH;
		else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
			c->link = OX_EPROTO;
		else
			c->link = -ECONNRESET;
	}
	return c->link;
}

void oxi_channel_linger(struct oxi_channel *c, int ms)
{
	oxi_socket_set_int(c->socket, ZMQ_LINGER, ms);
}
