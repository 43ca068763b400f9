/* SPDX-License-Identifier: MIT */
/* What is still to be fetched, in lanes: one for each host in a polite crawl, one for all in a fast one. */
#ifndef OXBOW_CLI_FRONTIER_H
#define OXBOW_CLI_FRONTIER_H

#include <oxbow/base.h>

/* The page on which links were found, shared by them. */
struct oxi_origin {
	unsigned refs;
	char url[];
};

struct oxi_item {
	struct oxi_item *next;
	struct oxi_origin *via;         /* NULL: a start */
	unsigned depth;
	char url[];
};

struct oxi_lane {
	struct oxi_lane *next;
	struct oxi_item *first, *last;
	unsigned running;               /* coroutines that serve it */
	ox_time not_before;             /* of a polite crawl: when its next fetch may start */
	char host[];
};

#define OXI_LANE_BUCKETS 1024

struct oxi_frontier {
	struct oxi_lane *bucket[OXI_LANE_BUCKETS];
	size_t waiting;                 /* items, of all lanes */
};

struct oxi_origin *oxi_origin_new(const char *url);     /* one reference; NULL: no memory */
void oxi_origin_unref(struct oxi_origin *o);            /* takes NULL */

/* The lane of a host, made if need be. NULL: no memory. */
struct oxi_lane *oxi_frontier_lane(struct oxi_frontier *f, const char *host);

/* Puts a URL at the end of a lane. Returns: 0; OX_ENOMEM. */
int oxi_frontier_put(struct oxi_frontier *f, struct oxi_lane *l, const char *url, unsigned depth, struct oxi_origin *via);

/* The next item of a lane: oxi_item_free(). NULL: there is none now. */
struct oxi_item *oxi_frontier_take(struct oxi_frontier *f, struct oxi_lane *l);

void oxi_item_free(struct oxi_item *item);
void oxi_frontier_free(struct oxi_frontier *f);

#endif
