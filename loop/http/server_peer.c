/* SPDX-License-Identifier: MIT */
/*
 * What is heard of a connection while a handler works on it and until its reply has left.
 *
 * evhttp does not read a connection then, so it would not see that the peer has gone. We let it read on,
 * without its read callback, which takes bytes in this state for a fatal error of its own; a client that
 * pipelines is bounded by the read high-water mark.
 *
 * The end of what the peer sends says that it has gone, or that it has only shut down its sending side.
 * evhttp would drop the connection; we keep that from it, stop reading, and the reply goes out: a peer that
 * has really gone answers it with a reset, and that is an error which evhttp hears. Each call of evhttp that
 * writes puts its own callbacks back and reads again, so oxi_peer_listen() follows each.
 *
 * Timeouts: evhttp would run the idle timeout while a long reply is being sent. Here nothing runs while the
 * handler works, the writing one while the peer takes nothing, and the idle one only between two requests.
 *
 * evhttp does not tell its connections, so the server notes those that wait for their next request, by
 * descriptor.
 */
#include "loop/http/server.h"

#define GROW_BY 64u                     /* descriptors */

struct bufferevent *oxi_peer_bufferevent(const struct ox_request *q)
{
	return evhttp_connection_get_bufferevent(evhttp_request_get_connection(q->ev));
}

static struct evhttp_connection **idle_place(struct ox_http_server *s, struct evhttp_connection *c)
{
	size_t fd = (size_t)bufferevent_getfd(evhttp_connection_get_bufferevent(c));

	return fd < s->idle_cap ? &s->idle[fd] : NULL;
}

/* Without memory the connection is only closed at the end of the server. */
static void make_idle_place(struct ox_http_server *s, int fd)
{
	size_t cap = (size_t)fd + GROW_BY;
	struct evhttp_connection **idle;

	if ((size_t)fd < s->idle_cap)
		return;
	idle = oxi_realloc(s->idle, cap * sizeof(*idle));
	if (!idle)
		return;
	for (size_t i = s->idle_cap; i < cap; i++)
		idle[i] = NULL;
	s->idle = idle;
	s->idle_cap = cap;
}

static void on_idle_close(struct evhttp_connection *c, void *arg)
{
	struct evhttp_connection **place = idle_place(arg, c);

	if (place)
		*place = NULL;
}

void oxi_peers_close_idle(struct ox_http_server *s)
{
	for (size_t fd = 0; fd < s->idle_cap; fd++)
		if (s->idle[fd])
			evhttp_connection_free(s->idle[fd]);
}

/* ---- the end of a request ---- */

void oxi_server_settle(struct ox_http_server *s)
{
	if (s->busy > 0 || s->secured > 0 || !s->drainer)
		return;
	oxi_wake(s->drainer, 0);
	s->drainer = NULL;
}

static void release(struct ox_request *q)
{
	struct ox_http_server *s = q->server;

	oxi_request_free(q);
	s->busy--;
	oxi_server_settle(s);
}

static void tell_handler(struct ox_request *q)
{
	if (q->task && q->server->cancel_gone)
		ox_future_cancel(q->task);
}

static void on_close(struct evhttp_connection *c, void *arg)
{
	struct ox_request *q = arg;

	(void)c;
	q->gone = true;
	if (q->writer)
		oxi_wake(q->writer, -ECONNRESET);
	q->writer = NULL;
	tell_handler(q);
	if (!q->task)
		release(q);
}

static void on_sent(struct evhttp_request *ev, void *arg)
{
	struct ox_request *q = arg;
	struct ox_http_server *s = q->server;
	struct evhttp_connection *c = evhttp_request_get_connection(ev), **place = idle_place(s, c);

	bufferevent_set_timeouts(oxi_peer_bufferevent(q), &s->idle_timeout, &s->idle_timeout);
	evhttp_connection_set_closecb(c, on_idle_close, s);
	if (place)
		*place = c;
	if (s->draining)
		oxi_hook_arm(&s->close_idle);
	q->sent = true;
	if (!q->task)
		release(q);
}

/* ---- the connection's callbacks, in front of evhttp's ---- */

static void on_peer_event(struct bufferevent *b, short what, void *arg)
{
	struct ox_request *q = arg;

	if (what != (BEV_EVENT_READING | BEV_EVENT_EOF)) {
		q->evhttp_event(b, what, q->evhttp_arg);
		return;
	}
	q->half_closed = true;          /* nothing is read any more */
	tell_handler(q);
}

static void on_peer_write(struct bufferevent *b, void *arg)
{
	struct ox_request *q = arg;

	q->evhttp_write(b, q->evhttp_arg);
}

void oxi_peer_listen(struct ox_request *q)
{
	struct bufferevent *b = oxi_peer_bufferevent(q);
	bufferevent_event_cb event;

	bufferevent_getcb(b, NULL, NULL, &event, NULL);
	if (event != on_peer_event) {
		bufferevent_getcb(b, NULL, &q->evhttp_write, &q->evhttp_event, &q->evhttp_arg);
		bufferevent_setcb(b, NULL, on_peer_write, on_peer_event, q);
	}
	if (q->half_closed)
		bufferevent_disable(b, EV_READ);
	else
		bufferevent_enable(b, EV_READ);
}

void oxi_peer_begin(struct ox_request *q)
{
	struct ox_http_server *s = q->server;
	struct evhttp_connection *c = evhttp_request_get_connection(q->ev), **place;

	make_idle_place(s, bufferevent_getfd(oxi_peer_bufferevent(q)));
	place = idle_place(s, c);
	if (place)
		*place = NULL;
	s->busy++;
	evhttp_connection_set_closecb(c, on_close, q);
	evhttp_request_set_on_complete_cb(q->ev, on_sent, q);
	bufferevent_set_timeouts(oxi_peer_bufferevent(q), NULL, &s->idle_timeout);
	oxi_peer_listen(q);
}

void oxi_peer_end(struct ox_request *q)
{
	q->task = NULL;
	if (q->sent || q->gone)
		release(q);
	else
		oxi_peer_listen(q);
}
