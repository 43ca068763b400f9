/* SPDX-License-Identifier: MIT */
/*
 * The inside of the HTTP server: server.c is the listening, the coroutines and the end, server_peer.c what is
 * heard of the connections meanwhile, server_request.c what a handler may ask and reply, server_stream.c
 * replies in pieces and events, server_files.c and server_content.c the reply with a file, server_tls.c what
 * is in front of TLS.
 */
#ifndef OXBOW_LOOP_HTTP_SERVER_H
#define OXBOW_LOOP_HTTP_SERVER_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <netinet/in.h>
#include <oxbow/http_server.h>
#include <oxbow/server.h>
#include <sys/un.h>

#include "loop/loop.h"

#define OXI_REQUEST_MAGIC 0x72657175657374ull

#define OXI_SERVER_MAGIC 0x7365727665006f78ull

/* What a connection may have buffered of a reply before its handler waits. */
#define OXI_HTTP_WRITE_HIGH OX_KIB(64)

struct ox_http_server {
	uint64_t magic;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;      /* NULL: no longer listening */
	ox_group *group;                /* of the handlers */
	ox_http_handler *handler;
	void *arg;
	size_t max_headers;
	size_t most_input;              /* that a connection may buffer: headers and body of one request, and some */
	struct timeval idle_timeout;
	struct oxi_timer look;          /* wakes the loop to look at them */
	struct oxi_timer accept_again;
	struct oxi_hook end;            /* the loop ends and the server was left open */
	struct oxi_hook close_idle;     /* while draining: connections have become idle */
	struct evhttp_connection **idle;        /* by descriptor: those between two requests */
	size_t idle_cap;
	size_t busy;                    /* requests whose reply is not sent yet */
	size_t secured;                 /* connections over TLS */
	struct oxi_wait *drainer;       /* waits for busy and secured to be 0; NULL: nobody */
	ox_tls *tls;                    /* NULL: none */
	ox_listener *front;             /* with tls: the public one; the bound one is inside, for the front only */
	char inside[64];                /* its address */
	bool cancel_gone, draining, closing;
	char file[sizeof(((struct sockaddr_un *)0)->sun_path)];         /* its Unix socket, to be removed; "": none */
	char url[sizeof("https://unix:") + sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* From the last byte of the request to the last byte of the reply, or the end of the connection. */
struct ox_request {
	uint64_t magic;
	struct ox_http_server *server;
	struct evhttp_request *ev;      /* libevent's, until the reply is handed over */
	const char *raw_path;           /* in the request's target, raw_path_len bytes */
	size_t raw_path_len;
	const char *query;              /* NULL: none */
	char *path;                     /* decoded */
	struct evbuffer *body;          /* of the reply, or of the piece that is being written */
	int status;                     /* of the reply; 0: none yet */
	ox_future *task;                /* the handler; NULL: it has returned */
	struct oxi_wait *writer;        /* the handler waits until the peer has taken what is buffered; NULL: it does not */
	int64_t to_come;                /* bytes of a begun reply's announced length; negative: not announced */
	bool begun;                     /* the headers are sent, the body follows in pieces */
	bool bodiless;                  /* HEAD, 204, 304: no byte of a body may be sent */
	bool half_closed;               /* the peer sends no more */
	bool gone;                      /* the connection has ended */
	bool sent;                      /* the reply has left */
	bool failed;                    /* the handler returned a negative code */
	bufferevent_data_cb evhttp_write;       /* evhttp's callbacks and their argument, behind ours */
	bufferevent_event_cb evhttp_event;
	void *evhttp_arg;
};

/* ---- server_request.c ---- */

/* NULL without memory, with *ret_status 503, or for a request that must not reach a handler, with 400 or 431. */
struct ox_request *oxi_request_new(struct ox_http_server *s, struct evhttp_request *ev, int *ret_status);
void oxi_request_free(struct ox_request *q);

/* Hands the reply that was recorded, or a 500, over to libevent; ends one that has begun. */
void oxi_request_finish(struct ox_request *q);

/* Records a reply without a body of its own; text is for people. As ox_request_reply(). */
int oxi_request_reply_status(struct ox_request *q, int status);

/* What every reply begins with. 0; OX_ESTATE, OX_EINVAL, -ECONNRESET. */
int oxi_request_may_reply(const struct ox_request *q, int status);
/* As ox_request_add_header(), for those that are the server's own too. 0; OX_EINVAL, OX_ENOMEM. */
int oxi_request_set_header(struct ox_request *q, const char *name, const char *value);

/* ---- server_stream.c ---- */

/* Ends a begun reply, or breaks it off. */
void oxi_request_end_stream(struct ox_request *q, bool whole);

/* ---- server_content.c ---- */

/* Replies with an open file, as its conditions and ranges ask. Takes the descriptor (and sets -1) if it needs it later. */
struct stat;
int oxi_request_reply_content(struct ox_request *q, const char *path, int *fd, const struct stat *st);

/* ---- server_tls.c ---- */

/* Names the inside, and listens in front of it. 0; as ox_listen(). */
int oxi_front_open(struct ox_http_server *s, const char *address);
/* Accepts, until the front is stopped. 0; OX_ENOMEM. */
int oxi_front_start(struct ox_http_server *s);
/* True if it was the front that connected to the inside. */
bool oxi_front_made(const struct ox_request *q);

/* ---- server_peer.c ---- */

/* Wakes who drains, if nothing is left to wait for. */
void oxi_server_settle(struct ox_http_server *s);

struct bufferevent *oxi_peer_bufferevent(const struct ox_request *q);

/* Before a handler starts: its connection is busy, and the server hears what becomes of it. */
void oxi_peer_begin(struct ox_request *q);
/* Listens on. After each call of evhttp that writes: it puts its own callbacks back. */
void oxi_peer_listen(struct ox_request *q);
/* The handler has returned, and its reply is handed over. Frees the request now or when the last byte is sent. */
void oxi_peer_end(struct ox_request *q);
/* Closes the connections between two requests. */
void oxi_peers_close_idle(struct ox_http_server *s);

#endif
