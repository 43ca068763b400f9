/* SPDX-License-Identifier: MIT */
/* URLs: absolute, http or https, and normal, so that two spellings of one address are one text. */
#ifndef OXBOW_CLI_URL_H
#define OXBOW_CLI_URL_H

#include <oxbow/base.h>

#define OXI_URL_MAX 4096                /* longer ones are not followed */

struct oxi_url {
	char text[OXI_URL_MAX + 1];     /* scheme://host[:port]/path[?query], no fragment */
	char host[256];                 /* lower case; [] around IPv6 */
	unsigned port;
	size_t path;                    /* where the path starts in text */
};

enum oxi_url_error {
	OXI_URL_BAD = -1,               /* not a URL, or too long */
	OXI_URL_SCHEME = -2,            /* neither http nor https */
};

/*
 * Resolves a reference (len bytes, as it stands in a page) against an absolute URL; base NULL: it is absolute
 * itself.
 * Returns: 0, or an oxi_url_error.
 */
int oxi_url_resolve(const char *base, const char *reference, size_t len, struct oxi_url *ret);

#endif
