/* SPDX-License-Identifier: MIT */
/* What went over the wire for one request, kept for the WARC. */
#ifndef OXBOW_CLI_EXCHANGE_H
#define OXBOW_CLI_EXCHANGE_H

#include <oxbow/http.h>

#include "cli/buffer.h"
#include "cli/crawl/digest.h"
#include "cli/crawl/guard.h"

#define OXI_DATE_MAX 32                 /* of a moment in UTC, as text: 2026-11-30T21:26:28.123456Z */

/* What a revisit record can say instead of the body. */
enum oxi_revisit { OXI_REVISIT_NONE, OXI_REVISIT_SAME_PAYLOAD, OXI_REVISIT_NOT_MODIFIED };

struct oxi_exchange {
	const struct oxi_guard *guard;
	struct oxi_buffer url, via;     /* each with a NUL; via: empty: none */
	unsigned depth;
	char date[OXI_DATE_MAX];        /* when the request began */
	char ip[64];                    /* "": not known */
	ox_http_times times;            /* of an answer that came whole */
	struct oxi_buffer request, head, body;
	size_t body_max;
	bool headed;                    /* the head is whole */
	bool http2;
	const char *cut;                /* why the body ends early: a word of WARC-Truncated; NULL: it does not */
	char payload[OXI_SHA1_MAX];     /* SHA-1 of the payload; "": there is none, or not all of it */
	enum oxi_revisit revisit;
	struct oxi_buffer origin_url;   /* of a revisit: whose record has the payload; with a NUL */
	char origin_date[OXI_DATE_MAX];
};

/* @body_max: bytes of the body on the wire; what is beyond is cut. NULL: no memory. */
struct oxi_exchange *oxi_exchange_new(const char *url, const struct oxi_guard *guard, size_t body_max);
void oxi_exchange_free(struct oxi_exchange *x);         /* takes NULL */
size_t oxi_exchange_size(const struct oxi_exchange *x); /* bytes in memory; takes NULL */

/* For ox_http_options: on_wire; allow_address, which asks the guard. */
void oxi_exchange_on_wire(void *exchange, ox_http_wire what, const void *data, size_t len);
int oxi_exchange_allow(void *exchange, const struct sockaddr *address, size_t len);

/* The request has ended with r. coding: the answer's Transfer-Encoding; NULL: none. Returns: 0; OX_ENOMEM. */
int oxi_exchange_end(struct oxi_exchange *x, int r, const char *coding);

/* It is a revisit of what was fetched from url at a date. */
void oxi_exchange_revisits(struct oxi_exchange *x, enum oxi_revisit how, const char *url, const char *date);

/* Now, as a date. */
void oxi_date_now(char ret[OXI_DATE_MAX]);

#endif
