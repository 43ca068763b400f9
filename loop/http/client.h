/* SPDX-License-Identifier: MIT */
/*
 * The inside of the HTTP client. On the coroutines' stacks: request.c is the calls that make a request,
 * upload.c feeds it with a body, retry.c says whether to try again, response.c is what is asked of the
 * answer, cookies.c the jar. On the thread's own: client.c drives libcurl's multi handles of a loop,
 * prepare.c makes a handle of a request, transfer.c is what libcurl calls while it works.
 */
#ifndef OXBOW_LOOP_HTTP_CLIENT_H
#define OXBOW_LOOP_HTTP_CLIENT_H

#include <curl/curl.h>
#include <oxbow/http.h>

#include "loop/loop.h"

#define OXI_RESPONSE_MAGIC 0x72657370006f7801ull

/* A streamed body is not read from the network while HIGH bytes wait, until less than LOW do. */
#define OXI_HTTP_HIGH OX_KIB(256)
#define OXI_HTTP_LOW  OX_KIB(64)

#define OXI_COOKIES_MAGIC  0x636f6f6b69657378ull

enum oxi_transfer_state {
	OXI_TRANSFER_QUEUED,            /* in client->starts: libcurl does not know it yet */
	OXI_TRANSFER_RUNNING,           /* in client->running and in the multi handle */
	OXI_TRANSFER_ENDING,            /* in client->ends: will be taken out in this turn */
	OXI_TRANSFER_DONE,              /* result is valid; no client any more */
};

/* What was asked for; in the frame of the coroutine that waits for the start. */
struct oxi_http_request {
	const char *method, *url;
	ox_http_options o;
	bool streaming;
};

/* Bytes that came and were not taken yet: data[start .. start + len). */
struct oxi_http_buffer {
	char *data;
	size_t start, len, cap;
};

/* A body that the caller gives in pieces; in the frame of the coroutine that waits. See upload.c. */
struct oxi_upload {
	ssize_t (*read)(void *arg, void *buf, size_t cap);
	void *arg;
	char *data;                     /* OXI_HTTP_PIECE bytes; data[start .. start + len) is to be sent */
	size_t start, len;
	int64_t left;                   /* of the announced length, not yet read; negative: not announced */
	bool wanted;                    /* libcurl found nothing to send and waits */
	bool asked;                     /* read was called */
	bool ended;                     /* read has given all, or nobody wants more */
	ox_scope *scope;                /* of read, while it runs; NULL */
};
#define OXI_HTTP_PIECE OX_KIB(64)

/* A jar of cookies. */
struct ox_cookies {
	uint64_t magic;
	CURLSH *share;
	size_t users;                   /* its owner, and the responses */
};

/* A transfer and, when it is done, what came of it. */
struct ox_response {
	uint64_t magic;
	struct ox_http_client *client;         /* until DONE */
	struct oxi_list link;                   /* by state */
	struct oxi_list flow;                   /* in client->flows: to be paused or resumed, perhaps */
	enum oxi_transfer_state state;
	const struct oxi_http_request *request; /* until started */
	struct oxi_wait *waiter;                /* the coroutine that waits for headers, bytes or the end; NULL: none */
	CURL *easy;                             /* from the start on; keeps URL, headers and times until freed */
	struct curl_slist *headers;
	curl_mime *form;
	struct ox_cookies *cookies;
	struct oxi_upload *upload;              /* while its coroutine feeds it; NULL */
	struct oxi_http_buffer body;
	size_t received, max_body;
	int result;                             /* when DONE; when ENDING, what it will be */
	int fault;                              /* what a callback of ours found wrong, before libcurl says that one did */
	const char *why;                        /* the same in words; NULL: as ox_strerror() */
	bool added;                             /* to the multi handle */
	bool streaming, follow;
	bool once;                              /* the request must not be sent twice */
	bool has_address;                       /* the peer: it is no Unix socket that was asked for */
	long sent;                              /* how often it went out on a connection, by redirects too */
	bool headers_done;                      /* those of the last response, not of a redirect */
	int paused;                             /* CURLPAUSE_... as libcurl has it */
	bool orphan;                            /* freed by its owner while ENDING */
	int (*allow_address)(void *arg, const struct sockaddr *address, size_t len);
	void *allow_arg;
	void (*on_wire)(void *arg, ox_http_wire what, const void *data, size_t len);
	void *wire_arg;
	char *error_text;                       /* the caller's; NULL: none */
	char error[CURL_ERROR_SIZE];
};

/* ---- client.c ---- */

/* curl_global_init(), once. 0; OX_ENOMEM. */
int oxi_curl_init(void);

/* The running loop's own client, made at first use. 0; OX_ENOMEM. */
int oxi_http_client_get(struct ox_http_client **ret);

/* For as long as a request may start a transfer: the client stays, though its owner closes it. */
void oxi_http_client_ref(struct ox_http_client *c);
void oxi_http_client_unref(struct ox_http_client *c);

/* Queues a transfer; it starts at the end of this turn. If the client was closed it fails with OX_ECLOSED. */
void oxi_http_client_start(struct ox_http_client *c, struct ox_response *res);

/* Ends a transfer that is not DONE, with a result; at the end of this turn it is DONE and its connection closed. */
void oxi_http_client_end(struct ox_response *res, int result);

/* Looks, soon, whether the transfer should be paused or go on. */
void oxi_http_client_flow(struct ox_response *res);

/* ---- upload.c ---- */

/* libcurl's read callback; arg: the response. */
size_t oxi_upload_on_read(char *buf, size_t size, size_t n, void *arg);
/* Reads the next piece from the caller, who may yield, or ends the transfer if that fails. */
void oxi_upload_feed(struct ox_response *res);
/* No more is wanted: an answer that refuses the body, or the end of the transfer. */
void oxi_upload_stop(struct ox_response *res);

/* ---- retry.c ---- */

/*
 * Should the request be made again after this outcome (r, and res if r is 0), its n-th failure? How long to
 * wait before; negative: no. asked: its body was asked for, and cannot be had again.
 */
ox_time oxi_retry_pause(const struct oxi_http_request *q, int r, const struct ox_response *res, bool asked, int n);

/* May it be sent again, after the server perhaps did what it asks for? */
bool oxi_retry_is_safe(const struct oxi_http_request *q);

/* ---- cookies.c ---- */

void oxi_cookies_ref(struct ox_cookies *jar);   /* takes NULL; given back by ox_cookies_free() */

/* ---- response.c ---- */

/* Says in the caller's error_text what went wrong; why: NULL or "" for the code's own text. */
void oxi_http_explain(char *text, int r, const char *why);
void oxi_response_explain(const struct ox_response *res, int r);

/* Parks until the transfer has something new for its coroutine, or is done. 0; OX_ECANCELED and other results. */
int oxi_response_park(struct ox_response *res, const char *kind);

/* ---- prepare.c and transfer.c: all on the thread's own stack ---- */

/* Makes res->easy from res->request. 0; OX_EINVAL, OX_ENOMEM, with res->error written. */
int oxi_transfer_prepare(struct ox_response *res);

/* libcurl's callbacks; arg: the response. */
size_t oxi_transfer_on_body(char *data, size_t size, size_t n, void *arg);
size_t oxi_transfer_on_header(char *line, size_t size, size_t n, void *arg);
curl_socket_t oxi_transfer_on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a);
int oxi_transfer_on_request(void *arg, char *ip, char *local_ip, int port, int local_port);
int oxi_transfer_on_wire(CURL *easy, curl_infotype type, char *data, size_t len, void *arg);

/* What the end of a transfer means in our codes. */
int oxi_transfer_result(const struct ox_response *res, CURLcode code);

/* Wakes the coroutine that waits, if one does. */
void oxi_transfer_wake(struct ox_response *res, int result);

/* Frees all of it. Not while libcurl's multi handle has it. */
void oxi_response_destroy(struct ox_response *res);

#endif
