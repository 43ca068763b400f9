/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 server (liboxbow-http): a coroutine a request. Request bodies are collected up to a limit.
 */
#ifndef OXBOW_HTTP_SERVER_H
#define OXBOW_HTTP_SERVER_H

#include <oxbow/base.h>

OX_BEGIN

typedef struct ox_http_server ox_http_server;
typedef struct ox_request ox_request;

/**
 * Handles one request, in a coroutine of its own. It replies by one of the ox_reply_... calls below before it returns; a
 * request without a reply gets 500.
 *
 * Returns: 0; a negative code is a 500 too.
 */
typedef int ox_http_handler(ox_request *req, void *arg);

typedef struct ox_http_server_options {
	size_t size;
	size_t max_body;                /* bytes of a request body; more gets 413. 0: 8 MiB */
	size_t max_headers;             /* bytes; 0: 64 KiB */
	ox_time idle_timeout;           /* of a connection; 0: 60 s */
	void *arg;                      /* for the handler */
} ox_http_server_options;
#define OX_HTTP_SERVER_OPTIONS(...) (&(ox_http_server_options){ .size = sizeof(ox_http_server_options), __VA_ARGS__ })
OX_API void ox_http_server_options_init(ox_http_server_options *o);

/**
 * Serves HTTP on an address ("127.0.0.1:0": the kernel chooses the port).
 *
 * Opens a group in the calling coroutine: handlers run in it, and ox_http_server_close() nests with groups and scopes.
 * @ret: owned: ox_http_server_close(). Returns: 0; OX_EINVAL, -EADDRINUSE and the like, OX_ENOMEM, OX_ESTATE. Since: 0.1
 */
OX_API int ox_http_serve(const char *address, ox_http_handler *handler, const ox_http_server_options *o, ox_http_server **ret);

/** Writes "http://127.0.0.1:PORT". Returns: 0; OX_ETOOBIG. Since: 0.1 */
OX_API int ox_http_server_url(const ox_http_server *s, char *buf, size_t cap);

/** Stops listening, cancels the handlers, waits for them, closes the connections, frees. Takes NULL. Since: 0.1 */
OX_API OX_YIELDS void ox_http_server_close(ox_http_server *s);

/** "GET" and so on; the decoded path without the query; the query, or NULL; a header, or NULL; the body. Borrowed from req. */
OX_API const char *ox_request_method(const ox_request *req);
OX_API const char *ox_request_path(const ox_request *req);
OX_API const char *ox_request_query(const ox_request *req);
OX_API const char *ox_request_header(const ox_request *req, const char *name);
OX_API ox_bytes ox_request_body(const ox_request *req);

/**
 * Replies with a whole body, copied.
 *
 * @type: its Content-Type; NULL for none. Returns: 0; OX_ESTATE if a reply was sent, -ECONNRESET if the peer went. Since: 0.1
 */
OX_API int ox_request_reply(ox_request *req, int status, const char *type, const void *body, size_t len);

/** Adds a header to the reply to come. Returns: 0; OX_EINVAL (a newline in it), OX_ENOMEM. Since: 0.1 */
OX_API int ox_request_add_header(ox_request *req, const char *name, const char *value);

/**
 * Replies with the file that the request's path names below root: type by its ending, index.html for a folder, 404 and 403
 * where due, HEAD and If-Modified-Since answered; a path cannot leave root.
 *
 * Returns: 0 also for the error replies; as ox_request_reply(). Since: 0.1
 */
OX_API int ox_request_reply_file(ox_request *req, const char *root);

OX_END

#endif
