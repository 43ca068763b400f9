/* SPDX-License-Identifier: MIT */
/* The crawler: its options, and the state that its coroutines share. */
#ifndef OXBOW_CLI_CRAWL_H
#define OXBOW_CLI_CRAWL_H

#include <oxbow/group.h>
#include <oxbow/pool.h>
#include <oxbow/queue.h>
#include <oxbow/signal.h>
#include <oxbow/sync.h>
#include <string.h>

#include "cli/bar.h"
#include "cli/batch/events.h"
#include "cli/batch/throttle.h"
#include "cli/crawl/crunch.h"
#include "cli/crawl/directive.h"
#include "cli/crawl/frontier.h"
#include "cli/crawl/guard.h"
#include "cli/crawl/hosts.h"
#include "cli/crawl/page.h"
#include "cli/crawl/query.h"
#include "cli/crawl/record.h"
#include "cli/crawl/scope.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/store.h"
#include "cli/crawl/warc.h"
#include "cli/sink.h"

enum oxi_obey { OXI_OBEY_ALL, OXI_OBEY_META, OXI_OBEY_NONE };  /* robots.txt and what pages say; that only; nothing */

#define OXI_HEADERS_MAX 64
#define OXI_ROBOTS_FETCHED OX_MIB(8)    /* bytes of a robots.txt; fewer are read (robots.h) */

struct oxi_crawl_options {
	char **argv;                    /* the command line, whose first word is the command's name */
	char **urls;                    /* the starts */
	size_t n;
	enum oxi_scope_kind scope;
	const char *include[OXI_SCOPE_PATTERNS], *exclude[OXI_SCOPE_PATTERNS];
	size_t include_n, exclude_n;
	uint64_t depth, max_pages, max_pages_host, max_bytes, max_bytes_host, max_queries;      /* UINT64_MAX: no limit */
	unsigned workers;               /* 0: the pool's default */
	unsigned connections, per_host;
	bool fast, quiet, bar, insecure, resume, sitemaps, explain, cache, requisites;
	enum oxi_obey obey;
	struct oxi_guard guard;
	ox_time timeout, connect_timeout, crunch_timeout, delay, max_time, retry_delay;
	unsigned retries;
	size_t max_body, crunch_memory;
	const char *warc;               /* a folder; NULL */
	uint64_t warc_size;
	const char *crunch, *select, *blobs, *out, *ca_file, *run, *contact, *user_agent, *proxy, *cookies, *host_report;
	const char *headers[OXI_HEADERS_MAX + 1];       /* for the hosts of the starts */
	size_t headers_n;
	size_t top;
	/* traffic */
	const char *input, *events, *hosts_db, *stats;
	const char *fail_on[OXI_ERROR_COUNT];
	size_t fail_on_n, mem;
	struct oxi_query_rules query;
	double rate;                    /* requests a second; 0: any */
	bool sandbox;
};

struct oxi_crawl {
	const struct oxi_crawl_options *o;
	char agent[256];                /* the User-Agent */
	struct oxi_crunch crunch;
	char *blobs;                    /* the folder of the blobs; NULL: there is none */
	bool blobs_made;                /* their folder is there */
	ox_pool *pool;
	struct oxi_scope scope;
	struct oxi_seen seen;
	struct oxi_queries queries;
	struct oxi_frontier frontier;
	struct oxi_store *store;
	ox_cookies *cookies;            /* NULL: none are kept */
	struct oxi_hosts *hosts;        /* of --hosts-db; NULL: shared with nobody */
	struct oxi_events events;
	int events_fd;                  /* until they have begun */
	unsigned dropped;               /* visits, by a signal */
	struct oxi_throttle rate;
	ox_time rate_at;                /* no request before this, by the rate; 0: any time */
	size_t held;                    /* bytes of bodies in flight, those under way at their largest */
	bool no_room;                   /* for one more, by --mem, until a visit lets go of some */
	int input;                      /* descriptor of -i; -1: none */
	bool feeding;                   /* more starts may come from there */
	bool bad_input;                 /* a line of it was no URL */
	bool contact_asked;
	bool strict;                    /* there are hosts that want https only */
	bool fail_on[OXI_ERROR_COUNT];
	struct oxi_warc *warc;          /* NULL: none is written */
	size_t unwritten;               /* bytes of exchanges on their way to it */
	ox_event *written;              /* there are fewer */
	uint64_t last_id, accepted;     /* URLs taken into the crawl */
	uint64_t over_budget;           /* URLs that a budget kept out */
	ox_event *changed;              /* something that the dispatcher waits for may have happened */
	ox_queue *changes;              /* of struct oxi_change, on their way to the store and the output */
	ox_group *work;                 /* the visits; NULL once they have ended */
	unsigned running;               /* visits */
	bool stopping;                  /* nothing more is begun */
	bool full;                      /* because a budget was reached */
	struct oxi_crawl_tally tally;
	struct oxi_sink sink;
	uint64_t results_len;           /* bytes of results, of a run that stays */
	int lock;                       /* on the folder of a run; -1: none */
	struct oxi_bar bar;
	ox_signals *signals;            /* SIGINT, SIGTERM */
	int exit;                       /* 0: as the pages say */
};

/* Runs a crawl to its end, from before there is a loop, and returns the exit code. It has said what went wrong. */
int oxi_crawl_run(const struct oxi_crawl_options *o);

/* What a URL is known by. */
static inline struct oxi_key oxi_crawl_key(const struct oxi_crawl *c, const char *url)
{
	return oxi_query_key(&c->o->query, url, strlen(url));
}

/* Passes on what the hosts' database said, or an event's writer, after settling what a failure of theirs means. */
int oxi_crawl_hosts_said(struct oxi_crawl *c, int r);
int oxi_crawl_events_said(struct oxi_crawl *c, int r);

/* Says why the crawl cannot go on, once, and settles its exit code. Returns r. */
int oxi_crawl_fail(struct oxi_crawl *c, int code, const char *what, int r);

/* ---- starts.c: where the crawl begins ---- */

/* Opens the input, and reads the words; before there is a loop. Returns: 0, or an exit code after saying why. */
int oxi_starts_read(struct oxi_crawl *c, struct oxi_url *words);

/* Takes a start into the scope. Returns: 0; OX_ENOMEM. */
int oxi_starts_add(struct oxi_crawl *c, const struct oxi_url *url);

/* A coroutine: takes the starts of -i, line by line, as fast as the keeper takes changes. arg: the crawl. */
int oxi_starts_feed(void *arg);

/* ---- visit.c: an item on its way from the frontier to its result ---- */

/*
 * Begins the next item that may be begun: its visit, the fetch of its host's robots.txt, or its result at once.
 * Returns: 1; 0: there is none now; negative: the crawl cannot go on.
 */
OX_YIELDS int oxi_crawl_begin_next(struct oxi_crawl *c);

/* ---- gate.c: what a host allows, and when ---- */

/* Whether a URL of the item's host may be fetched; NONE: it may. *ret_unknown: robots.txt has to be fetched first. */
enum oxi_error oxi_gate_check(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url, bool *ret_unknown);

/* The rules of a URL's host and scheme, as far as they are known; for --explain. */
const struct oxi_gate *oxi_gate_of(const struct oxi_host *h, const struct oxi_url *url);
ox_time oxi_gate_delay(const struct oxi_crawl *c, const struct oxi_host *h);

/* Looks the robots.txt for the URL's scheme up in the hosts' database. Returns: 0, found or not; negative. */
OX_YIELDS int oxi_gate_look(struct oxi_crawl *c, struct oxi_host *h, const struct oxi_url *url);

/*
 * Fetches it, and ends the request that began with asking address.
 * Returns: 0, however that ends; OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_gate_ask(struct oxi_crawl *c, struct oxi_host *h, struct oxi_address *address, const struct oxi_url *url);

/* A request to the host begins. Returns the address whose pace it is part of, for its end; NULL: of none. */
struct oxi_address *oxi_gate_begin(struct oxi_crawl *c, struct oxi_host *h);
/* It has ended, with an answer and the address that gave it, or with NULL and "". */
void oxi_gate_end(struct oxi_crawl *c, struct oxi_host *h, struct oxi_address *asked, const ox_http_times *answer, const char *ip);

/* What has to be asked of other crawls before a request, and told them after it. 1: it may go out; 0: not yet. */
OX_YIELDS int oxi_gate_claim(struct oxi_crawl *c, struct oxi_host *h);
OX_YIELDS int oxi_gate_tell(struct oxi_crawl *c, struct oxi_host *h);

/*
 * The host asked for silence, by 429 or 503. after: its Retry-After; NULL: it did not say.
 * Returns: whether the URL is to be tried again without using up an attempt.
 */
bool oxi_gate_freeze(struct oxi_crawl *c, struct oxi_host *h, const char *after);

/* ---- fetch.c ---- */

/* What has to happen with an item once it was asked for. */
enum oxi_next { OXI_NEXT_RESULT, OXI_NEXT_AGAIN, OXI_NEXT_LATER, OXI_NEXT_HOP };

/*
 * Makes one request, and fills in the record.
 * @ret: the answer; NULL if there was none. @hop: where a redirect leads.
 * Returns: an oxi_next; OX_ECANCELED, OX_ENOMEM.
 */
OX_YIELDS int oxi_crawl_fetch(struct oxi_crawl *c, struct oxi_item *item, const struct oxi_url *target,
                              struct oxi_record *record, ox_response **ret, struct oxi_url *hop);

/*
 * The plain request behind that, for robots.txt too: under the conditions of record->cached; its reason and exchange are
 * written.
 */
OX_YIELDS int oxi_crawl_get(struct oxi_crawl *c, const struct oxi_url *url, size_t max_body, struct oxi_record *record,
                            ox_response **ret);

/* ---- follow.c ---- */

/*
 * Has an answer parsed and crunched in a worker, takes its links into the change, and fills in the record.
 * Returns: 0, also when the crunch failed; OX_ECANCELED, OX_ENOMEM, or a code that says that there are no
 * workers.
 */
OX_YIELDS int oxi_crawl_crunch(struct oxi_crawl *c, ox_response *answer, const struct oxi_item *item,
                               struct oxi_record *record, struct oxi_change *change);

/* The same for an answer that says that the page is what it was, with what is known of it. */
int oxi_crawl_recall(struct oxi_crawl *c, const struct oxi_item *item, struct oxi_record *record, struct oxi_change *change);

/*
 * Takes a URL into the crawl, as an item of the change, if it is new and within all limits. via: NULL for a
 * start. link: what it was found by. Returns: 0; OX_ENOMEM.
 */
int oxi_crawl_take(struct oxi_crawl *c, struct oxi_change *change, const struct oxi_url *url, unsigned depth,
                   struct oxi_origin *via, const struct oxi_page_link *link);

/* Whether --depth lets a link through that is depth steps away from a start. */
bool oxi_crawl_reaches(const struct oxi_crawl *c, enum oxi_link by, unsigned depth);

/* ---- explain.c: what --explain says, as lines of JSON ---- */

/* What decides about the item itself. */
void oxi_explain_item(struct oxi_crawl *c, const struct oxi_item *item, struct oxi_buffer *out);

/* What a link is taken for. Returns: 0; OX_ENOMEM. */
int oxi_explain_link(struct oxi_crawl *c, const struct oxi_url *url, enum oxi_link by, unsigned depth, struct oxi_buffer *out);

/* ---- blob.c ---- */

/*
 * Puts the blobs of a page into their folder, and says in the record which ones they are.
 * Returns: 0; OX_EPROTO: they are none; OX_ECANCELED, OX_ENOMEM, -errno.
 */
OX_YIELDS int oxi_blobs_keep(struct oxi_crawl *c, ox_bytes blobs, struct oxi_record *record);

/* ---- keeper.c: the store and the output ---- */

/* Hands a change over; it is given in any case. When it is on its way, its items go into the frontier. */
OX_YIELDS int oxi_keeper_give(struct oxi_crawl *c, struct oxi_change *change);

/* What a request has brought, if its record has that still, goes to the WARC alone: no result comes of it. */
OX_YIELDS int oxi_keeper_archive(struct oxi_crawl *c, struct oxi_record *record);

/* A coroutine: takes changes until the queue is shut. arg: the crawl. */
int oxi_keeper_run(void *arg);

void oxi_keeper_drop(void *change);

/* Opens the store and the results, resumed or new. Returns: 0, or an exit code after saying why. */
OX_YIELDS int oxi_keeper_open(struct oxi_crawl *c);
int oxi_keeper_lock(struct oxi_crawl *c);       /* before the loop: the folder of the run; likewise */

/* ---- report.c ---- */

/* A line of JSON for each host. Returns: 0; -errno, OX_ENOMEM. */
int oxi_report_write(const struct oxi_crawl *c, const char *path);

/* The summary as one object, to a file or with "-" to standard error. Likewise. */
int oxi_report_stats(const struct oxi_crawl *c, ox_time took, int exit, const char *path);

#endif
