/* SPDX-License-Identifier: MIT */
/* Which links are followed: those that belong with one of the URLs that the crawl was started with. */
#ifndef OXBOW_CLI_SCOPE_H
#define OXBOW_CLI_SCOPE_H

#include "cli/buffer.h"
#include "cli/crawl/seen.h"
#include "cli/crawl/url.h"

struct oxi_regex;

#define OXI_SCOPE_PATTERNS 64

enum oxi_scope_kind {
	OXI_SCOPE_HOST,                 /* the same host and port; http and https on their own ports count as one */
	OXI_SCOPE_PREFIX,               /* and a path in the folder of the start's path, or below */
	OXI_SCOPE_DOMAIN,               /* any host of the same owner, by the Public Suffix List: a.example.co.uk, b.example.co.uk */
	OXI_SCOPE_ANY,
};

struct oxi_scope {
	enum oxi_scope_kind kind;
	struct oxi_seen near;           /* what belongs with a start, as keys: a host and door, with a folder, or a domain */
	struct oxi_seen doors;          /* of the starts: scheme, host, port */
	char last[256];                 /* the host that was looked up last, its door, and whether it was near; "": none */
	unsigned last_door;
	bool last_near;
	struct oxi_regex *include[OXI_SCOPE_PATTERNS], *exclude[OXI_SCOPE_PATTERNS];
	size_t include_n, exclude_n;
};

/* Adds a pattern for whole URLs: one of the included ones must match, none of the excluded ones. *why: see oxi_regex_new(). */
int oxi_scope_add_pattern(struct oxi_scope *s, bool excludes, const char *pattern, struct oxi_buffer *why);

/* OX_ENOMEM. */
int oxi_scope_add(struct oxi_scope *s, const struct oxi_url *start);
/* The very host, scheme and port of a start: what a password for it may be sent to. */
bool oxi_scope_is_start(const struct oxi_scope *s, const struct oxi_url *url);
bool oxi_scope_holds(struct oxi_scope *s, const struct oxi_url *url);
void oxi_scope_free(struct oxi_scope *s);

#endif
