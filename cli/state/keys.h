/* SPDX-License-Identifier: MIT */
/* Open-addressing tables, made for millions of keys that are hashes already: no other one is computed. */
#ifndef OXBOW_CLI_KEYS_H
#define OXBOW_CLI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 16 bytes to a number. All-zero is an empty table. */
struct oxi_keys {
	struct oxi_keys_slot {
		uint64_t key[2];
		uint64_t value;         /* 0: free */
	} *slot;
	size_t n, cap;                  /* cap: a power of two */
};

/* value: not 0; it replaces what the key has. False: no memory, and nothing has changed. */
bool oxi_keys_put(struct oxi_keys *k, const void *key, uint64_t value);

/* Has memory fetch the key's place: of some hundred keys at once, and the next calls do not wait for it one by one. */
void oxi_keys_expect(const struct oxi_keys *k, const void *key);

/* 0: it is not there. */
uint64_t oxi_keys_get(const struct oxi_keys *k, const void *key);
void oxi_keys_free(struct oxi_keys *k);

/* How often a 64-bit hash was asked for. All-zero is an empty table. */
struct oxi_counts {
	uint64_t *hash;                 /* cap of them */
	uint32_t *times;                /* 0: free */
	size_t n, cap;
};

/* How often it was asked for before; -1: no memory. */
int64_t oxi_counts_next(struct oxi_counts *c, uint64_t hash);
void oxi_counts_free(struct oxi_counts *c);

#endif
