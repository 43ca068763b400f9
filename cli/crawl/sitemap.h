/* SPDX-License-Identifier: MIT */
/* Sitemaps (sitemaps.org, protocol 0.9): lists of a site's pages, and lists of such lists. Process: a worker. */
#ifndef OXBOW_CLI_SITEMAP_H
#define OXBOW_CLI_SITEMAP_H

#include "cli/crawl/html.h"

#define OXI_SITEMAP_URLS  50000         /* of one sitemap */
#define OXI_SITEMAP_BYTES OX_MIB(50)    /* of one, unpacked */

/*
 * Reads one: XML, RSS or Atom as far as links go, or a text with a URL in each line; packed by gzip or not.
 * Returns: 0; OX_ETOOBIG past the limits, with what came before given; OX_EPROTO: broken gzip; OX_ENOMEM.
 */
int oxi_sitemap_read(const void *data, size_t len, const struct oxi_html_sink *sink);

#endif
