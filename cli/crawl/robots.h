/* SPDX-License-Identifier: MIT */
/* The rules of a robots.txt for one crawler: RFC 9309. */
#ifndef OXBOW_CLI_ROBOTS_H
#define OXBOW_CLI_ROBOTS_H

#include <oxbow/base.h>

#include "cli/buffer.h"

#define OXI_ROBOTS_BYTES OX_KIB(512)    /* so much of a file is read; the RFC asks for 500 KiB */
#define OXI_ROBOTS_AGENT 64             /* bytes of an agent's name that count */

struct oxi_robots_rule {
	uint32_t at, len;               /* its pattern in the text */
	bool allows;
};

struct oxi_robots {
	struct oxi_robots_rule *rule;
	size_t n;
	struct oxi_buffer text;         /* patterns as they are compared */
	struct oxi_buffer sitemaps;     /* URLs, each with a NUL */
	ox_time delay;                  /* Crawl-delay; 0: none */
};

/*
 * Reads a file for the crawler called agent ("oxbow"); what is no line of it is passed over.
 * Returns: 0; OX_ENOMEM.
 */
int oxi_robots_read(const void *data, size_t len, const char *agent, struct oxi_robots *ret);

/*
 * Whether path ("/a/b?c", as in a URL in normal form) may be fetched.
 * @ret_rule: the rule that decided, NULL: none did, and it may. NULL if not wanted.
 */
bool oxi_robots_allow(const struct oxi_robots *r, const char *path, const struct oxi_robots_rule **ret_rule);

void oxi_robots_free(struct oxi_robots *r);

#endif
