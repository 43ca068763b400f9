/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: libevent's evhttp speaks HTTP on the loop's own event base, and each request runs in a
 * coroutine of the server's group.
 *
 * Who owns a request? evhttp keeps it in its connection until the reply is written, and then frees it without
 * telling; when the connection ends before a reply was begun, it lets go of it and it is ours. So a whole
 * reply that a handler makes is only recorded, and handed to evhttp as the last thing, when nobody looks at
 * the request any more (server_request.c). Rejected: evhttp_request_own(), which evhttp heeds when a
 * connection ends but not when a reply is complete. Our own record lives until the reply has left or the
 * connection ended:
 *
 *	handler works ──returns──> reply is being sent ──last byte──> freed; the connection waits for a request
 *	      │ peer gone                │ peer gone
 *	      v                          v
 *	handler works on ──returns──>  freed
 *
 * Draining closes the connections that wait for a request, and waits until no record is left. A connection
 * that never made a request is not known to us (evhttp does not tell its connections); if it makes one while
 * we drain, it is served, and closed afterwards.
 */
#include "loop/http/server.h"

#include <event2/listener.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/private/auto.h"
#include "loop/http/text.h"
#include "loop/io/socket.h"

#define BACKLOG 511
#define ACCEPT_PAUSE OX_MS(100)         /* after accept() failed: out of descriptors, say */
#define LOOKS 4                         /* for idle timeouts, in each */
#define HEADERS_MORE OX_KIB(64)         /* that evhttp reads beyond the limit, so that we can say 431; it says 400 */

/* ---- a request's coroutine ---- */

static int run_handler(void *arg)
{
	struct ox_request *q = arg;

	if (q->server->handler(q, q->server->arg) < 0)
		q->failed = true;
	oxi_request_finish(q);
	oxi_peer_end(q);
	return 0;
}

static void on_request(struct evhttp_request *ev, void *arg)
{
	struct ox_http_server *s = arg;
	int status = 503;
	struct ox_request *q = s->closing ? NULL : oxi_request_new(s, ev, &status);
	size_t before = ox_group_pending(s->group);

	if (!q) {
		evhttp_send_error(ev, status, oxi_http_phrase(status));
		return;
	}
	oxi_peer_begin(q);
	if (s->tls && !oxi_front_made(q)) {
		oxi_request_reply_status(q, 403);
		oxi_request_finish(q);
		oxi_peer_end(q);
		return;
	}
	q->task = ox_spawn_with(s->group, run_handler, q, OX_SPAWN_OPTIONS(.name = "http request"));
	if (ox_group_pending(s->group) > before)
		return;
	oxi_request_reply_status(q, 503);
	oxi_request_finish(q);
	oxi_peer_end(q);
}

/* ---- connections ---- */

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct ox_http_server *s = arg;
	struct bufferevent *b = bufferevent_socket_new(base, -1, 0);

	if (b)
		bufferevent_setwatermark(b, EV_READ, 0, s->most_input);
	return b;
}

/* Out of descriptors, as a rule. The listener is ready all the same: without a pause the loop would spin. */
static void on_accept_error(struct evconnlistener *l, void *arg)
{
	struct ox_http_server *s = arg;

	if (oxi_timer_set(&s->accept_again, oxi_now() + ACCEPT_PAUSE) == 0)
		evconnlistener_disable(l);
}

static void accept_again(struct oxi_timer *t)
{
	struct ox_http_server *s = OXI_CONTAINER(t, struct ox_http_server, accept_again);

	evconnlistener_enable(evhttp_bound_socket_get_listener(s->bound));
}

/* ---- listening ---- */

/* A Unix socket's file is ours from here on. */
static void note_file(struct ox_http_server *s, const ox_address *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->storage;

	if (un->sun_family == AF_UNIX)
		strcpy(s->file, un->sun_path);          /* of an abstract one: "" */
}

static void remove_file(struct ox_http_server *s)
{
	if (s->file[0])
		unlink(s->file);
	s->file[0] = '\0';
}

static int listen_on(struct ox_http_server *s, const char *text, int *ret_fd)
{
	ox_address a;
	int one = 1, r = ox_address_parse(text, &a);

	if (r < 0)
		return r;
	OXI_AUTO_FD fd = oxi_socket_new(&a);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));    /* connections inherit it */
	if (bind(fd, (struct sockaddr *)&a.storage, a.len) < 0)
		return -errno;
	note_file(s, &a);
	if (listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void name_url(struct ox_http_server *s, int fd)
{
	ox_address a = { .len = sizeof(a.storage) };

	strcpy(s->url, s->tls ? "https://" : "http://");
	if (s->tls) {
		OXI_CHECK(ox_listener_address(s->front, s->url + strlen(s->url), sizeof(s->url) - strlen(s->url)) == 0);
		return;
	}
	getsockname(fd, (struct sockaddr *)&a.storage, &a.len);
	OXI_CHECK(ox_address_format(&a, s->url + strlen(s->url), sizeof(s->url) - strlen(s->url)) == 0);
}

/* ---- life ---- */

void ox_http_server_options_init(ox_http_server_options *o)
{
	*o = (ox_http_server_options){ .size = sizeof(*o) };
}

/* With TLS only the front: those whom it has accepted may still be connecting to the inside. */
static void stop_listening(struct ox_http_server *s)
{
	ox_listener_stop(s->front);
	if (s->tls && !s->closing)
		return;
	if (s->bound)
		evhttp_del_accept_socket(s->http, s->bound);
	s->bound = NULL;
	remove_file(s);
	oxi_timer_clear(&s->accept_again);
}

static void close_idle(struct oxi_hook *h)
{
	oxi_peers_close_idle(OXI_CONTAINER(h, struct ox_http_server, close_idle));
}

/*
 * The descriptor of a loop that somebody else turns (ox_loop_fd()) knows our timers, not libevent's: a poll now and then
 * finds the idle timeouts that have passed.
 */
static void look(struct oxi_timer *t)
{
	struct timeval idle = OXI_CONTAINER(t, struct ox_http_server, look)->idle_timeout;

	oxi_timer_set(t, oxi_now() + (OX_SEC(idle.tv_sec) + OX_US(idle.tv_usec)) / LOOKS + OX_MS(1));  /* without memory: no more */
}

static void destroy(struct ox_http_server *s)
{
	if (s->http)
		evhttp_free(s->http);           /* and with it the listener and the connections */
	oxi_timer_clear(&s->accept_again);
	oxi_timer_clear(&s->look);
	oxi_hook_disarm(&s->close_idle);
	oxi_hook_disarm(&s->end);
	s->magic = 0;
	remove_file(s);
	ox_listener_close(s->front);
	oxi_free(s->idle);
	oxi_free(s);
}

static void loop_ends(struct oxi_hook *h)
{
	oxi_loop_hold(-1);
	destroy(OXI_CONTAINER(h, struct ox_http_server, end));
}

static void set_options(struct ox_http_server *s, const ox_http_server_options *o)
{
	size_t body = o->max_body ? o->max_body : OX_MIB(8);
	size_t headers = o->max_headers ? o->max_headers : OX_KIB(64);
	ox_time idle = o->idle_timeout ? o->idle_timeout : OX_SEC(60);

	s->arg = o->arg;
	s->cancel_gone = o->cancel_gone;
	s->max_headers = headers;
	s->most_input = body + headers + 2 * HEADERS_MORE;
	s->idle_timeout.tv_sec = idle / OX_SEC(1);
	s->idle_timeout.tv_usec = idle % OX_SEC(1) / 1000;
	evhttp_set_max_body_size(s->http, (ssize_t)body);
	evhttp_set_max_headers_size(s->http, (ssize_t)(headers + HEADERS_MORE));
	evhttp_set_timeout_tv(s->http, &s->idle_timeout);
	evhttp_set_default_content_type(s->http, NULL);
	evhttp_set_flags(s->http, EVHTTP_SERVER_LINGERING_CLOSE);       /* or the 413 would be lost in a reset */
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
	                                            EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
	evhttp_set_bevcb(s->http, on_connection, s);
	evhttp_set_gencb(s->http, on_request, s);
}

/* Takes the descriptor, also on failure. */
static int begin(struct ox_http_server *s, int fd, const ox_http_server_options *o)
{
	struct event_base *base = oxi_loop_event_base();
	struct evconnlistener *l = evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (!l) {
		close(fd);
		return OX_ENOMEM;
	}
	name_url(s, fd);
	s->http = evhttp_new(base);
	s->bound = s->http ? evhttp_bind_listener(s->http, l) : NULL;
	if (!s->bound) {
		evconnlistener_free(l);
		return OX_ENOMEM;
	}
	evconnlistener_set_error_cb(l, on_accept_error);
	set_options(s, o);
	s->group = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true, .name = "http server"));
	if (!s->group)
		return OX_ENOMEM;
	return s->tls ? oxi_front_start(s) : 0;
}

int ox_http_serve(const char *address, ox_http_handler *handler, const ox_http_server_options *o, ox_http_server **ret)
{
	ox_http_server_options with = { .size = sizeof(with) };
	struct ox_http_server *s;
	int fd = -1, r;

	if (oxi_forked())
		return OX_EFORKED;
	if (!ox_task_name())
		return OX_ESTATE;
	if (o)
		memcpy(&with, o, o->size < sizeof(with) ? o->size : sizeof(with));
	if (with.max_body > OX_GIB(1) || with.max_headers > OX_GIB(1) || with.idle_timeout < 0)
		return OX_EINVAL;
	s = oxi_alloc(sizeof(*s));
	if (!s)
		return OX_ENOMEM;
	s->magic = OXI_SERVER_MAGIC;
	s->handler = handler;
	s->tls = with.tls;
	oxi_timer_init(&s->accept_again, accept_again);
	oxi_timer_init(&s->look, look);
	oxi_hook_init(&s->end, loop_ends);
	oxi_hook_init(&s->close_idle, close_idle);
	r = s->tls ? oxi_front_open(s, address) : 0;
	if (r == 0)
		r = listen_on(s, s->tls ? s->inside : address, &fd);
	if (r == 0)
		r = begin(s, fd, &with);
	if (r < 0) {
		ox_group_close(s->group);
		destroy(s);
		return r;
	}
	look(&s->look);
	oxi_hook_at_end(&s->end);
	oxi_loop_hold(1);
	*ret = s;
	return 0;
}

int ox_http_server_url(const ox_http_server *s, char *buf, size_t cap)
{
	OXI_CHECK_OBJECT(s, OXI_SERVER_MAGIC);
	if (strlen(s->url) >= cap)
		return OX_ETOOBIG;
	memcpy(buf, s->url, strlen(s->url) + 1);
	return 0;
}

static oxi_abort_answer stop_draining(struct oxi_wait *w)
{
	((struct ox_http_server *)(uintptr_t)w->object)->drainer = NULL;
	return OXI_ABORTED;
}

static int wait_until_idle(struct ox_http_server *s)
{
	struct oxi_wait w;

	if (s->busy == 0 && s->secured == 0)
		return 0;
	oxi_wait_init(&w, "http drain", s, stop_draining);
	s->drainer = &w;
	return oxi_park(&w);
}

int ox_http_server_drain(ox_http_server *s, ox_time timeout)
{
	ox_scope scope;
	int r;

	OXI_CHECK_OBJECT(s, OXI_SERVER_MAGIC);
	r = oxi_checkpoint();
	if (r < 0)
		return r;
	if (s->drainer)
		return OX_EBUSY;
	s->draining = true;
	stop_listening(s);
	oxi_peers_close_idle(s);
	ox_scope_enter(&scope, timeout);
	return ox_scope_leave(&scope, wait_until_idle(s));
}

void ox_http_server_close(ox_http_server *s)
{
	if (!s || oxi_forked())                 /* in a child the poller is still the parent's */
		return;
	OXI_CHECK_OBJECT(s, OXI_SERVER_MAGIC);
	s->closing = true;
	stop_listening(s);
	ox_group_close(s->group);
	oxi_loop_hold(-1);
	destroy(s);
}
