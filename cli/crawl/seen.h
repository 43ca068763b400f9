/* SPDX-License-Identifier: MIT */
/* The set of URLs that are known: 16 bytes each, whatever their length. */
#ifndef OXBOW_CLI_SEEN_H
#define OXBOW_CLI_SEEN_H

#include <oxbow/base.h>

struct oxi_key {
	uint64_t a, b;                  /* never both 0 */
};

struct oxi_seen {
	struct oxi_key *slot;           /* cap of them, a power of two; all-zero: free */
	size_t n, cap;
};

struct oxi_key oxi_key_of(const char *url, size_t len);

/* Adds a key. Returns: 1; 0: it was there; OX_ENOMEM. */
int oxi_seen_add(struct oxi_seen *s, struct oxi_key key);
bool oxi_seen_has(const struct oxi_seen *s, struct oxi_key key);
void oxi_seen_free(struct oxi_seen *s);

#endif
