/* SPDX-License-Identifier: MIT */
/*
 * Payloads in the pool's arena, or beside it. An input, a blob or a result is put into its zone; when that is full, into
 * the overflow; when that is full as well, or the system gives no pages for it, it lies in private memory and
 * travels in chunks (parent_chunks.c). A blob is memory that both sides see, so for one there is no third place.
 *
 * A block has users: the job whose input it is, the job whose result it is, a
 * blob. Whoever has a pointer into a live block can make it the input of another job, which is then one more
 * user: nothing is copied.
 */
#include <string.h>

#include "pool/parent.h"

#define BLOB_MAGIC 0x626c6f6200000001ull
#define CALM       OX_SEC(1)            /* between two looks at what was not needed */

bool oxi_memory_inside(const ox_pool *p, const void *data)
{
	const uint8_t *at = data;

	return at >= p->arena.base + p->arena.control_size && at < p->arena.base + p->arena.size;
}

static struct oxi_zone *zone_of(const ox_pool *p, const void *data, size_t *ret_place)
{
	*ret_place = (size_t)((const uint8_t *)data - p->arena.base);
	return p->zones[oxi_arena_zone_of(&p->arena, *ret_place)];
}

size_t oxi_memory_get(ox_pool *p, unsigned zone, size_t len, size_t *ret_cap)
{
	size_t place = oxi_zone_get(p->zones[zone], len, ret_cap);

	return place != 0 ? place : oxi_zone_get(p->zones[p->arena.zones], len, ret_cap);
}

/* Room that this process is about to write. */
static uint8_t *get_input(ox_pool *p, size_t len)
{
	size_t cap, place = oxi_memory_get(p, 0, len, &cap);
	unsigned zone = place != 0 ? oxi_arena_zone_of(&p->arena, place) : 0;

	if (place == 0)
		return NULL;
	if (zone != 0 && oxi_arena_commit(&p->arena, place, cap) < 0) {
		oxi_zone_put(p->zones[zone], place);
		oxi_zone_trim(p->zones[zone], 0);
		return NULL;
	}
	oxi_arena_prepare(&p->arena, place, cap, len);
	return p->arena.base + place;
}

uint8_t *oxi_memory_new(ox_pool *p, size_t len)
{
	return oxi_pool_chaos(p, OXI_CHAOS_ARENA) ? NULL : get_input(p, len);
}

uint8_t *oxi_memory_copy(ox_pool *p, const void *data, size_t len)
{
	uint8_t *at = oxi_memory_new(p, len);

	return at != NULL ? memcpy(at, data, len) : NULL;
}

const uint8_t *oxi_memory_copy_or_own(ox_pool *p, const void *data, size_t len)
{
	uint8_t *copy = len > OXI_INLINE ? oxi_memory_copy(p, data, len) : NULL;

	if (copy == NULL && (copy = oxi_alloc(len)) != NULL)
		memcpy(copy, data, len);
	return copy;
}

bool oxi_memory_share(ox_pool *p, const void *data, size_t len)
{
	size_t place, start, cap;

	if (!oxi_memory_inside(p, data))
		return false;
	struct oxi_zone *z = zone_of(p, data, &place);
	if (!oxi_zone_find(z, place, &start, &cap) || len > cap - (place - start))
		return false;
	oxi_zone_ref(z, start);
	return true;
}

void oxi_memory_put(ox_pool *p, const void *data)
{
	size_t place, start, cap;
	struct oxi_zone *z = zone_of(p, data, &place);

	OXI_CHECK(oxi_zone_find(z, place, &start, &cap));
	oxi_zone_put(z, start);
	if (OXI_LIKELY(!oxi_zone_is_hot(z)))
		return;
	if (p->closing) {               /* nobody will want it */
		oxi_zone_trim(z, 0);
	} else if (p->calm_at == OX_NEVER) {
		p->calm_at = oxi_pool_now() + CALM;
		oxi_pool_set_timer(p);
	}
}

void oxi_memory_calm(ox_pool *p, ox_time now)
{
	p->calm_at = OX_NEVER;
	for (unsigned i = 0; i <= p->arena.zones; i++) {
		oxi_zone_calm(p->zones[i]);
		if (oxi_zone_is_hot(p->zones[i]))
			p->calm_at = now + CALM;
	}
}

/* ---- blobs ---- */

struct ox_blob {
	uint64_t magic;
	ox_pool *pool;
	uint8_t *data;
};

ox_blob *ox_blob_new(ox_pool *p, size_t len)
{
	if (oxi_forked() || p == NULL)
		return NULL;
	OXI_CHECK_OBJECT(p, OXI_POOL_MAGIC);
	ox_blob *b = oxi_alloc(sizeof *b);
	uint8_t *data = b != NULL ? get_input(p, len) : NULL;
	if (data == NULL) {
		oxi_free(b);
		return NULL;
	}
	*b = (ox_blob){ .magic = BLOB_MAGIC, .pool = p, .data = data };
	p->users++;
	return b;
}

void *ox_blob_data(ox_blob *b)
{
	OXI_CHECK_OBJECT(b, BLOB_MAGIC);
	return b->data;
}

void ox_blob_free(ox_blob *b)
{
	if (b == NULL || oxi_forked())
		return;
	OXI_CHECK_OBJECT(b, BLOB_MAGIC);
	ox_pool *p = b->pool;
	oxi_memory_put(p, b->data);
	b->magic = 0;
	oxi_free(b);
	oxi_pool_unref(p);
}
