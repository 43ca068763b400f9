/* SPDX-License-Identifier: MIT */
/* The crunch function of a crawl: one of ours, or a plugin's. */
#ifndef OXBOW_CLI_CRUNCH_H
#define OXBOW_CLI_CRUNCH_H

#include <oxbow/crunch.h>

#include "cli/buffer.h"

struct oxi_words;

#define OXI_VALUE_MAX OX_KIB(64)        /* bytes of JSON that one page's crunch may give */

struct oxi_crunch {
	ox_crunch_fn *fn;               /* NULL: there is none */
	bool words;                     /* the built-in that also counts over all pages */
};

/*
 * Finds "words", "digest", "links", "title" or "./plugin.so:fn" (loading the plugin). On failure it has said why.
 * Returns: 0; OX_EINVAL.
 */
int oxi_crunch_find(const char *name, struct oxi_crunch *ret);

/*
 * Calls fn for a page and writes its JSON object to value. Process: a worker.
 * Returns: what fn returned, but OX_ETOOBIG over OXI_VALUE_MAX, OX_EINVAL for a wrong use of the reply,
 * OX_ENOMEM.
 */
int oxi_crunch_call(const struct oxi_crunch *c, const ox_page *page, struct oxi_buffer *value);

/* The words of the page that was crunched last by `words`. Process: a worker. */
const struct oxi_words *oxi_crunch_words(void);

#endif
