/* SPDX-License-Identifier: MIT */
/* The HTML parser, as narrow as the crawler needs it: links and text come out, nothing is kept. */
#ifndef OXBOW_CLI_HTML_H
#define OXBOW_CLI_HTML_H

#include <oxbow/base.h>

enum oxi_link {
	OXI_LINK_BASE,                  /* <base href>: what the others are relative to; the first one counts */
	OXI_LINK_PAGE,                  /* what may be a page */
	OXI_LINK_UNVOUCHED,             /* the same, but rel=nofollow or the like */
	OXI_LINK_SITEMAP,               /* of a sitemap index: another list of links */
};

struct oxi_html_sink {
	void (*link)(void *arg, enum oxi_link kind, const char *url, size_t len);
	void (*text)(void *arg, const char *text, size_t len);
	void (*title)(void *arg, const char *text, size_t len);        /* pieces of <title>; they are text too */
	void (*robots)(void *arg, unsigned directives);         /* <meta name=robots>: directive.h */
	void *arg;
};

/*
 * Parses a document in UTF-8, whatever it says itself.
 * Returns: 0, for the worst of documents too; OX_ETOOBIG when the parser met a limit of its own; OX_ENOMEM.
 */
int oxi_html_parse(const void *data, size_t len, const struct oxi_html_sink *sink);

/* What the parser sets up once, at once. */
void oxi_html_prepare(void);

#endif
