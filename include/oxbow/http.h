/* SPDX-License-Identifier: MIT */
/*
 * HTTP client (liboxbow-http): requests as calls that yield. Connections are kept and shared by all
 * coroutines of a loop; TLS certificates and host names are verified; name look-up does not block the loop.
 * Only http and https are spoken, also after a redirect, HTTP/2 where the server offers it over TLS; gzip,
 * deflate, br and zstd are decoded; the environment's proxies (http_proxy and so on) are used.
 *
 * Without a client of its own (ox_http_client_open) a request has no limit on connections, neither in all nor
 * per host: bound the coroutines that fetch. Up to 256 idle ones are kept.
 */
#ifndef OXBOW_HTTP_H
#define OXBOW_HTTP_H

#include <oxbow/base.h>

struct sockaddr;

OX_BEGIN

typedef struct ox_response ox_response;
typedef struct ox_http_client ox_http_client;
typedef struct ox_cookies ox_cookies;

/** What a piece of on_wire belongs to. */
typedef enum ox_http_wire {
	OX_HTTP_WIRE_REQUEST,           /* the head of a request, whole: with each one all begins anew */
	OX_HTTP_WIRE_HEAD,              /* a line of the head of an answer, the empty one at its end too. An answer of 1xx may
	                                 * come before, perhaps without its empty line */
	OX_HTTP_WIRE_BODY               /* of the answer */
} ox_http_wire;

/** One part of a form (multipart/form-data, RFC 7578). */
typedef struct ox_http_part {
	const char *name;               /* NULL ends an array of parts */
	const void *data;
	size_t len;
	const char *filename;           /* NULL: the part is no file */
	const char *type;               /* NULL: text/plain of a value, by the ending of a file's name */
} ox_http_part;

typedef struct ox_http_options {
	size_t size;
	ox_time timeout;                /* of the whole request, body and retries included; 0: 60 s; OX_NEVER: none */
	ox_time connect_timeout;        /* 0: 10 s */
	size_t max_body;                /* bytes after decoding; more is OX_ETOOBIG. 0: 64 MiB */
	int max_redirects;              /* 0: 10; negative: a redirect is returned as the response. So it is always for
	                                 * other requests than GET, HEAD (both without a body) and POST, and for a
	                                 * body from read_body */
	const char *const *headers;     /* NULL-terminated "Name: value" lines; Authorization and Cookie are not sent to
	                                 * another host after a redirect, the others are */
	const void *body;               /* request body, borrowed until the call (or the response's body) ends */
	size_t body_len;
	const char *user_agent;         /* NULL: oxbow/VERSION */
	const char *ca_file;            /* PEM of authorities instead of the system's */
	bool insecure;                  /* true: verify nothing. For tests */
	/*
	 * Asked for each address before it is connected to, and again before a request goes out on a
	 * connection, kept ones and those of redirects included: 0 lets it pass, a negative code refuses it
	 * and is the result of the call. It must not yield. With a proxy it is the proxy's address.
	 */
	int (*allow_address)(void *arg, const struct sockaddr *address, size_t len);
	void *allow_arg;
	char *error_text;               /* at least 256 bytes: what went wrong, written on failure; borrowed as body is */
	/*
	 * Gives the request's body piece by piece, instead of body: called in the calling coroutine while the
	 * peer can take more, it may yield, and ox_read() of a stream fits. Returns the bytes written to buf,
	 * 0 at the end, or a negative code, which ends the request and is its result. When the request ends
	 * early, the scope that it runs in is cancelled. body_len: its length; 0: not known, sent in chunks.
	 */
	ssize_t (*read_body)(void *arg, void *buf, size_t cap);
	void *read_arg;
	const ox_http_part *form;       /* a form as the body: parts, up to one without a name; borrowed as body is */
	ox_http_client *client;         /* whose connections to use; NULL: the loop's own */
	ox_cookies *cookies;            /* sent, and those that come are kept in it; NULL: none */
	const char *proxy;              /* "http://user:password@host:3128", also https, socks5h; "": none; NULL: the
	                                 * environment's */
	const char *unix_path;          /* connect to this Unix socket ("@name": an abstract one) and to no proxy */
	const char *user, *password;    /* Basic authentication; not sent to another host after a redirect */
	const char *bearer;             /* a token; likewise */
	/*
	 * Further attempts after a connection that was refused, reset or not made in time, a body that ended
	 * early, and the statuses 429, 502, 503 and 504; for GET, HEAD, PUT, DELETE and OPTIONS, and with a
	 * read_body only while it has not been asked. The pauses between them begin with retry_delay and
	 * double up to retry_max, each shortened at random by up to a half; a Retry-After is waited for,
	 * unless it is longer than retry_max. If a pause would outlast the timeout or the scope's deadline,
	 * the last answer is the result at once.
	 */
	int retries;                    /* 0: none */
	ox_time retry_delay;            /* 0: 500 ms */
	ox_time retry_max;              /* 0: 30 s */
	bool retry_all;                 /* true: any method, though it may then be done twice. Without it a POST, say, is
	                                 * never sent twice: a kept connection that ends meanwhile is -ECONNRESET */
	/* Fewer bytes a second than this, of headers too, on average over the time, is OX_ETIMEDOUT. 0: no such limit */
	long min_speed;
	ox_time min_speed_time;         /* whole seconds; 0: 20 s */
	/*
	 * Is given what goes over the wire, as it comes, also of a request that fails: the body before chunks and
	 * compression are taken off. HTTP/2 is shown as if it were HTTP/1, but with its version and without chunks. A
	 * redirect that is followed, a proxy's tunnel and a request that is sent again have heads of their own. It must
	 * not yield. What a request's body sends is not shown.
	 */
	void (*on_wire)(void *arg, ox_http_wire what, const void *data, size_t len);
	void *wire_arg;
} ox_http_options;
#define OX_HTTP_OPTIONS(...) (&(ox_http_options){ .size = sizeof(ox_http_options), __VA_ARGS__ })
OX_API void ox_http_options_init(ox_http_options *o);

typedef struct ox_http_client_options {
	size_t size;
	int max_connections;            /* in all; more requests wait. 0: no limit */
	int max_per_host;               /* likewise */
	int max_idle;                   /* connections that are kept; 0: 256 */
} ox_http_client_options;
#define OX_HTTP_CLIENT_OPTIONS(...) (&(ox_http_client_options){ .size = sizeof(ox_http_client_options), __VA_ARGS__ })
OX_API void ox_http_client_options_init(ox_http_client_options *o);

/**
 * Makes a client: connections of its own, and limits on them. A request that waits for one uses up its
 * timeout.
 *
 * A response that is being read has its connection; who holds as many as the limit and asks for another waits
 * in vain.
 * @o: NULL for the defaults. @ret: owned: ox_http_client_close().
 * Returns: 0; OX_EINVAL, OX_ESTATE outside a loop, OX_ENOMEM, OX_EFORKED. Threads: the loop's only.
 * Since: 0.1
 */
OX_API int ox_http_client_open(const ox_http_client_options *o, ox_http_client **ret);

/** Closes its connections; what is under way on them fails with OX_ECLOSED. Takes NULL. Since: 0.1 */
OX_API void ox_http_client_close(ox_http_client *c);

/** Makes an empty jar of cookies, for requests of one loop at a time. Owned: ox_cookies_free(). NULL: memory. Since: 0.1 */
OX_API ox_cookies *ox_cookies_new(void);

/**
 * Adds the cookies of a file in Netscape's format, as browsers and curl write it; lines that are none are
 * passed over. It reads at once and does not yield.
 *
 * Returns: 0; -ENOENT and the like, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_cookies_load(ox_cookies *jar, const char *path);

/**
 * Writes all cookies to a file, those of the session too, in Netscape's format. The file is replaced as a
 * whole, and only its owner may read it. It writes at once and does not yield.
 *
 * Returns: 0; -errno, OX_ENOMEM. Since: 0.1
 */
OX_API int ox_cookies_save(ox_cookies *jar, const char *path);

/** Frees a jar, or, while requests and responses use it, when the last of them ends. Takes NULL. Since: 0.1 */
OX_API void ox_cookies_free(ox_cookies *jar);

/**
 * Fetches a URL with GET and collects the body.
 *
 * @url: http or https. @o: NULL for the defaults. @ret: owned: ox_response_free() or OX_AUTO_RESPONSE.
 * Written on success only; any status, 404 say, is a success.
 * Returns: 0; OX_EINVAL (URL, header, option), OX_EDNS, -ECONNREFUSED and what else connect() says,
 * -ECONNRESET (also: closed without an answer), OX_ETLS, OX_ETIMEDOUT, OX_ETOOBIG, -ELOOP (redirects),
 * OX_EPROTO (not HTTP; a redirect to another scheme), OX_EINCOMPLETE (the body ended early), what
 * allow_address or read_body said, OX_ECLOSED (the client was closed), OX_ECANCELED, OX_ENOMEM, OX_ESTATE,
 * OX_EFORKED.
 * Yields: always. Cancel: closes the connection, before the call returns. The scope's deadline holds as well
 * as the timeout.
 * Since: 0.1
 */
OX_API OX_YIELDS int ox_http_get(const char *url, const ox_http_options *o, ox_response **ret);

/** Sends body as a POST; give the Content-Type in headers. Otherwise as ox_http_get(). Since: 0.1 */
OX_API OX_YIELDS int ox_http_post(const char *url, const void *body, size_t len, const ox_http_options *o, ox_response **ret);

/** Any method, in capitals. Otherwise as ox_http_get(). Since: 0.1 */
OX_API OX_YIELDS int ox_http_request(const char *method, const char *url, const ox_http_options *o, ox_response **ret);

/**
 * As ox_http_request(), but returns when the headers are there; the body is read with ox_response_read(). The
 * request's own body has been sent by then.
 *
 * The transfer is not read from the network while 256 KiB or more wait. It uses HTTP/1.1, so that a reader
 * who is slow holds up its own connection only. The response may be freed at any time: that closes the
 * transfer. Since: 0.1
 */
OX_API OX_YIELDS int ox_http_open(const char *method, const char *url, const ox_http_options *o, ox_response **ret);

/**
 * Reads the next bytes of an opened response's body.
 *
 * Returns: their number; 0 at the end (or cap 0); OX_EBUSY if another coroutine reads, OX_ESTATE if the
 * response was collected; as ox_http_get(). Yields: while nothing is there. Cancel: closes the transfer.
 * Since: 0.1
 */
OX_API OX_YIELDS ssize_t ox_response_read(ox_response *res, void *buf, size_t cap);

/** The status code, 200 for instance. What is borrowed from a response here and below lives until it is freed. Since: 0.1 */
OX_API int ox_response_status(const ox_response *res);
/** The collected body (of an opened response: none), followed by a NUL that is not counted. Borrowed. Since: 0.1 */
OX_API ox_bytes ox_response_body(const ox_response *res);
/** The (first) value of a header of the last response, name in any case; NULL if there is none. Borrowed. Since: 0.1 */
OX_API const char *ox_response_header(const ox_response *res, const char *name);
/**
 * Goes through the headers of the last response, one that comes twice twice, in their order.
 *
 * @at: where it is; NULL at first. @ret_name, @ret_value: borrowed.
 * Returns: whether there was one more. Since: 0.1
 */
OX_API bool ox_response_header_next(const ox_response *res, const void **at, const char **ret_name, const char **ret_value);
/** The URL that was fetched at last, after redirects. Borrowed. Since: 0.1 */
OX_API const char *ox_response_url(const ox_response *res);
/** The address that answered, as text; "" if unknown. Borrowed. Since: 0.1 */
OX_API const char *ox_response_ip(const ox_response *res);

/** The version of HTTP that it was answered in: "1.0", "1.1", "2", "3"; "" if unknown. Since: 0.1 */
OX_API const char *ox_response_version(const ox_response *res);

/** Times since the start of the request, ns; 0: did not happen (no DNS for a kept connection). */
typedef struct ox_http_times {
	ox_time dns, connect, tls, first_byte, total;
	size_t wire_bytes;              /* of the body as it came, before decoding */
} ox_http_times;
OX_API void ox_response_times(const ox_response *res, ox_http_times *ret);

/** Frees a response; one that is still being read closes its transfer. Takes NULL. Since: 0.1 */
OX_API void ox_response_free(ox_response *res);
static inline void ox_response_auto_(ox_response **r) { ox_response_free(*r); }
#define OX_AUTO_RESPONSE __attribute__((cleanup(ox_response_auto_))) ox_response

OX_END

#endif
