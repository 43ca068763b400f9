/* SPDX-License-Identifier: MIT */
/* The crunch function of a crawl: one of ours, or a plugin's. */
#ifndef OXBOW_CLI_CRUNCH_H
#define OXBOW_CLI_CRUNCH_H

#include <oxbow/crunch.h>

#include "cli/crawl/reply.h"

struct oxi_words;

struct oxi_crunch {
	ox_crunch_fn *fn;               /* NULL: there is none */
	bool words;                     /* the built-in that also counts over all pages */
	bool references;                /* it may look at all links, requisites too */
	bool blobs;                     /* what it emits has a folder */
};

/*
 * Finds "words", "digest", "links", "title" or "./plugin.so:fn" (loading the plugin). On failure it has said why.
 * Returns: 0; OX_EINVAL.
 */
int oxi_crunch_find(const char *name, struct oxi_crunch *ret);

/* The same for what --select says: a function that puts what XPath finds. Once. */
int oxi_crunch_select(const char *text, struct oxi_crunch *ret);

/*
 * Calls fn for a page. Process: a worker.
 * @to: what came of it, to be freed; without a value or blobs after an error.
 * Returns: what fn returned if that is negative, but 0 for more; OX_ETOOBIG over a limit, OX_EINVAL for a wrong use of
 * the reply, OX_ENOMEM.
 */
int oxi_crunch_call(const struct oxi_crunch *c, const ox_page *page, const struct oxi_reply_links *links, struct oxi_crunched *to);
void oxi_crunched_free(struct oxi_crunched *to);

/* The words of the page that was crunched last by `words`. Process: a worker. */
const struct oxi_words *oxi_crunch_words(void);

#endif
