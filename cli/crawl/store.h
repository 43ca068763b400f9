/* SPDX-License-Identifier: MIT */
/*
 * The crawl on disk: every URL that was taken, whether it is done, and how much of the results is certain.
 * Yields; one coroutine at a time.
 */
#ifndef OXBOW_CLI_STORE_H
#define OXBOW_CLI_STORE_H

#include <oxbow/sqlite.h>

#include "cli/crawl/cache.h"
#include "cli/crawl/exchange.h"
#include "cli/crawl/frontier.h"
#include "cli/crawl/query.h"
#include "cli/crawl/warc.h"
#include "cli/json.h"

struct oxi_store {
	ox_sqlite *db;
	struct oxi_cache *cache;        /* what is known of pages; NULL without --cache */
};

/* What one page has changed. */
struct oxi_change {
	struct oxi_change *next;
	struct oxi_host *host;          /* whose figures have changed, or whose items are to be loaded; may be NULL */
	bool load;                      /* the host wants items: nothing else is in it then */
	uint64_t done;                  /* the item that has its result; 0: none */
	struct oxi_buffer line;         /* the result */
	struct oxi_buffer links;        /* of --explain: lines about links, to follow the result */
	struct oxi_buffer urls;         /* rows of oxi_change_add_url(), with a comma after each */
	struct oxi_buffer hosts;        /* rows of new hosts, likewise */
	struct oxi_exchange *exchange;  /* for the WARC; NULL */
	struct oxi_cached *cached;      /* what is known of the page now; NULL */
	struct oxi_item *first, *last;  /* new items, to go into the frontier once the change is on its way */
};

enum oxi_url_state { OXI_URL_WAITING, OXI_URL_DONE, OXI_URL_ALIAS };    /* ALIAS: a redirect led there, another has the result */

void oxi_change_add_url(struct oxi_change *c, uint64_t id, struct oxi_host *host, unsigned depth, uint64_t via,
                        enum oxi_url_state state, enum oxi_link by, const char *url);
void oxi_change_free(struct oxi_change *c);     /* items too */

/*
 * Opens DIR/crawl.db, made if need be, or with dir NULL one that nobody sees and that is gone in the end.
 * @error_text: 256 bytes. Returns: 0; OX_EDB and what else ox_sqlite_open() says.
 */
int oxi_store_open(const char *dir, char *error_text, struct oxi_store **ret);
void oxi_store_close(struct oxi_store *s);      /* takes NULL */

/* What SQLite said last. */
const char *oxi_store_error(const struct oxi_store *s);

/* Runs fn in a transaction, which a negative result undoes. Returns: what fn returned; as ox_sqlite_transaction(). */
int oxi_store_transaction(struct oxi_store *s, int (*fn)(void *arg), void *arg);

/*
 * Writes changes (a list), and how long the results and the WARC are with them (warc NULL: there is none). In a
 * transaction.
 */
int oxi_store_apply(struct oxi_store *s, const struct oxi_change *changes, uint64_t results_len, const struct oxi_warc_place *warc);

/*
 * The payload of an exchange is in the WARC from now on; if one like it was there before, the exchange is made
 * a revisit of that. In a transaction.
 */
int oxi_store_payload(struct oxi_store *s, struct oxi_exchange *x);

/* Forgets all URLs, hosts and results, so that a crawl of them can begin again; what --cache kept stays. */
int oxi_store_begin_again(struct oxi_store *s);

/* The next items of a host, a few hundred, into the frontier. */
int oxi_store_load(struct oxi_store *s, struct oxi_frontier *f, struct oxi_host *h);

/* What an earlier crawl has left. */
struct oxi_resumed {
	uint64_t last_id, accepted, done, results_len;
	bool archives;                  /* it writes a WARC */
	struct oxi_warc_place warc;     /* how far that is, or that of a crawl before it */
};

/*
 * Brings back hosts, figures and the set of known URLs, and gives each start to each().
 * Returns: 0; what each() said; as ox_sqlite_query().
 */
int oxi_store_resume(struct oxi_store *s, const struct oxi_query_rules *rules, struct oxi_frontier *f, struct oxi_seen *seen,
                     struct oxi_resumed *ret, int (*each)(void *arg, const char *start), void *arg);

#endif
