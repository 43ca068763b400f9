/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 server (liboxbow-http): a coroutine a request. Request bodies are collected up to a limit. The
 * methods are GET, HEAD, POST, PUT, DELETE, OPTIONS and PATCH; others are refused (501) before they reach the
 * handler. So is a path that cannot be decoded (400), a body over the limit (413), and anything that is not
 * HTTP (400).
 */
#ifndef OXBOW_HTTP_SERVER_H
#define OXBOW_HTTP_SERVER_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_http_server ox_http_server;
typedef struct ox_request ox_request;

/**
 * Handles one request, in a coroutine of its own, and says by ox_request_reply() or ox_request_reply_file()
 * what to reply. The reply is sent when the handler returns; a request without one gets 500.
 *
 * When the peer goes away meanwhile the handler runs on, and its reply fails with -ECONNRESET. A peer that
 * shuts down its sending side counts as gone.
 * Returns: 0; a negative code is a 500, whatever was replied before.
 */
typedef int ox_http_handler(ox_request *req, void *arg);

typedef struct ox_http_server_options {
	size_t size;
	size_t max_body;                /* bytes of a request body, at most 1 GiB; more gets 413. 0: 8 MiB */
	size_t max_headers;             /* bytes, at most 1 GiB; more gets 400. 0: 64 KiB */
	ox_time idle_timeout;           /* of a connection that no handler works for; 0: 60 s */
	void *arg;                      /* for the handler */
} ox_http_server_options;
#define OX_HTTP_SERVER_OPTIONS(...) (&(ox_http_server_options){ .size = sizeof(ox_http_server_options), __VA_ARGS__ })
OX_API void ox_http_server_options_init(ox_http_server_options *o);

/**
 * Serves HTTP on an address ("127.0.0.1:0", "[::1]:8080"; port 0: the kernel chooses it).
 *
 * Opens a group in the calling coroutine: handlers run in it, and ox_http_server_close() nests with groups
 * and scopes. When descriptors run out, connections wait until there are some again.
 * @handler, @o: NULL for the defaults. @ret: owned: ox_http_server_close().
 * Returns: 0; OX_EINVAL (address, options), -EADDRINUSE and the like, OX_ENOMEM, OX_ESTATE outside a
 * coroutine, OX_EFORKED.
 * Since: 0.1
 */
OX_API int ox_http_serve(const char *address, ox_http_handler *handler, const ox_http_server_options *o, ox_http_server **ret);

/** Writes "http://127.0.0.1:PORT", without a slash at the end. Returns: 0; OX_ETOOBIG. Since: 0.1 */
OX_API int ox_http_server_url(const ox_http_server *s, char *buf, size_t cap);

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

/** Adds a header to the reply to come. Returns: 0; OX_EINVAL (not a name; a control character), OX_ENOMEM. Since: 0.1 */
OX_API int ox_request_add_header(ox_request *req, const char *name, const char *value);

/**
 * Replies with the file that the request's path names below root: its type by its ending, index.html for a
 * folder; HEAD and If-Modified-Since are answered.
 *
 * No path leaves root, be it by "..", encoded or not, or by a symbolic link (those that stay inside are
 * followed). 404: no such file; 403: it would leave root, may not be read, is no file, or a folder without an
 * index.html; 301: a folder's path without the slash at its end; 405: not GET or HEAD.
 * Returns: 0, also for these; as ox_request_reply(). Since: 0.1
 */
OX_API int ox_request_reply_file(ox_request *req, const char *root);

OX_END

#endif
