/* SPDX-License-Identifier: MIT */
/* What is known about one URL in the end, as a line of JSON, and added up over all. */
#ifndef OXBOW_CLI_RECORD_H
#define OXBOW_CLI_RECORD_H

#include <oxbow/http.h>

#include "cli/buffer.h"
#include "cli/crawl/cache.h"
#include "cli/crawl/exchange.h"
#include "cli/crawl/words.h"

/* The closed list of what can go wrong with a page. */
#define OXI_ERRORS(X)                                                                                       \
	X(DNS, "dns") X(REFUSED, "refused") X(RESET, "reset") X(TIMEOUT, "timeout") X(TLS, "tls-error")     \
	X(TOO_LARGE, "too-large") X(REDIRECT_LOOP, "redirect-loop") X(REDIRECT_SCHEME, "redirect-scheme")   \
	X(BLOCKED, "blocked-address") X(HTTP_4XX, "http-4xx") X(HTTP_5XX, "http-5xx")                       \
	X(PROTOCOL, "protocol") X(PARSE_LIMIT, "parse-limit") X(CRUNCH_SIGNAL, "crunch-signal")             \
	X(CRUNCH_TIMEOUT, "crunch-timeout") X(CRUNCH_OOM, "crunch-oom") X(CRUNCH_FAILED, "crunch-failed") \
	X(ROBOTS, "robots") X(ROBOTS_UNREACHABLE, "robots-unreachable") X(TRAP, "trap") X(BUDGET, "budget")

enum oxi_error {
	OXI_ERROR_NONE,
#define OXI_ERROR_ENUM(name, text) OXI_ERROR_##name,
	OXI_ERRORS(OXI_ERROR_ENUM)
#undef OXI_ERROR_ENUM
	OXI_ERROR_COUNT,
};

struct oxi_record {
	const char *url;
	struct oxi_buffer final;        /* with a NUL: the URL of the answer, or where a redirect pointed that was not taken */
	const char *via;                /* NULL: a start */
	const char *by;                 /* what it was found by; NULL: a start */
	unsigned depth, attempt;        /* attempt: from 0 */
	int status;                     /* of HTTP; 0: no answer */
	enum oxi_error error;
	int signal;                     /* of crunch-signal */
	char ip[64], http[8], type[128], digest[65], charset[32];
	char reason[256];               /* more about the error, for people; "": nothing */
	unsigned directives;            /* what the page asked of robots: directive.h */
	ox_http_times times;
	size_t body;                    /* bytes */
	ox_time crunch_time;
	bool page;                      /* HTML with a status of 2xx */
	struct oxi_cached *cached;      /* what an earlier crawl knew of it; NULL: nothing */
	bool unchanged;                 /* the body is what it was then */
	bool not_modified;              /* the server says so, and sent none: all but the times is from then */
	struct oxi_exchange *exchange;  /* for the WARC; NULL */
	struct oxi_buffer value, blobs; /* JSON; empty: null */
};

struct oxi_crawl_tally {
	uint64_t urls, answers, pages, unchanged, errors[OXI_ERROR_COUNT], wire_bytes, body_bytes;
	ox_time fetch_time, crunch_time;        /* sums over the pages */
	uint64_t crashed;               /* workers that died on a page or were killed for it */
	struct oxi_words words;
	ox_time began;
};

const char *oxi_error_name(enum oxi_error e);      /* NULL: none */

/* What a failed request is called. */
enum oxi_error oxi_error_of_fetch(int code);

void oxi_record_json(const struct oxi_record *r, struct oxi_buffer *out);      /* with a newline */
void oxi_record_free(struct oxi_record *r);

void oxi_crawl_tally_add(struct oxi_crawl_tally *t, const struct oxi_record *r);

/* The summary, for people; top: how many words at most. */
void oxi_crawl_tally_text(const struct oxi_crawl_tally *t, ox_time took, size_t top, struct oxi_buffer *out);

#endif
