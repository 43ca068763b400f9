/* SPDX-License-Identifier: MIT */
/* What is still to be fetched, host by host, and whose turn it is. */
#ifndef OXBOW_CLI_FRONTIER_H
#define OXBOW_CLI_FRONTIER_H

#include "cli/crawl/alarm.h"
#include "cli/crawl/link.h"
#include "cli/crawl/record.h"
#include "cli/crawl/robots.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/trap.h"
#include "cli/crawl/url.h"

#define OXI_HOPS_MAX 10                 /* redirects from a URL */

/* The page on which links were found, shared by them. */
struct oxi_origin {
	unsigned refs;
	uint64_t id;
	char url[];
};

/* Where the redirects of an item have led. */
struct oxi_trail {
	struct oxi_key hop[OXI_HOPS_MAX + 1];   /* the URL itself, then each target, as they are spelled */
	struct oxi_key known[OXI_HOPS_MAX + 1]; /* by which they are known: query.h */
	size_t n;
	uint64_t alias;                 /* the id of the last target */
	char target[OXI_URL_MAX + 1];   /* what is to be fetched now */
};

/* A URL. It belongs to its host's queue, to the alarm of its next attempt, or to the coroutine that fetches it. */
struct oxi_item {
	struct oxi_item *next;
	struct oxi_host *host;
	struct oxi_origin *via;         /* NULL: a start */
	struct oxi_trail *trail;        /* NULL: it has met no redirect */
	struct oxi_alarm alarm;         /* of the next attempt */
	uint64_t id;
	unsigned depth, attempt;
	enum oxi_link by;               /* what it was found by; SITEMAP: it is a list of links */
	bool first;                     /* it goes before those of its host that wait */
	char url[];
};

/* What is known of a host's robots.txt, for one scheme. */
struct oxi_gate {
	enum { OXI_GATE_UNKNOWN, OXI_GATE_OPEN, OXI_GATE_RULES, OXI_GATE_SHUT } state;
	enum oxi_error error;           /* SHUT: why */
	unsigned failures;
	ox_time until;                  /* then it is asked for anew */
	bool looked;                    /* for it in the hosts' database, in vain */
	struct oxi_robots rules;        /* RULES */
};

/* An address, of which many names may be: they share its pace as if they were one host. */
struct oxi_address {
	struct oxi_address *next;       /* in its bucket */
	struct oxi_host *first, *last;  /* whose turn it would be, but for others of this address */
	struct oxi_alarm alarm;
	unsigned running;               /* requests under way */
	ox_time not_before;
	char ip[];
};

/*
 * A host. It stands in the ready queue or in that of its address, waits for its alarm, or is idle: it has nothing to
 * be fetched, or as many requests under way as it may.
 */
struct oxi_host {
	struct oxi_host *next;          /* in its bucket */
	struct oxi_host *next_ready, *next_hungry;
	struct oxi_address *address;    /* that answered last; NULL: none has, or addresses have no pace */
	struct oxi_item *first, *last;  /* in memory */
	struct oxi_alarm alarm;
	uint64_t id;
	uint64_t cold, loaded_to;       /* items that only the store has, and the last one that it gave */
	bool stored, dirty;             /* the store knows it; has changed since */
	bool ready, hungry;             /* it stands in that list, or for its turn at the address */
	bool asking;                    /* its robots.txt is being fetched: nothing else is meanwhile */
	bool trapped;                   /* see trap.h: nothing more is fetched */
	bool strict;                    /* it wants https only: RFC 6797 */
	unsigned running;               /* requests under way */
	unsigned freezes;               /* in a row */
	ox_time not_before;             /* when the next request may start */
	ox_time response;               /* how long it takes to answer, a moving mean */
	struct oxi_gate gate[2];        /* http, https */
	uint64_t accepted, urls, pages, bytes, frozen, errors[OXI_ERROR_COUNT], traps[OXI_TRAP_COUNT], over_budget;
	uint64_t streak_digest;         /* the body of the last page, and how many pages in a row had it */
	unsigned streak;
	char name[];                    /* "host:port" */
};

struct oxi_frontier {
	struct oxi_host **bucket;       /* OXI_HOST_BUCKETS */
	struct oxi_address **address;   /* likewise */
	size_t hosts;
	struct oxi_host *ready_first, *ready_last, *hungry;
	struct oxi_alarms alarms, addresses, retries;   /* of hosts, of addresses, of items */
	uint64_t waiting;               /* items, in memory or not, retries too */
	size_t in_memory;
	unsigned per_host;
};

#define OXI_HOST_BUCKETS 16384
#define OXI_IN_MEMORY    100000         /* items; what comes then waits in the store alone */

struct oxi_origin *oxi_origin_new(const char *url, uint64_t id);       /* one reference; NULL: no memory */
void oxi_origin_unref(struct oxi_origin *o);            /* takes NULL */

/* A new item; a reference to via is taken. NULL: no memory. */
struct oxi_item *oxi_item_new(const char *url, uint64_t id, unsigned depth, struct oxi_origin *via);
void oxi_item_free(struct oxi_item *item);

/* What is to be fetched for it now. */
const char *oxi_item_target(const struct oxi_item *item);

/* OX_ENOMEM. */
int oxi_frontier_init(struct oxi_frontier *f, unsigned per_host);
void oxi_frontier_free(struct oxi_frontier *f);

/* The host of a URL, made if need be. http and https on their own ports are one. NULL: no memory. */
struct oxi_host *oxi_frontier_host(struct oxi_frontier *f, const struct oxi_url *url);
struct oxi_host *oxi_frontier_host_named(struct oxi_frontier *f, const char *name);

/* The address that is written so, made if need be. NULL: no memory. */
struct oxi_address *oxi_frontier_address(struct oxi_frontier *f, const char *ip);

/* Puts an item at the end of its host's queue, into memory or, if the store has it, by counting it there. Given. */
void oxi_frontier_put(struct oxi_frontier *f, struct oxi_item *item);

/* Takes one that the store gave into memory. Given. */
void oxi_frontier_put_loaded(struct oxi_frontier *f, struct oxi_item *item);

/* Puts an item at the front of its host's queue. Given. */
void oxi_frontier_put_back(struct oxi_frontier *f, struct oxi_item *item);

/* The same once at has come. Given, but stays the caller's when there is no memory. */
int oxi_frontier_put_later(struct oxi_frontier *f, struct oxi_item *item, ox_time at);

/*
 * Looks anew at whether a host is to stand in a list; after anything that decides it has changed. A host that
 * wants items from the store comes into the hungry list.
 */
void oxi_frontier_update(struct oxi_frontier *f, struct oxi_host *h);
void oxi_address_update(struct oxi_frontier *f, struct oxi_address *a);        /* the same for those that wait for it; takes NULL */
struct oxi_host *oxi_frontier_hungry(struct oxi_frontier *f);   /* takes one out; NULL: none */

/* The next item whose host may be asked; it is the caller's. NULL: none is now. */
struct oxi_item *oxi_frontier_next(struct oxi_frontier *f, ox_time now);

/* When there may be one without anything having changed; OX_NEVER. */
ox_time oxi_frontier_wake_at(const struct oxi_frontier *f);

#endif
