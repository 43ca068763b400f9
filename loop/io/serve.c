/* SPDX-License-Identifier: MIT */
/*
 * Servers. One coroutine accepts, each connection has one of a group that reaps them.
 *
 *	SERVING --listener stopped--> DRAINING: idle ones end --the last has ended--> returns
 *	                                       '--grace is over--> the rest cancelled --'
 *
 * A server knows which connections are idle because they say so: ox_serve_next() waits in a scope of its own, which
 * draining cancels. Handlers find their server by a task-local variable; so do the tasks that they spawn.
 *
 * Rejected: a handle to drain by. Stopping the listener says the same, refuses new connections at once, and needs no
 * object that outlives the call.
 *
 * Rejected: a spare descriptor to accept and drop connections with when there is none left. Waiting is better for the
 * peer than a reset: it is served when another connection has ended.
 */
#include <oxbow/group.h>
#include <oxbow/server.h>
#include <oxbow/task.h>

#include "loop/io/socket.h"
#include "loop/waits.h"

#define BACK_OFF OX_MS(100)

struct server {
	ox_listener *listener;
	ox_handler *handler;
	void *arg;
	const ox_serve_options *o;
	ox_group *group;
	size_t connections;
	bool draining;
	bool short_of;                  /* the log knows that connections cannot be accepted */
	struct oxi_list idle;           /* struct idle */
	struct oxi_wait pause;          /* of the accepting coroutine: a connection that ends wakes it */
};

struct connection {
	struct server *server;
	ox_stream *stream;
};

struct idle {
	struct oxi_list link;
	ox_scope scope;
};

static const ox_local server_of = { "server" };

void ox_serve_options_init(ox_serve_options *o)
{
	*o = *OX_SERVE_OPTIONS(.size = sizeof(*o));
}

/* ---- connections ---- */

static int run_connection(void *arg)
{
	struct connection c = *(struct connection *)arg;
	int r;

	oxi_free(arg);
	r = c.server->handler(c.stream, c.server->arg);
	c.server->connections--;
	oxi_wait_wake(&c.server->pause, 0);
	return r;
}

/* 0; OX_ENOMEM: the stream is closed. */
static int start_connection(struct server *v, ox_stream *s)
{
	struct connection *c = oxi_alloc(sizeof(*c));
	ox_future *f = NULL;

	if (c) {
		*c = (struct connection){ v, s };
		f = ox_spawn_with(v->group, run_connection, c, OX_SPAWN_OPTIONS(.name = v->o->name ? v->o->name : "connection",
		              .site = OX_SITE, .stack_size = v->o->stack_size));
	}
	if (!ox_future_done(f)) {
		v->connections++;
		return 0;
	}
	oxi_free(c);
	ox_stream_abort(s);
	return OX_ENOMEM;
}

int ox_serve_next(ox_stream *s)
{
	struct server *v = ox_local_get(&server_of);
	struct idle idle;
	ox_bytes ignored;
	int r;

	if (v == NULL)
		return OX_ESTATE;
	if (v->draining)
		return ox_cancelled() ? OX_ECANCELED : 0;
	oxi_list_append(&v->idle, &idle.link);
	ox_scope_enter(&idle.scope, OX_NEVER);
	r = ox_peek(s, 1, &ignored);
	ox_scope_leave(&idle.scope, r);
	oxi_list_remove(&idle.link);
	if (r == OX_ECANCELED && v->draining && !ox_cancelled())
		return 0;
	return r == OX_EINCOMPLETE ? 0 : r < 0 ? r : 1;
}

/* ---- the server ---- */

static bool shortage(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == OX_ENOMEM;
}

/* Said once, until accepting works again. */
static int back_off(struct server *v, int error)
{
	char address[OX_ADDRESS_TEXT];

	if (!v->short_of && ox_listener_address(v->listener, address, sizeof(address)) == 0)
		oxi_log(OX_LOG_WARNING, "server at %s: peers have to wait beside %zu connections: %s", address, v->connections,
		        ox_strerror(error));
	v->short_of = true;
	return oxi_listener_pause(v->listener, &v->pause, oxi_now() + BACK_OFF);
}

static int accept_one(struct server *v)
{
	ox_stream *s;
	int r = 0;

	while (r == 0 && v->o->max_connections > 0 && v->connections >= v->o->max_connections)
		r = oxi_listener_pause(v->listener, &v->pause, OX_NEVER);
	if (r == 0)
		r = ox_accept(v->listener, &s);
	if (r == 0)
		r = start_connection(v, s);
	if (r == 0)
		v->short_of = false;
	return shortage(r) ? back_off(v, r) : r;
}

/* 0: all connections have ended; OX_ETIMEDOUT: not within the grace; OX_ECANCELED. */
static int drain(struct server *v)
{
	ox_future *none;
	ox_scope scope;
	int r;

	v->draining = true;
	OXI_LIST_EACH(e, &v->idle)
		ox_scope_cancel(&OXI_CONTAINER(e, struct idle, link)->scope);
	ox_scope_enter(&scope, v->o->grace > 0 ? v->o->grace : OX_NEVER);
	r = ox_group_next(v->group, &none);     /* in a group that reaps: when nothing is left */
	return ox_scope_leave(&scope, r);
}

static int serve(struct server *v)
{
	int drained, r;

	while ((r = accept_one(v)) == 0)
		;
	if (r == OX_ECANCELED || r == OX_EBUSY)
		return r;
	drained = drain(v);
	return drained < 0 || r == OX_ECLOSED ? drained : r;
}

int ox_serve(ox_listener *l, ox_handler *handler, void *arg, const ox_serve_options *o)
{
	struct server v = { .listener = l, .handler = handler, .arg = arg, .o = o ? o : OX_SERVE_OPTIONS(.grace = 0) };
	void *around = ox_local_get(&server_of);
	int r = l ? oxi_checkpoint() : OX_ENOMEM;

	if (r < 0)
		return r;
	oxi_list_init(&v.idle);
	r = ox_local_set(&server_of, &v);
	if (r < 0)
		return r;
	v.group = ox_group_open_with(OX_GROUP_OPTIONS(.policy = OX_COLLECT, .reap = true, .name = "server"));
	r = v.group ? serve(&v) : OX_ENOMEM;
	ox_group_close(v.group);
	OXI_CHECK(ox_local_set(&server_of, around) == 0);       /* needs no memory: nobody shares the variable any more */
	return r;
}
