/* SPDX-License-Identifier: MIT */
/*
 * A hash table of entries that lie in structs of others, by a hash of 64 bits; several may have the same one. With
 * nothing in it, it takes no memory.
 */
#ifndef OXBOW_POOL_TABLE_H
#define OXBOW_POOL_TABLE_H

#include <oxbow/base.h>

struct oxi_entry {
	struct oxi_entry *next;
	uint64_t hash;
};

struct oxi_table {
	struct oxi_entry **slot;        /* a power of two of them; NULL: none */
	size_t slots, count;
};

/* 0; OX_ENOMEM: not added. */
int oxi_table_add(struct oxi_table *t, struct oxi_entry *e, uint64_t hash);
void oxi_table_remove(struct oxi_table *t, struct oxi_entry *e);
struct oxi_entry *oxi_table_find(const struct oxi_table *t, uint64_t hash);     /* the first; NULL: none */
struct oxi_entry *oxi_table_next(const struct oxi_entry *e);                    /* the next with the same hash */

uint64_t oxi_hash(const void *data, size_t len, uint64_t seed);

#endif
