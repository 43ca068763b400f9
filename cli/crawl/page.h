/* SPDX-License-Identifier: MIT */
/* A page on its way to a worker and back: the two jobs of the crawler, and the form of their input and reply. */
#ifndef OXBOW_CLI_PAGE_H
#define OXBOW_CLI_PAGE_H

#include <oxbow/job.h>

#include "cli/crawl/crunch.h"
#include "cli/crawl/html.h"

#define OXI_PAGE_LINKS_MAX 10000        /* links taken from one page */

/* What goes in. Texts are borrowed. */
struct oxi_page_input {
	const char *url, *type;         /* type: Content-Type; NULL: none */
	int status;
	bool sitemap;                   /* it is a list of links: sitemap.h */
	bool obeys;                     /* what the page asks of robots counts */
	unsigned directives;            /* what its headers asked */
	ox_bytes body;
};

size_t oxi_page_input_size(const struct oxi_page_input *in);
void oxi_page_input_write(const struct oxi_page_input *in, void *to);   /* that many bytes, 16-byte aligned */

/* What comes back; borrowed from the reply. */
struct oxi_page_result {
	char digest[65];                /* SHA-256 of the body, in hex */
	char charset[32];               /* "" if it is no text */
	unsigned directives;            /* of the headers and the page: directive.h */
	int parse, crunch;              /* 0, or the code with which that failed */
	ox_bytes value;                 /* JSON; empty: none */
	ox_bytes links, words;          /* for oxi_page_link_next(), oxi_words_unpack() */
};

/* A reply comes from a process that ran foreign code: nothing in it is believed. Returns: 0; OX_EPROTO. */
int oxi_page_result_read(ox_bytes reply, struct oxi_page_result *ret);

/* The next link, cut off *links. Returns: 1; 0 at the end; OX_EPROTO. */
int oxi_page_link_next(ox_bytes *links, enum oxi_link *ret_kind, ox_bytes *ret_url);

/* text/html and application/xhtml+xml, and what says nothing. */
bool oxi_page_is_html(const char *type);

/*
 * The jobs: everything, and all but the crunch function, for a page whose crunch function crashed. Both are
 * set up before the pool is opened.
 */
extern ox_job oxi_page_job, oxi_page_links_job;
/* Loads what the parsers would otherwise read from files at some time. Process: a worker, before its sandbox. */
void oxi_page_prepare(void);

void oxi_page_setup(const struct oxi_crunch *crunch, ox_time crunch_timeout);

#endif
