/* SPDX-License-Identifier: MIT */
/*
 * The inside of the HTTP client: client.c drives libcurl's multi handle of a loop, transfer.c is one transfer
 * in libcurl's words, response.c is the public calls.
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

struct oxi_http_client;

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

/* A transfer and, when it is done, what came of it. */
struct ox_response {
	uint64_t magic;
	struct oxi_http_client *client;         /* until DONE */
	struct oxi_list link;                   /* by state */
	struct oxi_list flow;                   /* in client->flows: to be paused or resumed, perhaps */
	enum oxi_transfer_state state;
	const struct oxi_http_request *request; /* until started */
	struct oxi_wait *waiter;                /* the coroutine that waits for headers, bytes or the end; NULL: none */
	CURL *easy;                             /* from the start on; keeps URL, headers and times until freed */
	struct curl_slist *headers;
	struct oxi_http_buffer body;
	size_t received, max_body;
	int result;                             /* when DONE; when ENDING, what it will be */
	int fault;                              /* what a callback of ours found wrong, before libcurl says that one did */
	const char *why;                        /* the same in words; NULL: as ox_strerror() */
	bool added;                             /* to the multi handle */
	bool streaming, follow;
	bool headers_done;                      /* those of the last response, not of a redirect */
	bool paused;
	bool orphan;                            /* freed by its owner while ENDING */
	int (*allow_address)(void *arg, const struct sockaddr *address, size_t len);
	void *allow_arg;
	char *error_text;                       /* the caller's; NULL: none */
	char error[CURL_ERROR_SIZE];
};

/* ---- client.c ---- */

/* The running loop's client, made at first use. 0; OX_ENOMEM. */
int oxi_http_client_get(struct oxi_http_client **ret);

/* Queues a transfer; it starts at the end of this turn. */
void oxi_http_client_start(struct oxi_http_client *c, struct ox_response *res);

/* Ends a transfer that is not DONE, with a result; at the end of this turn it is DONE and its connection closed. */
void oxi_http_client_end(struct ox_response *res, int result);

/* Looks, soon, whether the transfer should be paused or go on. */
void oxi_http_client_flow(struct ox_response *res);

/* ---- transfer.c: all on the thread's own stack ---- */

/* Makes res->easy from res->request. 0; OX_EINVAL, OX_ENOMEM, with res->error written. */
int oxi_transfer_prepare(struct ox_response *res);

/* What the end of a transfer means in our codes. */
int oxi_transfer_result(const struct ox_response *res, CURLcode code);

/* Wakes the coroutine that waits, if one does. */
void oxi_transfer_wake(struct ox_response *res, int result);

/* Frees all of it. Not while libcurl's multi handle has it. */
void oxi_response_destroy(struct ox_response *res);

#endif
