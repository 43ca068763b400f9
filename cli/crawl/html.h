/* SPDX-License-Identifier: MIT */
/* The HTML parser, as narrow as the crawler needs it: links and text come out, nothing is kept. */
#ifndef OXBOW_CLI_HTML_H
#define OXBOW_CLI_HTML_H

#include "cli/crawl/link.h"

struct oxi_html_sink {
	oxi_link_fn *link;
	void (*text)(void *arg, const char *text, size_t len);
	void (*title)(void *arg, const char *text, size_t len);        /* pieces of <title>; they are text too */
	void (*robots)(void *arg, unsigned directives);         /* <meta name=robots>: directive.h */
	bool requisites;                /* links to these are wanted too */
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
