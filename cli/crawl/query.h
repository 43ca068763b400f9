/* SPDX-License-Identifier: MIT */
/* Which URLs count as one although their queries differ: --drop-query, --sort-query. */
#ifndef OXBOW_CLI_QUERY_H
#define OXBOW_CLI_QUERY_H

#include "cli/crawl/seen.h"

#define OXI_DROPS_MAX 64

struct oxi_query_rules {
	const char *drop[OXI_DROPS_MAX];        /* names of parameters that do not count; * stands for any bytes */
	size_t n;
	bool sort;                      /* nor does their order */
};

/* What a URL in normal form is known by. Without rules, and without a query: oxi_key_of(). */
struct oxi_key oxi_query_key(const struct oxi_query_rules *rules, const char *url, size_t len);

#endif
