/* SPDX-License-Identifier: MIT */
/*
 * Servers: a coroutine a connection, a limit on their number, and an end in good order.
 *
 *	ox_serve(listener, handler, arg, NULL)  runs until
 *	- the listener is stopped (ox_listener_stop(), from a signal's coroutine for instance): the server drains. Idle
 *	  connections end at once, busy ones have .grace to finish, then they are cancelled;
 *	- it is cancelled: all connections are, and it returns when they have ended.
 */
#ifndef OXBOW_SERVER_H
#define OXBOW_SERVER_H

#include <oxbow/stream.h>

OX_BEGIN

/** Handles a connection. @s: owned: it is the handler's to close. What it returns goes to nobody. */
typedef int ox_handler(ox_stream *s, void *arg);

typedef struct ox_serve_options {
	size_t size;
	size_t max_connections;         /* at a time: further peers wait to be accepted; 0: no limit but that of descriptors */
	ox_time grace;                  /* how long busy connections may take to end when the server drains; 0: no limit */
	size_t stack_size;              /* of a handler, as in ox_spawn_options */
	const char *name;               /* static text, for reports; NULL: "connection" */
} ox_serve_options;
#define OX_SERVE_OPTIONS(...) (&(ox_serve_options){ .size = sizeof(ox_serve_options), __VA_ARGS__ })
OX_API void ox_serve_options_init(ox_serve_options *o);

/**
 * Accepts connections and runs handler(stream, arg) in a coroutine for each, until the listener is stopped and the last
 * connection has ended.
 *
 * Without a descriptor (EMFILE, ENFILE) or memory for another connection it says so once through the log hook, and
 * accepts again when a connection has ended, or 100 ms later: the peers wait, but the one whose coroutine the memory was not
 * enough for is reset.
 *
 * @l: borrowed. @o: NULL for the defaults.
 * Returns: 0: drained; OX_ETIMEDOUT: drained, and handlers were cancelled after the grace; OX_ECANCELED; OX_EBUSY: another
 * coroutine accepts; what else accepting failed with (after draining). Cancel: cancels the handlers, waits for them.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_serve(ox_listener *l, ox_handler *handler, void *arg, const ox_serve_options *o);

/**
 * Waits for the next request on a connection of a server: until then the connection is idle.
 *
 * @s: the handler's stream or one over it (TLS). Call from: the handler, or a task that descends from it,
 * while ox_serve() goes on.
 * Returns: 1: bytes are there to be read; 0: the peer has closed, or the server drains: close s; as ox_peek(); OX_ESTATE
 * outside of a server. Since: 0.1
 */
OX_API OX_YIELDS int ox_serve_next(ox_stream *s);

OX_END

#endif
