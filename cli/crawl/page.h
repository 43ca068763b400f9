/* SPDX-License-Identifier: MIT */
/* A page on its way to a worker and back: the form of a job's input and of its reply. look.h is what happens between. */
#ifndef OXBOW_CLI_PAGE_H
#define OXBOW_CLI_PAGE_H

#include "cli/buffer.h"
#include "cli/crawl/charset.h"
#include "cli/crawl/link.h"

#define OXI_PAGE_REASON_MAX 128
#define OXI_PAGE_LINK_FIRST 0x80u       /* in the first byte of a link, beside what it was found by */

/* What goes in. Texts are borrowed; read from a job's input, each has a NUL behind it. */
struct oxi_page_input {
	const char *url, *type;         /* type: Content-Type; NULL, or "" when it was read: none */
	int status;
	bool sitemap;                   /* it is a list of links: sitemap.h */
	bool obeys;                     /* what the page asks of robots counts */
	ox_bytes headers;               /* name and value of each, both with a NUL */
	ox_bytes body;
};

size_t oxi_page_input_size(const struct oxi_page_input *in);
void oxi_page_input_write(const struct oxi_page_input *in, void *to);   /* that many bytes, 16-byte aligned */
void oxi_page_input_read(const void *from, struct oxi_page_input *ret); /* Process: a worker */

/* A link in a reply. */
struct oxi_page_link {
	enum oxi_link by;
	bool first;                     /* it is to be fetched before others */
	ox_bytes url;
};

void oxi_page_link_add(struct oxi_buffer *to, const struct oxi_page_link *link);      /* url: at most OXI_URL_MAX bytes */

/* The next link, cut off *links. Returns: 1; 0 at the end; OX_EPROTO. */
int oxi_page_link_next(ox_bytes *links, struct oxi_page_link *ret);

/* The next blob likewise: see reply.h. */
int oxi_page_blob_next(ox_bytes *blobs, ox_bytes *ret_name, ox_bytes *ret_data);

/* What comes back; borrowed from the reply. */
struct oxi_page_result {
	char digest[65];                /* SHA-256 of the body, in hex */
	char charset[OXI_CHARSET_MAX];  /* "" if it is no text */
	char reason[OXI_PAGE_REASON_MAX];       /* why parse or crunch is negative, for people; "": the code says it */
	unsigned directives;            /* of the headers and the page: directive.h */
	int parse, crunch;              /* 0, or the code with which that failed */
	ox_bytes value;                 /* JSON; empty: none */
	ox_bytes links, blobs, words;   /* for oxi_page_link_next(), oxi_page_blob_next(), oxi_words_unpack() */
};

void oxi_page_result_write(const struct oxi_page_result *result, struct oxi_buffer *to);

/* A reply comes from a process that ran foreign code: nothing in it is believed. Returns: 0; OX_EPROTO. */
int oxi_page_result_read(ox_bytes reply, struct oxi_page_result *ret);

/* text/html and application/xhtml+xml, and what says nothing; text/css. */
bool oxi_page_is_html(const char *type);
bool oxi_page_is_css(const char *type);

#endif
