/* SPDX-License-Identifier: MIT */
/* The crawler: its options, and the state that its coroutines share. */
#ifndef OXBOW_CLI_CRAWL_H
#define OXBOW_CLI_CRAWL_H

#include <oxbow/group.h>
#include <oxbow/pool.h>
#include <oxbow/queue.h>
#include <oxbow/signal.h>

#include "cli/bar.h"
#include "cli/crawl/crunch.h"
#include "cli/crawl/frontier.h"
#include "cli/crawl/guard.h"
#include "cli/crawl/record.h"
#include "cli/crawl/scope.h"
#include "cli/crawl/seen.h"
#include "cli/sink.h"

struct oxi_crawl_options {
	char **urls;                    /* the starts */
	size_t n;
	enum oxi_scope_kind scope;
	uint64_t depth, max_pages;      /* UINT64_MAX: no limit */
	unsigned workers;               /* 0: the pool's default */
	unsigned connections;
	bool fast, quiet, bar, insecure;
	struct oxi_guard guard;
	ox_time timeout, crunch_timeout;
	size_t max_body;
	const char *crunch, *out, *ca_file;
	size_t top;
};

struct oxi_crawl {
	const struct oxi_crawl_options *o;
	struct oxi_crunch crunch;
	ox_pool *pool;
	struct oxi_scope scope;
	struct oxi_seen seen;
	struct oxi_frontier frontier;
	uint64_t accepted;              /* URLs taken into the crawl */
	ox_queue *connections;          /* one entry for each that may still be opened */
	ox_queue *lines;                /* of struct oxi_buffer: records on their way to the output */
	ox_group *work;                 /* of lanes; NULL once they have ended */
	unsigned running;               /* pages being fetched or crunched */
	struct oxi_crawl_tally tally;
	struct oxi_sink sink;
	struct oxi_bar bar;
	ox_signals *signals;            /* SIGINT, SIGTERM */
	int exit;                       /* 0: as the pages say */
};

/* Runs a crawl to its end, from before there is a loop, and returns the exit code. It has said what went wrong. */
int oxi_crawl_run(const struct oxi_crawl_options *o);

/* Says why the crawl cannot go on, once, and settles its exit code. Returns r. */
int oxi_crawl_fail(struct oxi_crawl *c, int code, const char *what, int r);

/*
 * Fetches an item's URL, follows its redirects, and fills in the record.
 * @ret: the answer; NULL if there was none, or if it is of a URL that another item stands for.
 * Returns: 0, also when the page failed: record->error; OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_crawl_fetch(struct oxi_crawl *c, const char *url, struct oxi_record *record, ox_response **ret);

/*
 * Has an answer parsed and crunched in a worker, takes its links, and fills in the record.
 * Returns: 0, also when the crunch failed; OX_ECANCELED, OX_ENOMEM, or a code that says that there are no
 * workers.
 */
OX_YIELDS int oxi_crawl_crunch(struct oxi_crawl *c, ox_response *answer, struct oxi_record *record);

/* Takes a URL into the crawl if it is new and within all limits. via: NULL for a start. Returns: 0; OX_ENOMEM. */
int oxi_crawl_take(struct oxi_crawl *c, const struct oxi_url *url, unsigned depth, struct oxi_origin *via);

#endif
