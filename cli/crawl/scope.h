/* SPDX-License-Identifier: MIT */
/* Which links are followed: those that belong with one of the URLs that the crawl was started with. */
#ifndef OXBOW_CLI_SCOPE_H
#define OXBOW_CLI_SCOPE_H

#include "cli/crawl/url.h"

enum oxi_scope_kind {
	OXI_SCOPE_HOST,                 /* the same host and port; http and https on their own ports count as one */
	OXI_SCOPE_PREFIX,               /* and a path in the folder of the start's path, or below */
};

struct oxi_scope {
	enum oxi_scope_kind kind;
	struct oxi_start {
		char *host, *folder;    /* folder ends with a slash */
		unsigned port;
	} *start;
	size_t n;
};

/* OX_ENOMEM. */
int oxi_scope_add(struct oxi_scope *s, const struct oxi_url *start);
bool oxi_scope_holds(const struct oxi_scope *s, const struct oxi_url *url);
void oxi_scope_free(struct oxi_scope *s);

#endif
