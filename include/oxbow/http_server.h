/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 server (liboxbow-http): a coroutine a request. Request bodies are collected up to a limit; replies
 * are whole, streamed, streams of events, or files. The methods are GET, HEAD, POST, PUT, DELETE, OPTIONS and
 * PATCH; others are refused (501) before they reach the handler. So is a path that cannot be decoded (400), a
 * body over the limit (413), headers over theirs (431), and anything that is not HTTP, or could be read in two
 * ways: two lengths or hosts, no host, a header whose name is none (400).
 */
#ifndef OXBOW_HTTP_SERVER_H
#define OXBOW_HTTP_SERVER_H

#include <oxbow/base.h>
#include <oxbow/tls.h>

OX_BEGIN

typedef struct ox_http_server ox_http_server;
typedef struct ox_request ox_request;

/**
 * Handles one request, in a coroutine of its own, and replies: by ox_request_reply() or
 * ox_request_reply_file(), which are sent when the handler returns, or by ox_request_begin() or
 * ox_request_send_event() and what follows them. A request without a reply gets 500.
 *
 * When the peer goes away meanwhile the handler runs on (see cancel_gone), and its reply fails with
 * -ECONNRESET. A peer that has only shut down its sending side still gets its reply.
 * Returns: 0; a negative code is a 500, whatever was replied before; of a reply that is under way it resets
 * the connection, so that the peer knows that it is not whole.
 */
typedef int ox_http_handler(ox_request *req, void *arg);

typedef struct ox_http_server_options {
	size_t size;
	size_t max_body;                /* bytes of a request body, at most 1 GiB; more gets 413. 0: 8 MiB */
	size_t max_headers;             /* bytes, at most 1 GiB; more gets 431, from 64 KiB more on 400. 0: 64 KiB */
	ox_time idle_timeout;           /* of a connection that no handler works for, and of a peer that takes nothing
	                                 * of its reply; 0: 60 s. Who sends a byte now and then is not idle */
	void *arg;                      /* for the handler */
	bool cancel_gone;               /* cancel the handler of a peer that closed its connection, or its sending side:
	                                 * TCP does not tell which */
	ox_tls *tls;                    /* serve https, with this configuration, which must outlive the server; NULL:
	                                 * http. It speaks HTTP/1.1: offer no other protocol by ALPN */
} ox_http_server_options;
#define OX_HTTP_SERVER_OPTIONS(...) (&(ox_http_server_options){ .size = sizeof(ox_http_server_options), __VA_ARGS__ })
OX_API void ox_http_server_options_init(ox_http_server_options *o);

/**
 * Serves HTTP on an address ("127.0.0.1:0", "[::1]:8080"; port 0: the kernel chooses it), or on a Unix socket
 * ("unix:/run/app.sock", "unix:@abstract"; its file must not exist, and is removed in the end).
 *
 * Opens a group in the calling coroutine: handlers run in it, and ox_http_server_close() nests with groups
 * and scopes. When descriptors run out, connections wait until there are some again.
 * @handler, @o: NULL for the defaults. @ret: owned: ox_http_server_close().
 * Returns: 0; OX_EINVAL (address, options), -EADDRINUSE and the like, OX_ENOMEM,
 * OX_ESTATE outside a coroutine, OX_EFORKED.
 * Since: 0.1
 */
OX_API int ox_http_serve(const char *address, ox_http_handler *handler, const ox_http_server_options *o, ox_http_server **ret);

/** Writes "http://127.0.0.1:PORT" or "http://unix:PATH" (with tls: https), without a slash at the end. Returns: 0; OX_ETOOBIG. Since: 0.1 */
OX_API int ox_http_server_url(const ox_http_server *s, char *buf, size_t cap);

/**
 * Ends a server without cutting a reply short: stops listening, closes the connections between two requests,
 * and waits until the handlers have returned and all they replied is sent. Then close it.
 *
 * @timeout: how long to wait at most; OX_NEVER.
 * Returns: 0; OX_ETIMEDOUT and OX_ECANCELED: some are not done (ox_http_server_close() ends them); OX_EBUSY
 * if it drains already. Cancel: it goes on draining. Since: 0.1
 */
OX_API OX_YIELDS int ox_http_server_drain(ox_http_server *s, ox_time timeout);

/**
 * Stops listening, cancels the handlers, waits for them, closes the connections, frees. Takes NULL.
 *
 * Call from: the coroutine that opened it, innermost first. Yields: unless no handler runs. Cancel: does not
 * stop the waiting.
 * Since: 0.1
 */
OX_API OX_YIELDS void ox_http_server_close(ox_http_server *s);

/** The method, "GET" for instance. Borrowed, as all that is asked of a request: until the handler returns. Since: 0.1 */
OX_API const char *ox_request_method(const ox_request *req);
/** The path, decoded, without the query; it begins with a slash (or is the "*" of OPTIONS). Borrowed. Since: 0.1 */
OX_API const char *ox_request_path(const ox_request *req);
/** What follows the question mark, not decoded; NULL if there is none. Borrowed. Since: 0.1 */
OX_API const char *ox_request_query(const ox_request *req);
/** The first value of a header, name in any case; NULL if there is none. Borrowed. Since: 0.1 */
OX_API const char *ox_request_header(const ox_request *req, const char *name);
/** The body of the request. Borrowed. Since: 0.1 */
OX_API ox_bytes ox_request_body(const ox_request *req);

/**
 * Replies with a whole body, copied; to HEAD only its length is sent. Once per request.
 *
 * @status: 200 to 599; 204 and 304 have no body. @type: its Content-Type; NULL for none.
 * Returns: 0; OX_ESTATE if there is a reply already, OX_EINVAL, -ECONNRESET if the peer went, OX_ENOMEM.
 * Since: 0.1
 */
OX_API int ox_request_reply(ox_request *req, int status, const char *type, const void *body, size_t len);

/**
 * Adds a header to the reply to come. Content-Length and Transfer-Encoding are the server's own.
 *
 * Returns: 0; OX_EINVAL (one of these; not a name; a control character), OX_ESTATE if the reply has begun,
 * OX_ENOMEM.
 * Since: 0.1
 */
OX_API int ox_request_add_header(ox_request *req, const char *name, const char *value);

/**
 * Begins a reply whose body is written piece by piece; its headers are sent now. It ends when the handler
 * returns 0.
 *
 * @status, @type: as of ox_request_reply(). @len: bytes to come, neither more nor less; negative: not known
 * (the body is sent in chunks; to HTTP/1.0, up to the end of the connection).
 * Returns: 0; as ox_request_reply(). Since: 0.1
 */
OX_API int ox_request_begin(ox_request *req, int status, const char *type, int64_t len);

/**
 * Writes the next bytes of a begun reply; to HEAD they are not sent.
 *
 * Returns: len (all is on its way); -ECONNRESET once the peer has gone, OX_ESTATE (not begun), OX_ETOOBIG
 * (more than was announced; nothing is written), OX_EBUSY if another coroutine writes, OX_ECANCELED,
 * OX_ENOMEM. Yields: while the peer has more than 64 KiB to take. Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_request_write(ox_request *req, const void *buf, size_t len);

/** One server-sent event (WHATWG HTML, section 9.2.5). What is NULL or 0 is left out. */
typedef struct ox_http_event {
	size_t size;
	const char *data;               /* of one or more lines; without it the peer's page is told of no event */
	const char *event;              /* its type; one line */
	const char *id;                 /* one line */
	ox_time retry;                  /* what the peer shall wait before it connects again, in full ms */
	const char *comment;            /* one or more lines; a comment alone, "" say, keeps the connection awake */
} ox_http_event;
#define OX_HTTP_EVENT(...) (&(ox_http_event){ .size = sizeof(ox_http_event), __VA_ARGS__ })
OX_API void ox_http_event_init(ox_http_event *e);

/**
 * Sends a server-sent event; the first one begins the reply, a text/event-stream that no cache keeps.
 *
 * A peer that has gone is noticed by the event or comment after the next: send one from time to time.
 * Returns: 0; OX_EINVAL (a line end in event or id, a negative retry); as ox_request_write().
 * Yields: while the peer has more than 64 KiB to take. Since: 0.1
 */
OX_API OX_YIELDS int ox_request_send_event(ox_request *req, const ox_http_event *e);

/** True if the peer has closed the connection, or its sending side. Since: 0.1 */
OX_API bool ox_request_gone(const ox_request *req);

/**
 * Replies with the file that the request's path names below root: its type by its ending, index.html for a
 * folder. HEAD, ETag (If-Match, If-None-Match), Last-Modified (If-Modified-Since, If-Unmodified-Since) and
 * ranges (If-Range too) are answered as RFC 9110 says: 206 with one range, or several as
 * multipart/byteranges; 304; 412; 416. Ranges that overlap or are more than 32 are passed over, and the whole
 * file is sent.
 *
 * No path leaves root, be it by "..", encoded or not, or by a symbolic link (those that stay inside are
 * followed). 404: no such file; 403: it would leave root, may not be read, is no file, or a folder without an
 * index.html; 301: a folder's path without the slash at its end; 405: not GET or HEAD.
 * Returns: 0, also for these; as ox_request_reply(). Since: 0.1
 */
OX_API int ox_request_reply_file(ox_request *req, const char *root);

OX_END

#endif
