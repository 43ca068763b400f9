/* SPDX-License-Identifier: MIT */
/*
 * Open addressing over the first 128 bits of SHA-256: two URLs share them by chance never, and by intent only
 * at the cost of 2^64 tries, so the text itself need not be kept. At most two thirds full.
 */
#include "cli/crawl/seen.h"

#include <stdlib.h>
#include <string.h>

#include "cli/crawl/digest.h"

struct oxi_key oxi_key_of(const char *url, size_t len)
{
	unsigned char digest[OXI_DIGEST_LEN];
	struct oxi_key key;
	oxi_digest(url, len, digest);
	memcpy(&key, digest, sizeof(key));
	key.b |= key.a == 0;
	return key;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct oxi_key *place(struct oxi_key *slot, size_t cap, struct oxi_key key)
{
	size_t i = key.a & (cap - 1);
	while ((slot[i].a || slot[i].b) && (slot[i].a != key.a || slot[i].b != key.b))
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

static int grow(struct oxi_seen *s)
{
	size_t cap = s->cap ? 2 * s->cap : 1024;
	struct oxi_key *slot = calloc(cap, sizeof(*slot));
	if (!slot)
		return OX_ENOMEM;
	for (size_t i = 0; i < s->cap; i++) {
		if (s->slot[i].a || s->slot[i].b)
			*place(slot, cap, s->slot[i]) = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->cap = cap;
	return 0;
}

int oxi_seen_add(struct oxi_seen *s, struct oxi_key key)
{
	if (3 * (s->n + 1) > 2 * s->cap && grow(s) < 0)
		return OX_ENOMEM;
	struct oxi_key *p = place(s->slot, s->cap, key);
	if (p->a || p->b)
		return 0;
	*p = key;
	s->n++;
	return 1;
}

bool oxi_seen_has(const struct oxi_seen *s, struct oxi_key key)
{
	const struct oxi_key *p = s->cap ? place(s->slot, s->cap, key) : NULL;
	return p && (p->a || p->b);
}

void oxi_seen_free(struct oxi_seen *s)
{
	free(s->slot);
	*s = (struct oxi_seen){ 0 };
}
