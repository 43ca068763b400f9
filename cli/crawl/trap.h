/* SPDX-License-Identifier: MIT */
/* Sites without an end: what gives them away, and how often it did. */
#ifndef OXBOW_CLI_TRAP_H
#define OXBOW_CLI_TRAP_H

#include "cli/crawl/url.h"

#define OXI_TRAPS(X)                                                                                        \
	X(LENGTH, "url-length") X(DEPTH, "path-depth") X(REPEATED, "repeated-segment")                      \
	X(PARAMETERS, "parameters") X(QUERIES, "queries") X(SAME_BODY, "same-body")

enum oxi_trap {
	OXI_TRAP_NONE,
#define OXI_TRAP_ENUM(name, text) OXI_TRAP_##name,
	OXI_TRAPS(OXI_TRAP_ENUM)
#undef OXI_TRAP_ENUM
	OXI_TRAP_COUNT,
};

const char *oxi_trap_name(enum oxi_trap t);     /* NULL: none */

#define OXI_TRAP_URL_MAX 2048           /* bytes of a URL */
#define OXI_TRAP_SEGMENTS_MAX 32        /* of a path */
#define OXI_TRAP_REPEATS_MAX 2          /* times that one segment stands in a path */
#define OXI_TRAP_PARAMETERS_MAX 32      /* of a query */
#define OXI_TRAP_STREAK_MAX 100         /* pages of a host in a row with the same body */

/* What the text of a URL alone says. */
enum oxi_trap oxi_trap_of(const struct oxi_url *url);

/* Counts the queries of each path. */
struct oxi_queries {
	struct oxi_query_count {
		uint64_t key;           /* of host and path; 0: a free slot */
		uint64_t n;
	} *slot;
	size_t n, cap;                  /* cap: a power of two */
};

/* How many queries the path of a URL has had, this one included; 0: it has no query. OX_ENOMEM. */
int oxi_queries_add(struct oxi_queries *q, const struct oxi_url *url, uint64_t *ret);
void oxi_queries_free(struct oxi_queries *q);

#endif
