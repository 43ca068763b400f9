/* SPDX-License-Identifier: MIT */
/* The HTML parser, as narrow as the crawler needs it: links and text come out, nothing is kept. */
#ifndef OXBOW_CLI_HTML_H
#define OXBOW_CLI_HTML_H

#include <oxbow/base.h>

enum oxi_link {
	OXI_LINK_BASE,                  /* <base href>: what the others are relative to; the first one counts */
	OXI_LINK_PAGE,                  /* what may be a page */
};

struct oxi_html_sink {
	void (*link)(void *arg, enum oxi_link kind, const char *url, size_t len);
	void (*text)(void *arg, const char *text, size_t len);
	void *arg;
};

/*
 * Parses a document. @charset: what HTTP said, NULL if nothing: then the document's own word counts.
 * Returns: 0, for the worst of documents too; OX_ETOOBIG when the parser met a limit of its own; OX_ENOMEM.
 */
int oxi_html_parse(const void *data, size_t len, const char *charset, const struct oxi_html_sink *sink);

#endif
