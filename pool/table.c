/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "loop/loop.h"
#include "pool/table.h"

#define FEWEST 8u

static struct oxi_entry **slot_of(const struct oxi_table *t, uint64_t hash)
{
	return &t->slot[hash & (t->slots - 1)];
}

static void link_in(struct oxi_table *t, struct oxi_entry *e)
{
	struct oxi_entry **slot = slot_of(t, e->hash);

	e->next = *slot;
	*slot = e;
}

/* Twice as many slots. Where there is no memory for them, the old ones are used on. */
static void grow(struct oxi_table *t)
{
	struct oxi_table old = *t;
	size_t slots = old.slots > 0 ? 2 * old.slots : FEWEST;
	struct oxi_entry **slot = oxi_alloc(slots * sizeof *slot);

	if (slot == NULL)
		return;
	t->slot = slot;
	t->slots = slots;
	for (size_t i = 0; i < old.slots; i++)
		for (struct oxi_entry *e = old.slot[i], *next; e != NULL; e = next) {
			next = e->next;
			link_in(t, e);
		}
	oxi_free(old.slot);
}

int oxi_table_add(struct oxi_table *t, struct oxi_entry *e, uint64_t hash)
{
	if (t->count >= t->slots)
		grow(t);
	if (t->slot == NULL)
		return OX_ENOMEM;
	e->hash = hash;
	link_in(t, e);
	t->count++;
	return 0;
}

void oxi_table_remove(struct oxi_table *t, struct oxi_entry *e)
{
	struct oxi_entry **at = slot_of(t, e->hash);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	if (--t->count > 0)
		return;
	oxi_free(t->slot);
	*t = (struct oxi_table){ .slot = NULL };
}

static struct oxi_entry *first_with(struct oxi_entry *e, uint64_t hash)
{
	while (e != NULL && e->hash != hash)
		e = e->next;
	return e;
}

struct oxi_entry *oxi_table_find(const struct oxi_table *t, uint64_t hash)
{
	return t->slot != NULL ? first_with(*slot_of(t, hash), hash) : NULL;
}

struct oxi_entry *oxi_table_next(const struct oxi_entry *e)
{
	return first_with(e->next, e->hash);
}

/* Eight bytes at a time into a product whose upper half is folded into the lower one. */
static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

uint64_t oxi_hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t h = mix(seed, len), word = 0;

	for (; len >= sizeof word; len -= sizeof word, p += sizeof word) {
		memcpy(&word, p, sizeof word);
		h = mix(h, word);
	}
	word = 0;
	if (len > 0)
		memcpy(&word, p, len);
	return mix(mix(h, word), seed);
}
