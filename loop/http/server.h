/* SPDX-License-Identifier: MIT */
/*
 * The inside of the HTTP server: server.c is the listening, the connections and the coroutines,
 * server_request.c what a handler may ask and reply, server_files.c the reply with a file.
 */
#ifndef OXBOW_LOOP_HTTP_SERVER_H
#define OXBOW_LOOP_HTTP_SERVER_H

#include <event2/buffer.h>
#include <event2/http.h>
#include <oxbow/http_server.h>

#include "loop/loop.h"

#define OXI_REQUEST_MAGIC 0x72657175657374ull

struct ox_request {
	uint64_t magic;
	struct ox_http_server *server;
	struct evhttp_request *ev;      /* libevent's, until the reply is handed over */
	const char *raw_path;           /* in the request's target, raw_path_len bytes */
	size_t raw_path_len;
	const char *query;              /* NULL: none */
	char *path;                     /* decoded */
	struct evbuffer *body;          /* of the reply */
	int status;                     /* of the reply; 0: none yet */
	bool gone;                      /* the peer has closed the connection */
};

/* NULL without memory, with *ret_status 503, or for a path that cannot be decoded, with 400. */
struct ox_request *oxi_request_new(struct ox_http_server *s, struct evhttp_request *ev, int *ret_status);

/* Hands the reply that was recorded, or a 500, over to libevent, and frees the request. */
void oxi_request_finish(struct ox_request *q);

/* Records a reply without a body of its own; text is for people. As ox_request_reply(). */
int oxi_request_reply_status(struct ox_request *q, int status);

/* A connection's events while a handler works on it, and afterwards. */
void oxi_server_watch_peer(struct ox_request *q);
void oxi_server_unwatch_peer(struct ox_request *q);

#endif
