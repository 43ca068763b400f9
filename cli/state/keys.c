/* SPDX-License-Identifier: MIT */
/*
 * Both tables probe linearly and are at most three quarters full: 32 bytes a key at worst, half of that for the counts,
 * in two arrays so that no padding is stored.
 *
 * The counts tell equal jobs apart by 64 bits of their hash. Two different jobs that agree in them would be counted
 * together: the second gets number 1 instead of 0, in the next session again, so that nothing is mistaken for anything.
 */
#include "cli/state/keys.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 1024

static struct oxi_keys_slot *find(const struct oxi_keys *k, const uint64_t key[2])
{
	size_t i = key[0] & (k->cap - 1);
	while (k->slot[i].value && (k->slot[i].key[0] != key[0] || k->slot[i].key[1] != key[1]))
		i = (i + 1) & (k->cap - 1);
	return &k->slot[i];
}

static bool grow(struct oxi_keys *k)
{
	struct oxi_keys bigger = { .n = k->n, .cap = k->cap ? 2 * k->cap : LEAST };
	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (!bigger.slot)
		return false;
	for (size_t i = 0; i < k->cap; i++) {
		if (k->slot[i].value)
			*find(&bigger, k->slot[i].key) = k->slot[i];
	}
	free(k->slot);
	*k = bigger;
	return true;
}

bool oxi_keys_put(struct oxi_keys *k, const void *key, uint64_t value)
{
	uint64_t words[2];
	memcpy(words, key, sizeof(words));
	if (k->n >= k->cap / 4 * 3 && !grow(k))
		return false;
	struct oxi_keys_slot *s = find(k, words);
	k->n += s->value == 0;
	*s = (struct oxi_keys_slot){ .key = { words[0], words[1] }, .value = value };
	return true;
}

void oxi_keys_expect(const struct oxi_keys *k, const void *key)
{
	uint64_t word;
	memcpy(&word, key, sizeof(word));
	if (k->cap)
		__builtin_prefetch(&k->slot[word & (k->cap - 1)], 1);
}

uint64_t oxi_keys_get(const struct oxi_keys *k, const void *key)
{
	uint64_t words[2];
	memcpy(words, key, sizeof(words));
	return k->cap ? find(k, words)->value : 0;
}

void oxi_keys_free(struct oxi_keys *k)
{
	free(k->slot);
	*k = (struct oxi_keys){ 0 };
}

static size_t place(const struct oxi_counts *c, uint64_t hash)
{
	size_t i = hash & (c->cap - 1);
	while (c->times[i] && c->hash[i] != hash)
		i = (i + 1) & (c->cap - 1);
	return i;
}

static bool grow_counts(struct oxi_counts *c)
{
	struct oxi_counts bigger = { .n = c->n, .cap = c->cap ? 2 * c->cap : LEAST };
	bigger.hash = malloc(bigger.cap * sizeof(*bigger.hash));
	bigger.times = calloc(bigger.cap, sizeof(*bigger.times));
	if (!bigger.hash || !bigger.times) {
		oxi_counts_free(&bigger);
		return false;
	}
	for (size_t i = 0; i < c->cap; i++) {
		if (!c->times[i])
			continue;
		size_t to = place(&bigger, c->hash[i]);
		bigger.hash[to] = c->hash[i];
		bigger.times[to] = c->times[i];
	}
	oxi_counts_free(c);
	*c = bigger;
	return true;
}

int64_t oxi_counts_next(struct oxi_counts *c, uint64_t hash)
{
	if (c->n >= c->cap / 4 * 3 && !grow_counts(c))
		return -1;
	size_t i = place(c, hash);
	c->n += c->times[i] == 0;
	c->hash[i] = hash;
	return c->times[i]++;
}

void oxi_counts_free(struct oxi_counts *c)
{
	free(c->hash);
	free(c->times);
	*c = (struct oxi_counts){ 0 };
}
