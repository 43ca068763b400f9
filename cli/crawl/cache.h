/* SPDX-License-Identifier: MIT */
/* What is kept of pages from one crawl to the next, so that they are fetched only if they have changed. */
#ifndef OXBOW_CLI_CACHE_H
#define OXBOW_CLI_CACHE_H

#include <oxbow/sqlite.h>

#include "cli/buffer.h"
#include "cli/crawl/crunch.h"
#include "cli/crawl/exchange.h"

#define OXI_ETAG_MAX 256                /* bytes; longer ones are not kept */

struct oxi_cached {
	struct oxi_buffer url;          /* with a NUL */
	char etag[OXI_ETAG_MAX], modified[64];  /* ETag and Last-Modified; "": it had none */
	char date[OXI_DATE_MAX];        /* when it was fetched */
	char type[128], digest[65];
	int status;
	uint64_t body;                  /* bytes */
	bool sitemap;
	struct oxi_buffer reply;        /* what the page job gave */
	bool holds;                     /* what would be made of the page now is what was made of it then */
	bool confirmed;                 /* the store has it so */
};

void oxi_cached_free(struct oxi_cached *p);     /* takes NULL */

struct oxi_cache;

/* What a page job's reply depends on besides the page: the program, the crunch function's file, options. 0; -errno, OX_ENOMEM. */
int oxi_cache_maker(const struct oxi_crunch *crunch, const char *name, bool obeys, struct oxi_buffer *out);

/*
 * Opens what DIR/crawl.db has; db is the connection that writes.
 * Returns: 0; as ox_sqlite_open(), with @error_text (256 bytes) written.
 */
OX_YIELDS int oxi_cache_open(const char *dir, ox_sqlite *db, const char *maker, char *error_text, struct oxi_cache **ret);
OX_YIELDS void oxi_cache_close(struct oxi_cache *c);    /* takes NULL */

/* Looks a page up, for any coroutine at any time. *ret: NULL: it is not known. Returns: 0; OX_ECANCELED, OX_EDB, OX_ENOMEM. */
OX_YIELDS int oxi_cache_recall(struct oxi_cache *c, const char *url, bool sitemap, struct oxi_cached **ret);

/* Keeps a page, or notes that it holds still. In a transaction of db. */
OX_YIELDS int oxi_cache_keep(const struct oxi_cache *c, ox_sqlite *db, const struct oxi_cached *p);

/* Another crawl begins: what the one before the last had, and the last had not, is dropped. Likewise. */
OX_YIELDS int oxi_cache_begin_again(ox_sqlite *db);

#endif
