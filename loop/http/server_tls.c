/* SPDX-License-Identifier: MIT */
/*
 * TLS in front of evhttp, which takes its connections from a listening socket only. So it listens inside, on
 * a Unix socket with a name nobody can guess; a front accepts the public connections, speaks TLS with them,
 * and relays what they say to a connection of its own to the inside. Who else in the machine finds the name
 * is refused, by the process that the kernel says has connected.
 *
 *	client <──TLS──> front <──relay, a Unix socket──> evhttp ──> handlers
 *
 * The connection inside ends when evhttp closes it (idle, drained, "Connection: close"), and TLS with it; the
 * client's end is passed on as a half-close.
 *
 * Rejected: bufferevent_openssl, libevent's own TLS: a second implementation beside ours, with its own
 * options. It would spare the relay.
 */
#include "loop/http/server.h"

#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

struct way {
	ox_stream *from, *to;
};

static int pass_in(void *arg)
{
	struct way *w = arg;

	ox_relay(w->from, w->to, NULL);
	return ox_write_eof(w->to);
}

static void relay(ox_stream *outside, ox_stream *inside)
{
	OX_AUTO_GROUP *g = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT));
	struct way in = { outside, inside };
	ox_future *f = ox_spawn_with(g, pass_in, &in, OX_SPAWN_OPTIONS(.name = "https in"));

	if (ox_future_done(f))                  /* without memory: it has not begun */
		return;
	ox_relay(inside, outside, NULL);
	ox_group_cancel(g);
}

static int serve_secured(ox_stream *below, void *arg)
{
	struct ox_http_server *s = arg;
	ox_stream *outside = NULL, *inside = NULL;
	int r;

	s->secured++;
	r = ox_tls_accept(below, s->tls, NULL, &outside);
	if (r == 0 && ox_serve_next(outside) == 1)
		r = ox_connect(s->inside, &inside);
	if (inside)
		relay(outside, inside);
	ox_close(inside);
	ox_close(outside);
	s->secured--;
	oxi_server_settle(s);
	return r;
}

static int accept_all(void *arg)
{
	struct ox_http_server *s = arg;
	int r = ox_serve(s->front, serve_secured, s, OX_SERVE_OPTIONS(.name = "https connection"));

	if (r < 0 && r != OX_ECANCELED)
		oxi_log(OX_LOG_ERROR, "the HTTP server at %s accepts no more: %s", s->url, ox_strerror(r));
	ox_listener_stop(s->front);             /* so that clients are refused and do not wait for nobody */
	return r;
}

int oxi_front_open(struct ox_http_server *s, const char *address)
{
	uint64_t nonce[2];

	if (getrandom(nonce, sizeof(nonce), GRND_NONBLOCK) != sizeof(nonce))
		return -EAGAIN;
	snprintf(s->inside, sizeof(s->inside), "unix:@oxbow-%016llx%016llx", (unsigned long long)nonce[0],
	         (unsigned long long)nonce[1]);
	return ox_listen(address, NULL, &s->front);
}

int oxi_front_start(struct ox_http_server *s)
{
	size_t before = ox_group_pending(s->group);

	ox_spawn_with(s->group, accept_all, s, OX_SPAWN_OPTIONS(.name = "https front"));
	return ox_group_pending(s->group) > before ? 0 : OX_ENOMEM;
}

bool oxi_front_made(const struct ox_request *q)
{
	struct ucred peer = { .pid = -1 };
	socklen_t len = sizeof(peer);

	getsockopt(bufferevent_getfd(oxi_peer_bufferevent(q)), SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return peer.pid == getpid();
}
