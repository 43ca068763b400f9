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
#include "loop/io/waits.h"

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
	oxi_listener_go_on(c.server->listener);
	return r;
}

/* 0; OX_ENOMEM: the stream is closed. */
static int start_connection(struct server *v, ox_stream *s)
{
	struct connection *c = oxi_alloc(sizeof(*c));
	int r = c ? 0 : OX_ENOMEM;

	if (c) {
		*c = (struct connection){ v, s };
		v->connections++;
		r = oxi_spawn_now(v->group, run_connection, c);
	}
	return r;
}

int ox_serve_next(ox_stream *s)
{
	struct server *v = ox_local_get(&server_of);
	struct idle idle;
	ox_bytes ignored;
	int r = oxi_checkpoint();

	if (r < 0)
		return r;
	if (v == NULL)
		return OX_ESTATE;
	if (v->draining)
		return 0;
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

